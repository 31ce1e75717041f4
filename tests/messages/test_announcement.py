"""Announcements: only what the drill server did is one, and refusals concern one detector."""

from __future__ import annotations

from snews_drill.messages.announcement import announcement_in
from snews_drill.messages.commands import Command, CommandName


def test_only_what_was_done_is_announced() -> None:
    request = Command(
        name=CommandName.ANNOUNCE, detector_name="instructor", text="Begin", time="2026-01-01T00:00:00"
    )
    assert announcement_in(request) is None
    assert announcement_in(request.model_copy(update={"status": "refused"})) is None
    done = announcement_in(request.model_copy(update={"status": "done"}))
    assert done is not None
    assert (done.kind, done.text, done.time_ns) == ("announcement", "Begin", 1_767_225_600_000_000_000)
    assert done.concerns(None)
    assert (
        announcement_in(request.model_copy(update={"status": "done", "name": CommandName.HARD_RESET})) is None
    )


def test_a_refusal_concerns_its_detector_only() -> None:
    said = announcement_in(
        Command(
            name=CommandName.NOT_JOINED,
            detector_name="LVD",
            status="refused",
            reason="Frozen.",
            time="nonsense",
        )
    )
    assert said is not None
    assert (said.kind, said.time_ns) == ("not joined", None)
    assert said.concerns("LVD")
    assert not said.concerns("JUNO")
    assert not said.concerns(None)
