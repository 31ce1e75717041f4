"""What became of a sender's heartbeats: counters, and the gaps."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, replace

from snews_drill.messages.times import iso_micro
from snews_drill.transport import Receipt

#: Gaps that are kept, the newest.
_MAX_GAPS = 1_000


@dataclass(frozen=True, slots=True)
class HeartbeatGap:
    """A time without acknowledged heartbeats.

    Attributes
    ----------
    since_ns : int
        When the first missing one was due, ns since 1970 (UTC).
    until_ns : int or None
        When the next one was acknowledged; None while none was.
    count : int
        How many are missing.
    """

    since_ns: int
    until_ns: int | None
    count: int

    def __str__(self) -> str:
        missed = f"{self.count} heartbeat{'s' * (self.count != 1)} missed"
        begin = f"{iso_micro(self.since_ns)[:19]} UTC"
        if self.until_ns is None:
            return f"{missed} since {begin}"
        return f"{missed} from {begin} to {iso_micro(self.until_ns)[:19]} UTC"


@dataclass(frozen=True, slots=True)
class HeartbeatState:
    """A heartbeat sender at one moment.

    Attributes
    ----------
    is_running : bool
        Whether it sends.
    status : str
        What it says, "ON" or "OFF".
    sent : int
        Heartbeats it tried to send.
    acknowledged, failed : int
        How many of them the broker has, and how many not.
    missed : int
        How many should have come and did not: the failed ones, and those whose time passed meanwhile.
    last_acknowledged_ns : int or None
        When the newest was acknowledged, ns since 1970 (UTC).
    last_latency_ms : float or None
        How long that took.
    last_error : str
        Why the newest failed one failed; "" if none did.
    """

    is_running: bool
    status: str
    sent: int = 0
    acknowledged: int = 0
    failed: int = 0
    missed: int = 0
    last_acknowledged_ns: int | None = None
    last_latency_ms: float | None = None
    last_error: str = ""


class HeartbeatLog:
    """Counters and gaps of one sender. Threads may share it.

    Parameters
    ----------
    status
        What the sender says at first, "ON" or "OFF".
    """

    def __init__(self, status: str) -> None:
        self._lock = threading.Lock()
        self._state = HeartbeatState(is_running=False, status=status)
        self._gaps: deque[HeartbeatGap] = deque(maxlen=_MAX_GAPS)

    @property
    def state(self) -> HeartbeatState:
        """The counters now; whether the sender runs is not known here."""
        return self._state

    @property
    def gaps(self) -> list[HeartbeatGap]:
        """The newest gaps, oldest first."""
        with self._lock:
            return list(self._gaps)

    def note_status(self, status: str) -> None:
        """Keep what the sender says from now on."""
        with self._lock:
            self._state = replace(self._state, status=status)

    def note_error(self, reason: str) -> None:
        """Keep a sentence as the last error."""
        with self._lock:
            self._state = replace(self._state, last_error=reason)

    def note_success(self, receipt: Receipt) -> None:
        """Count an acknowledged heartbeat; it ends a gap."""
        now_ns = time.time_ns()
        with self._lock:
            if self._gaps and self._gaps[-1].until_ns is None:
                self._gaps[-1] = replace(self._gaps[-1], until_ns=now_ns)
            self._state = replace(
                self._state,
                sent=self._state.sent + 1,
                acknowledged=self._state.acknowledged + 1,
                last_acknowledged_ns=now_ns,
                last_latency_ms=receipt.milliseconds,
            )

    def note_failure(self, since_ns: int, reason: str) -> None:
        """Count a heartbeat that was due at `since_ns` (ns since 1970, UTC) and was not acknowledged."""
        with self._lock:
            self._state = replace(
                self._state, sent=self._state.sent + 1, failed=self._state.failed + 1, last_error=reason
            )
        self.note_missed(since_ns, 1)

    def note_missed(self, since_ns: int, count: int) -> None:
        """Count heartbeats that did not come, the first of them due at `since_ns`."""
        with self._lock:
            self._state = replace(self._state, missed=self._state.missed + count)
            if self._gaps and self._gaps[-1].until_ns is None:
                self._gaps[-1] = replace(self._gaps[-1], count=self._gaps[-1].count + count)
            else:
                self._gaps.append(HeartbeatGap(since_ns, None, count))
