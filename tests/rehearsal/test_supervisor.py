"""The supervisor: brings back what was killed, ends what nobody uses, and when killed takes all with it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from waiting import is_gone, wait_for

from snews_drill.rehearsal.launcher import Rehearsal, ensure_rehearsal, find_rehearsal, stop_rehearsal
from snews_drill.rehearsal.leases import take_lease
from snews_drill.rehearsal.plan import Plan, read_plan, supervisor_command
from snews_drill.rehearsal.state import RehearsalFolders, RehearsalState
from snews_drill.rehearsal.supervisor import RESTART_WAITS_SEC, Restarts, Supervisor
from snews_drill.settings import DrillSettings, make_private_dir

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")


def pids(state: RehearsalState) -> list[int]:
    marks = (state.supervisor, state.broker_process, state.server_process)
    return [mark.pid for mark in marks if mark is not None]


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def changed(rehearsal: Rehearsal, before: RehearsalState) -> RehearsalState:
    """Wait until the broker was started anew and the server as well, if there was one."""

    def look() -> RehearsalState | None:
        state = rehearsal.current_state()
        is_new = state is not None and state.instance != before.instance
        return state if is_new and (state.server_process is None) == (before.server_process is None) else None

    return wait_for(look, "a new broker instance in the state")


def reports(archive_dir: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in archive_dir.glob("server-*.json")]


def takes(thief: socket.socket, port: int) -> bool:
    try:
        thief.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


def answers(address: str) -> bool:
    try:
        socket.create_connection(("127.0.0.1", int(address.split(":")[1])), timeout=1).close()
    except OSError:
        return False
    return True


def test_the_server_is_told_the_broker_and_its_folder_and_the_token_is_in_the_state_file_only(
    settings, stand_in
):
    with ensure_rehearsal(settings, server_command=stand_in) as rehearsal:
        (report,) = wait_for(lambda: reports(rehearsal.archive_dir), "the server's report")
        assert report["arguments"] == [
            "--broker",
            rehearsal.broker,
            "--rehearsal-dir",
            str(rehearsal.archive_dir),
        ]
        token = rehearsal.admin_token.get_secret_value()
        assert report["token"] is None
        for pid in pids(rehearsal.current_state()):
            assert token not in " ".join(psutil.Process(pid).cmdline())
            assert token not in " ".join(psutil.Process(pid).environ().values())


def test_without_users_it_ends_server_broker_and_itself(settings, stand_in):
    rehearsal = ensure_rehearsal(settings, server_command=stand_in, grace=0.2)
    wait_for(lambda: reports(rehearsal.archive_dir), "the server")
    state = rehearsal.current_state()
    rehearsal.release()
    for pid in pids(state):
        wait_for(lambda pid=pid: is_gone(pid), f"the end of process {pid}")
    assert (rehearsal.archive_dir / "stopped").exists(), "the server was not asked to stop"
    assert not (settings.runtime_dir / "rehearsal.json").exists()
    assert not list((settings.runtime_dir / "users").iterdir())


def test_within_the_time_of_grace_it_is_found_again(settings):
    first = ensure_rehearsal(settings, server_command=(), grace=5.0)
    first.release()
    with ensure_rehearsal(settings, server_command=()) as second:
        assert second.rehearsal_id == first.rehearsal_id


@contextlib.contextmanager
def begun(plan: Plan) -> Iterator[Supervisor]:
    """Let a supervisor of this process start its broker."""
    supervisor = Supervisor(plan)
    try:
        supervisor._begin()
        yield supervisor
    finally:
        supervisor._end()


def plan_of(settings: DrillSettings, *, grace: float, patience: float) -> Plan:
    folders = RehearsalFolders(settings.runtime_dir, settings.state_dir)
    folders.prepare()
    return Plan(
        folders, make_private_dir(folders.archives / "a-rehearsal"), (), grace=grace, patience=patience
    )


def test_it_ends_when_its_first_user_never_came(settings):
    """Its starter was killed before it could take part: who waited behind it has the time of patience to come."""
    began = time.monotonic()
    with begun(plan_of(settings, grace=0.1, patience=1.0)) as supervisor:
        wait_for(supervisor._is_abandoned, "the end of a rehearsal that nobody uses")
        assert time.monotonic() - began >= 1.0


def test_a_first_user_thatis_gone_before_the_first_look_counts_as_one(settings):
    """It waited for the state; so the time of grace begins, not the patience for a first user."""
    plan = plan_of(settings, grace=0.1, patience=60.0)
    lease = take_lease(plan.folders.users)
    try:
        with begun(plan) as supervisor:
            lease.release()
            wait_for(supervisor._is_abandoned, "its end")
    finally:
        lease.release()


def test_users_that_come_and_go_between_two_looks_keep_it_alive(settings):
    """Short commands, one after the other: one rehearsal, until nobody came for the time of grace."""
    plan = plan_of(settings, grace=0.6, patience=0.6)
    with begun(plan) as supervisor:
        until = time.monotonic() + 2.0
        while time.monotonic() < until:
            take_lease(plan.folders.users).release()
            assert not supervisor._is_abandoned()
            time.sleep(0.02)
        wait_for(supervisor._is_abandoned, "its end")


def test_a_killed_broker_comes_back_on_its_port_as_a_new_instance_with_a_new_server(settings, stand_in):
    with ensure_rehearsal(settings, server_command=stand_in) as rehearsal:
        wait_for(lambda: reports(rehearsal.archive_dir), "the server")
        before = rehearsal.current_state()
        kill(before.broker_process.pid)
        after = changed(rehearsal, before)
        assert after.broker == before.broker
        assert answers(after.broker)
        assert after.broker_process.pid != before.broker_process.pid
        assert after.server_process.pid != before.server_process.pid
        assert after.admin_token == before.admin_token
        assert is_gone(before.server_process.pid)
        wait_for(lambda: len(reports(rehearsal.archive_dir)) == 2, "the second server's report")


def test_a_killed_server_is_started_again_beside_the_same_broker(settings, stand_in):
    with ensure_rehearsal(settings, server_command=stand_in) as rehearsal:
        wait_for(lambda: reports(rehearsal.archive_dir), "the server")
        before = rehearsal.current_state()
        kill(before.server_process.pid)
        wait_for(lambda: len(reports(rehearsal.archive_dir)) == 2, "the second server's report")
        after = wait_for(
            lambda: (state := rehearsal.current_state()).server_process != before.server_process and state,
            "the new server in the state",
        )
        assert after.instance == before.instance
        assert after.broker_process == before.broker_process


def test_a_server_that_cannot_live_is_given_up_and_the_reason_told(settings):
    dying = (sys.executable, "-I", "-S", "-c", "import sys; sys.exit('no archive here')")
    with ensure_rehearsal(settings, server_command=dying) as rehearsal:
        state = wait_for(
            lambda: (state := rehearsal.current_state()).problem and state,
            "the server to be given up",
            timeout=20,
        )
        assert state.server_process is None
        assert "died" in state.problem
        assert (rehearsal.archive_dir / "server.log").read_text().count("no archive here") == 6
        assert "exit code 1" in (rehearsal.archive_dir / "supervisor.log").read_text()
        assert answers(rehearsal.broker), "the broker is still of use"


def test_a_server_that_cannot_be_run_does_not_end_the_rehearsal(settings, tmp_path):
    with ensure_rehearsal(settings, server_command=(str(tmp_path / "nothing"),)) as rehearsal:
        wait_for(lambda: rehearsal.current_state().problem, "the server to be given up", timeout=20)
        assert answers(rehearsal.broker)


def test_a_broker_that_is_killed_again_and_again_ends_the_rehearsal(settings, stand_in):
    rehearsal = ensure_rehearsal(settings, server_command=stand_in)
    state = first = rehearsal.current_state()
    for _ in RESTART_WAITS_SEC:
        kill(state.broker_process.pid)
        state = changed(rehearsal, state)
    kill(state.broker_process.pid)
    wait_for(lambda: is_gone(first.supervisor.pid), "the supervisor to give up")
    assert rehearsal.current_state() is None
    assert is_gone(state.server_process.pid)
    assert "died 6 times" in (rehearsal.archive_dir / "supervisor.log").read_text()
    rehearsal.release()


@linux_only
def test_a_killed_supervisor_takes_broker_and_server_with_it_and_the_next_start_works(settings, stand_in):
    rehearsal = ensure_rehearsal(settings, server_command=stand_in)
    wait_for(lambda: reports(rehearsal.archive_dir), "the server")
    state = rehearsal.current_state()
    kill(state.supervisor.pid)
    for pid in pids(state):
        wait_for(lambda pid=pid: is_gone(pid), f"the end of process {pid}")
    assert rehearsal.current_state() is None
    assert find_rehearsal(settings) is None
    rehearsal.release()
    with ensure_rehearsal(settings, server_command=()) as second:
        assert second.rehearsal_id != rehearsal.rehearsal_id
        assert answers(second.broker)


@linux_only
@pytest.mark.parametrize("is_taken", [False, True], ids=["port is free", "port is taken"])
def test_a_rehearsal_whose_supervisor_was_killed_comes_back_where_its_users_look_for_it(settings, is_taken):
    with ensure_rehearsal(settings, server_command=()) as first, socket.socket() as thief:
        before = first.current_state()
        kill(before.supervisor.pid)
        for pid in pids(before):
            wait_for(lambda pid=pid: is_gone(pid), f"the end of process {pid}")
        if is_taken:
            thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            wait_for(lambda: takes(thief, before.port), "the dead broker to let go of its port")
            thief.listen()
        with ensure_rehearsal(settings, server_command=()) as second:
            after = first.current_state()
            assert second.rehearsal_id == first.rehearsal_id
            assert (second.broker == first.broker) is not is_taken
            assert second.admin_token == first.admin_token
            assert after.instance != before.instance
            assert answers(second.broker)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order_although_somebody_uses_it(settings, stand_in, number):
    with ensure_rehearsal(settings, server_command=stand_in) as rehearsal:
        wait_for(lambda: reports(rehearsal.archive_dir), "the server")
        state = rehearsal.current_state()
        os.kill(state.supervisor.pid, number)
        for pid in pids(state):
            wait_for(lambda pid=pid: is_gone(pid), f"the end of process {pid}")
        assert (rehearsal.archive_dir / "stopped").exists()
        assert rehearsal.current_state() is None


def test_a_server_that_does_not_stop_is_killed(settings, tmp_path):
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True);"
        "time.sleep(99)"
    )
    rehearsal = ensure_rehearsal(settings, server_command=(sys.executable, "-I", "-S", "-c", deaf))
    wait_for(lambda: "deaf" in (rehearsal.archive_dir / "server.log").read_text(), "the deaf server")
    state = rehearsal.current_state()
    began = time.monotonic()
    assert stop_rehearsal(settings)
    assert time.monotonic() - began < 4.0
    assert all(is_gone(pid) for pid in pids(state))
    rehearsal.release()


@pytest.mark.parametrize("damage", ["removed", "garbage", "open", "directory"])
def test_a_state_file_that_was_damaged_is_mended(settings, damage):
    path = settings.runtime_dir / "rehearsal.json"
    with ensure_rehearsal(settings, server_command=()) as rehearsal:
        before = rehearsal.current_state()
        match damage:
            case "removed":
                path.unlink()
            case "garbage":
                path.write_text("garbage")
            case "open":
                path.chmod(0o666)
            case "directory":
                path.unlink()
                path.mkdir()
        assert wait_for(rehearsal.current_state, "the mended state file") == before
        with ensure_rehearsal(settings, server_command=()) as second:
            assert second.rehearsal_id == rehearsal.rehearsal_id


def test_it_ends_when_its_folder_was_deleted(settings):
    import shutil

    rehearsal = ensure_rehearsal(settings, server_command=(), grace=0.2)
    state = rehearsal.current_state()
    shutil.rmtree(settings.runtime_dir)
    wait_for(lambda: is_gone(state.supervisor.pid), "the end of a rehearsal whose folder is gone")
    wait_for(lambda: is_gone(state.broker_process.pid), "the end of its broker")
    rehearsal.release()


def test_a_log_that_grows_is_emptied(settings):
    chatty = "import os, time\nwhile True:\n  os.write(1, b'x' * 100_000); time.sleep(0.001)"
    command = (sys.executable, "-I", "-S", "-c", chatty)
    with ensure_rehearsal(settings, server_command=command) as rehearsal:
        log = rehearsal.archive_dir / "server.log"
        sizes = [0]

        def was_emptied() -> bool:
            sizes.append(log.stat().st_size)
            return sizes[-1] < sizes[-2] and max(sizes) > 1_000_000

        wait_for(was_emptied, "the log to be emptied")


def test_only_loopback_is_listened_on(settings, stand_in):
    with ensure_rehearsal(settings, server_command=stand_in) as rehearsal:
        listening = [
            c.laddr.ip
            for pid in pids(rehearsal.current_state())
            for c in psutil.Process(pid).net_connections("all")
            if c.status == psutil.CONN_LISTEN
        ]
    assert listening == ["127.0.0.1"]


def test_it_is_nobodys_child_and_in_a_session_of_its_own(settings):
    """What ends the children of a notebook must not end the rehearsal that another notebook uses."""
    with ensure_rehearsal(settings, server_command=()) as rehearsal:
        pid = rehearsal.current_state().supervisor.pid
        assert pid not in {child.pid for child in psutil.Process().children(recursive=True)}
        if os.name == "posix":
            assert os.getsid(pid) != os.getsid(0)


def test_a_file_in_the_current_folder_cannot_stand_in_for_a_module(settings, tmp_path, monkeypatch):
    for name in ("json.py", "snews_drill.py", "psutil.py"):
        (tmp_path / name).write_text("raise SystemExit('hijacked')")
    monkeypatch.chdir(tmp_path)
    with ensure_rehearsal(settings, server_command=()) as rehearsal:
        assert answers(rehearsal.broker)


def test_a_long_life_earns_all_restarts_again():
    restarts = Restarts()
    assert [restarts.wait_after(1.0) for _ in RESTART_WAITS_SEC] == list(RESTART_WAITS_SEC)
    assert restarts.wait_after(1.0) is None
    assert restarts.wait_after(30.0) == RESTART_WAITS_SEC[0]


def test_the_command_line_carries_the_whole_plan():
    folders = RehearsalFolders(Path("/a folder/run"), Path("/état"))
    plan = Plan(folders, Path("/état/rehearsals/x"), ("server", "--with", 'a "quoted" $word'), 0.5, 7.0)
    command = supervisor_command(plan)
    assert read_plan(command[command.index("--runtime-dir") :]) == plan
