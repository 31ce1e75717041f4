"""Nothing foreign steers the terminal, and JSON is JSON."""

from __future__ import annotations

import json

import numpy
import pytest

from snews_drill.cli.text import ago, clock, to_json, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain — ü 探", "plain — ü 探"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b2J", "\\x9b2J"),
        ("a\r\nb", "a\\r\\nb"),
        ("\u202egnp", "\\u202egnp"),
        ("\ud800", "\\ud800"),
        ("[bold]x[/bold]", "[bold]x[/bold]"),
    ],
)
def test_what_cannot_be_seen_is_spelled_out(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_lines_are_kept_only_where_asked_and_long_texts_are_cut() -> None:
    assert visible("a\nb\x1b", keeps_lines=True) == "a\nb\\x1b"
    assert visible("x" * 5000, limit=3) == "xxx… (4,997 more characters)"


def test_json_is_one_line_of_ascii_without_nan() -> None:
    text = to_json(
        {"a": float("nan"), "b": [float("inf"), numpy.float64(1.5), numpy.int64(2)], "c": "\x1b\u2028\ud800"}
    )
    assert text.isascii()
    assert text.isprintable()
    assert json.loads(text) == {"a": None, "b": [None, 1.5, 2], "c": "\x1b\u2028\ud800"}


def test_times_for_people() -> None:
    assert ago(None, 0) == "-"
    assert ago(0, 90_000_000_000) == "2 min"
    assert clock(0) == "00:00:00"
    assert clock(2**80) == "--:--:--"
