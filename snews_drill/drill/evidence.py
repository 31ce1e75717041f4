"""Watching a drill: own messages as they arrive at the broker, echoes, alerts, and the server's count of heartbeats.

Whichever tool sent a message (form, Python, terminal), it is seen where it counts: on the topic.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections import deque

from snews_drill.background import Background
from snews_drill.connection import Connection, current_connection
from snews_drill.detectors import find_detector
from snews_drill.drill.guide import (
    STEP_NAMES,
    AlertSeen,
    EchoSeen,
    Event,
    Guide,
    GuideStep,
    HeartbeatsCounted,
    HeartbeatSeen,
    NameKnown,
    ObservationSeen,
    RetractionSeen,
)
from snews_drill.drill.scenarios import PlayedEvent, Scenario, load_scenario, play
from snews_drill.errors import DrillError, NoAnswer, NotPermitted, ScenarioError, SettingsError
from snews_drill.messages.alert import Alert
from snews_drill.messages.announcement import Announcement, announcement_in
from snews_drill.messages.checks import MAX_AGE_NS
from snews_drill.messages.commands import Command, CommandName
from snews_drill.messages.tiers import CoincidenceTier, Heartbeat, Retraction
from snews_drill.messages.times import NS_PER_SECOND, iso_micro
from snews_drill.remote import display_heartbeats
from snews_drill.subscriber import Subscriber
from snews_drill.transport import Reader, Record
from snews_drill.waiting import waiting
from snews_drill.wire.dialects import decode_record

#: Seconds that a read waits for the first record.
_SLICE_SEC = 0.2

#: Seconds between two questions to the server, and to wait for an answer.
_ASK_EVERY_SEC = 1.0
_ASK_PATIENCE_SEC = 1.0

#: A guide whose neutrino times are older than this is begun anew: an hour less than what a server takes, ns.
_OLDEST_NS = MAX_AGE_NS - 3600 * NS_PER_SECOND

#: The newest that are kept.
_ANNOUNCEMENTS_KEPT = 50


class DrillWatch(Background):
    """Watches a drill for one detector and ticks its steps.

    Parameters
    ----------
    scenario
        Name, file or value of the scenario.
    detector
        Whose drill it is; by default whoever is remembered, also when that changes.
    connection
        Where; by default the current one when it is started.
    subscriber
        Takes alerts from this one; by default from one of its own.

    Raises
    ------
    ScenarioError
        If there is no such scenario.
    UnknownDetector
        If the detector is not on the roster.
    """

    def __init__(
        self,
        scenario: str | Scenario = "betelgeuse",
        *,
        detector: str | None = None,
        connection: Connection | None = None,
        subscriber: Subscriber | None = None,
    ) -> None:
        super().__init__()
        self.scenario = scenario if isinstance(scenario, Scenario) else load_scenario(scenario)
        self._given_detector = None if detector is None else find_detector(detector).name
        self._given_connection = connection
        self._given_subscriber = subscriber
        self._zero_ns = self.scenario.zero_ns(time.time_ns())
        self._changed = threading.Condition()
        self._connection: Connection | None = None
        self._problem = ""
        self._guide = self._make_guide(connection)
        self._heartbeat_ns: int | None = None
        self._asked = 0.0
        self._told: deque[Announcement] = deque(maxlen=_ANNOUNCEMENTS_KEPT)

    def _make_guide(self, connection: Connection | None) -> Guide:
        guide = Guide(
            self.scenario,
            zero_ns=self._zero_ns,
            server_counts=connection is None or connection.rehearsal is not None,
            is_live=connection is not None and connection.profile.is_live,
            names_detector=self._given_detector is not None
            and self._given_detector != _remembered(connection),
        )
        name = self._given_detector or _remembered(connection)
        if name is not None:
            guide.observe(NameKnown(name), time.time_ns())
        return guide

    def _is_stale(self) -> bool:
        """Tell whether its neutrino times have become too old to be sent, or soon will."""
        now_ns = time.time_ns()
        is_old = now_ns - self._guide.neutrino_time_ns > _OLDEST_NS
        return is_old and self.scenario.zero_ns(now_ns) != self._zero_ns  # tests keep their times

    @property
    def steps(self) -> tuple[GuideStep, ...]:
        """The steps as they are now."""
        with self._changed:
            return self._guide.steps

    @property
    def announcements(self) -> tuple[Announcement, ...]:
        """The newest that were made since it watches and concern this detector, oldest first."""
        return tuple(self._told)

    @property
    def detector(self) -> str | None:
        """Whose drill it is; None while nobody said."""
        with self._changed:
            return self._guide.detector

    @property
    def connection(self) -> Connection | None:
        """Where it watches; None before it was started, unless one was given."""
        return self._connection or self._given_connection

    @property
    def neutrino_time(self) -> str:
        """When the scenario has your detector see its first neutrino, ISO text, UTC."""
        with self._changed:
            return iso_micro(self._guide.neutrino_time_ns)

    @property
    def problem(self) -> str:
        """Why nothing can be seen at the moment; "" if all is well."""
        return self._problem

    def start(self, timeout: float = 10.0) -> None:
        """Start watching; harmless when it does already. What is sent from then on is seen.

        Parameters
        ----------
        timeout
            Seconds to wait for the broker.

        Raises
        ------
        DrillError
            If there is no connection, or the broker refuses.
        """
        with self._lifecycle:
            if self._is_at_work:
                return
            connection = self._given_connection or current_connection()
            with self._changed:
                if connection is not self._connection or self._is_stale():
                    self._zero_ns = self.scenario.zero_ns(time.time_ns())
                    self._connection, self._guide = connection, self._make_guide(connection)
            self._stop = threading.Event()
            reader = connection.open_reader(_topics(connection), timeout=timeout)
            try:
                own = None if self._given_subscriber else Subscriber(connection=connection)
                if own is not None:
                    own.start()
            except BaseException:
                reader.close()
                raise
            self._launch(self._run, connection, reader, own, self._stop, name="guide")

    def __repr__(self) -> str:
        steps = self.steps
        return f"DrillWatch({sum(step.is_done for step in steps)} of {len(steps)} steps done)"

    def wait_for(self, name: str, timeout: float = 10.0) -> GuideStep:
        """Return a step once it is done.

        Parameters
        ----------
        name
            Which one: one of `STEP_NAMES`.
        timeout
            Seconds to wait at most.

        Raises
        ------
        SettingsError
            If there is no such step.
        NoAnswer
            If its evidence does not come; the error says what to look at.
        """
        if name not in STEP_NAMES:
            raise SettingsError(
                f"There is no step {name!r:.60}.", next_step=f"Use one of {', '.join(STEP_NAMES)}."
            )
        with waiting(f"the step {name}", timeout), self._changed:
            self._changed.wait_for(lambda: self._step(name).is_done, timeout)
            step = self._step(name)
        if not step.is_done:
            doing = self._problem or ("" if self.is_running else "The guide is not running: call start().")
            raise NoAnswer(
                f"Waited {timeout:g} s for: {step.title}. {doing}".strip(),
                next_step=f"{step.if_open} Call: {step.hint}",
            )
        return step

    def play_others(self) -> list[PlayedEvent]:
        """Send the observations of the scenario's other detectors; yours is left to you.

        Raises
        ------
        NotPermitted
            If the connection is a live one: nobody speaks for other detectors there.
        ScenarioError
            If there are no others.
        DeliveryFailed
            If the broker does not acknowledge.
        """
        connection = self.connection or current_connection()
        if connection.profile.is_live:
            raise NotPermitted(
                f"{connection.broker} is a live broker: nobody speaks for other detectors there.",
                next_step='Wait for the others, or rehearse on this machine: connect("rehearsal").',
            )
        with self._changed:
            others = self._guide.others
        if not others:
            raise ScenarioError(
                f"There is no other detector in the scenario {self.scenario.name}.",
                next_step="Choose another scenario, such as betelgeuse.",
            )
        return play(self.scenario, connection, detectors=others, when=self._zero_ns, speed=math.inf)

    def _step(self, name: str) -> GuideStep:
        return next(step for step in self._guide.steps if step.name == name)

    def _observe(self, event: Event) -> None:
        with self._changed:
            if self._guide.observe(event, time.time_ns()):
                self._changed.notify_all()

    def _take_alert(self, alert: Alert) -> None:
        self._observe(AlertSeen(alert))

    def _run(
        self, connection: Connection, reader: Reader, own: Subscriber | None, stop: threading.Event
    ) -> None:
        subscriber = self._given_subscriber or own
        with contextlib.ExitStack() as stack:
            if own is not None:
                stack.callback(_end, own)
            if subscriber is not None:
                stack.callback(subscriber.on_alert(self._take_alert))
                for alert in subscriber.alerts:
                    self._take_alert(alert)
            while not stop.is_set() and connection.is_open:
                try:
                    self._watch(connection, reader, stop)
                except DrillError as error:
                    self._problem = error.reason
                except Exception as error:  # noqa: BLE001 - the thread's boundary; it must go on
                    self._problem = f"Watching failed: {type(error).__name__}: {error}"[:300]
                stop.wait(0.5)
                if not stop.is_set() and connection.is_open:
                    reader = self._reopened(connection, reader, stop)
            reader.close()
            if not connection.is_open:
                self._problem = "The connection was closed."

    def _reopened(self, connection: Connection, reader: Reader, stop: threading.Event) -> Reader:
        with contextlib.suppress(DrillError):
            new = connection.open_reader(
                _topics(connection), start=reader.positions, is_cancelled=stop.is_set
            )
            reader.close()
            return new
        return reader

    def _watch(self, connection: Connection, reader: Reader, stop: threading.Event) -> None:
        while not stop.is_set() and connection.is_open:
            self._follow_name(connection)
            for record in reader.read(timeout=_SLICE_SEC):
                self._look_at(record)
            self._problem = "" if reader.down_since is None else "The broker does not answer."
            self._ask_server(connection)

    def _follow_name(self, connection: Connection) -> None:
        name = self._given_detector or _remembered(connection)
        if name is not None and name != self.detector:
            self._heartbeat_ns = None
            self._observe(NameKnown(name))

    def _look_at(self, record: Record) -> None:
        try:
            value = decode_record(record.value, record.content_format).value
        except (DrillError, ValueError):
            return  # somebody's mistake; the drill server tells them
        name = value.detector_name
        if isinstance(value, Command):
            if value.name is CommandName.TEST_CONNECTION and value.status == "received":
                self._observe(EchoSeen(name))
            said = announcement_in(value)
            if said is not None and said.concerns(self.detector) and said not in self._told:
                self._told.append(said)
        elif isinstance(value, CoincidenceTier):
            self._observe(ObservationSeen(name, value.neutrino_time_ns))
        elif isinstance(value, Retraction):
            self._observe(RetractionSeen(name))
        elif isinstance(value, Heartbeat):
            if name == self.detector:
                self._heartbeat_ns = time.time_ns()
            self._observe(HeartbeatSeen(name))

    def _ask_server(self, connection: Connection) -> None:
        """Ask how many heartbeats the server has, once one was seen and while it has not said so."""
        name, seen_ns = self.detector, self._heartbeat_ns
        if name is None or seen_ns is None or connection.rehearsal is None:
            return
        if self._step("heartbeats").is_done or time.monotonic() < self._asked + _ASK_EVERY_SEC:
            return
        self._asked = time.monotonic()
        table = display_heartbeats(name, connection=connection, patience=_ASK_PATIENCE_SEC, verbose=False)
        rows = table.loc[table["detector_name"] == name]
        # The newest must be the one that was seen, not one from an hour ago.
        longest = (time.time_ns() - seen_ns) / 1e9 + 2.0
        if len(rows) and float(rows["seconds_ago"].iloc[0]) <= longest:
            self._observe(HeartbeatsCounted(name, int(rows["heartbeats"].iloc[0])))


def _topics(connection: Connection) -> list[str]:
    topics = connection.topics()
    return [topics.observations, topics.connection]


def _remembered(connection: Connection | None) -> str | None:
    from snews_drill.names import get_name

    try:
        return get_name(connection.settings if connection is not None else None)
    except DrillError:
        return None


def _end(subscriber: Subscriber) -> None:
    with contextlib.suppress(DrillError):
        subscriber.stop()
