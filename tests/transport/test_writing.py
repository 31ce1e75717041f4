"""Writing: every message has its acknowledgement or its reason, whatever the broker does meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from broker_stand import Stand, freeze, open_transport, thaw
from waiting import AT_ONCE_SEC, wait_for

from snews_drill.errors import (
    BrokerUnreachable,
    DeliveryFailed,
    MessageTooLarge,
    NoAnswer,
    TransportError,
    UnknownTopic,
)
from snews_drill.transport import MAX_RECORD_BYTES, Reader, Receipt, Record, Transport, raise_undelivered
from snews_drill.wire.payload import Payload


@pytest.fixture
def transport(broker: Stand) -> Iterator[Transport]:
    transport = open_transport(broker)
    yield transport
    transport.close()


@pytest.fixture
def topic(transport: Transport, request: pytest.FixtureRequest) -> str:
    name = f"writing.{request.node.name.translate(str.maketrans('[] ', '___'))}"
    transport.create_topics([name])
    return name


def texts(count: int, start: int = 0) -> list[Payload]:
    return [Payload(b"%d" % number) for number in range(start, start + count)]


def read_until(reader: Reader, count: int, timeout: float = 10.0) -> list[Record]:
    found: list[Record] = []

    def enough() -> bool:
        found.extend(reader.read(timeout=0.05))
        return len(found) >= count

    wait_for(enough, f"{count} records", timeout=timeout)
    return found


def read_all(transport: Transport, topic: str, count: int, timeout: float = 10.0) -> list[bytes]:
    reader = transport.open_reader([topic], start="beginning")
    try:
        found = read_until(reader, count, timeout)
        found += reader.read(timeout=0.2)
        return [record.value for record in found]
    finally:
        reader.close()


def test_every_message_has_its_receipt_in_order(transport: Transport, topic: str) -> None:
    """A receipt says where the broker keeps the message, and how long it took."""
    receipts = transport.send(topic, texts(3))
    assert [r.offset for r in receipts if isinstance(r, Receipt)] == [0, 1, 2]
    for receipt in receipts:
        assert isinstance(receipt, Receipt)
        assert (receipt.topic, receipt.partition) == (topic, 0)
        assert 0 < receipt.milliseconds < 5000
    assert read_all(transport, topic, 3) == [b"0", b"1", b"2"]


def test_format_header_travels(transport: Transport, topic: str) -> None:
    """What the `_format` header says is what the reader sees."""
    transport.send(topic, [Payload(b"{}", "json"), Payload(b"\x80\x04", "blob")])
    reader = transport.open_reader([topic], start="beginning")
    assert [record.content_format for record in read_until(reader, 2)] == ["json", "blob"]
    reader.close()


def test_records_of_one_key_share_a_partition_in_order(transport: Transport) -> None:
    """Where they lie is where Kafka's own client puts them, murmur2(key) modulo 6; a reader gets every partition."""
    transport.create_topics(["writing.keyed"], partitions=6)
    names = [b"XENONnT", b"JUNO", b"Super-K", b"IceCube"]
    payloads = [Payload(b"%d" % n, key=names[n % 4]) for n in range(200)]
    receipts = [r for r in transport.send("writing.keyed", payloads) if isinstance(r, Receipt)]
    assert len(receipts) == 200
    places = {name: {r.partition for r in receipts[index::4]} for index, name in enumerate(names)}
    assert places == {b"XENONnT": {2}, b"JUNO": {5}, b"Super-K": {3}, b"IceCube": {3}}
    reader = transport.open_reader(["writing.keyed"], start="beginning")
    found = read_until(reader, 200)
    reader.close()
    for first in range(4):
        mine = [int(record.value) for record in found if int(record.value) % 4 == first]
        assert mine == sorted(mine)


def test_nothing_to_send_is_nothing_sent(transport: Transport, topic: str) -> None:
    assert transport.send(topic, []) == []


def test_a_burst_of_20000_comes_back_once_and_in_order(transport: Transport, topic: str) -> None:
    receipts = transport.send(topic, texts(20_000), timeout=30)
    assert [r.offset for r in receipts if isinstance(r, Receipt)] == list(range(20_000))
    assert read_all(transport, topic, 20_000, timeout=30) == [b"%d" % number for number in range(20_000)]


