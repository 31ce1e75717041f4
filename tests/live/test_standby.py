"""Hot standby on Apache Kafka: the active server dies, freezes and stops in a storm; no alert is lost, none doubled."""

from __future__ import annotations

import itertools
import json
import os
import queue
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from kafka_broker.permissions import Permission
from messages_to_send import heartbeat, observation, retraction
from waiting import wait_for

from snews_drill import Subscriber
from snews_drill.connection import Connection
from snews_drill.detectors import roster
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.server import DrillServer
from snews_drill.transport import Receipt
from snews_drill.wire.payload import Payload

#: More of them are tried with SNEWS_DRILL_TEST_SEEDS="1 2 3".
SEEDS = [int(word) for word in os.environ.get("SNEWS_DRILL_TEST_SEEDS", "1").split()]

NAMES = [detector.name for detector in roster()][:19]


@dataclass
class StandbyServer:
    """`snews-drill serve --standby` in a process of its own, killed and started again on its archive."""

    command: list[str]
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[str] | None = None
    said: dict[str, Any] = field(default_factory=dict)
    is_frozen: bool = False

    @property
    def role(self) -> str:
        return str(self.said.get("role", "")) if self.is_running else ""

    @property
    def taken(self) -> int:
        """How many records it has judged."""
        return sum(count for word, count in self.said.get("counts", {}).items() if word != "alerts")

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None and not self.is_frozen

    def start(self) -> None:
        self.said = {}
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                self.command, stdout=subprocess.PIPE, stderr=log, text=True, env=self.environment
            )
        threading.Thread(target=self._listen, args=(self.process,), name="listener", daemon=True).start()

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if process is self.process:
                self.said = json.loads(line)
        process.stdout.close()

    def hit(self, number: int) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)
        self.is_frozen = number == signal.SIGSTOP

    def end(self, number: int = signal.SIGKILL) -> None:
        if self.process is not None and self.process.poll() is None:
            self.hit(signal.SIGCONT)
            self.hit(number)
            self.process.wait(20)


@dataclass
class Stage:
    """A drill with two servers that stand by for each other, and what the topics hold."""

    place: Any
    servers: list[StandbyServer]
    member: Connection
    sent: int = 0

    def active(self) -> StandbyServer | None:
        return next((server for server in self.servers if server.role == "active"), None)

    def await_active(self) -> StandbyServer:
        return wait_for(self.active, f"an active server; logs: {self.logs}", timeout=40)

    @property
    def logs(self) -> list[str]:
        return [server.log.read_text()[-1000:] for server in self.servers if server.log.exists()]

    def send(self, detector: str, content: bytes) -> None:
        payload = Payload(content, key=detector.encode())
        (outcome,) = self.member.send(self.place.topics.observations, [payload], timeout=20)
        assert isinstance(outcome, Receipt), outcome
        self.sent += 1

    def read(self, topic: str, enough: Callable[[list[Any]], bool], timeout: float = 60) -> list[Any]:
        """Return all records of a topic to which nobody writes any more, once they are enough."""
        connection = self.place.connect("server")
        reader = connection.open_reader([topic], start="beginning")
        records: list[Any] = []
        try:

            def look() -> bool:
                records.extend(reader.read(timeout=0.2))
                return enough(records)

            wait_for(look, f"enough records, {len(records)} so far; logs: {self.logs}", timeout=timeout)
            while late := reader.read(timeout=2.0):
                records.extend(late)
            return records
        finally:
            reader.close()


@pytest.fixture
def make_stage(bare_place: Any, tmp_path: Path) -> Iterator[Callable[..., Stage]]:
    """Return a function that starts two servers on one standby group."""
    stack = ExitStack()

    def make(partitions: int) -> Stage:
        place, group = bare_place, f"server-{bare_place.prefix}standby"
        own = place.connect("server")
        own._transport.create_topics([place.topics.observations], partitions=partitions)
        own.make_topics()
        place.kafka.allow(place.member_rights())
        environment = {**os.environ, "SNEWS_DRILL_HOME": str(tmp_path / "snews_drill")}
        options = ["--broker", place.url, "--topics-prefix", place.prefix, "--standby", group, "--json"]
        servers = []
        for name in ("one", "two"):
            archive = ["--archive", str(tmp_path / name / "archive.sqlite3")]
            command = [sys.executable, "-m", "snews_drill", "serve", *options, *archive]
            server = StandbyServer(command, environment, tmp_path / f"{name}.log")
            stack.callback(server.end)
            servers.append(server)
            server.start()
        wait_for(lambda: all(s.said for s in servers), "both servers to speak", timeout=40)
        stage = Stage(place, servers, place.connect("member"))
        place.sign_in("server")
        return stage

    yield make
    stack.close()


