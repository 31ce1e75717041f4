"""snews_drill beside the published peers and the bare Kafka client, every row measured in one run.

All talk to one embedded broker, each in a process of its own, and take turns: what disturbs the machine disturbs all.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from alert_samples import make_alert, to_payload
from interop.peers import CLIENT_1, CLIENT_3, SERVER_3, Running, Troupe, ensure_environment

from benchmarks.actors import Actor, Company, company, start_seconds
from snews_drill.detectors import roster
from snews_drill.messages.tiers import Tier
from snews_drill.messages.times import NS_PER_SECOND, iso_micro, iso_nano
from snews_drill.rehearsal.broker import EmbeddedBroker
from snews_drill.transport import Transport
from snews_drill.wire.dialects import get_dialect


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    case
        What was measured.
    ours, theirs, limit
        Figures in `unit`; None where there is none. The limit is the bare Kafka client's.
    peer
        Whose figure `theirs` is.
    better, above, bound
        The targets: at least so many times better than the peer, at most so many times the limit, at most so many units.
    is_rate
        Whether larger is better.
    note
        What a reader has to know to judge the figures.
    """

    case: str
    unit: str
    ours: float
    theirs: float | None = None
    peer: str = ""
    limit: float | None = None
    better: float | None = None
    above: float | None = None
    bound: float | None = None
    is_rate: bool = False
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times better than the peer."""
        if self.theirs is None:
            return None
        return self.ours / self.theirs if self.is_rate else self.theirs / self.ours

    @property
    def targets(self) -> list[tuple[str, bool]]:
        """Each target in words, and whether the figures keep it."""
        found = []
        if self.better is not None and self.ratio is not None:
            found.append((f"≥ {self.better:g} × the peer", self.ratio >= self.better))
        if self.above is not None and self.times_limit is not None:
            found.append((f"≤ {self.above:g} × the limit", self.times_limit <= self.above))
        if self.bound is not None:
            found.append((f"≤ {self.bound:g} {self.unit}", self.ours <= self.bound))
        return found

    @property
    def times_limit(self) -> float | None:
        """How many times the limit; 1 is the best there can be."""
        if self.limit is None:
            return None
        return self.limit / self.ours if self.is_rate else self.ours / self.limit


@dataclass(frozen=True)
class Sizes:
    """How much is measured: `REDUCED` in a minute or two, `FULL` for the table in the documentation."""

    build_rounds: int
    publishes: int
    alerts: int
    connection_tests: int
    rule_limit: float
    server_rounds: int
    flood: int
    starts: int


REDUCED = Sizes(
    build_rounds=8,
    publishes=20,
    alerts=15,
    connection_tests=1,
    rule_limit=3,
    server_rounds=2,
    flood=200,
    starts=3,
)
FULL = Sizes(
    build_rounds=30,
    publishes=100,
    alerts=100,
    connection_tests=5,
    rule_limit=30,
    server_rounds=6,
    flood=2000,
    starts=9,
)


@dataclass
class Bench:
    """The broker, the topics and the programs of one run."""

    broker: EmbeddedBroker
    company: Company
    troupe_folder: Path
    sizes: Sizes
    transport: Transport
    _numbers: list[int] = field(default_factory=list)

    def topics(self, label: str) -> dict[str, str]:
        """Make topics that nobody else has."""
        self._numbers.append(0)
        prefix = f"{label}{len(self._numbers)}"
        made = {key: f"{prefix}.{key}" for key in ("observations", "alerts", "connection")}
        self.transport.create_topics(made.values())
        return made

    def troupe(self, topics: dict[str, str]) -> Troupe:
        return Troupe(self.broker.address, topics, self.troupe_folder)


def quantile(values: list[float], share: float) -> float:
    """Return the value that so large a share does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def building(bench: Bench) -> list[Row]:
    """Two messages out of one call, built and checked; nothing is sent."""
    nowhere = bench.topics("building")
    company, rounds = bench.company, bench.sizes.build_rounds
    calls = {
        "3": company.ours(nowhere),
        "1.3": company.ours(nowhere, dialect="1.3"),
        "3.0.0": company.client_3(nowhere),
        "1.3.2": company.client_1(nowhere),
    }
    spent: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, actor in calls.items():
            found = actor.ask("build", calls=50)
            assert found["made"] == 2, f"{actor.name} made {found['made']} messages"
            spent[name].append(found["seconds"] * 1e6)
    figure = {name: statistics.median(values) for name, values in spent.items()}
    _end(calls.values())
    case = "build and check two messages"
    return [
        Row(
            f"{case}, dialect 3",
            "µs",
            figure["3"],
            figure["3.0.0"],
            "snews-pt 3.0.0",
            better=1.5,
            note="processor time",
        ),
        Row(
            f"{case}, dialect 1.3",
            "µs",
            figure["1.3"],
            figure["1.3.2"],
            "snews-pt 1.3.2",
            better=25,
            note="processor time; the peer reads its settings file and writes a log each time; both print what they made",
        ),
    ]


