"""The page on scenarios: its files are files, and what it says of them is what is said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from snews_drill.drill.scenario_file import find_problems, parse_scenario
from snews_drill.drill.scenarios import list_scenarios

PAGE = Path(__file__).parents[2] / "docs" / "scenarios.md"
pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="only in a checkout")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)


def test_the_whole_file_is_a_scenario_with_every_kind_of_event() -> None:
    whole, _ = blocks("toml")
    scenario = parse_scenario(whole, name="page", file="page")
    assert [event.kind for event in scenario.events] == [
        "heartbeat",
        "observation",
        "observation",
        "retraction",
    ]
    assert scenario.duration_sec == 10


def test_the_slips_are_told_as_the_page_says() -> None:
    _, slips = blocks("toml")
    assert [str(problem) for problem in find_problems(slips, file="mine.toml")] == blocks("text")[
        0
    ].splitlines()


def test_every_packaged_scenario_is_named() -> None:
    named = set(re.findall(r"`([a-z0-9-]+)`", PAGE.read_text(encoding="utf-8")))
    assert {scenario.name for scenario in list_scenarios()} <= named
