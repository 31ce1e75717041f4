"""Which tiers the publisher's arguments mean.

The rule is that of the SNEWS publishing tools 1.3: a text as `neutrino_time` without a retraction makes a
CoincidenceTier; a list of `p_values` with a `t_bin_width` a SigTier; a list as `timing_series` a TimeTier; an integer as
`retract_latest` a Retraction; a text as `detector_status` a Heartbeat. Harmless variants (a tuple, an array, an integer
width) count as what they mean; what cannot be used is reported instead of dropped in silence.
"""

from __future__ import annotations

import numbers
from collections.abc import Mapping
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


def harmonised(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments with harmless variants made what they mean.

    Tuples and arrays become lists, an integer bin width and other number types become the plain Python number.
    """
    made = dict(arguments)
    for name in ("p_values", "timing_series"):
        value = made.get(name)
        if value is not None and not isinstance(value, list):
            made[name] = _as_list(value)
    width = made.get("t_bin_width")
    if isinstance(width, numbers.Real) and not isinstance(width, bool):
        made["t_bin_width"] = float(width)
    count = made.get("retract_latest")
    if isinstance(count, numbers.Integral) and not isinstance(count, bool):
        made["retract_latest"] = int(count)
    p_val = made.get("p_val")
    if isinstance(p_val, float) or (isinstance(p_val, numbers.Real) and not isinstance(p_val, numbers.Integral)):
        made["p_val"] = float(p_val)
    return made


def _as_list(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    if hasattr(value, "tolist"):  # numpy arrays, pandas series
        return value.tolist()
    return value


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

#: Which tiers use an argument that is of the right type.
_USED_BY = {
    "neutrino_time": {Tier.COINCIDENCE, Tier.SIGNIFICANCE, Tier.TIMING},
    "p_val": {Tier.COINCIDENCE},
    "p_values": {Tier.SIGNIFICANCE},
    "t_bin_width": {Tier.SIGNIFICANCE},
    "timing_series": {Tier.TIMING},
    "retract_latest": {Tier.RETRACTION},
    "retraction_reason": {Tier.RETRACTION},
    "detector_status": {Tier.HEARTBEAT},
}

_UNUSED_REMEDY = {
    "neutrino_time": "A retraction has no neutrino_time; publish the observation by itself.",
    "p_val": "Add a neutrino_time.",
    "p_values": "Add t_bin_width, the width of a bin in seconds.",
    "t_bin_width": "Add p_values, a list of probabilities.",
    "retraction_reason": "Add retract_latest, the number of observations to take back.",
}


def set_aside(arguments: Mapping[str, Any], tiers: tuple[Tier, ...]) -> list[Problem]:
    """Return a remark for each argument that no chosen tier uses.

    Parameters
    ----------
    arguments
        Harmonised arguments.
    tiers
        What `choose_tiers` made of them.
    """
    remarks = []
    for name, users in _USED_BY.items():
        value = arguments.get(name)
        if value is None:
            continue
        reason, remedy = _why_unused(name, value, users & set(tiers))
        if reason:
            remarks.append(Problem("", name, reason, remedy, is_fatal=False))
    return remarks


def _why_unused(name: str, value: Any, users: set[Tier]) -> tuple[str, str]:
    if name == "retract_latest" and not _is_count(value):
        return f"{value!r:.60} is not a whole number and was set aside.", "Give an integer such as 1."
    wanted, remedy = _WANTED.get(name, (object, ""))
    if not isinstance(value, wanted):
        return f"{value!r:.60} is of type {type(value).__name__} and was set aside.", remedy
    if not users:
        return f"{value!r:.60} belongs to no message that was made and was set aside.", _UNUSED_REMEDY.get(
            name, "Leave it out."
        )
    return "", ""