def publishing(bench: Bench) -> list[Row]:
    """One observation, from the call to the broker's acknowledgement."""
    topics = bench.topics("publishing")
    actors = {
        "ours": bench.company.ours(topics),
        "raw": bench.company.raw(topics),
        "3.0.0": bench.company.client_3(topics),
        "1.3.2": bench.company.client_1(topics),
    }
    spent: dict[str, list[float]] = {name: [] for name in actors}
    for number in range(bench.sizes.publishes + 2):
        moment = time.time_ns() // 1000 * 1000 - NS_PER_SECOND
        for name, actor in actors.items():
            text = iso_micro(moment) if name == "1.3.2" else iso_nano(moment)
            message = {} if name == "raw" else {"detector": "XENONnT", "neutrino_time": text, "p_val": 0.1}
            found = actor.ask("publish", **message)["seconds"] * 1e3
            if number >= 2:  # the first calls open connections
                spent[name].append(found)
    written = 3 * (bench.sizes.publishes + 2)
    found = actors["raw"].ask("read_all", topic=topics["observations"], count=written)["found"]
    assert found == written, f"{found} of {written} observations are on the topic"
    figure = {name: statistics.median(values) for name, values in spent.items()}
    _end(actors.values())
    note = "the peer opens a stream for each message"
    case = "publish → acknowledged, p50"
    return [
        Row(case, "ms", figure["ours"], figure["3.0.0"], "snews-pt 3.0.0", figure["raw"], note=note),
        Row(case, "ms", figure["ours"], figure["1.3.2"], "snews-pt 1.3.2", figure["raw"], note=note),
    ]


@dataclass
class Side:
    """A server with a client and a subscriber: ours, or the published ones."""

    client: Actor
    subscriber: Actor
    #: All observations are of this moment, a while ago: each but the first updates the group.
    moment_ns: int
    seen: int = 0

    def time_alert(self, number: int) -> float:
        """Publish an observation that changes the group, and return the milliseconds until its alert is there."""
        found = self.publish("JUNO", 0.10 + 0.001 * (number % 500))
        self.seen += 1
        at = self.subscriber.ask("arrivals", count=self.seen, timeout=30.0)["at"]
        assert len(at) == self.seen, f"{self.subscriber.name}: {len(at)} alerts instead of {self.seen}"
        return (at[-1] - found["begun_at"]) * 1e3

    def publish(self, detector: str, p_val: float) -> dict[str, Any]:
        return self.client.ask(
            "publish", detector=detector, neutrino_time=iso_nano(self.moment_ns), p_val=p_val
        )


