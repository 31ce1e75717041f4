"""Times: text on the wire, integer nanoseconds since 1970-01-01T00:00:00 UTC in memory.

Dialect 1.3 writes naive UTC with microseconds, dialect 3 writes UTC with nanoseconds and a Z. Leap seconds do not exist
on this scale, as in POSIX time.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

NS_PER_SECOND = 1_000_000_000
NS_PER_DAY = 86_400 * NS_PER_SECOND

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - naive on purpose: every naive time here is UTC
#: The date and what separates it from the time take 8 to 11 characters; a sign after them begins the offset.
_DIGITS_AFTER_MICROSECONDS = re.compile(r".{7,10}\D[^+-]*?[.,]\d{6}(\d+)", re.DOTALL)
_MAX_TEXT = 64

#: How many texts and seconds are remembered: a message says the same moment several times, an alert the same second.
_REMEMBERED = 1024


def parse_utc_ns(text: str) -> int:
    """Return the instant that an ISO-8601 text means.

    Parameters
    ----------
    text
        Extended or basic format, a date alone, `T` or a blank between date and time, up to nine digits of a second
        (further ones are cut off). Without an offset the time is UTC.

    Returns
    -------
    int
        Nanoseconds since 1970-01-01T00:00:00 UTC.

    Raises
    ------
    ValueError
        If the text is no such time.

    Examples
    --------
    >>> parse_utc_ns("1970-01-01T00:00:01.000000002Z")
    1000000002
    """
    if len(text) > _MAX_TEXT:
        raise ValueError("longer than any time")
    return _parse(text)


@lru_cache(maxsize=_REMEMBERED)
def _parse(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        try:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
        except OverflowError as error:
            raise ValueError(str(error)) from error
    past = moment - _EPOCH
    whole = past.days * NS_PER_DAY + past.seconds * NS_PER_SECOND + past.microseconds * 1000
    if len(text) > 21:  # 2023W07T120000.1234567 is the shortest text with a seventh digit
        finer = _DIGITS_AFTER_MICROSECONDS.match(text)
        if finer:
            whole += int(finer[1][:3].ljust(3, "0"))
    return whole


@lru_cache(maxsize=_REMEMBERED)
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()


def iso_micro(time_ns: int) -> str:
    """Return naive UTC text as dialect 1.3 writes it.

    Whole seconds have no fraction, others six digits; nine digits appear only where nanoseconds would be lost.

    Examples
    --------
    >>> iso_micro(1_100_000_000)
    '1970-01-01T00:00:01.100000'
    """
    seconds, fraction = divmod(time_ns, NS_PER_SECOND)
    text = _second(seconds)
    if fraction == 0:
        return text
    if fraction % 1000:
        return f"{text}.{fraction:09d}"
    return f"{text}.{fraction // 1000:06d}"


def iso_nano(time_ns: int) -> str:
    """Return UTC text with nanoseconds and Z, as dialect 3 writes it.

    Examples
    --------
    >>> iso_nano(1_100_000_000)
    '1970-01-01T00:00:01.100000000Z'
    """
    seconds, fraction = divmod(time_ns, NS_PER_SECOND)
    return f"{_second(seconds)}.{fraction:09d}Z"


def canonical_micro(text: str) -> str:
    """Return a time text in the canonical form of dialect 1.3.

    Raises
    ------
    ValueError
        If the text is no time.
    """
    return iso_micro(parse_utc_ns(text))
