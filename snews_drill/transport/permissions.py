"""What the broker says that we may do with a topic, without doing it."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaException, TopicCollection

from snews_drill.errors import BrokerUnreachable, TransportError
from snews_drill.transport.failures import translated


@dataclass(frozen=True, slots=True)
class TopicRights:
    """What the broker says about one topic.

    Attributes
    ----------
    topic : str
        Its name.
    operations : frozenset of str or None
        What we may do, in Kafka's words ("READ", "WRITE", "DESCRIBE", …); None if the broker does not tell.
    error : TransportError or None
        Why nothing is known: no such topic, or it is hidden from us.
    """

    topic: str
    operations: frozenset[str] | None
    error: TransportError | None = None


def describe_rights(
    client: Any, broker: str, topics: Iterable[str], timeout: float
) -> dict[str, TopicRights]:
    """Ask for the authorised operations of topics (Kafka's Metadata request, KIP-430); nothing is written or made.

    Parameters
    ----------
    client
        An administration client.
    broker
        Its address, for the sentences.
    topics
        The names.
    timeout
        Seconds for all of them together.

    Raises
    ------
    BrokerUnreachable
        If no answer comes in time.
    """
    names = list(dict.fromkeys(topics))
    answers = client.describe_topics(
        TopicCollection(names), include_authorized_operations=True, request_timeout=timeout
    )
    found = {}
    for name, answer in answers.items():
        try:
            # The client keeps its own time; the second more is for the case that it does not.
            described = answer.result(timeout + 1.0)
        except KafkaException as error:
            reason = translated(error.args[0], broker=broker, topic=name)
            if isinstance(reason, BrokerUnreachable):
                raise reason from error
            found[name] = TopicRights(name, None, reason)
        except concurrent.futures.TimeoutError as error:
            raise BrokerUnreachable(
                f"{broker} did not describe the topic {name} within {timeout:g} s.",
                next_step="Check that the broker runs; then try again.",
            ) from error
        else:
            told = described.authorized_operations
            found[name] = TopicRights(name, frozenset(o.name for o in told) if told is not None else None)
    return found
