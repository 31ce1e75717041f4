"""What docs/security.md promises, where no single module's tests show it: sockets, secrets, foreign folders, races."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import traceback
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import ipywidgets
import psutil
import pytest
from outbox.conftest import recently
from pydantic import SecretStr
from test_lab import answers, environment, free_port
from waiting import wait_for

from snews_drill.connection import Connection, open_profile
from snews_drill.errors import DrillError, NotAuthorised, SettingsError
from snews_drill.outbox import Outbox
from snews_drill.plugin import PluginRunner
from snews_drill.publisher import SNEWSTiersPublisher
from snews_drill.rehearsal.launcher import find_rehearsal
from snews_drill.rehearsal.state import RehearsalState
from snews_drill.remote import display_heartbeats, get_feedback, reset_cache
from snews_drill.settings import DrillSettings, make_private_dir, write_private_file
from snews_drill.widgets import ConnectionPanel, HeartbeatPanel, MessageForm

NOBODY = 65534


@pytest.fixture
def user(settings: DrillSettings) -> DrillSettings:
    return settings.model_copy(update={"detector_name": "XENONnT"})


@pytest.fixture
def rehearsing(user: DrillSettings) -> Iterator[Connection]:
    """A whole rehearsal in processes of its own, used: observation, reset, heartbeats, feedback."""
    with open_profile("rehearsal", settings=user) as connection:
        SNEWSTiersPublisher(
            neutrino_time=recently(), detector_status="ON", connection=connection, verbose=False
        ).send_to_snews(verbose=False)
        display_heartbeats(connection=connection, verbose=False)
        reset_cache(connection=connection, verbose=False)
        with pytest.raises(NotAuthorised):
            get_feedback(email_address="a@example.org", connection=connection, verbose=False)
        yield connection


def state_of(connection: Connection) -> RehearsalState:
    assert connection.rehearsal is not None
    return wait_for(
        lambda: (
            (state := connection.rehearsal and connection.rehearsal.current_state())
            and state.server_process
            and state
        ),
        "the rehearsal's server",
    )


def processes_of(state: RehearsalState) -> list[psutil.Process]:
    marks = (state.supervisor, state.broker_process, state.server_process)
    roots = [psutil.Process(mark.pid) for mark in marks if mark is not None]
    return [*roots, *(child for root in roots for child in root.children(recursive=True))]


def foreign_sockets(processes: list[psutil.Process]) -> tuple[int, list[str]]:
    """Return how many sockets wait for others, and those that others than this machine can reach."""
    found, foreign = 0, []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            for socket in process.net_connections(kind="inet"):  # IPv4 and IPv6, TCP and UDP
                is_waiting = socket.status == psutil.CONN_LISTEN or (
                    socket.status == psutil.CONN_NONE and not socket.raddr
                )
                if not is_waiting or not socket.laddr:
                    continue
                found += 1
                address = ipaddress.ip_address(socket.laddr.ip.partition("%")[0])
                if not address.is_loopback:
                    foreign.append(f"{process.pid} {' '.join(process.cmdline())[:120]}: {socket}")
    return found, foreign


def test_everything_listens_on_loopback_only(settings: DrillSettings, tmp_path: Path) -> None:
    """A rehearsal, JupyterLab and a kernel with a connection: every process, IPv4 and IPv6, TCP and UDP."""
    port, log = free_port(), tmp_path / "log"
    command = [sys.executable, "-m", "snews_drill", "lab", "--no-browser", "--port", str(port)]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--folder", str(tmp_path / "mine")],
            env=environment(tmp_path / "home"),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_for(lambda: answers(port, process, log), "JupyterLab", timeout=40)
        token = re.search(r"\?token=(\w+)", log.read_text())
        assert token, log.read_text()
        asked = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/kernels?token={token[1]}", data=b"{}", method="POST"
        )
        with urllib.request.urlopen(asked, timeout=20) as answer:
            assert answer.status == 201
        state = wait_for(lambda: find_rehearsal(settings), "the rehearsal")

        def family() -> list[psutil.Process]:
            lab = psutil.Process(process.pid)
            return [lab, *lab.children(recursive=True), *processes_of(state)]

        # JupyterLab, the kernel's five channels and the broker
        wait_for(lambda: foreign_sockets(family())[0] >= 7, "the kernel's sockets", timeout=20)
        assert foreign_sockets(family())[1] == []
    finally:
        for member in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        process.wait(10)


def test_a_socket_that_others_can_reach_would_be_seen() -> None:
    """The scan above is not blind, to IPv6 neither."""
    code = (
        "import socket\n"
        "a = socket.socket(); a.bind(('0.0.0.0', 0)); a.listen()\n"
        "b = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); b.bind(('0.0.0.0', 0))\n"
        "c = socket.socket(); c.bind(('127.0.0.1', 0)); c.listen()\n"
        "try:\n    d = socket.socket(socket.AF_INET6); d.bind(('::', 0)); d.listen()\n"
        "except OSError:\n    print('no IPv6')\n"
        "print('ready', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline().strip()]
        while lines[-1] != "ready":
            lines.append(child.stdout.readline().strip())
        found, foreign = foreign_sockets([psutil.Process(child.pid)])
        child.kill()
    expected = 3 if "no IPv6" in lines else 4
    assert (found, len(foreign)) == (expected, expected - 1)


def test_the_token_is_nowhere_but_in_its_private_file(rehearsing: Connection, user: DrillSettings) -> None:
    """Not in a log, archive, lease, command line or environment of any process."""
    state = state_of(rehearsing)
    token = state.admin_token.encode()
    home = user.config_dir.parent
    holding = {path for path in home.rglob("*") if path.is_file() and token in path.read_bytes()}
    assert holding == {user.runtime_dir / "rehearsal.json"}
    processes = processes_of(state)
    assert len(processes) >= 3
    for process in [*processes, psutil.Process()]:
        assert state.admin_token not in " ".join(process.cmdline())
        assert state.admin_token not in " ".join(process.environ().values())


def test_all_files_are_private(rehearsing: Connection, user: DrillSettings) -> None:
    """0600 in 0700, everything that a rehearsal and an undelivered message leave."""
    folder = make_private_dir(user.state_dir / "outbox")
    assert folder.is_dir()
    state_of(rehearsing)
    for root in (user.state_dir, user.runtime_dir):
        for path in [root, *root.rglob("*")]:
            mode = path.lstat().st_mode & 0o777
            assert mode == (0o700 if path.is_dir() else 0o600), f"{path} {mode:o}"


def test_the_token_is_in_nothing_that_is_shown(
    rehearsing: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    """Texts, notebook views, the state that widgets save, tracebacks."""
    token = state_of(rehearsing).admin_token
    reply = reset_cache(connection=rehearsing)
    parts = (rehearsing, rehearsing.rehearsal, rehearsing.settings, state_of(rehearsing), reply)
    shown = [repr(part) + str(part) + getattr(part, "_repr_html_", str)() for part in parts]
    views = [
        ConnectionPanel(connection=rehearsing),
        HeartbeatPanel(connection=rehearsing),
        MessageForm(connection=rehearsing, detector_status="ON"),
    ]
    shown += [repr(view) for view in views]
    # What a notebook saves of its widgets: all of them, without the empty values.
    shown.append(json.dumps(ipywidgets.Widget.get_manager_state(), default=str))
    assert "snews.experiments-firedrill" in shown[-1]
    with pytest.raises(DrillError) as caught:  # while the token is in use
        reset_cache(connection=rehearsing, admin_pass=token, patience=0)
    shown.append("".join(traceback.format_exception(caught.value)))
    shown.append(str(capsys.readouterr()))
    assert not [text for text in shown if token in text]


def test_a_plug_in_is_not_given_our_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets the rest of the environment."""
    monkeypatch.setenv("SNEWS_DRILL_ADMIN_TOKEN", "the-token")
    monkeypatch.setenv("SNEWS_DRILL_SMTP_PASSWORD", "the-password")  # pragma: allowlist secret
    monkeypatch.setenv("SNEWS_DRILL_NAME", "JUNO")
    script = tmp_path / "script.py"
    script.write_text("import os; print(dict(os.environ))")
    with PluginRunner(script) as runner:
        runner.submit(tmp_path / "alert.json")
        (run,) = wait_for(lambda: runner.runs, "the run")
    assert "the-token" not in run.stdout
    assert "the-password" not in run.stdout
    assert "'SNEWS_DRILL_NAME': 'JUNO'" in run.stdout


