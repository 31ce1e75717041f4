"""The sky as SVG: well-formed, the marks where they belong, light, and harmless."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from snews_drill.sky import arrival_times_ns, localize
from snews_drill.sky.vector_map import _A, _X, _Y, _mollweide


def drawn(found, **options):
    text = found.to_svg(**options)
    return text, ElementTree.fromstring(text)


def filled(svg):
    """Return the x and y of the points of the filled regions, largest first."""
    found = []
    for path in svg.iter("path"):
        if path.get("fill-rule"):
            found.append(
                np.array(
                    [
                        [float(n) for n in pair]
                        for pair in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path.get("d", ""))
                    ]
                )
            )
    return found


@pytest.mark.parametrize(
    ("star", "names"),
    [
        ((88.79, 7.41), ("JUNO", "XENONnT", "IceCube", "SNO+")),
        ((180.4, 7.0), ("JUNO", "XENONnT", "IceCube", "SNO+")),
        ((12.0, 89.5), ("JUNO", "XENONnT", "IceCube", "SNO+")),
        ((266.0, -29.0), ("JUNO", "XENONnT")),
        ((30.0, 20.0), ("JUNO", "XENONnT", "Super-K")),
        ((30.0, 20.0), ("Super-K", "Hyper-K")),
    ],
)
def test_regions_and_star_are_drawn_inside_the_map(star, names, drill_ns):
    """At the rim, at the pole, as a ring, as two places, over most of the sky."""
    found = localize(arrival_times_ns(*star, drill_ns, names))
    text, svg = drawn(found, star=(*star, "here"), horizon_of=["XENONnT", "JUNO"])
    regions = filled(svg)
    assert len(regions) >= 2
    for points in regions[:2]:
        assert (((points[:, 0] - _X) / _A) ** 2 + ((points[:, 1] - _Y) / (_A / 2)) ** 2).max() <= 1.001
    assert "here" in text
    assert "horizon of XENONnT" in text
    assert "horizon of JUNO" in text
    assert len(text) < 120_000


def test_right_ascension_increases_to_the_left():
    """RA 90° lies left of the middle, RA 270° right of it; the poles are on top and at the foot."""
    places = _mollweide(np.radians([-90.0, 90.0, 0.0, 0.0]), np.radians([0.0, 0.0, 90.0, -90.0]))
    assert places[0] == pytest.approx([_X - _A / 2, _Y])
    assert places[1] == pytest.approx([_X + _A / 2, _Y])
    assert places[2] == pytest.approx([_X, _Y - _A / 2], abs=1e-3)
    assert places[3] == pytest.approx([_X, _Y + _A / 2], abs=1e-3)


def test_areas_are_kept(drill_ns):
    """The projection is of equal areas: the ring's drawn area is that of the localization."""
    found = localize(arrival_times_ns(266.0, -29.0, drill_ns, ("JUNO", "XENONnT")))
    _, svg = drawn(found)
    path = next(path for path in svg.iter("path") if path.get("fill-rule"))
    area = 0.0
    for line in path.get("d", "").split("Z"):
        points = np.array(
            [[float(n) for n in pair] for pair in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", line)]
        )
        if len(points):
            x, y = points.T
            area += float(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2
    whole = np.pi * _A * _A / 2
    assert abs(area) / whole == pytest.approx(found.area_90_deg2 / 41_253, rel=0.03)


def test_a_small_region_is_shown_close_up(drill_times, alf_ori):
    text, _ = drawn(localize(drill_times), star=(*alf_ori, "Alf Ori"))
    assert "Alf Ori is 0.63° away" in text
    assert "north up, east left" in text


def test_hostile_names_are_text(drill_times):
    text, svg = drawn(localize(drill_times), star=(10, 10, '<script>alert(1)</script>"\x1b'))
    assert "<script>" not in text
    assert "\x1b" not in text
    assert not list(svg.iter("script"))


def test_the_same_map_is_drawn_the_same(drill_times):
    assert localize(drill_times).to_svg() == localize(drill_times).to_svg()
