"""What is announced to everybody who takes part, read in the background beside the alerts."""

from __future__ import annotations

import threading
import time
from collections import deque

from snews_drill.background import Background
from snews_drill.connection import Connection
from snews_drill.errors import DrillError, NotAuthenticated, NotPermitted
from snews_drill.messages.announcement import Announcement, announcement_in
from snews_drill.messages.commands import Command
from snews_drill.messages.times import iso_micro
from snews_drill.messages.visible import visible
from snews_drill.transport import Reader, Record, Start
from snews_drill.wire.dialects import decode_record

#: The newest that are kept.
_KEPT = 50

#: Who comes late is told what was announced before: within so many seconds, as far as it lies among so many records.
_RECENT_SEC, _RECENT_RECORDS = 2 * 3600.0, 500

#: Seconds that a read waits for the first record; and pauses after something was in the way, the first and the longest.
_SLICE_SEC, _PAUSE_SEC, _LONGEST_PAUSE_SEC = 0.2, 0.5, 5.0


class AnnouncementListener(Background):
    """Reads the connection topic for announcements, in a thread of its own; never in the way of the alerts.

    What was announced in the last two hours is heard as well, as far as it lies among the newest 500 records of that
    topic. Who may not read it sees none; `problem` tells.

    Parameters
    ----------
    connection
        Where.
    firedrill_mode
        True for the fire-drill topics, False for the test topics.

    Attributes
    ----------
    connection : Connection
        Where it listens.
    problem : str
        Why nothing is heard at the moment; "" if all is well.
    """

    def __init__(self, connection: Connection, *, firedrill_mode: bool = True) -> None:
        super().__init__()
        self.connection = connection
        self._topic = connection.topics(firedrill_mode=firedrill_mode).connection
        self._kept: deque[Announcement] = deque(maxlen=_KEPT)
        self.problem = ""

    @property
    def announcements(self) -> tuple[Announcement, ...]:
        """Those that concern this user, oldest first."""
        return tuple(self._kept)

    def start(self) -> None:
        """Begin, and return at once; harmless when it listens already."""
        with self._lifecycle:
            if not self._is_at_work:
                self._stop = threading.Event()
                self._launch(self._run, self._stop, name="announcements")

    def __repr__(self) -> str:
        return f"AnnouncementListener({len(self._kept)} announcements)"

    def _run(self, stop: threading.Event) -> None:
        start: Start | None = None
        pause = _PAUSE_SEC
        while not stop.is_set() and self.connection.is_open:
            reader: Reader | None = None
            try:
                if start is None:
                    start = self._a_little_earlier(stop)
                reader = self.connection.open_reader([self._topic], start=start, is_cancelled=stop.is_set)
                start, self.problem = reader.positions, ""
                while not stop.is_set() and self.connection.is_open:
                    for record in reader.read(timeout=_SLICE_SEC):
                        self._take(record)
                        pause = _PAUSE_SEC
                    start = reader.positions
            except (NotPermitted, NotAuthenticated) as error:
                self.problem = f"{error.reason} {error.next_step}"
                return
            except DrillError as error:
                self.problem = error.reason
            except Exception as error:  # noqa: BLE001 - the thread's boundary: announcements must not end anything else
                self.problem = f"{type(error).__name__}: {str(error)[:200]}"
            finally:
                if reader is not None:
                    reader.close()
            stop.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SEC)

    def _a_little_earlier(self, stop: threading.Event) -> Start:
        """Return the place some records before the end of the topic."""
        reader = self.connection.open_reader([self._topic], start="now", is_cancelled=stop.is_set)
        try:
            return {place: max(offset - _RECENT_RECORDS, 0) for place, offset in reader.positions.items()}
        finally:
            reader.close()

    def _take(self, record: Record) -> None:
        if record.timestamp_ms < (time.time() - _RECENT_SEC) * 1e3:
            return
        try:
            value = decode_record(record.value, record.content_format).value
        except (DrillError, ValueError):
            return
        said = announcement_in(value) if isinstance(value, Command) else None
        if said is not None and said.concerns(self._own_name()) and said not in self._kept:
            self._kept.append(said)

    def _own_name(self) -> str | None:
        try:
            return self.connection.detector_name
        except DrillError:
            return None


def announcement_text(said: Announcement) -> str:
    """Return an announcement as one line in which every character can be seen."""
    clock = f"{iso_micro(said.time_ns)[11:19]} UTC" if said.time_ns is not None else "at an unknown time"
    word = "announcement" if said.kind == "announcement" else "joining"
    return f"{clock} {word}: {visible(said.text, 1000)}"
