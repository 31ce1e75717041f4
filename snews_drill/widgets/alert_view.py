"""What is on screen of one subscriber. However often its table is shown, there is one of these, and one thread."""

from __future__ import annotations

import json
import threading
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import ipywidgets

from snews_drill.announcements import AnnouncementListener
from snews_drill.errors import DrillError
from snews_drill.inbox import ReceivedAlert
from snews_drill.messages.visible import visible
from snews_drill.widgets.alert_grid import AlertGrid
from snews_drill.widgets.alert_rows import alert_details, alert_to_row, counters_text, state_text
from snews_drill.widgets.look import close_all, escaped, note, panel, pill
from snews_drill.widgets.refresh import Refresher
from snews_drill.widgets.shown import announced_html

if TYPE_CHECKING:
    from snews_drill.subscriber import Subscriber

#: Bytes a second that a table sends to the browser, on average. Jupyter's server drops what exceeds 1 MB/s.
_BYTES_PER_SEC = 200_000

_REFRESH_SEC = 0.25

_BUTTONS = {
    "start": ("Start", "Listen for alerts"),
    "stop": ("Stop", "Stop listening; the alerts stay"),
    "clear": ("Clear", "Forget the alerts in memory; saved ones stay on disk"),
    "csv": ("Save as CSV", "Write the alerts in memory to a new CSV file in this folder"),
    "json": ("Save as JSON", "Write the alerts in memory to a new JSON file in this folder"),
}


