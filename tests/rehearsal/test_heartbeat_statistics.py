"""What heartbeats say about a detector."""

from __future__ import annotations

import random
import statistics

import pytest

from snews_drill.messages.times import NS_PER_DAY, NS_PER_SECOND
from snews_drill.rehearsal.heartbeat_statistics import (
    Beat,
    Distribution,
    beats_in_period,
    detectors_on,
    heartbeat_statistics,
    statistics_by_detector,
)

NOW_NS = 1_770_000_000 * NS_PER_SECOND


def beat(seconds_ago: float, *, latency_ms: float = 30.0, is_on: bool = True, name: str = "XENONnT") -> Beat:
    received_ns = NOW_NS - int(seconds_ago * NS_PER_SECOND)
    return Beat(name, is_on, received_ns - int(latency_ms * 1e6), received_ns)


def test_counts_shares_intervals_and_latencies() -> None:
    beats = [
        beat(100, latency_ms=10),
        beat(90, latency_ms=20, is_on=False),
        beat(60, latency_ms=30),
        beat(0, latency_ms=100),
    ]
    found = heartbeat_statistics(beats, now_ns=NOW_NS)
    assert (found.count, found.on_count, found.off_count) == (4, 3, 1)
    assert (found.on_share, found.off_share) == (0.75, 0.25)
    assert found.interval_sec is not None
    assert found.latency_ms is not None
    assert found.interval_sec.count == 3
    assert found.interval_sec.mean == pytest.approx(100 / 3)
    assert found.interval_sec.spread == pytest.approx(statistics.pstdev([10, 30, 60]))
    assert found.interval_sec.maximum == 60
    assert found.latency_ms.mean == pytest.approx(40)
    assert found.latency_ms.spread == pytest.approx(statistics.pstdev([10, 20, 30, 100]))
    assert found.latency_ms.maximum == pytest.approx(100)
    assert found.latency_ms.p50 == pytest.approx(25)
    assert found.latency_ms.p95 == pytest.approx(30 + 0.85 * 70)
    assert (found.last_seen_ns, found.last_is_on) == (NOW_NS, True)


def test_percentiles_agree_with_numpy() -> None:
    import numpy as np

    chance = random.Random(5)
    latencies = [round(chance.lognormvariate(3, 1), 3) for _ in range(257)]
    found = heartbeat_statistics(
        [beat(i, latency_ms=ms) for i, ms in enumerate(latencies)], now_ns=NOW_NS
    ).latency_ms
    assert found is not None
    assert [found.p50, found.p95] == pytest.approx(np.percentile(latencies, [50, 95]), abs=1e-5)
    assert found.spread == pytest.approx(np.std(latencies), abs=1e-5)


def test_order_of_arrival_in_the_list_does_not_matter() -> None:
    beats = [beat(i * 7.5, latency_ms=i, is_on=i % 3 > 0) for i in range(50)]
    shuffled = random.Random(2).sample(beats, len(beats))
    assert heartbeat_statistics(shuffled, now_ns=NOW_NS) == heartbeat_statistics(beats, now_ns=NOW_NS)


def test_one_beat_has_a_latency_and_no_interval() -> None:
    found = heartbeat_statistics([beat(5, latency_ms=12)], now_ns=NOW_NS)
    assert found.interval_sec is None
    assert found.latency_ms == Distribution(1, 12.0, 0.0, 12.0, 12.0, 12.0)


def test_no_beat_gives_no_numbers() -> None:
    found = heartbeat_statistics([], now_ns=NOW_NS)
    assert found.count == 0
    numbers = (
        found.on_share,
        found.off_share,
        found.interval_sec,
        found.latency_ms,
        found.last_seen_ns,
        found.last_is_on,
    )
    assert numbers == (None,) * 6


def test_negative_latency_is_reported_as_it_is() -> None:
    found = heartbeat_statistics(
        [beat(5, latency_ms=-250), beat(4, latency_ms=-150)], now_ns=NOW_NS
    ).latency_ms
    assert found is not None
    assert (found.mean, found.maximum) == (-200, -150)


def test_absurd_sending_times_are_numbers_too() -> None:
    found = heartbeat_statistics(
        [Beat("LVD", True, -(10**30), NOW_NS), Beat("LVD", True, 10**30, NOW_NS)], now_ns=NOW_NS
    )
    assert found.latency_ms is not None
    assert found.latency_ms.maximum == pytest.approx(1e24)


def test_period_is_closed_and_24_hours_unless_said_otherwise() -> None:
    day = NS_PER_DAY // NS_PER_SECOND
    beats = [beat(day + 1e-6), beat(day), beat(30), beat(0), beat(-1)]
    assert [b.received_time_ns for b in beats_in_period(beats, now_ns=NOW_NS)] == [
        NOW_NS - NS_PER_DAY,
        NOW_NS - 30 * NS_PER_SECOND,
        NOW_NS,
    ]
    assert heartbeat_statistics(beats, now_ns=NOW_NS).count == 3
    assert heartbeat_statistics(beats, now_ns=NOW_NS, period_ns=60 * NS_PER_SECOND).count == 2


def test_last_seen_reaches_back_beyond_the_period() -> None:
    found = heartbeat_statistics([beat(200_000, is_on=False)], now_ns=NOW_NS)
    assert (found.count, found.last_is_on) == (0, False)
    assert found.last_seen_ns == NOW_NS - 200_000 * NS_PER_SECOND


def test_each_detector_is_counted_for_itself() -> None:
    beats = [beat(5), beat(4, name="LVD"), beat(3), beat(2, name="LVD"), beat(1)]
    found = statistics_by_detector(beats, now_ns=NOW_NS)
    assert {name: each.count for name, each in found.items()} == {"LVD": 2, "XENONnT": 3}
    assert list(found) == ["LVD", "XENONnT"]
    assert found["LVD"].interval_sec is not None
    assert found["LVD"].interval_sec.mean == 2


def test_detector_is_on_when_its_newest_beat_of_the_period_says_so() -> None:
    beats = [
        beat(1, name="LVD", is_on=False),
        beat(2, name="LVD"),
        beat(1),
        beat(2, is_on=False),
        beat(90_000, name="NOvA"),
    ]
    assert detectors_on(beats, now_ns=NOW_NS) == {"XENONnT"}
