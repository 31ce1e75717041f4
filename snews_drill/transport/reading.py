"""Reading: a record is handed over as soon as the broker has it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Literal

import adc.consumer
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from snews_drill.errors import TransportError
from snews_drill.transport.clients import ClientConfiguration, list_topics
from snews_drill.transport.failures import AUTHENTICATION, GONE, PERMISSION, UNKNOWN, translated
from snews_drill.transport.records import Record

#: How long a broker on this machine may hold a fetch, ms. The embedded broker answers an idle fetch only when this time is
#: over, so it is the latency of a reader there; other brokers answer at once and get Kafka's default.
_LOOPBACK_FETCH_WAIT_MS = 10
_FETCH_WAIT_MS = 500

Start = Literal["now", "beginning"] | Mapping[tuple[str, int], int]


class _ConsumerConfig(adc.consumer.ConsumerConfig):  # type: ignore[misc]
    extras: dict[str, Any]

    def _to_confluent_kafka(self) -> dict[str, Any]:
        return {**super()._to_confluent_kafka(), **self.extras}


class Reader:
    """Reads topics and hands over a record as soon as the broker has it. For one thread.

    Opened by `Transport.open_reader`. Nothing is committed to the broker: a reader knows its own position.
    """

    #: How often a broken connection is tried, seconds.
    _PROBE_SECONDS = 0.5

    def __init__(
        self,
        configuration: ClientConfiguration,
        topics: tuple[str, ...],
        start: Start,
        timeout: float,
        instance: Callable[[], str | None] | None,
        is_cancelled: Callable[[], bool] | None = None,
    ) -> None:
        self._configuration = ClientConfiguration(configuration.broker, configuration.auth)
        self._topics = topics
        self._instance = instance
        self._known_instance = instance() if instance else None
        self._down_since: float | None = None
        self._next_probe = 0.0
        self._positions: dict[tuple[str, int], int] = {}
        config = _ConsumerConfig(
            broker_urls=[self._configuration.broker],
            group_id=f"snews_drill-{uuid.uuid4().hex}",
            auth=self._configuration.auth,
            error_callback=self._note,
            reconnect_max_time=timedelta(seconds=1),
        )
        wait_ms = _LOOPBACK_FETCH_WAIT_MS if self._configuration.is_loopback else _FETCH_WAIT_MS
        config.extras = {
            **self._configuration.extras(),
            "fetch.wait.max.ms": wait_ms,
            "fetch.error.backoff.ms": 50,
            # hop's 1,000 records and Kafka's pause of a second when they are reached would make bursts stutter.
            "queued.min.messages": 100_000,
            "queued.max.messages.kbytes": 16_384,
            "fetch.queue.backoff.ms": 10,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
        self._consumer = adc.consumer.Consumer(config)._consumer
        try:
            self._assign(start, timeout, is_cancelled)
        except BaseException:
            self._consumer.close()
            raise

    @property
    def down_since(self) -> float | None:
        """`time.time()` of the moment the broker was lost; None while it is there."""
        return self._down_since

    @property
    def positions(self) -> dict[tuple[str, int], int]:
        """The next offset for each (topic, partition)."""
        return dict(self._positions)

    def read(self, *, timeout: float, limit: int = 500) -> list[Record]:
        """Return what has come, waiting only if there is nothing.

        Parameters
        ----------
        timeout
            Seconds to wait for the first record.
        limit
            The most records to return.

        Raises
        ------
        TransportError
            If the broker refuses. A broker that is gone is no error here: see `down_since`.
        """
        messages = self._consumer.consume(1, timeout)
        if messages and limit > 1:
            messages += self._consumer.consume(limit - 1, 0)
        records = [record for message in messages if (record := self._record(message)) is not None]
        if records:
            self._down_since = None
        elif self._down_since is not None:
            self._probe()
        if self._configuration.refusal is not None:
            raise translated(self._configuration.refusal, broker=self._configuration.broker)
        return records

    def close(self) -> None:
        """Let the broker go. May be called twice."""
        self._consumer.close()

    def _record(self, message: Any) -> Record | None:
        error = message.error()
        if error is not None:
            if error.code() in PERMISSION | AUTHENTICATION | UNKNOWN:
                raise translated(error, broker=self._configuration.broker, topic=message.topic() or "")
            self._note(error)
            return None
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        self._positions[topic, partition] = offset + 1
        content_format = None
        for key, value in message.headers() or ():
            if key == "_format" and isinstance(value, bytes):
                content_format = value[:40].decode("utf-8", "replace")
        value = message.value()
        return Record(topic, partition, offset, message.timestamp()[1], value or b"", content_format)

    def _note(self, error: KafkaError) -> None:
        self._configuration.note(error)
        if error.code() in GONE and self._down_since is None:
            self._down_since = time.time()
            self._next_probe = 0.0

    def _probe(self) -> None:
        if time.monotonic() < self._next_probe:
            return
        self._next_probe = time.monotonic() + self._PROBE_SECONDS
        try:
            self._consumer.list_topics(topic=self._topics[0], timeout=0.25)
            current = self._instance() if self._instance else None
            if current != self._known_instance:
                # The broker came back empty: what it has now is all new.
                self._assign("beginning", 1.0)
                self._known_instance = current
        except (KafkaException, TransportError):
            return
        self._down_since = None

    def _assign(
        self, start: Start, timeout: float, is_cancelled: Callable[[], bool] | None = None
    ) -> None:
        deadline = time.monotonic() + timeout
        assignment = []
        for topic in self._topics:
            left = max(deadline - time.monotonic(), 0.05)
            found = list_topics(self._consumer, self._configuration, left, topic, is_cancelled)
            metadata = found.topics.get(topic)
            if metadata is None or metadata.error is not None or not metadata.partitions:
                error = metadata.error if metadata is not None and metadata.error is not None else None
                code = error if error is not None else KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
                raise translated(code, broker=self._configuration.broker, topic=topic)
            for partition in metadata.partitions:
                offset = self._offset(topic, partition, start, deadline)
                assignment.append(TopicPartition(topic, partition, offset))
                self._positions[topic, partition] = offset
        # Numbers, not "the end": the client would look up a symbolic end some time later and skip what came meanwhile.
        self._consumer.assign(assignment)

    def _offset(self, topic: str, partition: int, start: Start, deadline: float) -> int:
        if not isinstance(start, str) and (topic, partition) in start:
            return start[topic, partition]
        try:
            first, end = self._consumer.get_watermark_offsets(
                TopicPartition(topic, partition), timeout=max(deadline - time.monotonic(), 0.05)
            )
        except KafkaException as error:
            raise translated(error.args[0], broker=self._configuration.broker, topic=topic) from error
        return int(end if start == "now" else first)
