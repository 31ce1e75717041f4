"""snews_drill, measured in a process of its own as the peers are: each verb calls what its users call."""

from __future__ import annotations

import json
import sys
import time
from operator import itemgetter
from pathlib import Path
from typing import Any

import dialogue

answers = dialogue.keep_answers_apart()
job = json.loads(sys.stdin.readline())

from snews_drill.connection import Connection  # noqa: E402 - after the answers were put in a safe place
from snews_drill.profiles import Topics, get_profile  # noqa: E402
from snews_drill.publisher import SNEWSTiersPublisher  # noqa: E402
from snews_drill.settings import DrillSettings  # noqa: E402
from snews_drill.transport import Transport  # noqa: E402
from snews_drill.wire.dialects import get_dialect  # noqa: E402

BASE = 1_900_000_000_000_000_000
FOLDER = Path(job["folder"])
kept: list[Any] = []
arrived: list[float] = []


def connect(dialect: str) -> Connection:
    topics = Topics(**job["topics"])
    profile = get_profile("rehearsal").model_copy(update={"firedrill": topics, "test": topics})
    settings = DrillSettings(config_dir=FOLDER, state_dir=FOLDER, runtime_dir=FOLDER, detector_name="XENONnT")
    return Connection(profile, Transport(job["broker"]), get_dialect(dialect), settings=settings)


connection = connect(job["dialect"])


def build(calls: int) -> dict[str, object]:
    """A coincidence and a significance message: built and checked."""
    # The client 1.3.2 cannot but print which messages were made; beside it, ours prints too.
    verbose = job["dialect"] == "1.3"

    def one(moment: str) -> SNEWSTiersPublisher:
        return SNEWSTiersPublisher(
            detector_name="XENONnT",
            neutrino_time=moment,
            p_values=[0.4, 0.5, 0.09, 0.04],
            t_bin_width=0.6,
            connection=connection,
            verbose=verbose,
        )

    moments = dialogue.moments(calls, **({} if job["dialect"] == "1.3" else {"digits": 9, "end": "Z"}))
    return {"seconds": dialogue.per_call(one, moments), "made": len(one(moments[0]).messages)}


def publish(detector: str, neutrino_time: str, p_val: float) -> dict[str, object]:
    """Send one observation; the call returns with the broker's acknowledgement."""
    made = SNEWSTiersPublisher(
        detector_name=detector,
        neutrino_time=neutrino_time,
        p_val=p_val,
        connection=connection,
        verbose=False,
    )
    assert len(made.messages) == 1, made.problems
    begun, begun_at = time.perf_counter(), time.monotonic()
    made.send_to_snews(verbose=False)
    return {"seconds": time.perf_counter() - begun, "begun_at": begun_at}


def listen() -> dict[str, object]:
    """Save alerts and tell a callback of each, from the beginning of the topic."""
    from snews_drill.subscriber import Subscriber

    subscriber = Subscriber(connection=connection, outputfolder=FOLDER / "alerts", start="beginning")
    subscriber.on_alert(lambda _: arrived.append(time.monotonic()))
    subscriber.subscribe()
    kept.append(subscriber)
    return {}


def arrivals(count: int, timeout: float) -> dict[str, object]:
    """Return when alerts were there for the caller, once there are so many."""
    limit = time.monotonic() + timeout
    while len(arrived) < count and time.monotonic() < limit:
        time.sleep(0.001)
    return {"at": list(arrived)}


def test_connection(patience: float) -> dict[str, object]:
    from snews_drill.remote import test_connection as ask

    begun = time.perf_counter()
    report = ask("XENONnT", connection=connection, patience=patience, verbose=False)
    return {"seconds": time.perf_counter() - begun, "is_confirmed": bool(report)}


def serve() -> dict[str, object]:
    from snews_drill.rehearsal.archive import Archive
    from snews_drill.rehearsal.server import DrillServer

    server = DrillServer(connection, Archive(FOLDER / "archive.sqlite3"), server_tag="drill server")
    server.start()
    kept.append(server)
    limit = time.monotonic() + 30
    while server.status.state != "listening":
        assert time.monotonic() < limit, server.status
        time.sleep(0.005)
    return {}


def coincidence(detectors: int, limit: float, runs: int) -> dict[str, Any]:
    """Give the rule every detector once within 30 ms, in order of time, for at most so many seconds; the
    median of some runs.
    """
    found = sorted((_burst(detectors, limit) for _ in range(runs)), key=itemgetter("seconds"))
    return found[runs // 2]


def _burst(detectors: int, limit: float) -> dict[str, Any]:
    from snews_drill.rehearsal.coincidence import Coincidence, Observation

    observations = [
        Observation(f"detector-{n}", BASE + n * 30_000_000 // detectors, 0.01, BASE + n, f"message-{n}")
        for n in range(detectors)
    ]
    rule, done = Coincidence(), 0
    deadline, begun = time.monotonic() + limit, time.process_time()
    for observation in observations:
        rule.add(observation)
        done += 1
        if time.monotonic() > deadline:
            break
    spent = time.process_time() - begun
    return {"seconds": spent / done, "done": done, "largest_group": max(map(len, rule.groups), default=1)}


dialogue.converse(answers, build, publish, listen, arrivals, test_connection, serve, coincidence)
