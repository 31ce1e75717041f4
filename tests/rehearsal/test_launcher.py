"""The launcher: one rehearsal per user, found by every process, started when missing, cleaned when killed."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from waiting import is_gone, wait_for

from snews_drill.errors import RehearsalError, SettingsError
from snews_drill.rehearsal.broker import EmbeddedBroker
from snews_drill.rehearsal.launcher import ensure_rehearsal, find_rehearsal, stop_rehearsal
from snews_drill.rehearsal.processes import ProcessMark
from snews_drill.rehearsal.state import RehearsalFolders, new_rehearsal_id, write_state
from snews_drill.settings import DrillSettings

posix_only = pytest.mark.skipif(os.name != "posix", reason="modes, links and signals are POSIX")


def state_file(settings: DrillSettings) -> Path:
    return settings.runtime_dir / "rehearsal.json"


def test_a_cold_start_gives_a_broker_that_answers(settings):
    began = time.monotonic()
    with ensure_rehearsal(settings, server_command=()) as rehearsal:
        assert (
            time.monotonic() - began < 3.0
        )  # about 0.25 s; the limit is wide because test machines are busy
        assert rehearsal.broker.startswith("127.0.0.1:")
        state = rehearsal.current_state()
        assert psutil.pid_exists(state.broker_process.pid)
        assert state.server_process is None
        assert datetime.fromisoformat(state.started_utc) - datetime.now(UTC) < timedelta(minutes=1)


def test_the_same_process_shares_it_and_the_last_use_ends_it(settings):
    first = ensure_rehearsal(settings, server_command=(), grace=0.2)
    second = ensure_rehearsal(settings, server_command=())
    assert second.rehearsal_id == first.rehearsal_id
    assert second.admin_token == first.admin_token
    first.release()
    first.release()
    with pytest.raises(AssertionError):
        wait_for(lambda: second.current_state() is None, "its end, although it is in use", timeout=0.8)
    second.release()
    assert not second.is_held
    wait_for(lambda: second.current_state() is None, "its end")


def test_another_process_shares_it_and_the_last_one_out_ends_it(settings, start_user):
    mine = ensure_rehearsal(settings, server_command=(), grace=0.2)
    state = mine.current_state()
    user = start_user()
    assert user.stdout.readline().split() == [mine.broker, mine.rehearsal_id]
    mine.release()
    with pytest.raises(AssertionError):
        wait_for(lambda: mine.current_state() is None, "its end, although it is in use", timeout=0.8)
    user.stdin.close()
    wait_for(lambda: is_gone(state.supervisor.pid), "the end of the supervisor")
    assert is_gone(state.broker_process.pid)
    assert not state_file(settings).exists()


@posix_only
def test_it_ends_when_its_last_user_was_killed(settings, start_user):
    user = start_user()
    user.stdout.readline()
    state = find_rehearsal(settings)
    user.kill()
    wait_for(lambda: is_gone(state.supervisor.pid), "the end of the supervisor")
    assert is_gone(state.broker_process.pid)
    assert find_rehearsal(settings) is None


def test_processes_that_start_at_once_get_one_rehearsal(settings, start_user):
    users = [start_user(grace=2.0) for _ in range(4)]
    assert len({user.stdout.readline() for user in users}) == 1
    assert len(list((settings.state_dir / "rehearsals").iterdir())) == 1


def test_threads_that_start_at_once_get_one_rehearsal(settings):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(ensure_rehearsal(settings, server_command=())))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({rehearsal.broker for rehearsal in found}) == 1
    assert len(found) == 4
    for rehearsal in found:
        rehearsal.release()


def test_coming_and_going_never_meets_a_dying_rehearsal(settings):
    """Whoever gets a rehearsal gets one that stays, however close the end of the former one is."""

    def stays(rehearsal) -> bool:
        with pytest.raises(AssertionError):
            wait_for(lambda: rehearsal.current_state() is None, "its end, although in use", timeout=0.3)
        return True

    for pause in (0.0, 0.03, 0.1, 0.2, 0.3):
        with ensure_rehearsal(settings, server_command=(), grace=0.0) as rehearsal:
            assert rehearsal.current_state() is not None
        time.sleep(pause)  # the point is to come back at different moments of its end
        with ensure_rehearsal(settings, server_command=(), grace=0.0) as rehearsal:
            assert stays(rehearsal)


def test_finding_starts_nothing_and_leaves_no_trace(settings):
    assert find_rehearsal(settings) is None
    assert not settings.runtime_dir.exists()
    with ensure_rehearsal(settings, server_command=()) as rehearsal:
        assert find_rehearsal(settings) == rehearsal.current_state()


def test_stopping_ends_it_at_once_and_a_new_one_is_another(settings):
    first = ensure_rehearsal(settings, server_command=())
    state = first.current_state()
    assert stop_rehearsal(settings)
    assert is_gone(state.supervisor.pid)
    assert is_gone(state.broker_process.pid)
    assert first.current_state() is None
    assert not stop_rehearsal(settings)
    with ensure_rehearsal(settings, server_command=()) as second:
        assert second.rehearsal_id != first.rehearsal_id
        assert first.current_state() is None, "another rehearsal is not this one"
    first.release()


@posix_only
def test_everything_it_writes_is_private(settings, stand_in):
    old = os.umask(0)
    try:
        rehearsal = ensure_rehearsal(settings, server_command=stand_in)
    finally:
        os.umask(old)
    with rehearsal:
        wait_for(lambda: list(rehearsal.archive_dir.glob("server-*.json")), "the server")
        home = settings.runtime_dir.parent
        for path in (*settings.runtime_dir.rglob("*"), *settings.state_dir.rglob("*")):
            if not path.name.endswith(".partial"):
                assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
        assert stat.S_IMODE(settings.runtime_dir.stat().st_mode) == 0o700
        assert stat.S_IMODE(state_file(settings).stat().st_mode) == 0o600
        assert home.exists()


def test_the_token_is_in_no_repr_and_no_log(settings, stand_in):
    with ensure_rehearsal(settings, server_command=stand_in) as rehearsal:
        token = rehearsal.admin_token.get_secret_value()
        assert len(token) >= 32
        assert token not in repr(rehearsal) + repr(rehearsal.current_state()) + repr(rehearsal.admin_token)
        for log in rehearsal.archive_dir.glob("*.log"):
            assert token not in log.read_text()


def make_folders(settings: DrillSettings) -> RehearsalFolders:
    folders = RehearsalFolders(settings.runtime_dir, settings.state_dir)
    folders.prepare()
    return folders


def give_away(path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a file away")
    path.touch(0o600)
    os.chown(path, 65534, 65534)


def make_huge(path: Path) -> None:
    path.touch(0o600)
    os.truncate(path, 10**9)


def make_open(path: Path) -> None:
    path.touch()
    path.chmod(0o666)


HOSTILE = {
    "garbage": lambda path: path.write_bytes(b"\x00garbage"),
    "empty": lambda path: path.touch(0o600),
    "huge": make_huge,
    "open": make_open,
    "link": lambda path: path.symlink_to(path.parents[2] / "precious"),
    "link to nowhere": lambda path: path.symlink_to(path.parents[2] / "nowhere"),
    "directory": lambda path: path.mkdir(),
    "pipe": lambda path: os.mkfifo(path, 0o600),
    "foreign": give_away,
}


@posix_only
@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_state_file_is_not_believed_and_gives_way(settings, tmp_path, kind):
    path = make_folders(settings).state_file
    (tmp_path / "precious").write_text("precious")
    HOSTILE[kind](path)
    assert find_rehearsal(settings) is None
    with ensure_rehearsal(settings, server_command=()) as rehearsal:
        assert rehearsal.current_state() is not None
    assert (tmp_path / "precious").read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()


@posix_only
@pytest.mark.parametrize("name", ["start.lock", "supervisor.lock"])
def test_a_link_in_a_locks_place_is_a_clear_error(settings, tmp_path, name):
    link = make_folders(settings).runtime_dir / name
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RehearsalError):
        ensure_rehearsal(settings, server_command=(), timeout=2.0)
    assert not (tmp_path / "elsewhere").exists()
    link.unlink()


@posix_only
def test_a_runtime_folder_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")
    settings = DrillSettings(config_dir=tmp_path, state_dir=tmp_path / "state", runtime_dir=tmp_path / "run")
    with pytest.raises(SettingsError, match="is a link or belongs to somebody else"):
        ensure_rehearsal(settings, server_command=())


@posix_only
def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "file").touch()
    settings = DrillSettings(
        config_dir=tmp_path, state_dir=tmp_path / "state", runtime_dir=tmp_path / "file" / "run"
    )
    with pytest.raises(SettingsError, match="cannot be made"):
        ensure_rehearsal(settings, server_command=())


@contextlib.contextmanager
def bystander(*words: str):
    """Run a process that has nothing to do with a rehearsal, with words of our choice in its command line."""
    command = [sys.executable, "-I", "-S", "-c", "import time; print(1, flush=True); time.sleep(99)", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield process
        process.kill()


def stale_state(settings: DrillSettings):
    """Write the state of a rehearsal whose processes are all gone, and return it."""
    folders = make_folders(settings)
    rehearsal = ensure_rehearsal(settings, server_command=())
    state = rehearsal.current_state()
    stop_rehearsal(settings)
    rehearsal.release()
    write_state(folders.state_file, state)
    return folders, state


def test_a_stale_state_file_gives_way(settings):
    _, state = stale_state(settings)
    assert find_rehearsal(settings) is None
    with ensure_rehearsal(settings, server_command=()) as rehearsal:
        assert rehearsal.rehearsal_id != state.rehearsal_id


def test_a_process_that_was_given_a_dead_ones_number_is_not_killed(settings):
    """Its creation time or its command line is another one's."""
    folders, state = stale_state(settings)
    with bystander() as other, bystander("broker", f"tcp://{state.broker}", str(state.archive_dir)) as later:
        wrong_words = ProcessMark.of(other.pid)
        wrong_time = replace(ProcessMark.of(later.pid), created=ProcessMark.of(later.pid).created - 3600)
        for mark in (wrong_words, wrong_time):
            write_state(
                folders.state_file,
                replace(state, supervisor=wrong_words, broker_process=mark, server_process=mark),
            )
            assert find_rehearsal(settings) is None
            assert not stop_rehearsal(settings)
            assert other.poll() is None
            assert later.poll() is None
            assert not folders.state_file.exists()


