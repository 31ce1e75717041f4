"""How likely an alert arises by accident, and how that is written."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snews_drill.rehearsal.false_alarm import SECONDS_PER_WEEK, false_alarm_rate_hz, false_alarm_text


def exact_rate_hz(n: int, r: int, window_s: Fraction, rate_hz: Fraction) -> Fraction:
    return (
        Fraction(math.factorial(n), math.factorial(r) * math.factorial(n - r))
        * rate_hz**r
        * window_s ** (r - 1)
    )


@given(st.integers(1, 200), st.integers(1, 40))
def test_rate_is_the_published_formula_in_exact_arithmetic(n: int, r: int) -> None:
    if r > n:
        n, r = r, n
    expected = exact_rate_hz(n, r, Fraction(10), Fraction(1, 604_800))
    assert false_alarm_rate_hz(n, r) == pytest.approx(float(expected), rel=1e-9)


def test_window_and_imitation_rate_enter_with_their_powers() -> None:
    assert false_alarm_rate_hz(3, 2, window_s=20.0, imitation_rate_hz=0.001) == pytest.approx(3 * 1e-6 * 20)
    assert false_alarm_rate_hz(5, 1, window_s=20.0, imitation_rate_hz=0.001) == pytest.approx(5e-3)


def test_who_takes_part_was_on_even_when_heartbeats_are_missing() -> None:
    assert false_alarm_rate_hz(0, 3) == false_alarm_rate_hz(3, 3) > 0
    assert false_alarm_rate_hz(2, 3) == false_alarm_rate_hz(3, 3)
    assert false_alarm_text(0, 2) == false_alarm_text(2, 2) != "N/A"


def test_many_detectors_neither_overflow_nor_fail() -> None:
    assert false_alarm_rate_hz(10_000, 5_000) >= 0
    assert false_alarm_rate_hz(10_000, 5_000, window_s=1e6, imitation_rate_hz=1.0) == math.inf
    assert false_alarm_text(10_000, 5_000).endswith("%")
    assert false_alarm_rate_hz(20, 2, imitation_rate_hz=0) == 0
    assert false_alarm_text(20, 2, imitation_rate_hz=0) == "0.00%"


@pytest.mark.parametrize(
    ("n", "r", "window_s", "rate_hz"),
    [
        (-1, 2, 10, 1e-6),
        (2, 0, 10, 1e-6),
        (2, 2, 0, 1e-6),
        (2, 2, math.nan, 1e-6),
        (2, 2, 10, -1),
        (2, 2, 10, math.inf),
    ],
)
def test_senseless_numbers_are_refused(n: int, r: int, window_s: float, rate_hz: float) -> None:
    with pytest.raises(ValueError, match=r"no coincidence|must"):
        false_alarm_rate_hz(n, r, window_s, rate_hz)


def test_percentage_is_for_one_week() -> None:
    # 190 pairs, each once in 604800^2 / 10 seconds: 190 * 10 / 604800 expected in a week
    expected = 100 * (1 - math.exp(-190 * 10 / 604_800))
    assert false_alarm_text(20, 2) == f"{expected:.2f}%" == "0.31%"
    assert false_alarm_text(20, 2, period_s=52 * SECONDS_PER_WEEK) == "15.07%"


def test_small_probabilities_keep_two_digits_and_can_still_be_read_as_numbers() -> None:
    text = false_alarm_text(20, 3)
    assert text == "3.1e-05%"
    assert 0 < float(false_alarm_text(20, 19).rstrip("%")) < 1e-80


def test_more_frequent_imitations_never_make_more_than_100_percent() -> None:
    assert false_alarm_text(20, 2, imitation_rate_hz=1.0) == "100.00%"


@pytest.mark.parametrize("coincident", [0, 1, 2, 19])
def test_tests_have_no_false_alarm_probability(coincident: int) -> None:
    assert false_alarm_text(19, coincident, is_test=True) == "N/A"


@pytest.mark.parametrize("left", [0, 1])
def test_a_withdrawn_alert_has_no_false_alarm_probability(left: int) -> None:
    assert false_alarm_text(19, left) == "N/A"
