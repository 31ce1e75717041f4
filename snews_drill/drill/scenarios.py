"""Scenarios by name or from a file, and playing them. docs/scenarios.md tells what a file holds."""

from __future__ import annotations

import difflib
from importlib import resources
from pathlib import Path

from snews_drill.drill.player import ScenarioPlayer
from snews_drill.drill.playing import PlayedEvent, play
from snews_drill.drill.scenario import (
    SIDEREAL_DAY_NS,
    HeartbeatEvent,
    ObservationEvent,
    RetractionEvent,
    Scenario,
    ScenarioEvent,
    Star,
)
from snews_drill.drill.scenario_file import parse_scenario, scenario_schema, scenario_toml
from snews_drill.errors import ScenarioError

__all__ = [
    "SIDEREAL_DAY_NS",
    "HeartbeatEvent",
    "ObservationEvent",
    "PlayedEvent",
    "RetractionEvent",
    "Scenario",
    "ScenarioEvent",
    "ScenarioPlayer",
    "Star",
    "list_scenarios",
    "load_scenario",
    "play",
    "read_scenario_text",
    "scenario_schema",
    "scenario_toml",
]

MAX_FILE_BYTES = 1 << 20


def list_scenarios() -> tuple[Scenario, ...]:
    """Return the scenarios that come with the package, by name, the tutorial's first."""
    return tuple(load_scenario(name) for name in _packaged_names())


def load_scenario(name_or_path: str | Path) -> Scenario:
    """Return a scenario by name, or from a file.

    Raises
    ------
    ScenarioError
        If there is none of that name, or the file is not a scenario; `.problems` then has every line that is wrong, and
        what would be right.
    """
    text = str(name_or_path)
    packaged = resources.files("snews_drill").joinpath("data/scenarios", f"{Path(text).name}.toml")
    if text == Path(text).name and packaged.is_file():
        return parse_scenario(packaged.read_text(encoding="utf-8"), name=text, file=packaged.name)
    path = Path(text)
    if path.suffix != ".toml":
        near = difflib.get_close_matches(text[:64], _packaged_names(), n=2)
        hint = f"Did you mean {' or '.join(near)}? " if near else ""
        raise ScenarioError(
            f"There is no scenario {text!r:.100}.",
            next_step=f"{hint}Use one of {', '.join(_packaged_names())}, or a .toml file.",
        )
    return parse_scenario(read_scenario_text(path), name=path.stem, file=str(path))


def read_scenario_text(path: Path) -> str:
    """Return the text of a scenario file.

    Raises
    ------
    ScenarioError
        If it is missing, no file, no text, or larger than 1 MiB.
    """
    try:
        if path.exists() and not path.is_file():
            raise ScenarioError(f"{path} is no file.", next_step="Give a .toml file.")
        with path.open("rb") as opened:
            raw = opened.read(MAX_FILE_BYTES + 1)
        if len(raw) > MAX_FILE_BYTES:
            raise ScenarioError(f"{path} is larger than {MAX_FILE_BYTES:,} bytes.", next_step="Split it.")
        return raw.decode("utf-8-sig").replace("\r\n", "\n")  # some editors begin a file with a mark
    except (OSError, ValueError) as error:
        raise ScenarioError(
            f"{path} cannot be read: {(error.strerror if isinstance(error, OSError) else None) or error}.",
            next_step="Check the name and the folder.",
        ) from error


def _packaged_names() -> list[str]:
    folder = resources.files("snews_drill").joinpath("data/scenarios")
    names = (entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return sorted(names, key=lambda name: (name != "betelgeuse", name))
