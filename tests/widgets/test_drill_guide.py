"""The guide on screen: what is tested in tests/drill is only looked at here."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alert_samples import open_stage
from waiting import wait_for
from widgets.panel_stage import rehearsal

from snews_drill.connection import Connection
from snews_drill.errors import NoAnswer, NotPermitted, ScenarioError
from snews_drill.instructor import announce
from snews_drill.profiles import LIVE_BROKER, get_profile
from snews_drill.publisher import SNEWSTiersPublisher
from snews_drill.rehearsal.broker import EmbeddedBroker
from snews_drill.settings import DrillSettings
from snews_drill.transport import Transport
from snews_drill.widgets import ConnectionPanel, DrillGuide, HeartbeatPanel
from snews_drill.widgets.look import escaped
from snews_drill.wire.dialects import get_dialect


@pytest.fixture
def connection(settings: DrillSettings) -> Iterator[Connection]:
    with rehearsal(settings) as connection:
        yield connection


def test_a_drill_from_the_panels_ticks_every_step(connection: Connection) -> None:
    """Connection test, heartbeat, observation, the others, retraction: each tick is drawn with its time."""
    with DrillGuide(connection=connection) as guide:
        assert repr(guide) == "DrillGuide(1 of 7 steps done)"
        ConnectionPanel(connection).test()
        with HeartbeatPanel(every=3600, connection=connection):
            guide.wait_for("heartbeats")
        SNEWSTiersPublisher(
            neutrino_time=guide.neutrino_time, p_val=0.05, connection=connection, verbose=False
        ).send_to_snews(verbose=False)
        guide.wait_for("observation")
        guide.press_play()
        guide.join()
        assert "18 observations of 18 other detectors" in guide.message
        guide.wait_for("alert")
        SNEWSTiersPublisher(retract_latest=1, connection=connection, verbose=False).send_to_snews(
            verbose=False
        )
        guide.wait_for("retraction_alert")
    assert repr(guide) == "DrillGuide(7 of 7 steps done)"
    assert guide._list.value.count('aria-label="done"') == 7
    assert guide._list.value.count(" UTC</span>") == 7
    assert "not watching" in guide._head.value


def test_each_open_step_shows_what_to_call_and_what_to_look_at(
    broker: EmbeddedBroker, settings: DrillSettings
) -> None:
    """The hints are on screen; what to do when a step stays open is written at the next one, and opens at the others."""
    with open_stage(broker.address, settings, label="hints") as stage:
        guide = DrillGuide(detector="JUNO", connection=stage.connection)
        shown = guide._list.value
        assert shown.count("<code>") == 6
        assert shown.count("If it stays open: ") == 1
        assert shown.count("<summary>If it stays open</summary>") == 5
        assert all(escaped(step.if_open) in shown for step in guide.steps if not step.is_done)
        assert "test_connection(&quot;JUNO&quot;)" in shown
        with pytest.raises(NoAnswer, match="not running"):
            guide.wait_for("alert", timeout=0.05)


def test_what_the_instructor_announces_stands_above_the_steps(connection: Connection) -> None:
    """As text, and only what concerns this detector; it stays on screen when the guide stops."""
    with DrillGuide(detector="XENONnT", connection=connection) as guide:
        announce("We begin <b>now</b>", connection=connection, verbose=False)
        wait_for(lambda: "We begin" in guide.announced, "the announcement")
    assert "&lt;b&gt;now&lt;/b&gt;" in guide.announced
    assert guide.widget.children.index(guide._announced) < guide.widget.children.index(guide._list)


def test_start_and_stop_by_clicking(broker: EmbeddedBroker, settings: DrillSettings) -> None:
    """As by the methods; twice is harmless; no thread is left."""
    with open_stage(broker.address, settings, label="clicks") as stage:
        guide = DrillGuide(detector="JUNO", connection=stage.connection)
        guide.press_start()
        guide.join()
        assert guide.is_running
        wait_for(
            lambda: "watching" in guide._head.value and "not watching" not in guide._head.value, "the word"
        )
        guide.start()
        guide.press_start()
        assert not guide.is_running
        guide.stop()
        assert not [t for t in threading.enumerate() if t.name.startswith("snews_drill guide")]


def test_a_cell_that_is_run_twice_watches_once(broker: EmbeddedBroker, settings: DrillSettings) -> None:
    """The second guide of a detector stops the first."""
    with open_stage(broker.address, settings, label="twice") as stage:
        first = DrillGuide(detector="JUNO", connection=stage.connection)
        first.start()
        with DrillGuide(detector="JUNO", connection=stage.connection) as second:
            assert second.is_running
            assert not first.is_running
            assert [t.name for t in threading.enumerate()].count("snews_drill guide") == 1


def test_errors_are_shown_in_the_panel(settings: DrillSettings) -> None:
    """A live broker: the button is closed, and from code the error is raised and shown."""
    transport = Transport(LIVE_BROKER)
    with Connection(get_profile("firedrill"), transport, get_dialect("3"), settings=settings) as live:
        guide = DrillGuide(detector="JUNO", connection=live)
        assert guide._play.disabled
        assert "LIVE" in guide._head.value
        with pytest.raises(NotPermitted):
            guide.play_others()
        assert "Next step" in guide.message


def test_a_scenario_file_s_words_are_text(tmp_path: Path) -> None:
    """Somebody else may have written it."""
    file = tmp_path / "bad.toml"
    file.write_text(
        'title = "<script>1</script>"\ndescription = "<img src=x>"\nstart = "2023-02-07T12:00:00"\n'
        '[[observation]]\ndetector = "JUNO"\noffset_ms = 0.0\np_val = 0.05\n'
    )
    guide = DrillGuide(str(file), detector="JUNO")
    assert "&lt;script&gt;" in guide._head.value
    assert "<script" not in guide._head.value
    assert "<img" not in guide._head.value
    with pytest.raises(ScenarioError):
        DrillGuide("no such scenario")
