"""Which tiers the publisher's arguments mean.

The rule is that of the SNEWS publishing tools 1.3: a text as `neutrino_time` without a retraction makes a
CoincidenceTier; a list of `p_values` with a `t_bin_width` a SigTier; a list as `timing_series` a TimeTier; an integer as
`retract_latest` a Retraction; a text as `detector_status` a Heartbeat. Harmless variants (a tuple, an array, an integer
width) count as what they mean; what cannot be used is reported instead of dropped in silence.
"""

from __future__ import annotations

import numbers
from collections.abc import Collection, Mapping
from typing import Any

from snews_drill.errors import Problem
from snews_drill.messages.tiers import Tier

#: The publisher's arguments that belong to tiers, in the order of `message_data`.
TIER_ARGUMENTS = (
    "machine_time",
    "neutrino_time",
    "p_val",
    "p_values",
    "t_bin_width",
    "timing_series",
    "retract_latest",
    "retraction_reason",
    "detector_status",
)

#: Dialect 3's spelling -> the publisher's argument.
OTHER_SPELLINGS = {
    "machine_time_utc": "machine_time",
    "neutrino_time_utc": "neutrino_time",
    "t_bin_width_sec": "t_bin_width",
    "retract_latest_n": "retract_latest",
}


#: Types that need no thought. What numpy and pandas make is none of them, even where it derives from one.
_PLAIN = frozenset({str, int, float, bool, list, dict, type(None)})


def harmonised(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments with harmless variants made what they mean.

    Dialect 3's spellings become the publisher's names, tuples and arrays become lists, an integer bin width and other
    number types become the plain Python number, numpy's dates become ISO texts (UTC) and its time spans nanoseconds.
    """
    made = dict(arguments)
    for other, name in OTHER_SPELLINGS.items():
        if other in made and made.get(name) is None:
            made[name] = made.pop(other)
    for name, value in made.items():
        if type(value) not in _PLAIN:
            made[name] = _plain(value)
    for name in ("p_values", "timing_series"):
        value = made.get(name)
        if isinstance(value, list) and any(type(item) not in _PLAIN for item in value):
            made[name] = [_plain(item) for item in value]
    width, p_val = made.get("t_bin_width"), made.get("p_val")
    if isinstance(width, numbers.Real) and not isinstance(width, bool):
        made["t_bin_width"] = _as_float(width)
    if isinstance(p_val, numbers.Real) and not isinstance(p_val, numbers.Integral):
        made["p_val"] = _as_float(p_val)
    return made


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if kind in ("M", "m"):
        return _plain_times(value, kind)
    if hasattr(value, "tolist"):  # numpy arrays and numbers, pandas series
        return value.tolist()
    return value


def _plain_times(value: Any, kind: str) -> Any:
    """Return numpy's dates, which are UTC, as ISO texts, and its time spans as nanoseconds; pandas' ones likewise."""
    import numpy  # whoever has such a value has it

    try:
        if kind == "M":
            return numpy.datetime_as_string(numpy.asarray(value, dtype="datetime64[ns]")).tolist()
        return numpy.asarray(value, dtype="timedelta64[ns]").astype("int64").tolist()
    except (TypeError, ValueError, OverflowError):
        return value  # the checks will name it


def _as_float(value: numbers.Real) -> Any:
    try:
        return float(value)
    except OverflowError:
        return value  # the checks will name it


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def choose_tiers(arguments: Mapping[str, Any]) -> tuple[Tier, ...]:
    """Return the tiers that harmonised arguments mean, in the order in which messages are made.

    Source: tier decision of the SNEWS publishing tools 1.3.2.
    """
    is_retraction = _is_count(arguments.get("retract_latest")) or isinstance(
        arguments.get("retract_message_uuid"), str
    )
    chosen = []
    if isinstance(arguments.get("neutrino_time"), str) and not is_retraction:
        chosen.append(Tier.COINCIDENCE)
    if isinstance(arguments.get("p_values"), list) and isinstance(arguments.get("t_bin_width"), float):
        chosen.append(Tier.SIGNIFICANCE)
    if isinstance(arguments.get("timing_series"), list):
        chosen.append(Tier.TIMING)
    if is_retraction:
        chosen.append(Tier.RETRACTION)
    if isinstance(arguments.get("detector_status"), str):
        chosen.append(Tier.HEARTBEAT)
    return tuple(chosen)


_WANTED = {
    "neutrino_time": (str, "Give a text such as '2023-06-14T12:45:45.678999'."),
    "p_values": (list, "Give a list of probabilities."),
    "timing_series": (list, "Give a list of times."),
    "t_bin_width": (float, "Give the width of a bin in seconds, as a number."),
    "detector_status": (str, "Give 'ON' or 'OFF'."),
}

#: The publisher's argument -> dialect 3's spelling, where it has another.
_DIALECT_3_SPELLING = {name: other for other, name in OTHER_SPELLINGS.items()}

_UNUSED_REMEDY = {
    "neutrino_time": "A retraction has no neutrino_time; publish the observation by itself.",
    "p_val": "Add a neutrino_time.",
    "p_values": "Add t_bin_width, the width of a bin in seconds.",
    "t_bin_width": "Add p_values, a list of probabilities.",
    "retraction_reason": "Add retract_latest, the number of observations to take back.",
}


def set_aside(arguments: Mapping[str, Any], used: Collection[str]) -> list[Problem]:
    """Return a remark for each argument that no message uses.

    Parameters
    ----------
    arguments
        Harmonised arguments.
    used
        The keys of the messages that were made, in either dialect's spelling.
    """
    remarks = []
    for name in TIER_ARGUMENTS:
        value = arguments.get(name)
        if value is None or name == "machine_time":
            continue
        is_used = name in used or _DIALECT_3_SPELLING.get(name) in used
        reason, remedy = _why_unused(name, value, is_used=is_used)
        if reason:
            remarks.append(Problem("", name, reason, remedy, is_fatal=False))
    return remarks


def _why_unused(name: str, value: Any, *, is_used: bool) -> tuple[str, str]:
    if name == "retract_latest" and not _is_count(value):
        return f"{value!r:.60} is not a whole number and was set aside.", "Give an integer such as 1."
    wanted, remedy = _WANTED.get(name, (object, ""))
    if not isinstance(value, wanted):
        return f"{value!r:.60} is of type {type(value).__name__} and was set aside.", remedy
    if not is_used:
        reason = f"{value!r:.60} belongs to no message that was made and was set aside."
        return reason, _UNUSED_REMEDY.get(name, "Leave it out.")
    return "", ""
