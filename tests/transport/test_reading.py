"""Reading: from where it was asked, as soon as the broker has it, and on after an outage."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import pytest
from broker_stand import Stand, freeze, open_transport, thaw
from waiting import AT_ONCE_SEC, wait_for

from snews_drill.errors import BrokerUnreachable, TransportError, UnknownTopic
from snews_drill.transport import Reader, Receipt, Record, Transport
from snews_drill.wire.payload import Payload


@pytest.fixture
def transport(broker: Stand) -> Iterator[Transport]:
    transport = open_transport(broker)
    yield transport
    transport.close()


@pytest.fixture
def topic(transport: Transport, request: pytest.FixtureRequest) -> str:
    name = f"reading.{request.node.name}"
    transport.create_topics([name])
    return name


def send(transport: Transport, topic: str, *values: bytes) -> list[Receipt]:
    receipts = [o for o in transport.send(topic, [Payload(v) for v in values]) if isinstance(o, Receipt)]
    assert len(receipts) == len(values)
    return receipts


def read_until(reader: Reader, count: int, timeout: float = 10.0) -> list[Record]:
    found: list[Record] = []

    def enough() -> bool:
        found.extend(reader.read(timeout=0.05))
        return len(found) >= count

    wait_for(enough, f"{count} records", timeout=timeout)
    return found


def test_from_the_beginning(transport: Transport, topic: str) -> None:
    """Everything the broker keeps, with its place and time."""
    before_ms = time.time_ns() // 10**6
    send(transport, topic, b"a", b"b")
    reader = transport.open_reader([topic], start="beginning")
    records = read_until(reader, 2)
    reader.close()
    assert [(r.value, r.topic, r.partition, r.offset) for r in records] == [
        (b"a", topic, 0, 0),
        (b"b", topic, 0, 1),
    ]
    assert all(before_ms <= record.timestamp_ms <= time.time_ns() // 10**6 for record in records)
    assert reader.positions == {(topic, 0): 2}


def test_from_now_leaves_out_what_was(transport: Transport, topic: str) -> None:
    send(transport, topic, b"old")
    reader = transport.open_reader([topic], start="now")
    send(transport, topic, b"new")
    assert [r.value for r in read_until(reader, 1)] == [b"new"]
    reader.close()


def test_nothing_is_missed_between_opening_and_the_first_read(transport: Transport, topic: str) -> None:
    """What is written after the reader is there and before it reads belongs to it."""
    reader = transport.open_reader([topic], start="now")
    send(transport, topic, *(b"%d" % number for number in range(10)))
    time.sleep(0.2)  # the client has had time to settle at an end that has moved
    assert [r.value for r in read_until(reader, 10)] == [b"%d" % number for number in range(10)]
    reader.close()


def test_from_offsets(transport: Transport, topic: str) -> None:
    send(transport, topic, b"a", b"b", b"c")
    reader = transport.open_reader([topic], start={(topic, 0): 2})
    assert [r.value for r in read_until(reader, 1)] == [b"c"]
    reader.close()


def test_offsets_of_one_topic_and_the_beginning_of_another(transport: Transport, topic: str) -> None:
    """A topic that the map does not name is read from its beginning."""
    other = f"{topic}.other"
    transport.create_topics([other])
    send(transport, topic, b"a", b"b")
    send(transport, other, b"x")
    reader = transport.open_reader([topic, other], start={(topic, 0): 1})
    assert sorted(r.value for r in read_until(reader, 2)) == [b"b", b"x"]
    reader.close()


def test_offsets_beyond_the_end_go_to_the_beginning(transport: Transport, topic: str) -> None:
    """A position that the broker does not have any more is no reason to wait for ever."""
    send(transport, topic, b"a")
    reader = transport.open_reader([topic], start={(topic, 0): 1000})
    assert [r.value for r in read_until(reader, 1)] == [b"a"]
    reader.close()


def test_a_limit_is_kept_and_nothing_is_lost_by_it(transport: Transport, topic: str) -> None:
    send(transport, topic, *(b"%d" % number for number in range(20)))
    reader = transport.open_reader([topic], start="beginning")
    found: list[bytes] = []
    while len(found) < 20:
        records = reader.read(timeout=1, limit=3)
        assert len(records) <= 3
        found += [record.value for record in records]
    assert found == [b"%d" % number for number in range(20)]
    reader.close()


def test_a_record_is_handed_over_when_the_broker_has_it(transport: Transport, topic: str) -> None:
    """hop's own loop waits for company for a second; generous bound for a busy machine."""
    reader = transport.open_reader([topic])
    spent = []
    for _ in range(20):
        began = time.perf_counter()
        send(transport, topic, b"x")
        read_until(reader, 1)
        spent.append(time.perf_counter() - began)
    assert statistics.median(spent) < 0.25
    reader.close()


