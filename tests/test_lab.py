"""`snews-drill lab`: where the notebooks come from, how JupyterLab is started, and what is left when it ends."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from waiting import wait_for

from snews_drill import lab
from snews_drill.errors import SettingsError
from snews_drill.rehearsal.launcher import find_rehearsal
from snews_drill.settings import ENVIRONMENT, DrillSettings

STORED = Path(__file__).parents[1] / "notebooks"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The notebooks as an installation without a checkout has them."""
    folder = tmp_path / "site-packages" / "snews_drill" / "data" / "notebooks"
    shutil.copytree(STORED, folder, ignore=shutil.ignore_patterns(".*", "alerts*"))
    monkeypatch.setattr(lab, "packaged_notebooks", lambda: folder)
    return folder


def test_notebooks_are_copied_and_those_of_the_user_stay(installed: Path, tmp_path: Path) -> None:
    """All notebooks of the installation are in the folder; one that is there already is not touched."""
    target = tmp_path / "mine"
    target.mkdir()
    (target / lab.FIRST_NOTEBOOK).write_text("my own work")
    (installed / "notes.txt").write_text("no notebook")
    assert lab.prepare_notebooks(target) == target
    assert (target / lab.FIRST_NOTEBOOK).read_text() == "my own work"
    names = {path.name for path in installed.glob("*.ipynb")}
    assert len(names) >= 7
    assert {path.name for path in target.iterdir()} == names
    other = sorted(names)[1]
    assert (target / other).read_bytes() == (installed / other).read_bytes()
    (target / other).write_text("changed")
    lab.prepare_notebooks(target)
    assert (target / other).read_text() == "changed"


def test_an_installation_copies_to_the_home_folder(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a checkout and without a choice, the copies go below the user's home."""
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    assert lab.prepare_notebooks() == tmp_path / "home" / lab.DEFAULT_FOLDER
    assert (tmp_path / "home" / lab.DEFAULT_FOLDER / lab.FIRST_NOTEBOOK).is_file()


def test_a_checkout_is_used_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout's notebooks are not copied anywhere, unless a folder is named."""
    folder = tmp_path / "checkout" / "notebooks"
    folder.mkdir(parents=True)
    (folder / lab.FIRST_NOTEBOOK).write_text("{}")
    (folder.parent / "pyproject.toml").touch()
    monkeypatch.setattr(lab, "packaged_notebooks", lambda: folder)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    assert lab.prepare_notebooks() == folder
    assert not (tmp_path / "home").exists()
    assert lab.prepare_notebooks(tmp_path / "copy") == tmp_path / "copy"
    assert (tmp_path / "copy" / lab.FIRST_NOTEBOOK).is_file()


def test_a_folder_that_cannot_be_made_is_told(installed: Path, tmp_path: Path) -> None:
    """The error names the folder, the reason and the option that helps."""
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"cannot be copied to .*file.mine") as told:
        lab.prepare_notebooks(tmp_path / "file" / "mine")
    assert "--folder" in told.value.next_step


def test_jupyterlab_listens_on_this_machine_only(tmp_path: Path) -> None:
    """Loopback, the first notebook, no news from elsewhere; the port that was named, or none."""
    command = lab.lab_command(tmp_path, port=18888, opens_browser=False)
    assert command[:3] == [sys.executable, "-m", "jupyterlab"]
    assert "--ServerApp.ip=127.0.0.1" in command
    assert f"--ServerApp.root_dir={tmp_path}" in command
    assert "--LabApp.default_url=/lab/tree/00_start_here.ipynb" in command
    assert "--LabApp.news_url=None" in command
    assert {"--ServerApp.port=18888", "--ServerApp.port_retries=0", "--no-browser"} <= set(command)
    by_default = lab.lab_command(tmp_path)
    assert "--no-browser" not in by_default
    assert not [word for word in by_default if "port" in word or "0.0.0.0" in word or "token" in word]


def environment(home: Path) -> dict[str, str]:
    """The user's environment, with every folder below `home`."""
    kept = {
        key: value for key, value in os.environ.items() if key not in ENVIRONMENT and "JUPYTER" not in key
    }
    own = {"HOME": home / "user", "SNEWS_DRILL_HOME": home, "JUPYTER_RUNTIME_DIR": home / "runtime"}
    (home / "user").mkdir(parents=True)
    return {**kept, **{key: str(value) for key, value in own.items()}, "NO_COLOR": "1"}


@pytest.fixture
def ctrl_c_works() -> Iterator[None]:
    """A test run in the background has Ctrl-C switched off, and its children would inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_prepare_only_puts_the_notebooks_there_and_ends(settings: DrillSettings, tmp_path: Path) -> None:
    """The command as users type it: the notebooks are there, nothing was started."""
    target = tmp_path / "mine"
    done = subprocess.run(
        [sys.executable, "-m", "snews_drill", "lab", "--prepare-only", "--folder", str(target)],
        env=environment(tmp_path / "home"),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"The notebooks are in {target}" in done.stdout + done.stderr
    assert (target / lab.FIRST_NOTEBOOK).is_file()
    assert find_rehearsal(settings) is None


@pytest.mark.parametrize("ending", ["ctrl_c", "interrupt_of_the_command_alone", "sigterm"])
def test_jupyterlab_answers_and_ending_it_leaves_nothing(
    settings: DrillSettings, tmp_path: Path, ctrl_c_works: None, ending: str
) -> None:
    """Lab answers on the port and shows the notebook, the rehearsal is ready; ending it ends all.

    A terminal sends Ctrl-C to JupyterLab as well; a service manager signals the command alone.
    """
    port = free_port()
    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "snews_drill", "lab", "--no-browser"),
                *("--port", str(port), "--folder", str(tmp_path / "mine")),
            ],
            env=environment(tmp_path / "home"),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_for(lambda: answers(port, process, log), "JupyterLab", timeout=30)
        assert find_rehearsal(settings) is not None
        family = psutil.Process(process.pid).children(recursive=True)
        listening = {c.laddr for p in family for c in p.net_connections() if c.status == psutil.CONN_LISTEN}
        assert {address.ip for address in listening} == {"127.0.0.1"}
        assert port in {address.port for address in listening}
        token = re.search(rf"http://127\.0\.0\.1:{port}/lab\S*\?token=(\w+)", log.read_text())
        assert token, log.read_text()
        url = f"http://127.0.0.1:{port}/api/contents/{lab.FIRST_NOTEBOOK}?content=0&token={token[1]}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            assert answer.status == 200
        if ending == "ctrl_c":
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.send_signal(signal.SIGTERM if ending == "sigterm" else signal.SIGINT)
        process.wait(20)
        wait_for(lambda: not [p for p in family if p.is_running()], "JupyterLab to end", timeout=5)
        wait_for(lambda: find_rehearsal(settings) is None, "the rehearsal to end", timeout=10)
    finally:
        for member in psutil.Process(process.pid).children(recursive=True) if process.poll() is None else ():
            member.kill()
        process.kill()
        process.wait(10)
    assert process.returncode == 0, log.read_text()
    assert "Traceback" not in log.read_text(), log.read_text()


def answers(port: int, process: subprocess.Popen[bytes], log: Path) -> bool:
    """Tell whether JupyterLab answers; fail if the command ended."""
    assert process.poll() is None, log.read_text()
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def free_port() -> int:
    """Return a port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_port_that_is_taken_is_told_before_jupyterlab_starts() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=str(port)) as caught:
            lab.check_port(port)
    assert "--port" in caught.value.next_step
    lab.check_port(port)
