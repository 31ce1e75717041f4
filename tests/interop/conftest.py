"""A broker, a drill server and the published peers; the table that ends the run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from waiting import wait_for

from interop.peers import PEERS, Troupe, ensure_environment
from snews_drill.connection import Connection
from snews_drill.messages.times import iso_nano
from snews_drill.profiles import Topics, get_profile
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.broker import EmbeddedBroker
from snews_drill.rehearsal.server import DrillServer
from snews_drill.settings import DrillSettings
from snews_drill.transport import Transport
from snews_drill.wire.dialects import get_dialect

_lines: list[tuple[str, str, str]] = []


@pytest.fixture(scope="session")
def _peers_are_ready() -> None:
    """Make all environments first, so that no test's time goes into it."""
    for peer in PEERS:
        ensure_environment(peer)


@dataclass
class Stage:
    """Topics of one test on the broker, with connections, a drill server and peers on them."""

    broker: str
    topics: Topics
    settings: DrillSettings
    troupe: Troupe
    archive: Archive
    _stack: ExitStack = field(repr=False)

    def connect(self, dialect: str = "3") -> Connection:
        """Connect to the test's topics."""
        profile = get_profile("rehearsal").model_copy(update={"firedrill": self.topics, "test": self.topics})
        connection = Connection(profile, Transport(self.broker), get_dialect(dialect), settings=self.settings)
        return self._stack.enter_context(connection)

    def serve(self, dialect: str = "3") -> DrillServer:
        """Run the drill server until the test ends; alerts go out in that dialect."""
        server = DrillServer(self.connect(dialect), self.archive, server_tag="interop")
        self._stack.enter_context(server)
        wait_for(lambda: server.status.state == "listening", "the drill server listens")
        return server

    def accepted(self, kind: str) -> int:
        """Return how many records of a kind the drill server took."""
        return sum(1 for r in self.archive.records(outcome="accepted") if r.kind == kind)

    def await_accepted(self, kind: str, count: int = 1) -> None:
        wait_for(
            lambda: self.accepted(kind) >= count,
            f"{count} x {kind} taken; refused: {[(r.kind, r.reason) for r in self.problems()]}",
        )

    def problems(self) -> list[object]:
        """Return what the drill server did not take."""
        return [r for outcome in ("refused", "unreadable") for r in self.archive.records(outcome=outcome)]


@pytest.fixture
def stage(
    _peers_are_ready: None,
    broker: EmbeddedBroker,
    settings: DrillSettings,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Iterator[Stage]:
    """Everything on topics of this test's own."""
    label = request.node.name.translate(str.maketrans("[]. ", "____"))[:60]
    topics = Topics(
        observations=f"{label}.observations", alerts=f"{label}.alerts", connection=f"{label}.connection"
    )
    troupe = Troupe(broker.address, topics.model_dump(), tmp_path)
    with _opened(Transport(broker.address)) as transport, ExitStack() as stack:
        transport.create_topics(topics.names())
        archive = stack.enter_context(Archive(tmp_path / "archive" / "archive.sqlite3"))
        yield Stage(broker.address, topics, settings, troupe, archive, stack)


@contextmanager
def _opened(transport: Transport) -> Iterator[Transport]:
    try:
        yield transport
    finally:
        transport.close()


@pytest.fixture
def moment() -> Callable[[float], str]:
    """Return a function: so many seconds after a moment a minute ago, as ISO text of nanoseconds with Z."""
    start_ns = time.time_ns() // 1_000_000_000 * 1_000_000_000 - 60_000_000_000
    return lambda seconds: iso_nano(start_ns + round(seconds * 1e9))


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Callable[[str, str, str], None]:
    """Return a function that adds a line to the table: letter, what was done, what was seen."""
    return lambda letter, what, seen: _lines.append((letter, what, seen))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what happened between the peers."""
    if not _lines:
        return
    terminalreporter.section("interop with the published peers")
    width = max(len(what) for _, what, _ in _lines)
    for letter, what, seen in sorted(_lines):
        terminalreporter.write_line(f"({letter}) {what:<{width}}  {seen}")
