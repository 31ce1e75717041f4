"""What the drill server makes of each record: judged, kept and acted upon, a batch in one transaction.

Everything a record says is hostile text. A record that finds a fault in this program is set aside and kept like any
other unreadable one; it never ends the drill, and never comes again for ever.
"""

from __future__ import annotations

import dataclasses
import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from snews_drill.errors import DrillError, InvalidMessage
from snews_drill.messages.commands import Command, CommandName
from snews_drill.messages.tiers import CoincidenceTier, DetectorMessage, Heartbeat, Retraction
from snews_drill.messages.times import NS_PER_DAY, NS_PER_SECOND, iso_micro
from snews_drill.rehearsal.archive import Archive, ArchivedRecord, Outgoing
from snews_drill.rehearsal.exercise import Exercise, restore_all
from snews_drill.rehearsal.false_alarm import false_alarm_text
from snews_drill.rehearsal.judging import bounded, is_repeated, message_key, readable, wrong_time
from snews_drill.rehearsal.server_commands import CommandDesk
from snews_drill.rehearsal.server_mail import MailRoom, MailTask
from snews_drill.rehearsal.server_status import Refusal, SeenDetector
from snews_drill.transport import Record
from snews_drill.wire.dialects import decode_record, get_dialect

_LOG = logging.getLogger("snews_drill.server")

#: How long the echo of the published client's connection test waits, ns. snews_pt 3.0.0 reads from the end of the topic, and
#: its consumer finds that end about 0.1 s after the test was written (measured on loopback): a quicker echo lies before it
#: and is never seen. The client looks after 8 s; the published server needs about 1 s.
ECHO_DELAY_NS = 2 * NS_PER_SECOND

#: Longest reason that is kept, characters.
_MAX_REASON = 2000


class _Verdict(NamedTuple):
    outcome: str
    kind: str = ""
    detector: str = ""
    key: str = ""
    reason: str = ""


@dataclass
class _Batch:
    """What a batch of records changes outside the archive; in force when the archive has it."""

    received_ns: int
    seen: dict[str, SeenDetector]
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    refusals: list[Refusal] = field(default_factory=list)
    mails: list[MailTask] = field(default_factory=list)
    alerts: int = 0
    has_outgoing: bool = False


