"""Telling about waits."""

from __future__ import annotations

import pytest

from snews_drill import waiting as module
from snews_drill.waiting import waiting


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, object]]:
    """What an observer is told."""
    heard: list[tuple[str, object]] = []

    def observe(what: str, timeout: float | None) -> object:
        heard.append((what, timeout))
        return lambda: heard.append(("end", what))

    monkeypatch.setattr(module, "observers", [observe])
    return heard


def test_begin_and_end_are_told_and_only_the_outermost(told: list[tuple[str, object]]) -> None:
    """A wait inside a wait is part of it; afterwards the next one is told again."""
    with waiting("outer", 5), waiting("inner", 1):
        assert told == [("outer", 5)]
    with waiting("next"):
        pass
    assert told == [("outer", 5), ("end", "outer"), ("next", None), ("end", "next")]


def test_the_end_is_told_after_an_error(told: list[tuple[str, object]]) -> None:
    """The error passes, and a bar does not stay for ever."""
    with pytest.raises(ValueError, match="mine"), waiting("it", 5):
        raise ValueError("mine")
    assert told[-1] == ("end", "it")


def test_an_observer_that_raises_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither at the beginning nor at the end."""

    def broken(*_: object) -> object:
        raise RuntimeError

    monkeypatch.setattr(module, "observers", [broken, lambda *_: broken])
    with waiting("it", 5):
        reached = True
    assert reached