def test_threads_share_the_producer_and_each_keeps_its_order(transport: Transport, topic: str) -> None:
    """Every thread gets its own receipts; the messages of one are in the order it sent them."""
    failures: list[object] = []

    def send_all(thread: int) -> None:
        for number in range(50):
            outcome = transport.send(topic, [Payload(b"%d %d" % (thread, number))])[0]
            if not isinstance(outcome, Receipt):
                failures.append(outcome)

    threads = [threading.Thread(target=send_all, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    values = read_all(transport, topic, 200)
    assert len(values) == len(set(values)) == 200
    for thread_number in range(4):
        mine = [value for value in values if value.startswith(b"%d " % thread_number)]
        assert mine == [b"%d %d" % (thread_number, number) for number in range(50)]


def test_too_large_is_refused_before_it_is_sent_and_others_go(transport: Transport, topic: str) -> None:
    too_large = Payload(b"x" * MAX_RECORD_BYTES)
    outcomes = transport.send(topic, [*texts(1), too_large, *texts(1, 1)])
    assert isinstance(outcomes[1], MessageTooLarge)
    assert f"{MAX_RECORD_BYTES:,}" in outcomes[1].reason
    assert read_all(transport, topic, 2) == [b"0", b"1"]


def test_the_largest_that_is_let_through_is_taken_by_the_broker(transport: Transport, topic: str) -> None:
    """Several at once too: the broker's limit is one for what travels together."""
    largest = Payload(b"x" * (MAX_RECORD_BYTES - 512))
    outcomes = transport.send(topic, [largest, largest, largest])
    assert all(isinstance(outcome, Receipt) for outcome in outcomes), outcomes


def test_unknown_topic_is_an_answer_within_seconds(
    transport: Transport, request: pytest.FixtureRequest
) -> None:
    """Apache Kafka refuses; the embedded broker makes a topic that is written to."""
    began = time.monotonic()
    (outcome,) = transport.send("writing.nobody-made-this", texts(1))
    if request.config.getoption("--broker") == "kafka":
        assert isinstance(outcome, UnknownTopic)
    else:
        assert isinstance(outcome, (Receipt, UnknownTopic))
    assert time.monotonic() - began < 5


def test_a_name_that_no_topic_can_have_is_an_answer(transport: Transport) -> None:
    """What the client refuses at once is an outcome like any other."""
    (outcome,) = transport.send("no topic/at all!", texts(1), timeout=3)
    assert isinstance(outcome, TransportError)
    assert outcome.next_step


def test_closed_connection_says_so(broker: Stand) -> None:
    transport = open_transport(broker)
    transport.close()
    transport.close()
    with pytest.raises(TransportError, match="closed") as caught:
        transport.send("any", texts(1))
    assert "connect()" in caught.value.next_step


def test_close_while_another_thread_sends_ends_both(stand: Stand) -> None:
    """Nobody waits for ever for a message that nobody sends any more."""
    transport = open_transport(stand)
    transport.create_topics(["closing"])
    transport.send("closing", texts(1))
    stand.kill()
    outcomes: list[object] = []
    sender = threading.Thread(target=lambda: outcomes.extend(transport.send("closing", texts(1), timeout=5)))
    sender.start()
    time.sleep(0.1)
    transport.close(timeout=0.2)
    sender.join(8)
    assert not sender.is_alive()
    assert isinstance(outcomes[0], BrokerUnreachable)


def test_broker_gone_is_told_in_time_and_nothing_is_sent_later(stand: Stand) -> None:
    """After the caller was told that it failed, the message must not appear when the broker is back."""
    transport = open_transport(stand)
    transport.create_topics(["gone"])
    transport.send("gone", [Payload(b"before")])
    stand.kill()
    began = time.monotonic()
    (outcome,) = transport.send("gone", [Payload(b"lost")], timeout=1)
    assert isinstance(outcome, BrokerUnreachable)
    assert stand.address in outcome.reason
    assert outcome.next_step
    assert 0.9 < time.monotonic() - began < 3
    stand.start()
    transport.create_topics(["gone"])
    wait_for(
        lambda: isinstance(transport.send("gone", [Payload(b"after")], timeout=2)[0], Receipt),
        "the producer to find the broker again",
        timeout=20,
    )
    expected = [b"before", b"after"] if stand.keeps_content else [b"after"]
    values = read_all(transport, "gone", len(expected))
    assert b"lost" not in values
    assert values[: len(expected)] == expected
    transport.close()


def test_a_wait_can_be_called_off(stand: Stand) -> None:
    transport = open_transport(stand)
    transport.create_topics(["off"])
    stand.kill()
    began = time.monotonic()
    (outcome,) = transport.send(
        "off", texts(1), timeout=30, is_cancelled=lambda: time.monotonic() > began + 0.2
    )
    assert isinstance(outcome, TransportError)
    assert time.monotonic() - began < AT_ONCE_SEC
    transport.close()


def test_one_threads_end_of_patience_is_not_anothers(stand: Stand) -> None:
    """A thread that gives up lets go of its own messages; those of the others are sent when the broker is back."""
    transport = open_transport(stand)
    transport.create_topics(["patience"])
    transport.send("patience", texts(1))
    freeze(stand)
    patient: list[object] = []
    thread = threading.Thread(
        target=lambda: patient.extend(transport.send("patience", [Payload(b"patient")], timeout=20))
    )
    try:
        thread.start()
        (hasty,) = transport.send("patience", [Payload(b"hasty")], timeout=0.5)
        assert isinstance(hasty, TransportError)
        assert thread.is_alive()
    finally:
        thaw(stand)
    thread.join(20)
    assert isinstance(patient[0], Receipt)
    transport.close()


def test_frozen_broker_is_told_in_time_and_used_again(stand: Stand) -> None:
    transport = open_transport(stand)
    transport.create_topics(["frozen"])
    transport.send("frozen", texts(1))
    freeze(stand)
    try:
        began = time.monotonic()
        (outcome,) = transport.send("frozen", texts(1, 1), timeout=1)
        assert isinstance(outcome, BrokerUnreachable)
        assert time.monotonic() - began < 3
    finally:
        thaw(stand)
    wait_for(
        lambda: isinstance(transport.send("frozen", texts(1, 2), timeout=2)[0], Receipt),
        "the thawed broker",
        timeout=20,
    )
    transport.close()


def test_check_says_who_does_not_answer(stand: Stand) -> None:
    transport = open_transport(stand)
    transport.check(timeout=10)
    stand.kill()
    began = time.monotonic()
    with pytest.raises(BrokerUnreachable, match=stand.address):
        transport.check(timeout=1)
    assert time.monotonic() - began < 3


def test_making_topics_twice_is_harmless_and_without_a_broker_an_error(stand: Stand) -> None:
    transport = open_transport(stand)
    transport.create_topics(["twice", "twice"])
    transport.create_topics(["twice"])
    stand.kill()
    with pytest.raises(BrokerUnreachable):
        transport.create_topics(["late"], timeout=1)


def test_undelivered_messages_are_in_the_error() -> None:
    """The caller gets back exactly the messages without a receipt, and the reason of the first."""
    receipt = Receipt("t", 0, 1, 0.1)
    contents = [{"n": 0}, {"n": 1}, {"n": 2}]
    reason = NoAnswer("Nobody.", next_step="Wait.")
    assert raise_undelivered([receipt, receipt, receipt], contents) == [receipt] * 3
    with pytest.raises(DeliveryFailed, match="2 of 3") as caught:
        raise_undelivered([receipt, reason, reason], contents)
    assert caught.value.undelivered == ({"n": 1}, {"n": 2})
    assert caught.value.__cause__ is reason


def test_the_clients_own_log_never_reaches_the_screen(
    stand: Stand, capfd: pytest.CaptureFixture[str]
) -> None:
    """librdkafka writes to standard error if it is let; in a notebook that is the user's page."""
    transport = open_transport(stand)
    transport.create_topics(["quiet"])
    transport.send("quiet", texts(1))
    reader = transport.open_reader(["quiet"])
    stand.kill()
    transport.send("quiet", texts(1), timeout=1)
    wait_for(lambda: reader.read(timeout=0.05) or reader.down_since, "the reader to notice")
    reader.close()
    transport.close()
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")
