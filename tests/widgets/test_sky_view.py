"""SkyView: the map follows the alerts, says what can be known, and leaves no figure and no thread behind."""

from __future__ import annotations

import sys
import threading
from types import SimpleNamespace

import pytest
from alert_samples import make_alert, open_stage
from waiting import wait_for

from snews_drill.errors import LocalizationError, SettingsError
from snews_drill.messages.alert import Alert
from snews_drill.rehearsal.broker import EmbeddedBroker
from snews_drill.settings import DrillSettings
from snews_drill.sky import arrival_times_ns
from snews_drill.widgets import SkyView

STAR = (88.79292, 7.40706, "Alf Ori")
NETWORK = ("JUNO", "XENONnT", "IceCube", "SNO+", "Super-K")
NS = 1_675_771_200 * 10**9


def alert_of(count: int, number: int | None = None) -> Alert:
    """Return the alert of the first detectors of the network, which point to the star."""
    times = arrival_times_ns(*STAR[:2], NS, NETWORK[:count])
    update = {"neutrino_times_ns": tuple(times.values())}
    return make_alert(count if number is None else number, NETWORK[:count]).model_copy(update=update)


def test_the_map_follows_as_detectors_join() -> None:
    """A ring, then one place that becomes smaller; each alert is a step."""
    alerts: list[Alert] = []
    view = SkyView(lambda: alerts, star=STAR, horizon_of=["XENONnT", "nobody"])
    view.refresh()
    assert "No alert yet" in view.message
    assert (view.svg, view.localization, view.steps) == ("", None, ())
    alerts.append(alert_of(2))
    view.refresh()
    assert view.localization is not None
    assert view.localization.ring is not None
    assert "The source lies around" in view.message
    assert "horizon of XENONnT" in view.svg
    assert "nobody" not in view.svg
    for count in (3, 4, 5):
        alerts.append(alert_of(count))
        view.refresh()
    assert [step.detectors for step in view.steps] == [2, 3, 4, 5]
    areas = [step.area_90_deg2 or 0 for step in view.steps]
    assert areas == sorted(areas, reverse=True)
    assert view.steps[-1].separation_deg == pytest.approx(0.0, abs=0.01)
    assert "Alf Ori is 0.00° away" in view.svg
    assert view.alert is alerts[-1]


def test_what_came_between_two_looks_is_a_step_too() -> None:
    alerts = [alert_of(count) for count in (2, 3, 4, 5)]
    view = SkyView(SimpleNamespace(alerts=alerts))
    view.refresh()
    assert [step.detectors for step in view.steps] == [2, 3, 4, 5]
    assert all(step.separation_deg is None for step in view.steps)


def test_a_flood_is_not_measured_alert_by_alert() -> None:
    """Of two thousand alerts the newest is drawn, and a few before it are measured."""
    alerts = [alert_of(4, number) for number in range(2000)]
    view = SkyView(lambda: alerts)
    view.refresh()
    assert len(view.steps) == 24
    assert view.alert is alerts[-1]


def test_nothing_is_drawn_twice() -> None:
    """The same alert in a new object, as a monitor's pictures hold it, is the same alert."""
    alert = alert_of(4)
    monitor = SimpleNamespace(picture=SimpleNamespace(alerts=[alert]))
    view = SkyView(monitor)
    view.refresh()
    first = view.localization
    assert first is not None
    monitor.picture = SimpleNamespace(alerts=[alert.model_copy()])
    view.refresh()
    assert view.localization is first
    as_travelled = {"_id": "a", "alert_type": "COINC_MSG", "detector_names": ["JUNO", "XENONnT"],
                    "neutrino_times": ["2023-02-07T12:00:00", "2023-02-07T12:00:00.026"]}  # fmt: skip
    view._alerts = lambda: [as_travelled]
    view.refresh()
    assert view.alert is as_travelled
    assert view.localization is not None
    assert view.localization.ring is not None


@pytest.mark.parametrize(
    ("names", "spread_ms", "said"),
    [
        (("JUNO",), 1.0, "withdrawn"),
        (("XENONnT", "LVD", "Borexino"), 0.0, "same site"),
        (("JUNO", "XENONnT"), 900.0, "light crosses the Earth"),
        (("JUNO", "<script>"), 1.0, "&lt;script&gt;"),
    ],
)
def test_what_cannot_be_known_is_said_and_no_old_map_stays(
    names: tuple[str, ...], spread_ms: float, said: str
) -> None:
    """A map of an earlier alert must not be taken for one of this alert."""
    times = tuple(NS + round(place * spread_ms * 1e6) for place in range(len(names)))
    alerts = [alert_of(4)]
    view = SkyView(lambda: alerts)
    view.refresh()
    assert view.svg
    alerts.append(make_alert(7, names).model_copy(update={"neutrino_times_ns": times}))
    view.refresh()
    assert (view.svg, view.localization) == ("", None)
    assert said in view.message
    assert "<script>" not in view.message + view._list.value


def test_it_follows_a_subscriber_of_its_own(broker: EmbeddedBroker, settings: DrillSettings) -> None:
    """Alerts that travelled through the broker appear by themselves, also those from before the start."""
    with open_stage(broker.address, settings, label="sky_view") as stage:
        stage.publish(alert_of(4))
        with SkyView(connection=stage.connection) as view:
            wait_for(lambda: view.localization is not None, "the map")
            stage.publish(alert_of(5))
            wait_for(lambda: [step.detectors for step in view.steps] == [4, 5], "the second step")
            assert view.is_running
            assert "following" in repr(view)
        assert not view.is_running
        assert "stopped" in repr(view)
        view.stop()


def test_a_second_view_of_a_source_stops_the_first() -> None:
    """A cell that is run twice follows once."""
    source = SimpleNamespace(alerts=[])
    first, second = SkyView(source), SkyView(source)
    with first:
        first.start()
        with second:
            assert not first.is_running
            assert [t.name for t in threading.enumerate() if "sky view" in t.name] == ["snews_drill sky view"]


def test_no_figure_is_made() -> None:
    """Drawing from a thread must not touch matplotlib, which the user's cells may be using."""
    view = SkyView(lambda: [alert_of(5)])
    before = "matplotlib.pyplot" in sys.modules
    view.refresh()
    assert view.svg.startswith("<svg")
    assert ("matplotlib.pyplot" in sys.modules) == before


def test_what_cannot_be_followed_is_refused() -> None:
    with pytest.raises(SettingsError, match="has no alerts"):
        SkyView(7)
    with pytest.raises(SettingsError, match="connection already"):
        SkyView(lambda: [], connection=object())  # type: ignore[arg-type]
    with pytest.raises(LocalizationError, match="no star"):
        SkyView(lambda: [], star="Alf Ori")