def test_several_readers_each_get_everything(transport: Transport, topic: str) -> None:
    readers = [transport.open_reader([topic]) for _ in range(3)]
    send(transport, topic, b"a", b"b")
    for reader in readers:
        assert [r.value for r in read_until(reader, 2)] == [b"a", b"b"]
        reader.close()


def test_unknown_topic_is_an_error_with_the_next_step(transport: Transport) -> None:
    began = time.monotonic()
    with pytest.raises(UnknownTopic, match="nobody-made") as caught:
        transport.open_reader(["reading.nobody-made-this"], timeout=5)
    assert "profile" in caught.value.next_step
    assert time.monotonic() - began < 4


def test_closed_reader_says_so(transport: Transport, topic: str) -> None:
    reader = transport.open_reader([topic])
    reader.close()
    reader.close()
    with pytest.raises(TransportError, match="closed"):
        reader.read(timeout=1)


def test_opening_without_a_broker_ends_in_time(stand: Stand) -> None:
    transport = open_transport(stand)
    transport.create_topics(["absent"])
    stand.kill()
    began = time.monotonic()
    with pytest.raises(BrokerUnreachable):
        transport.open_reader(["absent"], timeout=1)
    assert time.monotonic() - began < 3


def test_opening_can_be_called_off(stand: Stand) -> None:
    transport = open_transport(stand)
    transport.create_topics(["off"])
    stand.kill()
    began = time.monotonic()
    with pytest.raises(TransportError):
        transport.open_reader(["off"], timeout=30, is_cancelled=lambda: time.monotonic() > began + 0.2)
    assert time.monotonic() - began < 3


def test_reader_says_that_the_broker_is_gone_and_goes_on_when_it_is_back(stand: Stand) -> None:
    """Nothing of the new life is lost, whether the broker kept its content or not."""
    transport = open_transport(stand)
    transport.create_topics(["life"])
    reader = transport.open_reader(["life"])
    send(transport, "life", b"first")
    assert [r.value for r in read_until(reader, 1)] == [b"first"]
    assert reader.down_since is None
    stand.kill()
    wait_for(lambda: reader.read(timeout=0.05) == [] and reader.down_since, "the reader to notice")
    assert time.time() - (reader.down_since or 0) < 20
    stand.start()
    transport.create_topics(["life"])
    wait_for(
        lambda: isinstance(transport.send("life", [Payload(b"second")], timeout=1)[0], Receipt),
        "the producer to be back",
        timeout=20,
    )
    assert b"second" in [r.value for r in read_until(reader, 1, timeout=20)]
    wait_for(lambda: reader.read(timeout=0.05) is not None and reader.down_since is None, "all is well again")
    reader.close()
    transport.close()


