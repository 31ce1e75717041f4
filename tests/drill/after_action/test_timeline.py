"""The drill's story, in order and in words."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import snews_drill.drill.after_action.timeline as timeline_module
from snews_drill.drill.after_action import AfterActionReport, after_action
from snews_drill.messages.commands import Command, CommandName
from snews_drill.messages.tiers import Tier
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.archive_rows import ArchivedRecord
from snews_drill.wire.dialects import get_dialect


def test_the_story_of_the_example(example: AfterActionReport) -> None:
    """Everything once, causes before their alerts; of heartbeats only the first and the changes."""
    entries = example.timeline
    assert [entry.time_ns for entry in entries] == sorted(entry.time_ns for entry in entries)
    by_kind = {what: [e for e in entries if e.what == what] for what in {e.what for e in entries}}
    counts = {what: len(found) for what, found in by_kind.items()}
    assert counts == {
        "announcement": 2,
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


def test_what_the_instructor_did_is_told(archive: Archive) -> None:
    """Announcements with their words, frozen joining, resets."""
    words = {CommandName.ANNOUNCE: "Ready? <b>", CommandName.FREEZE_JOINING: "", CommandName.HARD_RESET: ""}
    with archive.transaction():
        for offset, (name, text) in enumerate(words.items()):
            command = Command(name=name, detector_name="LVD", time="2026-03-14T15:00:00", text=text)
            value = get_dialect("1.3").encode_command(command).content
            archive.add_record(
                ArchivedRecord(
                    "", "t", 0, offset, 0, 10**18 + offset, "accepted", name.value, "LVD", "", "", value
                )
            )
    assert [(entry.what, entry.text) for entry in after_action(archive).timeline] == [
        ("announcement", "“Ready? <b>”"),
        ("joining", "Joining was frozen: no other detector could take part from then on."),
        ("reset", "The cache was reset: all observations were dropped."),
    ]


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
