"""The text of everything public: a cell's stored output is compared with it, so it must be telling and always the same."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable

import pytest
from alert_samples import make_alert, open_stage

import snews_drill
from snews_drill import widgets
from snews_drill.connection import Connection
from snews_drill.rehearsal.broker import EmbeddedBroker
from snews_drill.settings import DrillSettings

CLASSES = [
    thing
    for module in (snews_drill, widgets)
    for thing in (getattr(module, name) for name in module.__all__)
    if inspect.isclass(thing)
]

#: One line: its name, and in brackets what is to be said of it; no memory address, no markup.
TELLING = re.compile(r"\w+\([^<>\n]+\)")

PANELS: dict[str, Callable[[Connection], object]] = {
    "AlertTable": lambda connection: widgets.AlertTable(connection=connection),
    "ConnectionPanel": widgets.ConnectionPanel,
    "ControlRoom": widgets.ControlRoom,
    "CredentialsForm": lambda _: widgets.CredentialsForm(),
    "DoctorPanel": lambda _: widgets.DoctorPanel(),
    "DrillGuide": lambda connection: widgets.DrillGuide(detector="JUNO", connection=connection),
    "HeartbeatPanel": lambda connection: widgets.HeartbeatPanel("JUNO", connection=connection),
    "MessageForm": lambda connection: widgets.MessageForm("JUNO", connection=connection),
    "NameChooser": lambda _: widgets.NameChooser(),
    "OutboxPanel": lambda connection: widgets.OutboxPanel(connection=connection),
    "SkyView": lambda _: widgets.SkyView(list),
}


@pytest.mark.parametrize("thing", CLASSES, ids=lambda thing: thing.__name__)
def test_every_public_class_has_a_text_of_its_own(thing: type) -> None:
    """Written by hand: neither Python's own with an address, nor every field of a model."""
    home = next(base for base in thing.__mro__ if "__repr__" in vars(base))
    assert home.__module__.startswith("snews_drill.")
    assert inspect.isfunction(home.__repr__)


@pytest.mark.parametrize("name", widgets.__all__)
def test_a_panel_s_text_is_what_a_notebook_stores(
    name: str, broker: EmbeddedBroker, settings: DrillSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of a kind say the same, beside the box that the page shows."""
    monkeypatch.setenv("SNEWS_DRILL_HOME", str(settings.config_dir.parent))
    with open_stage(broker.address, settings, label=f"text_{name}") as stage:
        first, second = PANELS[name](stage.connection), PANELS[name](stage.connection)
        assert TELLING.fullmatch(repr(first))
        assert repr(first) == repr(second)
        bundle = first._repr_mimebundle_()  # type: ignore[attr-defined]
        assert bundle["text/plain"] == repr(first)
        assert "application/vnd.jupyter.widget-view+json" in bundle


def test_an_alert_s_text_is_one_line() -> None:
    assert TELLING.fullmatch(repr(make_alert()))
