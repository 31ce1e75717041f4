"""From what was typed to values, and back: numbers, times, lists and JSON, with calm words for what is half typed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from snews_drill.messages.times import parse_utc_ns
from snews_drill.wire.fields import MAX_SERIES

#: More characters than any message may have; Kafka's default limit for a record is 1,048,588 bytes.
MAX_CHARACTERS = 1_048_588

# Possessive: of a text of a hundred thousand digits no part is tried twice.
_NUMBER = re.compile(r"[+-]?(\d++\.?\d*+|\.\d++)([eE][+-]?\d++)?", re.ASCII)
_HALF_NUMBER = re.compile(r"[+-]?\.?|[+-]?(\d++\.?\d*+|\.\d++)[eE][+-]?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_ZERO = re.compile(r"[+-]?0*+\.?0*+")
#: A time that is shorter than this one may still become one; every digit may be a 0, 1 or 2 where it is typed.
_WHOLE_TIME = "2000-01-01T00:00:00"

_TIME_REMEDY = "Give UTC in ISO format, such as 2026-11-23T12:45:45.678999."
_NUMBER_REMEDY = "Give a number such as 0.05, with a point."


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text means.

    Attributes
    ----------
    value
        The value; None if there is none (yet).
    reason, remedy : str
        Why it means nothing, and what would be right; empty if it is fine.
    is_unfinished : bool
        Whether more characters can make (another) value of it: to be remarked on without alarm.
    """

    value: Any = None
    reason: str = ""
    remedy: str = ""
    is_unfinished: bool = False


Read = Callable[[str], Reading]


def _quoted(text: str) -> str:
    return f"'{text[:57]}…'" if len(text) > 58 else f"'{text}'"


def read_text(text: str) -> Reading:
    """Return a text as it is."""
    return Reading(text)


def read_time(text: str) -> Reading:
    """Return an ISO-8601 time as text, unchanged but for blanks around it."""
    try:
        parse_utc_ns(text)
    except ValueError:
        if _may_become_time(text):
            return Reading(reason="is not a complete time yet.", remedy=_TIME_REMEDY, is_unfinished=True)
        return Reading(reason=f"{_quoted(text)} is not a time.", remedy=_TIME_REMEDY)
    return Reading(text, is_unfinished=len(text) < len(_WHOLE_TIME))


def _may_become_time(text: str) -> bool:
    if "now".startswith(text.lower()) or (text.isascii() and text.isdigit() and len(text) < 8):
        return True
    if len(text) < len(_WHOLE_TIME):
        rests = [digit + _WHOLE_TIME[len(text) + 1 :] for digit in (_WHOLE_TIME[len(text)], "0", "1", "2")]
    else:
        rests = ["0", "0:00", ":00", "00"]  # a point without digits, half an offset
    return any(_is_time(text + rest) for rest in rests)


def _is_time(text: str) -> bool:
    try:
        parse_utc_ns(text)
    except ValueError:
        return False
    return True


def read_number(text: str) -> Reading:
    """Return a finite number as float."""
    if _NUMBER.fullmatch(text):
        number = float(text)
        if math.isfinite(number):
            return Reading(number, is_unfinished=bool(_ZERO.fullmatch(text)))
        return Reading(reason=f"{_quoted(text)} is too large.", remedy=_NUMBER_REMEDY)
    if _HALF_NUMBER.fullmatch(text):
        return Reading(reason="is not a complete number yet.", remedy=_NUMBER_REMEDY, is_unfinished=True)
    return Reading(reason=f"{_quoted(text)} is not a number.", remedy=_NUMBER_REMEDY)


def read_count(text: str) -> Reading:
    """Return a whole number as int."""
    if _INTEGER.fullmatch(text):
        return Reading(int(text), is_unfinished=bool(_ZERO.fullmatch(text)))
    if text in "+-":
        return Reading(reason="is not a number yet.", remedy="Give an integer such as 1.", is_unfinished=True)
    return Reading(reason=f"{_quoted(text)} is not a whole number.", remedy="Give an integer such as 1.")


def read_status(text: str) -> Reading:
    """Return a status, in capitals where it is known."""
    return Reading(text.upper() if text.upper() in ("ON", "OFF") else text)


