"""The heartbeat panel."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator

import pytest
from alert_samples import Stage, open_stage
from waiting import AT_ONCE_SEC, wait_for

from snews_drill.errors import InvalidMessage, NameNotSet, SettingsError
from snews_drill.rehearsal.broker import EmbeddedBroker
from snews_drill.settings import DrillSettings
from snews_drill.widgets import HeartbeatPanel


@pytest.fixture
def stage(broker: EmbeddedBroker, settings: DrillSettings, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A connection on topics of this test's own, for a user who is XENONnT."""
    label = re.sub(r"\W", "_", request.node.name)[:60]
    named = settings.model_copy(update={"detector_name": "XENONnT"})
    with open_stage(broker.address, named, label=label) as stage:
        yield stage


def test_it_sends_counts_and_draws(stage: Stage) -> None:
    """What the broker acknowledged is shown with its latency; the plot holds one point per heartbeat that was seen."""
    with HeartbeatPanel(every=0.2, connection=stage.connection) as panel:
        assert repr(panel) == "HeartbeatPanel(XENONnT sends ON every 0.2 s)"
        wait_for(lambda: len(panel.latencies_ms) >= 3, "three latencies")
        assert "sending ON" in panel._counts.value
        assert stage.observation_topic in panel._counts.value
        assert panel._every.disabled
    assert repr(panel) == "HeartbeatPanel(XENONnT stopped every 0.2 s)"
    assert not panel._every.disabled
    shown = panel._plot.value
    assert shown.count("<circle") == len(panel.latencies_ms)
    assert f"Latency of {len(panel.latencies_ms)} heartbeats" in shown
    assert f"{panel.state.acknowledged} of {panel.state.sent}" in panel._counts.value


def test_start_and_stop_twice_are_harmless(stage: Stage) -> None:
    """One sender thread and one drawing thread, and none afterwards."""
    panel = HeartbeatPanel(every=3600, connection=stage.connection)
    panel.stop()
    panel.start()
    panel.start()
    assert _threads() == ["snews_drill heartbeat panel", "snews_drill heartbeats"]
    panel.stop()
    panel.stop()
    assert _threads() == []


def test_a_cell_that_is_run_twice_sends_once(stage: Stage) -> None:
    """The second panel of the same detector stops the first; another detector's goes on."""
    other = HeartbeatPanel("JUNO", every=3600, connection=stage.connection)
    other.start()
    first = HeartbeatPanel(every=3600, connection=stage.connection)
    first.start()
    with HeartbeatPanel(every=3600, connection=stage.connection) as second:
        assert second.is_running
        assert not first.is_running
        assert other.is_running
        assert _threads().count("snews_drill heartbeats") == 2
    other.stop()


def test_the_buttons_do_what_the_methods_do(stage: Stage) -> None:
    """Start, status and stop by clicking; the status is sent at once."""
    panel = HeartbeatPanel(every=3600, connection=stage.connection)
    panel.press()
    wait_for(lambda: panel.state.acknowledged == 1, "the first heartbeat")
    panel._status.value = "OFF"
    wait_for(lambda: panel.state.acknowledged == 2, "the one that says OFF")
    assert panel.status == "OFF"
    panel.status = "on"
    assert panel._status.value == "ON"
    with pytest.raises(InvalidMessage):
        panel.status = "BROKEN"
    panel.press()
    assert not panel.is_running


def test_the_pace_may_be_changed_while_it_is_stopped(stage: Stage) -> None:
    """And is the sender's from then on."""
    panel = HeartbeatPanel(every=3600, connection=stage.connection)
    panel._every.value = 0.1
    assert panel.every == 0.1
    with panel:
        wait_for(lambda: panel.state.acknowledged >= 3, "three heartbeats")
    with pytest.raises(SettingsError):
        HeartbeatPanel(every=0)


@pytest.mark.parametrize("every", [0.01, 0.1, 86_400])
def test_the_pace_that_code_chose_is_the_one_on_screen(stage: Stage, every: float) -> None:
    """Also beyond what can be chosen by clicking."""
    panel = HeartbeatPanel(every=every, connection=stage.connection)
    assert panel.every == panel._every.value == every


