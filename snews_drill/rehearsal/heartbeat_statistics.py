"""What the heartbeats of a period say about a detector: pure functions of a list of beats and of now."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from snews_drill.messages.times import NS_PER_DAY, NS_PER_SECOND

_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Beat:
    """One heartbeat as the drill server received it.

    Attributes
    ----------
    detector_name
        Registered name.
    is_on
        Whether the detector said ON.
    sent_time_ns, received_time_ns
        ns since 1970 (UTC), by the detector's clock and by the server's.
    """

    detector_name: str
    is_on: bool
    sent_time_ns: int
    received_time_ns: int

    @property
    def latency_ms(self) -> float:
        """Received minus sent in milliseconds; negative where the clocks disagree."""
        return (self.received_time_ns - self.sent_time_ns) / _NS_PER_MS


@dataclass(frozen=True, slots=True)
class Distribution:
    """How a set of numbers is spread, in the unit of the numbers.

    Attributes
    ----------
    count
        How many numbers, at least one.
    mean, spread, maximum
        Mean, standard deviation about it (of these numbers themselves: divided by `count`), largest.
    p50, p95
        Percentiles, interpolated linearly between neighbours.
    """

    count: int
    mean: float
    spread: float
    maximum: float
    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class HeartbeatStatistics:
    """One detector's heartbeats over a period.

    Attributes
    ----------
    period_start_ns, period_end_ns
        The period, both ends included, in ns since 1970 (UTC) by the server's clock.
    on_count, off_count
        Beats that said ON and OFF.
    interval_sec
        Seconds from one arrival to the next; None with fewer than two beats.
    latency_ms
        Received minus sent in milliseconds, as measured (negative where clocks disagree); None without beats.
    last_seen_ns, last_is_on
        When the newest beat arrived and what it said, even if before the period; None if there is none.
    """

    period_start_ns: int
    period_end_ns: int
    on_count: int
    off_count: int
    interval_sec: Distribution | None
    latency_ms: Distribution | None
    last_seen_ns: int | None
    last_is_on: bool | None

    @property
    def count(self) -> int:
        """Number of beats in the period."""
        return self.on_count + self.off_count

    @property
    def on_share(self) -> float | None:
        """Share of ON among the beats, 0 to 1; None without a beat."""
        return self.on_count / self.count if self.count else None

    @property
    def off_share(self) -> float | None:
        """Share of OFF among the beats, 0 to 1; None without a beat."""
        return self.off_count / self.count if self.count else None


def beats_in_period(beats: Iterable[Beat], *, now_ns: int, period_ns: int = NS_PER_DAY) -> list[Beat]:
    """Return the beats that arrived within the period before now, in order of arrival.

    Parameters
    ----------
    beats
        In any order; those that "arrive" after now (a clock was set back) are left out.
    now_ns
        ns since 1970 (UTC).
    period_ns
        Length of the period in ns.
    """
    chosen = (beat for beat in beats if now_ns - period_ns <= beat.received_time_ns <= now_ns)
    return sorted(chosen, key=_arrival)


def heartbeat_statistics(
    beats: Iterable[Beat], *, now_ns: int, period_ns: int = NS_PER_DAY
) -> HeartbeatStatistics:
    """Return the statistics of one detector, also when it never sent a heartbeat.

    The interval is measured between arrivals, by one clock for all; the sending clock shows in the latency.

    Parameters
    ----------
    beats
        All of one detector, in any order.
    now_ns
        End of the period, ns since 1970 (UTC).
    period_ns
        Length of the period in ns; 24 h by default.
    """
    known = sorted((beat for beat in beats if beat.received_time_ns <= now_ns), key=_arrival)
    recent = beats_in_period(known, now_ns=now_ns, period_ns=period_ns)
    arrivals = pairwise(beat.received_time_ns for beat in recent)
    on_count = sum(beat.is_on for beat in recent)
    return HeartbeatStatistics(
        period_start_ns=now_ns - period_ns,
        period_end_ns=now_ns,
        on_count=on_count,
        off_count=len(recent) - on_count,
        interval_sec=distribution([(later - earlier) / NS_PER_SECOND for earlier, later in arrivals]),
        latency_ms=distribution([beat.latency_ms for beat in recent]),
        last_seen_ns=known[-1].received_time_ns if known else None,
        last_is_on=known[-1].is_on if known else None,
    )


def statistics_by_detector(
    beats: Iterable[Beat], *, now_ns: int, period_ns: int = NS_PER_DAY
) -> dict[str, HeartbeatStatistics]:
    """Return the statistics of every detector that occurs in the beats, by name in alphabetical order.

    Parameters
    ----------
    beats, now_ns, period_ns
        As for `heartbeat_statistics`.
    """
    sorted_out: dict[str, list[Beat]] = {}
    for beat in beats:
        sorted_out.setdefault(beat.detector_name, []).append(beat)
    return {
        name: heartbeat_statistics(sorted_out[name], now_ns=now_ns, period_ns=period_ns)
        for name in sorted(sorted_out)
    }


def detectors_on(beats: Iterable[Beat], *, now_ns: int, period_ns: int = NS_PER_DAY) -> frozenset[str]:
    """Return the names of the detectors whose newest beat within the period says ON.

    Parameters
    ----------
    beats, now_ns, period_ns
        As for `heartbeat_statistics`.
    """
    newest = {
        beat.detector_name: beat.is_on for beat in beats_in_period(beats, now_ns=now_ns, period_ns=period_ns)
    }
    return frozenset(name for name, is_on in newest.items() if is_on)


def _arrival(beat: Beat) -> tuple[int, int]:
    return (beat.received_time_ns, beat.sent_time_ns)


def distribution(numbers: Sequence[float]) -> Distribution | None:
    """Return how numbers are spread; None if there are none."""
    if not numbers:
        return None
    ordered = sorted(numbers)
    mean = math.fsum(ordered) / len(ordered)
    return Distribution(
        count=len(ordered),
        mean=mean,
        spread=math.sqrt(math.fsum((number - mean) ** 2 for number in ordered) / len(ordered)),
        maximum=ordered[-1],
        p50=_percentile(ordered, 0.50),
        p95=_percentile(ordered, 0.95),
    )


def _percentile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
