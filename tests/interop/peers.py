"""The published peers, each in an environment of its own: made once, run as processes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from kafka_broker.fetch import cache_folder
from waiting import wait_for

#: The Pythons that the locked versions have wheels for. Source: Requires-Python of snews_cs 3.0.1.
PYTHONS = ((3, 11), (3, 12))

INSTALL_TIMEOUT_SEC = 400.0

#: How long a script inside may take, seconds.
SCRIPT_TIMEOUT_SEC = 40.0

_HERE = Path(__file__).parent
_INSIDE = _HERE / "inside"


@dataclass(frozen=True)
class Peer:
    """A published program: its distribution and version, and the script that is run inside its environment."""

    name: str
    script: str

    @property
    def requirements(self) -> Path:
        return _HERE / f"requirements-{self.name}.txt"


CLIENT_3 = Peer("snews-pt-3.0.0", "client_3.py")
SERVER_3 = Peer("snews-cs-3.0.1", "server_3.py")
CLIENT_1 = Peer("snews-pt-1.3.2", "client_1.py")
PEERS = (CLIENT_3, SERVER_3, CLIENT_1)


def find_python() -> str | None:
    """Return a Python that the peers run on: this one if it can, else one on PATH."""
    if sys.version_info[:2] in PYTHONS:
        return sys.executable
    names = [f"python{major}.{minor}" for major, minor in PYTHONS]
    return next((path for name in names if (path := shutil.which(name))), None)


def require_python() -> str:
    """Return such a Python; skip the calling test without one, or fail it where `CI` is "true"."""
    python = find_python()
    if python is not None:
        return python
    reason = "The published peers need Python 3.11 or 3.12, and there is none: install python3.12 with its venv module"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def ensure_environment(peer: Peer) -> Path:
    """Return the Python of a peer's environment, making it if this is the first time.

    Processes that ask at the same time wait for each other; an environment that was not finished is made anew, one
    whose requirements changed gets another folder.
    """
    python = require_python()
    version = subprocess.run(
        [python, "-c", "import sys; print('%d.%d.%d' % sys.version_info[:3])"],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    ).stdout.strip()
    digest = hashlib.sha256(peer.requirements.read_bytes()).hexdigest()[:12]
    folder = cache_folder() / f"{peer.name}-py{version}-{digest}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    is_complete = folder / "complete"
    with FileLock(f"{folder}.lock", timeout=INSTALL_TIMEOUT_SEC):
        if not is_complete.exists():
            shutil.rmtree(folder, ignore_errors=True)
            _install(python, folder, peer)
            is_complete.touch()
    return _python_of(folder)


def _python_of(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _install(python: str, folder: Path, peer: Peer) -> None:
    # The versions this project locks for itself must not be forced on the peers.
    environment = {
        name: value for name, value in os.environ.items() if name not in ("PIP_CONSTRAINT", "PYTHONPATH")
    }
    install = ["-m", "pip", "install", "--quiet", "--no-input", "--no-deps"]
    # snews-pt 1.3.2's requirements are complete as listed; so are the others': the resolver has nothing to decide.
    for command in (
        [python, "-m", "venv", str(folder)],
        [str(_python_of(folder)), *install, "-r", str(peer.requirements)],
    ):
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=INSTALL_TIMEOUT_SEC,
            check=False,
        )
        if done.returncode:
            pytest.fail(f"{peer.name} could not be installed:\n{done.stdout[-3000:]}", pytrace=False)


@dataclass
class Troupe:
    """Runs the peers against one broker.

    Everything they write stays in `folder`: home, configuration, alerts, logs.
    """

    broker: str
    topics: dict[str, str]
    folder: Path

    def run(self, peer: Peer, verb: str, **arguments: Any) -> dict[str, Any]:
        """Have a peer do something and return what its script reports; fail with its output if it cannot."""
        with self._process(peer, verb, arguments) as running:
            try:
                running.process.wait(SCRIPT_TIMEOUT_SEC)
            except subprocess.TimeoutExpired:
                pytest.fail(f"{peer.name} {verb} took over {SCRIPT_TIMEOUT_SEC:g} s:\n{running.said()}")
            return running.report()

    @contextmanager
    def started(self, peer: Peer, verb: str, **arguments: Any) -> Iterator[Running]:
        """Have a peer run beside the test until the block ends; enter when it has opened its stream."""
        with self._process(peer, verb, arguments) as running:
            running.await_words("READY")
            yield running

    @contextmanager
    def _process(self, peer: Peer, verb: str, arguments: dict[str, Any]) -> Iterator[Running]:
        place = unused_folder(self.folder, f"{peer.name}-{verb}")
        job = {"verb": verb, "broker": self.broker, "topics": self.topics, "folder": str(place), **arguments}
        python = ensure_environment(peer)
        with (place / "output.txt").open("wb") as output:
            process = subprocess.Popen(
                [str(python), "-u", str(_INSIDE / peer.script)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=place,
                env=private_environment(self.broker, place),
            )
            try:
                assert process.stdin is not None
                process.stdin.write(json.dumps(job).encode())
                process.stdin.close()
                running = Running(peer, process, place)
                yield running
            finally:
                if process.poll() is None:
                    process.kill()
                process.wait(10)
            assert "FOREIGN HOST" not in running.said(), (
                f"{peer.name} turned elsewhere:\n{running.said()[-3000:]}"
            )


@dataclass
class Running:
    """A peer's process and what it said."""

    peer: Peer
    process: subprocess.Popen[bytes]
    place: Path

    def said(self) -> str:
        return (self.place / "output.txt").read_text(errors="replace")

    def await_words(self, words: str, *, count: int = 1, timeout: float = 30.0) -> None:
        """Wait until its output has those words so many times."""

        def is_there() -> bool:
            if self.said().count(words) >= count:
                return True
            assert self.process.poll() is None, f"{self.peer.name} ended:\n{self.said()[-3000:]}"
            return False

        try:
            wait_for(is_there, f"{count} x {words!r} from {self.peer.name}", timeout=timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.said()[-3000:]}") from None

    def report(self) -> dict[str, Any]:
        """Return what the ended script reports."""
        assert self.process.returncode == 0, f"{self.peer.name} failed:\n{self.said()[-3000:]}"
        report: dict[str, Any] = json.loads((self.place / "report.json").read_text())
        return report


def unused_folder(folder: Path, name: str) -> Path:
    number = 0
    while (place := folder / f"{name}-{number}").exists():
        number += 1
    place.mkdir(parents=True)
    return place


def private_environment(broker: str, place: Path) -> dict[str, str]:
    """Return an environment whose home is `place`, with a credential for the broker in hop's store.

    The peers insist on one; the store must be private or hop refuses it.
    """
    store = place / "config" / "hop"
    store.mkdir(parents=True, mode=0o700)
    credential = store / "auth.toml"
    credential.touch(mode=0o600)
    credential.write_text(f'[[auth]]\nusername = "drill"\npassword = "no secret"\nhostname = "{broker}"\n')
    return {
        "PATH": os.environ.get("PATH", ""),
        "LANG": "C.UTF-8",
        "HOME": str(place),
        "TMPDIR": str(place),
        "XDG_CONFIG_HOME": str(place / "config"),
        "XDG_DATA_HOME": str(place / "data"),
        "XDG_CACHE_HOME": str(place / "cache"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
