"""Timing series: what dialect 1.3 takes in any form, as dialect 3's whole nanoseconds after a start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from snews_drill.messages.times import parse_utc_ns


def offsets_ns(
    series: Sequence[Any], *, start_ns: int | None, fallback_ns: int | None
) -> tuple[int, list[int]]:
    """Return the start of a series and its entries as offsets from it.

    Parameters
    ----------
    series
        ISO texts (UTC) and numbers; numbers already are offsets in ns.
    start_ns
        Zero of the offsets, ns since 1970 (UTC), if it is known.
    fallback_ns
        Zero to use when no entry is a text: the time of the first neutrino.

    Returns
    -------
    start_ns : int
        `start_ns` if given, else the time of the first text, else `fallback_ns`.
    offsets : list of int
        One per entry, ns.

    Raises
    ------
    ValueError
        If an entry is neither a time nor a whole number of nanoseconds, or there is no start.
    """
    if start_ns is None:
        start_ns = next((parse_utc_ns(entry) for entry in series if isinstance(entry, str)), fallback_ns)
    if start_ns is None:
        raise ValueError("there is no time to count from")
    return start_ns, [_offset(entry, start_ns) for entry in series]


def _offset(entry: Any, start_ns: int) -> int:
    if isinstance(entry, str):
        return parse_utc_ns(entry) - start_ns
    if isinstance(entry, bool):
        raise ValueError(f"{entry!r} is no time")  # noqa: TRY004 - callers treat all that is no time alike
    if isinstance(entry, int):
        return entry
    if isinstance(entry, float) and entry.is_integer():
        return int(entry)
    raise ValueError(f"{entry!r:.60} is no whole number of nanoseconds")