class AlertView:
    """The widgets of a subscriber's table, and the thread that keeps them up to date while it listens.

    Parameters
    ----------
    subscriber
        Whose alerts.
    rows
        The most rows to show.
    actions
        What each button does: "start", "stop", "clear", "csv", "json". Returns a sentence to show, or None.
    """

    def __init__(
        self, subscriber: Subscriber, rows: int, actions: dict[str, Callable[[], str | None]]
    ) -> None:
        self.max_rows = rows
        self._subscriber = subscriber
        self._actions = actions
        self._lock = threading.RLock()
        self._shown: list[ReceivedAlert] = []
        self._made: dict[int, dict[str, Any]] = {}
        self._not_before = 0.0
        self._refresher = Refresher(self._draw, every=_REFRESH_SEC, name="alert table")
        self.grid = AlertGrid()
        self._state = ipywidgets.HTML()
        self._announced = ipywidgets.HTML()
        self._announcements: AnnouncementListener | None = None
        self._message = ipywidgets.HTML()
        self._details = ipywidgets.HTML()
        self.buttons = {name: self._button(name) for name in _BUTTONS}
        self.grid.observe(self._show_details, "selected")
        bar = ipywidgets.HBox(list(self.buttons.values()), layout={"flex_flow": "row wrap"})
        parts = [
            ipywidgets.HTML(_STYLE),
            self._state,
            self._announced,
            bar,
            self._message,
            self.grid,
            self._details,
        ]
        self.box = panel(parts, title="Alerts")
        self._unhook = subscriber.on_start(_weakly(self))
        self.refresh()

    def refresh(self) -> None:
        """Show how things are now, and go on showing it while the subscriber listens."""
        self.draw_now()
        if self._subscriber.is_running:
            self._listen()
            self._refresher.start()

    def _listen(self) -> None:
        """Listen for announcements as long as the subscriber does for alerts."""
        connection = self._subscriber.connection
        if self._announcements is not None and self._announcements.connection is not connection:
            self._announcements.stop()
            self._announcements = None
        if self._announcements is None and connection is not None:
            self._announcements = AnnouncementListener(
                connection, firedrill_mode=self._subscriber.firedrill_mode
            )
        if self._announcements is not None:
            self._announcements.start()

    def draw_now(self) -> None:
        """Show how things are now."""
        self._not_before = 0.0
        self._draw()

    def stop(self, timeout: float = 1.0) -> None:
        """End the thread, having shown how things are."""
        if self._announcements is not None:
            self._announcements.stop(timeout)
        self._refresher.stop(timeout)
        self.draw_now()

    def close(self) -> None:
        """End the thread and take the widgets from the screen."""
        self._unhook()
        if self._announcements is not None:
            self._announcements.stop()
        self._refresher.stop()
        close_all(self.box)

    @property
    def is_drawing(self) -> bool:
        """Whether its thread runs."""
        return self._refresher.is_running

    @property
    def state(self) -> str:
        """The state and the counters on screen, as HTML."""
        return str(self._state.value)

    @property
    def announced(self) -> str:
        """The announcements on screen, as HTML."""
        return str(self._announced.value)

    @property
    def message(self) -> str:
        """What is said below the buttons, as HTML."""
        return str(self._message.value)

    @property
    def details(self) -> str:
        """What is shown of the chosen alert, as HTML."""
        return str(self._details.value)

    def say(self, kind: Literal["ok", "error"], text: str) -> None:
        """Show a sentence below the buttons; "" for none."""
        self._message.value = note(kind, text) if text else ""

    def press(self, name: str) -> None:
        """Do what a button does, and show what came of it; an error as its reason and next step."""
        try:
            self.say("ok", self._actions[name]() or "")
        except DrillError as error:
            self.say("error", visible(f"{error.reason} Next step: {error.next_step}", 600))
        except Exception as error:  # noqa: BLE001 - a button's boundary: it must not end in the kernel's log
            self.say("error", visible(f"{type(error).__name__}: {error}", 600))
        self.refresh()

    def _button(self, name: str) -> ipywidgets.Button:
        text, tooltip = _BUTTONS[name]
        button = ipywidgets.Button(description=text, tooltip=tooltip, layout={"width": "auto"})
        button.on_click(lambda _: self.press(name))
        return button

    def _draw(self) -> None:
        with self._lock:
            self._draw_state()
            if time.monotonic() >= self._not_before:
                self._draw_rows()
        if not self._subscriber.is_running and self._refresher.is_running:
            self._draw_last()

    def _draw_last(self) -> None:
        """End the thread: nothing changes any more. Start it again should the subscriber begin meanwhile."""
        self._not_before = 0.0
        with self._lock:
            self._draw_state()
            self._draw_rows()
        if self._announcements is not None:
            self._announcements.stop()
        self._refresher.stop()
        if self._subscriber.is_running:
            self._listen()
            self._refresher.start()

    def _draw_state(self) -> None:
        state = self._subscriber.state
        kind, word, more = state_text(state, self._subscriber.url)
        counters = counters_text(state, self.max_rows)
        self._state.value = (
            f'<div role="status">{pill(kind, word)} <span class="sd-quiet">{escaped(more)}</span></div>'
            f'<div class="sd-counters">{escaped(counters)}</div>'
        )
        if self._announcements is not None:
            lines = announced_html(self._announcements.announcements)
            if lines != self._announced.value:
                self._announced.value = lines
        self.buttons["start"].disabled = self._subscriber.is_running
        self.buttons["stop"].disabled = not self._subscriber.is_running

    def _draw_rows(self) -> None:
        newest = self._subscriber.snapshot(self._subscriber.state.shown - self.max_rows)[-self.max_rows :]
        if [entry.number for entry in newest] == [entry.number for entry in self._shown]:
            return
        self._made = {entry.number: self._made.get(entry.number) or alert_to_row(entry) for entry in newest}
        self._shown = newest
        rows = [self._made[entry.number] for entry in reversed(newest)]
        self.grid.rows = rows
        # What is sent has about this size: the pause that follows keeps the average.
        self._not_before = time.monotonic() + len(json.dumps(rows)) / _BYTES_PER_SEC

    def _show_details(self, change: dict[str, Any]) -> None:
        number = change["new"]
        entry = next(iter(self._subscriber.snapshot(number - 1)), None) if number > 0 else None
        if entry is not None and entry.number == number:
            self._details.value = alert_details(entry)
        else:
            self._details.value = (
                note("quiet", f"Alert {number} is no longer in memory.") if number > 0 else ""
            )
        self.grid.detailed = number


def _weakly(view: AlertView) -> Callable[[Any], None]:
    """Return a callback that refreshes a view without keeping it."""
    reference = weakref.ref(view)

    def refresh(_: Any) -> None:
        alive = reference()
        if alive is not None:
            alive.refresh()

    return refresh


_STYLE = """<style>
.snews-drill .sd-counters { font-variant-numeric: tabular-nums; padding: 2px 0 4px 0; }
.snews-drill .sd-details { display: flex; flex-wrap: wrap; gap: 24px; align-items: flex-start; padding-top: 8px; }
.snews-drill .sd-details > div { flex: 1 1 420px; min-width: 0; overflow-wrap: anywhere; }
</style>"""
