"""From the click on "Send" to the receipts: ask where it matters, send what was shown, say what became of it."""

from __future__ import annotations

from collections.abc import Callable

from snews_drill.errors import DrillError, NotConfirmed
from snews_drill.transport import Receipt
from snews_drill.widgets.form_send_panel import SendPanel
from snews_drill.widgets.form_sending import FormSender, Shown

#: How long a click waits for the broker, in seconds.
PATIENCE_SEC = 10.0


class SendFlow:
    """The send panel and what its buttons do.

    Parameters
    ----------
    sender
        Builds, shows and sends.
    redraw
        Draws the form anew.
    on_again
        Called when the same fields shall make new messages.
    on_clear
        Called when everything shall be emptied.
    """

    def __init__(
        self,
        sender: FormSender,
        *,
        redraw: Callable[[], None],
        on_again: Callable[[], None],
        on_clear: Callable[[], None],
    ) -> None:
        self._sender = sender
        self._redraw = redraw
        self._asked: Shown | None = None
        self.panel = SendPanel(
            on_send=self._clicked, on_confirm=self._confirmed, on_again=on_again, on_clear=on_clear
        )
        self.panel.decline_button.on_click(lambda _: self.forget())

    def send(self, *, confirm: bool, timeout: float) -> list[Receipt]:
        """Send what is on the screen; see `MessageForm.send`."""
        self._sender.draft.ask()
        self._close_question()
        try:
            if not confirm:
                self._sender.show_changes()
            shown = self._sender.check()
            if confirm and shown.destination is not None and shown.destination.is_live:
                self._asked = shown
                self._redraw()
                self.panel.ask(shown)
                raise NotConfirmed(
                    f"Nothing was sent yet: {shown.destination} is live.",
                    next_step="Confirm in the form, or call form.send(confirm=False).",
                )
            return self._deliver(shown, timeout)
        except DrillError as error:
            if self._asked is None:
                self._redraw()
                self.panel.draw_error(error)
            raise

    def forget(self) -> None:
        """Take question and outcome away: the form has changed."""
        self._close_question()
        self.panel.forget_outcome()

    def _deliver(self, shown: Shown, timeout: float) -> list[Receipt]:
        self.panel.draw_busy(f"Sending to {shown.destination} …")
        receipts = self._sender.send(shown, timeout=timeout)
        self._redraw()
        self.panel.draw_receipts([tier.value for tier in self._sender.shown.built.tiers], receipts)
        return receipts

    def _clicked(self) -> None:
        if self._sender.is_sent:  # the second half of a double click
            return
        try:
            self.send(confirm=True, timeout=PATIENCE_SEC)
        except DrillError:
            return  # it stands in the panel

    def _confirmed(self) -> None:
        shown = self._asked
        if shown is None:
            return
        self._close_question()
        try:
            self._deliver(shown, PATIENCE_SEC)
        except DrillError as error:
            self._redraw()
            self.panel.draw_error(error)

    def _close_question(self) -> None:
        self._asked = None
        self.panel.close_question()