def alerting(bench: Bench) -> list[Row]:
    """From an observation to its alert in the hands of a subscriber that saves it; and the connection test."""
    raw = bench.company.raw(bench.topics("raw"))
    ours, theirs = bench.topics("ours"), bench.topics("theirs")
    server = bench.company.ours(ours)
    server.ask("serve")
    with bench.troupe(theirs).started(SERVER_3, "serve") as peer_server:
        moment_ns = time.time_ns() // 1000 * 1000 - 30 * NS_PER_SECOND
        sides = {
            "ours": Side(bench.company.ours(ours), bench.company.ours(ours), moment_ns),
            "theirs": Side(bench.company.client_3(theirs), bench.company.client_3(theirs), moment_ns),
        }
        for side in sides.values():
            side.subscriber.ask("listen")
        _await_echo(bench, theirs)
        for side in sides.values():
            side.publish("XENONnT", 0.05)
            side.time_alert(0)  # the first alert opens connections
        latency: dict[str, list[float]] = {"ours": [], "theirs": [], "raw": []}
        for number in range(1, bench.sizes.alerts + 1):
            for name, side in sides.items():
                latency[name].append(side.time_alert(number))
            latency["raw"].append(raw.ask("round_trip")["seconds"] * 1e3)
        rows = [_latency_row(share, latency) for share in (50, 95, 99)]
        rows.append(_connection_test(bench, sides))
        rows += _memory(bench, sides, server, peer_server, raw)
        _end([raw, server, *(actor for side in sides.values() for actor in (side.client, side.subscriber))])
        assert "Something crashed" not in peer_server.said(), peer_server.said()[-3000:]
    return rows


def _latency_row(share: int, latency: dict[str, list[float]]) -> Row:
    figure = {name: quantile(values, share / 100) for name, values in latency.items()}
    return Row(
        f"publish → alert visible, p{share}",
        "ms",
        figure["ours"],
        figure["theirs"],
        "snews-pt 3.0.0 + snews-cs 3.0.1",
        figure["raw"],
        better=40,
        above=4,
        note=f"{len(latency['ours'])} updates of a group of two; the bare client goes there and back",
    )


def _connection_test(bench: Bench, sides: dict[str, Side]) -> Row:
    spent: dict[str, list[float]] = {"ours": [], "theirs": []}
    for number in range(bench.sizes.connection_tests + 1):
        for name, side in sides.items():
            if name == "theirs" and number == 0:
                continue  # nothing of the peer's is warm the second time either
            found = side.client.ask("test_connection", patience=8)
            assert found["is_confirmed"], f"{side.client.name}: the connection test was not confirmed"
            if number:
                spent[name].append(found["seconds"] * 1e3)
    return Row(
        "test_connection, p50",
        "ms",
        statistics.median(spent["ours"]),
        statistics.median(spent["theirs"]),
        "snews-pt 3.0.0 + snews-cs 3.0.1",
        better=36,
        note="the peer sleeps 8 s before it looks for the answer; ours returns when it comes",
    )


def _memory(
    bench: Bench, sides: dict[str, Side], server: Actor, peer_server: Running, raw: Actor
) -> list[Row]:
    broker = psutil.Process(bench.broker.pid).memory_info().rss / 2**20
    peer = psutil.Process(peer_server.process.pid).memory_info().rss / 2**20
    ours, theirs = sides["ours"], sides["theirs"]
    return [
        Row(
            "memory of a publishing client",
            "MiB",
            ours.client.memory_mib(),
            theirs.client.memory_mib(),
            "snews-pt 3.0.0",
            raw.memory_mib(),
        ),
        Row(
            "memory of a subscriber",
            "MiB",
            ours.subscriber.memory_mib(),
            theirs.subscriber.memory_mib(),
            "snews-pt 3.0.0",
            raw.memory_mib(),
        ),
        Row("memory of the server", "MiB", server.memory_mib(), peer, "snews-cs 3.0.1"),
        Row("memory of the embedded broker", "MiB", broker, note="all of this run's messages are in it"),
    ]


def _await_echo(bench: Bench, topics: dict[str, str]) -> None:
    """Wait until their server, which tells nobody when it listens, has answered a connection test."""
    client = bench.company.ours(topics)
    limit = time.monotonic() + 60
    while True:
        try:
            assert client.ask("test_connection", patience=4)["is_confirmed"]
            break
        except AssertionError:
            if time.monotonic() > limit:
                raise
    _end([client])


