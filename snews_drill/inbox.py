"""What a subscriber has received: bounded, counted, and safe to look at from any thread."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Any

from snews_drill.errors import DrillError, UnreadableRecord
from snews_drill.messages.alert import Alert

#: The most that is kept of alerts, bytes as they travelled. Decoded they take about ten times as much.
MAX_ALERT_BYTES = 64 << 20

#: Unreadable records that are kept: the newest, and not more bytes than this.
MAX_UNREADABLE = 100
MAX_UNREADABLE_BYTES = 8 << 20

#: So many records are remembered to tell one that comes again.
MAX_REMEMBERED = 100_000


class Phase(StrEnum):
    """What a subscriber is doing."""

    STOPPED = "stopped"
    CONNECTING = "connecting"
    LISTENING = "listening"
    RECONNECTING = "reconnecting"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SubscriberState:
    """A subscriber at one moment.

    Attributes
    ----------
    phase : Phase
        What it is doing.
    since_ns : int
        Since when, ns since 1970 (UTC); while reconnecting, when the broker was lost.
    received : int
        Records that came.
    shown : int
        Alerts that were new and readable.
    duplicates : int
        Alerts that had come before.
    unreadable : int
        Records that are no alerts.
    dropped : int
        Alerts that are no longer in memory, because newer ones needed the room. Those that were saved still
        are.
    unsaved : int
        Alerts that could not be written to the folder.
    callback_failures, plugin_failures : int
        How often a callback raised and the plug-in failed.
    last_error : str
        The newest of all that went wrong, as a sentence; "" if nothing did.
    error : DrillError or None
        Why it failed for good.
    """

    phase: Phase = Phase.STOPPED
    since_ns: int = 0
    received: int = 0
    shown: int = 0
    duplicates: int = 0
    unreadable: int = 0
    dropped: int = 0
    unsaved: int = 0
    callback_failures: int = 0
    plugin_failures: int = 0
    last_error: str = ""
    error: DrillError | None = None


@dataclass(frozen=True, slots=True)
class ReceivedAlert:
    """An alert and how it came.

    Attributes
    ----------
    number : int
        Counts the alerts of one subscriber, from 1.
    alert : Alert
        The alert.
    received_time_ns : int
        When it was read, ns since 1970 (UTC).
    size_bytes : int
        As it travelled.
    file : Path or None
        Where it was saved.
    """

    number: int
    alert: Alert
    received_time_ns: int
    size_bytes: int
    file: Path | None = None


class Inbox:
    """The newest alerts of a subscriber, its counters and its phase. Threads may share it.

    Parameters
    ----------
    max_alerts
        The most alerts to keep in memory; `max_bytes` may keep them fewer.
    max_bytes
        The most bytes of alerts to keep, as they travelled.
    """

    def __init__(self, max_alerts: int = 100_000, max_bytes: int = MAX_ALERT_BYTES) -> None:
        self._max_alerts = max_alerts
        self._max_bytes = max_bytes
        self._changed = threading.Condition()
        self._state = SubscriberState(since_ns=time.time_ns())
        self._counts = dict.fromkeys(
            (
                "received",
                "duplicates",
                "unreadable",
                "dropped",
                "unsaved",
                "callback_failures",
                "plugin_failures",
            ),
            0,
        )
        self._entries: deque[ReceivedAlert] = deque()
        self._bytes = 0
        self._last_number = 0
        self._cleared_number = 0
        self._unreadable: deque[UnreadableRecord] = deque()
        self._unreadable_bytes = 0
        self._last_error = ""
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        # Keyed, so that nobody who writes to the topic can prepare a record that passes for another.
        self._key = os.urandom(16)

    @property
    def state(self) -> SubscriberState:
        """Phase and counters as they are now."""
        with self._changed:
            changing: dict[str, Any] = {
                "shown": self._last_number,
                "last_error": self._last_error,
                **self._counts,
            }
            return replace(self._state, **changing)

    @property
    def unreadable(self) -> list[UnreadableRecord]:
        """The newest records that are no alerts, oldest first."""
        with self._changed:
            return list(self._unreadable)

    def enter(self, phase: Phase, *, since_ns: int | None = None, error: DrillError | None = None) -> None:
        """Note what the subscriber does from now on."""
        with self._changed:
            self._state = SubscriberState(
                phase, time.time_ns() if since_ns is None else since_ns, error=error
            )
            if error is not None:
                self._last_error = error.reason
            self._changed.notify_all()

    def count(self, counter: str, reason: str = "") -> None:
        """Add one to a counter of `SubscriberState`, and keep the reason as the last error."""
        with self._changed:
            self._counts[counter] += 1
            self._last_error = reason or self._last_error

    def note(self, reason: str) -> None:
        """Keep a sentence as the last error."""
        with self._changed:
            self._last_error = reason

    def is_new(self, content: bytes) -> bool:
        """Tell whether this content comes for the first time, and remember it."""
        digest = hashlib.blake2b(content, digest_size=16, key=self._key).digest()
        with self._changed:
            is_new = digest not in self._seen
            self._seen[digest] = None
            self._seen.move_to_end(digest)  # what came last is forgotten last
            if len(self._seen) > MAX_REMEMBERED:
                self._seen.popitem(last=False)
            return is_new

    def put(
        self, alert: Alert, *, received_time_ns: int, size_bytes: int, file: Path | None
    ) -> ReceivedAlert:
        """Add an alert and wake those who wait; the oldest leave when there is no room."""
        with self._changed:
            self._last_number += 1
            entry = ReceivedAlert(self._last_number, alert, received_time_ns, size_bytes, file)
            self._entries.append(entry)
            self._bytes += size_bytes
            while len(self._entries) > 1 and (
                len(self._entries) > self._max_alerts or self._bytes > self._max_bytes
            ):
                self._bytes -= self._entries.popleft().size_bytes
                self._counts["dropped"] += 1
            self._changed.notify_all()
            return entry

    def put_unreadable(self, error: UnreadableRecord) -> None:
        """Keep a record that is no alert; the oldest leave when there is no room."""
        with self._changed:
            self._counts["unreadable"] += 1
            self._last_error = error.reason
            self._unreadable.append(error)
            self._unreadable_bytes += len(error.raw)
            while len(self._unreadable) > MAX_UNREADABLE or self._unreadable_bytes > MAX_UNREADABLE_BYTES:
                self._unreadable_bytes -= len(self._unreadable.popleft().raw)

    def snapshot(self, since: int = 0) -> list[ReceivedAlert]:
        """Return the alerts in memory whose number is larger than `since`, oldest first.

        The cost grows with what is returned, not with what is kept.
        """
        with self._changed:
            wanted = min(max(self._last_number - since, 0), len(self._entries))
            found = list(islice(reversed(self._entries), wanted))
        found.reverse()
        return found

    def clear(self) -> None:
        """Forget the alerts in memory. Counters go on, and none of them will be shown again."""
        with self._changed:
            self._entries.clear()
            self._bytes = 0
            self._cleared_number = self._last_number

    def wait_for(self, n: int, timeout: float) -> int:
        """Return how many alerts came since the last `clear`, once they are `n`, or the stream or time ends.

        Parameters
        ----------
        n
            How many.
        timeout
            Seconds to wait at most.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    self._last_number - self._cleared_number >= n
                    or self._state.phase in (Phase.STOPPED, Phase.FAILED)
                ),
                timeout,
            )
            return self._last_number - self._cleared_number
