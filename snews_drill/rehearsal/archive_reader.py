"""Reading a drill server's archive without touching it: while the server writes, after it ended, or on a copy."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from snews_drill.errors import ArchiveError, UnreadableRecord
from snews_drill.messages.alert import Alert
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.archive_rows import ArchivedRecord, HeldObservation
from snews_drill.rehearsal.heartbeat_statistics import Beat
from snews_drill.wire.alerts import decode_alert

#: Every archive has these tables; what lacks one is none.
_TABLES = frozenset({"about", "records", "counts", "observations", "heartbeats", "outgoing"})

_RECORD = (
    "instance, topic, partition, offset, timestamp_ms, received_ns, outcome, kind, detector, message_key,"
    " reason, value"
)

#: What the columns must hold; SQLite itself takes anything, and a copy may come from anywhere.
_TEXT, _INTEGER = (str,), (int,)


@dataclass(frozen=True, slots=True)
class ArchivedObservation:
    """An observation of the archive, and whether it still counts.

    Attributes
    ----------
    observation : HeldObservation
        What it says, when it was sent and received.
    is_held : bool
        False once it was retracted or dropped by a reset.
    """

    observation: HeldObservation
    is_held: bool


@dataclass(frozen=True, slots=True)
class ArchivedAlert:
    """An alert of the archive.

    Attributes
    ----------
    topic : str
        Where it went.
    content : bytes
        As it travels.
    made_ns : int
        When it was decided, ns since 1970 (UTC): exactly the time at which its cause was received.
    sent_ns : int or None
        When the broker acknowledged it; None if it did not go out.
    """

    topic: str
    content: bytes
    made_ns: int
    sent_ns: int | None


@dataclass(frozen=True, slots=True)
class Period:
    """From when to when, both ends included, ns since 1970 (UTC) by the server's clock."""

    since_ns: int = -(2**63)
    until_ns: int = 2**63 - 1


