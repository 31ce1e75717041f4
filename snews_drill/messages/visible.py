"""Text from the network made harmless to look at: what cannot be seen is spelled out, what is endless is shortened."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

#: Unicode categories of characters that have no shape of their own: controls (ANSI escapes among them), formats (which
#: can turn the direction of the text around them), surrogates, private use, unassigned, line and paragraph separators.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def visible(text: object, longest: int = 120) -> str:
    r"""Return a text as one line in which every character can be seen.

    Parameters
    ----------
    text
        Anything.
    longest
        Characters to show; what is left out is counted.

    Examples
    --------
    >>> visible("JUNO\x1b[31m\u202e")
    'JUNO\\x1b[31m\\u202e'
    >>> visible("A" * 5000, 10)
    'AAAAAAAAAA… (5000 characters)'
    """
    whole = str(text)
    shown = "".join(map(_spelled, whole[:longest]))
    return shown if len(whole) <= longest else f"{shown}… ({len(whole)} characters)"


def visible_json(content: Any, longest: int = 200_000) -> str:
    r"""Return plain data as indented JSON in which every character can be seen; it means the same data.

    Parameters
    ----------
    content
        What `json` can write; not-a-number is refused, as JSON has none.
    longest
        Characters to show; what is left out is counted.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    text = _folded(content)
    shown = "".join(
        character if character == "\n" else _spelled_json(character) for character in text[:longest]
    )
    return shown if len(text) <= longest else f"{shown}\n… ({len(text)} characters)"


def _spelled(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) not in _INVISIBLE:
        return character
    number = ord(character)
    return (
        f"\\x{number:02x}"
        if number < 0x100
        else f"\\u{number:04x}"
        if number < 0x10000
        else f"\\U{number:08x}"
    )


def _folded(value: Any, margin: str = "") -> str:
    """Return JSON with an item a line, but lists of plain values in one line: nineteen detectors are not nineteen lines."""
    inner = margin + "  "
    if isinstance(value, dict) and value:
        lines = [f"{_plain(str(key))}: {_folded(item, inner)}" for key, item in value.items()]
        opening, closing = "{}"
    elif isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        lines = [_folded(item, inner) for item in value]
        opening, closing = "[]"
    else:
        return _plain(value)
    body = ",\n".join(f"{inner}{line}" for line in lines)
    return f"{opening}\n{body}\n{margin}{closing}"


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _spelled_json(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) not in _INVISIBLE:
        return character
    return json.dumps(character)[1:-1]


def counted(count: int, noun: str) -> str:
    """Return "1 alert", "2 alerts"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
