"""The files a single Apache Kafka node starts from."""

from __future__ import annotations

import random
import socket
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
ADMINISTRATOR = "administrator"
"""The super user, for the harness alone; a test's users have only what their permissions say."""

_LOWEST_PORT, _HIGHEST_PORT = 20_000, 30_000
_LOGIN_MODULE = "org.apache.kafka.common.security.scram.ScramLoginModule required"


@dataclass(frozen=True)
class Ports:
    """Loopback ports: the clients' SASL_SSL, the harness's own SASL_PLAINTEXT, and the KRaft controller's."""

    clients: int
    internal: int
    controller: int


def choose_ports() -> Ports:
    """Return three free ports below the range systems give to outgoing connections.

    A broker that is down for a restart would lose a port from that range to the next client socket.
    """
    chosen: set[int] = set()
    for port in random.sample(range(_LOWEST_PORT, _HIGHEST_PORT), 500):
        if len(chosen) < 3 and _is_free(port):
            chosen.add(port)
    return Ports(*chosen)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def write_server_properties(
    directory: Path, ports: Ports, keystore: Path, administrator_password: str, extra: dict[str, str]
) -> Path:
    """Write `server.properties` (0600: it holds a password) for a broker and controller in one process."""
    jaas = f'{_LOGIN_MODULE} username="{ADMINISTRATOR}" password="{administrator_password}";'
    properties = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{HOST}:{ports.controller}",
        "listeners": f"CLIENTS://{HOST}:{ports.clients},INTERNAL://{HOST}:{ports.internal},"
        f"CONTROLLER://{HOST}:{ports.controller}",
        "advertised.listeners": f"CLIENTS://{HOST}:{ports.clients},INTERNAL://{HOST}:{ports.internal}",
        "listener.security.protocol.map": "CLIENTS:SASL_SSL,INTERNAL:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        # Not the clients' listener: a broker refuses to start when it would not accept its own certificate,
        # and an expired one is what some tests need.
        "inter.broker.listener.name": "INTERNAL",
        "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.internal.scram-sha-512.sasl.jaas.config": jaas,
        "listener.name.clients.scram-sha-512.sasl.jaas.config": f"{_LOGIN_MODULE};",
        "listener.name.clients.ssl.keystore.type": "PEM",
        "listener.name.clients.ssl.keystore.location": str(keystore),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        # Only the controller's plain loopback listener lets somebody in without a name: the node itself.
        "super.users": f"User:{ADMINISTRATOR};User:ANONYMOUS",
        "allow.everyone.if.no.acl.found": "false",
        "auto.create.topics.enable": "false",
        "log.dirs": str(directory / "data"),
        "num.partitions": "1",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "background.threads": "2",
        "log.cleaner.enable": "false",
        "offsets.topic.num.partitions": "1",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        # A node that was killed is let in again only when its last session is over (9 s by default).
        "broker.session.timeout.ms": "2500",
        "broker.heartbeat.interval.ms": "500",
        "controlled.shutdown.retry.backoff.ms": "200",
        **extra,
    }
    path = directory / "server.properties"
    path.touch(mode=0o600)
    path.write_text("".join(f"{key}={value}\n" for key, value in properties.items()), encoding="utf-8")
    return path


def write_logging_properties(directory: Path) -> Path:
    """Write the broker's logging set-up: warnings and worse into `kafka.log`."""
    path = directory / "log4j.properties"
    path.write_text(
        "log4j.rootLogger=WARN, file\n"
        "log4j.appender.file=org.apache.log4j.FileAppender\n"
        f"log4j.appender.file.File={directory / 'kafka.log'}\n"
        "log4j.appender.file.layout=org.apache.log4j.PatternLayout\n"
        "log4j.appender.file.layout.ConversionPattern=%d{ISO8601} %p %c{1}: %m%n\n",
        encoding="utf-8",
    )
    return path
