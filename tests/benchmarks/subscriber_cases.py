"""What the subscriber costs: latency to a callback, throughput and memory with many alerts, and saving."""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from alert_samples import Stage, make_alert, open_stage, to_payload

from snews_drill.messages.alert import Alert
from snews_drill.rehearsal.broker import EmbeddedBroker
from snews_drill.settings import DrillSettings
from snews_drill.subscriber import Subscriber
from snews_drill.transport import Receipt

SINGLES = 200
MANY, FEWER = 100_000, 20_000
BATCH = 2_000

NINETEEN = tuple(f"Detector {number}" for number in range(19))


def measure(*, is_full: bool = False) -> list[tuple[str, float, str]]:
    """Return (what, figure, unit) for each case."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedBroker() as broker:
        home = Path(folder)
        settings = DrillSettings(config_dir=home, state_dir=home, runtime_dir=home)
        with open_stage(broker.address, settings, label="latency") as stage:
            figures = _latency(stage, None, "publish → callback")
        with open_stage(broker.address, settings, label="saving") as stage:
            figures += _latency(stage, home / "alerts", "publish → callback, saved")
        for label, names in (("two", ("JUNO", "XENONnT")), ("nineteen", NINETEEN)):
            with open_stage(broker.address, settings, label=label) as stage:
                figures += _flood(stage, names, MANY if is_full else FEWER)
    return figures


def _latency(stage: Stage, folder: Path | None, what: str) -> list[tuple[str, float, str]]:
    """Publish one alert at a time, as the next comes when the last has arrived."""
    arrived = threading.Event()
    spent: list[float] = []
    with Subscriber(connection=stage.connection, outputfolder=folder) as subscriber:
        begun = 0.0

        def note(_: Alert) -> None:
            spent.append((time.perf_counter() - begun) * 1e3)
            arrived.set()

        subscriber.on_alert(note)
        for _ in range(SINGLES):
            payload = to_payload(make_alert())
            arrived.clear()
            begun = time.perf_counter()
            stage.transport.send(stage.alert_topic, [payload])
            assert arrived.wait(10)
    spent.sort()
    return [
        (f"{what} p50", statistics.median(spent), "ms"),
        (f"{what} p99", spent[int(len(spent) * 0.99)], "ms"),
    ]


def _flood(stage: Stage, names: tuple[str, ...], many: int) -> list[tuple[str, float, str]]:
    """Take alerts that are there already."""
    size = 0
    for _ in range(0, many, BATCH):
        payloads = [to_payload(make_alert(names=names)) for _ in range(BATCH)]
        size += sum(len(payload.content) for payload in payloads)
        outcomes = stage.transport.send(stage.alert_topic, payloads, timeout=60)
        assert all(isinstance(outcome, Receipt) for outcome in outcomes)
    before = psutil.Process().memory_info().rss
    begun = time.perf_counter()
    with Subscriber(connection=stage.connection, start="beginning") as subscriber:
        subscriber.wait_for(many, timeout=300)
        spent = time.perf_counter() - begun
        grown = psutil.Process().memory_info().rss - before
        state = subscriber.state
        begun = time.perf_counter()
        subscriber.snapshot(since=state.shown - 10)
        newest = (time.perf_counter() - begun) * 1e6
    what = f"{many:,} alerts of {len(names)} detectors"
    return [
        (f"{what}, taken", many / spent, "alerts/s"),
        (f"{what}, as sent", size / 2**20, "MiB"),
        (f"{what}, memory", grown / 2**20, "MiB"),
        (f"{what}, dropped from memory", float(state.dropped), "alerts"),
        (f"{what}, snapshot of the newest 10", newest, "µs"),
    ]


if __name__ == "__main__":
    for name, figure, unit in measure(is_full=True):
        print(f"{name:<60}{figure:>12.2f} {unit}")
