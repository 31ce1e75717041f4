"""What one message costs the coincidence rule; by hand: `python tests/benchmarks/coincidence_cases.py`."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from snews_drill.rehearsal.coincidence import Coincidence, Observation

SECOND = 1_000_000_000
BASE = 1_900_000_000 * SECOND


def measure(*, is_full: bool = False) -> list[tuple[str, float, str]]:
    """Return (label, value, unit) for each case; microseconds are the best of a few runs, per message."""
    rows = [
        ("coincidence, 19 detectors in one burst", _cost(burst, 19, runs=200), "µs/message"),
        ("coincidence, 19 detectors, 1,900 updates", _cost(updates, 1_900, runs=5), "µs/message"),
        ("coincidence, 1,000 detectors in one burst", _cost(burst, 1_000, runs=3), "µs/message"),
        ("coincidence, 10,000 detectors in one burst", _cost(burst, 10_000, runs=1), "µs/message"),
    ]
    for order, case in (("as they come", spread), ("in no order", shuffled)):
        costs = {count: _cost(case, count, runs=2) for count in (1_000, 10_000, 100_000)}
        rows += [(f"coincidence, 1,000 detectors, {n:,} {order}", costs[n], "µs/message") for n in costs]
        growth = costs[100_000] / costs[10_000]
        rows.append((f"coincidence, 10,000 to 100,000 {order}", growth, "×"))
    rows.append(("coincidence, one detector, 20,000 updates", _cost(chatter, 20_000, runs=1), "µs/message"))
    return rows


def burst(count: int) -> list[Observation]:
    """Every detector once within 30 ms, in order of time."""
    return [_observation(i, BASE + i * 30_000_000 // count, i) for i in range(count)]


def updates(count: int) -> list[Observation]:
    """Nineteen detectors that speak again and again about one burst, a little differently each time."""
    chance = random.Random(1)
    return [_observation(i % 19, BASE + chance.randrange(30_000_000), i) for i in range(count)]


def spread(count: int) -> list[Observation]:
    """A thousand detectors, a message in 2 s on average, each up to 20 s after its neutrino time."""
    chance = random.Random(4)
    arrivals = sorted((o.neutrino_time_ns + chance.randrange(20 * SECOND), o.id, o) for o in shuffled(count))
    return [replace(o, sent_time_ns=arrival) for arrival, _, o in arrivals]


def shuffled(count: int) -> list[Observation]:
    """As many messages in no order at all: the worst for the processor's memory caches."""
    chance = random.Random(2)
    length = count * 2 * SECOND
    return [_observation(chance.randrange(1_000), BASE + chance.randrange(length), i) for i in range(count)]


def chatter(count: int) -> list[Observation]:
    """One detector that goes on updating inside one window."""
    chance = random.Random(3)
    return [_observation(0, BASE + chance.randrange(10 * SECOND), i) for i in range(count)]


def _observation(detector: int, time_ns: int, number: int) -> Observation:
    return Observation(f"detector-{detector}", time_ns, 0.01, BASE + number, f"message-{number}")


def _cost(case: Callable[[int], list[Observation]], count: int, *, runs: int) -> float:
    observations = case(count)
    return min(_run(observations) for _ in range(runs)) / count


def _run(observations: Iterable[Observation]) -> float:
    rule = Coincidence()
    start = time.perf_counter()
    for observation in observations:
        rule.add(observation)
    return (time.perf_counter() - start) * 1e6


if __name__ == "__main__":
    for label, value, unit in measure():
        print(f"{label:52} {value:9.2f} {unit}")
