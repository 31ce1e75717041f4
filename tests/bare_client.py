"""confluent-kafka with nothing of ours around it: the limit that figures are held against."""

from __future__ import annotations

import time
from types import TracebackType

from confluent_kafka import Consumer, Producer, TopicPartition

RECORD = b'{"_id": "SNEWS_Coincidence_ALERT 2026-01-01T00:00:00.000000"}'


class BareClient:
    """Writes to partition 0 of a topic that exists and reads what it writes, with the wait of the kit's readers on loopback.

    Parameters
    ----------
    address
        Of a broker that asks for no password.
    topic
        Which.
    """

    def __init__(self, address: str, topic: str) -> None:
        self._topic = topic
        self._producer = Producer({"bootstrap.servers": address, "linger.ms": 0})
        self._consumer = Consumer(
            {
                "bootstrap.servers": address,
                "group.id": "bare",
                "fetch.wait.max.ms": 10,
                "enable.auto.commit": False,
            }
        )

    def write(self, count: int = 1, record: bytes = RECORD) -> None:
        """Write records one after the other, each when the one before was acknowledged."""
        for _ in range(count):
            self._producer.produce(self._topic, record, partition=0)
            assert self._producer.flush(10) == 0, "the bare client's record was not acknowledged"

    def round_trips(self, count: int, *, pause: float = 0.0, record: bytes = RECORD) -> list[float]:
        """Return how long it takes from writing a record to having read it, ms."""
        _, end = self._consumer.get_watermark_offsets(TopicPartition(self._topic, 0), timeout=10)
        self._consumer.assign([TopicPartition(self._topic, 0, end)])
        found = []
        for _ in range(count):
            begun = time.perf_counter()
            self.write(record=record)
            assert self._consumer.consume(1, 10), "the bare client's record was not read"
            found.append((time.perf_counter() - begun) * 1e3)
            time.sleep(pause)
        return found

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def __enter__(self) -> BareClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
