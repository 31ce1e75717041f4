"""The alert as a value."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from snews_drill.messages.alert import Alert, AlertType


def make(alert_type: str, **more: object) -> Alert:
    return Alert(id="SNEWS_Coincidence_ALERT x", alert_type=alert_type, detector_names=("JUNO", "LZ"), **more)


@pytest.mark.parametrize("kind", list(AlertType))
def test_test_alerts_have_the_same_kind(kind: AlertType) -> None:
    """TEST in front changes whether it is a test, not what it says."""
    assert (make(kind.value).kind, make(kind.value).is_test) == (kind, False)
    assert (make(f"TEST {kind}").kind, make(f"TEST {kind}").is_test) == (kind, True)


def test_unknown_words_are_kept() -> None:
    """Another server's word is shown as it came, and has no kind."""
    assert make("NEW_THING").kind is None
    assert make("NEW_THING").alert_type == "NEW_THING"
    assert make("__init__").kind is None


def test_repr_is_short_and_tells_the_essentials() -> None:
    """Type, number of detectors, first time; a flood of names is cut, and the content is not shown."""
    alert = make("UPDATE", neutrino_times_ns=(1_000_000_000,), content={"secret": "x"})
    assert repr(alert) == "Alert(UPDATE: 2 detectors, first neutrino 1970-01-01T00:00:01: JUNO, LZ)"
    flood = Alert(id="x", alert_type="UPDATE", detector_names=("LZ",) * 20_000)
    assert len(repr(flood)) < 200
    assert "no time" in repr(flood)


def test_it_is_frozen_and_its_dict_is_a_copy() -> None:
    """Nobody changes an alert for the other readers."""
    alert = make("UPDATE", content={"_id": "x"})
    alert.to_dict()["_id"] = "changed"
    assert alert.to_dict() == {"_id": "x"}
    with pytest.raises(ValidationError):
        alert.id = "changed"
