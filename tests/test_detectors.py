"""The roster: twenty detectors, every way to spell them, and the nearest to what was meant."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from snews_drill.detectors import find_detector, is_registered, roster
from snews_drill.errors import UnknownDetector

NUMBERS = {
    1: "Super-K", 2: "Hyper-K", 3: "SNO+", 4: "KamLAND", 5: "LVD", 6: "IceCube", 7: "Borexino", 8: "HALO-1kT", 9: "HALO",
    10: "NOvA", 11: "KM3NeT", 12: "Baksan", 13: "JUNO", 14: "LZ", 15: "DUNE", 16: "MicroBooNe", 17: "SBND", 18: "DS-20K",
    19: "XENONnT", 20: "PandaX-4T",
}  # fmt: skip
#: The drill list's names -> registered names.
DRILL_LIST = {
    "JUNO": "JUNO", "HK": "Hyper-K", "KL": "KamLAND", "SK": "Super-K", "PandaX-4T": "PandaX-4T", "Baksan": "Baksan",
    "IC": "IceCube", "LVD": "LVD", "DS-20K": "DS-20K", "Borexino": "Borexino", "XENONnT": "XENONnT", "KM3": "KM3NeT",
    "NOvA": "NOvA", "HALO-1kT": "HALO-1kT", "SNOP": "SNO+", "SBND": "SBND", "DUNE": "DUNE", "LZ": "LZ",
    "MicroBooNe": "MicroBooNe", "MicroBooNE": "MicroBooNe",
}  # fmt: skip


def test_numbers_and_names_are_those_of_snews() -> None:
    """The number is the first part of every `_id`."""
    assert {detector.number: detector.name for detector in roster()} == NUMBERS
    assert [detector.number for detector in roster()] == list(range(1, 21))


@pytest.mark.parametrize(("spelling", "name"), DRILL_LIST.items())
def test_the_drill_lists_names_are_understood(spelling: str, name: str) -> None:
    """Also in another case, with blanks around and between, and with underscores for hyphens."""
    for written in (
        spelling,
        spelling.upper(),
        spelling.lower(),
        f" {spelling} ",
        spelling.replace("-", "_"),
    ):
        assert find_detector(written).name == name


def test_no_spelling_means_two_detectors() -> None:
    """Every name and spelling leads to its own detector."""
    for detector in roster():
        for text in (detector.name, *detector.spellings):
            assert find_detector(text) is detector


@pytest.mark.parametrize(
    ("written", "nearest"),
    [
        ("XENON1T", "XENONnT"),
        ("XENONNTT", "XENONnT"),
        ("Super-Kamiokandee", "Super-K"),
        ("IceCub", "IceCube"),
        ("Km3Nett", "KM3NeT"),
        ("pandax4", "PandaX-4T"),
        ("Kamlnd", "KamLAND"),
        ("Boreksino", "Borexino"),
        ("halo1", "HALO-1kT"),
        ("Jun0", "JUNO"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(written: str, nearest: str) -> None:
    """The reader sees what was probably meant."""
    try:
        assert find_detector(written).name == nearest
    except UnknownDetector as error:
        assert error.nearest[0] == nearest  # noqa: PT017 - one of both must hold
        assert nearest in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    "written", ["", "TEST", "qqqqqqqq", "-", "x" * 100_000, "\ud800", None, 5, ["JUNO"], {"a": 1}]
)
def test_what_looks_like_nothing_is_refused_shortly(written: Any) -> None:
    """Whatever a file holds as a name is an UnknownDetector with a next step."""
    with pytest.raises(UnknownDetector) as caught:
        find_detector(written)
    assert len(str(caught.value)) < 400
    assert "set-name --list" in caught.value.next_step


@given(st.text(max_size=100))
def test_any_text_is_a_detector_or_unknown(text: str) -> None:
    """Nothing else is raised, and at most three names are proposed, all registered."""
    try:
        assert is_registered(find_detector(text).name)
    except UnknownDetector as error:
        proposed = error.nearest
    else:
        return
    assert len(proposed) <= 3
    assert all(is_registered(name) for name in proposed)


def test_only_exact_names_are_registered() -> None:
    """On the wire a spelling is no name."""
    assert is_registered("Super-K")
    assert not any(is_registered(text) for text in ("SK", "super-k", "Super-K ", ""))


def test_sites_are_on_earth_and_detectors_cannot_be_changed() -> None:
    """Every detector has a place; the drill's geometry differs for three of them."""
    assert {detector.name for detector in roster() if detector.drill_site} == {"HALO-1kT", "LZ", "DUNE"}
    gran_sasso = find_detector("XENONnT").site
    assert (gran_sasso.latitude_deg, gran_sasso.longitude_deg) == (42.454, 13.576)
    with pytest.raises(ValidationError):
        roster()[0].number = 7
