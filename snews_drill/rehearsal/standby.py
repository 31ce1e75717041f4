"""Several drill servers on one standby group: one is active, the others follow and take over.

Kafka's consumer group says who should be active; the order topic (see `order`) says what counts. Followers decide what the
active server decides, in archives of their own, and note which alerts they see on the alert topics: what was decided and not
seen is what a server sends when it takes over.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import time
import uuid
from collections.abc import Callable

from pydantic import ValidationError

from snews_drill.connection import Connection
from snews_drill.errors import ArchiveError, SettingsError, TransportError, UnreadableRecord
from snews_drill.rehearsal.alerts_seen import AlertsSeen
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.order import (
    ORDER_VERSION,
    Claim,
    Order,
    Progress,
    Turn,
    decode_entry,
    encode_entry,
)
from snews_drill.rehearsal.record_source import EXPIRY_SECONDS, STANDBY_NOTE, Intended
from snews_drill.transport import Membership, Reader, Record
from snews_drill.wire.payload import Payload

#: A server sends only so long after it last began to write a turn that then counted, seconds: less than the group's session
#: timeout, so that one that was frozen asks the order topic before it speaks.
_CONFIRMED_SECONDS = 4.0

#: Seconds between two claims of one server, when another keeps claiming too.
_CLAIM_SECONDS = 1.0

#: Turns that are taken before the group is heard again: a server that catches up must not be taken for a hanging one.
_STEPS = 10

#: Records that wait for their turn, bytes; beyond that the broker keeps them.
_HELD_BYTES = 64_000_000


class StandbyGroup:
    """One server's part in a standby group; a `RecordSource`.

    Parameters
    ----------
    connection
        Where to read and write.
    archive
        This server's own.
    group
        The name of the consumer group and of the order topic.
    instance
        Which life of the broker this is.
    is_stopping
        Ends the wait for a broker.
    server_tag
        The name that alerts carry; all servers of a group have the same.
    """

    def __init__(
        self,
        connection: Connection,
        archive: Archive,
        group: str,
        instance: str,
        is_stopping: Callable[[], bool],
        server_tag: str,
    ) -> None:
        profile = connection.profile
        self._connection = connection
        self._archive = archive
        self._group = group
        self._instance = instance
        self._is_stopping = is_stopping
        self._observation_topics = (profile.firedrill.observations, profile.test.observations)
        self._alert_topics = (profile.firedrill.alerts, profile.test.alerts)
        self._seen = AlertsSeen(archive, self._alert_topics)
        self._rules = _rules(connection, group, server_tag)
        self._order = Order()
        self._membership: Membership | None = None
        self._tail: Reader | None = None
        self._observations: Reader | None = None

    @property
    def role(self) -> str:
        """What the status shows: "joining", "active" or "standing by"."""
        if self._membership is None or not self._membership.is_joined:
            return "joining"
        return "active" if self.is_active else "standing by"

    @property
    def is_active(self) -> bool:
        """Whether the group wants this server to act, and the last claim on the order topic is its own."""
        is_wanted = self._membership is not None and self._membership.is_owner
        return is_wanted and self._own_term is not None and self._order.term == self._own_term

    @property
    def is_down(self) -> bool:
        """Whether the broker is away."""
        readers = (self._tail, self._observations)
        return any(reader is None or reader.down_since is not None for reader in readers)

    def expired_ns(self) -> int:
        """Return the time by which all servers of the group let observations go."""
        return self._progress().expired_ns

    def open(self) -> None:
        """Follow the group from where the archive stands.

        Raises
        ------
        SettingsError
            If the archive is another group's, or that of a server alone, or the order topic has several partitions.
        ArchiveError
            If the broker no longer keeps what follows.
        TransportError
            If the broker does not answer or refuses.
        """
        progress = self._progress()
        self._server = uuid.uuid4().hex[:12]
        self._own_term: int | None = None
        self._is_claiming = self._is_in_flight = self._has_heard_all = self._is_caught_up = False
        self._needs_confirmation = self._was_active = self._has_more = False
        self._written_at = self._confirmed_at = float("-inf")
        self._next_claim = self._next_expiry = 0.0
        self._archive.drop_replies()
        self._tail = self._open_tail(progress)
        begin = self._tail.positions[self._group, 0]
        if begin < progress.position:  # the topic was made anew
            progress = Progress(time_ns=progress.time_ns, expired_ns=progress.expired_ns)
        elif begin > progress.position > 0:
            raise ArchiveError(
                f"{self._archive.path} is older than what the topic {self._group} still tells.",
                next_step="Give another --archive; the server fills it from the topics.",
            )
        self._order = Order(progress, begin=begin)
        self._observations = self._connection.open_reader(
            self._observation_topics, start=progress.places, is_cancelled=self._is_stopping
        )
        self._order.reach(self._observations.positions)
        self._membership = self._connection.join(self._group, self._group)

    def _progress(self) -> Progress:
        noted = self._archive.noted(STANDBY_NOTE)
        group, _, said = noted.partition(" ")
        try:
            if noted and group == self._group:
                return Progress.model_validate_json(said)
        except ValidationError as error:
            raise ArchiveError(
                f"{self._archive.path} does not tell how far it is.", next_step="Give another --archive."
            ) from error
        if noted or self._archive.positions(self._instance):
            whose = f"belongs to the standby group {group}" if noted else "is that of a server alone"
            raise SettingsError(
                f"{self._archive.path} {whose}; its order of records may be another.",
                next_step="Give another --archive; the server fills it from the topics.",
            )
        return Progress()

    def _open_tail(self, progress: Progress) -> Reader:
        start = {**self._seen.begin(), (self._group, 0): progress.position}
        topics = (self._group, *self._alert_topics)
        reader = self._connection.open_reader(topics, start=start, is_cancelled=self._is_stopping)
        if (self._group, 1) in reader.positions:
            reader.close()
            raise SettingsError(
                f"The topic {self._group} has several partitions; the order of records needs one.",
                next_step="Name another standby group; the server makes its topic.",
            )
        return reader

    def read(self, timeout: float) -> list[Intended]:
        """Return what the order topic says is next; the active server says it first."""
        assert self._membership is not None  # noqa: S101 - opened before
        self._membership.poll()
        self._note_role()
        self._claim_if_due()
        if self._has_more:
            timeout = 0
        # Wait where the next thing must come from: records, or what the order topic says of them.
        is_done = self._order.is_followed and not self._order.held_bytes
        is_idle = self.is_active and not self._is_in_flight and is_done
        is_for_records = (is_idle and not self._needs_confirmation) or self._order.is_waiting
        self._observe(timeout if is_for_records else 0)
        if self.is_active and not self._is_in_flight:
            self._propose()
        self._hear(0 if is_for_records and not self._is_in_flight else timeout)
        steps = list(itertools.islice(iter(self._order.next, None), _STEPS))
        self._has_more = len(steps) == _STEPS
        return [
            Intended(
                step.records,
                step.turn.time_ns,
                step.turn.is_expiry,
                f"{self._group} {step.progress.model_dump_json()}",
            )
            for step in steps
        ]

    def may_send(self) -> bool:
        """Tell whether this server is the active one, by what the order topic said a moment ago."""
        assert self._tail is not None  # noqa: S101 - opened before
        self._seen.settle(self._tail.positions)
        if not self.is_active:
            return False
        if not self._is_caught_up:
            # What the server before has sent must be seen before anything is sent again.
            self._is_caught_up = self._tail.is_at_end()
            if not self._is_caught_up:
                return False
        self._needs_confirmation = time.monotonic() - self._confirmed_at > _CONFIRMED_SECONDS
        return not self._needs_confirmation

    def close(self) -> None:
        """Leave the group, so that another server takes over at once."""
        for part in (self._membership, self._observations, self._tail):
            if part is not None:
                part.close()
        self._membership = self._observations = self._tail = None

    def _note_role(self) -> None:
        if self.is_active != self._was_active:
            self._was_active = self.is_active
            # Replies that were not sent: somebody else answers now, or nobody waits any more.
            self._archive.drop_replies()
            if not self.is_active:
                self._is_caught_up = self._is_in_flight = False

    def _claim_if_due(self) -> None:
        assert self._membership is not None  # noqa: S101 - opened before
        is_due = self._membership.is_owner and not self.is_active and not self._is_claiming
        if is_due and time.monotonic() >= self._next_claim:
            self._next_claim = time.monotonic() + _CLAIM_SECONDS
            self._is_claiming = True
            self._write(Claim(server=self._server, rules=self._rules))

    def _observe(self, timeout: float) -> None:
        assert self._observations is not None  # noqa: S101 - opened before
        if self._order.held_bytes < _HELD_BYTES or self._order.is_waiting:
            self._order.hold(self._observations.read(timeout=timeout))

    def _propose(self) -> None:
        is_expiry = time.monotonic() >= self._next_expiry
        turn = self._order.propose(time.time_ns(), is_expiry=is_expiry, is_needed=self._needs_confirmation)
        if turn is not None:
            if is_expiry:
                self._next_expiry = time.monotonic() + EXPIRY_SECONDS
            self._is_in_flight = True
            self._write(turn)

    def _write(self, entry: Claim | Turn) -> None:
        self._written_at = time.monotonic()
        payload = Payload(encode_entry(entry), key=b"order")
        (outcome,) = self._connection.send(
            self._group, [payload], timeout=5.0, is_cancelled=self._is_stopping
        )
        if isinstance(outcome, TransportError):
            raise outcome

    def _hear(self, timeout: float) -> None:
        assert self._tail is not None  # noqa: S101 - opened before
        records = self._tail.read(timeout=timeout)
        for record in records:
            if record.topic == self._group:
                self._hear_entry(record)
        self._seen.hear(record for record in records if record.topic != self._group)
        if not records and not self._has_heard_all:
            self._has_heard_all = self._tail.is_at_end()

    def _hear_entry(self, record: Record) -> None:
        try:
            entry = decode_entry(record.value)
        except UnreadableRecord:
            self._order.note(record.offset, None)
            return
        counts = self._order.note(record.offset, entry)
        if isinstance(entry, Claim):
            if entry.server == self._server:
                self._own_term, self._is_claiming, self._is_in_flight = record.offset, False, False
                self._confirmed_at = self._written_at
        elif entry.term == self._own_term:
            self._is_in_flight = False
            if counts:
                self._confirmed_at, self._needs_confirmation = self._written_at, False
        elif counts and self._has_heard_all and self._order.rules not in ("", self._rules):
            raise SettingsError(
                f"The active server of the group {self._group} has another admin token, dialect or version.",
                next_step="Start all servers of a group with the same token file, --dialect and version.",
            )


def _rules(connection: Connection, group: str, server_tag: str) -> str:
    """Return a digest of what alerts depend on besides the records; nobody can tell the admin token from it."""
    said = json.dumps([ORDER_VERSION, group, connection.dialect.NAME, server_tag])
    return hmac.new((connection.admin_token or "").encode(), said.encode(), hashlib.sha256).hexdigest()
