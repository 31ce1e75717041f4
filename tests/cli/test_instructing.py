"""The instructor's commands, and `watch`: what they say to people and to programs."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

from rich.console import Console

from snews_drill.cli.drill_view import drill_screen, entry_line
from snews_drill.drill.drill_picture import DrillPicture, Participant, TimelineEntry
from snews_drill.messages.announcement import Announcement

_HOSTILE = "\x1b[2J[red]\u202e"
SECOND = 10**9

Invoke = Callable[..., Any]


def test_announce_freeze_and_open_with_the_rehearsals_rights(invoke: Invoke) -> None:
    """Each tells people and programs; an instructor needs no name."""
    done = invoke("announce", "We begin", without_name=True)
    assert (done.code, "> Announced." in done.out) == (0, True)
    frozen = invoke("freeze-joining", "--json")
    assert json.loads(frozen.out)["command"] == "freeze-joining"
    assert "joining is frozen" in invoke("drill-status").out.lower()
    opened = invoke("unfreeze-joining", "--json")
    assert json.loads(opened.out)["answer"] == "Joining is open: every detector may join."
    assert "Joining is open" in invoke("drill-status").out


def test_an_empty_announcement_is_a_failure(invoke: Invoke) -> None:
    failed = invoke("announce", " ", "--json")
    assert failed.code == 1
    assert json.loads(failed.out)["error"]["kind"] == "SettingsError"


def test_watch_tells_what_happened_in_lines(invoke: Invoke, message_file: Callable[..., str]) -> None:
    """One line an entry for people, one object an entry for programs."""
    assert invoke("publish", message_file("a.json"), message_file("b.json", detector_name="LVD")).code == 0
    assert invoke("announce", "Well done").code == 0
    told = invoke("watch", "--from-beginning", "--timeout", "3")
    assert told.code == 0
    assert "LVD: CoincidenceTier at" in told.out
    assert "Well done" in told.out
    lines = [
        json.loads(line)
        for line in invoke("watch", "--from-beginning", "--timeout", "3", "--json").out.splitlines()
    ]
    assert {"observation", "announcement", "alert"} <= {line["kind"] for line in lines}
    assert next(line for line in lines if line["kind"] == "alert")["members"]


def test_the_screen_holds_everything_and_obeys_nothing() -> None:
    picture = DrillPicture(
        participants=(
            Participant("JUNO", SECOND, SECOND, is_on=True, latency_ms=12.4, last_message="Heartbeat ON"),
            Participant("LVD", SECOND, SECOND, played_by="virtual detector", is_refused=True),
        ),
        timeline=(TimelineEntry(SECOND, "retraction", "JUNO", _HOSTILE),),
        announcements=(Announcement("announcement", f"Begin {_HOSTILE}", None),),
        is_joining_frozen=True,
        problem=f"Your credentials do not allow that. {_HOSTILE}",
    )
    console = Console(file=io.StringIO(), width=140, markup=False, color_system=None)
    console.print(drill_screen(picture, 61 * SECOND))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    for words in (
        "2 detectors, 1 of them a person; 0 alerts; joining is frozen",
        "virtual detector",
        "not let in",
        "12 ms",
        "Heartbeat ON 1 min ago",
        "Your credentials",
    ):
        assert words in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert text.count("\\x1b[2J[red]\\u202e") == 3
    assert entry_line(picture.timeline[0]) == "00:00:01 JUNO: \\x1b[2J[red]\\u202e"
