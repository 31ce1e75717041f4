"""Settings and credentials that every Kafka client of one transport shares."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any

import hop.auth
from confluent_kafka import KafkaError, KafkaException

from snews_drill.errors import NotAuthenticated
from snews_drill.transport.credential_store import ADD, load_store
from snews_drill.transport.failures import AUTHENTICATION, is_absent, translated

#: librdkafka's messages go to this logger, never to the user's screen.
_KAFKA_LOG = logging.getLogger("snews_drill.kafka")
_KAFKA_LOG.addHandler(logging.NullHandler())


#: So long an address may refuse connections before it counts as wrong, seconds: a few attempts.
REFUSALS_SECONDS = 2.0

#: adc-streaming, which hop-client stands on, writes its clients' settings to these logs at DEBUG, password and all.
_LOGS_WITH_SETTINGS = ("adc-streaming.producer", "adc-streaming.consumer")


def _is_harmless(record: logging.LogRecord) -> bool:
    return record.levelno > logging.DEBUG


def keep_settings_out_of_logs() -> None:
    """Leave out what adc-streaming logs at DEBUG, whatever level somebody chooses. May be called again."""
    for name in _LOGS_WITH_SETTINGS:
        logging.getLogger(name).addFilter(_is_harmless)  # the same filter is added once


class ClientConfiguration:
    """Settings that every Kafka client of one transport shares, and the errors they report.

    Parameters
    ----------
    broker
        "host:port".
    auth
        A hop credential, or None.
    """

    def __init__(self, broker: str, auth: hop.auth.Auth | None) -> None:
        keep_settings_out_of_logs()
        self.broker = broker
        self.auth = auth
        self._noticed: tuple[float, KafkaError] | None = None
        self._refused: tuple[float, KafkaError] | None = None
        host = broker.rpartition(":")[0].strip("[]")
        self.is_loopback = host in ("localhost", "127.0.0.1", "::1")

    def note(self, error: KafkaError) -> None:
        """Keep an error that the client reports outside any call."""
        now = time.monotonic()
        if error.code() in AUTHENTICATION:
            self._refused = now, error
        elif error.code() == KafkaError._ALL_BROKERS_DOWN and self.noticed_since(now - 5.0) is not None:
            return  # the error before says why
        self._noticed = now, error
        _KAFKA_LOG.info("%s: %s", self.broker, error)

    def noticed_since(self, began: float) -> KafkaError | None:
        """Return the last error, if it was reported after that moment of `time.monotonic()`."""
        noticed = self._noticed
        return noticed[1] if noticed is not None and noticed[0] >= began else None

    def refusal_since(self, began: float) -> KafkaError | None:
        """Return the last error that waiting cannot help, if it came after that moment.

        Between two of them the client reports that the broker hung up, which says nothing.
        """
        refused = self._refused
        return refused[1] if refused is not None and refused[0] >= began else None

    def extras(self) -> dict[str, Any]:
        """Return client settings that hop-client has no word for."""
        return {
            "logger": _KAFKA_LOG,
            "client.id": "snews_drill",
            "socket.keepalive.enable": True,
            "socket.connection.setup.timeout.ms": 10_000,
        }


def find_credentials(broker: str) -> hop.auth.Auth:
    """Return the credential that hop-client's own store has for a broker that asks for one.

    Raises
    ------
    NotAuthenticated
        If there is no store, it is not private, or has none (or several) for this broker.
    """
    found = _select(load_store(), broker)
    if found is None:
        raise NotAuthenticated(f"There are no credentials for {broker}.", next_step=ADD)
    return found


def credentials_for(broker: str, *, is_required: bool) -> hop.auth.Auth | None:
    """Return the credential to use at a broker, or None where none is stored and none is required.

    A broker that is not known to ask for an account is offered only a credential that names it: one without a host would be
    shown to any stranger.

    Raises
    ------
    NotAuthenticated
        As `find_credentials`; that there is none only if `is_required`.
    """
    if is_required:
        return find_credentials(broker)
    return _select([auth for auth in load_store() if auth.hostname], broker)


def _select(stored: list[hop.auth.Auth], broker: str) -> hop.auth.Auth | None:
    try:
        found: hop.auth.Auth | None = hop.auth.select_matching_auth(stored, broker)
    except hop.auth.AmbiguousCredentialError:
        raise NotAuthenticated(
            f"There are several credentials for {broker}.",
            next_step="Remove all but one: snews-drill auth remove NAME@HOST",
        ) from None
    except RuntimeError:  # none matches; hop's words would name the others
        return None
    return found


def list_topics(
    client: Any,
    configuration: ClientConfiguration,
    timeout: float,
    topic: str | None = None,
    is_cancelled: Callable[[], bool] | None = None,
    patience: float | None = None,
) -> Any:
    """Ask for the broker's topics in slices, so that a refusal or a change of mind ends the wait.

    After `patience` seconds an address that takes no connections, or has none, ends it too.
    """
    began = time.monotonic()
    deadline = began + timeout
    while True:
        left = deadline - time.monotonic()
        try:
            found = client.list_topics(topic=topic, timeout=max(min(left, 0.5), 0.05))
        except KafkaException as error:
            with contextlib.suppress(KafkaException):
                client.poll(0)  # serves the error callback
            refusal = configuration.refusal_since(began)
            if refusal is not None:
                raise translated(refusal, broker=configuration.broker) from error
            noticed = configuration.noticed_since(began) or error.args[0]
            is_gone = (
                patience is not None
                and time.monotonic() >= began + patience
                and is_absent(noticed, is_anonymous=configuration.auth is None)
            )
            is_over = is_gone or time.monotonic() >= deadline
            if is_over or (is_cancelled is not None and is_cancelled()):
                raise translated(noticed, broker=configuration.broker, topic=topic or "") from error
        else:
            return found
