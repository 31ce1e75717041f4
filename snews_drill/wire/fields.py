"""Reading the fields of an untrusted object, collecting what is wrong instead of stopping at the first fault."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeGuard

from snews_drill.detectors import is_registered
from snews_drill.errors import Problem
from snews_drill.messages.times import parse_utc_ns

#: Bounds for what a stranger may send; far above anything a detector needs.
MAX_TEXT = 4096
MAX_SERIES = 100_000

_TIME_REMEDY = "Give UTC in ISO format, such as '2023-06-14T12:45:45.678999'."


class FieldReader:
    """Takes typed values out of an object; whatever does not fit becomes a Problem.

    Parameters
    ----------
    content
        The object.
    tier
        The tier word that the problems will carry.
    """

    def __init__(self, content: Mapping[str, Any], tier: str) -> None:
        self._content = content
        self._tier = tier
        self.problems: list[Problem] = []

    def refuse(self, field: str, reason: str, remedy: str) -> None:
        """Note that a field is wrong."""
        self.problems.append(Problem(self._tier, field, reason, remedy))

    def text(self, field: str, *, is_required: bool = True) -> str:
        """Return a text, or "" if there is none."""
        value = self._content.get(field)
        if isinstance(value, str) and len(value) <= MAX_TEXT and (value or not is_required):
            return value
        if value is None or value == "":
            if is_required:
                self.refuse(field, "is missing." if value is None else "is empty.", "Give a text.")
        elif isinstance(value, str):
            self.refuse(field, f"has {len(value):,} characters, more than {MAX_TEXT:,}.", "Shorten it.")
        else:
            self.refuse(
                field, f"{value!r:.60} is of type {type(value).__name__}, not a text.", "Give a text."
            )
        return ""

    def detector_name(self) -> str:
        """Return the registered name in `detector_name`."""
        name = self.text("detector_name")
        if name and not is_registered(name):
            self.refuse(
                "detector_name",
                f"{name!r:.80} is not on the roster.",
                "Use a registered name, such as 'XENONnT'.",
            )
        return name

    def time_ns(self, field: str, *, is_required: bool) -> int | None:
        """Return a time in ns since 1970 (UTC)."""
        value = self._content.get(field)
        if value is None:
            if is_required:
                self.refuse(field, "is missing.", _TIME_REMEDY)
            return None
        if not isinstance(value, str):
            self.refuse(field, f"{value!r:.60} is of type {type(value).__name__}, not a text.", _TIME_REMEDY)
            return None
        try:
            return parse_utc_ns(value)
        except ValueError:
            self.refuse(field, f"{value!r:.80} is not a time in ISO format.", _TIME_REMEDY)
            return None

    def number(self, field: str, *, at_least: float | None = None, is_required: bool = False) -> float | None:
        """Return a finite number, or None if there is none."""
        value = self._content.get(field)
        if value is None and not is_required:
            return None
        if not is_number(value):
            self.refuse(field, f"{value!r:.60} is not a number.", "Give a finite number.")
            return None
        number = float(value)
        if at_least is not None and number < at_least:
            self.refuse(
                field, f"{number!r} is below {at_least:g}.", f"Give a number of at least {at_least:g}."
            )
            return None
        return number

    def open_probability(self, field: str) -> float | None:
        """Return a float strictly between 0 and 1, or None if there is none.

        Source: check of `p_val` in the publishing tools 1.3.2, which refuses integers too.
        """
        value = self._content.get(field)
        if value is None or (type(value) is float and 0.0 < value < 1.0):
            return value
        self.refuse(
            field,
            f"{value!r:.60} is not a float strictly between 0 and 1.",
            "Give a float such as 0.05, or None.",
        )
        return None

    def numbers(self, field: str) -> tuple[float, ...]:
        """Return a list of finite numbers."""
        values = self._list(field)
        if all(is_number(value) for value in values):
            return tuple(float(value) for value in values)
        wrong = next(value for value in values if not is_number(value))
        self.refuse(field, f"holds {wrong!r:.60}, which is not a finite number.", "Give finite numbers only.")
        return ()

    def series(self, field: str) -> tuple[Any, ...]:
        """Return a list of texts and finite numbers."""
        values = self._list(field)
        for value in values:
            if not (isinstance(value, str) and len(value) <= MAX_TEXT) and not is_number(value):
                self.refuse(field, f"holds {value!r:.60}, neither a text nor a number.", "Give times only.")
                return ()
        return tuple(values)

    def integer(self, field: str, *, at_least: int) -> int | None:
        """Return a whole number, or None if there is none."""
        value = self._content.get(field)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not at_least <= value < 2**63:
            self.refuse(
                field, f"{value!r:.60} is not a whole number of at least {at_least}.", "Give such a number."
            )
            return None
        return value

    def mapping(self, field: str) -> dict[str, Any]:
        """Return an object, or an empty one if there is none."""
        value = self._content.get(field)
        if value is None:
            return {}
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            self.refuse(field, f"{value!r:.60} is not an object with texts as keys.", "Give a dict.")
            return {}
        return dict(value)

    def _list(self, field: str) -> list[Any]:
        value = self._content.get(field)
        if not isinstance(value, list):
            self.refuse(
                field, f"{value!r:.60} is of type {type(value).__name__}, not a list.", "Give a list."
            )
            return []
        if len(value) > MAX_SERIES:
            self.refuse(
                field, f"has {len(value):,} entries, more than {MAX_SERIES:,}.", "Send a shorter series."
            )
            return []
        return value


def is_number(value: object) -> TypeGuard[int | float]:
    """Tell whether a value is a finite number that a double can hold; True and False are none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond the range of a double
        return False


def is_truthy(value: object) -> bool:
    """Tell whether a flag is set; files of the older tools write it as the text "True"."""
    if isinstance(value, str):
        return value.strip().lower() in ("true", "1", "yes", "on")
    return value is True or value == 1