def storm(seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """Observations within 40 s, said again and taken back, and heartbeats, of 19 detectors; the same for the same seed."""
    chance, zero = random.Random(seed), time.time_ns() - 60 * 10**9
    for _ in range(count):
        name, kind = chance.choice(NAMES), chance.random()
        if kind < 0.7:
            yield (
                name,
                observation(name, zero + chance.randrange(40_000) * 10**6, p_val=chance.random() / 2 + 0.1),
            )
        elif kind < 0.85:
            yield name, heartbeat(name, chance.choice(["ON", "ON", "OFF"]))
        else:
            yield name, retraction(name, chance.choice([1, 1, 2]))


def kill(server: StandbyServer) -> None:
    """Ended in its tracks, and started again a little later."""
    server.end(signal.SIGKILL)
    time.sleep(1)
    server.start()


def stop(server: StandbyServer) -> None:
    """Ended in order."""
    server.end(signal.SIGTERM)
    time.sleep(1)
    server.start()


def freeze(server: StandbyServer) -> None:
    """Frozen until the other one has taken over, then let go on: it still believes to be the active one."""
    server.hit(signal.SIGSTOP)
    time.sleep(12)  # the case itself: longer than the group waits for a member
    server.hit(signal.SIGCONT)


def trouble(
    stage: Stage, kinds: list[Callable[[StandbyServer], None]], pause: Callable[[], float]
) -> list[tuple[str, float]]:
    """Make each kind of trouble for the server that is active then; return what was done and when."""
    done = []
    for kind in kinds:
        victim = stage.await_active()
        time.sleep(pause())
        if victim.role != "active":
            victim = stage.await_active()
        done.append((kind.__name__, time.time()))
        kind(victim)
    return done


def play(
    stage: Stage, seed: int, count: int, kinds: list[Callable[[StandbyServer], None]]
) -> list[tuple[str, float]]:
    """Send the storm while there is trouble, at least `count` messages and for as long as the trouble lasts."""
    chance = random.Random(seed)
    kinds = chance.sample(kinds, len(kinds))
    results: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def work() -> None:
        try:
            results.put(trouble(stage, kinds, lambda: chance.uniform(0.5, 2.5)))
        except BaseException as error:  # noqa: BLE001 - raised below
            results.put(error)

    worker = threading.Thread(target=work, name="trouble")
    worker.start()
    try:
        for number, (name, content) in enumerate(storm(seed, 100_000)):
            if number >= count and not worker.is_alive():
                break
            stage.send(name, content)
            time.sleep(0.04)
    finally:
        worker.join(200)
    done = results.get(timeout=1)
    if isinstance(done, BaseException):
        raise done
    return done


def contents(records: list[Any]) -> dict[str, bytes]:
    """Return alerts by id; one that came again must be the same to the byte."""
    found: dict[str, bytes] = {}
    for record in records:
        identifier = json.loads(record.value)["_id"]
        assert found.setdefault(identifier, record.value) == record.value, "one id, two alerts"
    return found


def tell(records: list[Any], done: list[tuple[str, float]], found: dict[str, bytes], sent: int) -> None:
    """Print the summary; the longest silence of the alert topic after each trouble is the takeover."""
    print(f"\n{sent} messages, {len(found)} alerts, {len(records) - len(found)} records that came again")
    stamps = sorted(record.timestamp_ms / 1e3 for record in records)
    for name, moment in done:
        near = [moment, *(stamp for stamp in stamps if moment < stamp < moment + 20)]
        silence = max((late - early for early, late in itertools.pairwise(near)), default=float("nan"))
        print(f"  {name:<8} silence of {silence:5.1f} s")


def tell_delay(records: list[Any], alone: list[Any]) -> None:
    """Print how much later the group's alerts were written than the same ones of the server alone."""
    stamps = {json.loads(record.value)["_id"]: record.timestamp_ms for record in alone}
    both = [(record.timestamp_ms, stamps.get(json.loads(record.value)["_id"])) for record in records]
    later = sorted(ours - theirs for ours, theirs in both if theirs is not None)
    print(f"  later than those of a server alone: median {later[len(later) // 2]} ms")


@contextmanager
def unbroken_server(stage: Stage, folder: Path) -> Iterator[tuple[DrillServer, Archive]]:
    """Serve alone, beside the group, from the same observation topic to an alert topic of its own."""
    observer, topics = stage.place.connect("server"), stage.place.topics
    elsewhere = topics.model_copy(update={"alerts": f"{topics.alerts}-unbroken"})
    observer._transport.create_topics([elsewhere.alerts])
    observer.profile = observer.profile.model_copy(update={"firedrill": elsewhere})
    with Archive(folder / "unbroken" / "a.sqlite3") as archive, DrillServer(observer, archive) as server:
        yield server, archive
        assert server.status.state == "listening"


def counted(reader: Subscriber) -> int:
    """Return how many alerts a reader counts: what came again is none."""
    return reader.state.received - reader.state.duplicates


def records_taken(archive: Archive) -> int:
    return sum(archive.counts().values())


@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_active_server_may_die_at_any_moment(
    make_stage: Callable[..., Stage], tmp_path: Path, seed: int
) -> None:
    """With one partition, what a reader counts is to the byte and in order what one unbroken server says."""
    stage = make_stage(partitions=1)
    topics = stage.place.topics
    with (
        unbroken_server(stage, tmp_path) as (_, archive),
        Subscriber(connection=stage.member, outputfolder=None) as reader,
    ):
        done = play(stage, seed, 1000, [kill, freeze, stop, kill, freeze, stop])
        stage.await_active()
        sent = stage.read(topics.observations, lambda records: len(records) >= stage.sent)
        wait_for(
            lambda: records_taken(archive) >= len(sent), "the unbroken server to have read all", timeout=30
        )
        expected = [json.dumps(alert) for alert in archive.alerts()]
        records = stage.read(topics.alerts, lambda records: len(contents(records)) >= len(expected))
        found = contents(records)
        tell(records, done, found, len(sent))
        tell_delay(
            records,
            stage.read(f"{topics.alerts}-unbroken", lambda alone: len(contents(alone)) >= len(expected)),
        )
        assert len(expected) > 500
        assert [json.dumps(json.loads(value)) for value in found.values()] == expected
        wait_for(lambda: counted(reader) >= len(expected), "the subscriber to have all", timeout=20)
        assert counted(reader) == len(expected)


@pytest.mark.timeout(400)
def test_six_partitions_give_the_same_groups(make_stage: Callable[..., Stage], tmp_path: Path) -> None:
    """Both servers say the same to the byte; one that reads the partitions in another order ends with the same groups."""
    stage = make_stage(partitions=6)
    topics = stage.place.topics
    with unbroken_server(stage, tmp_path) as (unbroken, archive):
        done = play(stage, 6, 1000, [kill, freeze])
        stage.await_active()
        sent = stage.read(topics.observations, lambda records: len(records) >= stage.sent)
        assert len({record.partition for record in sent}) > 4  # where 19 names fall
        wait_for(
            lambda: records_taken(archive) >= len(sent), "the unbroken server to have read all", timeout=30
        )
        wait_for(
            lambda: all(server.taken == len(sent) for server in stage.servers),
            f"both servers to have taken all {len(sent)}; logs: {stage.logs}",
            timeout=90,
        )
        groups = [list(group) for group in unbroken.status.groups]
        assert groups
        wait_for(
            lambda: all(server.said["groups"] == groups for server in stage.servers),
            "equal groups",
            timeout=10,
        )
        ours = {json.dumps(alert) for alert in archive.alerts()}
    for server in stage.servers:
        server.end(signal.SIGTERM)
    decided = []
    for name in ("one", "two"):
        with Archive(tmp_path / name / "archive.sqlite3") as kept:
            decided.append([json.dumps(alert) for alert in kept.alerts()])
    records = stage.read(topics.alerts, lambda records: len(contents(records)) >= len(decided[0]))
    found = contents(records)
    tell(records, done, found, len(sent))
    said = [json.dumps(json.loads(value)) for value in found.values()]
    print(f"  one server alone: {len(ours)} alerts, {len(ours & set(said))} of them the same")
    assert decided[0] == decided[1]
    assert said == decided[0]


def test_a_missing_right_on_the_group_is_told(bare_place: Any, tmp_path: Path) -> None:
    """The server goes on waiting, and says what it lacks; once it has the right, it serves."""
    group = f"other-{bare_place.prefix}standby"
    connection = bare_place.connect("server")
    connection.make_topics()
    connection._transport.create_topics([group])
    with (
        Archive(tmp_path / "archive" / "a.sqlite3") as archive,
        DrillServer(connection, archive, standby_group=group) as server,
    ):
        wait_for(
            lambda: f"consumer group {group}" in server.status.problem,
            "the missing right to be told",
            timeout=20,
        )
        assert server.status.state == "waiting"
        bare_place.kafka.allow([Permission("server", group, ("READ",), resource="group")])
        wait_for(lambda: server.status.role == "active", "the server to serve", timeout=20)
