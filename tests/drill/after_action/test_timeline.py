"""The drill's story, in order and in words."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import snews_drill.drill.after_action.timeline as timeline_module
from snews_drill.drill.after_action import AfterActionReport
from snews_drill.messages.tiers import Tier


def test_the_story_of_the_example(example: AfterActionReport) -> None:
    """Everything once, causes before their alerts; of heartbeats only the first and the changes."""
    entries = example.timeline
    assert [entry.time_ns for entry in entries] == sorted(entry.time_ns for entry in entries)
    by_kind = {what: [e for e in entries if e.what == what] for what in {e.what for e in entries}}
    counts = {what: len(found) for what, found in by_kind.items()}
    assert counts == {
        "connection test": 6,
        "heartbeat": 19,
        "observation": 19,
        "alert": 19,
        "retraction": 1,
        "problem": 4,
    }
    assert {e.text for e in by_kind["heartbeat"] if e.who == "NOvA"} == {
        "First heartbeat: OFF.",
        "Its heartbeats now say ON.",
    }
    assert by_kind["retraction"][0].text == "Took its last observation back: practising the retraction."
    last_observation, last_update = by_kind["observation"][-1], by_kind["alert"][-2]
    assert last_observation.time_ns == last_update.time_ns
    assert entries.index(last_observation) < entries.index(last_update)
    assert by_kind["problem"][0].text.endswith("(3 times)")


def test_hostile_words_are_shown_not_obeyed(
    tell: Callable[..., AfterActionReport], message: Callable[..., bytes]
) -> None:
    content = message(Tier.RETRACTION, "LVD", retract_latest=2, retraction_reason="\x1b[31mred")
    (entry,) = tell((1.0, content, 1.0)).timeline
    assert entry.text == "Took its last 2 observations back: \\x1b[31mred."


def test_a_long_story_is_cut_at_its_end(
    tell: Callable[..., AfterActionReport], message: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline_module, "MOST_ENTRIES", 2)
    sent = [
        (float(second), message(Tier.HEARTBEAT, name, second, detector_status="ON"), 1.0)
        for second, name in enumerate(("LVD", "JUNO", "LZ"))
    ]
    assert [entry.who for entry in tell(*sent).timeline] == ["LVD", "JUNO"]
