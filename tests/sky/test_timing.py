"""What may be localised, in which forms, and what is refused with which advice."""

from __future__ import annotations

import numpy as np
import pytest

from snews_drill.detectors import Site
from snews_drill.errors import DrillError, LocalizationError, UnknownDetector
from snews_drill.messages.alert import Alert
from snews_drill.messages.times import iso_micro, iso_nano
from snews_drill.sky.timing import instant_ns, read_timing


def read(source, sites=None, sigma_ms=1.0):
    return read_timing(source, sites, sigma_ms, "drill")


@pytest.fixture
def two(drill_times):
    return {name: drill_times[name] for name in ("JUNO", "XENONnT")}


def test_an_alert_its_wire_form_and_a_mapping_mean_the_same(two):
    names, times = tuple(two), tuple(two.values())
    wire = {"detector_names": list(names), "neutrino_times": [iso_nano(time) for time in times], "id": "x"}
    sources = [
        two,
        {name: iso_micro(time) for name, time in two.items()},
        Alert(id="x", alert_type="COINC_MSG", detector_names=names, neutrino_times_ns=times),
        wire,
    ]
    for source in sources:
        timing = read(source)
        assert timing.names == names
        assert timing.times_ms == pytest.approx([0, 26.127])
        assert timing.first_ns == min(times)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({}, "no detector"),
        ({"JUNO": 10**18}, "only JUNO"),
        ({"SK": 10**18, "Super-K": 10**18}, "more than once"),
        ({"LVD": 10**18, "XENONnT": 10**18}, "same site"),
        ({"JUNO": "tomorrow", "LVD": 10**18}, "no time"),
        ({"JUNO": None, "LVD": 10**18}, "no time"),
        ({"JUNO": True, "LVD": 10**18}, "no time"),
        ({"JUNO": float("nan"), "LVD": 10**18}, "no time"),
        ({"JUNO": 10**18, "LVD": 10**18 + 10**10}, "crosses the Earth"),
        ({"JUNO": 10**30, "LVD": 10**18}, "1900 to 2100"),
        ({"detector_names": ["JUNO", "LVD"], "neutrino_times": ["2023-02-07T12:00:00"]}, "one neutrino time"),
        ({"detector_names": ["JUNO", "LVD"]}, "one neutrino time"),
        ({"detector_names": "JUNO", "neutrino_times": "2023"}, "one neutrino time"),
        ({"detector_names": [1, None], "neutrino_times": [10**18, 10**18]}, "not a text"),
        ({str(number): 10**18 for number in range(1001)}, "1001 detectors"),
        (42, "no alert"),
    ],
)
def test_what_cannot_be_localised_says_why_and_what_next(source, words):
    with pytest.raises(LocalizationError, match=words) as caught:
        read(source)
    assert caught.value.next_step


def test_an_absurd_time_names_the_culprit(drill_times):
    drill_times["NOvA"] += 5 * 10**9
    with pytest.raises(LocalizationError, match=r"NOvA is 5,028\.4 ms after JUNO") as caught:
        read(drill_times)
    assert "NOvA" in caught.value.next_step


def test_an_unknown_detector_is_named():
    with pytest.raises(UnknownDetector, match="Nowhere-9"):
        read({"JUNO": 10**18, "Nowhere-9": 10**18})


def test_sites_given_by_the_user_need_no_roster():
    sites = {
        name: Site(latitude_deg=0, longitude_deg=lon, elevation_m=0) for name, lon in (("A", 0), ("B", 90))
    }
    timing = read({"A": 10**18, "B": 10**18}, sites)
    assert np.linalg.norm(timing.positions_ms, axis=1) == pytest.approx([21.275, 21.275], abs=1e-3)


def test_timing_errors_go_by_detector_in_any_spelling(drill_times):
    pair = {name: drill_times[name] for name in ("SK", "LVD")}
    assert read(pair, sigma_ms={"LVD": 2.0, "Super-K": 0.5, "JUNO": 9.0}).sigmas_ms == pytest.approx(
        [0.5, 2.0]
    )


@pytest.mark.parametrize(
    "sigma", [0, -1, float("nan"), float("inf"), "1", True, None, {"JUNO": 1.0}, {"JUNO": 0.0}]
)
def test_a_timing_error_that_makes_no_sense_is_refused(two, sigma):
    with pytest.raises(DrillError, match="timing error"):
        read(two, sigma_ms=sigma)


def test_an_instant_may_be_a_number_of_any_integer_type():
    assert instant_ns(np.int64(5), "time") == 5
    assert instant_ns("1970-01-01T00:00:00.000000005Z", "time") == 5
