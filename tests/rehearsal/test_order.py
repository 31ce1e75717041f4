"""The order of records that servers of a standby group follow: whatever happens between them, they take the same."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snews_drill.errors import UnreadableRecord
from snews_drill.rehearsal.order import (
    MAX_TURN,
    Claim,
    Order,
    Progress,
    Run,
    Step,
    Turn,
    decode_entry,
    encode_entry,
)
from snews_drill.transport import Record

PLACES = [("drill", 0), ("drill", 1), ("test", 0)]


def record(topic: str, partition: int, offset: int, timestamp_ms: int = 0) -> Record:
    return Record(topic, partition, offset, timestamp_ms or offset, b"%d" % offset, "json")


class World:
    """What a broker keeps: partitions with records, and the order topic."""

    def __init__(self) -> None:
        self.partitions: dict[tuple[str, int], list[Record]] = {place: [] for place in PLACES}
        self.entries: list[bytes] = []
        self.clock_ns = 1_000

    def produce(self, number: int) -> None:
        topic, partition = PLACES[number % len(PLACES)]
        written = self.partitions[topic, partition]
        written.append(record(topic, partition, len(written), timestamp_ms=self.clock_ns + number * 7 % 40))

    def append(self, entry: Claim | Turn) -> int:
        self.entries.append(encode_entry(entry))
        return len(self.entries) - 1


class Server:
    """A server of the group, with an archive that survives its death; it may believe what it likes of its own part."""

    def __init__(self, world: World, number: int) -> None:
        self.world, self.number = world, number
        self.archived = Progress()
        self.taken: list[tuple[str, int, int, int]] = []
        self.restart()

    def restart(self) -> None:
        """Begin again where the archive stands, with nothing else in mind."""
        self.order = Order(self.archived)
        self.heard = self.archived.position
        self.own_claims: set[int] = set()
        self.read_to = {place: self.archived.places.get(place, 0) for place in PLACES}

    def read(self, number: int, count: int) -> None:
        place = PLACES[number % len(PLACES)]
        first = self.read_to[place]
        records = self.world.partitions[place][first : first + count]
        self.read_to[place] += len(records)
        self.order.hold(records)

    def hear(self, count: int) -> None:
        for offset in range(self.heard, min(self.heard + count, len(self.world.entries))):
            self.order.note(offset, decode_entry(self.world.entries[offset]))
            self.heard = offset + 1

    def claim(self) -> None:
        self.own_claims.add(self.world.append(Claim(server=str(self.number), rules="")))

    def propose(self, *, is_expiry: bool, copies: int) -> None:
        """Say what comes next if it believes to be active; what it writes may get lost or arrive twice."""
        if self.order.term in self.own_claims:
            # Its clock is its own.
            turn = self.order.propose(self.world.clock_ns + 50 * self.number, is_expiry=is_expiry)
            for _ in range(copies if turn is not None else 0):
                self.world.append(turn)  # type: ignore[arg-type]

    def take(self, limit: int = 10_000) -> None:
        while limit and (step := self.order.next()) is not None:
            self.keep(step)
            limit -= 1

    def keep(self, step: Step) -> None:
        received_ns = step.turn.time_ns
        for taken in step.records:
            received_ns += 1
            self.taken.append((taken.topic, taken.partition, taken.offset, received_ns))
        self.archived = Progress.model_validate_json(step.progress.model_dump_json())


actions = st.lists(
    st.tuples(
        st.sampled_from(
            ["produce", "produce", "read", "read", "hear", "hear", "claim", "propose", "take", "restart"]
        ),
        st.integers(0, 2),  # which server
        st.integers(0, 5),  # how many, or which
        st.booleans(),
    ),
    max_size=150,
)


def act(world: World, servers: list[Server], action: tuple[str, int, int, bool]) -> None:
    word, which, number, flag = action
    server = servers[which]
    world.clock_ns += number
    if word == "produce":
        world.produce(number)
    elif word == "read":
        server.read(number, 4)
    elif word == "hear":
        server.hear(number)
    elif word == "claim":
        server.claim()
    elif word == "propose":
        server.propose(is_expiry=flag, copies=number % 3)
    elif word == "take":
        server.take(number)
    else:
        server.restart()


@settings(max_examples=300, deadline=None)
@given(actions)
def test_all_servers_take_the_same_whatever_happens(chosen: list[tuple[str, int, int, bool]]) -> None:
    """Deaths, two that both think it is their turn, lost and repeated turns, different clocks, any interleaving."""
    world = World()
    servers = [Server(world, number) for number in range(3)]
    for action in chosen:
        act(world, servers, action)
        # What one has taken is the beginning of what any other has.
        by_length = sorted((server.taken for server in servers), key=len)
        assert all(more[: len(less)] == less for less, more in itertools.pairwise(by_length))
    # At last the second server stays alone at its work, and the others follow.
    for number in range(len(PLACES)):
        servers[1].read(number, 10_000)
    servers[1].claim()
    servers[1].hear(10_000)
    servers[1].propose(is_expiry=False, copies=1)
    for server in servers:
        server.hear(10_000)
        for number in range(len(PLACES)):
            server.read(number, 10_000)
        server.take()
    assert servers[0].taken == servers[1].taken == servers[2].taken
    assert servers[0].archived == servers[1].archived == servers[2].archived
    places = [(topic, partition, offset) for topic, partition, offset, _ in servers[0].taken]
    written = [(r.topic, r.partition, r.offset) for held in world.partitions.values() for r in held]
    assert sorted(places) == sorted(written), "each record once"
    for place in PLACES:
        offsets = [offset for topic, partition, offset in places if (topic, partition) == place]
        assert offsets == sorted(offsets), "each partition in order"
    times = [received_ns for *_, received_ns in servers[0].taken]
    assert all(early < late for early, late in itertools.pairwise(times)), "time does not run backwards"


def test_a_server_that_was_frozen_is_not_listened_to() -> None:
    """Its turn arrives after another one's claim: nobody takes it, and the records come in the new one's order."""
    zombie, other = Order(), Order()
    for order in (zombie, other):
        order.hold([record("drill", 0, 0), record("drill", 0, 1)])
    first = Claim(server="zombie", rules="")
    zombie.note(0, first)
    late = zombie.propose(1_000)
    assert late is not None
    said: list[Any] = [first, Claim(server="other", rules=""), late]
    for offset, entry in enumerate(said):
        other.note(offset, entry)
    zombie.note(1, said[1])
    assert not zombie.note(2, late)
    assert zombie.next() is None
    assert other.next() is None
    proposed = other.propose(2_000)
    assert proposed is not None
    assert other.note(3, proposed)
    step = other.next()
    assert step is not None
    assert [r.offset for r in step.records] == [0, 1]
    assert (step.turn.time_ns, step.progress.position, step.progress.term) == (2_000, 4, 1)


def test_a_turn_waits_for_its_records_and_holds_later_turns_up() -> None:
    order = Order()
    order.note(0, Claim(server="a", rules=""))
    order.note(1, Turn(term=0, time_ns=5, runs=(Run(topic="drill", partition=0, first=0, end=2),)))
    order.note(2, Turn(term=0, time_ns=9, runs=(Run(topic="drill", partition=1, first=0, end=1),)))
    order.hold([record("drill", 1, 0), record("drill", 0, 0)])
    assert order.next() is None
    assert order.is_waiting
    order.hold([record("drill", 0, 1), record("drill", 0, 2)])
    steps = [order.next(), order.next(), order.next()]
    assert [[(r.partition, r.offset) for r in step.records] for step in steps if step] == [
        [(0, 0), (0, 1)],
        [(1, 0)],
    ]
    assert order.held_bytes > 0  # the third of partition 0 waits
    assert steps[2] is None


def test_records_that_the_broker_no_longer_keeps_are_not_waited_for() -> None:
    """The reader begins behind them."""
    order = Order()
    order.note(0, Claim(server="a", rules=""))
    order.note(1, Turn(term=0, time_ns=5, runs=(Run(topic="drill", partition=0, first=0, end=4),)))
    order.reach({("drill", 0): 3})
    assert order.next() is None
    order.hold([record("drill", 0, 3)])
    step = order.next()
    assert step is not None
    assert [r.offset for r in step.records] == [3]


def test_a_claim_that_the_topic_no_longer_keeps_counts_by_its_turns() -> None:
    """The topic begins with turns whose claim has expired; later claims count as ever."""
    order = Order(begin=70)
    turn = Turn(term=12, time_ns=5, is_expiry=True)
    assert order.note(70, turn)
    assert not order.note(71, changed(turn, term=3))
    assert not order.note(72, changed(turn, term=71))  # no claim stood there
    order.note(73, Claim(server="b", rules=""))
    assert not order.note(74, turn)
    assert order.note(75, changed(turn, term=73))


def changed(turn: Turn, **changes: Any) -> Turn:
    return turn.model_copy(update=changes)


def test_records_read_again_after_an_outage_are_held_once() -> None:
    order = Order()
    order.note(0, Claim(server="a", rules=""))
    order.hold([record("drill", 0, 0), record("drill", 0, 1)])
    order.hold([record("drill", 0, 0), record("drill", 0, 1), record("drill", 0, 2)])
    turn = order.propose(1)
    assert turn is not None
    assert turn.runs == (Run(topic="drill", partition=0, first=0, end=3),)


def test_turns_are_bounded_and_follow_the_time_of_writing() -> None:
    """Partitions are woven together as their records were written, MAX_TURN at most."""
    order = Order()
    order.note(0, Claim(server="a", rules=""))
    order.hold([record("drill", 0, n, timestamp_ms=10 * n) for n in range(MAX_TURN)])
    order.hold([record("drill", 1, n, timestamp_ms=10 * n + 5) for n in range(MAX_TURN)])
    turn = order.propose(1)
    assert turn is not None
    assert [(run.partition, run.first) for run in turn.runs[:4]] == [(0, 0), (1, 0), (0, 1), (1, 1)]
    assert sum(run.end - run.first for run in turn.runs) == MAX_TURN
    assert decode_entry(encode_entry(turn)) == turn


def test_each_partition_goes_on_where_it_was_named() -> None:
    """However far the others are."""
    order = Order()
    order.note(0, Claim(server="a", rules=""))
    order.hold([record("drill", 1, n) for n in range(3)] + [record("drill", 0, n) for n in range(9)])
    order.note(1, Turn(term=0, time_ns=5, runs=(Run(topic="drill", partition=0, first=0, end=8),)))
    turn = order.propose(9)
    assert turn is not None
    named = sorted((run.partition, n) for run in turn.runs for n in range(run.first, run.end))
    assert named == [(0, 8), (1, 0), (1, 1), (1, 2)]


def test_what_was_left_out_by_mistake_is_taken_with_what_follows() -> None:
    """No record that a server has is ever passed over; only those from before the order topic began are."""
    order = Order()
    order.note(0, Claim(server="a", rules=""))
    order.hold([record("drill", 0, n) for n in range(9)])
    for offset, (first, end) in enumerate([(1, 3), (6, 8)], 1):
        run = Run(topic="drill", partition=0, first=first, end=end)
        order.note(offset, Turn(term=0, time_ns=5, runs=(run,)))
    steps = [order.next(), order.next()]
    assert [[r.offset for r in step.records] for step in steps if step] == [[1, 2], [3, 4, 5, 6, 7]]
    ends = [step.progress.time_ns - step.turn.time_ns for step in steps if step]
    assert ends == [2, 5]


def test_nothing_is_said_without_a_term_or_a_reason() -> None:
    order = Order()
    order.hold([record("drill", 0, 0)])
    assert order.propose(1) is None
    order = Order()
    order.note(0, Claim(server="a", rules=""))
    assert order.propose(1) is None
    needed = order.propose(1, is_needed=True)
    assert needed is not None
    assert needed.runs == ()


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{",
        b"[]",
        b'{"kind": "turn"}',
        b'{"kind": "turn", "term": -1, "time_ns": 1}',
        b'{"kind": "turn", "term": 1, "time_ns": 1e400}',
        b'{"kind": "turn", "term": 1, "time_ns": 1, "runs": [{"topic": "x", "partition": 0, "first": "0", "end": 1}]}',
        b'{"kind": "claim", "server": 5, "rules": ""}',
        b'{"kind": "claim", "server": "' + b"x" * 301 + b'", "rules": ""}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_nonsense_is_no_entry_and_is_passed_over(value: bytes) -> None:
    """Every server passes over it alike."""
    with pytest.raises(UnreadableRecord) as caught:
        decode_entry(value)
    assert caught.value.raw == value
    order = Order()
    assert not order.note(0, None)
    assert order.next() is None
    assert order.progress.position == 1


@given(st.binary(max_size=200))
def test_any_bytes_are_an_entry_or_unreadable(value: bytes) -> None:
    try:
        decode_entry(value)
    except UnreadableRecord:
        return


def test_progress_keeps_topics_with_any_legal_name() -> None:
    progress = Progress(taken={"my.drill_a-b 3": 7})
    assert progress.places == {("my.drill_a-b", 3): 7}
    assert Order(progress).progress == progress
