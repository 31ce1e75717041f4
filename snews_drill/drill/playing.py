"""A scenario made ready for a connection, and `play`: sent from this thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from snews_drill.connection import Connection
from snews_drill.detectors import find_detector
from snews_drill.drill.drill_clock import DrillClock
from snews_drill.drill.event_messages import MessageTimes, event_content, send_content
from snews_drill.drill.marks import CONTROL_ROOM, PLAYED_BY, scenario_marks
from snews_drill.drill.scenario import ObservationEvent, Scenario, ScenarioEvent, ScheduledEvent
from snews_drill.errors import ScenarioError
from snews_drill.transport import Receipt


@dataclass(frozen=True, slots=True)
class PlayedEvent:
    """One message that was sent.

    Attributes
    ----------
    detector : str
        Who.
    neutrino_time_ns : int or None
        ns since 1970 (UTC); None for what is no observation.
    sent_ns : int
        ns since 1970 (UTC).
    receipt : Receipt
        The broker's acknowledgement.
    event : ScenarioEvent
        What was said.
    """

    detector: str
    neutrino_time_ns: int | None
    sent_ns: int
    receipt: Receipt
    event: ScenarioEvent


class Script:
    """What a scenario has to send, tried before anything is sent.

    Parameters
    ----------
    scenario
        What is played.
    connection
        Where.
    detectors
        Those that are played; None for all.
    people
        Detectors that speak for themselves: their messages are not marked.
    zero_ns
        Where the scenario's start lies, ns since 1970 (UTC); None as `Scenario.zero_ns` says.

    Attributes
    ----------
    events : tuple of ScheduledEvent
        In order of sending.
    zero_ns : int
        Where the start lies, ns since 1970 (UTC).

    Raises
    ------
    ScenarioError
        If a detector has no part, or a message would fail its checks.
    """

    def __init__(
        self,
        scenario: Scenario,
        connection: Connection,
        detectors: Iterable[str] | None,
        people: Iterable[str],
        zero_ns: int | None,
    ) -> None:
        self.scenario = scenario
        self._connection = connection
        self._people = {find_detector(name).name for name in people}
        self._times = MessageTimes()
        self.events = chosen_events(scenario, detectors)
        self.zero_ns = scenario.zero_ns(time.time_ns()) if zero_ns is None else zero_ns
        for entry in self.events:
            self.content(entry.event)

    def neutrino_time_ns(self, event: ScenarioEvent) -> int | None:
        """Return an observation's neutrino time, ns since 1970 (UTC)."""
        if not isinstance(event, ObservationEvent):
            return None
        return self.zero_ns + round(event.offset_ms * 1e6)

    def content(self, event: ScenarioEvent) -> dict[str, Any]:
        """Return the message of an event, made now."""
        offset_ms = event.offset_ms if isinstance(event, ObservationEvent) else None
        meta = scenario_marks(self.scenario.name, self.zero_ns, offset_ms)
        if event.detector not in self._people:
            meta[PLAYED_BY] = CONTROL_ROOM
        return event_content(
            event,
            self._connection.dialect,
            made_ns=self._times.next_ns(),
            neutrino_time_ns=self.neutrino_time_ns(event),
            is_test=self.scenario.is_test,
            meta=meta,
        )

    def send(
        self,
        event: ScenarioEvent,
        content: dict[str, Any],
        timeout: float,
        is_cancelled: Callable[[], bool] | None = None,
    ) -> PlayedEvent:
        """Send one message and wait for its acknowledgement."""
        sent_ns, receipt = send_content(self._connection, content, timeout=timeout, is_cancelled=is_cancelled)
        return PlayedEvent(event.detector, self.neutrino_time_ns(event), sent_ns, receipt, event)


def chosen_events(scenario: Scenario, detectors: Iterable[str] | None) -> tuple[ScheduledEvent, ...]:
    """Return what of a scenario these detectors say, in order; everything if None is given.

    Raises
    ------
    ScenarioError
        If one has no part in it.
    UnknownDetector
        If one is not on the roster.
    """
    if detectors is None:
        return scenario.schedule
    chosen = {find_detector(name).name for name in detectors}
    strangers = sorted(chosen - set(scenario.detectors))
    if strangers:
        raise ScenarioError(
            f"{strangers[0]} has no part in the scenario {scenario.name}.",
            next_step=f"Choose among {', '.join(scenario.detectors)}.",
        )
    return tuple(entry for entry in scenario.schedule if entry.event.detector in chosen)


def play(
    scenario: Scenario,
    connection: Connection,
    *,
    detectors: Iterable[str] | None = None,
    played_by_people: Iterable[str] = (),
    when: int | Literal["now"] = "now",
    speed: float = 1.0,
    on_sent: Callable[[PlayedEvent], None] | None = None,
    timeout: float = 10.0,
) -> list[PlayedEvent]:
    """Send a scenario's messages, each at its time and acknowledged, and return when the last one is.

    Parameters
    ----------
    scenario
        What to play.
    connection
        Where.
    detectors
        Play these only; all by default.
    played_by_people
        Detectors that speak for themselves here: their messages are not marked as the exercise's.
    when
        Where the start lies, ns since 1970 (UTC); "now" moves it as `Scenario.zero_ns` says.
    speed
        How many seconds of the scenario pass in one; infinity sends one message right after the other.
    on_sent
        Called after each acknowledgement.
    timeout
        Seconds to wait for each acknowledgement.

    Raises
    ------
    ScenarioError
        If a message would fail its checks or a detector has no part, before anything is sent.
    SettingsError
        If the speed is none.
    DeliveryFailed
        If the broker does not acknowledge; what was sent before stays sent.
    """
    clock = DrillClock(speed)
    script = Script(scenario, connection, detectors, played_by_people, None if when == "now" else when)
    clock.resume()
    played = []
    for entry in script.events:
        clock.wait_until(entry.due_sec)
        played.append(script.send(entry.event, script.content(entry.event), timeout))
        if on_sent is not None:
            on_sent(played[-1])
    return played
