"""The drill server: reads what detectors write, decides, answers, and publishes alerts.

It stands in for SNEWS in a rehearsal, and serves a drill of many people on any Kafka broker. One thread reads, decides and
writes; each batch of records is one transaction of the archive, and nothing leaves before that transaction is on disk.
"""

from __future__ import annotations

import dataclasses
import logging
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from snews_drill.connection import Connection
from snews_drill.errors import ArchiveError, DrillError, InvalidMessage, MessageTooLarge, TransportError
from snews_drill.messages.checks import check_times
from snews_drill.messages.commands import Command
from snews_drill.messages.tiers import CoincidenceTier, DetectorMessage, Heartbeat, Retraction
from snews_drill.messages.times import NS_PER_DAY, NS_PER_SECOND
from snews_drill.rehearsal.archive import Archive, ArchivedRecord, Outgoing
from snews_drill.rehearsal.exercise import Exercise, restore_all
from snews_drill.rehearsal.false_alarm import false_alarm_text
from snews_drill.rehearsal.server_commands import CommandDesk
from snews_drill.rehearsal.server_status import Refusal, SeenDetector, ServerStatus
from snews_drill.transport import Reader, Record
from snews_drill.wire.dialects import decode_record, get_dialect
from snews_drill.wire.payload import Payload

_LOG = logging.getLogger("snews_drill.server")

#: How far a sender's clock may be ahead of ours, ns.
CLOCK_TOLERANCE_NS = 10 * NS_PER_SECOND

#: Mails that may wait for the mail server; further requests are refused.
MAX_WAITING_MAILS = 10

