"""Server, subscriber and publisher are killed with -9 at random moments: a reader counts what an unbroken run gives."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from broker_stand import EmbeddedStand, KafkaStand

from faults.crew import Crew, crew_on, end_of
from faults.storm import Fault, Tally, first_difference, make_faults, make_messages, told
from faults.unbroken import Stopwatch, unbroken

pytestmark = pytest.mark.faults

#: What strikes in each storm on the embedded broker.
KILLS = ("server killed",) * 3 + ("subscriber killed",) * 2 + ("publisher killed",) * 2

#: What strikes Apache Kafka, in turn; each storm has one kill of every process besides.
ON_KAFKA = (
    ("Kafka restarted",),
    ("Kafka frozen 10 s",),
    ("Kafka killed",),
    ("Kafka restarted", "Kafka frozen 10 s"),
)
KILLS_ON_KAFKA = ("server killed", "subscriber killed", "publisher killed")


def strike(crew: Crew, fault: Fault, line: Tally, kafka: KafkaStand | None = None) -> None:
    """Let one fault happen."""
    crew.wait(lambda: crew.acknowledged >= fault.at, f"{fault.at} messages to be acknowledged")
    time.sleep(fault.delay)  # the moment between two messages
    line.faults[fault.kind] += 1
    if kafka is None or not fault.kind.startswith("Kafka"):
        crew.member(fault.kind.split()[0]).kill_and_start()
    elif fault.kind == "Kafka restarted":
        kafka.kafka.restart()
    elif fault.kind == "Kafka killed":
        kafka.kill()
        kafka.start()
    else:
        freeze(crew, fault, line, kafka)


def freeze(crew: Crew, fault: Fault, line: Tally, kafka: KafkaStand) -> None:
    """Let the broker hang for 10 s, and kill somebody meanwhile."""
    chance = random.Random(repr(fault))
    moment = chance.uniform(0, 10)
    name = chance.choice(("server", "subscriber", "publisher"))
    kafka.kafka.freeze()
    try:
        time.sleep(moment)
        crew.member(name).kill_and_start()
        line.faults[f"{name} killed"] += 1
        time.sleep(10 - moment)
    finally:
        kafka.kafka.thaw()


def judge(crew: Crew, expected: list[tuple[object, ...]], line: Tally) -> None:
    """Wait until all is quiet, and insist that reader and subscriber count what the unbroken run gave."""
    alerts = crew.rest()
    found, saved = told(alerts), crew.saved()
    line.written = end_of(crew.connection, crew.connection.topics().observations)
    line.copies = len(alerts) - len(found)
    line.compare(expected, found)
    assert found == expected, first_difference(expected, found)
    line.compare(expected, told(saved))
    line.doubled += len(saved) - len({alert["_id"] for alert in saved})
    assert [alert["_id"] for alert in saved] == list(dict.fromkeys(alert["_id"] for alert in alerts))
    # A copy says the same, word for word, as the first of its id; so does every file.
    first = {alert["_id"]: alert for alert in reversed(alerts)}
    assert all(alert == first[alert["_id"]] for alert in [*alerts, *saved])
    assert crew.integrity() == "ok"
    assert (line.lost, line.doubled) == (0, 0)


@dataclass(frozen=True)
class Storm:
    """One storm: what strikes where."""

    suite: str
    seed: int
    kinds: tuple[str, ...]


def play(storm: Storm, stand: EmbeddedStand | KafkaStand, folder: Path, line: Tally) -> None:
    """Compare a storm with an unbroken run."""
    messages = make_messages(storm.seed, time.time_ns() - 20 * 10**9)
    prefix = f"{storm.suite.split()[0]}{storm.seed}"
    expected = unbroken(stand, folder / "calm", f"calm-{prefix}.", messages)
    assert len(expected) > 300
    watch = Stopwatch()
    line.messages = len(messages)
    with crew_on(stand, folder / "storm", f"storm-{prefix}.") as crew:
        crew.begin(messages)
        for fault in make_faults(storm.seed, storm.kinds):
            strike(crew, fault, line, stand if isinstance(stand, KafkaStand) else None)
        try:
            judge(crew, expected, line)
        finally:
            line.seconds = watch.seconds


@pytest.mark.timeout(180)
def test_kill_9(
    fault_seed: int, embedded: EmbeddedStand, tmp_path: Path, tally: Callable[..., Tally]
) -> None:
    """(a) the server, (b) the subscriber, (c) the publisher; several of each in one storm."""
    play(Storm("kill -9", fault_seed, KILLS), embedded, tmp_path, tally("kill -9", fault_seed))


@pytest.mark.timeout(240)
def test_apache_kafka(
    kafka_seed: int, apache_kafka: KafkaStand, tmp_path: Path, tally: Callable[..., Tally]
) -> None:
    """(d) the broker is restarted, killed, frozen for 10 s; and everybody is killed once besides."""
    kinds = ON_KAFKA[(kafka_seed - 1) % len(ON_KAFKA)] + KILLS_ON_KAFKA
    line = tally("Apache Kafka", kafka_seed)
    try:
        play(Storm("kafka", kafka_seed, kinds), apache_kafka, tmp_path, line)
    finally:
        apache_kafka.start()
        apache_kafka.kafka.thaw()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One storm for each seed; on Apache Kafka, which takes longer, for half as many."""
    first = metafunc.config.getoption("--fault-first-seed")
    count = metafunc.config.getoption("--fault-seeds")
    for name, number in (("fault_seed", count), ("kafka_seed", max(count // 2, 1))):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, range(first, first + number))
