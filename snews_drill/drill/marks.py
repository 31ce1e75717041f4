"""Marks in a message's `meta`: that the exercise speaks for a detector, and which scenario asked for it.

Virtual detectors, the scenario player and the control room mark what they send. A message without such a mark is a
person's, or that of a person's program: the detector's seat is then taken. A mark is a courtesy among those who share a
drill, not a proof: anybody may write one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from snews_drill.messages.tiers import DetectorMessage
from snews_drill.messages.times import iso_micro

#: The key that says who spoke for the detector.
PLAYED_BY = "played_by"

#: Its values.
VIRTUAL_DETECTOR = "virtual detector"
CONTROL_ROOM = "control room"
SPEAKERS = (VIRTUAL_DETECTOR, CONTROL_ROOM)

#: The name of the scenario that is played, the offset that it asks for (ms), and where its start lies (ISO text, UTC).
SCENARIO = "scenario"
SCENARIO_OFFSET_MS = "scenario_offset_ms"
SCENARIO_ZERO = "scenario_zero"


def speaker(message: DetectorMessage | Mapping[str, Any]) -> str | None:
    """Return who spoke for the detector, or None if it spoke for itself.

    Parameters
    ----------
    message
        A message, or its `meta`.

    Examples
    --------
    >>> speaker({"played_by": "control room"})
    'control room'
    >>> speaker({"played_by": "somebody else"}) is None
    True
    """
    meta = message.meta if isinstance(message, DetectorMessage) else message
    said = meta.get(PLAYED_BY)
    return said if isinstance(said, str) and said in SPEAKERS else None


def scenario_marks(name: str, zero_ns: int, offset_ms: float | None = None) -> dict[str, Any]:
    """Return what a message's meta says about the scenario it belongs to.

    Parameters
    ----------
    name
        The scenario's.
    zero_ns
        Where its start lies in this drill, ns since 1970 (UTC).
    offset_ms
        The neutrino time that the scenario asks for, ms after the start; None for messages without one.
    """
    marks: dict[str, Any] = {SCENARIO: name, SCENARIO_ZERO: iso_micro(zero_ns)}
    if offset_ms is not None:
        marks[SCENARIO_OFFSET_MS] = offset_ms
    return marks
