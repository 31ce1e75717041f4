"""A whole fire drill in one call: connection test, heartbeats, observations, alerts, retraction."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

from snews_drill.connection import Connection, open_connection, open_profile
from snews_drill.detectors import find_detector
from snews_drill.drill.event_messages import event_content, send_content
from snews_drill.drill.expected import expected_alerts
from snews_drill.drill.marks import CONTROL_ROOM, PLAYED_BY
from snews_drill.drill.report import RehearsalReport, Step
from snews_drill.drill.scenarios import HeartbeatEvent, PlayedEvent, Scenario, load_scenario, play
from snews_drill.errors import DrillError, NameNotSet, NoAnswer, NotPermitted, ScenarioError
from snews_drill.heartbeats import send_heartbeat
from snews_drill.inbox import ReceivedAlert
from snews_drill.messages.alert import Alert, AlertType
from snews_drill.messages.tiers import Tier
from snews_drill.names import get_name, set_name
from snews_drill.remote import heartbeat_rows, reset_cache, test_connection
from snews_drill.settings import DrillSettings
from snews_drill.subscriber import Subscriber
from snews_drill.transport import raise_undelivered
from snews_drill.waiting import waiting

#: Who plays the user's part when nobody said which detector that is: the tutorial's own example.
DEFAULT_DETECTOR = "XENONnT"

#: Seconds that a step waits for those who are told of its alerts.
_TELLING_LIMIT_SEC = 1.0

__all__ = ["RehearsalReport", "Step", "rehearse"]


def rehearse(
    scenario: str | Scenario = "betelgeuse",
    detector: str | None = None,
    *,
    connection: Connection | None = None,
    on_step: Callable[[Step], None] | None = None,
    on_alert: Callable[[Alert], None] | None = None,
    patience: float = 15.0,
) -> RehearsalReport:
    """Play a whole drill on this machine and report how it went.

    Parameters
    ----------
    scenario
        Name, file, or value; the tutorial's drill with 19 detectors by default.
    detector
        Which part is yours, and remembered. By default the remembered one's; who has no part in the scenario plays its first
        detector, and stays who he is. Who never said plays XENONnT, or that first one, and is remembered as it.
    connection
        Where to play; the current connection by default, else a rehearsal, shared with your other notebooks and terminals.
    on_step, on_alert
        Called after each step, and with each alert as it comes (in the subscriber's thread).
    patience
        Seconds to wait for each thing that should happen.

    Returns
    -------
    RehearsalReport
        True if every step succeeded. A step that fails ends the rehearsal and says why.

    Raises
    ------
    ScenarioError
        If there is no such scenario, or the detector that was named has no part in it.
    UnknownDetector
        If the detector is not on the roster.
    NotPermitted
        If the connection is a live one: a rehearsal speaks for other detectors.
    """
    played = scenario if isinstance(scenario, Scenario) else load_scenario(scenario)
    if connection is not None and connection.profile.is_live:
        raise NotPermitted(
            f"A rehearsal speaks for {len(played.detectors)} detectors; {connection.broker} is a live broker.",
            next_step='Rehearse on this machine: connect("rehearsal").',
        )
    current = connection or open_connection()
    name, stays = _part(played, detector, current.settings if current is not None else None)
    with ExitStack() as stack:
        run = _Rehearsal(played, name, stays, connection, stack, on_step, on_alert, patience)
        try:
            with waiting(f"the rehearsal of {played.name}"):
                run.play()
        except DrillError as error:
            run.fail(error)
        return run.report()


def _part(scenario: Scenario, detector: str | None, settings: DrillSettings | None) -> tuple[str, str]:
    """Return whose part is played, and who the user is if that one has none in the scenario; "" if it has."""
    if detector is not None:
        name = find_detector(detector).name
    else:
        try:
            name = get_name(settings)
        except NameNotSet:
            return DEFAULT_DETECTOR if DEFAULT_DETECTOR in scenario.detectors else scenario.detectors[0], ""
        if name not in scenario.detectors:
            return scenario.detectors[0], name
    if name not in scenario.detectors:
        raise ScenarioError(
            f"{name} has no part in the scenario {scenario.name}.",
            next_step=f"Choose one of {', '.join(scenario.detectors)}.",
        )
    return name, ""


class _Rehearsal:
    """One run, step by step."""

    def __init__(
        self,
        scenario: Scenario,
        name: str,
        stays: str,
        connection: Connection | None,
        stack: ExitStack,
        on_step: Callable[[Step], None] | None,
        on_alert: Callable[[Alert], None] | None,
        patience: float,
    ) -> None:
        self._scenario = scenario
        self._name = name
        self._stays = stays
        self._given = connection
        self._stack = stack
        self._on_step = on_step
        self._on_alert = on_alert
        self._patience = patience
        self._steps: list[Step] = []
        self._current = "connect"
        self._started = time.perf_counter()
        self._sent: list[PlayedEvent] = []
        self._expected = expected_alerts(scenario, name)
        self._began_ns = 0
        self._subscriber: Subscriber | None = None
        self._told = 0
        self._connection: Connection

    def play(self) -> None:
        """Take every step; raises DrillError at the first that fails."""
        self._step("connect", self._connect)
        self._step("set name", self._set_name)
        self._step("test connection", self._test_connection)
        if self._connection.admin_token:
            self._step("clear the cache", self._clear)
        self._step("heartbeats", self._send_heartbeats)
        self._step("subscribe", self._subscribe)
        self._step("observations", self._observe)
        self._step("alerts", self._await_alerts)
        if self._expected.after_retraction:
            self._step("retraction", self._retract)
            self._step("retraction alert", self._await_retraction)

    def _step(self, name: str, act: Callable[[], str]) -> None:
        self._current, self._started = name, time.perf_counter()
        self._note(True, act())

    def _note(self, ok: bool, detail: str) -> None:  # noqa: FBT001
        step = Step(self._current, ok, (time.perf_counter() - self._started) * 1e3, detail)
        self._steps.append(step)
        if self._on_step is not None:
            self._on_step(step)

    def fail(self, error: DrillError) -> None:
        """Note that the current step failed."""
        self._note(False, str(error))

    def _connect(self) -> str:
        current = self._given or open_connection()
        if current is not None and not current.profile.is_live:
            self._connection = current
        else:
            self._connection = self._stack.enter_context(open_profile("rehearsal"))
        return f"{self._connection.profile.name} on {self._connection.broker}, dialect {self._connection.dialect.NAME}"

    def _set_name(self) -> str:
        if self._stays:
            return f"{self._stays} has no part in {self._scenario.name}: you play {self._name}, and stay {self._stays}"
        if self._connection.detector_name != self._name:
            set_name(self._name, settings=self._connection.settings, verbose=False)
        return f"You are {self._name}"

    def _test_connection(self) -> str:
        report = test_connection(
            self._name, patience=self._patience, connection=self._connection, verbose=False
        )
        return f"the echo came after {report.milliseconds:.0f} ms"

    def _clear(self) -> str:
        return reset_cache(
            self._name, patience=self._patience, connection=self._connection, verbose=False
        ).answer

    def _send_heartbeats(self) -> str:
        send_heartbeat("ON", detector_name=self._name, connection=self._connection, timeout=self._patience)
        for name in self._scenario.detectors:
            if name != self._name:
                self._send_heartbeat_for(name)
        if not self._connection.admin_token:
            return f"{len(self._scenario.detectors)} sent"
        rows = heartbeat_rows(self._name, patience=self._patience, connection=self._connection, verbose=False)
        on = {row.get("detector_name") for row in rows if row.get("status") == "ON"}
        missing = sorted(set(self._scenario.detectors) - on)
        if missing and self._connection.rehearsal is not None:
            raise NoAnswer(
                f"The drill server has no heartbeat of {', '.join(missing)}.", next_step="Rehearse once more."
            )
        return f"{len(self._scenario.detectors)} sent, the server counts {len(on)} detectors that are ON"

    def _send_heartbeat_for(self, name: str) -> None:
        """Speak for a detector, and say so: no person has taken its seat."""
        event, dialect = HeartbeatEvent(detector=name), self._connection.dialect
        content = event_content(event, dialect, made_ns=time.time_ns(), meta={PLAYED_BY: CONTROL_ROOM})
        send_content(self._connection, content, timeout=self._patience)

    def _subscribe(self) -> str:
        self._subscriber = Subscriber(connection=self._connection)
        if self._on_alert is not None:
            self._subscriber.on_alert(self._tell)
        self._stack.enter_context(self._subscriber)
        return f"listening to {self._connection.topics().alerts}"

    def _tell(self, alert: Alert) -> None:
        try:
            if self._on_alert is not None:
                self._on_alert(alert)
        finally:
            self._told += 1

    def _observe(self) -> str:
        # An alert's time is that of its cause in whole milliseconds, and some microseconds.
        self._began_ns = time.time_ns() // 1_000_000 * 1_000_000
        played = play(
            self._scenario,
            self._connection,
            played_by_people=[self._name],
            speed=math.inf,  # the order teaches; a drill with people has the time
            timeout=self._patience,
        )
        self._sent = [event for event in played if event.neutrino_time_ns is not None]
        return f"{len(self._sent)} sent, one of them yours"

    def _received(self) -> list[ReceivedAlert]:
        """Return the alerts of this run; what an earlier one left on the topic is none of it."""
        if self._subscriber is None:
            return []
        return [
            entry
            for entry in self._subscriber.snapshot()
            if entry.alert.sent_time_ns is None or entry.alert.sent_time_ns >= self._began_ns
        ]

    def _await(self, what: str, found: Callable[[list[Alert]], bool]) -> list[Alert]:
        deadline = time.monotonic() + self._patience
        while not found(alerts := [entry.alert for entry in self._received()]):
            left = deadline - time.monotonic()
            if left <= 0 or self._subscriber is None:
                raise NoAnswer(
                    f"Waited {self._patience:g} s for {what}; {len(alerts)} alerts came. "
                    f"{self._connection.server_problem}".strip(),
                    next_step=self._what_next(),
                )
            with suppress(NoAnswer):
                self._subscriber.wait_for(len(self._subscriber.alerts) + 1, timeout=min(left, 0.5))
        # What is told of a step comes after what is told of its alerts.
        told_by = time.monotonic() + _TELLING_LIMIT_SEC
        while self._on_alert is not None and self._told < len(alerts) and time.monotonic() < told_by:
            time.sleep(0.001)
        return alerts

    def _what_next(self) -> str:
        if not self._connection.admin_token:
            # What said the same an hour ago still stands, and no alert says it twice.
            return "Without rights an earlier rehearsal still stands: have the instructor reset the cache, then again."
        return "Rehearse once more; `snews-drill serve` shows what the server refused."

    def _await_alerts(self) -> str:
        expected = self._expected
        if not expected.alerts:
            # The server answers in order: after this echo nothing about the observations is to come.
            test_connection(self._name, patience=self._patience, connection=self._connection, verbose=False)
            return "no alert, as the rule says"
        alerts = self._await(
            f"{len(expected.alerts)} alerts, one of them of {len(expected.largest)} detectors",
            lambda alerts: (
                len(alerts) >= len(expected.alerts)
                and any(expected.largest <= set(alert.detector_names) for alert in alerts)
            ),
        )
        return f"{len(alerts)} alerts, the largest lists {len(expected.largest)} detectors"

    def _retract(self) -> str:
        arguments: dict[str, Any] = {
            "retract_latest": 1,
            "retraction_reason": "this was a rehearsal",
            "is_test": self._scenario.is_test,
            "is_firedrill": True,
        }
        dialect, topic = self._connection.dialect, self._connection.topics().observations
        content = dialect.build(
            Tier.RETRACTION,
            arguments,
            {"is_test": self._scenario.is_test},
            detector=find_detector(self._name),
            now_ns=time.time_ns(),
        )
        payload = dialect.encode_message(content)
        raise_undelivered(self._connection.send(topic, [payload], timeout=self._patience), [content])
        return f"{self._name} takes its observation back"

    def _await_retraction(self) -> str:
        def is_there(alerts: list[Alert]) -> bool:
            return any(a.kind is AlertType.RETRACTION and self._name not in a.detector_names for a in alerts)

        alerts = self._await("the retraction alert", is_there)
        return f"{len(alerts[-1].detector_names)} detectors remain"

    def report(self) -> RehearsalReport:
        """Return what was seen so far."""
        entries = self._received()
        largest = max((entry.alert for entry in entries), key=lambda a: len(a.detector_names), default=None)
        return RehearsalReport(
            scenario=self._scenario.name,
            detector=self._name,
            broker=self._connection.broker if hasattr(self, "_connection") else "",
            steps=tuple(self._steps),
            alerts=tuple(entry.alert.to_dict() for entry in entries),
            detectors=largest.detector_names if largest is not None else (),
            latencies_ms=tuple(self._latencies([(entry.alert, entry.received_time_ns) for entry in entries])),
        )

    def _latencies(self, received: list[tuple[Alert, int]]) -> list[float]:
        """Milliseconds from sending each observation to the first alert that lists its detector.

        The first observation causes no alert; it appears in the one that the second causes and is left out.
        """
        sent_ns = {event.detector: event.sent_ns for event in self._sent}
        known: set[str] = set()
        found = []
        for alert, received_ns in received:
            if alert.kind is AlertType.RETRACTION:
                continue
            new = [name for name in alert.detector_names if name not in known and name in sent_ns]
            known.update(new)
            if new:
                found.append((received_ns - max(sent_ns[name] for name in new)) / 1e6)
        return found