def test_what_a_killed_supervisor_left_running_is_ended_by_the_next_start(settings):
    """As on systems that do not end children with their parent."""
    folders, state = stale_state(settings)
    with EmbeddedBroker() as left, bystander("--rehearsal-dir", str(state.archive_dir)) as server:
        left_state = replace(
            state,
            broker=left.address,
            broker_process=ProcessMark.of(left.pid),
            server_process=ProcessMark.of(server.pid),
        )
        write_state(folders.state_file, left_state)
        with ensure_rehearsal(settings, server_command=()) as rehearsal:
            assert rehearsal.rehearsal_id != state.rehearsal_id
            wait_for(lambda: not left.is_running, "the end of the broker that was left")
            assert server.wait(5) != 0


def test_leases_of_killed_users_are_cleared_away(settings):
    folders = make_folders(settings)
    (folders.users / "12345-0123abcd.lease").touch()
    with ensure_rehearsal(settings, server_command=()):
        assert [path.name.split("-")[0] for path in folders.users.iterdir()] == [str(os.getpid())]


def test_old_folders_are_dropped_at_the_start(settings):
    folders = make_folders(settings)
    old = folders.archives / new_rehearsal_id(datetime.now(UTC) - timedelta(days=8))
    young = folders.archives / new_rehearsal_id(datetime.now(UTC) - timedelta(days=6))
    old.mkdir()
    young.mkdir()
    with ensure_rehearsal(settings, server_command=()):
        assert not old.exists()
        assert young.exists()


