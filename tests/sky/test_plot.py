"""The picture shows what the map knows, RA to the left."""

from __future__ import annotations

import math

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from snews_drill.errors import LocalizationError, UnknownDetector
from snews_drill.sky import arrival_times_ns, localize


def labelled(figure, label):
    lines = [line for axes in figure.axes for line in axes.get_lines() if line.get_label() == label]
    return lines[0]


def legend_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_star_best_fit_regions_and_horizon_are_drawn_and_named(drill_times, alf_ori):
    figure = localize(drill_times).plot(star=(*alf_ori, "Alf Ori"), horizon_of="XENONnT")
    names = legend_of(figure)
    wanted = {"Alf Ori", "best fit", "50 % region", "90 % region", "zenith of XENONnT", "close-up"}
    assert wanted <= set(names)
    assert any(name.startswith("horizon of XENONnT") for name in names)
    assert "0.63° away" in figure.axes[0].get_title() + figure.axes[1].get_title()


def test_right_ascension_increases_to_the_left(drill_times):
    figure = localize(drill_times).plot(star=(90, 0, "star"))
    sky = next(axes for axes in figure.axes if axes.name == "mollweide")
    star = next(line for line in sky.get_lines() if line.get_label() == "star")
    assert float(star.get_xdata()[0]) == pytest.approx(-math.pi / 2)
    labels = [label.get_text() for label in sky.get_xticklabels()]
    assert labels[:3] == ["150°", "120°", "90°"]


def test_regions_are_drawn_where_the_probability_is(drill_ns):
    """Colour at the star's place differs from the colour at its antipode."""
    found = localize(arrival_times_ns(30, 20, drill_ns, ["JUNO", "LVD"]))
    figure = found.plot()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())
    sky = figure.axes[0]

    def colour(ra_deg, dec_deg):
        x, y = sky.transData.transform((-math.radians((ra_deg + 180) % 360 - 180), math.radians(dec_deg)))
        return tuple(int(part) for part in pixels[pixels.shape[0] - 1 - round(y), round(x), :3])

    assert colour(30, 20) == (0x31, 0x82, 0xBD)
    assert colour(212, -23) == (255, 255, 255)


def test_two_places_and_rings_are_drawn_without_a_close_up(drill_ns):
    two = localize(arrival_times_ns(200, -40, drill_ns, ["JUNO", "SNO+", "IceCube"])).plot()
    assert "two places that fit" in legend_of(two)
    ring = localize(arrival_times_ns(200, -40, drill_ns, ["JUNO", "SNO+"])).plot()
    assert len(two.axes) == len(ring.axes) == 1
    assert "best fit" not in legend_of(ring)


@pytest.mark.parametrize("names", [["Super-K", "KamLAND"], ["JUNO", "LVD", "IC", "SNO+", "SK"]])
def test_an_open_sky_and_the_pole_can_be_drawn(drill_ns, names):
    figure = localize(arrival_times_ns(10, 89.999, drill_ns, names)).plot(
        star=(10, 89.999), horizon_of="IceCube"
    )
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_horizon_is_ninety_degrees_from_the_zenith(drill_times):
    from snews_drill.sky.geometry import unit_vector

    found = localize(drill_times)
    line = labelled(found.plot(horizon_of="LVD"), "horizon of LVD (shaded: below)")
    x, y = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
    up = found.zenith_of("LVD")[1]
    kept = np.isfinite(x)
    cosines = [
        unit_vector(-math.degrees(a), math.degrees(b)) @ up for a, b in zip(x[kept], y[kept], strict=True)
    ]
    assert np.abs(cosines).max() < 1e-9


@pytest.mark.parametrize("star", ["Alf Ori", (1,), (1, "x"), (0, 100), 5])
def test_no_star_is_refused(drill_times, star):
    with pytest.raises(LocalizationError):
        localize(drill_times).plot(star=star)


def test_no_detector_has_no_horizon(drill_times):
    with pytest.raises(UnknownDetector):
        localize(drill_times).plot(horizon_of="Nowhere-9")


@pytest.mark.parametrize("names", [["JUNO", "SNO+", "IceCube"], ["JUNO", "LVD", "IC", "SNO+", "SK"]])
def test_the_legend_is_not_cut_off(drill_ns, names):
    figure = localize(arrival_times_ns(200, -40, drill_ns, names)).plot(star=(200, -40), horizon_of="XENONnT")
    FigureCanvasAgg(figure).draw()
    legend = figure.legends[0].get_window_extent()
    assert legend.x0 >= 0
    assert legend.y0 >= 0
    assert legend.x1 <= figure.bbox.x1


def test_horizons_of_several_detectors_are_told_apart(drill_times):
    figure = localize(drill_times).plot(horizon_of=["XENONnT", "JUNO"])
    names = legend_of(figure)
    assert {"zenith of XENONnT", "zenith of JUNO"} <= set(names)
    zeniths = [labelled(figure, f"zenith of {name}").get_color() for name in ("XENONnT", "JUNO")]
    assert zeniths[0] != zeniths[1]
