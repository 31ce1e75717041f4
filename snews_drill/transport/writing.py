"""Writing: one long-lived producer of hop-client's, an acknowledgement for every message."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import adc.producer
import hop.auth
import hop.io
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from snews_drill.errors import BrokerUnreachable, MessageTooLarge, TransportError
from snews_drill.transport.clients import ClientConfiguration, list_topics
from snews_drill.transport.failures import translated
from snews_drill.transport.reading import Reader, Start
from snews_drill.transport.records import Receipt
from snews_drill.wire.payload import Payload

#: Kafka's own default limit for a record, bytes. Source: `max.message.bytes` of Apache Kafka.
MAX_RECORD_BYTES = 1_048_588

#: Room that hop's headers and Kafka's framing take in a record, bytes (hop-client estimates 70 + headers).
_OVERHEAD_BYTES = 512

#: hop-client keys its producers by the size limit; this is the value that it uses when it does not ask the broker.
_HOP_UNLIMITED = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _SelfDescribing:
    """A payload in the form that hop's producer packs without looking into it."""

    payload: Payload

    def serialize(self) -> dict[str, Any]:
        return {"format": self.payload.content_format, "content": self.payload.content}


class _Delivery:
    """What became of one message; filled in by the client's delivery callback."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.done = threading.Event()
        self.error: KafkaError | None = None
        self.receipt: Receipt | None = None

    def __call__(self, error: KafkaError | None, message: Any) -> None:
        if error is None:
            spent = (time.perf_counter() - self.started) * 1e3
            self.receipt = Receipt(message.topic(), message.partition(), message.offset(), spent)
        self.error = error
        self.done.set()


class _ProducerConfig(adc.producer.ProducerConfig):  # type: ignore[misc]
    extras: dict[str, Any]

    def _to_confluent_kafka(self) -> dict[str, Any]:
        # Waiting for company (linger) would only delay single messages.
        extras = {key: value for key, value in self.extras.items() if not key.startswith("allow.auto")}
        return {**super()._to_confluent_kafka(), **extras, "linger.ms": 0}


class Transport:
    """One broker, one long-lived producer, any number of readers. Threads may share it.

    Parameters
    ----------
    broker
        "host:port".
    auth
        A hop credential; None for a broker that asks for none.
    """

    def __init__(self, broker: str, *, auth: hop.auth.Auth | None = None) -> None:
        self.broker = broker
        self._configuration = ClientConfiguration(broker, auth)
        self._lock = threading.Lock()
        self._producer: hop.io.Producer | None = None
        self._is_closed = False

    def __repr__(self) -> str:
        return f"Transport({self.broker})"

    def send(
        self,
        topic: str,
        payloads: Sequence[Payload],
        *,
        timeout: float = 10.0,
        is_cancelled: Callable[[], bool] | None = None,
    ) -> list[Receipt | TransportError]:
        """Write messages and wait for the broker's acknowledgement of each.

        Parameters
        ----------
        topic
            Where to.
        payloads
            The messages, in order.
        timeout
            Seconds to wait for all of them together.
        is_cancelled
            Asked ten times a second; the wait ends when it says True.

        Returns
        -------
        list of Receipt or TransportError
            One outcome per payload, in order. A message without a receipt may still have arrived if the connection broke
            after it was written; sending it again is harmless.
        """
        deadline = time.monotonic() + timeout
        self._configuration.last_error = None
        producer = self._open_producer()
        deliveries: list[_Delivery | TransportError] = []
        for payload in payloads:
            if len(payload.content) > MAX_RECORD_BYTES - _OVERHEAD_BYTES:
                deliveries.append(
                    MessageTooLarge(
                        f"The message has {len(payload.content):,} bytes; {topic} takes "
                        f"{MAX_RECORD_BYTES - _OVERHEAD_BYTES:,}.",
                        next_step="Shorten the series or the meta fields.",
                    )
                )
                continue
            delivery = _Delivery()
            producer.write(_SelfDescribing(payload), delivery_callback=delivery, topic=topic)
            deliveries.append(delivery)
        waiting = [delivery for delivery in deliveries if isinstance(delivery, _Delivery)]
        self._await(producer, waiting, deadline, is_cancelled)
        return [self._outcome(delivery, topic, timeout) for delivery in deliveries]

    def _open_producer(self) -> hop.io.Producer:
        with self._lock:
            if self._is_closed:
                raise TransportError("This connection is closed.", next_step="Open a new one with connect().")
            if self._producer is None:
                configuration = self._configuration
                stream = hop.io.Stream(auth=configuration.auth if configuration.auth else False)
                producer = stream.open(f"kafka://{self.broker}/", "w", automatic_offload=False)
                config = _ProducerConfig(
                    broker_urls=[self.broker],
                    topic=None,
                    auth=configuration.auth,
                    error_callback=configuration.note,
                    produce_timeout=timedelta(minutes=5),  # each call has its own, shorter deadline
                    message_max_bytes=_HOP_UNLIMITED,
                    reconnect_max_time=timedelta(seconds=1),
                )
                config.extras = configuration.extras()
                # hop-client offers no way to hand settings to its producer, but uses one that is there already.
                producer.producers[_HOP_UNLIMITED] = hop.io.Producer.ProducerRecord(
                    producer=adc.producer.Producer(config), n_users=1
                )
                self._producer = producer
            return self._producer

    def _await(
        self,
        producer: hop.io.Producer,
        waiting: list[_Delivery],
        deadline: float,
        is_cancelled: Callable[[], bool] | None,
    ) -> None:
        while not all(delivery.done.is_set() for delivery in waiting):
            left = deadline - time.monotonic()
            if left <= 0 or self._configuration.refusal or (is_cancelled is not None and is_cancelled()):
                # Nothing may be sent later, after the caller was told that it failed.
                for record in list(producer.producers.values()):
                    record.producer._producer.purge()
                producer.flush(timedelta(seconds=1))
                return
            producer.flush(timedelta(seconds=min(left, 0.1)))

    def _outcome(self, delivery: _Delivery | TransportError, topic: str, timeout: float) -> Receipt | TransportError:
        if isinstance(delivery, TransportError):
            return delivery
        if delivery.receipt is not None:
            return delivery.receipt
        error = delivery.error
        noticed = self._configuration.last_error
        if error is not None and error.code() not in (
            KafkaError._PURGE_QUEUE,
            KafkaError._PURGE_INFLIGHT,
            KafkaError._MSG_TIMED_OUT,
        ):
            return translated(error, broker=self.broker, topic=topic)
        if noticed is not None:
            return translated(noticed, broker=self.broker, topic=topic)
        return BrokerUnreachable(
            f"{self.broker} did not acknowledge within {timeout:g} s.",
            next_step="Check that the broker runs; then send again.",
        )

    def open_reader(
        self,
        topics: Iterable[str],
        *,
        start: Start = "now",
        timeout: float = 10.0,
        instance: Callable[[], str | None] | None = None,
        is_cancelled: Callable[[], bool] | None = None,
    ) -> Reader:
        """Open a reader.

        Parameters
        ----------
        topics
            What to read.
        start
            "now" for what is written from this call on, "beginning" for everything the broker keeps, or the next offset
            for each (topic, partition).
        timeout
            Seconds to wait for the broker.
        instance
            Tells which life of the broker this is, where one may lose its content and come back.
        is_cancelled
            Asked twice a second while the broker does not answer; the wait ends when it says True.

        Raises
        ------
        TransportError
            If the broker does not answer, refuses, or has no such topic.
        """
        return Reader(self._configuration, tuple(topics), start, timeout, instance, is_cancelled)

    def check(self, *, timeout: float = 5.0) -> None:
        """Return if the broker answers.

        Raises
        ------
        TransportError
            If it does not within `timeout` seconds, or refuses.
        """
        client = self._admin()
        list_topics(client, self._configuration, timeout)

    def create_topics(self, names: Iterable[str], *, timeout: float = 10.0) -> None:
        """Make the topics that do not exist yet.

        Raises
        ------
        TransportError
            If the broker does not answer or refuses.
        """
        # hop-client asks a topic for this setting; the embedded broker only answers where it was given.
        settings = {"max.message.bytes": str(MAX_RECORD_BYTES)}
        new = [NewTopic(name, num_partitions=1, replication_factor=1, config=settings) for name in dict.fromkeys(names)]
        client = self._admin()  # kept until the answers are there
        futures = client.create_topics(new, request_timeout=timeout, operation_timeout=timeout)
        for name, future in futures.items():
            try:
                future.result(timeout)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise translated(error.args[0], broker=self.broker, topic=name) from error
            except TimeoutError as error:
                raise BrokerUnreachable(
                    f"{self.broker} did not make the topic {name} within {timeout:g} s.",
                    next_step="Check that the broker runs; then try again.",
                ) from error

    def _admin(self) -> AdminClient:
        configuration = self._configuration
        config: dict[str, Any] = {
            "bootstrap.servers": self.broker,
            "error_cb": configuration.note,
            **{key: value for key, value in configuration.extras().items() if not key.startswith("allow.auto")},
        }
        if configuration.auth is not None:
            config.update(configuration.auth())
        return AdminClient(config)

    def close(self, *, timeout: float = 5.0) -> None:
        """Wait for what is on its way, then let the broker go. May be called twice."""
        with self._lock:
            producer, self._producer, self._is_closed = self._producer, None, True
        if producer is not None:
            producer.produce_timeout = timedelta(seconds=max(timeout, 0.001))
            producer.close()
