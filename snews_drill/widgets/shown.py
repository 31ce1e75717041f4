"""What every panel has in common: it holds a box, and shows it where a cell ends with the panel."""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Hashable, Sequence
from typing import Any, Protocol

import ipywidgets

from snews_drill.announcements import announcement_text
from snews_drill.connection import Connection
from snews_drill.errors import DrillError
from snews_drill.messages.announcement import Announcement
from snews_drill.widgets.look import escaped, note, pill

#: Announcements that stand above a panel's content, the newest.
_ANNOUNCED = 3


class Shown:
    """Shows the ipywidgets box in `widget` with the panel's own repr as its text.

    Attributes
    ----------
    widget : ipywidgets.Widget
        The box, to be put into a layout of your own.
    """

    widget: ipywidgets.Widget

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = self.widget._repr_mimebundle_(**options)
        return {**bundle, "text/plain": repr(self)} if bundle is not None else None


def error_html(error: DrillError) -> str:
    """Return an error with its next step, as HTML."""
    return f'{note("error", error.reason)}<div class="sd-note">Next step: {escaped(error.next_step)}</div>'


def announced_html(announcements: Sequence[Announcement]) -> str:
    """Return the newest announcements, one line each, as HTML."""
    return "".join(
        note("warning" if said.kind == "not joined" else "info", announcement_text(said))
        for said in announcements[-_ANNOUNCED:]
    )


def place_html(connection: Connection | None, topic: str | None = None) -> str:
    """Return where something is written, and whether other people read it, as HTML; "" without a connection."""
    if connection is None:
        return ""
    url = connection.url(topic or connection.topics().observations)
    if connection.profile.is_live:
        return f"{pill('warning', 'LIVE: others read it')} writes to <code>{escaped(url)}</code>"
    return f"{pill('quiet', connection.profile.name)} writes to <code>{escaped(url)}</code>"


class _Stoppable(Protocol):
    def stop(self) -> None:
        """End what runs."""


_running: weakref.WeakValueDictionary[Hashable, Any] = weakref.WeakValueDictionary()
_lock = threading.Lock()


def take_over(key: Hashable, panel: _Stoppable) -> None:
    """Stop the panel that ran under this key before: the cell that made it was run again, or somebody made a second one.

    Parameters
    ----------
    key
        What there should be one of, such as the heartbeats of one detector on one connection.
    panel
        Who runs from now on.
    """
    with _lock:
        before = _running.get(key)
        _running[key] = panel
    if before is not None and before is not panel:
        with contextlib.suppress(DrillError):  # what ended the earlier one is no fault of this one
            before.stop()
