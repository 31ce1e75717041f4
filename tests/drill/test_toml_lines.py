"""Every key of a TOML text is found on the line where it stands."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from snews_drill.drill.toml_lines import Place, find_lines, line_of

TEXT = '''# a comment = 1
title = "a # b = [c]"
long = """
[[not_a_table]]
key = 1 \\""" still
"""
raw = \'\'\'it\'s
x = 1\'\'\'
when = 2023-02-07 12:00:00 # a time
star = { name = "Alf = Ori", "ra deg" = 1.5 }
numbers = [ 1, # one
  2, [3,
  4], { deep = true } ]
a.b."c.d" = 7

[[event]]
detector = 'JUNO'

[[event]]
offset = -1e3
[event.more]
x = 1
[[event.again]]
y = 2
  [ "quoted table" . inner ]
z = 0xff
'''


def test_each_kind_of_place_is_found() -> None:
    tomllib.loads(TEXT)
    found = find_lines(TEXT)
    expected: dict[Place, int] = {
        ("title",): 2,
        ("long",): 3,
        ("raw",): 7,
        ("when",): 9,
        ("star",): 10,
        ("star", "name"): 10,
        ("star", "ra deg"): 10,
        ("numbers",): 11,
        ("numbers", 0): 11,
        ("numbers", 1): 12,
        ("numbers", 2): 12,
        ("numbers", 2, 1): 13,
        ("numbers", 3, "deep"): 13,
        ("a", "b", "c.d"): 14,
        ("event",): 16,
        ("event", 0): 16,
        ("event", 0, "detector"): 17,
        ("event", 1): 19,
        ("event", 1, "offset"): 20,
        ("event", 1, "more"): 21,
        ("event", 1, "more", "x"): 22,
        ("event", 1, "again", 0): 23,
        ("event", 1, "again", 0, "y"): 24,
        ("quoted table", "inner"): 25,
        ("quoted table", "inner", "z"): 26,
    }
    assert {place: found.get(place) for place in expected} == expected
    assert ("not_a_table",) not in found
    assert ("x",) not in found


def test_lines_end_in_either_way() -> None:
    text = "a = 1\r\n\r\n[[b]]\r\nc = '''x\r\ny'''\r\nd = 2\r\n"
    found = find_lines(text)
    assert (found["a",], found["b", 0], found["b", 0, "d"]) == (1, 3, 6)


def test_a_place_that_is_not_there_is_told_by_what_is_around_it() -> None:
    lines = find_lines("a = 1\n[[b]]\nc = 2\n")
    assert line_of(("b", 0, "missing", "x"), lines) == 2
    assert line_of(("nowhere",), lines) == 1
    assert line_of((), lines) == 1


@pytest.mark.parametrize("text", ["", "\n\n", "# only this", "a=1", 'a="""\n"""""\nb=1', "a = [[],[[]]]"])
def test_small_texts(text: str) -> None:
    """What the reader accepts does not break the search."""
    assert set(places_of(tomllib.loads(text))) <= set(find_lines(text))


def places_of(value: Any, place: Place = ()) -> list[Place]:
    """Return every place in what the reader made of a text."""
    found = [place] if place else []
    if isinstance(value, dict):
        for key, inner in value.items():
            found += places_of(inner, (*place, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            found += places_of(inner, (*place, number))
    return found


texts = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=12)
scalars = st.integers(-(10**12), 10**12) | st.booleans() | st.floats(allow_nan=False) | texts | st.datetimes()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(
        texts, values | st.lists(st.dictionaries(texts, values, max_size=3), max_size=3), max_size=4
    ),
    st.booleans(),
)
def test_whatever_the_reader_finds_has_a_line_that_names_it(
    content: dict[str, Any], is_multiline: bool
) -> None:
    """Any document: each place of the reader's is found, and its key stands on that line, in the order of the text."""
    text = tomli_w.dumps(content, multiline_strings=is_multiline)
    written = text.split("\n")
    found = find_lines(text)
    places = places_of(tomllib.loads(text))
    assert set(places) == set(found)
    for place in places:
        key = place[-1]
        if isinstance(key, str):
            shown = tomli_w.dumps({key: 0}).rpartition(" = ")[0]
            assert shown in written[found[place] - 1]
