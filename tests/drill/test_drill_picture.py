"""The picture of a drill: who is here and what happened, bounded whatever comes."""

from __future__ import annotations

from typing import Any

import pytest
from messages_to_send import heartbeat, observation, retraction

from snews_drill.drill.drill_picture import MAX_BEATS, MAX_TIMELINE, PictureMaker
from snews_drill.drill.marks import PLAYED_BY, VIRTUAL_DETECTOR
from snews_drill.messages.commands import Command, CommandName
from snews_drill.messages.tiers import DetectorMessage
from snews_drill.wire.dialects import decode_record

SECOND = 1_000_000_000
NOW = 1_700_000_000 * SECOND


def message(content: bytes, **meta: Any) -> DetectorMessage:
    value = decode_record(content, "json").value
    assert isinstance(value, DetectorMessage)
    return value.model_copy(update={"meta": {**value.meta, **meta}})


def reply(name: CommandName, status: str = "done", **more: Any) -> Command:
    return Command(name=name, detector_name="JUNO", time="2023-11-14T22:13:20", status=status, **more)


@pytest.mark.parametrize("dialect", ["1.3", "3"])
def test_a_participant_is_what_it_said(dialect: str) -> None:
    """Counts, status, latency and the newest message, in either dialect."""
    maker = PictureMaker()
    for second in range(3):
        maker.take_message(
            message(heartbeat("JUNO", now_ns=NOW + second * SECOND, dialect=dialect)),
            NOW + second * SECOND + 2_000_000,
        )
    maker.take_message(
        message(heartbeat("JUNO", "OFF", now_ns=NOW + 3 * SECOND, dialect=dialect)), NOW + 4 * SECOND
    )
    one = maker.picture().participant("JUNO")
    assert one is not None
    assert (one.is_on, one.heartbeats, one.last_message) == (False, 4, "Heartbeat OFF")
    assert one.interval_sec == pytest.approx(1.333, abs=0.01)
    assert one.latency_ms == pytest.approx(1000, abs=1)
    assert [entry.text for entry in maker.picture().timeline] == ["Heartbeat ON", "Heartbeat OFF"]


def test_people_and_virtual_detectors_are_told_apart() -> None:
    """By the mark of the newest message: a seat that a person takes is the person's."""
    maker = PictureMaker()
    maker.take_message(message(heartbeat("LVD"), **{PLAYED_BY: VIRTUAL_DETECTOR}), NOW)
    maker.take_message(message(observation("JUNO")), NOW)
    assert maker.picture().people == ("JUNO",)
    maker.take_message(message(retraction("LVD")), NOW)
    assert maker.picture().people == ("JUNO", "LVD")


def test_tests_announcements_and_joining_are_seen() -> None:
    maker = PictureMaker()
    maker.take_reply(reply(CommandName.TEST_CONNECTION, "received"), NOW)
    maker.take_reply(reply(CommandName.ANNOUNCE, text="Begin"), NOW)
    maker.take_reply(reply(CommandName.FREEZE_JOINING, reason="Joining is frozen."), NOW)
    maker.take_reply(reply(CommandName.NOT_JOINED, "refused", reason="No."), NOW)
    picture = maker.picture()
    assert picture.is_joining_frozen is True
    assert [one.text for one in picture.announcements] == ["Begin", "Joining is frozen."]
    participant = picture.participant("JUNO")
    assert participant is not None
    assert participant.is_refused
    assert participant.tested_ns == NOW
    maker.take_reply(reply(CommandName.UNFREEZE_JOINING, reason="Open."), NOW)
    maker.take_reply(reply(CommandName.HARD_RESET, reason="2 observations dropped."), NOW)
    after = maker.picture()
    assert after.is_joining_frozen is False
    assert not after.participants[0].is_refused
    assert after.timeline[-1].kind == "reset"


def test_what_a_stranger_claims_is_not_taken_for_the_servers_word() -> None:
    """Requests, refused ones and names that are on no roster change nothing."""
    maker = PictureMaker()
    for status in ("sending", "refused"):
        maker.take_reply(reply(CommandName.ANNOUNCE, status, text="Hello"), NOW)
        maker.take_reply(reply(CommandName.FREEZE_JOINING, status), NOW)
    stranger = reply(CommandName.TEST_CONNECTION, "received").model_copy(
        update={"detector_name": "<b>Nobody"}
    )
    maker.take_reply(stranger, NOW)
    assert maker.picture() == PictureMaker().picture()


def test_the_picture_is_bounded() -> None:
    """However much comes: the newest is kept, and nonsense that repeats is one entry."""
    maker = PictureMaker()
    for number in range(MAX_TIMELINE + 50):
        maker.take_message(message(observation("JUNO")), NOW + number)
        maker.take_message(message(heartbeat("JUNO")), NOW + number)
    for _ in range(10):
        maker.take_unreadable("nonsense", NOW)
    picture = maker.picture()
    assert len(picture.timeline) == MAX_TIMELINE
    assert picture.timeline[-1].text == "nonsense"
    assert picture.timeline[-2].kind == "observation"
    assert picture.unreadable == 10
    assert len(picture.participants[0].beats_ns) == MAX_BEATS


def test_a_seat_stays_a_persons_whoever_speaks_for_it_later() -> None:
    """An observation that the instructor sends in its name, or a virtual detector; a connection test tells a person too."""
    maker = PictureMaker()
    maker.take_message(message(heartbeat("LVD")), NOW)
    maker.take_message(message(observation("LVD"), **{PLAYED_BY: "control room"}), NOW)
    maker.take_message(message(heartbeat("JUNO"), **{PLAYED_BY: VIRTUAL_DETECTOR}), NOW)
    assert maker.picture().people == ("LVD",)
    maker.take_reply(reply(CommandName.TEST_CONNECTION, "received"), NOW)
    maker.take_message(message(heartbeat("JUNO"), **{PLAYED_BY: VIRTUAL_DETECTOR}), NOW)
    assert maker.picture().people == ("JUNO", "LVD")
