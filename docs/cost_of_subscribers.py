"""What a subscriber costs the broker and itself: many raw consumers on one Apache Kafka, idle and while alerts come.

    python docs/cost_of_subscribers.py [--consumers 50 200] [--alerts 200] [--rate 20]

Needs Java and Maven, as the tests on Apache Kafka do. The consumers have the settings of this project's reader on a distant
broker (fetch.wait.max.ms 500) and share one process. Prints one row for each number of consumers.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from confluent_kafka import Consumer, Producer, TopicPartition

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from kafka_broker.apache import ApacheKafka
from kafka_broker.permissions import Permission

SIZE = 1_221  # bytes: an alert of 19 detectors; one of ten has 785, one of two 396
TOPIC = "scale.alerts"


def settings_of(kafka: ApacheKafka, user: str, **more: Any) -> dict[str, Any]:
    """Return what a client needs to connect."""
    return {**kafka.auth(user)(), "bootstrap.servers": kafka.address, "logger": None, **more}


def open_consumers(kafka: ApacheKafka, count: int, statistics: dict[int, dict[str, Any]]) -> list[Consumer]:
    """Open consumers at the end of the topic, each with a connection of its own."""

    def note(number: int) -> Any:
        return lambda text: statistics.__setitem__(number, json.loads(text))

    made = []
    for number in range(count):
        settings = settings_of(
            kafka,
            "reader",
            **{
                "group.id": f"reader-{number}",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 500,
                "statistics.interval.ms": 1000,
                "stats_cb": note(number),
            },
        )
        del settings["logger"]
        consumer = Consumer(settings)
        end = consumer.get_watermark_offsets(TopicPartition(TOPIC, 0), timeout=30)[1]
        consumer.assign([TopicPartition(TOPIC, 0, end)])
        made.append(consumer)
    return made


class Meter:
    """CPU seconds and requests from one look to the next."""

    def __init__(self, broker: psutil.Process, statistics: dict[int, dict[str, Any]]) -> None:
        self._broker, self._statistics = broker, statistics
        self.begin()

    def begin(self) -> None:
        self._at, self._cpu, self._requests = time.monotonic(), self._spent(), self._asked()

    def _spent(self) -> float:
        times = self._broker.cpu_times()
        return times.user + times.system

    def _asked(self) -> int:
        brokers = (b for s in self._statistics.values() for b in s.get("brokers", {}).values())
        return sum(b.get("req", {}).get("Fetch", 0) for b in brokers)

    def rates(self) -> tuple[float, float]:
        """Return the broker's CPU share (1.0 is one core) and fetch requests per second."""
        spent = time.monotonic() - self._at
        return (self._spent() - self._cpu) / spent, (self._asked() - self._requests) / spent


def drain(consumers: list[Consumer], seconds: float, arrivals: list[float]) -> int:
    """Let all consumers hand over what they have, for so many seconds; return the bytes."""
    end, total = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        for consumer in consumers:
            while (message := consumer.poll(0)) is not None:
                if message.error() is None:
                    total += len(message.value())
                    arrivals.append(time.time() * 1e3 - message.timestamp()[1])
        time.sleep(0.005)
    return total


def measure(kafka: ApacheKafka, count: int, alerts: int, rate: float) -> None:
    """Print one row."""
    broker, me = psutil.Process(kafka.pid), psutil.Process()
    own_before, broker_before = me.memory_info().rss, broker.memory_info().rss
    statistics: dict[int, dict[str, Any]] = {}
    consumers = open_consumers(kafka, count, statistics)
    drain(consumers, 3, [])
    own = (me.memory_info().rss - own_before) / count
    at_broker = (broker.memory_info().rss - broker_before) / count
    meter = Meter(broker, statistics)
    drain(consumers, 10, [])
    idle_cpu, idle_fetches = meter.rates()
    producer = Producer({k: v for k, v in settings_of(kafka, "writer").items() if k != "logger"})
    meter.begin()
    arrivals: list[float] = []
    began, received = time.monotonic(), 0
    for number in range(alerts):
        producer.produce(TOPIC, b"x" * SIZE)
        producer.poll(0)
        received += drain(consumers, max(began + (number + 1) / rate - time.monotonic(), 0), arrivals)
    producer.flush(10)
    received += drain(consumers, 2, arrivals)
    spent = time.monotonic() - began
    busy_cpu, busy_fetches = meter.rates()
    for consumer in consumers:
        consumer.close()
    arrivals.sort()
    share = len(arrivals) / (alerts * count)
    print(
        f"{count:>9} {idle_fetches:>12.0f} {idle_cpu:>9.1%} {busy_fetches:>12.0f} {busy_cpu:>9.1%}"
        f" {received / spent / 1e6:>9.3f} {arrivals[len(arrivals) // 2]:>8.0f} {arrivals[len(arrivals) * 99 // 100]:>8.0f}"
        f" {share:>9.1%} {own / 1e6:>9.2f} {at_broker / 1e6:>9.2f}",
        flush=True,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--consumers", type=int, nargs="+", default=[50, 200])
    parser.add_argument("--alerts", type=int, default=200)
    parser.add_argument("--rate", type=float, default=20.0, help="alerts per second")
    chosen = parser.parse_args()
    rights = [Permission("reader", "*", ("READ",)), Permission("writer", "*", ("WRITE",))]
    rights.append(Permission("reader", "reader-*", ("READ",), resource="group"))
    with (
        tempfile.TemporaryDirectory() as folder,
        ApacheKafka(Path(folder), users=("reader", "writer"), acls=rights) as kafka,
    ):
        kafka.create_topics([TOPIC])
        print(f"{chosen.alerts} alerts of {SIZE} bytes, {chosen.rate:g} a second, SASL_SSL")
        print(
            "consumers idle fetch/s  idle cpu busy fetch/s  busy cpu      MB/s   p50 ms   p99 ms   arrived"
            "  MB/cons. MB/broker"
        )
        for count in chosen.consumers:
            measure(kafka, count, chosen.alerts, chosen.rate)


if __name__ == "__main__":
    main()
