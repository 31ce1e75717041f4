"""Commands: proofs that show nothing and cannot be moved to another request."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snews_drill.messages.commands import NEEDS_RIGHTS, Command, CommandName

TOKEN = "a-token-of-some-length"
TOPIC = "snews.experiments-firedrill"
REQUEST = Command(
    name=CommandName.HARD_RESET, detector_name="LZ", time="2023-06-14T12:00:00", request_id="r1"
)


def test_a_proof_is_accepted_with_its_token_only() -> None:
    """No proof, another token's proof and garbage give no rights."""
    proved = REQUEST.with_proof(TOKEN, TOPIC)
    assert proved.is_proved(TOKEN, TOPIC)
    assert not REQUEST.is_proved(TOKEN, TOPIC)
    assert not proved.is_proved(TOKEN, "snews.experiments-test")
    assert not proved.is_proved(TOKEN + "x", TOPIC)
    assert not REQUEST.model_copy(update={"proof": "\ud800é"}).is_proved(TOKEN, TOPIC)


@pytest.mark.parametrize(
    "change",
    [
        {"name": CommandName.DISPLAY_HEARTBEATS},
        {"detector_name": "LVD"},
        {"time": "2023-06-14T12:00:01"},
        {"request_id": "r2"},
        {"text": "Something else is announced."},
    ],
)
def test_a_proof_belongs_to_one_request(change: dict[str, object]) -> None:
    """Copied onto another request it proves nothing."""
    assert not REQUEST.with_proof(TOKEN, TOPIC).model_copy(update=change).is_proved(TOKEN, TOPIC)


@given(st.text(), st.text(), st.text(), st.text())
def test_where_one_field_ends_matters(name: str, time: str, other_name: str, other_time: str) -> None:
    """Two requests with different fields never share a proof, however their texts join."""
    one = Command(name=CommandName.HARD_RESET, detector_name=name, time=time).with_proof(TOKEN, TOPIC)
    other = Command(name=CommandName.HARD_RESET, detector_name=other_name, time=other_time)
    is_same = one.model_copy(update={"proof": ""}) == other
    # Halves of surrogate pairs cannot be signed apart; they never come from a reader of ours.
    if not any("\ud800" <= c <= "\udfff" for c in name + time + other_name + other_time):
        assert other.model_copy(update={"proof": one.proof}).is_proved(TOKEN, TOPIC) == is_same


def test_proof_and_token_are_in_no_repr() -> None:
    """Neither shows when a command is printed, and the token is nowhere in the proof."""
    proved = REQUEST.with_proof(TOKEN, TOPIC)
    assert proved.proof not in repr(proved)
    assert proved.proof not in str(proved)
    assert TOKEN not in proved.model_dump_json()


def test_who_needs_rights() -> None:
    """Everybody may test the connection and ask for feedback, nobody else may reset."""
    assert set(CommandName) - NEEDS_RIGHTS == {
        CommandName.TEST_CONNECTION,
        CommandName.GET_FEEDBACK,
        CommandName.DRILL_STATUS,
        CommandName.NOT_JOINED,  # never obeyed: only the server says it
    }