def test_an_instructors_token_is_in_no_view(settings: DrillSettings) -> None:
    """The settings that carry it do not show it, in whatever way they are printed or saved."""
    secret = settings.model_copy(update={"admin_token": SecretStr("the-instructors-token")})
    for text in (repr(secret), str(secret), f"{secret.model_dump()}", secret.model_dump_json()):
        assert "the-instructors-token" not in text


_AS_NOBODY = """
import os, sys
from pathlib import Path
import snews_drill.outbox.box, snews_drill.rehearsal.archive, snews_drill.rehearsal.launcher, filelock, psutil
from snews_drill.errors import DrillError
from snews_drill.outbox import Outbox
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.launcher import ensure_rehearsal, find_rehearsal
from snews_drill.settings import DrillSettings, make_private_dir

home = Path(sys.argv[1])
settings = DrillSettings(config_dir=home / "config", state_dir=home / "state", runtime_dir=home / "run")
os.setgroups([]); os.setgid(65534); os.setuid(65534)
attempts = {
    "state": lambda: make_private_dir(settings.state_dir),
    "rehearse": lambda: ensure_rehearsal(settings, timeout=2),
    "find": lambda: find_rehearsal(settings),
    "outbox": lambda: Outbox(settings=settings).entries,
    "outbox send": lambda: Outbox(settings=settings).send(),
    "archive": lambda: Archive(settings.state_dir / "archive" / "archive.sqlite3"),
}
try:
    print(f"believed: {attempts[sys.argv[2]]()!r}")
except DrillError as error:
    print(f"refused: {error.reason}")
"""


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that every user may enter and write."""
    folder = Path(tempfile.mkdtemp(prefix="snews-drill-shared-"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


needs_root = pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can be two users; CI is root"
)


@needs_root
@pytest.mark.parametrize(
    ("attempt", "prepare"),
    [
        ("state", lambda home: (home / "state").mkdir()),
        ("rehearse", lambda home: (home / "run").mkdir()),
        ("outbox", lambda home: (home / "state" / "outbox").mkdir(parents=True)),
        ("outbox send", lambda home: (home / "state" / "outbox").mkdir(parents=True)),
        ("archive", lambda home: (home / "state" / "archive").mkdir(parents=True)),
    ],
)
def test_a_folder_of_somebody_elses_is_refused(
    shared_folder: Path, attempt: str, prepare: Callable[[Path], None]
) -> None:
    """Made beforehand by another user, open to all: nothing is written into it."""
    prepare(shared_folder)
    for path in shared_folder.rglob("*"):
        path.chmod(0o777)
    before = sorted(shared_folder.rglob("*"))
    said = as_nobody(shared_folder, attempt)
    assert said.startswith("refused: "), said
    assert "belongs to somebody else" in said
    assert sorted(shared_folder.rglob("*")) == before


@needs_root
def test_a_state_file_of_somebody_elses_is_not_believed(
    rehearsing: Connection, user: DrillSettings, shared_folder: Path
) -> None:
    """A whole and true one, in a folder of one's own: its broker could be anybody's."""
    home = shared_folder / "home"
    (home / "run").mkdir(parents=True, mode=0o700)
    state_of(rehearsing)
    shutil.copy(user.runtime_dir / "rehearsal.json", home / "run" / "rehearsal.json")
    (home / "run" / "rehearsal.json").chmod(0o644)
    for folder in (home, home / "run"):
        os.chown(folder, NOBODY, NOBODY)
    assert as_nobody(home, "find") in ("believed: None", "") or "refused" in as_nobody(home, "find")


@needs_root
def test_entries_of_somebody_elses_are_set_aside(shared_folder: Path) -> None:
    """In an outbox of one's own."""
    home = shared_folder / "home"
    outbox = home / "state" / "outbox"
    outbox.mkdir(parents=True)
    foreign = outbox / f"{'1' * 16}-{'2' * 19}-{'3' * 8}.entry"
    foreign.write_bytes(b"whatever")
    foreign.chmod(0o644)
    for folder in (home, home / "state", outbox):
        os.chown(folder, NOBODY, NOBODY)
        folder.chmod(0o700)
    assert as_nobody(home, "outbox") == "believed: []"
    assert (outbox / "damaged" / foreign.name).exists()


