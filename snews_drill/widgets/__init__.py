"""Views for notebooks: forms, live tables, guides. They hold no logic of their own; each is loaded when it is first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snews_drill.widgets.alert_table import AlertTable
    from snews_drill.widgets.connection_panel import ConnectionPanel
    from snews_drill.widgets.control_room import ControlRoom
    from snews_drill.widgets.credentials_form import CredentialsForm
    from snews_drill.widgets.doctor_panel import DoctorPanel
    from snews_drill.widgets.drill_guide import DrillGuide
    from snews_drill.widgets.heartbeat_panel import HeartbeatPanel
    from snews_drill.widgets.message_form import MessageForm
    from snews_drill.widgets.name_chooser import NameChooser
    from snews_drill.widgets.outbox_panel import OutboxPanel
    from snews_drill.widgets.sky_view import SkyView

__all__ = [
    "AlertTable",
    "ConnectionPanel",
    "ControlRoom",
    "CredentialsForm",
    "DoctorPanel",
    "DrillGuide",
    "HeartbeatPanel",
    "MessageForm",
    "NameChooser",
    "OutboxPanel",
    "SkyView",
]

_HOMES = {
    "AlertTable": "alert_table",
    "ConnectionPanel": "connection_panel",
    "ControlRoom": "control_room",
    "CredentialsForm": "credentials_form",
    "DoctorPanel": "doctor_panel",
    "DrillGuide": "drill_guide",
    "HeartbeatPanel": "heartbeat_panel",
    "MessageForm": "message_form",
    "NameChooser": "name_chooser",
    "OutboxPanel": "outbox_panel",
    "SkyView": "sky_view",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'snews_drill.widgets' has no attribute {name!r}")
    value = getattr(import_module(f"snews_drill.widgets.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
