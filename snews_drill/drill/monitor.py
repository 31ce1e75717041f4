"""DrillMonitor: a drill seen live from its topics, whoever runs it and whichever tool people use."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Literal

from snews_drill.background import Background
from snews_drill.connection import Connection, current_connection
from snews_drill.drill.drill_picture import DrillPicture, PictureMaker
from snews_drill.errors import DrillError, NoAnswer, NotPermitted, TransportError, UnknownTopic
from snews_drill.messages.commands import Command
from snews_drill.messages.visible import visible
from snews_drill.transport import Reader, Record, Start
from snews_drill.waiting import waiting
from snews_drill.wire.alerts import decode_alert
from snews_drill.wire.dialects import decode_record

#: Seconds that a read waits for the first record, and between two attempts to open the topics again.
_SLICE_SEC = 0.2
_PAUSE_SEC = 0.5

#: A record that is read so long after it was written is dated by its writing, ns.
_LATE_NS = 5_000_000_000

#: Places of records that are remembered: the embedded broker may hand the last batch over twice.
_MAX_PLACES = 10_000


class DrillMonitor(Background):
    """Reads observations, alerts and confirmations of a drill in one thread and keeps a bounded picture of them.

    It needs the right to read the observation topic, which participants of a live drill do not have: without it
    `picture.problem` says so, and alerts and announcements are seen all the same.

    Parameters
    ----------
    connection
        Which drill; the current connection by default.
    firedrill_mode
        True for the fire-drill topics, False for the test topics.
    start
        "now" for what is written from `start` on, "beginning" for everything the broker still has.

    Examples
    --------
    >>> with DrillMonitor() as monitor:  # doctest: +SKIP
    ...     monitor.wait_for(lambda picture: len(picture.participants) >= 2, timeout=60)
    """

    def __init__(
        self,
        connection: Connection | None = None,
        *,
        firedrill_mode: bool = True,
        start: Literal["now", "beginning"] = "now",
    ) -> None:
        super().__init__()
        self._given = connection
        self._firedrill_mode = firedrill_mode
        self._start: Start = start
        self._started_ns = 0
        self._maker = PictureMaker()
        self._changed = threading.Condition()
        self._picture = DrillPicture()
        self._blind: dict[str, str] = {}
        self._trouble = ""
        self._places: OrderedDict[tuple[str, int, int, int], None] = OrderedDict()

    @property
    def picture(self) -> DrillPicture:
        """What is seen at this moment; a value that never changes, and the same one until something does."""
        return self._picture

    def start(self, timeout: float = 10.0) -> None:
        """Begin to watch; harmless when it does already. What is written from then on is seen.

        Parameters
        ----------
        timeout
            Seconds to wait for the broker.

        Raises
        ------
        DrillError
            If there is no connection, or the broker does not let it read any of the topics.
        """
        with self._lifecycle:
            if self._is_at_work:
                return
            connection = self._given or current_connection()
            if not connection.is_open:
                raise TransportError("The connection was closed.", next_step="Connect again: connect()")
            self._stop = threading.Event()
            self._blind = {}
            self._started_ns = time.time_ns()
            reader = self._open(connection, self._start, timeout)
            self._launch(self._run, connection, reader, self._stop, name="monitor")

    def wait_for(self, condition: Callable[[DrillPicture], object], timeout: float = 10.0) -> DrillPicture:
        """Return the picture once a condition on it is true.

        Parameters
        ----------
        condition
            Is given each new picture.
        timeout
            Seconds to wait at most.

        Raises
        ------
        NoAnswer
            If it does not become true in time.
        """
        with waiting("the drill", timeout), self._changed:
            if self._changed.wait_for(lambda: condition(self._picture), timeout):
                return self._picture
        picture = self._picture
        raise NoAnswer(
            f"Waited {timeout:g} s in vain; {len(picture.participants)} detectors were heard and "
            f"{len(picture.alerts)} alerts came. {picture.problem}".strip(),
            next_step="Call start() first."
            if not self.is_running
            else "Wait longer, or look at .picture.timeline.",
        )

    def __repr__(self) -> str:
        picture = self._picture
        state = "watching" if self.is_running else "not watching"
        return f"DrillMonitor({state}: {len(picture.participants)} detectors, {len(picture.alerts)} alerts)"

    def _topics(self, connection: Connection) -> list[str]:
        topics = connection.topics(firedrill_mode=self._firedrill_mode)
        return [name for name in topics.names() if name not in self._blind]

    def _open(self, connection: Connection, start: Start, timeout: float = 10.0) -> Reader:
        """Open what may be read; what may not is noted, and left out from then on."""
        while True:
            topics = self._topics(connection)
            try:
                return connection.open_reader(
                    topics, start=_within(start, topics), timeout=timeout, is_cancelled=self._stop.is_set
                )
            except (NotPermitted, UnknownTopic) as error:
                if not self._go_without(connection, topics, error):
                    raise

    def _go_without(self, connection: Connection, topics: list[str], error: DrillError) -> bool:
        """Note the topic that an error is about, so that it is left out; return whether anything is left to read."""
        observations = connection.topics(firedrill_mode=self._firedrill_mode).observations
        about = [name for name in topics if f" {name} " in f" {error.reason} "] or [observations]
        gone = [name for name in about if name in topics]
        for name in gone:
            what = (
                "what the detectors say is not seen"
                if name == observations
                else "part of the drill is not seen"
            )
            self._blind[name] = f"{error.reason} So {what}. {error.next_step}"
        return bool(gone) and len(gone) < len(topics)

    def _run(self, connection: Connection, reader: Reader, stop: threading.Event) -> None:
        while not stop.is_set() and connection.is_open:
            try:
                self._watch(connection, reader, stop)
            except (NotPermitted, UnknownTopic) as error:
                if not self._go_without(connection, self._topics(connection), error):
                    self._trouble = f"{error.reason} {error.next_step}"
                self._publish()
            except DrillError as error:
                self._trouble = f"{error.reason} {error.next_step}"
                self._publish()
            except Exception as error:  # noqa: BLE001 - the thread's boundary; it must go on
                self._trouble = f"Watching failed: {type(error).__name__}: {str(error)[:300]}"
                self._publish()
            if stop.is_set() or not connection.is_open:
                break
            reader = self._reopened(connection, reader, stop)
        reader.close()
        if not connection.is_open:
            self._trouble = "The connection was closed."
        self._publish()

    def _reopened(self, connection: Connection, reader: Reader, stop: threading.Event) -> Reader:
        with contextlib.suppress(DrillError):
            new = self._open(connection, reader.positions)
            reader.close()
            self._trouble = ""
            return new
        stop.wait(_PAUSE_SEC)
        return reader

    def _watch(self, connection: Connection, reader: Reader, stop: threading.Event) -> None:
        topics = connection.topics(firedrill_mode=self._firedrill_mode)
        self._publish()
        while not stop.is_set() and connection.is_open:
            records = reader.read(timeout=_SLICE_SEC)
            trouble = (
                "" if reader.down_since is None else "The broker does not answer; the monitor waits for it."
            )
            for record in records:
                if self._is_new(record):
                    self._look_at(record, topics.observations, topics.alerts)
            if records or trouble != self._trouble:
                self._trouble = trouble
                self._publish()

    def _is_new(self, record: Record) -> bool:
        place = (record.topic, record.partition, record.offset, record.timestamp_ms)
        is_new = place not in self._places
        self._places[place] = None
        if len(self._places) > _MAX_PLACES:
            self._places.popitem(last=False)
        return is_new

    def _look_at(self, record: Record, observations: str, alerts: str) -> None:
        now_ns, written_ns = time.time_ns(), record.timestamp_ms * 1_000_000
        is_old = written_ns < max(now_ns - _LATE_NS, self._started_ns if self._start == "beginning" else 0)
        heard_ns = written_ns if written_ns > 0 and is_old else now_ns
        try:
            if record.topic == alerts:
                self._maker.take_alert(decode_alert(record.value), heard_ns)
                return
            value = decode_record(record.value, record.content_format).value
        except (DrillError, ValueError) as error:
            reason = error.reason if isinstance(error, DrillError) else str(error)
            self._maker.take_unreadable(visible(reason, 300), heard_ns)
            return
        if record.topic == observations:
            if not isinstance(value, Command):
                self._maker.take_message(value, heard_ns)
        elif isinstance(value, Command):
            self._maker.take_reply(value, heard_ns)

    def _publish(self) -> None:
        problem = " ".join([*self._blind.values(), self._trouble]).strip()
        with self._changed:
            self._picture = self._maker.picture(problem)
            self._changed.notify_all()


def _within(start: Start, topics: list[str]) -> Start:
    """Return where to start, for these topics only; what has no place yet begins with what comes now."""
    if isinstance(start, str):
        return start
    return {place: offset for place, offset in start.items() if place[0] in topics} or "now"
