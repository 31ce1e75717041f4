"""The messages that the exercise sends for detectors: made, checked, and acknowledged one by one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from snews_drill.connection import Connection
from snews_drill.detectors import find_detector
from snews_drill.drill.scenario import HeartbeatEvent, ObservationEvent, RetractionEvent, ScenarioEvent
from snews_drill.errors import ScenarioError
from snews_drill.messages.checks import check_times
from snews_drill.messages.tiers import Tier
from snews_drill.messages.times import iso_micro
from snews_drill.transport import Receipt, raise_undelivered
from snews_drill.wire.dialects import Dialect


class MessageTimes:
    """Times at which messages are made, ns since 1970 (UTC): now, but never the same microsecond twice.

    A message's identifier holds this time in microseconds, and two with the same one would be versions of each other.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_us = 0

    def next_ns(self) -> int:
        """Return the next one."""
        with self._lock:
            self._last_us = max(time.time_ns() // 1000, self._last_us + 1)
            return self._last_us * 1000


def event_content(
    event: ScenarioEvent,
    dialect: Dialect,
    *,
    made_ns: int,
    neutrino_time_ns: int | None = None,
    is_test: bool = False,
    meta: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the object that says what an event says, checked.

    Parameters
    ----------
    event
        What is said.
    dialect
        The form in which it is written.
    made_ns
        When it is made, ns since 1970 (UTC); the checks judge by this time.
    neutrino_time_ns
        Of an observation, ns since 1970 (UTC).
    is_test
        Whether it is marked as a test.
    meta
        What else it says, `drill.marks` among it.

    Raises
    ------
    ScenarioError
        If a drill server would refuse it.
    """
    tier, arguments = _arguments(event, neutrino_time_ns)
    arguments |= {"is_test": is_test, "is_firedrill": True}
    said = {**({} if tier is Tier.HEARTBEAT else {"is_test": is_test}), **(meta or {})}
    content = dialect.build(tier, arguments, said, detector=find_detector(event.detector), now_ns=made_ns)
    if (
        tier is Tier.HEARTBEAT
    ):  # the publisher's own heartbeats say nothing else; dialect 1.3 leaves meta empty
        content["meta"] = said
    message, problems = dialect.parse(content)
    if message is not None:
        problems = check_times(message, now_ns=made_ns)
    if problems:
        raise ScenarioError(
            f"The {event.kind} of {event.detector} fails its checks: {problems[0]}",
            next_step="Choose a time within the last 48 hours, or set is_test = true in the scenario.",
        )
    return content


def _arguments(event: ScenarioEvent, neutrino_time_ns: int | None) -> tuple[Tier, dict[str, Any]]:
    match event:
        case ObservationEvent() if neutrino_time_ns is not None:
            return Tier.COINCIDENCE, {"neutrino_time": iso_micro(neutrino_time_ns), "p_val": event.p_val}
        case RetractionEvent():
            return Tier.RETRACTION, {
                "retract_latest": event.retract_latest,
                "retraction_reason": event.reason,
            }
        case HeartbeatEvent():
            return Tier.HEARTBEAT, {"detector_status": event.status}
        case _:
            raise ScenarioError(
                f"The {event.kind} of {event.detector} has no neutrino time.", next_step="Give it one."
            )


def send_content(
    connection: Connection,
    content: dict[str, Any],
    *,
    timeout: float = 10.0,
    is_cancelled: Callable[[], bool] | None = None,
) -> tuple[int, Receipt]:
    """Stamp a message, send it, and return when it was sent (ns since 1970, UTC) and the acknowledgement.

    Parameters
    ----------
    connection
        Where.
    content
        From `event_content`; its time of sending is set.
    timeout
        Seconds to wait for the acknowledgement.
    is_cancelled
        Asked ten times a second; True ends the wait.

    Raises
    ------
    DeliveryFailed
        If the broker does not acknowledge it. Sending the same object again is harmless.
    """
    sent_ns = time.time_ns()
    connection.dialect.restamp(content, sent_ns)
    payload = connection.dialect.encode_message(content)
    outcomes = connection.send(
        connection.topics().observations, [payload], timeout=timeout, is_cancelled=is_cancelled
    )
    return sent_ns, raise_undelivered(outcomes, [content])[0]
