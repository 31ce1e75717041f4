"""Which tiers arguments mean, and what is said about arguments that mean nothing."""

from __future__ import annotations

import itertools
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from snews_drill.messages.choose import OTHER_SPELLINGS, TIER_ARGUMENTS, choose_tiers, harmonised, set_aside
from snews_drill.messages.tiers import Tier
from snews_drill.wire.dialects import get_dialect

TIME = "2023-06-14T12:45:45.678999"


def decide(**arguments: object) -> list[str]:
    return [tier.value for tier in choose_tiers(harmonised(arguments))]


def remarks(dialect: str = "1.3", **arguments: object) -> dict[str, str]:
    made = harmonised(arguments)
    used = {key for tier in choose_tiers(made) for key in get_dialect(dialect).keys_of(tier)}
    found = set_aside(made, used)
    assert not any(problem.is_fatal for problem in found)
    return {problem.field: f"{problem.reason} {problem.remedy}" for problem in found}


@pytest.mark.parametrize(
    ("arguments", "tiers"),
    [
        ({}, []),
        ({"neutrino_time": TIME}, ["CoincidenceTier"]),
        ({"neutrino_time": "rubbish"}, ["CoincidenceTier"]),
        ({"neutrino_time": ""}, ["CoincidenceTier"]),
        ({"neutrino_time": TIME, "retract_latest": 1}, ["Retraction"]),
        ({"neutrino_time": TIME, "retract_latest": 0}, ["Retraction"]),
        ({"neutrino_time": TIME, "retract_latest": True}, ["CoincidenceTier"]),
        ({"neutrino_time": TIME, "retract_latest": "1"}, ["CoincidenceTier"]),
        ({"neutrino_time": 123}, []),
        ({"p_values": [0.1], "t_bin_width": 0.5}, ["SigTier"]),
        ({"p_values": [], "t_bin_width": 0.5}, ["SigTier"]),
        ({"p_values": [0.1]}, []),
        ({"t_bin_width": 0.5}, []),
        ({"p_values": "0.1", "t_bin_width": 0.5}, []),
        ({"p_values": [0.1], "t_bin_width": "0.5"}, []),
        ({"p_values": [0.1], "t_bin_width": True}, []),
        ({"timing_series": [TIME]}, ["TimeTier"]),
        ({"timing_series": TIME}, []),
        ({"retract_latest": 3}, ["Retraction"]),
        ({"retract_latest": -1}, ["Retraction"]),
        ({"retract_latest": True}, []),
        ({"retract_latest": 1.0}, []),
        ({"retraction_reason": "noise"}, []),
        ({"detector_status": "ON"}, ["Heartbeat"]),
        ({"detector_status": "maybe"}, ["Heartbeat"]),
        ({"detector_status": 1}, []),
        ({"p_val": 0.1}, []),
        ({"machine_time": TIME}, []),
        ({"neutrino_time": TIME, "p_values": [0.1], "t_bin_width": 0.5}, ["CoincidenceTier", "SigTier"]),
        (
            {"neutrino_time": TIME, "p_values": [0.1], "t_bin_width": 0.5, "retract_latest": 1},
            ["SigTier", "Retraction"],
        ),
        (
            {
                "detector_status": "ON",
                "retract_latest": None,
                "timing_series": [],
                "p_values": [0.1],
                "t_bin_width": 0.5,
                "neutrino_time": TIME,
            },
            ["CoincidenceTier", "SigTier", "TimeTier", "Heartbeat"],
        ),
    ],
)
def test_decision(arguments: dict[str, object], tiers: list[str]) -> None:
    """The rule of the publishing tools 1.3, in their order whatever the order of the arguments."""
    assert decide(**arguments) == tiers
    assert decide(**dict(reversed(arguments.items()))) == tiers


def test_every_combination_of_good_arguments() -> None:
    """Each tier arises from its own arguments alone, whatever else is there; only a retraction silences one."""
    parts: dict[str, dict[str, object]] = {
        "CoincidenceTier": {"neutrino_time": TIME},
        "SigTier": {"p_values": [0.1], "t_bin_width": 0.5},
        "TimeTier": {"timing_series": [TIME]},
        "Retraction": {"retract_latest": 1},
        "Heartbeat": {"detector_status": "ON"},
    }
    for present in itertools.product([False, True], repeat=5):
        wanted = [name for name, is_there in zip(parts, present, strict=True) if is_there]
        arguments = {key: value for name in wanted for key, value in parts[name].items()}
        if "Retraction" in wanted and "CoincidenceTier" in wanted:
            wanted.remove("CoincidenceTier")
        assert decide(**arguments) == wanted


