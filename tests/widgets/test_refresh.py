"""Redrawing at a fixed pace."""

from __future__ import annotations

import logging
import threading

import pytest
from waiting import wait_for

from snews_drill.widgets.refresh import Refresher


def test_it_draws_again_and_again_and_once_more_at_the_end() -> None:
    """What changed between the last look and the stop is still shown."""
    drawn: list[int] = []
    refresher = Refresher(lambda: drawn.append(len(drawn)), every=0.1)
    refresher.start()
    wait_for(lambda: len(drawn) >= 3, "three drawings")
    refresher.stop()
    count = len(drawn)
    assert not refresher.is_running
    refresher.stop()
    assert len(drawn) == count, "a second stop does nothing"


def test_starting_twice_makes_one_thread() -> None:
    """The same cell run twice."""
    refresher = Refresher(lambda: None, name="one view")
    with refresher:
        refresher.start()
        assert [thread.name for thread in threading.enumerate()].count("snews_drill one view") == 1
    assert "snews_drill one view" not in [thread.name for thread in threading.enumerate()]


def test_the_pace_is_bounded() -> None:
    """Nobody can ask for a hundred drawings a second."""
    drawn: list[float] = []
    enough = threading.Event()
    with Refresher(lambda: drawn.append(1.0), every=0.0):
        assert not enough.wait(0.35)
    assert len(drawn) <= 6


def test_a_view_that_cannot_be_drawn_is_reported_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    """It does not end the others, and the reason is in the log."""
    tries: list[int] = []

    def draw() -> None:
        tries.append(1)
        raise ValueError("no canvas")

    with (
        caplog.at_level(logging.ERROR, "snews_drill.widgets"),
        Refresher(draw, every=0.1, name="broken view"),
    ):
        wait_for(lambda: len(tries) >= 2, "a second try")
    assert "broken view could not be drawn" in caplog.text
    assert "no canvas" in caplog.text


def test_a_view_may_stop_itself() -> None:
    """Without waiting for its own thread."""
    stops: list[Refresher] = []

    def draw() -> None:
        for refresher in stops:
            refresher.stop()

    refresher = Refresher(draw, every=0.1)
    stops.append(refresher)
    refresher.start()
    wait_for(lambda: not refresher.is_running, "the end")
