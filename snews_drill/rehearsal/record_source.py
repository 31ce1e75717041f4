"""Where a drill server has its records from, and what it may do: alone on its topics, or with others on a standby group."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from snews_drill.connection import Connection
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.server_clock import ServerClock
from snews_drill.transport import Reader, Record

#: Seconds between looks at which observations are older than 24 h.
EXPIRY_SECONDS = 60.0

#: The archive's note of how far the server has followed its standby group; "" for a server alone.
STANDBY_NOTE = "standby"


class Intended(NamedTuple):
    """What a server does next, all in one transaction.

    Attributes
    ----------
    records : sequence of Record
        To be taken, in this order.
    received_ns : int
        When they are received, ns since 1970 (UTC).
    is_expiry : bool
        Whether observations older than 24 h leave then.
    note : str
        What the archive keeps under `STANDBY_NOTE`; "" for nothing.
    is_time_set : bool
        Whether the server's clock was set just now: set back, it brings back what was let go as too old.
    """

    records: Sequence[Record]
    received_ns: int
    is_expiry: bool = False
    note: str = ""
    is_time_set: bool = False


class RecordSource(Protocol):
    """Gives a server its records. For one thread; `open` before `read` and `may_send`, `close` after."""

    @property
    def role(self) -> str:
        """What the status shows: "" for a server alone, else "joining", "active" or "standing by"."""

    @property
    def is_active(self) -> bool:
        """Whether this server answers commands and sends."""

    @property
    def is_down(self) -> bool:
        """Whether the broker is away."""

    def expired_ns(self) -> int:
        """Return the time by which the archive's observations expire when they are restored, ns since 1970 (UTC)."""

    def open(self) -> None:
        """Begin where the archive stands."""

    def read(self, timeout: float) -> list[Intended]:
        """Return what to do next, waiting up to `timeout` seconds if there is nothing."""

    def may_send(self) -> bool:
        """Tell whether what was decided may be sent now; asked right before."""

    def close(self) -> None:
        """Let the broker go. May be called twice."""


class OwnReading:
    """A server alone on its topics: it takes records as it reads them.

    Parameters
    ----------
    connection
        Where to read.
    archive
        Knows how far it came.
    topics
        The observation topics.
    instance
        Which life of the broker this is.
    is_stopping
        Ends the wait for a broker.
    clock
        Tells the time.
    """

    def __init__(
        self,
        connection: Connection,
        archive: Archive,
        topics: Sequence[str],
        instance: str,
        is_stopping: Callable[[], bool],
        clock: ServerClock,
    ) -> None:
        self._connection = connection
        self._archive = archive
        self._topics = topics
        self._instance = instance
        self._is_stopping = is_stopping
        self._clock = clock
        self._reader: Reader | None = None
        self._next_expiry = 0.0

    role = ""
    is_active = True

    @property
    def is_down(self) -> bool:
        """Whether the broker is away."""
        return self._reader is None or self._reader.down_since is not None

    def expired_ns(self) -> int:
        """Return the time it is."""
        return self._clock.now_ns()

    def open(self) -> None:
        """Begin to read where the archive stands."""
        if self._archive.noted(STANDBY_NOTE):
            with self._archive.transaction():
                # From here on it takes records in an order of its own, and can follow a group no more.
                self._archive.note(STANDBY_NOTE, "")
        positions = self._archive.positions(self._instance)
        written_ms = {}
        if not self._instance:  # a broker that may have lost its content while nobody looked
            for place, offset in positions.items():
                at_ms = self._archive.timestamp_at("", *place, offset - 1)
                if at_ms is not None:
                    written_ms[place] = at_ms
        self._reader = self._connection.open_reader(
            self._topics,
            start=positions or "beginning",
            is_cancelled=self._is_stopping,
            written_ms=written_ms,
        )

    def read(self, timeout: float) -> list[Intended]:
        """Return what has come."""
        assert self._reader is not None  # noqa: S101 - opened before
        records = self._reader.read(timeout=timeout)
        is_time_set = self._clock.heed(record.timestamp_ms for record in records)
        is_expiry = time.monotonic() >= self._next_expiry
        if is_expiry:
            self._next_expiry = time.monotonic() + EXPIRY_SECONDS
        if not records and not is_expiry:
            return []
        return [Intended(records, self._clock.now_ns(), is_expiry, is_time_set=is_time_set)]

    def may_send(self) -> bool:
        """Nobody else does."""
        return True

    def close(self) -> None:
        """Let the broker go."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None
