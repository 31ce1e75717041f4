"""Whose turn it is among programs that do the same: Kafka's consumer groups decide, through the partition of one topic."""

from __future__ import annotations

from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException

from snews_drill.errors import NotPermitted
from snews_drill.transport.clients import ClientConfiguration
from snews_drill.transport.failures import AUTHENTICATION, PERMISSION, UNKNOWN, translated

#: A member that was not heard for so long is out, ms: the least that brokers grant unless told otherwise
#: (`group.min.session.timeout.ms`), because it is the time that a drill waits when a server dies.
SESSION_TIMEOUT_MS = 6_000

#: How often a member says that it lives, ms; also how soon it hears that the group changed.
HEARTBEAT_MS = 500

#: A member whose loop hangs for so long is out too, ms.
_HANGING_MS = 30_000


class Membership:
    """Membership in a consumer group on a topic of one partition: at most one member owns it, as far as the broker knows.

    Opened by `Transport.join`. A member that was frozen believes that it owns the partition until it hears better: do not
    rest anything on `is_owner` but the wish to act.

    Parameters
    ----------
    configuration
        Of the broker.
    group
        The consumer group.
    topic
        A topic of one partition; it is not read.
    """

    def __init__(self, configuration: ClientConfiguration, group: str, topic: str) -> None:
        self._configuration = ClientConfiguration(configuration.broker, configuration.auth)
        self._group = group
        self._is_owner = False
        self._is_joined = False
        self._is_closed = False
        config: dict[str, Any] = {
            "bootstrap.servers": configuration.broker,
            "group.id": group,
            "session.timeout.ms": SESSION_TIMEOUT_MS,
            "heartbeat.interval.ms": HEARTBEAT_MS,
            "max.poll.interval.ms": _HANGING_MS,
            # A server that joins does not take the partition from the one that has it.
            "partition.assignment.strategy": "cooperative-sticky",
            "enable.auto.commit": False,
            "auto.offset.reset": "latest",
            "allow.auto.create.topics": False,
            "error_cb": self._configuration.note,
            **configuration.extras(),
        }
        if configuration.auth is not None:
            config.update(configuration.auth())
        self._consumer = Consumer(config)
        self._consumer.subscribe(
            [topic], on_assign=self._assigned, on_revoke=self._withdrawn, on_lost=self._withdrawn
        )

    @property
    def is_owner(self) -> bool:
        """Whether the partition is this member's, as far as it has heard."""
        return self._is_owner

    @property
    def is_joined(self) -> bool:
        """Whether the group has let this member in: it can take over from then on."""
        return self._is_joined

    def poll(self) -> None:
        """Hear what is new; call it several times a second.

        Raises
        ------
        TransportError
            If the broker refuses.
        """
        message = self._consumer.poll(0)
        error = message.error() if message is not None else None
        if error is None:
            return
        if error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
            raise NotPermitted(
                f"Your credentials do not allow the consumer group {self._group} on {self._configuration.broker}.",
                next_step="Ask for READ on this group where you got the account.",
            )
        if error.code() in PERMISSION | AUTHENTICATION | UNKNOWN:
            raise translated(error, broker=self._configuration.broker, topic=message.topic() or "")

    def close(self) -> None:
        """Leave the group, so that another member takes over at once. May be called twice."""
        if not self._is_closed:
            self._is_closed = True
            self._consumer.close()
            self._is_owner = False

    def _assigned(self, consumer: Consumer, partitions: list[Any]) -> None:
        consumer.incremental_assign(partitions)
        self._is_joined = True
        if partitions:
            consumer.pause(partitions)  # it is owned, not read
            self._is_owner = True

    def _withdrawn(self, consumer: Consumer, partitions: list[Any]) -> None:
        if partitions:
            self._is_owner = False
        try:
            consumer.incremental_unassign(partitions)
        except KafkaException:
            return  # lost already
