"""Who the user is: remembered, corrected, asked for."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from snews_drill import names
from snews_drill.errors import NameNotSet, SettingsError, UnknownDetector
from snews_drill.names import get_name, set_name
from snews_drill.settings import DrillSettings, load_settings


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The process's own settings, in a folder of this test's own."""
    monkeypatch.setenv("SNEWS_DRILL_HOME", str(tmp_path))
    monkeypatch.delenv("SNEWS_DRILL_NAME", raising=False)
    return tmp_path


def test_a_name_is_remembered_and_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The tutorial's words; another notebook then knows it."""
    set_name("XENONnT")
    assert capsys.readouterr().out == "You are XENONnT\n"
    assert get_name() == "XENONnT"
    assert load_settings({"SNEWS_DRILL_HOME": str(home)}).detector_name == "XENONnT"


def test_a_spelling_becomes_the_registered_name(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is remembered is what travels."""
    set_name("sk", verbose=False)
    assert get_name() == "Super-K"
    assert capsys.readouterr().out == ""


def test_an_unknown_name_changes_nothing(home: Path) -> None:
    """It is answered with the nearest, and what was remembered stays."""
    set_name("LZ", verbose=False)
    with pytest.raises(UnknownDetector) as caught:
        set_name("XENON1T")
    assert caught.value.nearest[0] == "XENONnT"
    assert get_name() == "LZ"


def test_nothing_remembered_is_said_with_the_next_step(home: Path) -> None:
    """And nobody can be asked where there is no terminal."""
    with pytest.raises(NameNotSet, match="set_name"):
        get_name()


def test_without_a_terminal_nobody_is_asked(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script does not wait for ever."""
    monkeypatch.setattr(names, "choosers", [])
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        with pytest.raises(NameNotSet):
            set_name()
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(NameNotSet):
        set_name()


def test_the_environment_wins_and_set_name_says_so(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It never says you are somebody whose name will not be used."""
    monkeypatch.setenv("SNEWS_DRILL_NAME", "LVD")
    set_name("LVD", verbose=False)
    assert get_name() == "LVD"
    with pytest.raises(SettingsError, match="the environment says LVD") as caught:
        set_name("XENONnT")
    assert "SNEWS_DRILL_NAME" in caught.value.next_step
    assert capsys.readouterr().out == ""
    monkeypatch.delenv("SNEWS_DRILL_NAME")
    assert get_name() == "XENONnT"


def test_a_remembered_name_that_is_on_no_roster_is_refused(settings: DrillSettings) -> None:
    """Somebody edited the file."""
    with pytest.raises(UnknownDetector):
        get_name(settings.model_copy(update={"detector_name": "XENON1T"}))


def test_given_settings_are_used_and_the_users_own_left_alone(home: Path, settings: DrillSettings) -> None:
    """A name set for one folder is not set for another."""
    set_name("LZ", settings=settings, verbose=False)
    with pytest.raises(NameNotSet):
        get_name()
    assert settings.config_file.exists()


def test_a_notebooks_chooser_is_shown_instead(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one that can show itself; the choice is then still open."""
    shown: list[str] = []

    def chooser(word: str, answer: bool) -> Callable[[], bool]:
        return lambda: bool(shown.append(word)) or answer

    monkeypatch.setattr(
        names, "choosers", [chooser("no", False), chooser("yes", True), chooser("late", True)]
    )
    set_name()
    assert shown == ["no", "yes"]


@pytest.mark.parametrize(
    ("typed", "last_line"),
    [
        ("19\n", "You are XENONnT"),
        ("nonsense\n\nhk\n", "You are Hyper-K"),
        ("99\nKM3\n", "You are KM3NeT"),
        ("\x04", "You have not said which detector you are."),
    ],
)
def test_a_terminal_asks_until_it_understands(home: Path, typed: str, last_line: str) -> None:
    """By number or spelling; the end of input is an answer too."""
    controller, terminal = pty.openpty()
    code = (
        "from snews_drill import set_name\nfrom snews_drill.errors import NameNotSet\n"
        "try: set_name()\nexcept NameNotSet as error: print(error.reason)"
    )
    try:
        os.write(controller, typed.encode())
        done = subprocess.run(
            [sys.executable, "-c", code],
            stdin=terminal,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    finally:
        os.close(terminal)
        os.close(controller)
    lines = done.stdout.splitlines()
    assert lines[0] == "[ 1] Super-K"
    assert lines[19] == "[20] PandaX-4T"
    assert lines[-1].endswith(last_line)
