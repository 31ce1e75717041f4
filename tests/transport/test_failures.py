"""Each of the client's errors becomes one of ours, with the next step."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError

from snews_drill.errors import (
    BrokerUnreachable,
    MessageTooLarge,
    NotAuthenticated,
    NotPermitted,
    TransportError,
    UnknownTopic,
)
from snews_drill.transport.failures import translated


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (KafkaError._AUTHENTICATION, NotAuthenticated),
        (KafkaError.SASL_AUTHENTICATION_FAILED, NotAuthenticated),
        (KafkaError._SSL, NotAuthenticated),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, NotPermitted),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, NotPermitted),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, UnknownTopic),
        (KafkaError._UNKNOWN_TOPIC, UnknownTopic),
        (KafkaError.MSG_SIZE_TOO_LARGE, MessageTooLarge),
        (KafkaError._ALL_BROKERS_DOWN, BrokerUnreachable),
        (KafkaError._TRANSPORT, BrokerUnreachable),
        (KafkaError._TIMED_OUT, BrokerUnreachable),
    ],
)
def test_translation_says_where_and_what_next(code: int, kind: type[TransportError]) -> None:
    error = translated(KafkaError(code), broker="host:9092", topic="a.topic")
    assert type(error) is kind
    assert "host:9092" in error.reason
    assert error.next_step.endswith((".", "add", "()."))


def test_long_reasons_are_cut() -> None:
    error = translated(KafkaError(KafkaError._TRANSPORT, "x" * 10_000), broker="host:9092")
    assert len(error.reason) < 500