@pytest.mark.parametrize(
    ("arguments", "made"),
    [
        ({"t_bin_width": 1}, {"t_bin_width": 1.0}),
        ({"t_bin_width": np.int64(2)}, {"t_bin_width": 2.0}),
        ({"t_bin_width": Fraction(1, 2)}, {"t_bin_width": 0.5}),
        ({"timing_series": (1, 2)}, {"timing_series": [1, 2]}),
        ({"timing_series": np.array([1, 2])}, {"timing_series": [1, 2]}),
        ({"timing_series": pd.Series([TIME])}, {"timing_series": [TIME]}),
        ({"p_values": np.array([0.25, 0.5], dtype=np.float32)}, {"p_values": [0.25, 0.5]}),
        ({"p_values": [np.float32(0.25), 0.5]}, {"p_values": [0.25, 0.5]}),
        ({"p_val": np.float64(0.25)}, {"p_val": 0.25}),
        ({"p_val": np.float32(0.25)}, {"p_val": 0.25}),
        ({"p_val": 1}, {"p_val": 1}),
        ({"p_val": np.int64(1)}, {"p_val": 1}),
        ({"p_val": True}, {"p_val": True}),
        ({"p_val": Decimal("0.5")}, {"p_val": Decimal("0.5")}),
        ({"retract_latest": np.int64(3)}, {"retract_latest": 3}),
        ({"retract_latest": True}, {"retract_latest": True}),
        ({"is_test": np.bool_(True)}, {"is_test": True}),
        ({"timing_series": np.array([TIME], "datetime64[us]")}, {"timing_series": [f"{TIME}000"]}),
        ({"timing_series": [np.datetime64(TIME)]}, {"timing_series": [f"{TIME}000"]}),
        (
            {"timing_series": pd.Series([TIME], dtype="datetime64[ns, UTC]")},
            {"timing_series": [f"{TIME}000"]},
        ),
        ({"timing_series": np.array([5, 7], "timedelta64[us]")}, {"timing_series": [5000, 7000]}),
        ({"neutrino_time": np.datetime64(TIME)}, {"neutrino_time": f"{TIME}000"}),
        ({"detector_status": np.str_("ON")}, {"detector_status": "ON"}),
        ({"t_bin_width": Fraction(10**400)}, {"t_bin_width": Fraction(10**400)}),
    ],
)
def test_harmless_variants_become_what_they_mean(
    arguments: dict[str, object], made: dict[str, object]
) -> None:
    """Numbers of numpy, tuples, arrays and an integer width are accepted; the type that comes out is plain."""
    before = dict(arguments)
    found = harmonised(arguments)
    assert found == made
    assert [type(value) for value in found.values()] == [type(value) for value in made.values()]
    assert arguments.keys() == before.keys()


def test_both_spellings_are_understood_and_ours_wins() -> None:
    """Dialect 3's word fills in for an argument that was not given; given both, the extra one stays an extra."""
    for other, name in OTHER_SPELLINGS.items():
        assert harmonised({name: None, other: 7})[name] in (7, 7.0)
        assert other not in harmonised({name: None, other: 7})
        assert harmonised({name: 3, other: 7})[other] == 7
    assert set(OTHER_SPELLINGS.values()) <= set(TIER_ARGUMENTS)


@pytest.mark.parametrize(
    ("arguments", "fields"),
    [
        ({}, []),
        ({"retract_latest": True}, ["retract_latest"]),
        ({"retract_latest": "1"}, ["retract_latest"]),
        ({"retract_latest": 1.5}, ["retract_latest"]),
        ({"detector_status": 1}, ["detector_status"]),
        ({"neutrino_time": 123}, ["neutrino_time"]),
        ({"t_bin_width": "0.5"}, ["t_bin_width"]),
        ({"p_values": 0.5}, ["p_values"]),
        ({"p_values": [0.5]}, ["p_values"]),
        ({"timing_series": "x"}, ["timing_series"]),
        ({"p_val": 0.5}, ["p_val"]),
        ({"retraction_reason": "noise"}, ["retraction_reason"]),
        ({"neutrino_time": TIME, "p_val": 0.5}, []),
        (
            {"neutrino_time": TIME, "retract_latest": 1, "retraction_reason": "x", "p_val": 0.5},
            ["neutrino_time", "p_val"],
        ),
        ({"neutrino_time": TIME, "p_values": (0.5,), "t_bin_width": 1}, []),
        ({"machine_time": TIME, "is_pre_sn": True, "anything": object()}, []),
    ],
)
def test_what_is_set_aside_is_said(arguments: dict[str, object], fields: list[str]) -> None:
    """No argument of a tier is dropped in silence, and none that is used is remarked upon."""
    found = remarks(**arguments)
    assert list(found) == fields
    assert all("set aside" in text for text in found.values())


def test_remarks_name_value_type_and_remedy() -> None:
    """A reader learns what was given and what would be right."""
    assert (
        remarks(detector_status=1)["detector_status"]
        == "1 is of type int and was set aside. Give 'ON' or 'OFF'."
    )
    assert "Give an integer such as 1." in remarks(retract_latest=True)["retract_latest"]
    assert "Add t_bin_width" in remarks(p_values=[0.5])["p_values"]


def test_a_p_value_is_used_where_the_dialect_has_a_place_for_it() -> None:
    """Dialect 3 writes it with a series too, dialect 1.3 does not."""
    arguments: dict[str, object] = {"p_values": [0.5], "t_bin_width": 1, "p_val": 0.5}
    assert list(remarks("1.3", **arguments)) == ["p_val"]
    assert remarks("3", **arguments) == {}


def test_tiers_come_as_tiers() -> None:
    """The decision is about tiers, not words."""
    assert choose_tiers({"detector_status": "ON"}) == (Tier.HEARTBEAT,)
