"""The report as HTML: one file, nothing remote, no scripts, hostile text escaped, numbers as people write them."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from snews_drill.drill.after_action import AfterActionReport
from snews_drill.drill.after_action.look import (
    clock,
    milliseconds,
    moment,
    number,
    plain,
    short_clock,
    signed,
)
from snews_drill.drill.after_action.page import report_fragment, report_page
from snews_drill.messages.tiers import Tier

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>\u202e\x1b[31m'


class Seen(HTMLParser):
    """Collects elements, attributes and text, and whether every element is closed."""

    void = {"meta", "img", "br", "rect", "circle", "path", "line"}  # noqa: RUF012

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += attrs
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.void:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def check_harmless(text: str) -> Seen:
    seen = Seen(text)
    assert seen.open == []
    assert not {"script", "iframe", "object", "embed", "link", "form", "base"} & set(seen.elements)
    for name, value in seen.attributes:
        assert not name.startswith("on"), (name, value)
        if name in ("src", "href", "action"):
            assert (value or "").startswith("data:image/png;base64,")
    assert not re.search(r"url\(|@import|https?://", text)
    return seen


def test_the_page_needs_nothing_else(example: AfterActionReport) -> None:
    text = report_page(example)
    seen = check_harmless(text)
    assert text.startswith("<!doctype html>")
    assert "default-src 'none'" in text
    for row in example.detectors:
        assert row.detector in seen.text
    for words in ("practising the retraction", "2.92°", "unknown sender", "1 of the scenario silent"):
        assert words in seen.text, words
    assert "<script>alert(1)</script>" not in text
    assert len(text) < 500_000


def test_the_fragment_is_harmless_too(example: AfterActionReport) -> None:
    seen = check_harmless(report_fragment(example))
    assert "style" not in seen.elements
    assert "details" in seen.elements
    assert report_fragment(example) == example._repr_html_()


def test_hostile_text_is_text(tell: Callable[..., AfterActionReport], message: Callable[..., bytes]) -> None:
    """In names, reasons and players: escaped, and every character of it can be seen."""
    bad = (
        b'{"_id": "1_Heartbeat_x", "detector_name": "<img src=x onerror=alert(1)>", "detector_status": "ON"}'
    )
    observation = message(
        Tier.COINCIDENCE,
        "LVD",
        10.0,
        neutrino_time="2026-03-14T15:00:05",
        meta={"played_by": HOSTILE, "scenario": HOSTILE[:70]},
    )
    retraction = message(Tier.RETRACTION, "LVD", 11.0, retract_latest=1, retraction_reason=HOSTILE)
    report = tell((1.0, bad, 1.0), (10.0, observation, 1.0), (11.0, retraction, 1.0))
    for text in (report_page(report), report_fragment(report)):
        seen = check_harmless(text)
        assert "\\u202e" in seen.text
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_an_empty_archive_has_a_page_that_says_so(tell: Callable[..., AfterActionReport]) -> None:
    seen = check_harmless(report_page(tell()))
    assert "Nothing was received" in seen.text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (0.123, "0.12 ms"), (5.944, "5.94 ms"), (132.4, "132 ms"), (-114.2, "-114 ms"), (1500.0, "1.5 s"),
     (100_000.0, "100 s"), (3_600_000.0, "3,600 s")],
)  # fmt: skip
def test_durations(value: float | None, text: str) -> None:
    assert milliseconds(value) == text


def test_numbers_and_times() -> None:
    assert [signed(x) for x in (None, 0.0, -0.126, 123456.7)] == ["", "+0.00", "-0.13", "+123,457"]
    assert [plain(x) for x in (None, 1.234, 12.34, 1234.5, -114.2)] == ["", "1.23", "12.3", "1,234", "-114"]
    assert [number(x) for x in (0, 1234)] == ["", "1,234"]
    assert clock(None) == short_clock(None) == ""
    assert moment(1_773_500_000_123_456_789) == "2026-03-14 14:53:20.123"
    assert (clock(1_773_500_000 * 10**9), short_clock(1_773_500_000 * 10**9)) == ("14:53:20.000", "14:53:20")


def test_only_detectors_of_the_scenario_are_called_silent(
    tell: Callable[..., AfterActionReport], message: Callable[..., bytes]
) -> None:
    """A stranger who was refused is no silent part of it, and without a scenario nobody is."""
    stranger = message(Tier.COINCIDENCE, "HALO", 2.0, neutrino_time="2036-03-14T15:00:05")
    spoken = message(Tier.HEARTBEAT, "LVD", 1.0, detector_status="ON")
    sent = ((1.0, spoken, 1.0), (2.0, stranger, 1.0))
    assert "silent" not in check_harmless(report_page(tell(*sent))).text.split("Detectors")[0]
    shown = check_harmless(report_page(tell(*sent, scenario="false-alarm"))).text
    assert "1 of the scenario silent" in shown
