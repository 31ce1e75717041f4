"""The Kafka client that writes: shared by threads, acknowledged message by message, and able to forget."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import adc.producer
from confluent_kafka import KafkaError, Producer

from snews_drill.errors import MessageTooLarge
from snews_drill.transport.records import Receipt
from snews_drill.wire.payload import Payload

#: Kafka's own default limit for a record, bytes. Source: `max.message.bytes` of Apache Kafka.
MAX_RECORD_BYTES = 1_048_588

#: Room that hop's headers and Kafka's framing take in a record, bytes (hop-client estimates 70 + headers).
OVERHEAD_BYTES = 512


@dataclass(frozen=True, slots=True)
class SelfDescribing:
    """A payload in the form that hop's producer packs without looking into it."""

    payload: Payload

    def serialize(self) -> dict[str, Any]:
        """Return what hop writes: the word for the `_format` header, and the bytes."""
        return {"format": self.payload.content_format, "content": self.payload.content}


class Delivery:
    """What became of one message; filled in by the client's delivery callback."""

    def __init__(self, payload: Payload) -> None:
        self.payload = payload
        self.started = time.perf_counter()
        self.done = threading.Event()
        self.error: KafkaError | None = None
        self.receipt: Receipt | None = None

    def __call__(self, error: KafkaError | None, message: Any) -> None:
        """Note the client's report."""
        if error is None:
            spent = (time.perf_counter() - self.started) * 1e3
            self.receipt = Receipt(message.topic(), message.partition(), message.offset(), spent)
        self.error = error
        self.done.set()

    @property
    def was_forgotten(self) -> bool:
        """Whether the client let go of it before the broker acknowledged it."""
        return self.error is not None and self.error.code() in (
            KafkaError._PURGE_QUEUE,
            KafkaError._PURGE_INFLIGHT,
        )

    def renew(self) -> None:
        """Begin anew."""
        self.error = None
        self.done.clear()


class Sending:
    """One call of `Transport.send`: where to, and until when."""

    def __init__(self, topic: str, timeout: float, is_cancelled: Callable[[], bool] | None) -> None:
        self.topic = topic
        self.timeout = timeout
        self.began = time.monotonic()
        self._is_cancelled = is_cancelled

    @property
    def left(self) -> float:
        """Seconds."""
        return max(self.began + self.timeout - time.monotonic(), 0.0)

    @property
    def is_over(self) -> bool:
        """Whether its time is over, or the caller changed their mind."""
        return self.left == 0.0 or (self._is_cancelled is not None and self._is_cancelled())


def too_large(payload: Payload, topic: str) -> MessageTooLarge:
    """Return the refusal of a message that the broker would refuse."""
    limit = MAX_RECORD_BYTES - OVERHEAD_BYTES
    return MessageTooLarge(
        f"The message has {len(payload.content):,} bytes; {topic} takes {limit:,}.",
        next_step="Shorten the series or the meta fields.",
    )


class ProducerSettings(adc.producer.ProducerConfig):  # type: ignore[misc]
    """hop's settings of a producer, and what hop has no word for."""

    extras: dict[str, Any]

    def _to_confluent_kafka(self) -> dict[str, Any]:
        return {
            **super()._to_confluent_kafka(),
            **self.extras,
            # Waiting for company (linger) would only delay single messages.
            "linger.ms": 0,
            # With one request on its way, a repeated one cannot overtake another: the order stays.
            "max.in.flight": 1,
            # The same key goes where Kafka's own client would put it, so that a detector's records share a partition
            # whichever program wrote them.
            "partitioner": "murmur2_random",
            # A topic that does not exist is an answer within a second, not after half a minute.
            "topic.metadata.propagation.max.ms": 1000,
        }


class Client(adc.producer.Producer):  # type: ignore[misc]
    """The Kafka client in the form that hop's producer works with; threads may share it.

    adc's own constructor writes the settings, with the password, to its log, and its `write` waits for room without end.
    """

    def __init__(self, config: ProducerSettings) -> None:
        self.logger = logging.getLogger("adc-streaming.producer")
        self.conf = config
        self._producer = Producer(config._to_confluent_kafka())
        self._turn = threading.Condition()
        self._is_served = False

    def write(
        self,
        msg: bytes,
        headers: Any = None,
        delivery_callback: Any = None,
        topic: str | None = None,
        key: Any = None,
    ) -> None:
        """Hand a message over; raises BufferError if too many wait already."""
        self._producer.produce(topic, msg, headers=headers, key=key, on_delivery=delivery_callback)

    def serve(self, seconds: float) -> None:
        """Wait that long for news and have the callbacks called, by one thread at a time; the others wake with it."""
        with self._turn:
            if self._is_served:
                self._turn.wait(seconds)
                return
            self._is_served = True
        try:
            self._producer.poll(seconds)
        finally:
            with self._turn:
                self._is_served = False
                self._turn.notify_all()

    def forget(self) -> None:
        """Let go of everything that was not acknowledged; the callbacks are told."""
        self._producer.purge()
        self.serve(0.05)
