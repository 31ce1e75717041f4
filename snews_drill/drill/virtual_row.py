"""What is shown of a virtual detector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: What it may be doing.
State = Literal["not started", "on", "off", "silent", "stopped", "seat taken", "failed"]


@dataclass(frozen=True, slots=True)
class VirtualDetectorRow:
    """A virtual detector at one moment.

    Attributes
    ----------
    detector : str
        Registered name.
    state : str
        "not started", "on", "off", "silent" (it broke down), "stopped", "seat taken" (a person has it) or "failed".
    is_running : bool
        Whether it may still say something.
    beats, messages : int
        Acknowledged heartbeats, and other messages.
    last_action : str
        What it did last.
    last_action_ns : int or None
        When, ns since 1970 (UTC).
    next_action : str
        What it will do next, beside heartbeats; "" if nothing.
    next_in_sec : float or None
        When, in seconds of the drill.
    reason : str
        Why it stopped, or what is in its way.
    """

    detector: str
    state: State
    is_running: bool
    beats: int
    messages: int
    last_action: str
    last_action_ns: int | None
    next_action: str
    next_in_sec: float | None
    reason: str
