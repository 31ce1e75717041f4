"""The drill's clock stands still, runs and changes its pace, and nobody who waits for it is forgotten."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

import pytest
from waiting import wait_for

from snews_drill.drill.drill_clock import DrillClock
from snews_drill.errors import SettingsError


def in_thread(wait: Callable[[], bool]) -> tuple[threading.Thread, list[bool]]:
    """Wait in a thread; the list gets the answer."""
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(wait()), name="waits for the drill")
    thread.start()
    return thread, answers


def test_a_new_clock_stands_still_until_it_is_let_run() -> None:
    clock = DrillClock()
    assert clock.is_paused
    assert clock.now_sec == clock.now_sec == 0
    clock.resume()
    clock.resume()
    wait_for(lambda: clock.now_sec > 0, "the clock to run")
    clock.pause()
    clock.pause()
    held = clock.now_sec
    assert held > 0
    assert clock.now_sec == held


def test_a_thousand_times_as_fast_a_minute_is_no_wait() -> None:
    """The waits follow the pace, also one that changes while somebody waits."""
    clock = DrillClock(1)
    clock.resume()
    thread, answers = in_thread(lambda: clock.wait_until(600))
    clock.speed = 100_000
    thread.join(10)
    assert answers == [True]
    assert clock.now_sec >= 600


def test_what_has_passed_stays_when_the_pace_changes() -> None:
    clock = DrillClock(1000)
    clock.resume()
    assert clock.wait_until(5)
    clock.speed = 0.001
    assert 5 <= clock.now_sec < 5000
    clock.pause()
    held = clock.now_sec
    clock.speed = 100
    assert clock.now_sec == held


def test_without_waiting_everything_is_due_but_not_while_it_stands() -> None:
    clock = DrillClock(math.inf)
    thread, answers = in_thread(lambda: clock.wait_until(1e6))
    assert not answers
    clock.resume()
    thread.join(5)
    assert answers == [True]
    assert clock.now_sec == 1e6


def test_stop_ends_every_wait_and_every_later_one() -> None:
    clock = DrillClock()
    waits = [in_thread(lambda: clock.wait_until(math.inf)) for _ in range(3)]
    clock.resume()
    clock.stop()
    for thread, answers in waits:
        thread.join(5)
        assert answers == [False]
    assert not clock.wait_until(1e9)


def test_a_nudge_wakes_the_one_it_is_for() -> None:
    clock = DrillClock()
    clock.resume()
    woken = threading.Event()
    thread, answers = in_thread(lambda: clock.wait_until(math.inf, woken.is_set))
    clock.nudge()
    assert not answers
    woken.set()
    clock.nudge()
    thread.join(5)
    assert answers == [False]


@pytest.mark.parametrize("speed", [0, -1, math.nan, -math.inf, 1e9, 1e-9, True, "2", None])
def test_what_is_no_speed_is_refused(speed: object) -> None:
    with pytest.raises(SettingsError, match="no speed"):
        DrillClock(speed)  # type: ignore[arg-type]
    clock = DrillClock()
    with pytest.raises(SettingsError):
        clock.speed = speed  # type: ignore[assignment]
    assert clock.speed == 1


def test_it_keeps_time() -> None:
    """Ten seconds at twenty times the pace are half a second on the wall."""
    clock, began = DrillClock(20), time.monotonic()
    clock.resume()
    assert clock.wait_until(10)
    assert time.monotonic() - began >= 0.5
