"""Writing: one long-lived producer of hop-client's, an acknowledgement for every message."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import hop.auth
import hop.io
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from snews_drill.errors import BrokerUnreachable, TransportError
from snews_drill.transport.clients import REFUSALS_SECONDS, ClientConfiguration, list_topics
from snews_drill.transport.credential_store import Credential, described
from snews_drill.transport.failures import translated
from snews_drill.transport.membership import Membership
from snews_drill.transport.permissions import TopicRights, describe_rights
from snews_drill.transport.producing import (
    MAX_RECORD_BYTES,
    OVERHEAD_BYTES,
    Client,
    Delivery,
    ProducerSettings,
    SelfDescribing,
    Sending,
    too_large,
)
from snews_drill.transport.reading import Reader, Start
from snews_drill.transport.records import Receipt
from snews_drill.wire.payload import Payload

#: hop-client keys its producers by the size limit; this is the value that it uses when it does not ask the broker.
_HOP_UNLIMITED = 1_000_000_000


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
        self._client: Client | None = None
        self._is_closed = False

    def __repr__(self) -> str:
        return f"Transport({self.broker})"

    def open_another(self) -> Transport:
        """Return another transport to the same broker with the same credential; it shares nothing else."""
        return Transport(self.broker, auth=self._configuration.auth)

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
        producer, client = self._open_producer()
        sending = Sending(topic, timeout, is_cancelled)
        deliveries: list[Delivery | TransportError] = []
        for payload in payloads:
            if len(payload.content) > MAX_RECORD_BYTES - OVERHEAD_BYTES:
                deliveries.append(too_large(payload, topic))
                continue
            delivery = Delivery(payload)
            deliveries.append(delivery)
            self._hand_over(delivery, producer, client, sending)
        waiting = [delivery for delivery in deliveries if isinstance(delivery, Delivery)]
        self._await(waiting, producer, client, sending)
        return [self._outcome(delivery, sending) for delivery in deliveries]

    def _open_producer(self) -> tuple[hop.io.Producer, Client]:
        with self._lock:
            if self._is_closed:
                raise TransportError("This connection is closed.", next_step="Open a new one with connect().")
            if self._producer is None or self._client is None:
                configuration = self._configuration
                stream = hop.io.Stream(auth=configuration.auth if configuration.auth else False)
                producer = stream.open(f"kafka://{self.broker}/", "w", automatic_offload=False)
                config = ProducerSettings(
                    broker_urls=[self.broker],
                    topic=None,
                    auth=configuration.auth,
                    error_callback=configuration.note,
                    produce_timeout=timedelta(minutes=5),  # each call has its own, shorter deadline
                    message_max_bytes=_HOP_UNLIMITED,
                    reconnect_max_time=timedelta(seconds=1),
                )
                config.extras = configuration.extras()
                self._client = Client(config)
                # hop-client offers no way to hand settings to its producer, but uses one that is there already.
                producer.producers[_HOP_UNLIMITED] = hop.io.Producer.ProducerRecord(
                    producer=self._client, n_users=1
                )
                self._producer = producer
            return self._producer, self._client

    def _hand_over(
        self, delivery: Delivery, producer: hop.io.Producer, client: Client, sending: Sending
    ) -> None:
        """Give a message to the client, waiting for room if it has none."""
        while not self._must_end(sending):
            try:
                producer.write(
                    SelfDescribing(delivery.payload),
                    delivery_callback=delivery,
                    topic=sending.topic,
                    key=delivery.payload.key,
                )
            except BufferError:
                client.serve(0.05)
            except KafkaException as error:
                delivery(error.args[0], None)
                return
            else:
                client.serve(0)
                return

    def _await(
        self, waiting: list[Delivery], producer: hop.io.Producer, client: Client, sending: Sending
    ) -> None:
        first = 0
        while first < len(waiting):
            delivery = waiting[first]
            if self._must_end(sending):
                # Nothing may be sent later, after the caller was told that it failed.
                client.forget()
                return
            if not delivery.done.is_set():
                client.serve(min(sending.left, 0.1))
            elif delivery.was_forgotten and not self._is_closed:
                # Another thread's time was over and it let go of everything: this one's is not, so it goes on.
                for again in [d for d in waiting[first:] if d.was_forgotten]:
                    again.renew()
                    self._hand_over(again, producer, client, sending)
            else:
                first += 1

    def _must_end(self, sending: Sending) -> bool:
        return sending.is_over or self._configuration.refusal_since(sending.began) is not None

    def _outcome(self, delivery: Delivery | TransportError, sending: Sending) -> Receipt | TransportError:
        if isinstance(delivery, TransportError):
            return delivery
        if delivery.receipt is not None:
            return delivery.receipt
        error = delivery.error
        if error is None or delivery.was_forgotten or error.code() == KafkaError._MSG_TIMED_OUT:
            error = self._configuration.noticed_since(sending.began)
        if error is not None:
            return translated(error, broker=self.broker, topic=sending.topic)
        return BrokerUnreachable(
            f"{self.broker} did not acknowledge within {sending.timeout:g} s.",
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
        written_ms: Mapping[tuple[str, int], int] | None = None,
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
        written_ms
            When the record before the offset in `start` was written, for each (topic, partition) where that is known, ms
            since 1970 (UTC). A partition whose record there is another one is of a broker that lost its content: it is
            read from its beginning.

        Raises
        ------
        TransportError
            If the broker does not answer, refuses, or has no such topic.
        """
        return Reader(self._configuration, tuple(topics), start, timeout, instance, is_cancelled, written_ms)

    def join(self, group: str, topic: str) -> Membership:
        """Join a consumer group on a topic of one partition; see `Membership`."""
        return Membership(self._configuration, group, topic)

    @property
    def credential(self) -> Credential | None:
        """What may be shown of the credential in use; None if there is none."""
        auth = self._configuration.auth
        return described(auth) if auth is not None else None

    def check(self, *, timeout: float = 5.0, refusals_end_it: bool = False) -> None:
        """Return if the broker answers.

        Parameters
        ----------
        timeout
            Seconds to wait.
        refusals_end_it
            Whether an address that takes no connections, again and again, ends the wait early: right for an address that may
            be wrong, not for a broker that may be starting.

        Raises
        ------
        TransportError
            If it does not within `timeout` seconds, or refuses.
        """
        client = self._admin()
        patience = REFUSALS_SECONDS if refusals_end_it else timeout
        list_topics(client, self._configuration, timeout, patience=patience)

    def rights(self, topics: Iterable[str], *, timeout: float = 5.0) -> dict[str, TopicRights]:
        """Return what the broker says that we may do with topics; nothing is written.

        Raises
        ------
        TransportError
            If the broker does not answer within `timeout` seconds.
        """
        return describe_rights(self._admin(), self.broker, topics, timeout)

    def create_topics(self, names: Iterable[str], *, partitions: int = 1, timeout: float = 10.0) -> None:
        """Make the topics that do not exist yet, with so many partitions; those that exist are left alone.

        Raises
        ------
        TransportError
            If the broker does not answer or refuses.
        """
        # hop-client asks a topic for this setting; the embedded broker only answers where it was given.
        settings = {"max.message.bytes": str(MAX_RECORD_BYTES)}
        new = [
            NewTopic(name, num_partitions=partitions, replication_factor=1, config=settings)
            for name in dict.fromkeys(names)
        ]
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
            **configuration.extras(),
        }
        if configuration.auth is not None:
            config.update(configuration.auth())
        return AdminClient(config)

    def close(self, *, timeout: float = 5.0) -> None:
        """Wait for what is on its way, then let the broker go. May be called twice."""
        with self._lock:
            producer, client = self._producer, self._client
            self._producer, self._client, self._is_closed = None, None, True
        if producer is not None and client is not None:
            producer.produce_timeout = timedelta(seconds=max(timeout, 0.001))
            producer.close()
            client.forget()  # nothing is sent after the close