def read_probabilities(text: str) -> Reading:
    """Return a list of floats from entries between commas, semicolons or blanks, or from a JSON list."""
    remedy = "Give numbers such as 0.4, 0.5, 0.6 or a JSON list."
    return _read_list(text, r"[,;\s]+", read_number, _json_number, remedy)


def read_series(text: str) -> Reading:
    """Return a list of times (texts) and numbers from entries between commas, semicolons or line ends, or from JSON."""
    remedy = "Give times (ISO, UTC) or numbers, one a line, or a JSON list."
    return _read_list(text, r"[,;\n]+", _moment, _json_moment, remedy)


def _read_list(
    text: str, separators: str, read: Read, read_json: Callable[[Any], Reading], remedy: str
) -> Reading:
    if len(text) > MAX_CHARACTERS:
        return Reading(reason=f"has {len(text):,} characters.", remedy="No message may be that long.")
    if text.lstrip().startswith("["):
        return _read_json(text, read_json, remedy)
    return _read_entries(re.split(separators, text), read, remedy)


def _read_json(text: str, read: Callable[[Any], Reading], remedy: str) -> Reading:
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        if "]" not in text:
            return Reading(reason="has no closing bracket yet.", remedy=remedy, is_unfinished=True)
        return Reading(reason=f"is not a JSON list: {error}.", remedy=remedy)
    return _read_entries(entries, read, remedy)


def _read_entries(entries: Sequence[Any], read: Callable[[Any], Reading], remedy: str) -> Reading:
    values: list[Any] = []
    given = [entry for entry in (e.strip() if isinstance(e, str) else e for e in entries) if entry != ""]
    if len(given) > MAX_SERIES:
        return Reading(reason=f"has {len(given):,} entries, more than {MAX_SERIES:,}.", remedy="Shorten it.")
    for place, entry in enumerate(given, start=1):
        reading = read(entry)
        if reading.value is None:
            between = ":" if reading.reason.startswith(("'", '"', "[", "{")) else ""
            return Reading(
                reason=f"entry {place}{between} {reading.reason}",
                remedy=remedy,
                is_unfinished=reading.is_unfinished and place == len(given),
            )
        values.append(reading.value)
    if not values:
        return Reading(reason="is an empty list.", remedy=remedy, is_unfinished=True)
    return Reading(values)


def _moment(entry: str) -> Reading:
    number = read_number(entry)
    if number.value is None:
        return read_time(entry)
    return Reading(int(entry)) if _INTEGER.fullmatch(entry) else number


def _json_number(entry: Any) -> Reading:
    if isinstance(entry, bool) or not isinstance(entry, (int, float)):
        return Reading(reason=f"{_quoted(json.dumps(entry, ensure_ascii=False))} is not a number.")
    return read_number(str(entry))


def _json_moment(entry: Any) -> Reading:
    if isinstance(entry, str):
        return read_time(entry)
    number = _json_number(entry)
    return number if number.value is None else Reading(entry)


def read_extra(text: str) -> Any:
    """Return the value of an extra entry: what the text means as JSON, else the text itself."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return text


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def extra_text(value: Any) -> str:
    """Return the text that `read_extra` reads as that value."""
    if isinstance(value, str):
        return value if read_extra(value) == value else json.dumps(value, ensure_ascii=False)
    return json.dumps(_plain(value), ensure_ascii=False, default=str)


def text_of(value: Any, read: Read) -> str:
    """Return the text to show for a value that came from code or from a file.

    Parameters
    ----------
    value
        A text, number, time, list or array; None for nothing.
    read
        What will read the text; lists are written so that it finds the same entries.
    """
    value = _plain(value)
    if value is None:
        return ""
    if not isinstance(value, list):
        return value if isinstance(value, str) else repr(value)
    words = [_plain(entry) for entry in value]
    is_numeric = all(isinstance(word, (int, float)) for word in words)
    text = (", " if is_numeric else "\n").join(
        word if isinstance(word, str) else repr(word) for word in words
    )
    if words and read(text).value == words:
        return text
    return json.dumps(words, ensure_ascii=False, default=str)


def _plain(value: Any) -> Any:
    """Return Python's own kind of a number, time or list of another library."""
    if hasattr(value, "tolist"):  # numpy, pandas
        value = value.tolist()
    if hasattr(value, "isoformat"):  # times and dates
        return value.isoformat()
    if isinstance(value, tuple):
        return list(value)
    return value if isinstance(value, (str, int, float, list, dict, type(None))) else str(value)
