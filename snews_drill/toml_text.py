"""Reading TOML that anybody may have written, in bounded time."""

from __future__ import annotations

import re
import tomllib
from typing import Any

#: Parts that a key may have, with dots between them. Ours have two or three; the time that the standard library's reader
#: takes grows with their square, so that a line of one megabyte would keep it busy for hours.
MAX_KEY_PARTS = 16

# Every alternative but the last takes all it can and never gives anything back, so the time grows with the text alone.
_TOKEN = re.compile(
    r"""
    (?P<skip>[ \t]++)
    |(?P<part>[A-Za-z0-9_-]++)
    |(?P<dot>\.)
    |\"{3}(?:[^\"\\]|\\.|\"(?!\"\"))*+(?:\"{3}\"{0,2})?
    |'{3}(?:[^']|'(?!''))*+(?:'{3}'{0,2})?
    |(?P<quoted>\"(?:[^\"\\\n]|\\.)*+\"?|'[^'\n]*+'?)
    |\#[^\n]*+
    |.
    """,
    re.VERBOSE | re.DOTALL,
)


def read_toml(text: str) -> dict[str, Any]:
    r"""Return what a TOML text says.

    Parameters
    ----------
    text
        Of any origin.

    Raises
    ------
    ValueError
        If it is no TOML, a number in it has thousands of digits, or a key has more than `MAX_KEY_PARTS` parts.
    RecursionError
        If it is nested without end.

    Examples
    --------
    >>> read_toml("[firedrill]\nalerts = 'snews.alert'")
    {'firedrill': {'alerts': 'snews.alert'}}
    """
    if text.count(".") >= MAX_KEY_PARTS:
        _refuse_long_keys(text)
    return tomllib.loads(text)


def _refuse_long_keys(text: str) -> None:
    dots = 0
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        dots += kind == "dot"
        if kind is None:
            dots = 0
        elif dots >= MAX_KEY_PARTS:
            line = text.count("\n", 0, token.start()) + 1
            column = token.start() - text.rfind("\n", 0, token.start())
            raise tomllib.TOMLDecodeError(
                f"A key has more than {MAX_KEY_PARTS} parts (at line {line}, column {column})"
            )