def test_without_a_name_it_says_what_to_do(stage: Stage, settings: DrillSettings) -> None:
    """In the panel for a click, as an error for code; no thread is left."""
    stage.connection._settings = settings
    panel = HeartbeatPanel(connection=stage.connection)
    panel.press()
    wait_for(lambda: panel.message, "the error")
    assert "Next step" in panel.message
    with pytest.raises(NameNotSet):
        panel.start()
    assert not panel.is_running
    panel.stop()


def test_an_outage_is_shown_and_its_end(settings: DrillSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gap is listed and shaded; when heartbeats go through again it has an end."""
    monkeypatch.setattr("snews_drill.heartbeats._PATIENCE_SEC", 0.3)
    with (
        EmbeddedBroker() as broker,
        open_stage(broker.address, settings) as stage,
        HeartbeatPanel("JUNO", every=0.2, connection=stage.connection) as panel,
    ):
        wait_for(lambda: panel.latencies_ms, "a heartbeat")
        broker.stop()
        wait_for(lambda: "it goes on trying" in panel._counts.value, "the outage on screen")
        wait_for(lambda: "<rect" in panel._plot.value, "the gap in the plot")
        broker.start()
        stage.make_topics()
        wait_for(lambda: " missed from " in panel._counts.value, "the end of the outage on screen")
        assert sum(gap.count for gap in panel.missed) == panel.state.missed


def test_it_draws_rarely(stage: Stage) -> None:
    """A panel that shows nothing new sends nothing to the page; twenty heartbeats a second are two drawings."""
    with HeartbeatPanel(every=0.05, connection=stage.connection) as panel:
        changes: list[object] = []
        panel._counts.observe(changes.append, "value")
        begun = time.monotonic()
        wait_for(lambda: panel.state.acknowledged >= 30, "thirty heartbeats")
        assert len(changes) <= 2 * (time.monotonic() - begun) + 2
    changes.clear()
    for _ in range(5):
        panel._draw()
    assert changes == []


def test_stop_is_quick_when_the_broker_is_away(settings: DrillSettings) -> None:
    """A heartbeat that nobody acknowledges does not hold it up."""
    with EmbeddedBroker() as broker, open_stage(broker.address, settings) as stage:
        panel = HeartbeatPanel("JUNO", every=3600, connection=stage.connection)
        broker.stop()
        panel.start()
        begun = time.monotonic()
        panel.stop()
        assert time.monotonic() - begun < AT_ONCE_SEC


def _threads() -> list[str]:
    return sorted(t.name for t in threading.enumerate() if t.name.startswith("snews_drill heart"))


def test_while_it_sends_it_shows_what_its_sender_does_whatever_was_chosen_since(
    broker: EmbeddedBroker, settings: DrillSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another connection became the current one and another detector the remembered one."""
    xenon, juno = (settings.model_copy(update={"detector_name": name}) for name in ("XENONnT", "JUNO"))
    with (
        open_stage(broker.address, xenon, label="first") as first,
        open_stage(broker.address, juno, label="other") as other,
    ):
        current = [first.connection]
        monkeypatch.setattr("snews_drill.heartbeats.current_connection", lambda: current[0])
        monkeypatch.setattr("snews_drill.widgets.heartbeat_panel.open_connection", lambda: current[0])
        monkeypatch.setattr("snews_drill.widgets.heartbeat_panel.get_name", lambda _: "JUNO")
        with HeartbeatPanel(every=0.2) as panel:
            wait_for(lambda: panel.state.acknowledged, "a heartbeat")
            current[0] = other.connection
            beats = panel.state.acknowledged
            wait_for(lambda: panel.state.acknowledged > beats, "another heartbeat")
            panel._draw()
            assert repr(panel) == "HeartbeatPanel(XENONnT sends ON every 0.2 s)"
            assert first.observation_topic in panel._counts.value
            assert other.observation_topic not in panel._counts.value


def test_another_spelling_is_the_same_detector(stage: Stage) -> None:
    first = HeartbeatPanel("sk", every=3600, connection=stage.connection)
    first.start()
    with HeartbeatPanel("Super-K", every=3600, connection=stage.connection) as second:
        assert not first.is_running
        assert second.is_running