def rule(bench: Bench) -> list[Row]:
    """The coincidence decision alone, per message, in a burst of detectors within 30 ms."""
    nowhere = bench.topics("rule")
    ours, theirs = bench.company.ours(nowhere), bench.company.rule_3(nowhere)
    rows = []
    for detectors, turns, target in ((19, 5, 200.0), (1_000, 1, None), (10_000, 1, None)):
        limit = bench.sizes.rule_limit
        found: dict[str, list[dict[str, Any]]] = {"ours": [], "theirs": []}
        for _ in range(turns):
            for name, actor in (("ours", ours), ("theirs", theirs)):
                patience = limit if name == "theirs" else 60.0
                result = actor.ask("coincidence", detectors=detectors, limit=patience, runs=turns)
                assert result["largest_group"] == result["done"], f"{actor.name}: {result}"
                found[name].append(result)
        done = min(result["done"] for result in found["theirs"])
        assert all(result["done"] == detectors for result in found["ours"])
        assert detectors > 19 or done == detectors
        figure = {
            name: statistics.median(r["seconds"] * 1e6 for r in results) for name, results in found.items()
        }
        note = "processor time"
        if done < detectors:
            note += f"; the peer was stopped after {done:,} messages ({limit:g} s), its cost grows with them"
        rows.append(
            Row(
                f"coincidence, {detectors:,} detectors, per message",
                "µs",
                figure["ours"],
                figure["theirs"],
                "snews-cs 3.0.1",
                better=target,
                note=note,
            )
        )
    _end([ours, theirs])
    return rows


def serving(bench: Bench) -> list[Row]:
    """Nineteen detectors speak in turn, some rounds; from the first observation written to the last alert on the topic."""
    rates = {}
    rounds = bench.sizes.server_rounds
    start: dict[str, float] = {}
    for name in ("theirs", "ours"):
        topics = bench.topics(f"serving-{name}")
        begun = time.perf_counter()
        if name == "ours":
            server = bench.company.ours(topics)
            server.ask("serve")
            start[name] = time.perf_counter() - begun
            rates[name] = _serve_storm(bench, topics, rounds)
            _end([server])
        else:
            with bench.troupe(topics).started(SERVER_3, "serve") as peer_server:
                start[name] = time.perf_counter() - begun
                _await_echo(bench, topics)  # its stream is open, but begins at an end it has yet to find
                rates[name] = _serve_storm(bench, topics, rounds)
                assert "Something crashed" not in peer_server.said(), peer_server.said()[-3000:]
    count = 19 * rounds
    return [
        Row(
            "server, observations to alerts on the topic",
            "/s",
            rates["ours"],
            rates["theirs"],
            "snews-cs 3.0.1",
            is_rate=True,
            note=f"{count} observations written at once, {count - 1} alerts",
        ),
        Row(
            "server, from its process's start until it listens",
            "s",
            start["ours"],
            start["theirs"],
            "snews-cs 3.0.1",
            note="one start each, Python's included",
        ),
    ]


def _serve_storm(bench: Bench, topics: dict[str, str], rounds: int) -> float:
    dialect, now = get_dialect("3"), time.time_ns() // 1000 * 1000
    first = now - 20 * NS_PER_SECOND
    payloads = []
    for number in range(19 * rounds):
        detector = roster()[number % 19]
        arguments = {
            "neutrino_time": iso_nano(first + number % 19 * 1_600_000),
            "p_val": 0.01 + number * 0.001,
            "is_firedrill": True,
        }
        content = dialect.build(
            Tier.COINCIDENCE, arguments, {}, detector=detector, now_ns=now + number * 1000
        )
        payloads.append(dialect.encode_message(content))
    reader = bench.transport.open_reader([topics["alerts"]])
    try:
        begun = time.perf_counter()
        bench.transport.send(topics["observations"], payloads)
        alerts, limit = 0, time.monotonic() + 120
        while alerts < len(payloads) - 1:
            assert time.monotonic() < limit, f"{alerts} of {len(payloads) - 1} alerts"
            alerts += len(reader.read(timeout=0.5))
        spent = time.perf_counter() - begun
        assert alerts == len(payloads) - 1
    finally:
        reader.close()
    return len(payloads) / spent


