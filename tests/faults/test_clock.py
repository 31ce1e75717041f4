"""The clock of the drill server's machine jumps by hours and days: no alert is lost, doubled or changed by it."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from broker_stand import EmbeddedStand

from faults.crew import Crew, crew_on
from faults.storm import Fault, Tally, make_faults, make_messages
from faults.test_storm import judge
from faults.unbroken import Stopwatch, unbroken

pytestmark = pytest.mark.faults

_HOUR_NS = 3600 * 10**9

#: By how many ns a clock can be off; 0 is right again.
JUMPS = tuple(hours * _HOUR_NS for hours in (48, -48, 5, -5, 240, -1, 26, 0))


class Clock:
    """The clock that the server's process sees.

    libfaketime would do for the C library what this does for Python. But librdkafka waits with deadlines of the time of day,
    which the kernel holds against its own clock: under libfaketime such waits spin or last for days; when a real clock is
    set they do not.
    """

    def __init__(self, crew: Crew) -> None:
        self._file = crew.folder / "clock"
        self.set(0)
        crew.server.environment |= {
            "PYTHONPATH": str(Path(__file__).parent / "inside" / "clock"),
            "SNEWS_DRILL_TEST_CLOCK": str(self._file),
        }

    def set(self, off_ns: int) -> None:
        aside = self._file.with_name("clock.new")
        aside.write_text(str(off_ns))
        aside.replace(self._file)


@pytest.mark.timeout(180)
def test_clock_jumps(
    clock_seed: int, embedded: EmbeddedStand, tmp_path: Path, tally: Callable[..., Tally]
) -> None:
    """(g) four jumps, two kills of the server meanwhile, and right again at the end."""
    messages = make_messages(clock_seed, time.time_ns() - 20 * 10**9)
    expected = unbroken(embedded, tmp_path / "calm", f"calm-clock{clock_seed}.", messages)
    line, watch = tally("clock", clock_seed), Stopwatch()
    line.messages = len(messages)
    chance = random.Random(f"clock {clock_seed}")
    with crew_on(embedded, tmp_path / "storm", f"storm-clock{clock_seed}.") as crew:
        clock = Clock(crew)
        crew.begin(messages)
        kinds = ("clock jumps",) * 4 + ("server killed",) * 2
        for fault in make_faults(clock_seed, kinds):
            strike(crew, clock, fault, chance.choice(JUMPS), line)
        clock.set(48 * _HOUR_NS)
        crew.wait(
            lambda: "clock" in crew.server.status().get("problem", ""), "the server to tell of the clock"
        )
        assert crew.server.status()["state"] == "listening"
        clock.set(0)
        crew.wait(lambda: not crew.server.status()["problem"], "the server to tell that all is well")
        judge(crew, expected, line)
        line.seconds = watch.seconds
        assert crew.server.status()["counts"].get("refused", 0) == 0
        assert latencies(crew) < 60e9


def strike(crew: Crew, clock: Clock, fault: Fault, offset: int, line: Tally) -> None:
    crew.wait(lambda: crew.acknowledged >= fault.at, f"{fault.at} messages to be acknowledged")
    time.sleep(fault.delay)
    line.faults[fault.kind] += 1
    if fault.kind == "clock jumps":
        clock.set(offset)
    else:
        crew.server.kill_and_start()


def latencies(crew: Crew) -> int:
    """Return the longest time between sending and receiving a heartbeat by the archive, ns, whichever way."""
    with contextlib.closing(sqlite3.connect(crew.archive_path)) as database:
        (longest,) = database.execute(
            "SELECT MAX(ABS(received_ns - sent_time_ns)) FROM heartbeats"
        ).fetchone()
    return int(longest)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Three of eight."""
    if "clock_seed" in metafunc.fixturenames:
        first = metafunc.config.getoption("--fault-first-seed")
        count = max(metafunc.config.getoption("--fault-seeds") * 3 // 8, 1)
        metafunc.parametrize("clock_seed", range(first, first + count))
