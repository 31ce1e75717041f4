"""snews_drill: a Jupyter-first kit for SNEWS fire drills.

Importing it starts nothing, reads no environment and writes no file; each name is loaded when it is first used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snews_drill.connection import Connection, connect, current_connection
    from snews_drill.drill.after_action import AfterActionReport, after_action
    from snews_drill.drill.rehearse import RehearsalReport, rehearse
    from snews_drill.heartbeats import HeartbeatSender
    from snews_drill.messages.alert import Alert
    from snews_drill.names import get_name, set_name
    from snews_drill.outbox import Outbox
    from snews_drill.publisher import SNEWSTiersPublisher
    from snews_drill.remote import display_heartbeats, get_feedback, reset_cache, test_connection
    from snews_drill.sky import localize
    from snews_drill.subscriber import Subscriber

__version__ = "0.1.0"

__all__ = [
    "AfterActionReport",
    "Alert",
    "Connection",
    "HeartbeatSender",
    "Outbox",
    "RehearsalReport",
    "SNEWSTiersPublisher",
    "Subscriber",
    "after_action",
    "connect",
    "current_connection",
    "display_heartbeats",
    "get_feedback",
    "get_name",
    "localize",
    "rehearse",
    "reset_cache",
    "set_name",
    "test_connection",
]

_HOMES = {
    "AfterActionReport": "drill.after_action",
    "Alert": "messages.alert",
    "Connection": "connection",
    "HeartbeatSender": "heartbeats",
    "Outbox": "outbox",
    "RehearsalReport": "drill.rehearse",
    "SNEWSTiersPublisher": "publisher",
    "Subscriber": "subscriber",
    "after_action": "drill.after_action",
    "connect": "connection",
    "current_connection": "connection",
    "display_heartbeats": "remote",
    "get_feedback": "remote",
    "get_name": "names",
    "localize": "sky",
    "rehearse": "drill.rehearse",
    "reset_cache": "remote",
    "set_name": "names",
    "test_connection": "remote",
}


def __getattr__(name: str) -> Any:
    # Loaded on first use (PEP 562): the supervisor and `--help` must not pay for Kafka and pandas.
    if name not in _HOMES:
        raise AttributeError(f"module 'snews_drill' has no attribute {name!r}")
    value = getattr(import_module(f"snews_drill.{_HOMES[name]}"), name)
    globals()[name] = value
    if "ipykernel" in sys.modules:
        # In a notebook, plain calls show views: set_name() a chooser, subscribe() a table, long waits a bar.
        import_module("snews_drill.widgets.hooks").install()
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
