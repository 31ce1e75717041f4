"""The connection panel."""

from __future__ import annotations

import pytest
from alert_samples import open_stage
from widgets.panel_stage import rehearsal

from snews_drill.connection import Connection, open_connection
from snews_drill.errors import NameNotSet, NoAnswer
from snews_drill.profiles import LIVE_BROKER, get_profile
from snews_drill.rehearsal.broker import EmbeddedBroker
from snews_drill.settings import DrillSettings
from snews_drill.transport import Transport
from snews_drill.widgets import ConnectionPanel
from snews_drill.wire.dialects import get_dialect


def test_the_button_tests_the_connection(settings: DrillSettings) -> None:
    """The report is kept, and its latency is shown."""
    with rehearsal(settings) as connection:
        panel = ConnectionPanel(connection)
        assert repr(panel) == "ConnectionPanel(rehearsal, not tested)"
        panel.press_test()
        panel.join()
        assert panel.report
        assert "answered XENONnT" in panel.message
        assert f"{panel.report.milliseconds:.0f} ms" in panel.message
        assert repr(panel) == "ConnectionPanel(rehearsal, answered)"
        facts = panel._facts.value
        for text in (
            connection.broker,
            "snews.experiments-firedrill",
            "snews.alert-firedrill",
            "1.3",
            "this machine",
        ):
            assert text in facts
        assert "LIVE" not in facts


def test_without_a_drill_server_it_says_so(broker: EmbeddedBroker, settings: DrillSettings) -> None:
    """Reason and next step in the panel, an error for code, and the button works again."""
    named = settings.model_copy(update={"detector_name": "XENONnT"})
    with open_stage(broker.address, named, label="no_server") as stage:
        panel = ConnectionPanel(stage.connection)
        with pytest.raises(NoAnswer):
            panel.test(patience=0.3)
        assert "no drill server confirmed it" in panel.message
        assert "Next step" in panel.message
        assert not panel._test.disabled


def test_without_a_name_it_points_to_the_chooser(broker: EmbeddedBroker, settings: DrillSettings) -> None:
    """The chooser stands in the panel itself."""
    with open_stage(broker.address, settings, label="no_name") as stage:
        panel = ConnectionPanel(stage.connection)
        panel.press_test()
        panel.join()
        assert "Choose your detector above" in panel.message
        with pytest.raises(NameNotSet):
            panel.test()


def test_a_live_profile_is_marked_with_where_it_writes(settings: DrillSettings) -> None:
    """Before anything is sent; and showing it opens nothing."""
    transport = Transport(LIVE_BROKER)
    with Connection(get_profile("firedrill"), transport, get_dialect("3"), settings=settings) as live:
        facts = ConnectionPanel(live)._facts.value
        assert "LIVE" in facts
        assert f"kafka://{LIVE_BROKER}/snews.experiments-firedrill" in facts


def test_making_it_connects_to_nothing(monkeypatch: pytest.MonkeyPatch, settings: DrillSettings) -> None:
    """It shows what the settings name, and that there is no connection yet; a wrong profile is told, not raised."""
    monkeypatch.setenv("SNEWS_DRILL_HOME", str(settings.config_dir.parent))
    assert open_connection() is None
    panel = ConnectionPanel()
    assert "not connected yet" in panel._facts.value
    assert open_connection() is None
    assert repr(panel) == "ConnectionPanel(not connected, not tested)"
    monkeypatch.setenv("SNEWS_DRILL_PROFILE", "<b>nowhere</b>")
    panel.refresh()
    assert "There is no profile" in panel._facts.value
    assert "<b>nowhere" not in panel._facts.value


def test_a_closed_connection_is_shown_as_closed(broker: EmbeddedBroker, settings: DrillSettings) -> None:
    """The panel may outlive it."""
    with open_stage(broker.address, settings, label="closed") as stage:
        panel = ConnectionPanel(stage.connection)
    panel.refresh()
    assert "closed" in panel._facts.value
