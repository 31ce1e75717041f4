"""The order in which drill servers on one standby group take records: one topic says it, and all of them follow it.

Two servers that read several partitions see them interleaved differently, and their clocks differ; what they decide would
differ too. So only the active server says, on the *order topic* of one partition, which records come next and what time it
is then, and every server, the active one too, takes exactly that when it reads it there.

A server that takes over writes a *claim* first. The claim's offset is the *term*: a turn counts only if it names the offset
of the last claim before it. So a server that was frozen and thaws may write what it likes: nobody, itself included, takes
it. The topic decides that, not clocks and not timeouts. Everything here is pure: no Kafka, no clock, no files.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from snews_drill.errors import UnreadableRecord
from snews_drill.transport import Record

#: Raised when the same turns would lead to other decisions.
ORDER_VERSION = 1

#: Records that one turn takes at most.
MAX_TURN = 500

_Number = Annotated[int, Field(ge=0, lt=2**63)]
_Name = Annotated[str, Field(max_length=300)]

#: A partition: (topic, number).
Place = tuple[str, int]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class Claim(_Entry):
    """A server takes over.

    Attributes
    ----------
    server : str
        Which one: a random word for each of its lives.
    rules : str
        A digest of what decisions depend on besides the records: servers with different ones must not share a group.
    """

    kind: Literal["claim"] = "claim"
    server: _Name
    rules: _Name


class Run(_Entry):
    """Records that follow each other in one partition.

    Attributes
    ----------
    topic, partition
        Which.
    first, end : int
        The first offset, and the one after the last.
    """

    topic: _Name
    partition: _Number
    first: _Number
    end: _Number


class Turn(_Entry):
    """What comes next.

    Attributes
    ----------
    term : int
        The offset of the claim under which it is said.
    time_ns : int
        The time at which its records are received, ns since 1970 (UTC).
    runs : tuple of Run
        The records, in order; none when only the time is told.
    is_expiry : bool
        Whether observations older than 24 h leave now.
    """

    kind: Literal["turn"] = "turn"
    term: _Number
    time_ns: _Number
    runs: tuple[Run, ...] = Field(default=(), max_length=MAX_TURN, strict=False)
    is_expiry: bool = False


class Progress(_Entry):
    """How far a server has followed the order topic; kept in its archive together with what the turns changed.

    Attributes
    ----------
    position : int
        The next offset on the order topic.
    term : int or None
        The last claim before it.
    taken : dict of str to int
        The next offset of each partition, by "topic partition".
    time_ns, expired_ns : int
        When the last record was received, and when observations last expired, ns since 1970 (UTC).
    """

    position: _Number = 0
    term: _Number | None = None
    taken: dict[str, int] = Field(default_factory=dict)
    time_ns: _Number = 0
    expired_ns: _Number = 0

    @property
    def places(self) -> dict[Place, int]:
        """The next offset for each (topic, partition)."""
        return {
            (topic, int(number)): offset
            for (topic, _, number), offset in ((key.rpartition(" "), o) for key, o in self.taken.items())
        }


class Step(NamedTuple):
    """What a server does next, and how far it has come then.

    Attributes
    ----------
    records : tuple of Record
        To be taken together, in this order.
    turn : Turn
        Who says so.
    progress : Progress
        To be kept in the same transaction.
    """

    records: tuple[Record, ...]
    turn: Turn
    progress: Progress


_entries: TypeAdapter[Claim | Turn] = TypeAdapter(Annotated[Claim | Turn, Field(discriminator="kind")])


def encode_entry(entry: Claim | Turn) -> bytes:
    """Return an entry of the order topic as JSON."""
    return entry.model_dump_json().encode()


def decode_entry(value: bytes) -> Claim | Turn:
    """Return what a record of the order topic says.

    Raises
    ------
    UnreadableRecord
        If it is neither a claim nor a turn; every server passes over it alike.
    """
    try:
        return _entries.validate_json(value)
    except ValidationError as error:
        raise UnreadableRecord("It is no entry of an order topic.", value) from error


class Order:
    """What the order topic has said, and the records that wait for their turn.

    Parameters
    ----------
    progress
        How far this server has come before.
    begin
        The first offset that the order topic still has.
    """

    def __init__(self, progress: Progress | None = None, *, begin: int = 0) -> None:
        self._progress = progress or Progress()
        self._begin = begin
        self._said: deque[tuple[int, int | None, Turn | None]] = (
            deque()
        )  # offset, term there, a turn that counts
        self._held: dict[Place, deque[Record]] = {}
        self._held_size = 0
        self._reached = self._progress.places
        self._named = self._progress.places
        self._named_ns = self._progress.time_ns
        self.term = self._progress.term
        self.rules = ""

    @property
    def progress(self) -> Progress:
        """How far the steps that were handed out go."""
        return self._progress

    @property
    def is_followed(self) -> bool:
        """Whether everything that was said is done."""
        return not self._said

    @property
    def held_bytes(self) -> int:
        """What the records that wait take, bytes, with some room for each."""
        return self._held_size

    def note(self, offset: int, entry: Claim | Turn | None) -> bool:
        """Hear what stands at the next offset of the order topic; None stands for nonsense.

        Returns
        -------
        bool
            Whether it is a turn that counts.
        """
        if isinstance(entry, Claim):
            self.term, self.rules = offset, entry.rules
        counts = isinstance(entry, Turn) and self._is_of_term(entry)
        self._said.append((offset, self.term, entry if counts and isinstance(entry, Turn) else None))
        if counts and isinstance(entry, Turn):
            self._named_ns = max(entry.time_ns, self._named_ns + 1)
            for run in entry.runs:
                place = (run.topic, run.partition)
                first = self._named.get(place, run.first)
                self._named[place] = max(first, run.end)
                self._named_ns += max(run.end - first, 0)
        return counts

    def _is_of_term(self, turn: Turn) -> bool:
        known = -1 if self.term is None else self.term
        if known < turn.term < self._begin:
            # Its claim is so old that the broker no longer keeps it.
            self.term = turn.term
        return turn.term == self.term

    def hold(self, records: Iterable[Record]) -> None:
        """Keep records that were read, each partition's in order, until their turn comes."""
        for record in records:
            place = (record.topic, record.partition)
            if record.offset < self._reached.get(place, 0):
                continue  # read again after an outage
            self._reached[place] = record.offset + 1
            self._held.setdefault(place, deque()).append(record)
            self._held_size += _size(record)

    def reach(self, positions: Mapping[Place, int]) -> None:
        """Hear where the reader begins: what lies before was taken, or is no longer kept by the broker."""
        for place, offset in positions.items():
            self._reached[place] = max(self._reached.get(place, 0), offset)

    @property
    def is_waiting(self) -> bool:
        """Whether the next turn names records that are not here yet."""
        turn = next((turn for _, _, turn in self._said if turn is not None), None)
        return turn is not None and not self._is_here(turn)

    def _is_here(self, turn: Turn) -> bool:
        return all(self._reached.get((run.topic, run.partition), 0) >= run.end for run in turn.runs)

    def next(self) -> Step | None:
        """Return the next step, or None while there is none or its records are not here yet."""
        while self._said:
            offset, term, turn = self._said[0]
            if turn is not None and not self._is_here(turn):
                return None
            self._said.popleft()
            if turn is None:
                self._progress = self._progress.model_copy(update={"position": offset + 1, "term": term})
                continue
            return self._do(offset, term, turn)
        return None

    def _do(self, offset: int, term: int | None, turn: Turn) -> Step:
        # Whatever the clocks of two servers say: time does not run backwards.
        time_ns = max(turn.time_ns, self._progress.time_ns + 1)
        taken, records, end_ns = dict(self._progress.taken), [], time_ns
        for run in turn.runs:
            key, place = f"{run.topic} {run.partition}", (run.topic, run.partition)
            held = self._held.get(place, deque())
            # What came before and nobody named is taken too; only where the order topic begins it is left out.
            first = taken.get(key, run.first)
            while held and held[0].offset < run.end:
                record = held.popleft()
                self._held_size -= _size(record)
                if record.offset >= first:
                    records.append(record)
            taken[key] = max(first, run.end)
            end_ns += max(run.end - first, 0)
        self._progress = Progress(
            position=offset + 1,
            term=term,
            taken=taken,
            time_ns=end_ns,
            expired_ns=time_ns if turn.is_expiry else self._progress.expired_ns,
        )
        return Step(tuple(records), turn.model_copy(update={"time_ns": time_ns}), self._progress)

    def _unnamed(self, place: Place) -> Iterator[Record]:
        named = self._named.get(place, 0)
        return (record for record in self._held[place] if record.offset >= named)

    def propose(self, now_ns: int, *, is_expiry: bool = False, is_needed: bool = False) -> Turn | None:
        """Return a turn with the records that nobody has named yet, by the time they were written; None if there are none.

        For the server whose term it is, and only when all that it proposed before has been read back.

        Parameters
        ----------
        now_ns
            The time, ns since 1970 (UTC).
        is_expiry
            Whether old observations leave; such a turn may be without records.
        is_needed
            Whether a turn without records is wanted, to see that it still counts.
        """
        waiting = (self._unnamed(place) for place in self._held)
        by_time = heapq.merge(*waiting, key=lambda r: r.timestamp_ms)
        runs: list[Run] = []
        for record in itertools.islice(by_time, MAX_TURN):
            last = runs[-1] if runs else None
            if last is not None and (last.topic, last.partition) == (record.topic, record.partition):
                runs[-1] = last.model_copy(update={"end": record.offset + 1})
            else:
                end = record.offset + 1
                runs.append(Run(topic=record.topic, partition=record.partition, first=record.offset, end=end))
        if not (runs or is_expiry or is_needed) or self.term is None:
            return None
        time_ns = max(now_ns, self._named_ns + 1)
        return Turn(term=self.term, time_ns=time_ns, runs=tuple(runs), is_expiry=is_expiry)


def _size(record: Record) -> int:
    return len(record.value) + 500
