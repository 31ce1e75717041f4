"""On which line of a TOML text each key stands.

The standard library's reader tells the line of a syntax error and nothing afterwards, and no kept library does better. This
one only finds places in a text that the reader has already accepted, so it need not judge anything.
"""

from __future__ import annotations

import contextlib
import tomllib
from bisect import bisect_right
from collections.abc import Mapping

#: From the top of the text: names of keys, and the numbers (from 0) of what stands in lists.
Place = tuple[str | int, ...]

_BLANK = " \t\r\n"
_BARE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def find_lines(text: str) -> dict[Place, int]:
    r"""Return the line, from 1, of every key, table and list entry of a valid TOML text.

    Parameters
    ----------
    text
        What `tomllib.loads` accepts.

    Examples
    --------
    >>> find_lines('title = "x"\n[[event]]\nname = 1')[("event", 0, "name")]
    3
    """
    search = _Search(text)
    with contextlib.suppress(RecursionError):  # nested deeper than anybody writes; what was found is true
        search.run()
    return search.found


def line_of(place: Place, lines: Mapping[Place, int]) -> int:
    """Return the line of a place, or of the nearest thing around it that stands in the text; 1 if nothing does."""
    for length in range(len(place), 0, -1):
        if place[:length] in lines:
            return lines[place[:length]]
    return 1


class _Search:
    def __init__(self, text: str) -> None:
        self.text = text
        self.found: dict[Place, int] = {}
        self._at = 0
        self._breaks = [i for i, character in enumerate(text) if character == "\n"]
        #: How many tables each list of tables has so far.
        self._counts: dict[Place, int] = {}

    def run(self) -> None:
        table: Place = ()
        while self._skip():
            if self.text.startswith("[[", self._at):
                table = self._header(2)
            elif self.text[self._at] == "[":
                table = self._header(1)
            else:
                self._pair(table)

    def _note(self, place: Place, at: int) -> None:
        for length in range(1, len(place) + 1):
            self.found.setdefault(place[:length], bisect_right(self._breaks, at - 1) + 1)

    def _skip(self) -> bool:
        """Go over blanks and comments; return whether something is left."""
        text = self.text
        while self._at < len(text):
            if text[self._at] == "#":
                end = text.find("\n", self._at)
                self._at = len(text) if end < 0 else end
            elif text[self._at] in _BLANK:
                self._at += 1
            else:
                return True
        return False

    def _header(self, brackets: int) -> Place:
        began = self._at
        self._at += brackets
        keys = self._keys("]")
        self._at += brackets
        place: Place = ()
        for number, key in enumerate(keys):
            place = (*place, key)
            is_last = number == len(keys) - 1
            if is_last and brackets == 2:
                self._counts[place] = self._counts.get(place, 0) + 1
                self.found.setdefault(place, bisect_right(self._breaks, began - 1) + 1)
            if place in self._counts:
                place = (*place, self._counts[place] - 1)
        self._note(place, began)
        return place

    def _keys(self, end: str) -> list[str]:
        """Read a key, perhaps of several with dots between them, up to what ends it."""
        keys = []
        while True:
            self._skip()
            keys.append(self._key())
            self._skip()
            if self.text[self._at] == end:
                return keys
            self._at += 1  # the dot

    def _key(self) -> str:
        began = self._at
        if self.text[began] in "\"'":
            self._string()
            written = self.text[began : self._at]
            return next(iter(tomllib.loads(f"{written} = 0")))
        while self.text[self._at] in _BARE:
            self._at += 1
        return self.text[began : self._at]

    def _pair(self, table: Place) -> None:
        began = self._at
        place = (*table, *self._keys("="))
        self._note(place, began)
        self._at += 1
        self._skip()
        self._value(place)

    def _value(self, place: Place) -> None:
        first = self.text[self._at]
        if first in "\"'":
            self._string()
        elif first == "[":
            self._list(place)
        elif first == "{":
            self._at += 1
            while self._skip() and self.text[self._at] != "}":
                self._pair(place)
                self._comma()
            self._at += 1
        else:  # a number, a word or a time
            while self._at < len(self.text) and self.text[self._at] not in ",]}#\n":
                self._at += 1

    def _list(self, place: Place) -> None:
        self._at += 1
        number = 0
        while self._skip() and self.text[self._at] != "]":
            entry = (*place, number)
            self._note(entry, self._at)
            self._value(entry)
            self._comma()
            number += 1
        self._at += 1

    def _comma(self) -> None:
        if self._skip() and self.text[self._at] == ",":
            self._at += 1

    def _string(self) -> None:
        quote = self.text[self._at]
        if self.text.startswith(quote * 3, self._at):
            self._at = self._end_of_long(quote)
            return
        self._at += 1
        while self.text[self._at] != quote:
            self._at += 2 if quote == '"' and self.text[self._at] == "\\" else 1
        self._at += 1

    def _end_of_long(self, quote: str) -> int:
        at = self._at + 3
        while not self.text.startswith(quote * 3, at):
            at += 2 if quote == '"' and self.text[at] == "\\" else 1
        at += 3
        while self.text.startswith(quote, at):  # up to two quotes may stand before the last three
            at += 1
        return at