class Intake:
    """Judges records and does what they ask.

    Parameters
    ----------
    archive
        Where everything is kept.
    exercises
        By observation topic.
    desk
        Answers commands.
    mail_room
        Sends mails.
    instance
        Which life of the broker this is.

    Attributes
    ----------
    exercises : dict of str to Exercise
        By observation topic.
    seen : dict of str to SeenDetector
        Who was heard; the roster bounds it.
    refusals : deque of Refusal
        The newest records that were not accepted.
    has_outgoing : bool
        Whether something may wait to be sent.
    joining : Joining
        Who may take part.
    is_answering : bool
        Whether commands are answered; a server that stands by obeys them in silence.
    """

    def __init__(
        self,
        archive: Archive,
        exercises: dict[str, Exercise],
        desk: CommandDesk,
        mail_room: MailRoom,
        instance: str,
    ) -> None:
        self._archive = archive
        self._desk = desk
        self.joining = desk.joining
        self._mail_room = mail_room
        self._instance = instance
        self._counts: Counter[tuple[str, str]] = Counter()
        self._alerts = 0
        self.exercises = exercises
        self.seen: dict[str, SeenDetector] = {}
        self.refusals: deque[Refusal] = deque(maxlen=100)
        self.has_outgoing = True
        self.is_answering = True

    @property
    def counts(self) -> dict[str, int]:
        """Records by tier or command word, and "refused", "unreadable", "repeated", "alerts"."""
        found: Counter[str] = Counter()
        for (outcome, kind), number in self._counts.items():
            found[kind if outcome == "accepted" else outcome] += number
        return {**found, "alerts": self._alerts}

    def restore(self, now_ns: int) -> None:
        """Begin where the archive stands; `now_ns` is ns since 1970 (UTC)."""
        for exercise in self.exercises.values():
            exercise.forget()
        restore_all(self.exercises, self._archive, now_ns=now_ns)
        self.joining.restore(self.exercises)
        self._counts = Counter(self._archive.counts())
        self._alerts = self._archive.alert_count()
        self.has_outgoing = True
        for name, count, is_on, sent_ns, received_ns in self._archive.heartbeats_per_detector(
            since_ns=now_ns - NS_PER_DAY
        ):
            seen = self.seen.get(name, SeenDetector(name))
            self.seen[name] = dataclasses.replace(
                seen,
                heartbeats=max(count, seen.heartbeats),
                is_on=is_on,
                last_heartbeat_ns=received_ns,
                last_message_ns=max(received_ns, seen.last_message_ns or 0),
                latency_ms=(received_ns - sent_ns) / 1e6,
            )

    def take(
        self, records: Sequence[Record], received_ns: int, *, also: Callable[[], None] = lambda: None
    ) -> None:
        """Keep records and do what they ask, all or none.

        Parameters
        ----------
        records
            In the order they were read.
        received_ns
            When they were read, ns since 1970 (UTC).
        also
            Called in the transaction of the last of them.

        Raises
        ------
        ArchiveError
            If they could not be kept; call `restore` before the next attempt.
        """
        try:
            self._take_together(records, received_ns, also)
        except DrillError:
            raise
        except Exception:  # noqa: BLE001 - one hostile record must not end the drill; logged below
            # A record found a fault in this program: the others must not suffer, and it must not come for ever.
            self.restore(received_ns)
            if len(records) == 1:
                _LOG.exception("a record could not be judged")
                self._take_together(records, received_ns, also, is_judged=False)
                return
            for record in records[:-1]:
                self.take([record], received_ns)
            self.take(records[-1:], received_ns, also=also)

    def _take_together(
        self,
        records: Sequence[Record],
        received_ns: int,
        also: Callable[[], None],
        *,
        is_judged: bool = True,
    ) -> None:
        batch = _Batch(received_ns, dict(self.seen))
        with self._archive.transaction():
            for record in records:
                # A later record is the later word, also of two that a fast clock dates into the future.
                batch.received_ns += 1
                self._take_one(record, batch, is_judged=is_judged)
            for (topic, partition), offset in {(r.topic, r.partition): r.offset for r in records}.items():
                self._archive.set_position(self._instance, topic, partition, offset + 1)
            self._archive.add_counts(batch.counts)
            also()
        self.seen = batch.seen
        self._counts.update(batch.counts)
        self.refusals.extend(batch.refusals)
        if batch.has_outgoing:
            self._alerts += batch.alerts
            self.has_outgoing = True
        for task in batch.mails:
            if not self._mail_room.submit(task):
                busy = {"status": "refused", "reason": "Too many mails are waiting; try later.", "proof": ""}
                self.answer(task.request.model_copy(update=busy), task, received_ns)

    def answer(self, reply: Command, task: MailTask, now_ns: int) -> None:
        """Queue the answer to a mail task."""
        with self._archive.transaction():
            self._queue_reply(reply, task.topic, task.dialect_name, now_ns)
        self.has_outgoing = True

    def _take_one(self, record: Record, batch: _Batch, *, is_judged: bool) -> None:
        kept = ArchivedRecord(
            self._instance,
            record.topic,
            record.partition,
            record.offset,
            record.timestamp_ms,
            batch.received_ns,
            "unreadable",
            "",
            "",
            "",
            "It found a fault in the drill server; the server's log has it.",
            record.value,
        )
        if self._archive.has_record(kept):
            return
        if is_judged:
            verdict = self._judge(record, batch)
            kept = dataclasses.replace(
                kept,
                outcome=verdict.outcome,
                kind=verdict.kind,
                detector=bounded(verdict.detector),
                message_key=bounded(verdict.key),
                reason=readable(verdict.reason)[:_MAX_REASON],
            )
        self._archive.add_record(kept)
        batch.counts[kept.outcome, kept.kind] += 1
        if kept.outcome in ("refused", "unreadable"):
            batch.refusals.append(
                Refusal(record.topic, record.partition, record.offset, kept.outcome, kept.reason)
            )

    def _judge(self, record: Record, batch: _Batch) -> _Verdict:
        """Do what a record asks."""
        try:
            decoded = decode_record(record.value, record.content_format)
        except InvalidMessage as error:
            return _Verdict("refused", reason=error.reason)
        except DrillError as error:
            return _Verdict("unreadable", reason=error.reason)
        value = decoded.value
        exercise = self.exercises[record.topic]
        if isinstance(value, Command):
            return self._obey(value, exercise, decoded.dialect_name, batch)
        kind, detector, key = value.tier.value, value.detector_name, message_key(value)
        if is_repeated(self._archive, value, record, bounded(key)):
            return _Verdict("repeated", kind, detector, key, "It was here before.")
        reason = self._not_joined(detector, exercise, decoded.dialect_name, batch)
        reason = reason or wrong_time(value, record.timestamp_ms * 1_000_000, batch.received_ns)
        if reason:
            return _Verdict("refused", kind, detector, key, reason)
        if isinstance(value, CoincidenceTier) and exercise.is_late_copy(
            value, key=bounded(key), received_ns=batch.received_ns
        ):
            outcome, reason = "repeated", "It was here before, sent again later than this."
        else:
            outcome = "accepted"
            self._heed(value, exercise, key, record, batch)
        return _Verdict(outcome, kind, detector, key, reason)

    def _not_joined(self, detector: str, exercise: Exercise, dialect_name: str, batch: _Batch) -> str:
        """Return why a detector may not take part, "" if it may; it is told so once, for nothing else would."""
        reason = self.joining.refusal(exercise.name, detector)
        if reason and self.joining.is_first_refusal(exercise.name, detector):
            word = Command(
                name=CommandName.NOT_JOINED,
                detector_name=detector,
                time=iso_micro(batch.received_ns // 1000 * 1000),
                status="refused",
                reason=reason,
            )
            self._queue_reply(word, exercise.topics.connection, dialect_name, batch.received_ns)
            batch.has_outgoing = True
        return reason

    def _heed(
        self, message: DetectorMessage, exercise: Exercise, key: str, record: Record, batch: _Batch
    ) -> None:
        received_ns, name = batch.received_ns, message.detector_name
        seen = dataclasses.replace(batch.seen.get(name, SeenDetector(name)), last_message_ns=received_ns)
        alerts = 0
        false_alarm = partial(_false_alarm, batch)
        if isinstance(message, Heartbeat):
            sent_ns = message.sent_time_ns or message.machine_time_ns or received_ns
            # Heartbeats may share their identifier, see `is_repeated`.
            self._archive.add_heartbeat(
                name,
                f"{bounded(key)} {received_ns}",
                is_on=message.is_on,
                sent_time_ns=sent_ns,
                received_ns=received_ns,
            )
            seen = dataclasses.replace(
                seen,
                heartbeats=seen.heartbeats + 1,
                is_on=message.is_on,
                last_heartbeat_ns=received_ns,
                latency_ms=(received_ns - sent_ns) / 1e6,
            )
        elif isinstance(message, CoincidenceTier):
            alerts = exercise.observe(
                message,
                key=bounded(key),
                received_ns=received_ns,
                timestamp_ms=record.timestamp_ms,
                false_alarm=false_alarm,
            )
            seen = dataclasses.replace(seen, observations=seen.observations + 1)
        elif isinstance(message, Retraction):
            _, alerts = exercise.retract(
                message, received_ns=received_ns, timestamp_ms=record.timestamp_ms, false_alarm=false_alarm
            )
            seen = dataclasses.replace(seen, retractions=seen.retractions + 1)
        batch.seen[name] = seen
        batch.alerts += alerts
        batch.has_outgoing = batch.has_outgoing or alerts > 0

    def _obey(self, command: Command, exercise: Exercise, dialect_name: str, batch: _Batch) -> _Verdict:
        kind, detector, key = command.name.value, command.detector_name, command.request_id
        if command.status != "sending":
            return _Verdict("refused", kind, detector, key, "It is a reply, not a request.")
        if command.name is CommandName.NOT_JOINED:
            # Not answered: everybody would take the answer for the server's own word.
            return _Verdict("refused", kind, detector, key, "Only the server says that.")
        if key and self._archive.is_known(None, kind, bounded(detector), bounded(key)):
            return _Verdict("repeated", kind, detector, key, "It was here before.")
        topic = exercise.topics.connection
        reply, later = self._desk.answer(command, exercise, now_ns=batch.received_ns)
        if later is None:
            due_ns = batch.received_ns + (ECHO_DELAY_NS if _listens_late(command, dialect_name) else 0)
            self._queue_reply(reply, topic, dialect_name, due_ns)
            batch.has_outgoing = True
        elif self.is_answering:
            batch.mails.append(MailTask(command, later, topic, dialect_name))
        if reply.status == "refused":
            return _Verdict("refused", kind, detector, key, reply.reason)
        return _Verdict("accepted", kind, detector, key)

    def _queue_reply(self, reply: Command, topic: str, dialect_name: str, now_ns: int) -> None:
        if not self.is_answering:
            return
        payload = get_dialect(dialect_name).encode_command(reply)
        self._archive.queue(Outgoing(topic, "reply", "", payload.content, payload.content_format, now_ns))


def _listens_late(command: Command, dialect_name: str) -> bool:
    """Tell whether a connection test is the published client's, which gives its tests a uuid; ours has none."""
    return command.name is CommandName.TEST_CONNECTION and dialect_name == "3" and bool(command.request_id)


def _false_alarm(batch: _Batch, coincident: int) -> str:
    """Return the false-alarm text for as many detectors; those that were ON within a day could have joined."""
    oldest_ns = batch.received_ns - NS_PER_DAY
    on = sum(1 for seen in batch.seen.values() if seen.is_on and (seen.last_heartbeat_ns or 0) >= oldest_ns)
    return false_alarm_text(on, coincident)
