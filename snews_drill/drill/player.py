"""ScenarioPlayer: a scenario in the background, with pause, speed and stop."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from snews_drill.background import Background
from snews_drill.connection import Connection
from snews_drill.drill.drill_clock import DrillClock
from snews_drill.drill.playing import PlayedEvent, Script, chosen_events
from snews_drill.drill.scenario import Scenario, ScenarioEvent, ScheduledEvent
from snews_drill.errors import DrillError, ScenarioError, TransportError


@dataclass(frozen=True, slots=True)
class PlayProgress:
    """How far a play is, at one moment.

    Attributes
    ----------
    sent, total : int
        Messages.
    next_event : ScenarioEvent or None
        What comes next; None at the end.
    seconds_to_next : float or None
        Until then, in seconds on the wall at the present speed; None at the end and while it is paused.
    position_sec : float
        Seconds of the scenario that have passed.
    zero_ns : int or None
        Where the scenario's start lies, ns since 1970 (UTC); None before the play.
    is_running, is_paused : bool
        Whether it goes on, and whether it is held.
    speed : float
        Seconds of the scenario per second.
    problem : str
        Why it is held or ended, with the next step; "" if nothing is wrong.
    """

    sent: int
    total: int
    next_event: ScenarioEvent | None
    seconds_to_next: float | None
    position_sec: float
    zero_ns: int | None
    is_running: bool
    is_paused: bool
    speed: float
    problem: str


class ScenarioPlayer(Background):
    """Plays a scenario in a thread of its own; it can be held, made faster or slower, and stopped.

    When the broker does not take a message the player holds itself there and says why in `.progress.problem`; `resume`
    sends that message again, which is harmless if it had arrived after all. It plays once: make another for another play.

    Parameters
    ----------
    scenario
        What to play.
    connection
        Where; it is left open.
    detectors
        Play these only; all by default.
    played_by_people
        Detectors that speak for themselves here: their messages are not marked as the exercise's.
    speed
        How many seconds of the scenario pass in one; infinity sends one message right after the other.
    on_event
        Called with each `PlayedEvent`, in the player's thread.
    zero_ns
        Where the scenario's start lies, ns since 1970 (UTC); by default as `Scenario.zero_ns` says when the play starts.
    timeout
        Seconds to wait for each acknowledgement.

    Raises
    ------
    SettingsError
        If the speed is none.
    ScenarioError
        If a detector has no part in the scenario.

    Examples
    --------
    >>> with ScenarioPlayer(load_scenario("false-alarm"), drill, speed=10) as player:  # doctest: +SKIP
    ...     player.wait(60)
    """

    def __init__(
        self,
        scenario: Scenario,
        connection: Connection,
        *,
        detectors: Collection[str] | None = None,
        played_by_people: Collection[str] = (),
        speed: float = 1.0,
        on_event: Callable[[PlayedEvent], None] | None = None,
        zero_ns: int | None = None,
        timeout: float = 10.0,
    ) -> None:
        super().__init__()
        self.scenario = scenario
        self._connection = connection
        self._detectors = detectors
        self._people = played_by_people
        self._on_event = on_event
        self._zero_ns = zero_ns
        self._timeout = timeout
        self._clock = DrillClock(speed)
        self._events = chosen_events(scenario, detectors)
        self._ended = threading.Event()
        self._played: list[PlayedEvent] = []
        self._error: DrillError | None = None

    @property
    def detectors(self) -> tuple[str, ...]:
        """The detectors it speaks for, in the scenario's order."""
        chosen = self._detectors
        return tuple(name for name in self.scenario.detectors if chosen is None or name in chosen)

    @property
    def played(self) -> tuple[PlayedEvent, ...]:
        """What was sent so far."""
        return tuple(self._played)

    @property
    def speed(self) -> float:
        """How many seconds of the scenario pass in one. A new value holds from now on."""
        return self._clock.speed

    @speed.setter
    def speed(self, value: float) -> None:
        self._clock.speed = value

    @property
    def is_paused(self) -> bool:
        """Whether it is held."""
        return self.is_running and self._clock.is_paused

    @property
    def progress(self) -> PlayProgress:
        """How far it is, at this moment."""
        sent, speed, position = len(self._played), self._clock.speed, self._clock.now_sec
        coming = self._events[sent] if sent < len(self._events) else None
        is_held = not self.is_running or self._clock.is_paused
        left = None if coming is None or is_held else max(coming.due_sec - position, 0.0) / speed
        error = self._error
        return PlayProgress(
            sent=sent,
            total=len(self._events),
            next_event=coming.event if coming is not None else None,
            seconds_to_next=left,
            position_sec=position,
            zero_ns=self._zero_ns,
            is_running=self.is_running,
            is_paused=self.is_paused,
            speed=speed,
            problem=str(error) if error is not None else "",
        )

    def start(self) -> None:
        """Begin; harmless when it plays already.

        Raises
        ------
        ScenarioError
            If a message would fail its checks; nothing was sent then. Or if it has played already.
        """
        with self._lifecycle:
            if self.is_running:
                return
            if self._thread is not None or self._stop.is_set():
                done = "was stopped before it began" if self._thread is None else "was played already"
                raise ScenarioError(f"{self.scenario.name} {done}.", next_step="Make another player.")
            script = Script(self.scenario, self._connection, self._detectors, self._people, self._zero_ns)
            self._zero_ns = script.zero_ns
            self._clock.resume()
            self._launch(self._run, script, name="scenario player")

    def pause(self) -> None:
        """Hold it before the next message; harmless when it is held."""
        self._clock.pause()

    def resume(self) -> None:
        """Go on; after a problem, with the message that was not taken."""
        with self._lifecycle:
            if self.is_running:
                self._error = None
                self._clock.resume()

    def wait(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for the end, and return whether it has come.

        Raises
        ------
        DrillError
            If it is held or ended by a problem.
        """
        deadline = time.monotonic() + timeout
        while not self._ended.wait(min(max(deadline - time.monotonic(), 0.0), 0.05)):
            if self._error is not None or time.monotonic() >= deadline:
                break
        if self._error is not None:
            raise self._error
        return self._ended.is_set()

    def stop(self, timeout: float = 2.0) -> None:
        """End it within `timeout` seconds; harmless when it has ended."""
        self._stop.set()
        self._clock.stop()
        self._join(timeout)

    def __repr__(self) -> str:
        now = self.progress
        doing = "paused" if now.is_paused else "playing" if now.is_running else "not playing"
        return f"ScenarioPlayer({self.scenario.name}, {doing}: {now.sent} of {now.total} sent, speed {now.speed:g})"

    def _run(self, script: Script) -> None:
        try:
            for entry in script.events:
                if not self._clock.wait_until(entry.due_sec) or not self._send(script, entry):
                    return
        except Exception as error:  # noqa: BLE001 - the end of the thread; whoever waits is told
            self._error = _as_drill_error(error)
        finally:
            self._ended.set()

    def _send(self, script: Script, entry: ScheduledEvent) -> bool:
        """Send one message, however often it takes; return False if the play was stopped."""
        content = script.content(entry.event)
        while True:
            try:
                played = script.send(entry.event, content, self._timeout, self._stop.is_set)
            except TransportError as error:
                if self._stop.is_set():
                    return False
                if not self._connection.is_open:
                    raise
                with self._lifecycle:
                    self._error = error
                    self._clock.pause()
                if not self._clock.wait_until(-math.inf):
                    return False
            else:
                self._played.append(played)
                if self._on_event is not None:
                    self._on_event(played)
                return True


def _as_drill_error(error: Exception) -> DrillError:
    if isinstance(error, DrillError):
        return error
    return ScenarioError(
        f"The play ended: {type(error).__name__}: {str(error)[:300]}",
        next_step="Look at what is called with each event, then play it again.",
    )
