"""The chart: a lane per detector, a sensible time axis whatever the drill's length, bounded."""

from __future__ import annotations

import dataclasses
import re
from xml.etree import ElementTree

import pytest

from snews_drill.drill.after_action import AfterActionReport, TimelineEntry
from snews_drill.drill.after_action.chart import _Scale, drill_svg

SECOND = 1_000_000_000


def test_every_detector_has_its_lane_and_every_mark_lies_inside(example: AfterActionReport) -> None:
    text = drill_svg(example)
    svg = ElementTree.fromstring(text[: text.index("</svg>") + 6])
    names = [element.text for element in svg.iter("text")]
    assert {row.detector for row in example.detectors} <= set(names)
    assert "unknown sender" in names
    circles = [(float(c.get("cx", 0)), float(c.get("cy", 0))) for c in svg.iter("circle")]
    assert len(circles) == 19
    assert all(120 <= x <= 984 and y > 30 for x, y in circles)


@pytest.mark.parametrize("span_sec", [0.0, 0.001, 0.27, 5, 61, 600, 7200, 86_400, 30 * 86_400])
def test_the_time_axis_has_a_few_ticks(span_sec: float) -> None:
    first_ns = 1_773_500_000 * SECOND
    labels = [label for _, label in _Scale(first_ns, first_ns + round(span_sec * SECOND)).ticks()]
    assert 1 <= len(labels) <= 9
    assert len(set(labels)) == len(labels)
    assert all(re.fullmatch(r"\d\d-\d\d|\d\d:\d\d(:\d\d(\.\d{3})?)?", label) for label in labels)


def test_nothing_is_drawn_of_nothing() -> None:
    assert drill_svg(AfterActionReport("a", 0)) == ""


def test_a_long_drill_does_not_make_an_endless_picture(example: AfterActionReport) -> None:
    entry = TimelineEntry(example.first_ns or 0, "observation", "JUNO", "x")
    crowded = dataclasses.replace(example, timeline=(entry,) * 9000, alerts=example.alerts * 500)
    assert len(drill_svg(crowded)) < 1_500_000
