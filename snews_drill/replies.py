"""What a remote command returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from snews_drill.html_views import reply_html, report_html


@dataclass(frozen=True)
class ConnectionReport:
    """The outcome of a connection test; true if the drill server answered.

    Attributes
    ----------
    is_confirmed : bool
        Whether the echo came.
    detector_name, broker, sent_to, expected_from : str
        Who asked, and where.
    time : str
        When, naive UTC ISO text.
    milliseconds : float
        From sending to the echo, or how long it was waited for.
    """

    is_confirmed: bool
    detector_name: str
    broker: str
    sent_to: str
    expected_from: str
    time: str
    milliseconds: float

    def __bool__(self) -> bool:
        return self.is_confirmed

    def _repr_html_(self) -> str:
        return report_html(self)

    def __repr__(self) -> str:
        state = "confirmed" if self.is_confirmed else "not confirmed"
        return (
            f"ConnectionReport({self.detector_name} {state} by {self.broker} in {self.milliseconds:.0f} ms)"
        )


@dataclass(frozen=True)
class CommandReply:
    """What the drill server answered to a command.

    Attributes
    ----------
    command : str
        The command's word.
    is_confirmed : bool
        Whether the server said that it did it; today's live servers do not answer.
    answer : str
        Its sentence.
    milliseconds : float
        From sending to the answer.
    meta : dict
        Whatever else came with it.
    """

    command: str
    is_confirmed: bool
    answer: str
    milliseconds: float
    meta: dict[str, Any] = field(default_factory=dict, repr=False)

    def _repr_html_(self) -> str:
        return reply_html(self)

    def __bool__(self) -> bool:
        return self.is_confirmed
