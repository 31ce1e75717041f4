"""The time of a drill: it can stand still, and go faster or slower than the clock on the wall."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from snews_drill.errors import SettingsError

#: The least and the greatest finite speed; beyond them a day of a scenario is no time at all, or a life.
_SLOWEST, _FASTEST = 0.001, 100_000.0

#: Nobody waits longer than this without looking around, s.
_LONGEST_WAIT_SEC = 60.0


def checked_speed(speed: float) -> float:
    """Return a speed factor: a number from 0.001 to 100,000, or infinity for "without waiting".

    Raises
    ------
    SettingsError
        If it is something else.
    """
    is_number = isinstance(speed, int | float) and not isinstance(speed, bool)
    if not is_number or not (_SLOWEST <= speed <= _FASTEST or speed == math.inf):
        raise SettingsError(
            f"{speed!r:.40} is no speed of a drill.",
            next_step="Give a factor from 0.001 to 100000, such as 10 for ten times as fast; inf does not wait at all.",
        )
    return float(speed)


class DrillClock:
    """A clock that runs `speed` times as fast as the one on the wall, and can be held. Threads may share it.

    Parameters
    ----------
    speed
        The factor; infinity means that nothing is waited for.

    Attributes
    ----------
    speed : float
        May be set at any moment; what has passed stays as it is.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self._changed = threading.Condition()
        self._speed = checked_speed(speed)
        self._passed_sec = 0.0
        self._running_since: float | None = None
        self._is_stopped = False

    @property
    def speed(self) -> float:
        """How many seconds of the drill pass in one second."""
        return self._speed

    @speed.setter
    def speed(self, value: float) -> None:
        checked = checked_speed(value)
        with self._changed:
            self._settle()
            self._speed = checked
            self._changed.notify_all()

    @property
    def now_sec(self) -> float:
        """Seconds of the drill that have passed."""
        with self._changed:
            return self._now()

    @property
    def is_paused(self) -> bool:
        """Whether it stands still."""
        return self._running_since is None

    def resume(self) -> None:
        """Let it run; harmless if it does. A new clock stands still."""
        with self._changed:
            if self._running_since is None:
                self._running_since = time.monotonic()
                self._changed.notify_all()

    def pause(self) -> None:
        """Hold it; harmless if it stands still."""
        with self._changed:
            self._settle()
            self._running_since = None
            self._changed.notify_all()

    def stop(self) -> None:
        """End every wait, now and from now on."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def nudge(self) -> None:
        """Have everybody who waits look whether something else woke them."""
        with self._changed:
            self._changed.notify_all()

    def wait_until(self, drill_sec: float, is_woken: Callable[[], bool] | None = None) -> bool:
        """Wait for a moment of the drill; a clock that stands still is waited for too.

        Parameters
        ----------
        drill_sec
            The moment, in seconds of the drill; infinity waits for being woken.
        is_woken
            Asked after each `nudge`: True ends the wait.

        Returns
        -------
        bool
            Whether that moment has come; False if the clock was stopped or the waiter woken before.
        """
        with self._changed:
            while not self._is_stopped and not (is_woken is not None and is_woken()):
                if self._running_since is None:
                    self._changed.wait(_LONGEST_WAIT_SEC)
                    continue
                if math.isinf(self._speed) and math.isfinite(drill_sec):
                    self._passed_sec = max(self._passed_sec, drill_sec)
                left = drill_sec - self._now()
                if left <= 0:
                    return True
                self._changed.wait(min(left / self._speed or _LONGEST_WAIT_SEC, _LONGEST_WAIT_SEC))
            return False

    def _now(self) -> float:
        if self._running_since is None or math.isinf(self._speed):
            return self._passed_sec
        return self._passed_sec + (time.monotonic() - self._running_since) * self._speed

    def _settle(self) -> None:
        """Add what has passed at the present speed."""
        self._passed_sec = self._now()
        if self._running_since is not None:
            self._running_since = time.monotonic()
