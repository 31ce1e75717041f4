"""AlertTable: the alerts of a subscriber as a live table in the notebook."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import ipywidgets

from snews_drill.background import Startable
from snews_drill.errors import SettingsError
from snews_drill.subscriber import Subscriber
from snews_drill.widgets.alert_export import save_alerts
from snews_drill.widgets.alert_view import AlertView
from snews_drill.widgets.hooks import replace_earlier

if TYPE_CHECKING:
    from snews_drill.connection import Connection

#: More rows than this make the browser slow; `Subscriber.to_dataframe` has them all.
MAX_ROWS = 2_000


class AlertTable(Startable):
    """A live table of alerts, newest first. Make it the last line of a cell; the notebook stays free.

    Tables of one subscriber are views of the same: shown twice, or the cell run again, there is still one thread, one
    choice of a row, and no alert comes twice. A cell that makes a new subscriber each time it is run stops the one before.

    Parameters
    ----------
    subscriber
        Whose alerts to show. By default one that all tables of this notebook share, which listens after `start`.
    connection
        Where that one listens; the current connection by default. Only without a subscriber.
    rows
        The most rows to show, the newest ones; all that are in memory are in `subscriber.to_dataframe()`.

    Attributes
    ----------
    subscriber : Subscriber
        Whose alerts.

    Raises
    ------
    SettingsError
        If `rows` is not between 1 and 2,000, or both a subscriber and a connection are given.

    Examples
    --------
    >>> table = AlertTable(subscriber)  # doctest: +SKIP
    >>> table  # doctest: +SKIP
    AlertTable(listening: 3 alerts)
    """

    def __init__(
        self, subscriber: Subscriber | None = None, *, connection: Connection | None = None, rows: int = 300
    ) -> None:
        if not 1 <= rows <= MAX_ROWS:
            raise SettingsError(
                f"rows={rows} cannot be shown.", next_step=f"Give a number between 1 and {MAX_ROWS:,}."
            )
        if subscriber is not None and connection is not None:
            raise SettingsError(
                "A subscriber has its connection already.", next_step="Give the subscriber or the connection."
            )
        self.subscriber = subscriber if subscriber is not None else _own_subscriber(connection)
        self._view = _view_of(self, rows)

    @property
    def widget(self) -> ipywidgets.Widget:
        """The ipywidgets box, to be put into a layout of your own."""
        return self._view.box

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows on screen, newest first, as `alert_to_row` makes them; a list of your own."""
        return list(self._view.grid.rows)

    @property
    def state(self) -> str:
        """What is said of the connection and the counters, as HTML."""
        return self._view.state

    @property
    def announced(self) -> str:
        """What was announced last, as HTML; "" for nothing."""
        return self._view.announced

    @property
    def message(self) -> str:
        """What the last button said, as HTML; "" for nothing."""
        return self._view.message

    @property
    def details(self) -> str:
        """What is shown of the alert that was chosen, as HTML; "" for nothing."""
        return self._view.details

    @property
    def is_running(self) -> bool:
        """Whether the subscriber listens, or tries to."""
        return self.subscriber.is_running

    def start(self) -> None:
        """Listen; harmless when it does already. Raises as `Subscriber.start` does."""
        replace_earlier(self.subscriber)
        try:
            self.subscriber.start()
        finally:
            self._view.refresh()

    def stop(self, timeout: float = 1.0) -> None:
        """Stop listening and drawing; harmless when it does not. The alerts stay on screen.

        Parameters
        ----------
        timeout
            Seconds to wait for the threads.
        """
        try:
            self.subscriber.stop(timeout)
        finally:
            self._view.stop(timeout)

    def clear(self) -> None:
        """Forget the alerts in memory; the counters go on, and saved alerts stay on disk."""
        self.subscriber.clear()
        self.select(0)
        self._view.draw_now()

    def select(self, number: int) -> None:
        """Show an alert below the table, as a click on its row does; 0 for none."""
        self._view.grid.selected = number

    def save(self, kind: Literal["csv", "json"] = "csv", folder: str | Path = ".") -> Path:
        """Write all alerts in memory to a new file and return its path; no file is overwritten.

        Parameters
        ----------
        kind
            "csv" for spreadsheets, "json" for everything as it travelled.
        folder
            Where; the working folder by default.

        Raises
        ------
        SettingsError
            If the folder cannot be written, or there is no such kind.
        """
        return save_alerts(self.subscriber.snapshot(), kind, Path(folder))

    def press(self, button: Literal["start", "stop", "clear", "csv", "json"]) -> None:
        """Press a button; what goes wrong is shown in the table, as for a click."""
        self._view.press(button)

    def close(self) -> None:
        """Stop drawing and take the table from the screen. The subscriber goes on as it was."""
        with _lock:
            if _views.get(self.subscriber) is self._view:
                del _views[self.subscriber]
        self._view.close()

    def __repr__(self) -> str:
        state = self.subscriber.state
        return f"AlertTable({state.phase}: {state.shown} alert{'' if state.shown == 1 else 's'})"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        replace_earlier(self.subscriber)
        self._view.refresh()
        bundle = self._view.box._repr_mimebundle_(**options)
        return {**bundle, "text/plain": repr(self)} if bundle is not None else None

    def _actions(self) -> dict[str, Callable[[], str | None]]:
        return {
            "start": self.start,
            "stop": self.stop,
            "clear": self.clear,
            "csv": lambda: f"Saved as {self.save('csv').name}",
            "json": lambda: f"Saved as {self.save('json').name}",
        }


_lock = threading.RLock()
_views: weakref.WeakKeyDictionary[Subscriber, AlertView] = weakref.WeakKeyDictionary()
_own: weakref.WeakKeyDictionary[Connection, Subscriber] = weakref.WeakKeyDictionary()
_unnamed: list[Subscriber] = []


def _view_of(table: AlertTable, rows: int) -> AlertView:
    """Return the view of a table's subscriber, made if need be; the rows asked for last are shown."""
    with _lock:
        view = _views.get(table.subscriber)
        if view is None:
            view = AlertView(table.subscriber, rows, table._actions())
            table._view = view
            _views[table.subscriber] = view
        view.max_rows = rows
        return view


def _own_subscriber(connection: Connection | None) -> Subscriber:
    """Return the subscriber of tables that were given none: a cell that runs again makes no second one."""
    with _lock:
        if connection is not None:
            return _own.setdefault(connection, Subscriber(connection=connection))
        if not _unnamed:
            _unnamed.append(Subscriber())
        return _unnamed[0]
