"""The Kafka client's errors, translated into ours with the next step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError

from snews_drill.errors import (
    BrokerUnreachable,
    DeliveryFailed,
    MessageTooLarge,
    NotAuthenticated,
    NotPermitted,
    TransportError,
    UnknownTopic,
)
from snews_drill.transport.records import Receipt

AUTHENTICATION = {
    KafkaError._AUTHENTICATION,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError._SSL,
}
PERMISSION = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
}
UNKNOWN = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}
SIZE = {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG_SIZE}
GONE = {KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._RESOLVE}


def is_absent(error: KafkaError, *, is_anonymous: bool) -> bool:
    """Tell whether nobody at the address talks to us: no such name, no connections, or none without an account.

    A broker that wants TLS hangs up on whoever comes without; all that the client says is that its brokers are down.
    """
    code = error.code()
    return (
        code == KafkaError._RESOLVE
        or (code == KafkaError._TRANSPORT and "refused" in error.str())
        or (code == KafkaError._ALL_BROKERS_DOWN and is_anonymous)
    )


def translated(error: KafkaError, *, broker: str, topic: str = "") -> TransportError:
    """Return the project's error for one of the Kafka client's.

    Parameters
    ----------
    error
        What the client reported.
    broker, topic
        Where it happened, for the sentence.
    """
    code, where = error.code(), f"{topic} on {broker}" if topic else broker
    if code == KafkaError._SSL:
        return NotAuthenticated(
            f"No secure connection to {broker}: {error.str()[:300]}",
            next_step="Check the broker's certificate and `ssl_ca_location` of your credential; "
            "`snews-drill doctor` shows which step fails.",
        )
    if code in AUTHENTICATION:
        return NotAuthenticated(
            f"{broker} does not accept your credentials: {error.str()[:300]}",
            next_step="Add the right user name and password with: snews-drill auth add",
        )
    if code in PERMISSION:
        return NotPermitted(
            f"Your credentials do not allow that for {where}.",
            next_step="Ask for the permission on this topic where you got the account.",
        )
    if code in UNKNOWN:
        return UnknownTopic(
            f"There is no topic {where}, or you are not permitted to see it.",
            next_step="Check the profile; on a broker of your own, `snews-drill serve` makes the topics.",
        )
    if code in SIZE:
        return MessageTooLarge(
            f"{where} refuses a message of this size.", next_step="Shorten the series or the meta fields."
        )
    return BrokerUnreachable(
        f"{broker} does not answer: {error.str()[:300] or error.name()}.",
        next_step="Check that the broker runs and the address is right; a rehearsal is started again by connect().",
    )


def raise_undelivered(
    outcomes: Sequence[Receipt | TransportError],
    contents: Sequence[Mapping[str, Any]],
    *,
    kept: Sequence[str] = (),
    where: str = "",
) -> list[Receipt]:
    """Return the receipts if every message has one.

    Parameters
    ----------
    outcomes
        What `Transport.send` returned.
    contents
        The messages as plain data, in the same order.
    kept
        Entries of the outbox that hold what was not acknowledged.
    where
        A sentence that says so, for the reader of the error.

    Raises
    ------
    DeliveryFailed
        If one was not acknowledged; it carries those messages and the reason of the first.
    """
    failures = [outcome for outcome in outcomes if isinstance(outcome, TransportError)]
    if not failures:
        return [outcome for outcome in outcomes if isinstance(outcome, Receipt)]
    undelivered = [
        c for c, outcome in zip(contents, outcomes, strict=True) if isinstance(outcome, TransportError)
    ]
    raise DeliveryFailed(
        f"{_how_many(len(failures), len(outcomes))} not acknowledged. {failures[0].reason}",
        next_step=f"{failures[0].next_step} The messages are still in `.messages`. {where}".rstrip(),
        undelivered=undelivered,
        kept=kept,
    ) from failures[0]


def _how_many(failed: int, sent: int) -> str:
    return "The message was" if sent == 1 else f"{failed} of {sent} messages were"
