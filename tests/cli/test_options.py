"""--topics-prefix goes wherever --profile goes."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from snews_drill.cli.application import app
from snews_drill.cli.options import JsonOption, ProfileOption, with_topics_prefix
from snews_drill.settings import DrillSettings


def test_every_command_that_takes_a_profile_takes_a_prefix() -> None:
    for command in app.registered_commands:
        assert command.callback is not None
        names = inspect.signature(command.callback).parameters
        assert ("profile" in names) == ("topics_prefix" in names), command.name


@pytest.fixture
def say(settings: DrillSettings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return a function that runs a command which tells its profile."""
    monkeypatch.setenv("SNEWS_DRILL_HOME", str(settings.config_dir.parent))
    monkeypatch.delenv("SNEWS_DRILL_PROFILE", raising=False)
    small = typer.Typer()

    def where(
        count: Annotated[int, typer.Option("--count")] = 1,
        profile: ProfileOption = None,
        is_json: JsonOption = False,
    ) -> None:
        typer.echo(f"{profile} {count} {is_json}")

    small.command()(with_topics_prefix(where))
    return lambda *words: CliRunner().invoke(small, list(words))


def test_prefix_becomes_part_of_the_profile(say: Callable[..., Any]) -> None:
    found = say("--topics-prefix", "a.", "--count", "2", "--profile", "kafka://host")
    assert found.stdout == "kafka://host:9092?topics_prefix=a. 2 False\n"
    assert say().stdout == "None 1 False\n"


def test_prefix_without_a_broker_of_ones_own_is_refused(say: Callable[..., Any]) -> None:
    """As every error: words, JSON, exit code 1."""
    found = say("--topics-prefix", "a.", "--json")
    assert found.exit_code == 1
    assert json.loads(found.stdout)["error"]["reason"] == "The topics of rehearsal are fixed."
    assert "fixed" in found.stderr
