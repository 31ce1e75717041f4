"""The drill server: reads what detectors write, decides, answers, and publishes alerts.

It stands in for SNEWS in a rehearsal, and serves a drill of many people on any Kafka broker. One thread reads, decides and
writes; each batch of records is one transaction of the archive, and nothing leaves before that transaction is on disk.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from types import TracebackType

from snews_drill.connection import Connection
from snews_drill.errors import (
    ArchiveError,
    BrokerUnreachable,
    DrillError,
    MessageTooLarge,
    NotPermitted,
    TransportError,
    UnknownTopic,
)
from snews_drill.rehearsal.archive import Archive, Outgoing
from snews_drill.rehearsal.exercise import Exercise
from snews_drill.rehearsal.joining import Joining
from snews_drill.rehearsal.record_source import STANDBY_NOTE, Intended, OwnReading, RecordSource
from snews_drill.rehearsal.server_clock import ServerClock
from snews_drill.rehearsal.server_commands import CommandDesk
from snews_drill.rehearsal.server_intake import ECHO_DELAY_NS, Intake
from snews_drill.rehearsal.server_mail import MailRoom
from snews_drill.rehearsal.server_status import ServerStatus
from snews_drill.rehearsal.standby import StandbyGroup
from snews_drill.wire.payload import Payload

_LOG = logging.getLogger("snews_drill.server")

#: Seconds between looks at what is old, and between two snapshots of the status.
_HOUSEKEEPING_SECONDS = 60.0
_STATUS_SECONDS = 0.1

#: Pauses after something outside stood in the way, seconds: the first, and the longest.
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0

#: So long all has to go well, after the archive was in the way, before the server says that it does, seconds: longer than
#: it takes to find out.
_DOUBT_SECONDS = 3.0

#: Messages that are sent in one go.
_SEND_LIMIT = 1000

#: Where the archive notes which life of the broker knows the alerts.
_LIFE = "life"


class DrillServer:
    """A drill server on one connection.

    Parameters
    ----------
    connection
        Where to read and write; it stays open when the server stops.
    archive
        Where everything is kept; it stays open too.
    instance
        Which life of the broker this is; "" for a broker that keeps its content.
    is_private
        Whether only this user can read the topics, as in a rehearsal.
    server_tag
        The name that alerts carry.
    standby_group
        The group of servers of which one is active while the others stand by; None for a server alone.

    Notes
    -----
    `start`, `stop(timeout)`, `is_running` and `with`, as everything here that runs.
    """

    def __init__(
        self,
        connection: Connection,
        archive: Archive,
        *,
        instance: str = "",
        is_private: bool = False,
        server_tag: str = "snews_drill",
        standby_group: str | None = None,
    ) -> None:
        self._connection = connection
        self._archive = archive
        exercises = {
            topics.observations: Exercise(topics, archive, connection.dialect, server_tag)
            for topics in (connection.profile.test, connection.profile.firedrill)
        }
        joining = Joining(archive)
        desk = CommandDesk(archive, joining, connection.settings, connection.admin_token or "", is_private)
        self._mail_room = MailRoom()
        self._clock = ServerClock(archive)
        self._instance = instance
        self._intake = Intake(archive, exercises, desk, self._mail_room, instance)
        self._status = ServerStatus()
        self._status_due: float | None = None
        self._stop = threading.Event()
        self._source: RecordSource = (
            OwnReading(connection, archive, list(exercises), instance, self._stop.is_set, self._clock)
            if standby_group is None
            else StandbyGroup(connection, archive, standby_group, instance, self._stop.is_set, server_tag)
        )
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._next_housekeeping = 0.0
        self._doubt_ends = 0.0
        self._reply_problem = ""
        self._sent: set[int] = set()  # acknowledged by the broker, and not noted yet

    @property
    def is_running(self) -> bool:
        """Whether its thread lives."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def status(self) -> ServerStatus:
        """A snapshot; cheap, from any thread."""
        return self._status

    def start(self) -> DrillServer:
        """Begin to serve in a thread of its own; does nothing if it serves already."""
        if not self.is_running:
            self._stop.clear()
            self._failure = None
            self._mail_room.start()
            self._thread = threading.Thread(target=self._serve, name="snews_drill server", daemon=True)
            self._thread.start()
        return self

    def stop(self, timeout: float = 5.0) -> None:
        """End; raises what ended the thread, if anything did. May be called twice.

        What was decided and not yet sent goes out when the server is started again on the same archive.

        Parameters
        ----------
        timeout
            Seconds to wait.

        Raises
        ------
        DrillError
            If it did not end in time.
        """
        self._stop.set()
        deadline = time.monotonic() + timeout
        if self._thread is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                raise DrillError(
                    f"The drill server did not stop within {timeout:g} s.", next_step="Call stop() again."
                )
            self._thread = None
        self._mail_room.stop(max(deadline - time.monotonic(), 0.0))
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def __enter__(self) -> DrillServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"DrillServer({self._connection.broker}, {self._status.state})"

    def _serve(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        try:
            while not self._stop.is_set():
                began = time.monotonic()
                try:
                    self._serve_until_trouble()
                except (ArchiveError, TransportError) as error:
                    if time.monotonic() - began > 2 * _LONGEST_PAUSE_SECONDS:
                        pause = _FIRST_PAUSE_SECONDS  # it had gone well
                    if isinstance(error, ArchiveError):
                        self._doubt_ends = time.monotonic() + _DOUBT_SECONDS
                    _LOG.warning("%s", error)
                    self._publish_status("waiting", error.reason)
                    # Jittered, so that servers that lost the same broker do not come back in step.
                    self._stop.wait(pause * random.uniform(0.5, 1.5))  # noqa: S311
                    pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
        except BaseException as error:  # noqa: BLE001 - the thread's boundary: kept, and raised by stop()
            _LOG.exception("the drill server ended")
            self._failure = error
        finally:
            self._publish_status("stopped", str(self._failure or ""))

    def _serve_until_trouble(self) -> None:
        source, intake = self._source, self._intake
        try:
            self._tell_anew()
            intake.restore(source.expired_ns())
            source.open()
            while not self._stop.is_set():
                has_news = False
                for intended in source.read(timeout=0.1):
                    intake.is_answering = source.is_active
                    self._do(intended)
                    has_news = has_news or bool(intended.records)
                for reply, task in self._mail_room.answers():
                    if source.is_active:
                        intake.answer(reply, task, self._clock.now_ns())
                if intake.has_outgoing and source.may_send():
                    self._send_waiting()
                self._keep_house()
                self._note_status(is_down=source.is_down, has_news=has_news)
        finally:
            source.close()

    def _do(self, intended: Intended) -> None:
        def also() -> None:
            if intended.is_expiry:
                for exercise in self._intake.exercises.values():
                    exercise.note_expired(intended.received_ns)
            if intended.note:
                self._archive.note(STANDBY_NOTE, intended.note)

        if intended.is_time_set:
            self._intake.restore(intended.received_ns)
        if intended.records:
            self._intake.take(intended.records, intended.received_ns, also=also)
            self._doubt_ends = 0.0
            return
        with self._archive.transaction():
            also()

    def _tell_anew(self) -> None:
        """Send the newest alerts again if the broker lost them with its last life; who has them counts them once."""
        known_to = self._archive.noted(_LIFE)
        if known_to == self._instance:
            return
        with self._archive.transaction():
            if known_to and (count := self._archive.send_again(limit=_SEND_LIMIT)):
                _LOG.warning("the broker came back empty; the newest alerts (%d) are sent again", count)
            self._archive.note(_LIFE, self._instance)

    def _send_waiting(self) -> None:
        kept, now_ns = self._archive.waiting(limit=_SEND_LIMIT), self._clock.now_ns()
        # Only echoes are ever due later; a clock that was set back must not hold anything else up.
        due = [o for o in kept if o.kind != "reply" or not 0 < o.made_ns - now_ns <= ECHO_DELAY_NS]
        # What was sent and could not be noted, on a full disk, is not sent again and again.
        waiting = [o for o in due if o.number not in self._sent]
        failure: TransportError | None = None
        for topic in dict.fromkeys(outgoing.topic for outgoing in waiting):
            trouble = self._send([o for o in waiting if o.topic == topic], self._sent)
            failure = failure or trouble
            if isinstance(trouble, BrokerUnreachable):
                break  # nor would the others arrive; what is wrong with one topic holds up that one alone
        self._archive.mark_sent(sorted(self._sent), now_ns=self._clock.now_ns())
        self._sent.clear()
        if failure is not None:
            raise failure
        self._intake.has_outgoing = len(kept) == _SEND_LIMIT or len(due) < len(kept)

    def _send(self, batch: list[Outgoing], sent: set[int]) -> TransportError | None:
        """Send messages of one topic, note those that need not be sent again, and return what went wrong first."""
        # One key: on a partitioned topic too, readers see a server's alerts in the order it decided them.
        payloads = [
            Payload(o.content, "blob" if o.content_format == "blob" else "json", o.kind.encode())
            for o in batch
        ]
        outcomes = self._connection.send(
            batch[0].topic, payloads, timeout=5.0, is_cancelled=self._stop.is_set
        )
        failure: TransportError | None = None
        for outgoing, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, MessageTooLarge):
                # It can never be sent; keeping it would hold up all that follow.
                _LOG.error("the %s is too large for the topic: %s", outgoing.kind, outcome)
            elif outgoing.kind == "reply" and isinstance(outcome, NotPermitted | UnknownTopic):
                # Who asked has stopped waiting before anybody changes that.
                _LOG.error("a reply was given up: %s", outcome)
                self._reply_problem = f"Nobody gets a reply: {outcome.reason} {outcome.next_step}"
            elif isinstance(outcome, TransportError):
                failure = failure or outcome
                continue
            elif outgoing.kind == "reply":
                self._reply_problem = ""
            sent.add(outgoing.number)
        return failure

    def _keep_house(self) -> None:
        if time.monotonic() < self._next_housekeeping:
            return
        self._next_housekeeping = time.monotonic() + _HOUSEKEEPING_SECONDS
        self._clock.keep()
        self._archive.drop_old(now_ns=self._clock.now_ns())

    def _note_status(self, *, is_down: bool, has_news: bool) -> None:
        # The servers of a standby group follow the time of the active one.
        state, problem = "listening", self._reply_problem or ("" if self._source.role else self._clock.remark)
        if is_down:
            state, problem = "waiting", "The broker does not answer."
        now = time.monotonic()
        if now < self._doubt_ends and self._status.state == "waiting":
            state, problem = "waiting", self._status.problem
        if has_news and self._status_due is None:
            self._status_due = now + _STATUS_SECONDS
        is_due = self._status_due is not None and (now >= self._status_due or not has_news)
        before = self._status
        if is_due or (state, problem, self._source.role) != (before.state, before.problem, before.role):
            self._publish_status(state, problem)

    def _publish_status(self, state: str, problem: str = "") -> None:
        self._status_due = None
        intake = self._intake
        self._status = ServerStatus(
            state=state,
            problem=problem,
            role=self._source.role,
            started_ns=self._status.started_ns or self._clock.now_ns(),
            counts=intake.counts,
            detectors=tuple(intake.seen[name] for name in sorted(intake.seen)),
            groups=tuple(
                tuple(observation.detector for observation in group)
                for exercise in intake.exercises.values()
                for group in exercise.groups
            ),
            refusals=tuple(intake.refusals),
            frozen=tuple(name for name in intake.exercises if intake.joining.frozen(name) is not None),
        )
