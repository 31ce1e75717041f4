"""The drill server's memory: what came in, what was decided, what has to go out.

One SQLite file in WAL mode. A record, its place in the topic, what it changed and the alerts it caused are written in one
transaction, before any alert leaves: after `kill -9` the server goes on where it was and repeats nothing a reader would
count twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from snews_drill.messages.commands import CommandName
from snews_drill.messages.tiers import Tier
from snews_drill.messages.times import NS_PER_DAY
from snews_drill.rehearsal.archive_file import ArchiveFile
from snews_drill.rehearsal.archive_rows import ArchivedRecord, HeldObservation, Outgoing

#: Heartbeats are queryable for a day; whole days are dropped after a week. Source: the published server's practice.
HEARTBEAT_DAYS_KEPT = 7

#: Unreadable and refused records keep their bytes up to this many records and bytes; older ones keep their line, for as
#: long as heartbeats are kept. Whoever may write to the topic must not fill the disk.
PROBLEMS_WITH_BYTES = 10_000
PROBLEM_BYTES = 64_000_000

#: What a detector is heard by: any message, or a connection test.
_KINDS_OF_HEARD = frozenset({*(tier.value for tier in Tier), CommandName.TEST_CONNECTION.value})

__all__ = ["Archive", "ArchivedRecord", "HeldObservation", "Outgoing"]


class Archive(ArchiveFile):
    """The archive of one drill. One writer; threads may share it.

    Parameters
    ----------
    path
        The SQLite file; its folder is made private.

    Raises
    ------
    ArchiveError
        If it cannot be opened, or belongs to a newer version.
    """

    def add_record(self, record: ArchivedRecord) -> bool:
        """Keep a record; return False if it was here before."""
        cursor = self._database.execute(
            "INSERT OR IGNORE INTO records (instance, topic, partition, offset, timestamp_ms, received_ns, outcome, kind,"
            " detector, message_key, reason, value) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                record.instance,
                record.topic,
                record.partition,
                record.offset,
                record.timestamp_ms,
                record.received_ns,
                record.outcome,
                record.kind,
                record.detector,
                record.message_key,
                record.reason,
                record.value,
            ),
        )
        return cursor.rowcount > 0

    def has_record(self, record: ArchivedRecord) -> bool:
        """Tell whether the very record from that place was here before."""
        return bool(
            self._query(
                "SELECT 1 FROM records WHERE instance = ? AND topic = ? AND partition = ? AND offset = ?"
                " AND timestamp_ms = ?",
                (record.instance, record.topic, record.partition, record.offset, record.timestamp_ms),
            )
        )

    def add_counts(self, counts: Mapping[tuple[str, str], int]) -> None:
        """Add to the numbers that `counts` returns."""
        self._database.executemany(
            "INSERT INTO counts VALUES (?,?,?) ON CONFLICT DO UPDATE SET number = number + excluded.number",
            [(outcome, kind, number) for (outcome, kind), number in counts.items()],
        )

    def set_position(self, instance: str, topic: str, partition: int, next_offset: int) -> None:
        """Remember where to read on."""
        self._database.execute(
            "INSERT OR REPLACE INTO positions VALUES (?,?,?,?)", (instance, topic, partition, next_offset)
        )

    def positions(self, instance: str) -> dict[tuple[str, int], int]:
        """Return the next offset for each (topic, partition)."""
        rows = self._query(
            "SELECT topic, partition, next_offset FROM positions WHERE instance = ?", (instance,)
        )
        return {(topic, partition): offset for topic, partition, offset in rows}

    def is_known(
        self, topic: str | None, kind: str, detector: str, message_key: str, *, value: bytes | None = None
    ) -> bool:
        """Tell whether such a message was accepted on a topic, or on any (None), before; with `value`, byte for byte."""
        rows = self._query(
            "SELECT 1 FROM records WHERE kind = ? AND detector = ? AND message_key = ? AND outcome = 'accepted'"
            " AND (? IS NULL OR topic = ?) AND (? IS NULL OR value = ?) LIMIT 1",
            (kind, detector, message_key, topic, topic, value, value),
        )
        return bool(rows)

    def is_last_of(self, topic: str, kind: str, detector: str, message_key: str, *, since: str) -> bool:
        """Tell whether such a message was accepted on a topic, and none of the kind `since` of that detector after it."""
        rows = self._query(
            "SELECT MAX(number) FROM records WHERE kind = ? AND detector = ? AND message_key = ? AND outcome = 'accepted'"
            " AND topic = ?",
            (kind, detector, message_key, topic),
        )
        if rows[0][0] is None:
            return False
        later = self._query(
            "SELECT 1 FROM records WHERE kind = ? AND detector = ? AND outcome = 'accepted' AND topic = ? AND number > ?"
            " LIMIT 1",
            (since, detector, topic, rows[0][0]),
        )
        return not later

    def timestamp_at(self, instance: str, topic: str, partition: int, offset: int) -> int | None:
        """Return when the newest record that was read from that place was written, ms since 1970 (UTC); None for none."""
        rows = self._query(
            "SELECT timestamp_ms FROM records WHERE instance = ? AND topic = ? AND partition = ? AND offset = ?"
            " ORDER BY number DESC LIMIT 1",
            (instance, topic, partition, offset),
        )
        return int(rows[0][0]) if rows else None

    def heard(self, topic: str, *, since_ns: int) -> set[str]:
        """Return who wrote what was accepted on a topic since then (ns since 1970, UTC), tests of the connection too."""
        rows = self._query(
            "SELECT DISTINCT detector, kind FROM records WHERE received_ns >= ? AND topic = ? AND outcome = 'accepted'",
            (since_ns, topic),
        )
        return {detector for detector, kind in rows if kind in _KINDS_OF_HEARD}

    def add_observation(self, held: HeldObservation) -> None:
        """Keep an observation for the coincidence of the next start."""
        self._database.execute(
            "INSERT INTO observations (exercise, is_test, message_id, detector, neutrino_time_ns, p_val, sent_time_ns,"
            " received_ns) VALUES (?,?,?,?,?,?,?,?)",
            (
                held.exercise,
                held.is_test,
                held.message_id,
                held.detector,
                held.neutrino_time_ns,
                held.p_val,
                held.sent_time_ns,
                held.received_ns,
            ),
        )

    def has_later_copy(self, held: HeldObservation) -> bool:
        """Tell whether the same observation was kept before, sent later, whether or not it was taken back since."""
        rows = self._query(
            "SELECT 1 FROM observations WHERE detector = ? AND message_id = ? AND neutrino_time_ns = ? AND p_val IS ?"
            " AND exercise = ? AND is_test = ? AND sent_time_ns > ? LIMIT 1",
            (
                held.detector,
                held.message_id,
                held.neutrino_time_ns,
                held.p_val,
                held.exercise,
                held.is_test,
                held.sent_time_ns,
            ),
        )
        return bool(rows)

    def withdraw_observation(
        self,
        exercise: str,
        *,
        is_test: bool,
        detector: str,
        message_id: str,
        neutrino_time_ns: int,
        p_val: float | None,
    ) -> None:
        """Mark one version of an observation as taken back."""
        self._database.execute(
            "UPDATE observations SET is_held = 0 WHERE exercise = ? AND is_test = ? AND detector = ? AND message_id = ?"
            " AND neutrino_time_ns = ? AND p_val IS ?",
            (exercise, is_test, detector, message_id, neutrino_time_ns, p_val),
        )

    def set_group(
        self, exercise: str, number: int, detector: str, neutrino_time_ns: int, *, is_test: bool
    ) -> None:
        """Remember which group, known by its earliest member, readers were told which number of."""
        self._database.execute(
            "INSERT OR REPLACE INTO group_numbers VALUES (?,?,?,?,?)",
            (exercise, is_test, number, detector, neutrino_time_ns),
        )

    def end_group(self, exercise: str, number: int, *, is_test: bool) -> None:
        """Remember that a group ended; its number is never used again."""
        self._database.execute(
            "UPDATE group_numbers SET detector = '' WHERE exercise = ? AND is_test = ? AND number = ?",
            (exercise, is_test, number),
        )

    def group_numbers(self, exercise: str, *, is_test: bool) -> dict[tuple[int, str], int]:
        """Return the number of each group by its earliest member's (neutrino time in ns, detector), oldest first.

        Ended groups are among them, under a detector without a name: numbering goes on above them.
        """
        rows = self._query(
            "SELECT neutrino_time_ns, detector, number FROM group_numbers WHERE exercise = ? AND is_test = ?"
            " ORDER BY number",
            (exercise, is_test),
        )
        return {(time_ns, detector): number for time_ns, detector, number in rows}

    def clear_observations(self, exercise: str) -> None:
        """Mark all observations of an exercise as dropped."""
        self._database.execute(
            "UPDATE observations SET is_held = 0 WHERE exercise = ? AND is_held = 1", (exercise,)
        )

    def held_observations(self, *, since_ns: int) -> list[HeldObservation]:
        """Return the observations that take part, received since then (ns since 1970, UTC), in order of arrival."""
        rows = self._query(
            "SELECT exercise, is_test, message_id, detector, neutrino_time_ns, p_val, sent_time_ns, received_ns"
            " FROM observations WHERE is_held = 1 AND received_ns >= ? ORDER BY number",
            (since_ns,),
        )
        return [HeldObservation(row[0], bool(row[1]), *row[2:]) for row in rows]

    def add_heartbeat(
        self, detector: str, message_key: str, *, is_on: bool, sent_time_ns: int, received_ns: int
    ) -> bool:
        """Keep a heartbeat; return False if it was here before."""
        cursor = self._database.execute(
            "INSERT OR IGNORE INTO heartbeats VALUES (?,?,?,?,?)",
            (detector, message_key, is_on, sent_time_ns, received_ns),
        )
        return cursor.rowcount > 0

    def heartbeats(self, *, since_ns: int, detector: str | None = None) -> list[tuple[str, bool, int, int]]:
        """Return heartbeats received since then, in order: (detector, is_on, sent ns, received ns), since 1970 (UTC)."""
        rows = self._query(
            "SELECT detector, is_on, sent_time_ns, received_ns FROM heartbeats"
            " WHERE received_ns >= ? AND (? IS NULL OR detector = ?) ORDER BY received_ns",
            (since_ns, detector, detector),
        )
        return [(name, bool(is_on), sent, received) for name, is_on, sent, received in rows]

    def heartbeats_per_detector(self, *, since_ns: int) -> list[tuple[str, int, bool, int, int]]:
        """Return (detector, how many received since then, last is_on, its sent ns, its received ns), since 1970 (UTC)."""
        rows = self._query(
            # The names are looked up one after the other in the index, for SQLite would read every heartbeat there is to
            # find them. The columns beside MAX are those of the row that has it.
            "WITH RECURSIVE names (name) AS (SELECT MIN(detector) FROM heartbeats UNION ALL"
            " SELECT (SELECT MIN(detector) FROM heartbeats WHERE detector > name) FROM names WHERE name IS NOT NULL)"
            " SELECT name, COUNT(*), is_on, sent_time_ns, MAX(received_ns)"
            " FROM names JOIN heartbeats ON detector = name AND received_ns >= ? GROUP BY name",
            (since_ns,),
        )
        return [(name, count, bool(is_on), sent, received) for name, count, is_on, sent, received in rows]

    def drop_old(self, *, now_ns: int) -> None:
        """Drop whole days of heartbeats and problems after a week, and the bytes of all but the newest problems."""
        first_day_ns = (now_ns // NS_PER_DAY - HEARTBEAT_DAYS_KEPT) * NS_PER_DAY
        with self.transaction():
            self._database.execute("DELETE FROM heartbeats WHERE received_ns < ?", (first_day_ns,))
            self._database.execute(
                "DELETE FROM records WHERE received_ns < ? AND (kind = 'Heartbeat' OR outcome <> 'accepted')",
                (first_day_ns,),
            )
            self._database.execute(
                "UPDATE records SET value = NULL WHERE number IN (SELECT number FROM (SELECT number,"
                " ROW_NUMBER() OVER newer AS place, SUM(LENGTH(value)) OVER newer AS size FROM records"
                " WHERE outcome IN ('refused', 'unreadable') AND value IS NOT NULL"
                " WINDOW newer AS (ORDER BY number DESC)) WHERE place > ? OR size > ?)",
                (PROBLEMS_WITH_BYTES, PROBLEM_BYTES),
            )

    def queue(self, outgoing: Outgoing) -> bool:
        """Keep a message that has to go out; return False for an alert that is here already."""
        cursor = self._database.execute(
            "INSERT OR IGNORE INTO outgoing (topic, kind, message_id, content, content_format, made_ns)"
            " VALUES (?,?,?,?,?,?)",
            (
                outgoing.topic,
                outgoing.kind,
                outgoing.message_id,
                outgoing.content,
                outgoing.content_format,
                outgoing.made_ns,
            ),
        )
        return cursor.rowcount > 0

    def send_again(self, *, limit: int) -> int:
        """Have the newest alerts sent once more, in their order; return how many there are."""
        cursor = self._database.execute(
            "UPDATE outgoing SET sent_ns = NULL WHERE number IN (SELECT number FROM outgoing WHERE kind = 'alert'"
            " ORDER BY number DESC LIMIT ?)",
            (limit,),
        )
        return cursor.rowcount

    def has_alert(self, topic: str, message_id: str) -> bool:
        """Tell whether an alert of that id was decided before."""
        rows = self._query(
            "SELECT 1 FROM outgoing WHERE kind = 'alert' AND topic = ? AND message_id = ?",
            (topic, message_id),
        )
        return bool(rows)

    def waiting(self, *, limit: int = 1000) -> list[Outgoing]:
        """Return what was not sent yet, in order."""
        rows = self._query(
            "SELECT topic, kind, message_id, content, content_format, made_ns, number FROM outgoing"
            " WHERE sent_ns IS NULL ORDER BY number LIMIT ?",
            (limit,),
        )
        return [Outgoing(*row) for row in rows]

    def mark_sent(self, numbers: Sequence[int], *, now_ns: int) -> None:
        """Note that messages were acknowledged by the broker; alerts are kept, replies are not."""
        if not numbers:
            return
        with self.transaction():
            self._database.executemany(
                "UPDATE outgoing SET sent_ns = ? WHERE number = ? AND kind = 'alert'",
                [(now_ns, number) for number in numbers],
            )
            self._database.executemany(
                "DELETE FROM outgoing WHERE number = ? AND kind <> 'alert'", [(number,) for number in numbers]
            )

    def note_out(self, alerts: Iterable[tuple[str, str]], *, now_ns: int) -> list[tuple[str, str]]:
        """Note that alerts, each a (topic, id), were seen on their topic; return those that were not decided here so far."""
        unknown = []
        with self.transaction():
            for topic, message_id in alerts:
                cursor = self._database.execute(
                    "UPDATE outgoing SET sent_ns = COALESCE(sent_ns, ?)"
                    " WHERE kind = 'alert' AND topic = ? AND message_id = ?",
                    (now_ns, topic, message_id),
                )
                if not cursor.rowcount:
                    unknown.append((topic, message_id))
        return unknown

    def drop_replies(self) -> None:
        """Forget the replies that were not sent: somebody else answers, or nobody waits for them any more."""
        with self.transaction():
            self._database.execute("DELETE FROM outgoing WHERE kind = 'reply'")

    def alerts(self, *, topic: str | None = None, newest: int | None = None) -> list[dict[str, Any]]:
        """Return the alerts decided so far, in order, as they travel; all of them, or so many of the newest."""
        rows = self._query(
            "SELECT content FROM outgoing WHERE kind = 'alert' AND (? IS NULL OR topic = ?)"
            " ORDER BY number DESC LIMIT ?",
            (topic, topic, -1 if newest is None else newest),
        )
        return [json.loads(row[0]) for row in reversed(rows)]

    def records(self, *, outcome: str | None = None, limit: int = 1_000_000) -> list[ArchivedRecord]:
        """Return the newest records, oldest first."""
        rows = self._query(
            "SELECT instance, topic, partition, offset, timestamp_ms, received_ns, outcome, kind, detector, message_key,"
            " reason, value FROM records WHERE (? IS NULL OR outcome = ?) ORDER BY number DESC LIMIT ?",
            (outcome, outcome, limit),
        )
        return [ArchivedRecord(*(*row[:11], row[11] or b"")) for row in reversed(rows)]

    def counts(self) -> dict[tuple[str, str], int]:
        """Return how many records came of each (outcome, kind), dropped ones included."""
        rows = self._query("SELECT outcome, kind, number FROM counts", ())
        return {(outcome, kind): count for outcome, kind, count in rows}

    def alert_count(self) -> int:
        """Return how many alerts were decided so far."""
        return int(self._query("SELECT COUNT(*) FROM outgoing WHERE kind = 'alert'", ())[0][0])
