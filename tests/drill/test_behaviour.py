"""Behaviour and dice: reproducible, independent of the company, within what was asked."""

from __future__ import annotations

import statistics
from typing import Any

import pytest
from pydantic import ValidationError

from snews_drill.drill.behaviour import Behaviour, Chance


def test_the_same_seed_throws_the_same_dice_and_detectors_differ() -> None:
    def thrown(seed: int, name: str) -> list[Any]:
        chance = Chance(seed, name)
        return [chance.phase(), *(chance.intention(Behaviour(time_jitter_ms=1)) for _ in range(5))]

    assert thrown(1, "JUNO") == thrown(1, "JUNO")
    assert thrown(1, "JUNO") != thrown(2, "JUNO")
    assert thrown(1, "JUNO") != thrown(1, "LVD")


def test_another_behaviour_leaves_the_later_dice_alone() -> None:
    """A detector that may fail reacts as late as one that may not: drills can be compared."""
    calm, wild = Chance(5, "JUNO"), Chance(5, "JUNO")
    for _ in range(10):
        expected = calm.intention(Behaviour())
        found = wild.intention(Behaviour(chance_to_miss=0.5, chance_to_retract=0.5))
        assert found.reaction_sec == expected.reaction_sec


def test_dice_follow_what_was_asked() -> None:
    behaviour = Behaviour(
        reaction_sec=20,
        reaction_spread_sec=5,
        time_jitter_ms=2,
        chance_to_miss=0.2,
        chance_to_fall_silent=0.1,
        chance_to_switch_off=0.3,
        chance_to_retract=0.25,
    )
    chance = Chance(3, "JUNO")
    thrown = [chance.intention(behaviour) for _ in range(4000)]
    assert statistics.mean(one.reaction_sec for one in thrown) == pytest.approx(20, abs=0.4)
    assert statistics.stdev(one.reaction_sec for one in thrown) == pytest.approx(5, abs=0.3)
    assert statistics.stdev(one.jitter_ns for one in thrown) == pytest.approx(2e6, rel=0.05)
    share = {fate: sum(one.fate == fate for one in thrown) / 4000 for fate in {one.fate for one in thrown}}
    assert share == pytest.approx(
        {"misses": 0.2, "falls silent": 0.1, "switches off": 0.3, "observes": 0.4}, abs=0.03
    )
    assert sum(one.retracts for one in thrown) / 4000 == pytest.approx(0.25, abs=0.03)
    assert all(one.jitter_ns % 1000 == 0 for one in thrown)


def test_nobody_reacts_before_there_is_something_to_react_to() -> None:
    chance = Chance(3, "JUNO")
    assert (
        min(
            chance.intention(Behaviour(reaction_sec=0, reaction_spread_sec=50)).reaction_sec
            for _ in range(50)
        )
        == 0
    )


@pytest.mark.parametrize(
    ("chances", "fate"),
    [
        ({"chance_to_miss": 1}, "misses"),
        ({"chance_to_fall_silent": 1}, "falls silent"),
        ({"chance_to_switch_off": 1}, "switches off"),
        ({}, "observes"),
    ],
)
def test_what_is_certain_happens(chances: dict[str, float], fate: str) -> None:
    chance = Chance(0, "JUNO")
    assert {chance.intention(Behaviour(**chances)).fate for _ in range(200)} == {fate}


@pytest.mark.parametrize(
    "wrong",
    [
        {"chance_to_miss": 0.6, "chance_to_switch_off": 0.6},
        {"chance_to_retract": 1.1},
        {"reaction_sec": -1},
        {"heartbeat_every_sec": 0},
        {"reaction_sec": float("nan")},
        {"time_jitter_ms": 1e6},
        {"jitter": 1},
    ],
)
def test_what_is_impossible_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Behaviour(**wrong)
