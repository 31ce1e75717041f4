"""Apache Kafka in its own process: one KRaft node with SASL_SSL, SCRAM-SHA-512 users and permissions."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import time
import uuid
import weakref
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from kafka_broker.certificates import CertificateKind, make_certificates
from kafka_broker.configuration import (
    ADMINISTRATOR,
    HOST,
    choose_ports,
    write_logging_properties,
    write_server_properties,
)
from kafka_broker.java import JavaProcess
from kafka_broker.permissions import Permission, to_bindings

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient
    from hop.auth import Auth

_REQUEST_TIMEOUT_SEC = 10.0
_FORMAT_TIMEOUT_SEC = 60.0


class ApacheKafka:
    """A broker as the live one is, on 127.0.0.1: who you are and what you may do is checked.

    Parameters
    ----------
    directory : pathlib.Path
        An empty folder for data, certificates and logs (`kafka.log`, `console.log`).
    users : iterable of str
        Names of SCRAM-SHA-512 users; their passwords are made up anew.
    acls : iterable of Permission
        What those users may do; everything else is refused.
    certificate : {"good", "expired", "untrusted"}
        What the clients' listener shows.
    settings : dict, optional
        Further lines for `server.properties`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        users: Iterable[str],
        acls: Iterable[Permission] = (),
        certificate: CertificateKind = "good",
        settings: dict[str, str] | None = None,
    ) -> None:
        self.directory = Path(directory)
        self._passwords = {name: secrets.token_urlsafe(18) for name in (*users, ADMINISTRATOR)}
        self._permissions = tuple(acls)
        self._certificate: CertificateKind = certificate
        self._settings = settings or {}
        self._ports = choose_ports()
        self._process: JavaProcess | None = None
        self._is_formatted = False

    def __repr__(self) -> str:
        state = "running" if self.is_running else "stopped"
        return f"ApacheKafka({self.address}, {self._certificate} certificate, {state})"

    # -- lifecycle ------------------------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """Whether the broker's process lives (a frozen one does)."""
        return self._process is not None and self._process.is_running

    @property
    def pid(self) -> int:
        """The broker's process id; RuntimeError when it is not running."""
        if self._process is None or not self._process.is_running:
            raise RuntimeError(f"{self!r} has no process: call start() first")
        return self._process.popen.pid

    def start(self, timeout: float = 45.0) -> None:
        """Start the broker and return when it answers; on the first start also set the permissions.

        Raises
        ------
        RuntimeError
            The process ended, or did not answer within `timeout` seconds; ends with the tail of its log.
        """
        if self.is_running:
            return
        deadline = time.monotonic() + timeout
        is_first = not self._is_formatted
        if is_first:
            self._prepare()
        self._process = JavaProcess(self.directory, "kafka.Kafka", str(self.directory / "server.properties"))
        weakref.finalize(self, self._process.kill)
        try:
            self._wait_until_answering(deadline)
            if is_first:
                self.allow(self._permissions)
                self._is_formatted = True
        except BaseException:
            self.kill()
            raise

    def stop(self, timeout: float = 20.0) -> None:
        """Shut the broker down in order; kill it when that takes longer than `timeout` seconds."""
        if self._process is not None:
            if self._process.is_running:
                self.thaw()
            self._process.stop(timeout)
            self._process = None

    def kill(self) -> None:
        """End the broker at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def restart(self, timeout: float = 45.0) -> None:
        """Stop and start again: same port, same data, same users and permissions."""
        self.stop()
        self.start(timeout)

    def freeze(self) -> None:
        """Stop the broker in its tracks (SIGSTOP): connections stay open and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen broker go on (SIGCONT); harmless when it is not frozen."""
        os.kill(self.pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- what clients need ----------------------------------------------------------------------------------

    @property
    def address(self) -> str:
        """Where clients connect, `127.0.0.1:PORT`; the same over restarts."""
        return f"{HOST}:{self._ports.clients}"

    @property
    def ca_path(self) -> Path:
        """The authority clients are told to trust (PEM); there after the first start."""
        return self.directory / "ca.pem"

    def url(self, topic: str) -> str:
        """Return the topic's Kafka URL."""
        return f"kafka://{self.address}/{topic}"

    def password(self, user: str) -> str:
        """Return a user's password, made up for this broker."""
        return self._passwords[user]

    def auth(self, user: str, *, password: str | None = None) -> Auth:
        """Return hop's credential for a user; give a password for a wrong one or for an unknown user."""
        from hop.auth import Auth

        return Auth(
            user,
            self._passwords[user] if password is None else password,
            host=self.address,
            ssl_ca_location=str(self.ca_path),
        )

    def client_settings(self, user: str, *, password: str | None = None) -> dict[str, str]:
        """Return the same credential as settings of a plain confluent-kafka client."""
        return {"bootstrap.servers": self.address, **self.auth(user, password=password)()}

    def write_hop_auth_file(self, path: Path, user: str, *, password: str | None = None) -> Path:
        """Write the credential as hop's `auth.toml` (0600), which `$XDG_CONFIG_HOME/hop/auth.toml` may be."""
        import tomli_w

        credential = {
            "username": user,
            "password": self._passwords[user] if password is None else password,
            "hostname": self.address,
            "protocol": "SASL_SSL",
            "mechanism": "SCRAM-SHA-512",
            "ssl_ca_location": str(self.ca_path),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(tomli_w.dumps({"auth": [credential]}), encoding="utf-8")
        return path

    # -- what an administrator does --------------------------------------------------------------------------

    def create_topics(self, names: Iterable[str], max_message_bytes: int | None = None) -> None:
        """Create topics of one partition and wait for them; those that exist are left alone.

        `max_message_bytes` limits a record batch; without it the broker's own limit holds (1,048,588).
        """
        from confluent_kafka import KafkaError, KafkaException
        from confluent_kafka.admin import NewTopic

        config = {} if max_message_bytes is None else {"max.message.bytes": str(max_message_bytes)}
        topics = [NewTopic(name, num_partitions=1, replication_factor=1, config=config) for name in names]
        with self._administrator() as client:
            for future in client.create_topics(topics, request_timeout=_REQUEST_TIMEOUT_SEC).values():
                try:
                    future.result(_REQUEST_TIMEOUT_SEC)
                except KafkaException as error:
                    if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                        raise

    def allow(self, permissions: Iterable[Permission]) -> None:
        """Add permissions; they hold when this returns."""
        bindings = to_bindings(permissions)
        if not bindings:
            return
        with self._administrator() as client:
            for future in client.create_acls(bindings, request_timeout=_REQUEST_TIMEOUT_SEC).values():
                future.result(_REQUEST_TIMEOUT_SEC)

    def revoke(self, permissions: Iterable[Permission]) -> None:
        """Take permissions back, whether they were given or not."""
        from confluent_kafka.admin import AclBindingFilter

        filters = [
            AclBindingFilter(
                binding.restype,
                binding.name,
                binding.resource_pattern_type,
                binding.principal,
                binding.host,
                binding.operation,
                binding.permission_type,
            )
            for binding in to_bindings(permissions)
        ]
        with self._administrator() as client:
            for future in client.delete_acls(filters, request_timeout=_REQUEST_TIMEOUT_SEC).values():
                future.result(_REQUEST_TIMEOUT_SEC)

    @contextlib.contextmanager
    def _administrator(self) -> Iterator[AdminClient]:
        from confluent_kafka.admin import AdminClient

        yield AdminClient(
            {
                "bootstrap.servers": f"{HOST}:{self._ports.internal}",
                "security.protocol": "SASL_PLAINTEXT",
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.username": ADMINISTRATOR,
                "sasl.password": self._passwords[ADMINISTRATOR],
                "reconnect.backoff.ms": 50,
                "reconnect.backoff.max.ms": 100,
                "log_level": 0,
            },
            # librdkafka writes to standard error otherwise, also about a broker that is only just starting
            error_cb=lambda error: None,
        )

    # -- the process -----------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Write certificates and settings, and format the data folder with the users in it."""
        self.directory.mkdir(parents=True, exist_ok=True)
        files = make_certificates(self.directory, self._certificate)
        properties = write_server_properties(
            self.directory, self._ports, files.server, self._passwords[ADMINISTRATOR], self._settings
        )
        write_logging_properties(self.directory)
        shutil.rmtree(self.directory / "data", ignore_errors=True)
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
        arguments = ["format", "--cluster-id", cluster, "--config", str(properties)]
        for user, password in self._passwords.items():
            arguments += ["--add-scram", f'SCRAM-SHA-512=[name="{user}",password="{password}"]']
        process = JavaProcess(self.directory, "kafka.tools.StorageTool", *arguments)
        try:
            code = process.wait(_FORMAT_TIMEOUT_SEC)
        finally:
            process.kill()
        if code != 0:
            raise RuntimeError(
                f"Kafka's storage could not be formatted (exit code {code}):\n{self._log_tail()}"
            )

    def _wait_until_answering(self, deadline: float) -> None:
        from confluent_kafka import KafkaException

        with self._administrator() as client:
            while time.monotonic() < deadline:
                if not self.is_running:
                    raise RuntimeError(f"Apache Kafka ended while starting:\n{self._log_tail()}")
                try:
                    if client.list_topics(timeout=0.5).brokers:
                        return
                except KafkaException:
                    time.sleep(0.05)
        raise RuntimeError(f"Apache Kafka did not answer in time:\n{self._log_tail()}")

    def _log_tail(self, characters: int = 3000) -> str:
        logs = (self.directory / name for name in ("console.log", "kafka.log"))
        return "\n".join(log.read_text(errors="replace")[-characters:] for log in logs if log.exists())
