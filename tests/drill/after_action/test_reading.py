"""From archive to report: which archive is read, what is found in it, and what is said when there is none."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from snews_drill.connection import connect
from snews_drill.drill.after_action import UNKNOWN_SENDER, AfterActionReport, after_action
from snews_drill.drill.after_action.reading import archive_path
from snews_drill.drill.rehearse import rehearse
from snews_drill.errors import ArchiveError, DrillError, ScenarioError
from snews_drill.messages.tiers import Tier
from snews_drill.rehearsal.archive import Archive
from snews_drill.settings import DrillSettings

Tell = Callable[..., AfterActionReport]
Message = Callable[..., bytes]


def test_a_rehearsal_is_reported_while_it_runs_and_after_it_ended(settings: DrillSettings) -> None:
    """All that the rehearsal did is in the report; the archive of an ended rehearsal is found again."""
    settings = settings.model_copy(update={"detector_name": "XENONnT"})
    with connect(settings=settings) as connection:
        assert rehearse(connection=connection)
        report = after_action(connection=connection)
        path = archive_path(None, connection)
    assert {row.detector for row in report.detectors if row.was_heard} == {
        r.detector for r in report.detectors
    }
    assert len(report.detectors) == 19
    assert [len(alert.detector_names) for alert in report.alerts] == [*range(2, 20), 18]
    row = next(row for row in report.detectors if row.detector == "XENONnT")
    assert (row.connection_tests, row.observations, row.retractions) == (1, 1, 1)
    assert row.heartbeats >= 1
    assert row.offset_ms == pytest.approx(0.0, abs=1e-3)
    assert report.separation_deg is not None
    assert report.separation_deg < 1.0
    assert all(alert.acknowledged_ns is not None for alert in report.alerts)
    from snews_drill.rehearsal.launcher import stop_rehearsal

    stop_rehearsal(settings)
    assert archive_path("rehearsal", settings=settings) == path
    again = after_action(path)
    assert again.detectors == report.detectors


def test_the_example_is_complete(example: AfterActionReport) -> None:
    """People and virtual detectors, refusals, repetitions, remarks, a correction and a retraction."""
    rows = {row.detector: row for row in example.detectors}
    assert rows["LZ"].played_by == "virtual detector"
    assert rows["JUNO"].played_by == "person"
    assert rows["JUNO"].observations == 2
    assert rows["DS-20K"].offset_ms == pytest.approx(5.72, abs=0.01)
    assert rows["LVD"].heartbeat_latency_p50_ms == pytest.approx(-114, abs=2)
    assert rows["NOvA"].on_share == pytest.approx(42 / 54)
    assert rows["Super-K"].heartbeat_gap_sec == pytest.approx(110, abs=0.1)
    assert rows["XENONnT"].retraction_reason == "practising the retraction"
    assert not rows["Borexino"].was_heard
    assert [problem.count for problem in example.unknown_senders] == [3, 1]
    assert example.alerts[-1].is_withdrawal
    assert example.alerts[-1].cause == "XENONnT"
    assert {alert.cause for alert in example.alerts} <= set(rows)


def test_alerts_know_what_caused_them_and_how_long_it_took(tell: Tell, message: Message) -> None:
    """Of two observations the second causes the alert; the first one's detector waited for it."""
    first = message(Tier.COINCIDENCE, "LVD", 10.0, neutrino_time="2026-03-14T15:00:05", p_val=0.1)
    second = message(Tier.COINCIDENCE, "JUNO", 12.0, neutrino_time="2026-03-14T15:00:05.01", p_val=0.1)
    report = tell((10.0, first, 4.0), (12.0, second, 6.0))
    (alert,) = report.alerts
    assert alert.cause == "JUNO"
    assert alert.latency_ms is not None
    assert 8.0 <= alert.latency_ms < 100.0
    rows = {row.detector: row for row in report.detectors}
    assert rows["JUNO"].caused_alert
    assert not rows["LVD"].caused_alert
    assert rows["LVD"].alert_latency_ms == pytest.approx(2000 + alert.latency_ms)
    assert rows["LVD"].observation_latency_ms == pytest.approx(4.0, abs=0.01)


def test_a_period_leaves_the_rest_out(tell: Tell, message: Message) -> None:
    early = message(Tier.HEARTBEAT, "LVD", 10.0, detector_status="ON")
    late = message(Tier.HEARTBEAT, "JUNO", 100.0, detector_status="ON")
    sent = ((10.0, early, 1.0), (100.0, late, 1.0))
    assert [row.detector for row in tell(*sent).detectors] == ["LVD", "JUNO"]
    assert [r.detector for r in tell(*sent, since="2026-03-14T15:00:30").detectors] == ["JUNO"]
    assert [r.detector for r in tell(*sent, until="2026-03-14T15:00:30Z").detectors] == ["LVD"]
    assert tell(*sent, since="2027-01-01", until=10**30).is_empty
    with pytest.raises(DrillError, match=r"2026-13-01.*is no time"):
        tell(*sent, since="2026-13-01")


def test_an_empty_archive_is_a_report_that_says_so(archive: Archive) -> None:
    report = after_action(archive)
    assert report.is_empty
    assert report.detectors == report.alerts == report.timeline == report.problems == ()
    assert "no alert names three" in report.map_remark
    assert "Nothing was received" in report._repr_html_()
    assert len(report.to_dataframe()) == 0
    # With a scenario, those who were expected are named.
    expected = after_action(archive, scenario="simple-coincidence")
    assert [(row.detector, row.was_heard) for row in expected.detectors] == [
        ("DS-20K", False),
        ("XENONnT", False),
    ]
    assert expected.detectors[0].problems[0].text == "Nothing of it was accepted."


def test_what_a_stranger_says_about_scenarios_is_never_a_file(
    tell: Tell, message: Message, tmp_path: Path
) -> None:
    """A message that names a path as its scenario has no file opened."""
    trap = tmp_path / "trap.toml"
    os.mkfifo(trap)  # whoever opens it waits for ever
    content = message(
        Tier.COINCIDENCE, "LVD", 10.0, neutrino_time="2026-03-14T15:00:05", meta={"scenario": str(trap)[:80]}
    )
    report = tell((10.0, content, 1.0))
    assert report.scenario.scenario is None


def test_records_of_strangers_are_theirs_only_as_far_as_can_be_told(tell: Tell) -> None:
    known = b'{"_id": "13_Heartbeat_x", "detector_name": "JUNO", "detector_status": 7}'
    report = tell((1.0, known, 1.0), (2.0, b"\x80\x04\x95", 1.0), (3.0, b"[]", 1.0))
    assert [problem.sender for problem in report.problems] == ["JUNO", UNKNOWN_SENDER, UNKNOWN_SENDER]
    text = report.detectors[0].problems[0].text
    assert text == (
        "A heartbeat was refused: machine_time: is missing; detector_status: 7 is of type int, not a text."
    )


def test_without_the_archive_it_is_said_whom_to_ask(settings: DrillSettings, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="no archive"):
        archive_path(None, settings=settings)
    with pytest.raises(ArchiveError, match="There is no archive"):
        after_action(tmp_path / "nowhere.sqlite3")
    Archive(tmp_path / "a" / "archive.sqlite3").close()
    with pytest.raises(ScenarioError):
        after_action(tmp_path / "a", scenario="no-such-scenario")
