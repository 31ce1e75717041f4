"""Marks tell who spoke for a detector, and travel in both dialects and every kind of message."""

from __future__ import annotations

import json
import time

import pytest

from snews_drill.drill.event_messages import event_content
from snews_drill.drill.marks import (
    CONTROL_ROOM,
    PLAYED_BY,
    SPEAKERS,
    VIRTUAL_DETECTOR,
    scenario_marks,
    speaker,
)
from snews_drill.drill.scenario import HeartbeatEvent, ObservationEvent, RetractionEvent, ScenarioEvent
from snews_drill.messages.times import parse_utc_ns
from snews_drill.wire.dialects import decode_record, get_dialect

EVENTS = (
    ObservationEvent(detector="JUNO", offset_ms=1.5, p_val=0.1),
    RetractionEvent(detector="JUNO", reason="noise"),
    HeartbeatEvent(detector="JUNO", status="OFF"),
)


@pytest.mark.parametrize("dialect", ["1.3", "3"])
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.kind)
@pytest.mark.parametrize("who", SPEAKERS)
def test_a_mark_arrives_with_every_kind_of_message(event: ScenarioEvent, dialect: str, who: str) -> None:
    """Written, encoded, and read again by whoever reads the topic."""
    now_ns = time.time_ns()
    meta = {PLAYED_BY: who, **scenario_marks("mine", now_ns, 1.5)}
    content = event_content(event, get_dialect(dialect), made_ns=now_ns, neutrino_time_ns=now_ns, meta=meta)
    payload = get_dialect(dialect).encode_message(content)
    message = decode_record(payload.content, payload.content_format).value
    assert speaker(message.meta) == who
    assert message.meta["scenario"] == "mine"
    assert message.meta["scenario_offset_ms"] == 1.5


@pytest.mark.parametrize(
    "said", [None, "", "a person", 1, ["virtual detector"], {"a": 1}, "VIRTUAL DETECTOR"]
)
def test_what_is_no_mark_is_a_persons(said: object) -> None:
    """A seat is given up rather than fought for."""
    assert speaker({PLAYED_BY: said}) is None
    assert speaker({}) is None


def test_the_marks_of_a_scenario_are_json_and_tell_its_zero() -> None:
    """The zero is found again to the nanosecond."""
    zero_ns = 1_700_000_000_123_456_789
    marks = json.loads(json.dumps(scenario_marks("mine", zero_ns)))
    assert parse_utc_ns(marks["scenario_zero"]) == zero_ns
    assert "scenario_offset_ms" not in marks
    assert {VIRTUAL_DETECTOR, CONTROL_ROOM} == set(SPEAKERS)