def test_a_start_that_fails_says_why_and_holds_no_lease(settings, monkeypatch, tmp_path):
    monkeypatch.setenv("CALF_TANSU_BIN", str(tmp_path / "nothing"))
    with pytest.raises(RehearsalError, match="program was not found") as caught:
        ensure_rehearsal(settings, server_command=())
    assert "supervisor.log" in caught.value.next_step
    assert not list((settings.runtime_dir / "users").iterdir())


def test_a_start_that_takes_too_long_says_what_was_waited_for(settings, monkeypatch, tmp_path):
    program = tmp_path / "sleeper"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("CALF_TANSU_BIN", str(program))
    began = time.monotonic()
    with pytest.raises(RehearsalError, match="waited for its broker"):
        ensure_rehearsal(settings, server_command=(), timeout=1.0)
    assert time.monotonic() - began < 3.0
    monkeypatch.undo()


def test_a_start_lock_that_is_held_for_ever_is_not_waited_for_for_ever(settings):
    caught = []

    def start() -> None:
        with pytest.raises(RehearsalError, match="Another process of yours") as error:
            ensure_rehearsal(settings, server_command=(), timeout=0.3)
        caught.append(error.value)

    with make_folders(settings).start_lock().acquire():
        thread = threading.Thread(target=start)  # filelock knows a thread that waits for itself
        thread.start()
        thread.join()
    assert len(caught) == 1


@posix_only
def test_a_starter_that_is_killed_leaves_a_rehearsal_that_can_be_joined(settings, start_user):
    """Killed at any moment of the start, it neither blocks the next one nor leads to two rehearsals."""
    for moment in (0.05, 0.15, 0.2, 0.25, 0.3, 0.4):
        user = start_user(grace=0.5)
        time.sleep(moment)  # the point is to kill at different moments
        user.send_signal(signal.SIGKILL)
        user.wait(10)
        with ensure_rehearsal(settings, server_command=(), grace=0.5) as rehearsal:
            state = wait_for(rehearsal.current_state, "the rehearsal")
            supervisors = [
                process.pid
                for process in psutil.process_iter(["cmdline"])
                if str(settings.runtime_dir) in (process.info["cmdline"] or ())
            ]
            assert state.supervisor.pid in supervisors
        stop_rehearsal(settings)
