"""The subscriber's inbox."""

from __future__ import annotations

import threading

import pytest
from alert_samples import make_alert

from snews_drill import inbox as module
from snews_drill.errors import TransportError, UnreadableRecord
from snews_drill.inbox import Inbox, Phase


def _fill(inbox: Inbox, count: int, size: int = 10) -> None:
    for _ in range(count):
        inbox.put(make_alert(), received_time_ns=1, size_bytes=size, file=None)


def test_snapshot_returns_what_is_newer() -> None:
    """By number, oldest first, never more than there is; numbers go on after a clear."""
    inbox = Inbox()
    _fill(inbox, 5)
    assert [entry.number for entry in inbox.snapshot()] == [1, 2, 3, 4, 5]
    assert [entry.number for entry in inbox.snapshot(since=3)] == [4, 5]
    assert inbox.snapshot(since=5) == inbox.snapshot(since=99) == []
    inbox.clear()
    assert inbox.snapshot() == []
    _fill(inbox, 1)
    assert [entry.number for entry in inbox.snapshot(since=2)] == [6]


def test_alerts_are_bounded_in_number_and_in_bytes() -> None:
    """The oldest leave and are counted; one that is too large for all the room is still shown."""
    few = Inbox(max_alerts=3)
    _fill(few, 10)
    assert [entry.number for entry in few.snapshot()] == [8, 9, 10]
    small = Inbox(max_bytes=100)
    _fill(small, 10, size=40)
    assert [entry.number for entry in small.snapshot()] == [9, 10]
    assert small.state.dropped == 8
    _fill(small, 1, size=1000)
    assert [entry.number for entry in small.snapshot()] == [11]
    assert small.state.shown == 11


def test_unreadable_records_are_bounded_in_number_and_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest stay, all are counted."""
    inbox = Inbox()
    for number in range(module.MAX_UNREADABLE + 50):
        inbox.put_unreadable(UnreadableRecord("No.", b"%d" % number))
    assert len(inbox.unreadable) == module.MAX_UNREADABLE
    assert inbox.unreadable[-1].raw == b"%d" % (module.MAX_UNREADABLE + 49)
    monkeypatch.setattr(module, "MAX_UNREADABLE_BYTES", 1000)
    inbox.put_unreadable(UnreadableRecord("No.", b"x" * 900))
    assert sum(len(error.raw) for error in inbox.unreadable) <= 1000
    assert inbox.state.unreadable == module.MAX_UNREADABLE + 51


def test_repetitions_are_told_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """What came again is remembered longest; memory for it does not grow without end."""
    monkeypatch.setattr(module, "MAX_REMEMBERED", 3)
    inbox = Inbox()
    assert [inbox.is_new(content) for content in (b"a", b"b", b"a", b"c", b"d")] == [
        True,
        True,
        False,
        True,
        True,
    ]
    assert not inbox.is_new(b"a")
    assert inbox.is_new(b"b")


def test_waiting_ends_with_the_alert_the_end_or_the_time() -> None:
    """Woken by the n-th alert, by a failure, and by the clock; each returns how many came."""
    inbox = Inbox()
    assert inbox.wait_for(1, timeout=30) == 0  # stopped: nothing can come
    inbox.enter(Phase.LISTENING)
    assert inbox.wait_for(1, timeout=0.01) == 0
    counts: list[int] = []
    waiter = threading.Thread(target=lambda: counts.append(inbox.wait_for(2, timeout=30)), name="waiter")
    waiter.start()
    _fill(inbox, 2)
    waiter.join(5)
    waiter = threading.Thread(target=lambda: counts.append(inbox.wait_for(9, timeout=30)), name="waiter")
    waiter.start()
    error = TransportError("Gone.", next_step="Wait.")
    inbox.enter(Phase.FAILED, error=error)
    waiter.join(5)
    assert counts == [2, 2]
    assert inbox.state.error is error
    assert inbox.state.last_error == "Gone."


def test_the_state_counts_and_keeps_the_newest_reason() -> None:
    """Each counter by its name; a reason replaces the one before."""
    inbox = Inbox()
    inbox.enter(Phase.RECONNECTING, since_ns=5)
    for counter in ("received", "duplicates", "unsaved", "callback_failures", "plugin_failures"):
        inbox.count(counter, f"because {counter}")
    inbox.count("received")
    state = inbox.state
    assert (state.phase, state.since_ns, state.received) == (Phase.RECONNECTING, 5, 2)
    assert (state.duplicates, state.unsaved, state.callback_failures, state.plugin_failures) == (1, 1, 1, 1)
    assert state.last_error == "because plugin_failures"