def subscribing(bench: Bench) -> list[Row]:
    """Alerts that wait on the topic, taken, saved and handed over: from the first to the last."""
    count = bench.sizes.flood
    topics = bench.topics("flood")
    payloads = [to_payload(make_alert(names=("JUNO", "XENONnT"))) for _ in range(count)]
    bench.transport.send(topics["alerts"], payloads, timeout=60)
    rates = {}
    actors = (bench.company.ours(topics), bench.company.client_3(topics))
    for name, actor in zip(("ours", "theirs"), actors, strict=True):
        actor.ask("listen")
        at = actor.ask("arrivals", count=count, timeout=100.0)["at"]
        assert len(at) == count, f"{actor.name}: {len(at)} of {count} alerts"
        saved = len(list((actor.place / "alerts").glob("*.json")))
        assert saved == count, f"{actor.name} saved {saved} of {count} alerts"
        rates[name] = (count - 1) / (at[-1] - at[0])
    raw = bench.company.raw(topics)
    found = raw.ask("read_all", topic=topics["alerts"], count=count)
    assert found["found"] == count
    _end([*actors, raw])
    return [
        Row(
            "subscriber, alerts taken and saved",
            "/s",
            rates["ours"],
            rates["theirs"],
            "snews-pt 3.0.0",
            (count - 1) / found["seconds"],
            is_rate=True,
            note=f"{count:,} alerts on the topic, each saved as a file; the bare client only reads",
        )
    ]


def starting(bench: Bench) -> list[Row]:
    """What a program takes over a bare start of its own Python."""
    runs, folder = bench.sizes.starts, bench.troupe_folder
    ours, pt = sys.executable, str(ensure_environment(CLIENT_3))
    script = str(Path(ours).with_name("snews-drill"))
    cases = [
        ("import of the package", ["-c", "import snews_drill"], ["-c", "import snews_pt"], 0.5),
        (
            "import of what publishes",
            ["-c", "from snews_drill import SNEWSTiersPublisher"],
            ["-c", "from snews_pt.messages import Publisher"],
            None,
        ),
        ("command line, --help", [script, "--help"], [str(Path(pt).with_name("snews_pt")), "--help"], 0.4),
    ]
    rows = []
    for case, own, other, limit in cases:
        figure = {}
        for name, python, arguments in (("ours", ours, own), ("theirs", pt, other)):
            bare, loaded = start_seconds(python, *arguments, folder=folder, runs=runs)
            figure[name] = max(loaded - bare, 1e-3)
        note = "over a bare start of Python"
        rows.append(
            Row(case, "s", figure["ours"], figure["theirs"], "snews-pt 3.0.0", bound=limit, note=note)
        )
    return rows


def _end(actors: Any) -> None:
    for actor in actors:
        actor.process.kill()
        actor.process.wait(10)


GROUPS: tuple[Callable[[Bench], list[Row]], ...] = (
    building,
    publishing,
    alerting,
    rule,
    serving,
    subscribing,
    starting,
)


def compare(sizes: Sizes, folder: Path) -> list[Row]:
    """Measure every row, each group on topics of its own."""
    for peer in (CLIENT_1, CLIENT_3, SERVER_3):
        ensure_environment(peer)  # beforehand, so that no row's time goes into it
    with EmbeddedBroker() as broker, company(broker.address, folder) as actors:
        transport = Transport(broker.address)
        try:
            bench = Bench(broker, actors, folder / "troupe", sizes, transport)
            return [row for group in GROUPS for row in group(bench)]
        finally:
            transport.close()
