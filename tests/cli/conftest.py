"""The command line as users have it: a process with a home of its own; and in this process, for the quick cases."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from snews_drill.cli.application import app
from snews_drill.messages.times import iso_micro
from snews_drill.rehearsal.launcher import ensure_rehearsal, stop_rehearsal
from snews_drill.settings import ENVIRONMENT, DrillSettings, load_settings, remember


@dataclass(frozen=True)
class Outcome:
    """What a command left: exit code and both streams."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object on standard output; fails if anything else is there."""
        lines = self.out.splitlines()
        assert len(lines) == 1, self.out
        found = json.loads(lines[0])
        assert isinstance(found, dict)
        return found


def environment(home: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in ENVIRONMENT}
    return {**kept, "SNEWS_DRILL_HOME": str(home), "XDG_CONFIG_HOME": str(home / "xdg"), "NO_COLOR": "1"}


@pytest.fixture
def home(settings: DrillSettings, tmp_path: Path) -> Path:
    """Return a home folder whose rehearsal is ended afterwards."""
    del settings
    return tmp_path / "home"


@pytest.fixture
def start(home: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return a function that starts `snews-drill` as a process, with its output in files."""
    # A test run that was started in the background must not hand its switched-off Ctrl-C to the commands.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    started: list[subprocess.Popen[str]] = []

    def run(*words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "snews_drill", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(home),
            cwd=tmp_path,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate(timeout=10)
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def snews_drill(start: Callable[..., subprocess.Popen[str]]) -> Callable[..., Outcome]:
    """Return a function that runs `snews-drill` as a process to its end."""

    def run(*words: str) -> Outcome:
        process = start(*words)
        out, err = process.communicate(timeout=30)
        return Outcome(process.returncode, out, err)

    return run


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the home of a rehearsal that all tests of a module use."""
    home = tmp_path_factory.mktemp("shared") / "home"
    settings = DrillSettings(config_dir=home / "config", state_dir=home / "state", runtime_dir=home / "run")
    with pytest.MonkeyPatch.context() as patch:
        for key, value in environment(home).items():
            patch.setenv(key, value)  # the rehearsal's processes inherit it
        rehearsal = ensure_rehearsal(settings)
    with rehearsal:
        yield home
    stop_rehearsal(settings)


@pytest.fixture
def invoke(shared_home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Return a function that runs a command in this process, with the name of XENONnT."""
    for key, value in environment(shared_home).items():
        monkeypatch.setenv(key, value)
    for key in ENVIRONMENT:
        monkeypatch.delenv(key, raising=False)
    remember(load_settings(), detector_name="XENONnT")

    def run(*words: str, without_name: bool = False) -> Outcome:
        if without_name:
            remember(load_settings(), detector_name=None)
        result = CliRunner().invoke(app, list(words))
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def message_file(tmp_path: Path) -> Callable[..., str]:
    """Return a function that writes a file with a valid observation, changed as asked."""

    def write(name: str = "message.json", **changes: Any) -> str:
        arguments = {
            "detector_name": "XENONnT",
            "neutrino_time": iso_micro(time.time_ns() - 10**9),
            "p_val": 0.05,
        }
        path = tmp_path / name
        path.write_text(json.dumps({**arguments, **changes}))
        return str(path)

    return write
