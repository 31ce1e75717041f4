"""Text from files and from the network, made harmless for a terminal, and values made fit for JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

#: Longer texts are cut where they are shown; JSON output is never cut.
MAX_SHOWN = 4_000


def visible(value: object, *, keeps_lines: bool = False, limit: int = MAX_SHOWN) -> str:
    r"""Return a text in which nothing can steer a terminal or deceive the reader.

    Control characters, escape sequences, marks that turn the direction of writing and everything else that is not
    printable are shown as `\x1b`, `\u202e` and the like.

    Parameters
    ----------
    value
        Anything; its `str`.
    keeps_lines
        Whether line ends and tabs stay what they are.
    limit
        The most characters to show.

    Examples
    --------
    >>> visible("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    text = str(value)
    if len(text) > limit:
        text = f"{text[:limit]}… ({len(text) - limit:,} more characters)"
    if text.isprintable():
        return text
    kept = "\n\t" if keeps_lines else ""
    return "".join(c if c.isprintable() or c in kept else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def to_json(value: Any) -> str:
    """Return a value as one line of JSON in ASCII; not-a-number and infinities become null."""
    return json.dumps(_plain(value), ensure_ascii=True, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(entry) for entry in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    item = getattr(value, "item", None)  # numpy's scalars
    return _plain(item()) if callable(item) else str(value)


def clock(time_ns: int) -> str:
    """Return the time of day, UTC, of an instant in ns since 1970 (UTC)."""
    try:
        return datetime.fromtimestamp(time_ns / 1e9, UTC).strftime("%H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return "--:--:--"


def ago(time_ns: int | None, now_ns: int) -> str:
    """Return how long ago an instant was, both in ns since 1970 (UTC), in a few characters."""
    if time_ns is None:
        return "-"
    seconds = max((now_ns - time_ns) / 1e9, 0.0)
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
