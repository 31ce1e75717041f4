"""A thread that reads one topic, goes on after outages, and can be told to stop."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Literal

from snews_drill.bookmark import Bookmark
from snews_drill.connection import Connection
from snews_drill.errors import DrillError, NotAuthenticated, NotPermitted, TransportError, UnknownTopic
from snews_drill.inbox import Inbox, Phase
from snews_drill.transport import Reader, Record, Start

_log = logging.getLogger("snews_drill")

#: A read returns after this many seconds without a record, to see whether it should stop.
_SLICE_SEC = 0.2

#: Pauses between attempts to open a reader again, seconds: the first, and the longest.
_FIRST_PAUSE_SEC = 0.1
_LONGEST_PAUSE_SEC = 5.0

#: So long a topic may be missing after an outage: a rehearsal's broker comes back empty, its topics a moment
#: later.
_TOPIC_GRACE_SEC = 30.0


class Listener:
    """Reads a topic in a thread of its own and hands every record over, in order.

    Parameters
    ----------
    connection
        Whose broker to read from.
    topic
        What to read.
    start
        "now" for what is written from `start` on, "beginning" for everything the broker keeps.
    inbox
        Is told what the thread does: connecting, listening, reconnecting, stopped, failed.
    take
        Called in the thread with each record and when it was read (ns since 1970, UTC); says whether all that was to be
        done with it is done.
    at_end
        Called in the thread when it ends, for whatever reason.
    bookmark
        Tells where to begin, if it was written before, and is kept up to date; closed at the end.
    """

    def __init__(
        self,
        connection: Connection,
        topic: str,
        start: Literal["now", "beginning"],
        *,
        inbox: Inbox,
        take: Callable[[Record, int], bool],
        at_end: Callable[[], None],
        bookmark: Bookmark | None = None,
    ) -> None:
        self._connection = connection
        self._topic = topic
        self._start = start
        self._inbox = inbox
        self._take = take
        self._at_end = at_end
        self._bookmark = bookmark
        self._stop = threading.Event()
        self._is_settled = threading.Event()
        self._positions: dict[tuple[str, int], int] | None = None
        self._life: str | None = None
        self._pause = _FIRST_PAUSE_SEC
        self._missing_since: float | None = None
        self._patient_from = 0.0
        self._thread = threading.Thread(target=self._run, name=f"snews_drill {topic}", daemon=True)

    @property
    def is_running(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    @property
    def is_this_thread(self) -> bool:
        """Whether the caller runs in its thread."""
        return self._thread is threading.current_thread()

    def start(self, timeout: float) -> None:
        """Start the thread; wait until it listens or failed, or for `timeout` seconds. Once only."""
        self._inbox.enter(Phase.CONNECTING)
        self._patient_from = time.monotonic() + timeout
        self._thread.start()
        self._is_settled.wait(timeout)
        if self._inbox.state.phase is Phase.FAILED:
            self._thread.join(timeout)

    def ask_to_end(self) -> None:
        """Tell the thread to end soon; returns at once."""
        self._stop.set()

    def join_if_ending(self, timeout: float) -> None:
        """Wait for a thread that was told to end; leave one alone that was not.

        Raises
        ------
        TransportError
            If it does not end within `timeout` seconds.
        """
        if not self._stop.is_set():
            return
        self.join(timeout)
        if self.is_running:
            raise TransportError(
                "The subscriber is still stopping: a callback has not returned.",
                next_step="Wait until it returns, or make another Subscriber.",
            )

    def join(self, timeout: float) -> None:
        """Wait for the end of the thread, at most `timeout` seconds."""
        self._thread.join(timeout)

    def _run(self) -> None:
        error: DrillError | None = None
        try:
            while not self._stop.is_set() and error is None:
                try:
                    self._listen()
                    self._stop.set()
                except Exception as caught:  # noqa: BLE001 - the end of the thread; nothing may pass unseen
                    if not self._stop.is_set():
                        error = self._final(caught)
        finally:
            self._inbox.enter(Phase.STOPPED if error is None else Phase.FAILED, error=error)
            if self._bookmark is not None:
                self._bookmark.close()
            self._is_settled.set()
            self._at_end()

    def _listen(self) -> None:
        """Read until told to stop, or until the connection is closed."""
        reader = self._open()
        try:
            down_since: float | None = None
            self._inbox.enter(Phase.LISTENING)
            self._is_settled.set()
            while not self._stop.is_set():
                records = reader.read(timeout=_SLICE_SEC)
                if reader.life != self._life:
                    self._life = reader.life
                    self._inbox.note(
                        "The broker was started anew, without its records; they are read from its beginning."
                    )
                if reader.down_since != down_since:
                    down_since = reader.down_since
                    self._note_outage(down_since)
                self._hand_over(records, reader)
                if not self._connection.is_open:
                    self._inbox.note("The connection was closed.")
                    return
        finally:
            reader.close()

    def _open(self) -> Reader:
        life = self._current_life()
        where: Start = self._start
        written_ms: Mapping[tuple[str, int], int] = {}
        if self._positions is not None:
            # A broker that came back empty numbers its records anew: everything there is later than what we
            # know.
            where = self._positions if life == self._life else "beginning"
        elif self._bookmark is not None and self._bookmark.mark is not None:
            mark = self._bookmark.mark
            where = mark.positions if mark.life == life else "beginning"
            written_ms = mark.timestamps_ms if life is None else {}  # a life says it all
        reader = self._connection.open_reader(
            [self._topic], start=where, is_cancelled=self._stop.is_set, written_ms=written_ms
        )
        self._positions, self._life, self._missing_since = reader.positions, life, None
        if self._bookmark is not None:
            self._bookmark.begin(reader.positions)
            self._write_bookmark(reader)
        return reader

    def _write_bookmark(self, reader: Reader) -> None:
        if self._bookmark is None:
            return
        try:
            self._bookmark.write(reader.life)
        except OSError as error:
            # It stays behind: after a restart some alerts come again, and are found in the folder.
            self._inbox.note(
                f"The bookmark {self._bookmark.path} could not be written: {error.strerror or error}."
            )

    def _current_life(self) -> str | None:
        rehearsal = self._connection.rehearsal
        state = rehearsal.current_state() if rehearsal is not None else None
        return state.instance if state is not None else self._life

    def _hand_over(self, records: list[Record], reader: Reader) -> None:
        received_time_ns = time.time_ns()
        for record in records:
            if self._stop.is_set():
                break
            if self._positions is not None:
                # Before it is looked at: a record that does harm must not come again for ever.
                self._positions[record.topic, record.partition] = record.offset + 1
            is_done = self._take(record, received_time_ns)
            if self._bookmark is not None:
                self._bookmark.pass_by(record, is_kept=is_done)
        if records:
            self._write_bookmark(reader)
            self._pause = _FIRST_PAUSE_SEC

    def _note_outage(self, down_since: float | None) -> None:
        if down_since is None:
            self._inbox.enter(Phase.LISTENING)
        else:
            self._inbox.enter(Phase.RECONNECTING, since_ns=int(down_since * 1e9))
            self._inbox.note("The broker does not answer.")

    def _final(self, caught: Exception) -> DrillError | None:
        """Return the error if waiting cannot heal it; else pause and return None."""
        error = caught if isinstance(caught, DrillError) else _unexpected(caught)
        if isinstance(error, (NotPermitted, NotAuthenticated)):
            return error
        if isinstance(error, UnknownTopic):
            self._missing_since = self._missing_since or time.monotonic()
            # Whoever waits for the start is told at once; later on, an outage may explain it.
            is_early = self._positions is None and time.monotonic() < self._patient_from
            if is_early or time.monotonic() - self._missing_since > _TOPIC_GRACE_SEC:
                return error
        if self._positions is not None and self._inbox.state.phase is not Phase.RECONNECTING:
            self._inbox.enter(Phase.RECONNECTING)
        self._inbox.note(error.reason)
        _log.info("%s: %s", self._topic, error.reason)
        # Growing, and never the same for two subscribers: a broker that comes back is not stormed.
        self._stop.wait(self._pause * random.uniform(0.5, 1.0))  # noqa: S311
        self._pause = min(self._pause * 2, _LONGEST_PAUSE_SEC)
        return None


def _unexpected(caught: Exception) -> TransportError:
    return TransportError(
        f"Reading failed: {type(caught).__name__}: {str(caught)[:300]}",
        next_step="It is tried again; if it stays, stop the subscriber and connect again.",
    )
