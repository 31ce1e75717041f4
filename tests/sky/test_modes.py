"""One place, two, a ring or nothing: told as it is."""

from __future__ import annotations

import numpy as np
import pytest

from snews_drill.detectors import Site
from snews_drill.sky import arrival_times_ns, localize
from snews_drill.sky.geometry import angle_deg, unit_vector


def at(star, names, when_ns):
    return localize(arrival_times_ns(*star, when_ns, names))


def test_three_sites_leave_the_star_and_its_mirror_image(drill_ns):
    found = at((200, -40), ["JUNO", "SNO+", "IceCube"], drill_ns)
    assert len(found.modes) == 2
    assert [mode.probability for mode in found.modes] == pytest.approx([0.5, 0.5], abs=0.1)
    assert found.separation_deg(200, -40) < 1e-3
    first, second = found.modes
    assert first.chi2 == pytest.approx(second.chi2, abs=1e-6)
    for mode in found.modes:
        assert found.contains(mode.ra_deg, mode.dec_deg, 0.1)


def test_four_sites_in_one_plane_leave_the_mirror_image_too(drill_ns):
    """Sites on one meridian plane: mirrored directions give the same times."""
    places = [(60, 0), (0, 0), (-50, 0), (20, 180)]
    sites = {
        f"D{n}": Site(latitude_deg=lat, longitude_deg=lon, elevation_m=0)
        for n, (lat, lon) in enumerate(places)
    }
    generator = np.random.default_rng(4)
    found = localize({name: drill_ns + int(generator.integers(10**6)) for name in sites}, sites)
    first, second = (unit_vector(mode.ra_deg, mode.dec_deg) for mode in found.modes)
    across = first - second
    assert angle_deg(first, second) > 1
    assert abs(across[2] / np.linalg.norm(across)) < 0.01  # the meridian plane holds the Earth's axis


def test_two_sites_leave_a_ring_through_the_star(drill_ns):
    found = at((200, -40), ["JUNO", "SNO+"], drill_ns)
    assert found.modes == ()
    assert found.ring is not None
    assert found.separation_deg(200, -40) < 1e-3
    centre = unit_vector(found.ring.ra_deg, found.ring.dec_deg)
    assert angle_deg(centre, unit_vector(200, -40)) == pytest.approx(found.ring.radius_deg, abs=1e-3)
    for turn in np.linspace(0, 6, 12):
        across = np.cross(centre, unit_vector(0, 90))
        across /= np.linalg.norm(across)
        side = np.cos(turn) * across + np.sin(turn) * np.cross(centre, across)
        radius = np.radians(found.ring.radius_deg)
        on_ring = np.cos(radius) * centre + np.sin(radius) * side
        assert float(found.excess_chi2(on_ring)) < 1e-6


def test_detectors_a_few_kilometres_apart_tell_nothing(drill_ns):
    found = at((200, -40), ["Super-K", "Hyper-K", "KamLAND"], drill_ns)
    assert found.modes == ()
    assert found.ring is None
    assert found.area_90_deg2 == pytest.approx(0.9 * 41_253, rel=0.01)


def test_the_whole_network_leaves_one_place(drill_times):
    assert [mode.probability for mode in localize(drill_times).modes] == pytest.approx([1.0])
