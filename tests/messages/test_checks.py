"""Checks of times at their edges, in nanoseconds."""

from __future__ import annotations

import pytest

from snews_drill.messages.checks import MAX_AGE_NS, OBSERVATION_LIFETIME_NS, check_sent_time, check_times
from snews_drill.messages.tiers import CoincidenceTier, Heartbeat, Retraction, SigTier, TimeTier

NOW = 1_686_746_745_678_999_123
COMMON = {"id": "x", "detector_name": "XENONnT"}


def observation(neutrino_time_ns: int, **more: object) -> CoincidenceTier:
    return CoincidenceTier(**COMMON, neutrino_time_ns=neutrino_time_ns, **more)


@pytest.mark.parametrize(
    ("time_ns", "word"),
    [
        (NOW, None),
        (NOW + 1, "future"),
        (NOW - 1, None),
        (NOW - MAX_AGE_NS, None),
        (NOW - MAX_AGE_NS + 1, None),
        (NOW - MAX_AGE_NS - 1, "48 hours"),
    ],
)
def test_edges(time_ns: int, word: str | None) -> None:
    """Exactly now and exactly 48 h ago pass; one nanosecond beyond is refused, with the field and the tier."""
    problems = check_times(observation(time_ns), now_ns=NOW)
    assert [word in problem.reason for problem in problems] == ([] if word is None else [True])
    assert all((p.tier, p.field, p.is_fatal) == ("CoincidenceTier", "neutrino_time", True) for p in problems)
    assert all("is_test=True" in p.remedy for p in problems)


@pytest.mark.parametrize("time_ns", [NOW + 10**15, 0, NOW - 10**18])
def test_tests_are_not_judged(time_ns: int) -> None:
    """For a test message the exact time is irrelevant."""
    assert check_times(observation(time_ns, is_test=True), now_ns=NOW) == []


def test_tolerance_allows_a_fast_clock_and_no_more() -> None:
    """A server may allow for the sender's clock; that does not make old messages young."""
    assert check_times(observation(NOW + 5), now_ns=NOW, tolerance_ns=5) == []
    assert check_times(observation(NOW + 6), now_ns=NOW, tolerance_ns=5)
    assert check_times(observation(NOW - MAX_AGE_NS - 1), now_ns=NOW, tolerance_ns=5)


def test_every_time_of_a_message_is_judged() -> None:
    """A light curve has two times; each one is named."""
    message = TimeTier(
        **COMMON, neutrino_time_ns=NOW + 1, start_time_ns=NOW - MAX_AGE_NS - 1, timing_series=(1,)
    )
    assert [problem.field for problem in check_times(message, now_ns=NOW)] == ["neutrino_time", "start_time"]


def test_messages_without_a_neutrino_time_pass() -> None:
    """Nothing is asked of heartbeats, retractions, or a series of dialect 3 that has no time."""
    for message in (
        Heartbeat(**COMMON, detector_status="ON", machine_time_ns=0),
        Retraction(**COMMON, retract_latest=1),
        SigTier(**COMMON, p_values=(0.1,), t_bin_width_sec=1.0),
    ):
        assert check_times(message, now_ns=NOW) == []


@pytest.mark.parametrize("field", ["sent_time", "machine_time"])
@pytest.mark.parametrize(("age_ns", "is_refused"), [(0, False), (1, True), (-(10**18), False)])
def test_an_observation_counts_for_24_hours_after_it_was_sent(
    field: str, age_ns: int, is_refused: bool
) -> None:
    """A test too; the machine time stands in where no time of sending is given."""
    sent_ns = NOW - OBSERVATION_LIFETIME_NS - age_ns
    for is_test in (True, False):
        message = observation(NOW, is_test=is_test, **{f"{field}_ns": sent_ns})
        found = check_sent_time(message, now_ns=NOW)
        assert [problem.field for problem in found] == [field] * is_refused
    assert check_sent_time(observation(NOW), now_ns=NOW) == []
    assert check_sent_time(Heartbeat(**COMMON, detector_status="ON", sent_time_ns=1), now_ns=NOW) == []
