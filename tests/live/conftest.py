"""One Apache Kafka for all these tests: accounts, permissions, TLS; every user comes with hop's own file of credentials."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from kafka_broker import fetch
from kafka_broker.apache import ApacheKafka
from kafka_broker.permissions import Permission, may_read, may_write

from snews_drill.connection import Connection, open_profile
from snews_drill.errors import DrillError
from snews_drill.profiles import Topics, get_profile
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.server import DrillServer
from snews_drill.settings import ENVIRONMENT, DrillSettings

USERS = ("server", "member", "writer", "reader", "plain", "stranger")

_numbers = itertools.count(1)

#: Case, error class, seconds: printed at the end.
_measured: list[tuple[str, str, float]] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs Apache Kafka."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker("kafka")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Tell how long each refusal took."""
    if _measured:
        terminalreporter.section("what was told, and after how long")
    for case, kind, seconds in _measured:
        terminalreporter.write_line(f"{case:<58} {kind:<40} {seconds:6.2f} s")


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    """The broker; restarted and frozen by some tests, and running again after each."""
    fetch.require_parts()
    rights: Any = ("READ", "WRITE", "CREATE")
    permissions = [
        Permission("server", "*", rights),
        Permission("server", "server-*", ("READ",), resource="group"),
    ]
    with ApacheKafka(tmp_path_factory.mktemp("live"), users=USERS, acls=permissions) as broker:
        yield broker


@dataclass
class Place:
    """A private drill of one test's own on the shared broker."""

    kafka: ApacheKafka
    settings: DrillSettings
    store: Path
    prefix: str
    connections: list[Connection] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"kafka://{self.kafka.address}"

    @property
    def topics(self) -> Topics:
        return get_profile(self.url, topics_prefix=self.prefix).firedrill

    def sign_in(self, user: str, password: str | None = None) -> None:
        """Have this user's credentials, and no others, in hop's store."""
        self.kafka.write_hop_auth_file(self.store, user, password=password)

    def connect(self, user: str = "member", *, detector: str = "XENONnT", **more: Any) -> Connection:
        """Connect as a user does who was told the prefix."""
        self.sign_in(user)
        settings = self.settings.model_copy(update={"detector_name": detector})
        connection = open_profile(self.url, topics_prefix=self.prefix, settings=settings, **more)
        self.connections.append(connection)
        return connection

    def member_rights(self, user: str = "member") -> list[Permission]:
        """Return what a member is permitted: write to the first topic, read the other two."""
        topics = self.topics
        return [*may_write(user, topics.observations), *may_read(user, topics.alerts, topics.connection)]


@pytest.fixture
def bare_place(
    kafka: ApacheKafka, settings: DrillSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    """A place without topics and permissions."""
    for variable in ENVIRONMENT:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    place = Place(kafka, settings, tmp_path / "xdg" / "hop" / "auth.toml", f"school-{next(_numbers)}.")
    kafka.start()
    yield place
    kafka.start()
    kafka.thaw()
    for connection in place.connections:
        connection.close()


@pytest.fixture
def place(bare_place: Place) -> Place:
    """A place with its topics, where "member" has a member's rights."""
    bare_place.connect("server").make_topics()
    bare_place.kafka.allow(bare_place.member_rights())
    return bare_place


@pytest.fixture
def server(place: Place, tmp_path: Path) -> Iterator[DrillServer]:
    """A drill server in this place."""
    with (
        Archive(tmp_path / "archive" / "archive.sqlite3") as archive,
        DrillServer(place.connect("server"), archive) as server,
    ):
        yield server


@pytest.fixture
def refused(request: pytest.FixtureRequest) -> Callable[..., DrillError]:
    """Return a function that insists on an error of a kind, with its words, in time."""

    def insist(
        call: Callable[[], object], kind: type[DrillError], *words: str, within: float, case: str = ""
    ) -> DrillError:
        began = time.monotonic()
        with pytest.raises(kind) as caught:
            call()
        spent = time.monotonic() - began
        error = caught.value
        cause = f" ({type(error.__cause__).__name__})" if isinstance(error.__cause__, DrillError) else ""
        _measured.append((f"{request.node.name}{case}", type(error).__name__ + cause, spent))
        assert spent < within, f"told only after {spent:.1f} s: {error}"
        for word in words:
            assert word in error.reason, error
        assert error.next_step
        return error

    return insist
