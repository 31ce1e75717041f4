"""The summary says what can and what cannot be known."""

from __future__ import annotations

from snews_drill.sky import arrival_times_ns, localize
from snews_drill.sky.words import area_text


def told(names, when_ns, star=(200, -40)):
    return localize(arrival_times_ns(*star, when_ns, names)).summary


def test_two_sites(drill_ns):
    text = told(["JUNO", "SNO+"], drill_ns)
    assert "ring of radius" in text
    assert "cannot be known" in text


def test_two_sites_in_line_with_the_star(drill_ns):
    found = localize(arrival_times_ns(200, -40, drill_ns, ["JUNO", "SNO+"]))
    text = told(["JUNO", "SNO+"], drill_ns, (found.ring.ra_deg, found.ring.dec_deg))
    assert "in a disc" in text


def test_three_sites(drill_ns):
    assert "Two places fit" in told(["JUNO", "SNO+", "IceCube"], drill_ns)


def test_neighbours(drill_ns):
    assert "No direction can be told" in told(["Super-K", "KamLAND"], drill_ns)


def test_the_drill(drill_times):
    text = localize(drill_times).summary
    assert "Best fit RA 89.39° DEC +7.18°" in text
    assert "and 13 more" in text
    assert "do not fit" not in text


def test_times_that_are_no_plane_wave_are_doubted_and_the_worst_is_named(drill_times):
    drill_times["NOvA"] -= 15_000_000
    text = localize(drill_times).summary
    assert "do not trust this map. NOvA is off by" in text


def test_unequal_errors_are_told_as_a_range(drill_times):
    pair = {name: drill_times[name] for name in ("JUNO", "LVD")}
    assert "1 to 3 ms" in localize(pair, sigma_ms={"JUNO": 1.0, "LVD": 3.0}).summary


def test_areas_are_written_with_sensible_digits():
    assert [area_text(area) for area in (0.00123, 8.4469, 3284.4)] == [
        "0.00123 deg²",
        "8.45 deg²",
        "3,284 deg²",
    ]
