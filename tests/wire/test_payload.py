"""What travels."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from snews_drill.detectors import find_detector
from snews_drill.messages.commands import Command, CommandName
from snews_drill.messages.tiers import Tier
from snews_drill.wire.dialects import get_dialect
from snews_drill.wire.payload import Payload, sender_key


def test_a_payload_is_json_unless_it_says_otherwise_and_cannot_be_changed() -> None:
    """Retries send what was checked."""
    payload = Payload(b"{}")
    assert payload.content_format == "json"
    with pytest.raises(FrozenInstanceError):
        payload.content = b""  # type: ignore[misc]


@pytest.mark.parametrize("dialect", ["1.3", "3"])
def test_what_a_detector_writes_bears_its_name_as_key(dialect: str) -> None:
    """Messages and commands of one detector stay in order on a partitioned topic; the key is no part of the value."""
    spoken = get_dialect(dialect)
    arguments = {"detector_status": "ON", "is_test": False, "is_firedrill": True}
    content = spoken.build(Tier.HEARTBEAT, arguments, {}, detector=find_detector("XENONnT"), now_ns=10**18)
    assert spoken.encode_message(content).key == b"XENONnT"
    command = Command(name=CommandName.TEST_CONNECTION, detector_name="JUNO", time="2026-01-01T00:00:00")
    assert spoken.encode_command(command).key == b"JUNO"


@pytest.mark.parametrize("name", [None, 5, "", ["JUNO"]])
def test_without_a_name_there_is_no_key(name: object) -> None:
    """A message that is wrong in other ways must not fail here."""
    assert sender_key({"detector_name": name}) is None


def test_a_key_is_bounded_and_always_bytes() -> None:
    assert sender_key({"detector_name": "x" * 9999}) == b"x" * 200
    assert sender_key({"detector_name": "\ud800"}) == b"?"
