"""JSON in, JSON out: bounded, and never anything that is not JSON.

Readers get plain values: not-a-number and numbers beyond the range of a double become null, halves of surrogate pairs
become the replacement character. What is too large, too deep or no JSON is an UnreadableRecord with its bytes.
"""

from __future__ import annotations

import json
import math
import re
from itertools import accumulate
from typing import Any

from snews_drill.errors import UnreadableRecord

#: Larger records are not read. Kafka's own default limit for a record is 1,048,588 bytes.
MAX_BYTES = 1_048_588

#: Deeper nesting is refused; the deepest message of either dialect has three levels.
MAX_DEPTH = 32


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def _nothing(_: str) -> None:
    return None


#: A text, whether it ends or not; possessive, so that a hostile record cannot make the search slow.
_TEXTS = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_NO_BRACKETS = re.compile(r"[^\[\]{}]++")
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}

_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_nothing)


def load_json(raw: bytes) -> Any:
    """Return what a JSON text means.

    Raises
    ------
    UnreadableRecord
        If it is too large (`MAX_BYTES`), too deep (`MAX_DEPTH`), not UTF-8, or not JSON.
    """
    if len(raw) > MAX_BYTES:
        raise UnreadableRecord(f"The record has {len(raw):,} bytes, more than {MAX_BYTES:,}.", raw)
    try:
        text = raw.decode("utf-8")
        _refuse_depth(text, raw)
        value = _DECODER.decode(text)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise UnreadableRecord(f"The record is not JSON: {str(error)[:200]}.", raw) from error
    return without_surrogates(value) if "\\u" in text else value


def _refuse_depth(text: str, raw: bytes) -> None:
    # With so few openings it cannot be too deep, whatever closes them.
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    brackets = _NO_BRACKETS.sub("", _TEXTS.sub("", text))
    if max(accumulate(_STEPS[bracket] for bracket in brackets), default=0) > MAX_DEPTH:
        raise UnreadableRecord(f"The record is nested more than {MAX_DEPTH} deep.", raw)


def without_surrogates(value: Any) -> Any:
    """Return plain data in which every text can be written as UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {without_surrogates(key): without_surrogates(item) for key, item in value.items()}
    return value


def dump_json(value: Any) -> bytes:
    """Return the JSON text of plain data.

    Raises
    ------
    ValueError, TypeError
        If the data holds not-a-number, or something JSON has no word for.
    """
    return json.dumps(value, allow_nan=False).encode("utf-8", "replace")
