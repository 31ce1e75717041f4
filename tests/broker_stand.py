"""The broker that a test runs on: the embedded one, or Apache Kafka with SASL_SSL; the same words for both."""

from __future__ import annotations

import itertools
import os
import signal
from pathlib import Path
from typing import Any, Protocol

import psutil
from kafka_broker.apache import ApacheKafka
from kafka_broker.permissions import Permission
from waiting import wait_for

from snews_drill.connection import Connection
from snews_drill.profiles import Profile, Topics, get_profile
from snews_drill.rehearsal.broker import EmbeddedBroker
from snews_drill.settings import DrillSettings
from snews_drill.transport import Receipt, Transport
from snews_drill.wire.dialects import get_dialect
from snews_drill.wire.payload import Payload

_numbers = itertools.count(1)

#: Broker address -> hop credential, for brokers that ask for one.
_credentials: dict[str, Any] = {}


def credential_for(address: str) -> Any:
    """Return the credential of the test broker at that address; None where none is asked for."""
    return _credentials.get(address)


def environment_for(stand: object, folder: Path) -> dict[str, str]:
    """Return the environment of another process of the test user, with hop's store of credentials below `folder`."""
    if isinstance(stand, KafkaStand):
        stand.kafka.write_hop_auth_file(folder / "hop" / "auth.toml", "tester")
    return {**os.environ, "XDG_CONFIG_HOME": str(folder), "SNEWS_DRILL_HOME": str(folder / "snews_drill")}


class Stand(Protocol):
    """A broker that can be killed, restarted and frozen."""

    #: Whether what it acknowledged is there after a restart.
    keeps_content: bool

    @property
    def address(self) -> str: ...

    @property
    def pid(self) -> int | None: ...

    def start(self) -> None: ...

    def kill(self) -> None: ...


class EmbeddedStand:
    """The rehearsal's own broker."""

    keeps_content = False

    def __init__(self) -> None:
        self._broker = EmbeddedBroker()
        self.start()

    @property
    def address(self) -> str:
        return self._broker.address

    @property
    def pid(self) -> int | None:
        return self._broker.pid

    def start(self) -> None:
        self._broker.start()

    def kill(self) -> None:
        if self._broker.pid is not None:
            process = psutil.Process(self._broker.pid)
            process.kill()
            psutil.wait_procs([process], 5)
        self._broker.stop()


class KafkaStand:
    """Apache Kafka; one user with all rights on topics."""

    keeps_content = True

    def __init__(self, folder: Path) -> None:
        rights: Any = ("READ", "WRITE", "DESCRIBE_CONFIGS", "CREATE")
        permissions = [
            Permission("tester", "*", rights),
            Permission("tester", "*", ("READ",), resource="group"),
        ]
        self.kafka = ApacheKafka(folder, users=["tester", "stranger"], acls=permissions)
        self.kafka.start()
        _credentials[self.address] = self.kafka.auth("tester")

    @property
    def address(self) -> str:
        return self.kafka.address

    @property
    def pid(self) -> int | None:
        return self.kafka.pid if self.kafka.is_running else None

    def start(self) -> None:
        self.kafka.start()

    def kill(self) -> None:
        self.kafka.kill()


def freeze(stand: Stand) -> None:
    """Stop the broker in its tracks: connections stay open and nothing answers."""
    assert stand.pid is not None
    os.kill(stand.pid, signal.SIGSTOP)
    process = psutil.Process(stand.pid)
    wait_for(lambda: process.status() == psutil.STATUS_STOPPED, "the broker to stand still")


def thaw(stand: Stand) -> None:
    """Let a frozen broker go on."""
    if stand.pid is not None:
        os.kill(stand.pid, signal.SIGCONT)


def open_transport(stand: Stand) -> Transport:
    """Return a transport with the rights of the test user."""
    return Transport(stand.address, auth=credential_for(stand.address))


def own_profile() -> Profile:
    """Return the rehearsal's profile with topics that no other test has."""
    prefix = f"t{os.getpid()}-{next(_numbers)}."
    profile = get_profile("rehearsal")

    def own(topics: Topics) -> Topics:
        return Topics(**{key: prefix + name for key, name in topics.model_dump().items()})

    return profile.model_copy(update={"firedrill": own(profile.firedrill), "test": own(profile.test)})


def open_connection_on(stand: Stand, settings: DrillSettings, profile: Profile | None = None) -> Connection:
    """Return a connection with topics of its own, made."""
    profile = profile or own_profile()
    transport = open_transport(stand)
    transport.create_topics((*profile.firedrill.names(), *profile.test.names()))
    return Connection(profile, transport, get_dialect(profile.dialect), settings=settings)


def write(
    connection: Connection, topic: str, *contents: bytes, content_format: Any = "json"
) -> list[Receipt]:
    """Write records and insist on the acknowledgements."""
    outcomes = connection.send(topic, [Payload(content, content_format) for content in contents])
    receipts = [outcome for outcome in outcomes if isinstance(outcome, Receipt)]
    assert len(receipts) == len(contents), [o for o in outcomes if not isinstance(o, Receipt)][:3]
    return receipts
