"""The cells of a notebook that is left open for hours: alerts are read, saved and shown, heartbeats go out.

They run in a real kernel; only the browser is missing. What the callback notes lies in the file `heard.txt`: the time in ns,
and the p-values of the alert. `{arguments}` stands for what the place gives to `connect`.
"""

from __future__ import annotations

CELLS = (
    """
import time
from pathlib import Path
from snews_drill import Subscriber, connect, set_name
connection = connect({arguments})
set_name("XENONnT")
subscriber = Subscriber(outputfolder="alerts", max_alerts=1_000)
heard = Path("heard.txt").open("w", buffering=1)
remove = subscriber.on_alert(lambda alert: heard.write(f"{time.time_ns()} {max(alert.p_values)}\\n"))
_ = subscriber.subscribe()
""",
    """
from snews_drill.widgets.heartbeat_panel import HeartbeatPanel
heartbeats = HeartbeatPanel("XENONnT", every=0.1)
heartbeats.start()
heartbeats
""",
    """
from snews_drill.widgets.drill_guide import DrillGuide
guide = DrillGuide("betelgeuse", subscriber=subscriber)
guide.start()
guide
""",
    """
from snews_drill.widgets.alert_table import AlertTable
table = AlertTable(subscriber)
table.select(1)
table
""",
    """
from snews_drill.widgets.control_room import ControlRoom
room = ControlRoom(connection=connection)
room.start()
room
""",
)

STATE = """
print(subscriber.state.shown, subscriber.state.dropped, subscriber.state.unsaved, subscriber.state.callback_failures,
      subscriber.state.plugin_failures, heartbeats.state.acknowledged, heartbeats.state.missed)
"""

END = """
room.stop(); table.stop(); guide.stop(); heartbeats.stop(); subscriber.stop(); heard.close()
connection.close()
"""
