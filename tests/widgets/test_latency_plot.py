"""The plot of latencies."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from snews_drill.heartbeat_log import HeartbeatGap
from snews_drill.widgets.latency_plot import latency_svg

SECOND = 1_000_000_000


def points(svg: str) -> list[tuple[float, float]]:
    root = ElementTree.fromstring(svg)
    return [(float(c.attrib["cx"]), float(c.attrib["cy"])) for c in root.iter("circle")]


def test_points_lie_where_they_belong() -> None:
    """Later is further right, slower is higher, the axis ends at the next round number."""
    svg = latency_svg([(0, 1.0), (5 * SECOND, 2.0), (10 * SECOND, 4.0)], [], 10 * SECOND)
    (x0, y0), (x1, y1), (x2, y2) = points(svg)
    assert x0 < x1 < x2
    assert y0 > y1 > y2
    assert x1 - x0 == pytest.approx(x2 - x1)
    assert y1 - y2 == pytest.approx(2 * (y0 - y1), abs=0.2)
    assert ">5 ms<" in svg


def test_gaps_are_shaded_and_an_open_one_reaches_the_end() -> None:
    """With the word for those who do not see colours."""
    svg = latency_svg([(0, 1.0)], [HeartbeatGap(5 * SECOND, None, 3)], 10 * SECOND)
    (shade,) = ElementTree.fromstring(svg).iter("rect")
    assert float(shade.attrib["x"]) + float(shade.attrib["width"]) == pytest.approx(548, abs=1)
    assert "missed" in svg


@pytest.mark.parametrize(
    "samples", [[(0, 0.0)], [(0, 1e9)], [(0, 3.0)] * 240, [(10 * SECOND, 1.0), (0, 1.0)]]
)
def test_any_numbers_make_a_picture(samples: list[tuple[int, float]]) -> None:
    """Zero, huge, many, and a clock that was set back: all lies within the frame."""
    svg = latency_svg(samples, [], 5 * SECOND)
    for x, y in points(svg):
        assert 0 <= x <= 560
        assert 0 <= y <= 120
    ElementTree.fromstring(svg)
    assert len(svg) < 8_000


def test_nothing_is_no_picture() -> None:
    """Before the first heartbeat."""
    assert latency_svg([], [], 0) == ""
