"""The archive's file: one SQLite database that only its user can read, written in transactions.

Whatever SQLite or the disk refuses becomes an `ArchiveError` that says what to do.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from snews_drill.errors import ArchiveError
from snews_drill.rehearsal.archive_rows import SCHEMA
from snews_drill.settings import make_private_dir


class ArchiveFile:
    """The file of an archive. One writer; threads may share it.

    Parameters
    ----------
    path
        The SQLite file; its folder is made private.

    Raises
    ------
    ArchiveError
        If it cannot be opened, or belongs to a newer version.
    """

    #: Raised when the tables change; an older program refuses a newer file instead of guessing.
    VERSION = 1

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        make_private_dir(path.parent)
        with self._translated("opened"):
            # Made private before there is anything in it; the files beside it take after it.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))
            path.chmod(0o600)
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
        try:
            with self._translated("opened"):
                self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        has_tables = self._database.execute("SELECT 1 FROM sqlite_master WHERE name = 'about'").fetchone()
        version = self._about("version") if has_tables else self.VERSION
        if int(version) > self.VERSION:
            raise ArchiveError(
                f"{self.path} was written by a newer version of snews_drill.", next_step="Update snews_drill."
            )
        self._database.execute("PRAGMA journal_mode=WAL")
        # A crash of the process loses nothing; after a power cut the broker's topic is read again from the last
        # position on disk.
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.execute("PRAGMA journal_size_limit=16000000")
        self._database.executescript(SCHEMA)
        self._database.execute("INSERT OR IGNORE INTO about VALUES ('version', ?)", (str(self.VERSION),))

    def _about(self, key: str) -> str:
        row = self._database.execute("SELECT value FROM about WHERE key = ?", (key,)).fetchone()
        return str(row[0]) if row else "0"

    @contextmanager
    def _translated(self, verb: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise self._explained(error, verb) from error

    def _explained(self, error: Exception, verb: str) -> ArchiveError:
        is_damaged = getattr(error, "sqlite_errorcode", 0) & 0xFF in (
            sqlite3.SQLITE_CORRUPT,
            sqlite3.SQLITE_NOTADB,
        )
        return ArchiveError(
            f"The archive {self.path} could not be {verb}: {error}.",
            next_step="Move the file away; a new one is made at the next start."
            if is_damaged
            else "Free some disk space or make the folder writable; the server goes on by itself.",
            is_passing=not is_damaged,
        )

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do everything inside or nothing.

        Raises
        ------
        ArchiveError
            If the disk refuses; nothing was changed then.
        """
        with self._lock, self._translated("written"):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                # The first error is the one to tell.
                with contextlib.suppress(sqlite3.Error):
                    if self._database.in_transaction:
                        self._database.execute("ROLLBACK")
                raise

    def note(self, key: str, value: str) -> None:
        """Remember a word under a name; inside a transaction it is kept or lost with the rest."""
        with self._lock, self._translated("written"):
            self._database.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (key, value))

    def noted(self, key: str) -> str:
        """Return what was noted under a name, "" if nothing was."""
        rows = self._query("SELECT value FROM about WHERE key = ?", (key,))
        return str(rows[0][0]) if rows else ""

    def _query(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        # Several times per record: a context manager here would cost the server a tenth of its throughput.
        with self._lock:
            try:
                return self._database.execute(statement, values).fetchall()
            except (sqlite3.Error, OSError) as error:
                raise self._explained(error, "read") from error

    def close(self) -> None:
        """Close the file. May be called twice."""
        with self._lock:
            self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.path.name})"
