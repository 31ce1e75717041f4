"""What the drill server tells everybody who takes part: announcements of the instructor, and how joining stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from snews_drill.messages.commands import Command, CommandName
from snews_drill.messages.times import parse_utc_ns

_FREEZES = (CommandName.FREEZE_JOINING, CommandName.UNFREEZE_JOINING)


@dataclass(frozen=True, slots=True)
class Announcement:
    """One sentence for everybody, or for one detector.

    Attributes
    ----------
    kind : {"announcement", "joining", "not joined"}
        The instructor's own words; that joining was frozen or opened; that a detector's messages are not taken.
    text : str
        What is said: hostile text, to be escaped where it is shown.
    time_ns : int or None
        When the request was made, ns since 1970 (UTC); None if it does not say.
    detector : str
        For "not joined": whom it concerns; else "".
    """

    kind: Literal["announcement", "joining", "not joined"]
    text: str
    time_ns: int | None
    detector: str = ""

    def concerns(self, detector: str | None) -> bool:
        """Tell whether a detector should be shown it; None for somebody who is none."""
        return not self.detector or self.detector == detector


def announcement_in(reply: Command) -> Announcement | None:
    """Return what a record of the connection topic announces; None if it is something else.

    Parameters
    ----------
    reply
        A command that came on the connection topic.
    """
    try:
        time_ns = parse_utc_ns(reply.time)
    except ValueError:
        time_ns = None
    if reply.name is CommandName.NOT_JOINED and reply.status == "refused":
        return Announcement("not joined", reply.reason, time_ns, reply.detector_name)
    if reply.status != "done":
        return None
    if reply.name is CommandName.ANNOUNCE and reply.text:
        return Announcement("announcement", reply.text, time_ns)
    return Announcement("joining", reply.reason, time_ns) if reply.name in _FREEZES else None
