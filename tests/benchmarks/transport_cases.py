"""What the transport costs beside the raw Kafka client; by hand: `python tests/benchmarks/transport_cases.py`."""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bare_client import RECORD as ALERT
from bare_client import BareClient

from snews_drill.rehearsal.broker import EmbeddedBroker
from snews_drill.transport import Receipt, Transport
from snews_drill.wire.payload import Payload

SINGLES = 300
MANY = 20_000
#: Writes on a topic before it is measured; the last in a full run only.
SIZES = (0, 1_000, 5_000, 20_000)


def measure(*, is_full: bool = False) -> list[tuple[str, float, str]]:
    """Return (label, value, unit) for each case, on an embedded broker of its own."""
    with EmbeddedBroker() as broker:
        transport = Transport(broker.address)
        transport.create_topics(["single", "round-trip", "raw", "grown", "many"])
        acknowledged = [_timed(lambda: _send(transport, "single", 1)) for _ in range(SINGLES)]
        ours = _round_trips(transport)
        with BareClient(broker.address, "raw") as bare:
            raw = bare.round_trips(SINGLES)
        grown = _grown(broker.address, "grown", SIZES if is_full else SIZES[:-1])
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
        *grown,
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


def _grown(address: str, topic: str, sizes: tuple[int, ...]) -> list[tuple[str, float, str]]:
    """What a topic's growth costs on the embedded broker, whoever asks: the bare client, record by record."""
    rows, written = [], 0
    with BareClient(address, topic) as bare:
        for size in sizes:
            bare.write(size - written)
            written = size + SINGLES
            label = f"raw client, publish to read, {size:,} writes on the topic before, p50"
            rows.append((label, statistics.median(bare.round_trips(SINGLES)), "ms"))
    return rows


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
