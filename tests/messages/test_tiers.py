"""The five tiers as values."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from snews_drill.messages.tiers import OBSERVATION_TIERS, TIER_CLASSES, CoincidenceTier, Heartbeat, Tier


def test_each_tier_has_a_class_named_like_its_word() -> None:
    """Class names are the words that are sent."""
    assert list(TIER_CLASSES) == list(Tier)
    for tier, kind in TIER_CLASSES.items():
        assert kind.__name__ == tier.value
        assert kind.tier is tier


def test_observations_are_the_three_with_a_neutrino_time() -> None:
    """Heartbeats and retractions observe nothing."""
    assert {
        t for t, kind in TIER_CLASSES.items() if "neutrino_time_ns" in kind.model_fields
    } == OBSERVATION_TIERS


def test_values_are_frozen_and_know_no_other_field() -> None:
    """A value cannot be changed, nor can a slip of the pen add a field."""
    message = CoincidenceTier(id="x", detector_name="LZ", neutrino_time_ns=1)
    with pytest.raises(ValidationError):
        message.p_val = 0.5
    with pytest.raises(ValidationError):
        CoincidenceTier(id="x", detector_name="LZ", neutrino_time_ns=1, pval=0.5)
    assert message == CoincidenceTier(id="x", detector_name="LZ", neutrino_time_ns=1)


@pytest.mark.parametrize(
    ("status", "is_on"), [("ON", True), ("on", True), ("On", True), ("OFF", False), ("off", False)]
)
def test_a_heartbeat_keeps_the_case_and_knows_its_meaning(status: str, is_on: bool) -> None:
    """The status stays as typed."""
    beat = Heartbeat(id="x", detector_name="LZ", detector_status=status)
    assert (beat.detector_status, beat.is_on) == (status, is_on)
