"""What no broker acknowledged, with buttons that send it and drop it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets

from snews_drill.connection import Connection
from snews_drill.errors import DrillError
from snews_drill.html_views import dispatch_html, outbox_html
from snews_drill.messages.visible import counted, visible
from snews_drill.outbox import DispatchReport, Outbox, OutboxEntry
from snews_drill.settings import DrillSettings
from snews_drill.widgets.errand import Errand
from snews_drill.widgets.look import button, escaped, note, panel
from snews_drill.widgets.shown import Shown, error_html

#: The choice that stands for everything.
_ALL = ""


class OutboxPanel(Shown):
    """Shows the messages that wait in the outbox, sends them where they were meant to go, or drops them.

    Making it reads the folder and sends nothing. Before anything is dropped, or goes to a live broker, it asks.

    Parameters
    ----------
    settings
        The user's settings; read from file and environment by default.
    connection
        Used for messages that were meant for its broker; without it, the current one or one made for the time.

    Examples
    --------
    >>> OutboxPanel()  # doctest: +SKIP
    OutboxPanel(nothing waits)
    """

    def __init__(
        self, *, settings: DrillSettings | None = None, connection: Connection | None = None
    ) -> None:
        if settings is None and connection is not None:
            settings = connection.settings
        self._outbox = Outbox(settings=settings)
        self._connection = connection
        self._entries: list[OutboxEntry] = []
        self._agreed: Callable[[], object] | None = None
        self._errand = Errand("snews_drill outbox errand", self._show_error)
        self._list, self._said, self._question = (ipywidgets.HTML() for _ in range(3))
        self._choice = ipywidgets.Dropdown(description="Which", layout={"width": "min(100%, 420px)"})
        self._buttons = {
            "send": button("Send", "Send it where it was meant to go", self._want_to_send, style="primary"),
            "drop": button("Drop", "Remove it for good", self._want_to_drop),
            "refresh": button("Look again", "Read the folder again", self._look_again),
        }
        self._answers = {
            "yes": button("Yes", "Do it", self._agree, style="warning"),
            "no": button("No", "Leave everything as it is", self._close_question),
        }
        self._asking = ipywidgets.VBox(
            [self._question, ipywidgets.HBox(list(self._answers.values()))], layout={"display": "none"}
        )
        self._asking.add_class("sd-question")
        row = ipywidgets.HBox([self._choice, *self._buttons.values()], layout={"flex_flow": "row wrap"})
        self.widget = panel([self._list, row, self._asking, self._said], title="Outbox")
        self.refresh()

    @property
    def entries(self) -> list[OutboxEntry]:
        """What is shown, the oldest first."""
        return list(self._entries)

    @property
    def message(self) -> str:
        """What the last button said, as HTML; "" for nothing."""
        return str(self._said.value)

    @property
    def question(self) -> str:
        """What is asked before it is done, as HTML; "" while nothing is."""
        return str(self._question.value)

    def refresh(self) -> None:
        """Show the outbox as it is now."""
        try:
            self._entries = self._outbox.entries
            self._list.value = outbox_html(self._outbox)
        except DrillError as error:
            self._entries = []
            self._list.value = error_html(error)
        chosen = self._choice.value
        self._choice.options = [
            (f"All {len(self._entries)}" if self._entries else "nothing", _ALL),
            *map(_option, self._entries),
        ]
        self._choice.value = chosen if chosen in {entry.id for entry in self._entries} else _ALL
        for name in ("send", "drop"):
            self._buttons[name].disabled = not self._entries

    def send(self, *entry_ids: str, timeout: float = 10.0) -> DispatchReport:
        """Send what waits, each message where it was first meant to go; what became of it is shown.

        Parameters
        ----------
        *entry_ids
            Which; all by default.
        timeout
            Seconds to wait for each place.

        Raises
        ------
        OutboxError
            If there is no such entry, or another program is sending from the outbox.
        """
        self._said.value = note("quiet", "Sending …")
        try:
            report = self._outbox.send(*entry_ids, connection=self._connection, timeout=timeout)
        except DrillError as error:
            self._show_error(error)
            raise
        self.refresh()
        self._said.value = f'<div role="status">{dispatch_html(report)}</div>'
        return report

    def drop(self, *entry_ids: str) -> list[OutboxEntry]:
        """Remove entries for good, all that are not being sent if none is named, and return them.

        Raises
        ------
        OutboxError
            If there is no such entry, or another program is sending from the outbox.
        """
        try:
            dropped = self._outbox.drop(*entry_ids) if entry_ids else self._outbox.drop_all()
        except DrillError as error:
            self._show_error(error)
            raise
        self.refresh()
        self._said.value = note("ok", f"{counted(len(dropped), 'message')} dropped.")
        return dropped

    def choose(self, entry_id: str = _ALL) -> None:
        """Choose the entry that the buttons are for; all of them by default."""
        self._choice.value = entry_id

    def press(self, name: str) -> None:
        """Press a button: "send", "drop", "refresh", "yes" or "no"; what takes time is done in the background."""
        {**self._buttons, **self._answers}[name].click()

    def join(self, timeout: float = 15.0) -> None:
        """Wait until what a button began is over, at most `timeout` seconds."""
        self._errand.join(timeout)

    def __repr__(self) -> str:
        count = len(self._entries)
        waiting = (
            f"{counted(count, 'message')} {'waits' if count == 1 else 'wait'}" if count else "nothing waits"
        )
        return f"OutboxPanel({waiting})"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        self.refresh()
        return super()._repr_mimebundle_(**options)

    def _chosen(self) -> list[OutboxEntry]:
        return [entry for entry in self._entries if self._choice.value in (_ALL, entry.id)]

    def _want_to_send(self) -> None:
        chosen = self._chosen()
        ids = [entry.id for entry in chosen]
        live = sorted({entry.broker for entry in chosen if entry.is_live})
        if live:
            warning = "Other people read what is sent there, and it cannot be unsent."
            self._ask(
                f"Send {counted(len(ids), 'message')}, some to {', '.join(live)}?",
                warning,
                lambda: self.send(*ids),
            )
        elif ids:
            self._errand.run(lambda: self.send(*ids))

    def _want_to_drop(self) -> None:
        ids = [entry.id for entry in self._chosen()]
        if ids:
            self._ask(
                f"Drop {counted(len(ids), 'message')}?", "What is dropped is gone.", lambda: self.drop(*ids)
            )

    def _look_again(self) -> None:
        self._said.value = ""
        self._close_question()
        self.refresh()

    def _ask(self, question: str, warning: str, do: Callable[[], object]) -> None:
        self._said.value = ""
        self._agreed = do
        self._question.value = f'<div role="alert"><b>{escaped(question)}</b> {escaped(warning)}</div>'
        self._asking.layout.display = "flex"

    def _agree(self) -> None:
        do = self._agreed
        self._close_question()
        if do is not None:
            self._errand.run(do)

    def _close_question(self) -> None:
        self._agreed = None
        self._question.value = ""
        self._asking.layout.display = "none"

    def _show_error(self, error: DrillError) -> None:
        self.refresh()
        self._said.value = error_html(error)


def _option(entry: OutboxEntry) -> tuple[str, str]:
    return visible(f"{entry.id[:8]} {entry.detector_name} {entry.tier}", 80), entry.id
