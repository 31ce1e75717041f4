"""What the cost of the drill server's archive does as it grows; by hand: `python tests/benchmarks/growth_cases.py [--full]`.

An archive of so many records is a week's: heartbeats, one record in fifty an observation (at most 20,000) of the last
24 h, and a tenth as many alerts as records. It is filled with the archive's own statements; then it is measured what the
server does with it: take in more, look things up, and start again.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from messages_to_send import heartbeat, observation

from snews_drill.detectors import roster
from snews_drill.messages.times import NS_PER_DAY, NS_PER_SECOND
from snews_drill.profiles import get_profile
from snews_drill.rehearsal.archive import Archive, ArchivedRecord, HeldObservation, Outgoing
from snews_drill.rehearsal.exercise import Exercise
from snews_drill.rehearsal.joining import Joining
from snews_drill.rehearsal.server_commands import CommandDesk
from snews_drill.rehearsal.server_intake import Intake
from snews_drill.rehearsal.server_mail import MailRoom
from snews_drill.settings import DrillSettings
from snews_drill.transport import Record
from snews_drill.wire.dialects import get_dialect

REDUCED = (100, 1_000, 10_000, 100_000)
FULL = (*REDUCED, 1_000_000)

#: Messages that are taken in beside a standing archive, half of them heartbeats.
TAKEN = 1_000
OBSERVATION_SHARE, ALERT_SHARE = 50, 10
MOST_OBSERVATIONS = 20_000

TOPICS = get_profile("rehearsal").firedrill


def measure(*, is_full: bool = False) -> list[tuple[str, float, str]]:
    """Return (label, value, unit) for each case."""
    rows = []
    for records in FULL if is_full else REDUCED:
        with tempfile.TemporaryDirectory() as folder:
            rows += _measure_at(records, Path(folder) / "archive" / "archive.sqlite3")
    return rows


def _measure_at(records: int, path: Path) -> list[tuple[str, float, str]]:
    label = f"archive of {records:,} records"
    observations = min(records // OBSERVATION_SHARE, MOST_OBSERVATIONS)
    with Archive(path) as archive:
        filled = _timed(lambda: _fill(archive, records, observations))
    size = sum(file.stat().st_size for file in path.parent.iterdir()) / 2**20
    with _served(path) as (archive, intake, restarted):
        counts = archive.counts()
        assert sum(counts.values()) == records, counts
        assert intake.exercises[TOPICS.observations].held_count == observations
        assert intake.counts["alerts"] == records // ALERT_SHARE
        assert sum(seen.heartbeats for seen in intake.seen.values()) > 0
        known = _timed(lambda: archive.is_known("topic", "Heartbeat", "XENONnT", "no such key"))
        newest = _timed(lambda: archive.records(limit=100))
        day = _timed(lambda: archive.heartbeats_per_detector(since_ns=time.time_ns() - NS_PER_DAY))
        alerts = _timed(archive.alerts)
        messages = _records(records)
        taken = TAKEN / _timed(lambda: intake.take(messages, time.time_ns()))
        assert intake.counts["Heartbeat"] == records - observations + TAKEN // 2
        assert intake.counts["CoincidenceTier"] == observations + TAKEN // 2
    return [
        (f"{label}, written", records / filled, "/s"),
        (f"{label}, size on disk", size, "MiB"),
        (f"{label}, restart ({observations:,} observations held)", restarted, "s"),
        (f"{label}, {TAKEN:,} more messages taken in", taken, "/s"),
        (f"{label}, a message looked up", known * 1e6, "µs"),
        (f"{label}, newest 100 records", newest * 1e3, "ms"),
        (f"{label}, heartbeats of a day per detector", day * 1e3, "ms"),
        (f"{label}, all {records // ALERT_SHARE:,} alerts", alerts * 1e3, "ms"),
    ]


@contextmanager
def _served(path: Path) -> Iterator[tuple[Archive, Intake, float]]:
    """Start a server's memory on an archive, as a restart does, and say how long that took (seconds)."""
    folder = path.parent
    settings = DrillSettings(config_dir=folder, state_dir=folder, runtime_dir=folder)
    begun = time.perf_counter()
    with Archive(path) as archive:
        exercise = Exercise(TOPICS, archive, get_dialect("1.3"), "")
        desk = CommandDesk(archive, Joining(archive), settings, "", is_private=True)
        intake = Intake(archive, {TOPICS.observations: exercise}, desk, MailRoom(), "")
        intake.restore(time.time_ns())
        yield archive, intake, time.perf_counter() - begun


def _fill(archive: Archive, records: int, observations: int) -> None:
    now, names = time.time_ns(), [detector.name for detector in roster()]
    step = 6 * NS_PER_DAY // records
    value = heartbeat("XENONnT")
    for start in range(0, records, 10_000):
        with archive.transaction():
            for number in range(start, min(start + 10_000, records)):
                is_observation = number >= records - observations
                at = now - (records - number) * step
                name = names[number % len(names)]
                key = f"{number % len(names)}_{'Coincidence' if is_observation else 'Heartbeat'}_{at}"
                kind = "CoincidenceTier" if is_observation else "Heartbeat"
                archive.add_record(
                    ArchivedRecord(
                        "",
                        TOPICS.observations,
                        0,
                        number,
                        at // 10**6,
                        at,
                        "accepted",
                        kind,
                        name,
                        key,
                        "",
                        value,
                    )
                )
                if not is_observation:
                    archive.add_heartbeat(name, key, is_on=True, sent_time_ns=at - 10**6, received_ns=at)
    _fill_observations(archive, observations, now, names)
    _fill_alerts(archive, records // ALERT_SHARE, now, names)
    with archive.transaction():
        archive.add_counts({("accepted", "Heartbeat"): records - observations})
        archive.add_counts({("accepted", "CoincidenceTier"): observations})
        archive.set_position("", TOPICS.observations, 0, records)


def _fill_observations(archive: Archive, observations: int, now: int, names: list[str]) -> None:
    """Spread them over 23 h."""
    step = 23 * 3600 * NS_PER_SECOND // max(observations, 1)
    with archive.transaction():
        for number in range(observations):
            at = now - (observations - number) * step
            name = names[number % len(names)]
            archive.add_observation(
                HeldObservation(TOPICS.observations, False, f"{at}", name, at, 0.1, at, at)
            )


def _fill_alerts(archive: Archive, alerts: int, now: int, names: list[str]) -> None:
    """Alerts of the week, all sent."""
    for start in range(0, alerts, 10_000):
        with archive.transaction():
            for number in range(start, min(start + 10_000, alerts)):
                content = {"_id": f"{number}", "detector_names": names[:5], "neutrino_times": [f"{now}"] * 5}
                archive.queue(
                    Outgoing(TOPICS.alerts, "alert", f"{number}", json.dumps(content).encode(), "json", now)
                )
    while waiting := archive.waiting():
        archive.mark_sent([outgoing.number for outgoing in waiting], now_ns=now)


def _records(first: int) -> list[Record]:
    now = time.time_ns()
    names = [detector.name for detector in roster()]
    values = [
        heartbeat(names[n // 2 % 20]) if n % 2 else observation(names[n // 2 % 20], now - n * NS_PER_SECOND)
        for n in range(TAKEN)
    ]
    return [
        Record(TOPICS.observations, 0, first + n, now // 10**6, value, "json")
        for n, value in enumerate(values)
    ]


def _timed(act: object) -> float:
    assert callable(act)
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


if __name__ == "__main__":
    for label, value, unit in measure(is_full="--full" in sys.argv):
        print(f"{label:75}{value:14,.2f} {unit}", flush=True)