class ArchiveReader:
    """One look at an archive: everything it returns is of the same moment.

    Parameters
    ----------
    path
        The SQLite file. Nothing is written to it; a server may go on writing.

    Raises
    ------
    ArchiveError
        If there is no such file, it is no archive, it is damaged, or a newer version wrote it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        self._database: sqlite3.Connection | None = None
        if not path.is_file():
            raise ArchiveError(
                f"There is no archive {path}.",
                next_step="Give the file that the drill server writes, archive.sqlite3; "
                "`snews-drill report --list` shows those of this machine.",
            )
        try:
            with self._translated():
                self._database = self._opened()
                self._check()
        except BaseException:
            self.close()
            raise

    def _opened(self) -> sqlite3.Connection:
        try:
            return self._look(self.path)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
                raise
        # A copy in a folder that cannot be written: SQLite needs a file beside it to read what its log holds.
        self._copy = tempfile.TemporaryDirectory(prefix="snews_drill-")
        for suffix in ("", "-wal"):
            part = self.path.with_name(self.path.name + suffix)
            if part.is_file():
                shutil.copyfile(part, Path(self._copy.name) / f"archive{suffix}")
        return self._look(Path(self._copy.name) / "archive")

    def _look(self, path: Path) -> sqlite3.Connection:
        database = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=5.0
        )
        try:
            database.execute("PRAGMA query_only=ON")
            database.execute("PRAGMA trusted_schema=OFF")  # the file may be somebody else's
            database.execute("BEGIN")
            database.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        except BaseException:
            database.close()
            raise
        return database

    def _check(self) -> None:
        assert self._database is not None  # noqa: S101 - opened a moment ago; for the type checker
        found = {
            name for (name,) in self._database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        if not found >= _TABLES:
            raise ArchiveError(
                f"{self.path} is no archive of a drill server.", next_step="Give its archive.sqlite3."
            )
        row = self._database.execute("SELECT value FROM about WHERE key = 'version'").fetchone()
        version = str(row[0]) if row else ""
        if not version.isdecimal():
            raise ArchiveError(
                f"{self.path} does not say which version wrote it.",
                next_step="Give the file as the server left it.",
            )
        if int(version) > Archive.VERSION:
            raise ArchiveError(
                f"{self.path} was written by a newer version of snews_drill.", next_step="Update snews_drill."
            )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, OverflowError) as error:
            raise ArchiveError(
                f"The archive {self.path} could not be read: {error}.",
                next_step="Copy it together with the files beside it (-wal), or ask whoever runs the server.",
            ) from error

    def beats(self, period: Period) -> list[Beat]:
        """Return the heartbeats received in a period, in order of arrival."""
        rows = self._rows(
            "SELECT detector, is_on, sent_time_ns, received_ns FROM heartbeats"
            " WHERE received_ns BETWEEN ? AND ? ORDER BY received_ns",
            period,
            (_TEXT, _INTEGER, _INTEGER, _INTEGER),
        )
        return [Beat(name, bool(is_on), sent, received) for name, is_on, sent, received in rows]

    def observations(self, period: Period) -> list[ArchivedObservation]:
        """Return the observations received in a period, in order of arrival."""
        rows = self._rows(
            "SELECT exercise, is_test, message_id, detector, neutrino_time_ns, p_val, sent_time_ns, received_ns, is_held"
            " FROM observations WHERE received_ns BETWEEN ? AND ? ORDER BY number",
            period,
            (_TEXT, _INTEGER, _TEXT, _TEXT, _INTEGER, (float, int, type(None)), _INTEGER, _INTEGER, _INTEGER),
        )
        return [
            ArchivedObservation(HeldObservation(row[0], bool(row[1]), *row[2:8]), bool(row[8]))
            for row in rows
        ]

    def alerts(self, period: Period) -> list[ArchivedAlert]:
        """Return the alerts decided in a period, in order."""
        rows = self._rows(
            "SELECT topic, content, made_ns, sent_ns FROM outgoing"
            " WHERE kind = 'alert' AND made_ns BETWEEN ? AND ? ORDER BY number",
            period,
            (_TEXT, (bytes,), _INTEGER, (int, type(None))),
        )
        return [ArchivedAlert(*row) for row in rows]

    def newest_alert(self) -> Alert:
        """Return the newest alert of at least two detectors.

        Raises
        ------
        ArchiveError
            If there is none.
        """
        for kept in reversed(self.alerts(Period())):
            with suppress(UnreadableRecord):
                alert = decode_alert(kept.content)
                if len(alert.detector_names) >= 2:
                    return alert
        raise ArchiveError(
            f"There is no alert in {self.path.parent.name}/{self.path.name}.",
            next_step="An alert needs two detectors within ten seconds; play a drill with `snews-drill rehearse`.",
        )

    def records(
        self, period: Period, condition: str, *values: object, limit: int = 100_000
    ) -> list[ArchivedRecord]:
        """Return the newest records of a period that fulfil a condition, oldest first.

        Parameters
        ----------
        period
            When they were received.
        condition
            SQL over the columns of `records`; written in this program, never by a user.
        values
            For its question marks.
        limit
            The most to return.
        """
        rows = self._rows(
            f"SELECT {_RECORD} FROM records WHERE received_ns BETWEEN ? AND ? AND ({condition})"  # noqa: S608
            " ORDER BY number DESC LIMIT ?",
            period,
            (*(_TEXT,) * 2, *(_INTEGER,) * 4, *(_TEXT,) * 5, (bytes, type(None))),
            (*values, limit),
        )
        return [ArchivedRecord(*(*row[:11], row[11] or b"")) for row in reversed(rows)]

    def record_counts(self, period: Period) -> dict[tuple[str, str, str], int]:
        """Return how many records of a period are of each (outcome, kind, detector); dropped ones are not counted."""
        rows = self._rows(
            "SELECT outcome, kind, detector, COUNT(*) FROM records WHERE received_ns BETWEEN ? AND ?"
            " GROUP BY outcome, kind, detector",
            period,
            (_TEXT, _TEXT, _TEXT, _INTEGER),
        )
        return {(outcome, kind, name): count for outcome, kind, name, count in rows}

    def _rows(
        self,
        statement: str,
        period: Period,
        kinds: tuple[tuple[type, ...], ...],
        values: tuple[object, ...] = (),
    ) -> list[Any]:
        with self._translated():
            if self._database is None:
                raise ArchiveError(f"{self.path} was closed.", next_step="Open it again.")
            rows = self._database.execute(statement, (period.since_ns, period.until_ns, *values)).fetchall()
        for row in rows:
            for value, kind in zip(row, kinds, strict=True):
                if not isinstance(value, kind):
                    raise ArchiveError(
                        f"The archive {self.path} holds a {type(value).__name__} where a server writes none.",
                        next_step="Give the file as the server left it.",
                    )
        return rows

    def close(self) -> None:
        """Let go of the file. May be called twice."""
        if self._database is not None:
            self._database.close()
            self._database = None
        if self._copy is not None:
            self._copy.cleanup()
            self._copy = None

    def __enter__(self) -> ArchiveReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"ArchiveReader({self.path.name})"