_HOUSEKEEPING_SECONDS = 60.0


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
    ) -> None:
        self._connection = connection
        self._archive = archive
        self._instance = instance
        self._server_tag = server_tag
        self._desk = CommandDesk(archive, connection.settings, connection.admin_token or "", is_private)
        self._exercises: dict[str, Exercise] = {}
        self._seen: dict[str, SeenDetector] = {}
        self._counts: Counter[str] = Counter()
        self._refusals: deque[Refusal] = deque(maxlen=100)
        self._status = ServerStatus()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._mails: ThreadPoolExecutor | None = None
        self._mailing: list[tuple[Future[Command], str, str]] = []
        self._failure: BaseException | None = None
        self._has_waiting = True
        self._next_housekeeping = 0.0

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
            self._mails = ThreadPoolExecutor(max_workers=1, thread_name_prefix="snews_drill feedback")
            self._thread = threading.Thread(target=self._serve, name="snews_drill server", daemon=True)
            self._thread.start()
        return self

    def stop(self, timeout: float = 5.0) -> None:
        """End; raises what ended the thread, if anything did. May be called twice.

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
        if self._thread is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                raise DrillError(f"The drill server did not stop within {timeout:g} s.", next_step="Call stop() again.")
            self._thread = None
        if self._mails is not None:
            self._mails.shutdown(wait=True, cancel_futures=True)
            self._mails = None
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
        pause = 0.1
        try:
            while not self._stop.is_set():
                try:
                    self._serve_until_trouble()
                except (ArchiveError, TransportError) as error:
                    _LOG.warning("%s", error)
                    self._publish_status("waiting", error.reason)
                    # Jittered, so that servers that lost the same broker do not come back in step.
                    self._stop.wait(pause * random.uniform(0.5, 1.5))  # noqa: S311
                    pause = min(pause * 2, 5.0)
                else:
                    pause = 0.1
        except BaseException as error:  # noqa: BLE001 - the thread's boundary: kept, and raised by stop()
            _LOG.exception("the drill server ended")
            self._failure = error
        finally:
            self._publish_status("stopped", str(self._failure or ""))

    def _serve_until_trouble(self) -> None:
        self._restore()
        positions = self._archive.positions(self._instance)
        topics = list(self._exercises)
        reader = self._connection.open_reader(topics, start=positions or "beginning")
        try:
            self._publish_status("listening")
            while not self._stop.is_set():
                records = reader.read(timeout=0.1)
                if records:
                    self._take(records)
                self._collect_mails()
                if self._has_waiting:
                    self._send_waiting()
                if records or time.monotonic() >= self._next_housekeeping:
                    self._keep_house()
                    self._publish_status(*self._connection_state(reader))
        finally:
            reader.close()

    @staticmethod
    def _connection_state(reader: Reader) -> tuple[str, str]:
        return ("listening", "") if reader.down_since is None else ("waiting", "The broker does not answer.")

    def _restore(self) -> None:
        profile = self._connection.profile
        now_ns = time.time_ns()
        self._exercises = {
            topics.observations: Exercise(topics, self._archive, self._connection.dialect, self._server_tag)
            for topics in (profile.test, profile.firedrill)
        }
        restore_all(self._exercises, self._archive, now_ns=now_ns)
        self._seen = {}
        for name, is_on, sent_ns, received_ns in self._archive.heartbeats(since_ns=now_ns - NS_PER_DAY):
            self._note_heartbeat(name, is_on=is_on, sent_ns=sent_ns, received_ns=received_ns)
        self._counts = Counter()
        for (outcome, kind), count in self._archive.counts().items():
            self._counts[kind if outcome == "accepted" else outcome] += count
        self._counts["alerts"] = len(self._archive.alerts())
        self._has_waiting = True

    def _take(self, records: Sequence[Record]) -> None:
        received_ns = time.time_ns()
        with self._archive.transaction():
            for record in records:
                self._take_one(record, received_ns)
                self._archive.set_position(self._instance, record.topic, record.partition, record.offset + 1)

    def _take_one(self, record: Record, received_ns: int) -> None:
        outcome, kind, detector, key, reason = self._judge(record, received_ns)
        is_new = self._archive.add_record(
            ArchivedRecord(
                self._instance,
                record.topic,
                record.partition,
                record.offset,
                record.timestamp_ms,
                received_ns,
                outcome,
                kind,
                detector,
                key,
                reason,
                record.value,
            )
        )
        if not is_new:
            return
        self._counts[kind if outcome == "accepted" else outcome] += 1
        if outcome in ("refused", "unreadable"):
            self._refusals.append(Refusal(record.topic, record.partition, record.offset, outcome, reason))

    def _judge(self, record: Record, received_ns: int) -> tuple[str, str, str, str, str]:
        """Do what a record asks; return (outcome, kind, detector, message key, reason)."""
        try:
            decoded = decode_record(record.value, record.content_format)
        except InvalidMessage as error:
            return "refused", "", "", "", error.reason[:2000]
        except DrillError as error:
            return "unreadable", "", "", "", error.reason[:2000]
        value = decoded.value
        exercise = self._exercises[record.topic]
        if isinstance(value, Command):
            return self._obey(value, exercise, decoded.dialect_name, received_ns)
        key = value.uuid or value.id
        kind = value.tier.value
        if not isinstance(value, CoincidenceTier) and self._archive.is_known(kind, value.detector_name, key):
            return "repeated", kind, value.detector_name, key, "It was here before."
        # A record that waited for the server is judged by the time it was written, not by the time it is read.
        written_ns = min(record.timestamp_ms * 1_000_000, received_ns)
        now_ns = written_ns if 0 < received_ns - written_ns < NS_PER_DAY else received_ns
        problems = check_times(value, now_ns=now_ns, tolerance_ns=CLOCK_TOLERANCE_NS)
        if problems:
            return "refused", kind, value.detector_name, key, "; ".join(map(str, problems))[:2000]
        self._heed(value, exercise, key, record, received_ns)
        return "accepted", kind, value.detector_name, key, ""

    def _heed(
        self, message: DetectorMessage, exercise: Exercise, key: str, record: Record, received_ns: int
    ) -> None:
        seen = self._seen.get(message.detector_name, SeenDetector(message.detector_name))
        seen = dataclasses.replace(seen, last_message_ns=received_ns)
        if isinstance(message, Heartbeat):
            sent_ns = message.sent_time_ns or message.machine_time_ns or received_ns
            if self._archive.add_heartbeat(
                message.detector_name, key, is_on=message.is_on, sent_time_ns=sent_ns, received_ns=received_ns
            ):
                self._seen[message.detector_name] = seen
                self._note_heartbeat(
                    message.detector_name, is_on=message.is_on, sent_ns=sent_ns, received_ns=received_ns
                )
            return
        alerts = 0
        if isinstance(message, CoincidenceTier):
            alerts = exercise.observe(
                message, received_ns=received_ns, timestamp_ms=record.timestamp_ms, false_alarm=self._false_alarm
            )
            seen = dataclasses.replace(seen, observations=seen.observations + 1)
        elif isinstance(message, Retraction):
            _, alerts = exercise.retract(
                message, received_ns=received_ns, timestamp_ms=record.timestamp_ms, false_alarm=self._false_alarm
            )
            seen = dataclasses.replace(seen, retractions=seen.retractions + 1)
        self._seen[message.detector_name] = seen
        self._counts["alerts"] += alerts
        self._has_waiting = self._has_waiting or alerts > 0

    def _note_heartbeat(self, name: str, *, is_on: bool, sent_ns: int, received_ns: int) -> None:
        seen = self._seen.get(name, SeenDetector(name))
        self._seen[name] = dataclasses.replace(
            seen,
            heartbeats=seen.heartbeats + 1,
            is_on=is_on,
            last_heartbeat_ns=received_ns,
            last_message_ns=received_ns,
            latency_ms=(received_ns - sent_ns) / 1e6,
        )

    def _false_alarm(self, coincident: int) -> str:
        detectors_on = sum(1 for seen in self._seen.values() if seen.is_on)
        return false_alarm_text(detectors_on, coincident)

    def _obey(
        self, command: Command, exercise: Exercise, dialect_name: str, received_ns: int
    ) -> tuple[str, str, str, str, str]:
        kind = command.name.value
        if command.status != "sending":
            return "refused", kind, command.detector_name, command.request_id, "It is a reply, not a request."
        if command.request_id and self._archive.is_known(kind, command.detector_name, command.request_id):
            return "repeated", kind, command.detector_name, command.request_id, "It was here before."
        reply, later = self._desk.answer(command, exercise, now_ns=received_ns)
        if later is None:
            self._queue_reply(reply, exercise.topics.connection, dialect_name, received_ns)
        elif self._mails is None or len(self._mailing) >= MAX_WAITING_MAILS:
            busy = reply.model_copy(update={"status": "refused", "reason": "Too many mails are waiting; try later."})
            self._queue_reply(busy, exercise.topics.connection, dialect_name, received_ns)
        else:
            self._mailing.append((self._mails.submit(later), exercise.topics.connection, dialect_name))
        outcome = "refused" if reply.status == "refused" else "accepted"
        return outcome, kind, command.detector_name[:200], command.request_id, reply.reason if outcome == "refused" else ""

    def _queue_reply(self, reply: Command, topic: str, dialect_name: str, now_ns: int) -> None:
        payload = get_dialect(dialect_name).encode_command(reply)
        self._archive.queue(Outgoing(topic, "reply", "", payload.content, payload.content_format, now_ns))
        self._has_waiting = True

    def _collect_mails(self) -> None:
        done = [entry for entry in self._mailing if entry[0].done()]
        for entry in done:
            future, topic, dialect_name = entry
            self._mailing.remove(entry)
            error = future.exception()
            if error is not None:
                _LOG.error("feedback failed", exc_info=error)
                continue
            with self._archive.transaction():
                self._queue_reply(future.result(), topic, dialect_name, time.time_ns())

    def _send_waiting(self) -> None:
        waiting = self._archive.waiting()
        sent: list[int] = []
        for topic in dict.fromkeys(outgoing.topic for outgoing in waiting):
            batch = [outgoing for outgoing in waiting if outgoing.topic == topic]
            payloads = [Payload(o.content, "blob" if o.content_format == "blob" else "json") for o in batch]
            outcomes = self._connection.send(topic, payloads, timeout=5.0)
            for outgoing, outcome in zip(batch, outcomes, strict=True):
                if isinstance(outcome, MessageTooLarge):
                    # It can never be sent; keeping it would hold up all that follow.
                    _LOG.error("an %s is too large for the topic: %s", outgoing.kind, outcome)
                elif isinstance(outcome, TransportError):
                    self._archive.mark_sent(sent, now_ns=time.time_ns())
                    raise outcome
                sent.append(outgoing.number)
        self._archive.mark_sent(sent, now_ns=time.time_ns())
        self._has_waiting = len(waiting) == 1000

    def _keep_house(self) -> None:
        if time.monotonic() < self._next_housekeeping:
            return
        self._next_housekeeping = time.monotonic() + _HOUSEKEEPING_SECONDS
        now_ns = time.time_ns()
        for exercise in self._exercises.values():
            exercise.expire(now_ns)
        self._archive.drop_old(now_ns=now_ns)

    def _publish_status(self, state: str, problem: str = "") -> None:
        previous = self._status
        self._status = ServerStatus(
            state=state,
            problem=problem,
            started_ns=previous.started_ns or time.time_ns(),
            counts=dict(self._counts),
            detectors=tuple(self._seen[name] for name in sorted(self._seen)),
            groups=tuple(
                tuple(observation.detector for observation in group)
                for exercise in self._exercises.values()
                for group in exercise.groups
            ),
            refusals=tuple(self._refusals),
        )


