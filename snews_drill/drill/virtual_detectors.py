"""VirtualDetectors: the empty seats of a drill, filled; people's seats are left alone."""

from __future__ import annotations

import contextlib
import math
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from snews_drill.background import Startable
from snews_drill.connection import Connection
from snews_drill.detectors import find_detector, roster
from snews_drill.drill.behaviour import Behaviour
from snews_drill.drill.drill_clock import DrillClock
from snews_drill.drill.playing import Script
from snews_drill.drill.scenario import Scenario
from snews_drill.drill.seats import LOOK_BACK_SEC, SeatWatch, check_may_speak_for_others
from snews_drill.drill.virtual_detector import VirtualDetector
from snews_drill.drill.virtual_row import VirtualDetectorRow
from snews_drill.errors import DrillError, NotPermitted, ScenarioError, SettingsError, UnknownDetector


class VirtualDetectors(Startable, Mapping[str, VirtualDetector]):
    """Virtual detectors by name, each with a connection of its own, that give way to people.

    A seat is a person's if it stands in `taken`, if it is that of the user's own remembered detector, or as soon as a
    message of that detector without the mark appears on the observation topic, also shortly before the start. Its virtual
    detector then ends at once and stays ended, until somebody says that the person has left: `release`.

    Parameters
    ----------
    connection
        Where; it is left open.
    detectors
        Which seats to fill; the whole roster by default.
    behaviour
        How they behave: one for all, or by detector (the others then behave by default).
    taken
        Detectors that people play.
    seed
        Of all dice; with the same seed they do the same. Made up by default, see `.seed`.
    speed
        How many seconds of the drill pass in one.
    look_back_sec
        How far back people count who spoke before the start, s.

    Raises
    ------
    NotPermitted
        If others read what would be written.
    UnknownDetector, SettingsError
        If a name or the speed is none.

    Examples
    --------
    >>> with VirtualDetectors(drill, taken=["XENONnT"], seed=7) as cast:  # doctest: +SKIP
    ...     cast.follow(load_scenario("betelgeuse"))
    ...     cast["JUNO"].stop()
    """

    def __init__(
        self,
        connection: Connection,
        detectors: Iterable[str] | None = None,
        *,
        behaviour: Behaviour | Mapping[str, Behaviour] | None = None,
        taken: Iterable[str] = (),
        seed: int | None = None,
        speed: float = 1.0,
        look_back_sec: float = LOOK_BACK_SEC,
    ) -> None:
        check_may_speak_for_others(connection.profile)
        self.connection = connection
        self.seed = secrets.randbelow(1_000_000) if seed is None else seed
        self._clock = DrillClock(_finite(speed))
        self._lock = threading.RLock()
        self._loss = "They have not been started."
        self._next_look = 0.0
        self._taken = {find_detector(name).name: "A person has the seat." for name in taken}
        names = (
            [d.name for d in roster()] if detectors is None else [find_detector(n).name for n in detectors]
        )
        behaviours = _by_name(behaviour)
        self._cast = {
            name: VirtualDetector(
                name,
                connection.open_another,
                behaviours.get(name) if isinstance(behaviours, dict) else behaviours,
                clock=self._clock,
                seed=self.seed,
                check_start=self._check_seat,
                why_hold=self._why_hold,
            )
            for name in dict.fromkeys(names)
        }
        for name, reason in self._taken.items():
            self._take_seat(name, reason)
        self._watch = SeatWatch(connection, self._take_seat, self._note_loss, look_back_sec=look_back_sec)

    # --- a mapping of names ---

    def __getitem__(self, name: str) -> VirtualDetector:
        try:
            return self._cast[find_detector(name).name]
        except UnknownDetector as error:
            raise KeyError(error.reason) from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._cast)

    def __len__(self) -> int:
        return len(self._cast)

    # --- seats ---

    @property
    def taken(self) -> Mapping[str, str]:
        """The seats that people have, and how that is known."""
        with self._lock:
            self._look_at_own_name()
            return MappingProxyType(dict(self._taken))

    def take(self, name: str, reason: str = "A person has the seat.") -> None:
        """Give a seat to a person: its virtual detector ends at once."""
        self._take_seat(find_detector(name).name, reason)

    def release(self, name: str) -> None:
        """Say that the person has left; the virtual detector may be started again. Your own seat stays yours."""
        with self._lock:
            self._taken.pop(find_detector(name).name, None)
            self._next_look = 0.0

    def _take_seat(self, name: str, reason: str) -> None:
        with self._lock:
            self._taken.setdefault(name, reason)
            if name in self._cast and self._cast[name].row.state != "seat taken":
                self._cast[name].leave(self._taken[name])

    def _look_at_own_name(self) -> None:
        """Take the seat of the user's own detector, who may choose it at any moment; looks once a second at most."""
        with self._lock:
            if time.monotonic() < self._next_look:
                return
            self._next_look = time.monotonic() + 1.0
        own: str | None = None
        with contextlib.suppress(DrillError):  # a remembered name that is not on the roster has no seat
            own = self.connection.detector_name
        if own is not None:
            self._take_seat(own, f"It is your own: you are {own}.")

    def _why_hold(self, name: str) -> str:
        self._look_at_own_name()
        return self._taken.get(name) or self._loss

    def _check_seat(self, name: str) -> None:
        with self._lock:
            self._look_at_own_name()
            reason = self._taken.get(name)
        if reason is not None:
            raise NotPermitted(
                f"A virtual {name} may not speak. {reason}",
                next_step=f'When that person has left: release("{name}"), then start it.',
            )
        if not self._watch.is_running:
            raise NotPermitted(
                f"A virtual {name} may not speak: nobody watches for people.",
                next_step="Start the virtual detectors together; each can then be stopped and started singly.",
            )

    def _note_loss(self, reason: str) -> None:
        self._loss = reason
        if reason and not self.connection.is_open:
            for one in self._cast.values():
                one.leave(reason, "stopped")

    # --- life ---

    @property
    def is_running(self) -> bool:
        """Whether they are watched over, and those that were not stopped play; also while they are paused."""
        return self._watch.is_running

    @property
    def speed(self) -> float:
        """How many seconds of the drill pass in one. A new value holds from now on."""
        return self._clock.speed

    @speed.setter
    def speed(self, value: float) -> None:
        self._clock.speed = _finite(value)

    @property
    def is_paused(self) -> bool:
        """Whether the drill's time stands still."""
        return self._clock.is_paused

    def start(self) -> None:
        """Look who is here, then fill the empty seats; harmless when they run.

        Raises
        ------
        TransportError
            If the observation topic cannot be read: then nobody could see that a person has a seat.
        """
        with self._lock:
            if self.is_running:
                return
            self._watch.start()
            self._loss = ""
            self._look_at_own_name()
            self._clock.resume()
            for name, one in self._cast.items():
                if name not in self._taken:
                    one.start()

    def stop(self, timeout: float = 5.0) -> None:
        """End all of them within `timeout` seconds; harmless when they do not run."""
        deadline = time.monotonic() + timeout
        for one in self._cast.values():
            if one.is_running:
                one.leave("", "stopped")
        for one in self._cast.values():
            one.join(max(deadline - time.monotonic(), 0.0))
        self._watch.stop(max(deadline - time.monotonic(), 0.1))

    def pause(self) -> None:
        """Let the drill's time stand still: nobody speaks until `resume`, not even heartbeats."""
        self._clock.pause()

    def resume(self) -> None:
        """Let it go on."""
        self._clock.resume()

    def follow(self, scenario: Scenario, *, zero_ns: int | None = None) -> int:
        """Have everybody who runs take their part in a scenario from now on.

        Parameters
        ----------
        scenario
            What happens.
        zero_ns
            Where its start lies, ns since 1970 (UTC); by default as `Scenario.zero_ns` says now.

        Returns
        -------
        int
            Where its start lies, ns since 1970 (UTC).

        Raises
        ------
        ScenarioError
            If a message would fail its checks; nobody follows it then.
        """
        players = [name for name in scenario.detectors if name in self._cast and self._cast[name].is_running]
        zero = Script(scenario, self.connection, players, (), zero_ns).zero_ns
        for name in players:
            with contextlib.suppress(ScenarioError):  # it has just left
                self._cast[name].follow(scenario, zero)
        return zero

    def rows(self) -> tuple[VirtualDetectorRow, ...]:
        """Return what each of them does, at this moment."""
        self._look_at_own_name()
        return tuple(one.row for one in self._cast.values())

    def __repr__(self) -> str:
        running = sum(one.is_running for one in self._cast.values())
        return f"VirtualDetectors({running} of {len(self)} play, speed {self.speed:g}, seed {self.seed})"


def _finite(speed: float) -> float:
    if speed == math.inf:
        raise SettingsError(
            "Virtual detectors beat without end, so their drill needs a pace.",
            next_step="Give a finite speed.",
        )
    return speed


def _by_name(
    behaviour: Behaviour | Mapping[str, Behaviour] | None,
) -> Behaviour | dict[str, Behaviour] | None:
    if behaviour is None or isinstance(behaviour, Behaviour):
        return behaviour
    return {find_detector(name).name: one for name, one in behaviour.items()}
