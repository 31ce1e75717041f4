"""What travels."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from snews_drill.wire.payload import Payload


def test_a_payload_is_json_unless_it_says_otherwise_and_cannot_be_changed() -> None:
    """Retries send what was checked."""
    payload = Payload(b"{}")
    assert payload.content_format == "json"
    with pytest.raises(FrozenInstanceError):
        payload.content = b""  # type: ignore[misc]
