"""How a command ends: words, JSON and an exit code for everything that can be raised."""

from __future__ import annotations

import json

import pytest
import typer

from snews_drill.cli.screen import command
from snews_drill.errors import DrillError


class _Interrupts:
    """Python makes a RuntimeError of what is raised here, Ctrl-C too."""

    def __set_name__(self, owner: type, name: str) -> None:
        raise KeyboardInterrupt


def _plain() -> None:
    raise KeyboardInterrupt


def _while_a_class_is_made() -> None:
    type("Made", (), {"it": _Interrupts()})


def _translated() -> None:
    try:
        _plain()
    except KeyboardInterrupt:
        raise DrillError("The broker does not answer.", next_step="Wait.")  # noqa: B904 - as a library may


@pytest.mark.parametrize("interrupt", [_plain, _while_a_class_is_made, _translated])
def test_ctrl_c_is_told_as_such_wherever_it_strikes(
    interrupt: object, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 130, whatever became of it on its way."""
    assert callable(interrupt)
    with pytest.raises(typer.Exit) as caught, command(is_json=True):
        interrupt()
    assert caught.value.exit_code == 130
    found = json.loads(capsys.readouterr().out)
    assert (found["ok"], found["error"]["reason"]) == (False, "Interrupted.")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (DrillError("It is too late.", next_step="Come again."), "It is too late."),
        (RuntimeError("surprise"), "Unexpected: RuntimeError: surprise"),
    ],
)
def test_an_error_is_words_and_a_failure(
    error: Exception, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, with the reason and the next step."""
    with pytest.raises(typer.Exit) as caught, command(is_json=True):
        raise error
    assert caught.value.exit_code == 1
    found = json.loads(capsys.readouterr().out)
    assert found["error"]["reason"] == words
    assert found["error"]["next_step"]
