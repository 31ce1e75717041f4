"""Text that cannot be seen is spelled out."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snews_drill.messages.visible import visible, visible_json

SHOWN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}

plain_data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("JUNO", "JUNO"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\u202eb", "a\\u202eb"),
        ("line\nline", "line\\x0aline"),
        ("é ✓ 超", "é ✓ 超"),
    ],
)
def test_controls_and_directions_are_spelled_out(text: str, seen: str) -> None:
    """ANSI escapes and marks that turn the text around cannot act."""
    assert visible(text) == seen


def test_a_long_text_is_shortened_and_counted() -> None:
    """Nobody fills a screen with a name."""
    assert visible("A" * 5000, 10) == "A" * 10 + "… (5000 characters)"


@given(st.text())
def test_nothing_invisible_remains(text: str) -> None:
    """For any text."""
    assert not {unicodedata.category(c) for c in visible(text, 10_000)} & SHOWN


@given(plain_data)
def test_visible_json_means_the_same(data: object) -> None:
    """It is still JSON, and nothing invisible but line ends is in it."""
    text = visible_json(data)
    assert json.loads(text) == data
    assert not {unicodedata.category(c) for c in text.replace("\n", "")} & SHOWN
