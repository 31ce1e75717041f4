"""The whole drill in one call: what it reports, and what it says when something is missing."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from broker_stand import Stand, open_connection_on
from messages_to_send import Alerts, observation, send_observations
from waiting import wait_for

from snews_drill.connection import Connection, connect, current_connection, open_connection
from snews_drill.drill.rehearse import rehearse
from snews_drill.drill.report import Step
from snews_drill.drill.scenarios import list_scenarios, load_scenario, play
from snews_drill.errors import NotPermitted, ScenarioError, UnknownDetector
from snews_drill.messages.alert import Alert
from snews_drill.names import get_name, set_name
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.launcher import ensure_rehearsal
from snews_drill.rehearsal.server import DrillServer
from snews_drill.settings import DrillSettings, load_settings

STEPS = [
    "connect",
    "set name",
    "test connection",
    "clear the cache",
    "heartbeats",
    "subscribe",
    "observations",
    "alerts",
    "retraction",
    "retraction alert",
]


@pytest.fixture(autouse=True)
def _home(settings: DrillSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This user's folders are those of `settings`; nothing stays current."""
    monkeypatch.setenv("SNEWS_DRILL_HOME", str(tmp_path / "home"))
    for name in ("SNEWS_DRILL_PROFILE", "SNEWS_DRILL_NAME", "SNEWS_DRILL_ADMIN_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    yield
    connection = open_connection()
    if connection is not None:
        connection.close()


def test_the_tutorials_drill_from_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """Every step, nineteen detectors, the retraction; nothing is printed, and the report is as documented."""
    steps: list[Step] = []
    alerts: list[Alert] = []
    report = rehearse(on_step=steps.append, on_alert=alerts.append)
    assert report, report.steps
    assert [step.name for step in report.steps] == [step.name for step in steps] == STEPS
    assert report.detector == "XENONnT"
    assert len(report.detectors) == 19
    assert report.detectors[0] == "JUNO"
    content = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert list(content) == ["ok", "steps", "alerts", "detectors", "alert_latency_ms"]
    assert content["ok"] is True
    assert all(list(step) == ["name", "ok", "ms"] and step["ok"] for step in content["steps"])
    kinds = [alert["alert_type"] for alert in content["alerts"]]
    assert kinds == ["COINC_MSG"] * 18 + ["RETRACTION"]
    assert [alert.id for alert in alerts] == [alert["_id"] for alert in content["alerts"]]
    assert "XENONnT" not in content["alerts"][-1]["detector_names"]
    assert len(report.latencies_ms) == 18
    assert 0 < (content["alert_latency_ms"]["p50"] or 0) <= (content["alert_latency_ms"]["max"] or 0) < 10_000
    # False-alarm probability: all nineteen had sent a heartbeat.
    assert all("%" in alert["False Alarm Prob"] for alert in content["alerts"][:18])
    assert capfd.readouterr() == ("", "")
    assert open_connection() is None
    assert get_name(load_settings()) == "XENONnT"


def test_two_in_a_row_in_one_rehearsal_do_not_see_each_others_alerts() -> None:
    """The second one clears the cache and counts its own alerts only."""
    with connect() as connection:
        first, second = rehearse(), rehearse()
        assert current_connection() is connection
    assert first, first.steps
    assert second, second.steps
    assert len(first.alerts) == len(second.alerts) == 19
    assert not {a["_id"] for a in first.alerts} & {a["_id"] for a in second.alerts}
    assert first.broker == second.broker
    assert min(second.latencies_ms) > 0


def test_another_open_connection_of_the_same_rehearsal_sees_the_alerts() -> None:
    """Somebody who watches meanwhile gets what the drill gets, and stays connected when it is over."""
    with connect() as watching:
        alerts = Alerts(watching)
        report = rehearse("simple-coincidence")
        alerts.wait_for(len(report.alerts))
        assert alerts.read == [dict(alert) for alert in report.alerts]
        assert watching.is_open
        alerts.close()


def test_a_live_connection_that_is_current_is_left_alone(
    broker: Stand, settings: DrillSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rehearsal never speaks for others on a live broker, and does not take the user's connection away."""
    import snews_drill.connection as connection_module

    with open_connection_on(broker, settings) as live:
        live.profile = live.profile.model_copy(update={"is_live": True})
        connection_module._current.set(live)
        report = rehearse("exact-10s")
        assert report, report.steps
        assert report.broker != live.broker
        assert open_connection() is live
        with pytest.raises(NotPermitted, match="live broker"):
            rehearse(connection=live)


@pytest.mark.parametrize("name", [s.name for s in list_scenarios() if s.name != "betelgeuse"])
def test_every_other_scenario_can_be_rehearsed(
    name: str, connection: Connection, server: DrillServer
) -> None:
    """Against any server; one that should give no alert is confirmed to give none."""
    report = rehearse(name, connection=connection)
    assert report, report.steps
    assert bool(report.alerts) == (name not in ("same-message-twice", "same-detector-within-1s"))
    assert connection.is_open


def test_others_may_take_part_at_the_same_time(connection: Connection, server: DrillServer) -> None:
    """On a shared broker the groups are larger than the scenario says; that is no failure."""
    scenario = load_scenario("exact-10s")
    zero = scenario.start_ns + round((scenario.events[0].offset_ms + 1000) * 1e6)
    send_observations(connection, observation("LVD", zero, is_test=True))
    wait_for(lambda: server.status.counts.get("CoincidenceTier"), "the other's observation")
    report = rehearse(scenario, connection=connection)
    assert report, report.steps
    assert "LVD" in report.detectors


def test_the_users_own_detector_takes_its_part_and_is_remembered(
    connection: Connection, server: DrillServer
) -> None:
    report = rehearse("exact-10s", "DUNE", connection=connection)
    assert report, report.steps
    assert report.detector == "DUNE"
    assert report.alerts[-1]["detector_names"] == ["XENONnT"]
    assert 'detector_name = "DUNE"' in connection.settings.config_file.read_text()


def test_without_rights_an_earlier_rehearsal_is_in_the_way_and_that_is_told(
    connection: Connection, server: DrillServer
) -> None:
    """The same observations make no new alert; the report says who can help."""
    with_part = play(load_scenario("exact-10s"), connection)
    wait_for(lambda: server.status.counts.get("CoincidenceTier") == len(with_part), "the earlier rehearsal")
    report = rehearse("exact-10s", connection=connection, patience=1)
    assert (report.steps[-1].name, report.steps[-1].ok) == ("alerts", False)
    assert "instructor reset the cache" in report.steps[-1].detail


def test_what_cannot_be_played_is_told_before_anything_starts(settings: DrillSettings) -> None:
    with pytest.raises(ScenarioError, match="no scenario"):
        rehearse("there-is-none")
    with pytest.raises(UnknownDetector):
        rehearse(detector="Nobody")
    with pytest.raises(ScenarioError, match="LVD has no part"):
        rehearse("exact-10s", "LVD")
    assert not settings.runtime_dir.exists()


def test_without_a_server_the_step_fails_with_the_reason(connection: Connection) -> None:
    """The report says which step, why and what next; nothing is sent in anybody's name."""
    report = rehearse(connection=connection, patience=0.5)
    assert not report
    assert [step.name for step in report.steps] == ["connect", "set name", "test connection"]
    assert [step.ok for step in report.steps] == [True, True, False]
    assert "no drill server confirmed" in report.steps[-1].detail
    assert "Next step" in report.steps[-1].detail
    assert report.to_dict()["steps"][-1]["problem"] == report.steps[-1].detail
    assert report.alerts == ()


def test_a_rehearsal_whose_server_keeps_failing_says_so(settings: DrillSettings) -> None:
    with ensure_rehearsal(settings, server_command=(sys.executable, "-c", "raise SystemExit(7)")):
        report = rehearse(patience=4)
    assert not report
    assert "died 6 times" in report.steps[-1].detail


def test_a_rehearsal_that_cannot_start_fails_at_its_first_step(settings: DrillSettings) -> None:
    settings.runtime_dir.parent.mkdir(parents=True)
    settings.runtime_dir.write_text("in the way")
    report = rehearse()
    assert [(step.name, step.ok) for step in report.steps] == [("connect", False)]
    assert report.broker == ""
    settings.runtime_dir.unlink()


def test_server_that_is_gone_in_the_middle_fails_that_step(connection: Connection, archive: Archive) -> None:
    server = DrillServer(connection, archive).start()

    def stop_before_observations(step: Step) -> None:
        if step.name == "subscribe":
            server.stop()

    began = time.monotonic()
    report = rehearse("exact-10s", connection=connection, on_step=stop_before_observations, patience=1)
    assert time.monotonic() - began < 10
    assert (report.steps[-1].name, report.steps[-1].ok) == ("alerts", False)
    assert "Waited 1 s for 1 alerts" in report.steps[-1].detail


def test_broker_that_is_gone_in_the_middle_fails_that_step(
    stand: Stand, settings: DrillSettings, archive: Archive
) -> None:
    with open_connection_on(stand, settings) as connection, DrillServer(connection, archive):

        def kill_before_observations(step: Step) -> None:
            if step.name == "subscribe":
                stand.kill()

        report = rehearse("exact-10s", connection=connection, on_step=kill_before_observations, patience=1)
        assert (report.steps[-1].name, report.steps[-1].ok) == ("observations", False)
        assert "not acknowledged" in report.steps[-1].detail


@pytest.mark.parametrize("given", [None, "LVD"])
def test_who_has_no_part_stays_who_he_is(given: str | None) -> None:
    """Another one's part is played then, and not remembered; a detector that is named is."""
    set_name("HALO", verbose=False)
    report = rehearse("false-alarm", given)
    assert report, report.steps
    assert get_name() == (given or "HALO")
    detail = report.steps[1].detail
    assert detail == (
        "You are LVD" if given else "HALO has no part in false-alarm: you play XENONnT, and stay HALO"
    )
