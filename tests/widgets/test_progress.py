"""The bar of a long wait."""

from __future__ import annotations

from typing import Any

import pytest
from waiting import wait_for

from snews_drill.widgets import progress
from snews_drill.widgets.progress import WaitBar, show_wait


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What reaches the cell: ("show" or "update", data)."""
    seen: list[tuple[str, Any]] = []
    monkeypatch.setattr(progress, "display", lambda data, **_: seen.append(("show", data)))
    monkeypatch.setattr(progress, "update_display", lambda data, **_: seen.append(("update", data)))
    return seen


def test_a_short_wait_shows_nothing(shown: list[tuple[str, Any]]) -> None:
    """Most are over within a second."""
    end = show_wait("the echo", 10)
    end()
    assert shown == []


def test_a_long_wait_shows_a_bar_that_goes_away(
    shown: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It begins and ends with nothing: what a notebook stores does not depend on how long something took."""
    monkeypatch.setattr(progress, "PATIENCE_SEC", 0.05)
    end = show_wait("the echo", 10)
    wait_for(lambda: len(shown) > 2, "the bar, moving")
    assert shown[0] == ("show", {})
    assert shown[1][0] == "update"
    assert list(shown[1][1]) == ["text/html"]
    assert "Waiting for the echo: 0 s of at most 10 s" in shown[1][1]["text/html"]
    end()
    assert shown[-1] == ("update", {})
    count = len(shown)
    end()
    assert len(shown) == count


@pytest.mark.parametrize(("timeout", "words"), [(10.0, "3 s of at most 10 s"), (None, "3 s")])
def test_it_says_what_is_being_waited_for(timeout: float | None, words: str) -> None:
    """As text, with the limit where there is one."""
    text = WaitBar("<b>it</b>", timeout).text(3.2)
    assert text == f"Waiting for &lt;b&gt;it&lt;/b&gt;: {words}"
