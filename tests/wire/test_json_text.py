"""JSON text: whatever comes in, plain data or an UnreadableRecord comes out, and soon."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from snews_drill.errors import UnreadableRecord
from snews_drill.wire.json_text import MAX_BYTES, MAX_DEPTH, dump_json, load_json, without_surrogates

json_data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
#: Bytes that look like JSON go deeper into the reader than random ones.
nearly_json = st.lists(
    st.sampled_from(
        [b"{", b"}", b"[", b"]", b'"', b"\\", b"\\ud800", b"\\udc00", b",", b":", b"1", b"-", b"e", b".", b"NaN",
         b"Infinity", b"1e400", b"null", b"true", b" ", b"\n", b"\x00", b"\xff", b"\xed\xa0\x80", b'"a"', b"/"]
    ),
    max_size=80,
).map(b"".join)  # fmt: skip


def is_plain(value: Any) -> bool:
    """Tell whether strict JSON in UTF-8 can say it."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False).encode("utf-8")
    return json.loads(text) == value


@given(st.binary(max_size=400) | nearly_json)
@example(b'{"a": "\\ud800"}')
@example(b'{"\\udfff": [NaN, -Infinity, 1e400, -1e400]}')
@example(b'"\\ud83d\\ude00"')
@example(b"1" * 5000)
@example(b"-" + b"1" * 4300)
@example(b"\xef\xbb\xbf{}")
@example(b"")
def test_any_bytes_are_plain_data_or_unreadable(raw: bytes) -> None:
    """Nothing but UnreadableRecord is raised, it keeps the bytes, and what is returned is strict JSON."""
    refusal = None
    try:
        value = load_json(raw)
    except UnreadableRecord as error:
        refusal = error
    if refusal is not None:
        assert refusal.raw is raw
        assert len(str(refusal)) < 1000
        return
    assert is_plain(value)
    assert load_json(dump_json(value)) == value


@given(json_data)
def test_what_is_written_is_read_again(value: Any) -> None:
    """Plain data survives, except halves of surrogate pairs, which become replacement characters."""
    read = load_json(dump_json(value))
    assert read == without_surrogates(value)
    assert is_plain(read)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NaN", None),
        ("-Infinity", None),
        ("[1e400, -1e400, 1e-400]", [None, None, 0.0]),
        ('{"p": NaN, "q": [Infinity]}', {"p": None, "q": [None]}),
        ('"\\ud83d\\ude00"', "\U0001f600"),
        ('"a\\ud83d"', "a�"),
        ('{"\\udc00": 1}', {"�": 1}),
        ('"\\\\ud800"', "\\ud800"),
        ("123456789012345678901234567890", 123456789012345678901234567890),
    ],
)
def test_what_strict_json_has_no_word_for(text: str, value: Any) -> None:
    """Not-a-number and what no double holds become null; real pairs and honest backslashes stay."""
    assert load_json(text.encode()) == value


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_depth_is_bounded(opening: str) -> None:
    """The deepest allowed text is read, one level more is refused, whether it is closed or not."""
    closing = {"[": "]", '{"a":': "}"}[opening]
    core = "[]"
    good = opening * (MAX_DEPTH - 1) + core + closing * (MAX_DEPTH - 1)
    load_json(good.encode())
    with pytest.raises(UnreadableRecord, match="deep"):
        load_json((opening + good + closing).encode())
    with pytest.raises(UnreadableRecord):
        load_json((opening * 10_000).encode())


@pytest.mark.parametrize("inside", ["[" * 100, '\\"' + "{" * 100, "\\\\" + "]" * 100])
def test_brackets_in_texts_are_no_depth(inside: str) -> None:
    """Only brackets outside of texts count, whatever is escaped."""
    assert load_json(f'["{inside}", []]'.encode()) == [json.loads(f'"{inside}"'), []]


def test_many_brackets_side_by_side_are_no_depth() -> None:
    """A long flat list of lists is read."""
    assert len(load_json(b"[" + b",".join([b"[[]]"] * 1000) + b"]")) == 1000


@pytest.mark.parametrize(
    "raw",
    [
        b"1" * (10 << 20),
        b"[" * (10 << 20),
        b"[" * (1 << 20),
        b"[]" * (1 << 19),
        b'"' * (1 << 20),
        b'[' * 40 + b'"' + b'\\"' * ((1 << 19) - 100),
        b"[" * 40 + b"\\" * ((1 << 20) - 100),
        b'{"a":' * 200_000,
        b"1" * MAX_BYTES,
        b"0." + b"1" * (1 << 20 - 3),
        b"\xff" * (1 << 20),
    ],
    ids=lambda raw: f"{raw[:8]!r}x{len(raw)}",
)  # fmt: skip
def test_hostile_sizes_take_bounded_time(raw: bytes) -> None:
    """Ten megabytes, a million brackets, endless texts and numbers are answered within a second."""
    begun = time.process_time()
    try:
        value = load_json(raw)
    except UnreadableRecord:
        pass
    else:
        assert is_plain(value)
    assert time.process_time() - begun < 1.0


def test_size_limit_is_exact() -> None:
    """A record of exactly the limit is read, one byte more is not looked at."""
    assert load_json(b" " * (MAX_BYTES - 1) + b"1") == 1
    with pytest.raises(UnreadableRecord, match="more than"):
        load_json(b" " * MAX_BYTES + b"1")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [float("-inf")], {float("nan"): 1}])
def test_nothing_that_is_not_json_is_written(value: Any) -> None:
    """Not-a-number raises instead of travelling."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        dump_json(value)


@pytest.mark.parametrize("value", [object(), {1, 2}, b"x", {("a",): 1}])
def test_objects_are_no_json(value: Any) -> None:
    """What JSON has no word for is a TypeError."""
    with pytest.raises(TypeError):
        dump_json(value)
