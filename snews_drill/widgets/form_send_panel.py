"""The lower end of the form: where messages would go, send, confirm, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import ipywidgets

from snews_drill.errors import DrillError
from snews_drill.transport import Receipt
from snews_drill.widgets.form_sending import Destination, Shown
from snews_drill.widgets.look import button, escaped, note


class SendPanel:
    """Buttons and their outcome.

    Parameters
    ----------
    on_send
        Called when the user wants to send.
    on_confirm
        Called when the user has read where the messages would go, and says yes.
    on_again
        Called when the same fields shall make new messages.
    on_clear
        Called when everything shall be emptied.
    """

    def __init__(
        self,
        *,
        on_send: Callable[[], None],
        on_confirm: Callable[[], None],
        on_again: Callable[[], None],
        on_clear: Callable[[], None],
    ) -> None:
        self.send_button = button("Send", "Send what the preview shows", on_send, style="primary")
        self.again_button = button(
            "Build again", "New messages from the same fields, with new stamps", on_again
        )
        self.clear_button = button("Clear", "Empty every field but the detector", on_clear)
        self.confirm_button = button("Yes, send it", "Send to the live broker", on_confirm, style="warning")
        self.decline_button = button("No, not now", "Send nothing", self.close_question)
        self.destination = ipywidgets.HTML(
            layout={"flex": "1 1 0", "min_width": "0", "margin": "2px 0 2px 12px"}
        )
        self.question_text = ipywidgets.HTML()
        self.question = ipywidgets.VBox(
            [self.question_text, ipywidgets.HBox([self.confirm_button, self.decline_button])],
            layout={"display": "none"},
        )
        self.question.add_class("sd-question")
        self.outcome = ipywidgets.HTML()
        buttons = ipywidgets.HBox(
            [self.send_button, self.again_button, self.clear_button, self.destination],
            layout={"align_items": "center", "flex_flow": "row wrap"},
        )
        self.widget = ipywidgets.VBox([buttons, self.question, self.outcome])

    def draw(self, shown: Shown, *, is_sent: bool) -> None:
        """Show where messages would go, and whether they can be sent."""
        count = len(shown.contents)
        ready = f"Send {count} message{'' if count == 1 else 's'}" if shown.built.is_ready else "Send"
        self.send_button.description = "Sent" if is_sent else ready
        self.send_button.disabled = is_sent
        self.again_button.layout.display = "flex" if is_sent else "none"
        self.destination.value = _destination_html(shown)

    def draw_receipts(self, tiers: Sequence[str], receipts: Sequence[Receipt]) -> None:
        """Show the broker's acknowledgements."""
        rows = "".join(
            f"<tr><td>{escaped(tier)}</td><td>{escaped(receipt.topic)}</td><td>{receipt.partition}</td>"
            f"<td>{receipt.offset}</td><td>{receipt.milliseconds:.1f}</td></tr>"
            for tier, receipt in zip(tiers, receipts, strict=True)
        )
        self.outcome.value = (
            f'<div role="status">{note("ok", _acknowledged(len(receipts)))}'
            '<table class="sd-table"><tr><th>message</th><th>topic</th><th>partition</th><th>offset</th><th>ms</th></tr>'
            f"{rows}</table>"
            '<div class="sd-quiet">The messages are in <code>form.msg.messages</code>.</div></div>'
        )

    def draw_error(self, error: DrillError) -> None:
        """Show what went wrong and what to do next; everything typed stays."""
        kept = len(getattr(error, "kept", ()))
        waiting = (
            note("info", f"{kept} message{'s wait' if kept != 1 else ' waits'} in the outbox: OutboxPanel()")
            if kept
            else ""
        )
        self.outcome.value = (
            f'<div role="alert">{note("error", error.reason)}{waiting}'
            f'<div class="sd-quiet">Next step: {escaped(error.next_step)}</div></div>'
        )

    def draw_busy(self, text: str) -> None:
        """Show that something is under way."""
        self.outcome.value = f'<div role="status">{note("info", text)}</div>'

    def forget_outcome(self) -> None:
        """Take the last outcome away."""
        self.outcome.value = ""

    def ask(self, shown: Shown) -> None:
        """Ask whether these messages may go to this live broker."""
        self.forget_outcome()
        tiers = [tier.value for tier in shown.built.tiers]
        count = len(tiers)
        self.question_text.value = (
            f'<div role="alert"><b>Send {count} message{"" if count == 1 else "s"} ({escaped(", ".join(tiers))})?</b><br>'
            f"Broker <code>{escaped(shown.destination.broker if shown.destination else '?')}</code>, "
            f"topic <code>{escaped(shown.destination.topic if shown.destination else '?')}</code>. "
            "This is a live broker: other people read what is sent there, and it cannot be unsent.</div>"
        )
        self.question.layout.display = "flex"

    def close_question(self) -> None:
        """Take the question away; nothing is sent."""
        self.question.layout.display = "none"


def _acknowledged(count: int) -> str:
    return f"{count} message{'' if count == 1 else 's'} sent and acknowledged by the broker."


def _destination_html(shown: Shown) -> str:
    if shown.destination is None:
        return note("error", str(shown.trouble)) if shown.trouble is not None else ""
    place: Destination = shown.destination
    broker = (
        f"<code>{escaped(place.broker)}</code>" if place.broker else "the rehearsal, started on first use"
    )
    live = '<span class="sd-pill sd-warning">live</span> ' if place.is_live else ""
    return (
        f'<span class="sd-remark">{live}to <code>{escaped(place.topic)}</code> on {broker} '
        f'<span class="sd-quiet">({escaped(place.profile_name)}, dialect {escaped(place.dialect_name)})</span></span>'
    )
