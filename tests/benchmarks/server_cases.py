"""What the drill server sustains, its archive included; by hand: `python tests/benchmarks/server_cases.py`."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from broker_stand import EmbeddedStand, open_connection_on
from messages_to_send import heartbeat, observation, send_observations

from snews_drill.connection import Connection
from snews_drill.detectors import roster
from snews_drill.messages.times import NS_PER_SECOND
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.server import DrillServer
from snews_drill.remote import test_connection as ask_for_echo
from snews_drill.settings import DrillSettings

SPREAD = 10_000
BURST = 5_000
BEATS = 10_000


def measure(*, is_full: bool = False) -> list[tuple[str, float, str]]:
    """Return (label, value, unit) for each case; every message goes through an embedded broker."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        settings = DrillSettings(config_dir=home, state_dir=home, runtime_dir=home, detector_name="XENONnT")
        stand = EmbeddedStand()
        try:
            figures = [
                (
                    f"server, {SPREAD:,} observations over a day",
                    _rate(stand, settings, home / "1", spread()),
                    "/s",
                ),
                (
                    f"server, {BURST:,} updates, each an alert",
                    _rate(stand, settings, home / "2", burst()),
                    "/s",
                ),
                (f"server, {BEATS:,} heartbeats", _rate(stand, settings, home / "3", beats()), "/s"),
                ("test_connection with a server running, p50", _echo(stand, settings, home / "4"), "ms"),
            ]
        finally:
            stand.kill()
        return figures


def spread() -> list[bytes]:
    """Nineteen detectors in turn, eight seconds apart: overlapping pairs all day."""
    names = [detector.name for detector in roster()][:19]
    now = time.time_ns() - NS_PER_SECOND
    return [
        observation(names[n % 19], now - n * 8 * NS_PER_SECOND, p_val=0.5) for n in reversed(range(SPREAD))
    ]


def burst() -> list[bytes]:
    """Two detectors that speak about one burst, one of them again and again."""
    now = time.time_ns() - NS_PER_SECOND
    return [
        observation("LVD", now),
        *(observation("JUNO", now, p_val=0.9 - n / 10_000) for n in range(BURST - 1)),
    ]


def beats() -> list[bytes]:
    """Heartbeats of all detectors in turn."""
    names = [detector.name for detector in roster()]
    return [heartbeat(names[n % len(names)]) for n in range(BEATS)]


def _rate(stand: EmbeddedStand, settings: DrillSettings, folder: Path, messages: list[bytes]) -> float:
    """Messages per second from the first one read to the last alert acknowledged; they wait on the topic."""
    with open_connection_on(stand, settings) as connection, Archive(folder / "a.sqlite3") as archive:
        for start in range(0, len(messages), 2000):
            send_observations(connection, *messages[start : start + 2000])
        began = time.perf_counter()
        with DrillServer(connection, archive):
            _await(archive, len(messages), 120)
            return len(messages) / (time.perf_counter() - began)


def _await(archive: Archive, count: int, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while sum(archive.counts().values()) < count or archive.waiting(limit=1):
        assert time.monotonic() < deadline, archive.counts()
        time.sleep(0.01)
    refused = {key: number for key, number in archive.counts().items() if key[0] != "accepted"}
    assert not refused, refused


def _echo(stand: EmbeddedStand, settings: DrillSettings, folder: Path) -> float:
    with (
        open_connection_on(stand, settings) as connection,
        Archive(folder / "a.sqlite3") as archive,
        DrillServer(connection, archive) as server,
    ):
        while server.status.state != "listening":
            time.sleep(0.01)
        return sorted(_time_echo(connection) for _ in range(20))[10]


def _time_echo(connection: Connection) -> float:
    began = time.perf_counter()
    assert ask_for_echo(connection=connection, verbose=False)
    return (time.perf_counter() - began) * 1e3


if __name__ == "__main__":
    for label, value, unit in measure():
        print(f"{label:60}{value:12.2f} {unit}")
