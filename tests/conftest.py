"""Fixtures for every test: settings of its own, an embedded broker, and a look at what is left behind."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from broker_stand import EmbeddedStand, KafkaStand, Stand, open_connection_on
from messages_to_send import Alerts
from waiting import wait_for

from snews_drill.connection import Connection
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.broker import EmbeddedBroker
from snews_drill.rehearsal.launcher import stop_rehearsal
from snews_drill.rehearsal.server import DrillServer
from snews_drill.settings import DrillSettings

#: Threads that libraries keep for the whole life of the process.
_KEPT_THREADS = ("pydevd", "IPython", "asyncio_", "ThreadPoolExecutor", "keeper of kafka.Kafka")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the suites that move messages run on either broker, and the benchmarks in full."""
    parser.addoption("--full", action="store_true", help="benchmarks: the sizes of docs/performance.md")
    parser.addoption(
        "--update-performance-page",
        action="store_true",
        help="benchmarks: put the tables into docs/performance.md",
    )
    parser.addoption(
        "--broker", choices=("embedded", "kafka"), default="embedded", help="which broker messages go through"
    )
    parser.addoption("--soak-minutes", type=float, default=3.0, help="how long the soak takes")
    parser.addoption("--soak-plot", default=None, help="where to draw what the soak measured, PNG or SVG")
    parser.addoption(
        "--hostile-records", type=int, default=100_000, help="how many records the fuzz suite tries"
    )
    parser.addoption("--hostile-seed", type=int, default=1, help="which ones")
    parser.addoption(
        "--fault-seeds",
        metavar="N",
        type=int,
        default=8,
        help="how many storms of the fault suite on the embedded broker (8); the other parts have their own number",
    )
    parser.addoption(
        "--fault-first-seed",
        metavar="SEED",
        type=int,
        default=1,
        help="the first seed of the fault suite (1)",
    )


@pytest.fixture(scope="session")
def apache_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaStand]:
    """Apache Kafka with SASL_SSL; one for the whole run, because it takes seconds to start."""
    from kafka_broker import fetch

    fetch.require_parts()
    stand = KafkaStand(tmp_path_factory.mktemp("apache-kafka"))
    yield stand
    stand.kafka.stop()


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Fail a test that leaves a thread or a child process behind."""
    threads_before, children_before = set(threading.enumerate()), _children()
    yield
    left_threads = wait_until_empty(lambda: _new_threads(threads_before))
    left_children = wait_until_empty(lambda: _children() - children_before)
    assert not left_threads, f"threads left behind: {left_threads}"
    assert not left_children, f"processes left behind: {[_describe(pid) for pid in left_children]}"


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[DrillSettings]:
    """Settings with folders of this test's own; a rehearsal started with them is ended afterwards."""
    home = tmp_path / "home"
    settings = DrillSettings(config_dir=home / "config", state_dir=home / "state", runtime_dir=home / "run")
    yield settings
    stop_rehearsal(settings)
    left = wait_until_empty(lambda: _processes_that_mention(str(home)))
    assert not left, f"processes left behind: {[_describe(pid) for pid in left]}"


@pytest.fixture(scope="module")
def broker(request: pytest.FixtureRequest) -> Iterator[EmbeddedBroker | KafkaStand]:
    """The broker of `--broker`, shared by the tests of one module (the whole run for Apache Kafka)."""
    if request.config.getoption("--broker") == "kafka":
        yield request.getfixturevalue("apache_kafka")
        return
    with EmbeddedBroker() as broker:
        yield broker


@pytest.fixture
def stand(request: pytest.FixtureRequest) -> Iterator[Stand]:
    """A broker that the test may kill and freeze: an embedded one of its own, or the run's Apache Kafka."""
    if request.config.getoption("--broker") == "kafka":
        kafka = request.getfixturevalue("apache_kafka")
        kafka.start()
        yield kafka
        kafka.start()
        return
    stand = EmbeddedStand()
    yield stand
    stand.kill()


@pytest.fixture
def connection(broker: Stand, settings: DrillSettings) -> Iterator[Connection]:
    """A connection on topics of this test's own, for a user who is XENONnT."""
    with open_connection_on(broker, settings.model_copy(update={"detector_name": "XENONnT"})) as connection:
        yield connection


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """An empty archive."""
    with Archive(tmp_path / "archive" / "archive.sqlite3") as archive:
        yield archive


@pytest.fixture
def server(connection: Connection, archive: Archive) -> Iterator[DrillServer]:
    """A drill server on `connection` that keeps everything in `archive`."""
    with DrillServer(connection, archive) as server:
        yield server


@pytest.fixture
def alerts(connection: Connection) -> Iterator[Alerts]:
    """The alerts of the fire-drill topic, from the beginning."""
    found = Alerts(connection)
    yield found
    found.close()


def wait_until_empty(find: object, timeout: float = 3.0) -> set[object]:
    """Return what `find()` still finds after at most `timeout` seconds."""
    assert callable(find)
    try:
        wait_for(lambda: not find(), "an empty set", timeout=timeout)
    except AssertionError:
        return set(find())
    return set()


def _new_threads(before: set[threading.Thread]) -> set[str]:
    """Find threads that are new: any that is no daemon, and daemons that bear a name of ours."""
    return {
        thread.name
        for thread in threading.enumerate()
        if thread not in before
        and not thread.name.startswith(_KEPT_THREADS)
        and (not thread.daemon or not thread.name.startswith("Thread-"))
    }


def _children() -> set[int]:
    """Find our child processes; the Apache Kafka of the whole run is none of a single test's."""
    return {child.pid for child in psutil.Process().children(recursive=True) if not _is_kafka(child)}


def _is_kafka(process: psutil.Process) -> bool:
    try:
        return "kafka.Kafka" in process.cmdline()
    except psutil.Error:
        return False


def _processes_that_mention(text: str) -> set[int]:
    found = set()
    for process in psutil.process_iter(["cmdline"]):
        if process.pid != os.getpid() and any(text in word for word in process.info["cmdline"] or ()):
            found.add(process.pid)
    return found


def _describe(pid: object) -> str:
    try:
        process = psutil.Process(int(str(pid)))
        return f"{pid} {' '.join(process.cmdline())[:200]} ({process.status()})"
    except psutil.Error:
        return str(pid)
