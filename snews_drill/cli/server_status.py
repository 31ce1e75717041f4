"""What a drill server says of itself: from the server in this process, or from the archive of a rehearsal's own."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from snews_drill.connection import Connection
from snews_drill.errors import RehearsalError
from snews_drill.messages.times import NS_PER_DAY
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.exercise import Exercise, restore_all
from snews_drill.rehearsal.joining import Joining
from snews_drill.rehearsal.server import DrillServer
from snews_drill.rehearsal.server_status import Refusal, SeenDetector, ServerStatus

#: Alerts and refusals that are shown, the newest.
SHOWN = 8

#: How much longer than it took to read a large archive it is left alone afterwards.
_REST = 5.0


@dataclass(frozen=True)
class Shown:
    """One look at a server.

    Attributes
    ----------
    where : str
        What it serves.
    archive : str
        Where it keeps everything.
    status : ServerStatus
        What it says.
    alerts : tuple of dict
        The newest alerts, oldest first.
    """

    where: str
    archive: str
    status: ServerStatus
    alerts: tuple[dict[str, Any], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        status = asdict(self.status)
        status["counts"] = dict(self.status.counts)
        return {
            "ok": self.status.state == "listening",
            "serving": self.where,
            "archive": self.archive,
            **status,
            "alerts": list(self.alerts),
        }


#: Gives the newest look; raises if the server has gone.
Look = Callable[[], Shown]


def look_at_own(server: DrillServer, archive: Archive, connection: Connection) -> Look:
    """Return what looks at a server of this process."""
    where = f"{connection.url(connection.topics().observations)}, dialect {connection.dialect.NAME}"
    alerts = _Alerts(archive)

    def look() -> Shown:
        status = server.status
        return Shown(where, str(archive.path), status, alerts.newest(status.counts.get("alerts", 0)))

    return look


class _Alerts:
    """The newest alerts of an archive; read again only when there are more."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._count = -1
        self._newest: tuple[dict[str, Any], ...] = ()

    def newest(self, count: int) -> tuple[dict[str, Any], ...]:
        """Return the newest ones, when there are `count` in all."""
        if count != self._count:
            self._count, self._newest = count, tuple(self._archive.alerts(newest=SHOWN))
        return self._newest


class RehearsalLook:
    """Looks at the server of this user's rehearsal, which is a process of its own, through its archive.

    Parameters
    ----------
    connection
        The rehearsal.
    archive
        Its server's archive.
    """

    def __init__(self, connection: Connection, archive: Archive) -> None:
        self._connection = connection
        self._archive = archive
        self._started_ns = time.time_ns()
        self._seen: tuple[dict[tuple[str, str], int], int] | None = None
        self._shown: Shown | None = None
        self._rests_until = 0.0

    def __call__(self) -> Shown:
        """Return what the archive says now.

        Raises
        ------
        RehearsalError
            If somebody ended the rehearsal.
        """
        rehearsal = self._connection.rehearsal
        state = rehearsal.current_state() if rehearsal is not None else None
        if state is None:
            raise RehearsalError("The rehearsal has ended.", next_step="Start a new one: snews-drill serve")
        seen = (self._archive.counts(), self._archive.alert_count())
        begun = time.monotonic()
        if self._shown is None or (seen != self._seen and begun >= self._rests_until):
            self._seen = seen
            self._shown = self._look(seen[0])
            self._rests_until = time.monotonic() + _REST * (time.monotonic() - begun)
        way = ("waiting", state.problem) if state.problem else ("listening", "")
        status = replace(self._shown.status, state=way[0], problem=way[1])
        return replace(self._shown, status=status)

    def _look(self, found: dict[tuple[str, str], int]) -> Shown:
        counts: Counter[str] = Counter()
        for (outcome, kind), count in found.items():
            counts[kind if outcome == "accepted" else outcome] += count
        counts["alerts"] = self._archive.alert_count()
        status = ServerStatus(
            state="listening",
            started_ns=self._started_ns,
            counts=dict(counts),
            detectors=self._detectors(),
            groups=self._groups(),
            refusals=self._refusals(),
            frozen=self._frozen(),
        )
        where = f"your rehearsal, {self._connection.url(self._connection.topics().observations)}"
        return Shown(where, str(self._archive.path), status, tuple(self._archive.alerts(newest=SHOWN)))

    def _detectors(self) -> tuple[SeenDetector, ...]:
        since_ns = time.time_ns() - NS_PER_DAY
        seen: dict[str, SeenDetector] = {}
        for name, is_on, sent_ns, received_ns in self._archive.heartbeats(since_ns=since_ns):
            known = seen.get(name, SeenDetector(name))
            seen[name] = replace(
                known,
                heartbeats=known.heartbeats + 1,
                is_on=is_on,
                last_heartbeat_ns=received_ns,
                last_message_ns=received_ns,
                latency_ms=(received_ns - sent_ns) / 1e6,
            )
        for held in self._archive.held_observations(since_ns=since_ns):
            known = seen.get(held.detector, SeenDetector(held.detector))
            last_ns = max(known.last_message_ns or 0, held.received_ns)
            seen[held.detector] = replace(known, observations=known.observations + 1, last_message_ns=last_ns)
        return tuple(seen[name] for name in sorted(seen))

    def _groups(self) -> tuple[tuple[str, ...], ...]:
        profile, dialect = self._connection.profile, self._connection.dialect
        exercises = {
            topics.observations: Exercise(topics, self._archive, dialect, "")
            for topics in (profile.test, profile.firedrill)
        }
        restore_all(exercises, self._archive, now_ns=time.time_ns())
        return tuple(
            tuple(observation.detector for observation in group)
            for exercise in exercises.values()
            for group in exercise.groups
        )

    def _frozen(self) -> tuple[str, ...]:
        profile, joining = self._connection.profile, Joining(self._archive)
        topics = [profile.test.observations, profile.firedrill.observations]
        joining.restore(topics)
        return tuple(name for name in topics if joining.frozen(name) is not None)

    def _refusals(self) -> tuple[Refusal, ...]:
        records = [
            record
            for outcome in ("refused", "unreadable")
            for record in self._archive.records(outcome=outcome, limit=SHOWN)
        ]
        records.sort(key=lambda record: record.received_ns)
        return tuple(Refusal(r.topic, r.partition, r.offset, r.outcome, r.reason) for r in records)
