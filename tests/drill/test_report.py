"""The report of a rehearsal: as an object, as JSON, as HTML."""

from __future__ import annotations

import json

from snews_drill.drill.report import RehearsalReport, Step


def report(*steps: Step, **more: object) -> RehearsalReport:
    return RehearsalReport("betelgeuse", "XENONnT", "127.0.0.1:1", steps, **more)  # type: ignore[arg-type]


def test_json_form_is_as_documented() -> None:
    """Exactly these keys, in this order."""
    done = report(
        Step("connect", True, 12.34567),
        alerts=({"_id": "a"},),
        detectors=("JUNO", "LVD"),
        latencies_ms=(1.0, 2.0, 9.0),
    )
    content = done.to_dict()
    assert list(content) == ["ok", "steps", "alerts", "detectors", "alert_latency_ms"]
    assert content == {
        "ok": True,
        "steps": [{"name": "connect", "ok": True, "ms": 12.346}],
        "alerts": [{"_id": "a"}],
        "detectors": ["JUNO", "LVD"],
        "alert_latency_ms": {"p50": 2.0, "max": 9.0},
    }
    assert json.loads(json.dumps(content, allow_nan=False)) == content


def test_a_failed_step_makes_it_false_and_says_why() -> None:
    failed = report(Step("connect", True, 1), Step("alerts", False, 2, "Nobody answers.\n  Next step: wait."))
    assert not failed
    assert not failed.ok
    assert failed.to_dict()["steps"][1]["problem"].startswith("Nobody answers.")
    assert "not ok, 1 of 2 steps" in repr(failed)


def test_without_steps_and_alerts_it_is_not_ok() -> None:
    empty = report()
    assert not empty
    assert empty.to_dict()["alert_latency_ms"] == {"p50": None, "max": None}


def test_html_escapes_what_came_from_outside() -> None:
    shown = report(Step("<b>step</b>", False, 1, "<script>alert(1)</script>"))._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "<b>step</b>" not in shown