def test_a_new_life_that_is_longer_than_the_old_one_is_read_from_its_beginning(stand: Stand) -> None:
    """The broker came back empty and already has more records than the reader had seen: the first are not skipped."""
    life = ["one"]
    transport = open_transport(stand)
    transport.create_topics(["longer"])
    reader = transport.open_reader(["longer"], instance=lambda: life[0])
    send(transport, "longer", b"old")
    read_until(reader, 1)
    stand.kill()
    wait_for(lambda: reader.read(timeout=0.02) == [] and reader.down_since, "the reader to notice")
    stand.start()
    fresh = open_transport(stand)
    fresh.create_topics(["longer"])
    send(fresh, "longer", *(b"%d" % number for number in range(5)))
    life[0] = "two"
    kept = [b"old"] if stand.keeps_content else []
    values = [r.value for r in read_until(reader, len(kept) + 5, timeout=20)]
    assert values == [*kept, *(b"%d" % number for number in range(5))]
    reader.close()
    transport.close()
    fresh.close()


def test_a_rehearsal_that_cannot_tell_its_life_is_not_taken_for_a_new_one(stand: Stand) -> None:
    """For a moment the state file may be away; that is no reason to read everything again."""
    life: list[str | None] = ["one"]
    transport = open_transport(stand)
    transport.create_topics(["unsure"])
    reader = transport.open_reader(["unsure"], instance=lambda: life[0])
    send(transport, "unsure", b"a", b"b")
    read_until(reader, 2)
    life[0] = None
    stand.kill()
    wait_for(lambda: reader.read(timeout=0.02) == [] and reader.down_since, "the reader to notice")
    stand.start()
    transport.create_topics(["unsure"])
    positions = reader.positions
    deadline = time.monotonic() + 1.5
    while time.monotonic() < deadline:
        assert reader.read(timeout=0.05) == []
    assert reader.positions == positions
    assert reader.down_since is not None
    reader.close()
    transport.close()


def test_frozen_broker_delays_and_loses_nothing(stand: Stand) -> None:
    transport = open_transport(stand)
    transport.create_topics(["ice"])
    reader = transport.open_reader(["ice"])
    send(transport, "ice", b"a")
    read_until(reader, 1)
    freeze(stand)
    try:
        began = time.monotonic()
        assert reader.read(timeout=0.5) == []
        assert time.monotonic() - began < AT_ONCE_SEC
    finally:
        thaw(stand)
    send(transport, "ice", b"b")
    assert [r.value for r in read_until(reader, 1, timeout=20)] == [b"b"]
    reader.close()
    transport.close()


def test_a_record_that_was_not_yet_there_is_asked_for_again(transport: Transport, topic: str) -> None:
    """Of two that were written at the same moment the embedded broker may show the second one first."""
    send(transport, topic, b"a", b"b", b"c")
    reader = transport.open_reader([topic], start={(topic, 0): 2})
    reader._positions[topic, 0] = 0  # as if the two before it had not been handed over
    assert [record.value for record in read_until(reader, 3)] == [b"a", b"b", b"c"]
    reader.close()


def test_a_number_that_is_left_out_for_good_is_not_waited_for_without_end(
    transport: Transport, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As behind a transaction."""
    monkeypatch.setattr("snews_drill.transport.reading._GAP_PATIENCE_SEC", 0.0)
    send(transport, topic, b"a", b"b", b"c")
    reader = transport.open_reader([topic], start={(topic, 0): 2})
    reader._positions[topic, 0] = 0
    assert [record.value for record in read_until(reader, 1)] == [b"c"]
    reader.close()


def test_a_position_whose_record_before_it_is_another_one_is_of_a_broker_that_lost_its_content(
    transport: Transport, topic: str
) -> None:
    send(transport, topic, b"a", b"b", b"c")
    reader = transport.open_reader([topic], start="beginning")
    records = read_until(reader, 3)
    reader.close()
    place, at_ms = (topic, 0), records[1].timestamp_ms
    for written_ms, values in (
        ({place: at_ms}, [b"c"]),
        ({}, [b"c"]),
        ({place: at_ms - 5000}, [b"a", b"b", b"c"]),
    ):
        reader = transport.open_reader([topic], start={place: 2}, written_ms=written_ms)
        assert [record.value for record in read_until(reader, len(values))] == values
        reader.close()
    reader = transport.open_reader([topic], start={place: 0}, written_ms={place: 1})
    assert [record.value for record in read_until(reader, 3)] == [b"a", b"b", b"c"]
    reader.close()
