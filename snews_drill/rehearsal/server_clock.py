"""The drill server's clock: it goes on evenly when the machine's is set, until those who write confirm the new time.

A machine's clock that jumps by days would otherwise have every message refused as too old or from the future, and every
observation let go. Where the system counts the time since it was started (Linux), a jump is noticed over a restart of the
server too.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from snews_drill.messages.times import NS_PER_DAY, NS_PER_SECOND
from snews_drill.rehearsal.archive import Archive

#: A smaller difference is followed at once, ns: clocks are set by seconds now and then, and senders get as much.
_STEP_NS = 10 * NS_PER_SECOND

#: A record confirms a clock that it agrees with to this, ns; as far as the server trusts a record's own time.
_AGREEMENT_NS = 60 * NS_PER_SECOND

_NOTE = "clock"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class ServerClock:
    """Tells a drill server the time. For one thread.

    Parameters
    ----------
    archive
        Keeps the time over a restart of the server; None keeps nothing.
    wall
        The machine's clock, ns since 1970 (UTC).

    Examples
    --------
    >>> clock = ServerClock()
    >>> abs(clock.now_ns() - time.time_ns()) < 10**9
    True
    """

    def __init__(self, archive: Archive | None = None, wall: Callable[[], int] = time.time_ns) -> None:
        self._archive = archive
        self._wall = wall
        self._boot_id = _boot_id()
        self._base_ns = wall() - _since_boot_ns()
        self._jump_ns = 0
        with contextlib.suppress(ValueError):
            self._recall()

    @property
    def jump_ns(self) -> int:
        """By how much the machine's clock differs from this one since it jumped, ns; 0 if it does not."""
        return self._jump_ns

    @property
    def remark(self) -> str:
        """What to tell people about a jump; "" if there was none."""
        if not self._jump_ns:
            return ""
        way = "ahead" if self._jump_ns > 0 else "back"
        return (
            f"The clock of this machine was set {way} by {_span(abs(self._jump_ns))}; the server goes on with the time "
            "before, until somebody writes who has the new time too."
        )

    def now_ns(self) -> int:
        """Return the time, ns since 1970 (UTC)."""
        even_ns = self._base_ns + _since_boot_ns()
        wall_ns = self._wall()
        if abs(wall_ns - even_ns) <= _STEP_NS:
            self._base_ns += wall_ns - even_ns
            self._jump_ns = 0
            return wall_ns
        self._jump_ns = wall_ns - even_ns
        return even_ns

    def heed(self, timestamps_ms: Iterable[int]) -> bool:
        """Take over the machine's time if a record confirms it; return whether the time changed.

        Parameters
        ----------
        timestamps_ms
            When records that came just now were written, ms since 1970 (UTC).
        """
        even_ns = self.now_ns()
        if not self._jump_ns:
            return False
        wall_ns = even_ns + self._jump_ns
        for time_ms in timestamps_ms:
            if abs(time_ms * 1_000_000 - wall_ns) <= _AGREEMENT_NS:
                self._base_ns += self._jump_ns
                self._jump_ns = 0
                return True
        return False

    def keep(self) -> None:
        """Note the time in the archive, for a restart.

        Raises
        ------
        ArchiveError
            If the disk refuses.
        """
        if self._archive is not None and self._boot_id:
            self._archive.note(_NOTE, f"{self._boot_id} {self._base_ns}")

    def _recall(self) -> None:
        noted = self._archive.noted(_NOTE) if self._archive is not None else ""
        boot_id, _, base = noted.partition(" ")
        if self._boot_id and boot_id == self._boot_id:
            self._base_ns = int(base)
            self.now_ns()


def _since_boot_ns() -> int:
    # It goes on while a laptop sleeps, where the system has such a clock.
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _boot_id() -> str:
    """Return what names this run of the system; "" if it does not say."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return ""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _span(span_ns: int) -> str:
    for name, size_ns in (("days", NS_PER_DAY), ("hours", 3600 * NS_PER_SECOND), ("min", 60 * NS_PER_SECOND)):
        if round(span_ns / size_ns) >= 2:
            return f"{span_ns / size_ns:.1f} {name}"
    return f"{span_ns / NS_PER_SECOND:.0f} s"