def as_nobody(home: Path, attempt: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY, str(home), attempt],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_link_that_appears_between_look_and_use_is_not_followed(tmp_path: Path) -> None:
    """A folder and a link change places as fast as they can: the link's target is neither opened up nor closed off."""
    victim = tmp_path / "victim"
    victim.mkdir()
    victim.chmod(0o755)
    place, folder, link = tmp_path / "place", tmp_path / "folder", tmp_path / "link"
    link.symlink_to(victim)
    is_over = threading.Event()

    def swap() -> None:
        while not is_over.is_set():
            folder.mkdir(mode=0o755, exist_ok=True)
            folder.chmod(0o755)
            with contextlib.suppress(OSError):
                folder.rename(place)
            with contextlib.suppress(OSError):
                place.rename(folder)
            with contextlib.suppress(OSError):
                link.rename(place)
            with contextlib.suppress(OSError):
                place.rename(link)

    swapper = threading.Thread(target=swap, name="swapper")
    swapper.start()
    try:
        for _ in range(3_000):
            with contextlib.suppress(SettingsError):
                make_private_dir(place)
            with contextlib.suppress(OSError):
                place.rmdir()
            assert victim.stat().st_mode & 0o777 == 0o755
    finally:
        is_over.set()
        swapper.join(5)


def test_a_link_in_a_files_place_is_replaced_not_followed(tmp_path: Path) -> None:
    """Writing puts a new file there; what the link points to is untouched."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    place = make_private_dir(tmp_path / "own") / "rehearsal.json"
    place.symlink_to(victim)
    write_private_file(place, b"new")
    assert victim.read_text() == "precious"
    assert not place.is_symlink()
    assert place.read_bytes() == b"new"


def test_an_outbox_that_is_a_link_is_not_read(user: DrillSettings, tmp_path: Path) -> None:
    """What lies there is somebody else's."""
    (tmp_path / "elsewhere").mkdir()
    user.state_dir.mkdir(parents=True)
    (user.state_dir / "outbox").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DrillError, match="is a link"):
        _ = Outbox(settings=user).entries
