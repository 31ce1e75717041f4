"""VirtualDetector: one detector that the exercise plays, with a connection and a thread of its own."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from typing import Literal

from snews_drill.background import Background
from snews_drill.connection import Connection
from snews_drill.detectors import find_detector
from snews_drill.drill.behaviour import Behaviour, Chance, Intention
from snews_drill.drill.deeds import Deed, part_in
from snews_drill.drill.drill_clock import DrillClock
from snews_drill.drill.event_messages import MessageTimes, event_content, send_content
from snews_drill.drill.marks import PLAYED_BY, VIRTUAL_DETECTOR
from snews_drill.drill.scenario import (
    HeartbeatEvent,
    ObservationEvent,
    RetractionEvent,
    Scenario,
)
from snews_drill.drill.seats import check_may_speak_for_others
from snews_drill.drill.virtual_row import State, VirtualDetectorRow
from snews_drill.errors import DrillError, ScenarioError, TransportError

#: Seconds on the wall: how long one acknowledgement is waited for, when a message is tried again, and the least between two
#: heartbeats, however fast the drill goes.
_PATIENCE_SEC, _RETRY_SEC, _QUICKEST_BEAT_SEC = 5.0, 0.5, 0.1


class VirtualDetector(Background):
    """Plays one detector until it is stopped: heartbeats at its pace, and what it is told to say.

    Every message is marked. It does not itself see whether a person has the seat: `VirtualDetectors` does.

    Parameters
    ----------
    name
        A registered name or spelling.
    connection_source
        Gives a connection of its own each time it starts; it closes that one.
    behaviour
        How it behaves.
    clock
        The drill's time, shared with others; by default one of its own that runs.
    seed
        Of its dice.
    check_start
        Called with the name before a start; raises if it may not.
    why_hold
        Asked with the name before each message: a sentence while it must not speak, else "".

    Raises
    ------
    UnknownDetector
        If the name is not on the roster.
    """

    def __init__(
        self,
        name: str,
        connection_source: Callable[[], Connection],
        behaviour: Behaviour | None = None,
        *,
        clock: DrillClock | None = None,
        seed: int = 0,
        check_start: Callable[[str], None] | None = None,
        why_hold: Callable[[str], str] | None = None,
    ) -> None:
        super().__init__()
        self.name = find_detector(name).name
        self.behaviour = behaviour or Behaviour()
        self._source = connection_source
        self._clock = clock or _running_clock()
        self._chance = Chance(seed, self.name)
        self._check_start = check_start
        self._why_hold = why_hold
        self._times = MessageTimes()
        self._lock = threading.RLock()
        self._numbers = itertools.count()
        self._agenda: list[tuple[float, int, Deed]] = []
        self._next_beat_sec = 0.0
        self._news = threading.Event()
        self._state: State = "not started"
        self._beats = self._messages = 0
        self._last: tuple[str, int | None] = ("", None)
        self._reason = ""

    @property
    def is_running(self) -> bool:
        """Whether it may still say something."""
        return self._is_at_work

    @property
    def row(self) -> VirtualDetectorRow:
        """What it does, at this moment."""
        with self._lock:
            due = self._agenda[0] if self._agenda else None
            return VirtualDetectorRow(
                detector=self.name,
                state=self._state,
                is_running=self.is_running,
                beats=self._beats,
                messages=self._messages,
                last_action=self._last[0],
                last_action_ns=self._last[1],
                next_action=due[2].words if due is not None else "",
                next_in_sec=max(due[0] - self._clock.now_sec, 0.0) if due is not None else None,
                reason=self._reason,
            )

    def start(self) -> None:
        """Send the first heartbeat at once, the others at its pace; harmless when it runs.

        What it was told before it was stopped is forgotten.

        Raises
        ------
        NotPermitted
            If a person has the seat, or others read what would be written.
        """
        if self._check_start is not None:
            self._check_start(self.name)  # without the lock: whoever holds the seats' lock may want ours
        with self._lock:
            if self.is_running:
                return
            connection = self._source()
            try:
                check_may_speak_for_others(connection.profile)
            except DrillError:
                connection.close()
                raise
            self._agenda.clear()
            self._stop = threading.Event()
            self._state, self._reason = "on", ""
            self._next_beat_sec = self._clock.now_sec
            self._launch(self._run, connection, self._stop, name=f"virtual {self.name}")
        if self._check_start is not None:
            self._check_again()

    def _check_again(self) -> None:
        """Leave if a person has come while it started."""
        assert self._check_start is not None  # noqa: S101 - for the type checker
        try:
            self._check_start(self.name)
        except DrillError as error:
            self.leave(error.reason)
            raise

    def stop(self, timeout: float = 2.0) -> None:
        """End it within `timeout` seconds, without a word to the others; harmless when it does not run."""
        self.leave("", "stopped")
        self.join(timeout)

    def leave(self, reason: str, state: State = "seat taken") -> None:
        """End it without waiting, for that reason; from any thread."""
        with self._lock:
            if self.is_running or state == "seat taken":
                self._state, self._reason = state, reason
            self._agenda.clear()
            self._stop.set()
        self._clock.nudge()

    def join(self, timeout: float) -> None:
        """Wait at most `timeout` seconds for the end of its thread."""
        self._join(timeout)

    def __repr__(self) -> str:
        row = self.row
        return f"VirtualDetector({row.detector}: {row.state}, {row.beats} heartbeats, {row.messages} other messages)"

    # --- what it is told ---

    def follow(self, scenario: Scenario, zero_ns: int) -> Intention:
        """Take its part in a scenario from now on, as its behaviour and its dice will have it.

        Parameters
        ----------
        scenario
            What happens; a detector without a part in it does nothing.
        zero_ns
            Where the scenario's start lies, ns since 1970 (UTC).

        Returns
        -------
        Intention
            What it will do.

        Raises
        ------
        ScenarioError
            If it does not run.
        """
        begun_sec = self._clock.now_sec
        with self._lock:
            self._check_running()
            intention = self._chance.intention(self.behaviour)
            for due_sec, deed in part_in(scenario, self.name, zero_ns, intention, self.behaviour):
                self._plan(begun_sec + due_sec, deed)
        return intention

    def observe(self, neutrino_time_ns: int, p_val: float | None = None, *, is_test: bool = False) -> None:
        """Report an observation now; `neutrino_time_ns` is ns since 1970 (UTC)."""
        event = ObservationEvent(detector=self.name, offset_ms=0, p_val=p_val)
        self._tell(Deed("an observation", event, neutrino_time_ns=neutrino_time_ns, is_test=is_test))

    def retract(self, count: int = 1, reason: str | None = None, *, is_test: bool = False) -> None:
        """Take the latest `count` observations back now."""
        event = RetractionEvent(detector=self.name, retract_latest=count, reason=reason)
        self._tell(Deed("a retraction", event, is_test=is_test))

    def switch(self, status: Literal["ON", "OFF"]) -> None:
        """Say ON or OFF now, and in the heartbeats from now on; ON also wakes one that fell silent."""
        self._tell(Deed(f"status {status}", HeartbeatEvent(detector=self.name, status=status)))

    def fall_silent(self) -> None:
        """Break down now: no word, no heartbeat, until it is switched on or started again."""
        self._tell(Deed("breaks down", fate="falls silent"))

    def _tell(self, deed: Deed) -> None:
        with self._lock:
            self._check_running()
            self._plan(self._clock.now_sec, deed)

    def _check_running(self) -> None:
        if not self.is_running:
            raise ScenarioError(
                f"The virtual detector {self.name} does not run ({self._state}). {self._reason}".strip(),
                next_step="Start it first.",
            )

    def _plan(self, due_sec: float, deed: Deed) -> None:
        heapq.heappush(self._agenda, (due_sec, next(self._numbers), deed))
        self._news.set()
        self._clock.nudge()

    # --- its thread ---

    def _run(self, connection: Connection, stop: threading.Event) -> None:
        try:
            with connection:
                self._live(connection, stop)
        except Exception as error:  # noqa: BLE001 - the end of the thread; the row tells it
            reason = str(error) if isinstance(error, DrillError) else f"{type(error).__name__}: {error}"[:300]
            self.leave(reason, "failed")

    def _live(self, connection: Connection, stop: threading.Event) -> None:
        phase = self._chance.phase()
        while not stop.is_set():
            with self._lock:
                due_sec = min(
                    self._next_beat_sec, self._agenda[0][0] if self._agenda else self._next_beat_sec
                )
            self._news.clear()
            is_due = self._clock.wait_until(due_sec, lambda: stop.is_set() or self._news.is_set())
            if stop.is_set():
                return
            if not is_due:
                continue
            deed = self._take_due()
            if deed is not None:
                self._do(deed, connection, stop)
            elif self._clock.now_sec >= self._next_beat_sec:
                if self._state in ("on", "off"):
                    self._say(Deed("a heartbeat", self._heartbeat()), connection, stop)
                self._next_beat_sec = self._clock.now_sec + phase * self._beat_sec
                phase = 1.0  # the first two beats lie closer, so that not all detectors beat together

    @property
    def _beat_sec(self) -> float:
        return max(self.behaviour.heartbeat_every_sec, _QUICKEST_BEAT_SEC * self._clock.speed)

    def _heartbeat(self) -> HeartbeatEvent:
        return HeartbeatEvent(detector=self.name, status="OFF" if self._state == "off" else "ON")

    def _take_due(self) -> Deed | None:
        with self._lock:
            if self._agenda and self._agenda[0][0] <= self._clock.now_sec:
                return heapq.heappop(self._agenda)[2]
            return None

    def _do(self, deed: Deed, connection: Connection, stop: threading.Event) -> None:
        if deed.fate == "misses":
            self._note("missed the burst")
        elif deed.fate == "falls silent":
            with self._lock:
                self._agenda.clear()
                self._state = "silent"
            self._note("fell silent")
        elif deed.fate == "switches off":
            self._set_status("OFF")
            self._say(Deed("status OFF", self._heartbeat()), connection, stop)
        else:
            if isinstance(deed.event, HeartbeatEvent):
                self._set_status(deed.event.status)
            self._say(deed, connection, stop)

    def _set_status(self, status: str) -> None:
        with self._lock:
            if not self._stop.is_set():
                self._state = "on" if status == "ON" else "off"

    def _say(self, deed: Deed, connection: Connection, stop: threading.Event) -> None:
        """Send one message: a heartbeat once, anything else until it is acknowledged."""
        assert deed.event is not None  # noqa: S101 - for the type checker: fates say nothing
        is_heartbeat = isinstance(deed.event, HeartbeatEvent)
        try:
            content = event_content(
                deed.event,
                connection.dialect,
                made_ns=self._times.next_ns(),
                neutrino_time_ns=deed.neutrino_time_ns,
                is_test=deed.is_test,
                meta={PLAYED_BY: VIRTUAL_DETECTOR, **deed.meta},
            )
        except ScenarioError as error:  # such as a time that is too old by now; the detector lives on
            self._note(f"could not send {deed.words}: {error.reason}")
            return
        while not stop.is_set():
            problem = self._why_hold(self.name) if self._why_hold is not None else ""
            if not problem:
                try:
                    send_content(connection, content, timeout=_PATIENCE_SEC, is_cancelled=stop.is_set)
                except TransportError as error:
                    problem = error.reason
            if not problem:
                self._count(deed, is_heartbeat)
                return
            with self._lock:
                self._reason = problem if not stop.is_set() else self._reason
            if is_heartbeat:  # the next one tells more than a late one
                return
            stop.wait(_RETRY_SEC)

    def _count(self, deed: Deed, is_heartbeat: bool) -> None:  # noqa: FBT001
        with self._lock:
            self._beats += is_heartbeat
            self._messages += not is_heartbeat
            if not self._stop.is_set():
                self._reason = ""
        if deed.words != "a heartbeat":
            self._note(f"sent {deed.words}")

    def _note(self, words: str) -> None:
        with self._lock:
            self._last = (words, time.time_ns())


def _running_clock() -> DrillClock:
    clock = DrillClock()
    clock.resume()
    return clock
