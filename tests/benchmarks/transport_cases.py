"""What the transport costs beside the raw Kafka client; by hand: `python tests/benchmarks/transport_cases.py`."""

from __future__ import annotations

import statistics
import time

import confluent_kafka

from snews_drill.rehearsal.broker import EmbeddedBroker
from snews_drill.transport import Receipt, Transport
from snews_drill.wire.payload import Payload

SINGLES = 300
MANY = 20_000
ALERT = b'{"_id": "SNEWS_Coincidence_ALERT 2026-01-01T00:00:00.000000"}'


def measure(*, is_full: bool = False) -> list[tuple[str, float, str]]:
    """Return (label, value, unit) for each case, on an embedded broker of its own."""
    with EmbeddedBroker() as broker:
        transport = Transport(broker.address)
        transport.create_topics(["single", "round-trip", "raw", "many"])
        acknowledged = [_timed(lambda: _send(transport, "single", 1)) for _ in range(SINGLES)]
        ours, raw = _round_trips(transport), _raw_round_trips(broker.address)
        began = time.perf_counter()
        _send(transport, "many", MANY)
        written = MANY / (time.perf_counter() - began)
        read = _read_many(transport)
        transport.close()
    return [
        ("transport, publish to acknowledged p50", statistics.median(acknowledged), "ms"),
        ("transport, publish to acknowledged p99", sorted(acknowledged)[int(SINGLES * 0.99)], "ms"),
        ("transport, publish to read p50", statistics.median(ours), "ms"),
        ("raw client, publish to read p50 (the limit)", statistics.median(raw), "ms"),
        (
            "transport, publish to read beside the raw client",
            statistics.median(ours) / statistics.median(raw),
            "×",
        ),
        (f"transport, {MANY:,} acknowledged", written, "messages/s"),
        (f"transport, {MANY:,} read", read, "messages/s"),
    ]


def _send(transport: Transport, topic: str, count: int) -> None:
    outcomes = transport.send(topic, [Payload(ALERT)] * count, timeout=60)
    assert all(isinstance(outcome, Receipt) for outcome in outcomes)


def _timed(act: object) -> float:
    assert callable(act)
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1e3


def _round_trips(transport: Transport) -> list[float]:
    reader = transport.open_reader(["round-trip"])
    spent = []
    for _ in range(SINGLES):
        began = time.perf_counter()
        _send(transport, "round-trip", 1)
        while not reader.read(timeout=1.0):
            pass
        spent.append((time.perf_counter() - began) * 1e3)
    reader.close()
    return spent


def _raw_round_trips(address: str) -> list[float]:
    """The same with nothing of ours, and the same wait of the broker's."""
    producer = confluent_kafka.Producer({"bootstrap.servers": address, "linger.ms": 0})
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": address,
            "group.id": "raw",
            "fetch.wait.max.ms": 10,
            "enable.auto.commit": False,
        }
    )
    consumer.assign([confluent_kafka.TopicPartition("raw", 0, 0)])
    spent = []
    for _ in range(SINGLES):
        began = time.perf_counter()
        producer.produce("raw", ALERT)
        producer.flush(10)
        while consumer.poll(1.0) is None:
            pass
        spent.append((time.perf_counter() - began) * 1e3)
    consumer.close()
    return spent


def _read_many(transport: Transport) -> float:
    reader = transport.open_reader(["many"], start="beginning")
    found = 0
    began = time.perf_counter()
    while found < MANY:
        found += len(reader.read(timeout=1.0))
    spent = time.perf_counter() - began
    reader.close()
    return MANY / spent


if __name__ == "__main__":
    for label, value, unit in measure():
        print(f"{label:60}{value:12.2f} {unit}")
