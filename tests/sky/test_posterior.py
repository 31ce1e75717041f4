"""The quadratic form is the plane wave's chi-square, and the mesh finds regions of any size."""

from __future__ import annotations

import healpy
import numpy as np
import pytest

from snews_drill.sky.geometry import celestial_from_terrestrial, unit_vector
from snews_drill.sky.posterior import _REACH, Quadratic, cell_area_deg2, centres, make_mesh
from snews_drill.sky.timing import read_timing


def quadratic_of(times, sigma_ms=1.0):
    timing = read_timing(times, None, sigma_ms, "drill")
    return timing, Quadratic.from_timing(timing, celestial_from_terrestrial(timing.first_ns))


def test_chi_square_equals_a_fit_of_the_arrival_time_detector_by_detector(drill_times):
    """Reference: the textbook sum with the best common time found by least squares, unequal errors."""
    sigma = {name: 0.5 + 0.1 * number for number, name in enumerate(drill_times)}
    timing, quadratic = quadratic_of(drill_times, sigma)
    sites = timing.positions_ms @ celestial_from_terrestrial(timing.first_ns).T
    weights = timing.sigmas_ms**-2
    for direction in (unit_vector(88, 7), unit_vector(270, -60)):
        common = np.average(timing.times_ms + sites @ direction, weights=weights)
        expected = np.sum(weights * (timing.times_ms - (common - sites @ direction)) ** 2)
        assert quadratic.chi2(direction) == pytest.approx(expected, rel=1e-9)


def test_no_cell_reaches_farther_than_the_bound_that_refinement_relies_on():
    assert all(healpy.max_pixrad(nside) * nside <= _REACH for nside in 2 ** np.arange(3, 25))


def test_cell_centres_and_areas_are_those_of_healpy():
    pixels = np.arange(12 * 16**2)
    assert centres(pixels, 16) == pytest.approx(np.stack(healpy.pix2vec(16, pixels, nest=True), axis=-1))
    assert cell_area_deg2(16) == pytest.approx(healpy.nside2pixarea(16, degrees=True))


def test_the_map_is_a_probability_and_agrees_with_brute_force(drill_times):
    _, quadratic = quadratic_of(drill_times)
    mesh = make_mesh(quadratic, 32)
    assert mesh.probability.sum() == pytest.approx(1)
    fine = np.exp(-0.5 * quadratic.excess(centres(np.arange(12 * 256**2), 256)))
    summed = fine.reshape(-1, 64).sum(axis=1) / fine.sum()
    assert mesh.probability == pytest.approx(summed, abs=1e-4)


@pytest.mark.parametrize("sigma_ms", [1.0, 0.01, 0.001])
def test_areas_follow_the_gaussian_law_far_below_the_pixel_size(drill_times, sigma_ms):
    """For a small region the area holding p goes as ln(1/(1-p)) and as the square of the timing error."""
    _, quadratic = quadratic_of(drill_times, sigma_ms)
    mesh = make_mesh(quadratic, 64)
    assert mesh.area_deg2(0.9) / mesh.area_deg2(0.5) == pytest.approx(np.log(10) / np.log(2), rel=0.05)
    wide = make_mesh(quadratic_of(drill_times, 1.0)[1], 64)
    assert mesh.area_deg2(0.9) == pytest.approx(wide.area_deg2(0.9) * sigma_ms**2, rel=0.05)


def test_areas_do_not_depend_on_the_maps_resolution(drill_times):
    _, quadratic = quadratic_of(drill_times)
    areas = [make_mesh(quadratic, nside).area_deg2(0.9) for nside in (8, 64, 256)]
    assert areas == pytest.approx([areas[0]] * 3, rel=0.03)


def test_descent_ends_where_no_neighbour_is_lower(drill_times):
    _, quadratic = quadratic_of(drill_times)
    lowest = quadratic.descend(unit_vector(0, 0))
    generator = np.random.default_rng(3)
    near = lowest + 1e-3 * generator.normal(size=(200, 3))
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    assert quadratic.excess(near).min() >= float(quadratic.excess(lowest))


def test_radius_holds_its_share_of_a_round_region():
    """With equal precision along all axes the radius and the area of 90 % belong to the same disc."""
    quadratic = Quadratic(1e4 * np.eye(3), -1e4 * unit_vector(40, 50), 1e4)
    mesh = make_mesh(quadratic, 64)
    radius = mesh.radius_deg(unit_vector(40, 50), 0.9)
    assert np.pi * radius**2 == pytest.approx(mesh.area_deg2(0.9), rel=0.03)
