"""An alert as people like to read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from snews_drill.cli.text import visible
from snews_drill.messages.alert import Alert, AlertType
from snews_drill.messages.visible import counted

_STYLES = {
    AlertType.COINC_MSG: "bold green",
    AlertType.COINC_MSG_STAGGERED: "bold yellow",
    AlertType.UPDATE: "bold cyan",
    AlertType.RETRACTION: "bold red",
}

#: Longer lists are cut where they are shown.
_MAX_ENTRIES = 60


def alert_style(alert: Alert) -> str:
    """Return the style of an alert's type."""
    kind = alert.kind
    return _STYLES[kind] if kind is not None else "bold magenta"


class AlertLines:
    """Tells alerts in one line each: what was added or taken away since the alert that is most like it."""

    def __init__(self) -> None:
        self._told: list[tuple[str, ...]] = []

    def line(self, alert: Alert) -> Text:
        """Return an alert in one line."""
        names = alert.detector_names
        before = max(self._told, key=lambda other: len(set(other) & set(names)), default=())
        if set(before) & set(names):
            self._told.remove(before)  # the newest alert of a group stands for it
            parts = (
                ("+ ", [name for name in names if name not in before]),
                ("- ", [name for name in before if name not in names]),
            )
            change = (
                "; ".join(sign + _listed(some) for sign, some in parts if some) or "new times or p-values"
            )
        else:
            change = _listed(names)
        self._told = [*self._told, names][-_MAX_ENTRIES:]
        line = Text(f"{visible(alert.alert_type, limit=60):<10}", style=alert_style(alert))
        return line.append(f" {counted(len(names), 'detector'):>12}  {change}", style="default not bold")


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(visible(name, limit=40) for name in names[:_MAX_ENTRIES])
    return shown + (f", … ({len(names) - _MAX_ENTRIES} more)" if len(names) > _MAX_ENTRIES else "")


def alert_panel(alert: Alert) -> Panel:
    """Return an alert with all that it says, as it travelled."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    for key, value in list(alert.content.items())[:_MAX_ENTRIES]:
        style = alert_style(alert) if key == "alert_type" else ""
        grid.add_row(Text(visible(key, limit=60)), Text(_shown(value), style=style))
    title = Text(f"SNEWS alert: {visible(alert.alert_type, limit=60)}", style=alert_style(alert))
    return Panel(grid, title=title, title_align="left", border_style=alert_style(alert))


def _shown(value: Any) -> str:
    if isinstance(value, list):
        shown = ", ".join(visible(entry, limit=200) for entry in value[:_MAX_ENTRIES])
        return shown + (f", … ({len(value) - _MAX_ENTRIES} more)" if len(value) > _MAX_ENTRIES else "")
    return "-" if value is None else visible(value)
