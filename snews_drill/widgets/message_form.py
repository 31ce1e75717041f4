"""MessageForm: one form for the five tiers. What is sent is what the preview shows."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import ipywidgets

from snews_drill.connection import Connection, open_connection
from snews_drill.errors import DrillError, InvalidMessage, Problem
from snews_drill.names import get_name
from snews_drill.publisher import SNEWSTiersPublisher, read_json_object
from snews_drill.transport import Receipt
from snews_drill.widgets.form_file import home_expanded, save_arguments
from snews_drill.widgets.form_file_panel import FilePanel
from snews_drill.widgets.form_preview import FormPreview
from snews_drill.widgets.form_send_flow import SendFlow
from snews_drill.widgets.form_sending import FormSender
from snews_drill.widgets.form_view import FormView
from snews_drill.widgets.look import panel
from snews_drill.widgets.message_draft import MessageDraft
from snews_drill.widgets.python_line import python_line


class MessageForm:
    """A form that fills, shows and sends a detector's messages.

    As fields are filled it shows which tiers arise and why, what is wrong beside its field, the exact messages, and the
    Python that does the same. Nothing is sent that was not on the screen; only `sent_time` is set anew on sending.
    Everything can be done from code as well.

    Parameters
    ----------
    detector_name
        Who sends; the remembered name by default.
    connection
        Where to send; the current connection by default.
    firedrill_mode
        True for the fire-drill topics, False for the test topics.
    is_test
        Whether messages are tests: times are then not compared with the clock.
    **initial
        What stands in the fields at first, by the publisher's argument names; other names become extra pairs.

    Examples
    --------
    >>> form = MessageForm("XENONnT", detector_status="ON")
    >>> form
    MessageForm(XENONnT: Heartbeat; 1 to send)
    """

    def __init__(
        self,
        detector_name: str | None = None,
        *,
        connection: Connection | None = None,
        firedrill_mode: bool = True,
        is_test: bool = False,
        **initial: Any,
    ) -> None:
        self.connection = connection
        self._draft = MessageDraft(connection)
        self._draft.put("detector_name", detector_name or _remembered(connection))
        self._draft.touched.clear()
        for name, value in {"firedrill_mode": firedrill_mode, "is_test": is_test, **initial}.items():
            self._draft.put(name, value)
        self._sender = FormSender(self._draft, connection)
        self._view = FormView(self._draft, self._changed)
        self._preview = FormPreview()
        self._flow = SendFlow(self._sender, redraw=self._draw, on_again=self._changed, on_clear=self.clear)
        self._file_panel = FilePanel(self.load, lambda path, overwrite: self.save(path, overwrite=overwrite))
        preview_title = ipywidgets.HTML(
            '<div class="sd-group"><span class="sd-group-title">Preview</span></div>'
        )
        lower_end = [self._view.summary, self._preview, self._flow.panel.widget, self._file_panel.widget]
        #: The ipywidgets box, to put it beside others.
        self.widget = panel([self._view.widget, preview_title, *lower_end], title="Message")
        self._draw()

    # What is in the form ------------------------------------------------------------------------------------------

    def __setitem__(self, name: str, value: Any) -> None:
        """Fill one field; "now" in a time becomes the time, None empties it."""
        self.set(**{name: value})

    def __getitem__(self, name: str) -> Any:
        """Return a field's value as it would be sent; None if there is none."""
        return self.values.get(name)

    def set(self, /, **values: Any) -> MessageForm:
        """Fill fields by the publisher's argument names; other names become extra pairs. Returns the form."""
        for name, value in values.items():
            self._draft.put(name, value)
        self._changed()
        return self

    def clear(self) -> None:
        """Empty every field but the detector."""
        self._draft.clear()
        self._changed()

    @property
    def values(self) -> dict[str, Any]:
        """The publisher's arguments: every field that is filled and can be read."""
        return self._draft.arguments()

    @property
    def problems(self) -> list[Problem]:
        """What is wrong, by field; remarks that do not stand against sending have `is_fatal` False."""
        return list(self._sender.shown.built.problems)

    @property
    def tiernames(self) -> list[str]:
        """The tiers that the filled fields mean, whether what stands there is right or not."""
        return [tier.value for tier in self._sender.shown.built.tiers]

    @property
    def msg(self) -> SNEWSTiersPublisher | None:
        """The publisher with the messages on the screen, sent or not; None while no message arises."""
        return self._sender.shown.built.publisher

    @property
    def receipts(self) -> list[Receipt]:
        """The broker's acknowledgements of the messages on the screen; empty before they are sent."""
        return list(self._sender.receipts)

    @property
    def python_line(self) -> str:
        """The line of Python that builds the same messages."""
        is_own = self.connection is not None and self.connection is not open_connection()
        return python_line(self.values, has_connection=is_own)

    def preview(self) -> list[dict[str, Any]]:
        """Return the messages as they would be sent, but for `sent_time`."""
        return copy.deepcopy(self._sender.shown.contents)

    # Sending ------------------------------------------------------------------------------------------------------

    def send(self, *, confirm: bool = True, timeout: float = 10.0) -> list[Receipt]:
        """Send what is on the screen.

        Parameters
        ----------
        confirm
            Whether to ask first on a live profile, and to stop when messages or destination changed since they were
            shown. With False they are shown as they are now, then sent.
        timeout
            Seconds to wait for the broker.

        Returns
        -------
        list of Receipt
            One per message: topic, partition, offset, milliseconds.

        Raises
        ------
        InvalidMessage
            If a field is wrong or no message arises.
        NotConfirmed
            If the user has to look or to say yes first; the form shows the question.
        TransportError
            If the broker does not take them. Everything typed stays.
        """
        return self._flow.send(confirm=confirm, timeout=timeout)

    # Files --------------------------------------------------------------------------------------------------------

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the fields to a JSON file, as `SNEWSTiersPublisher.from_json` reads it, and return its path.

        Parameters
        ----------
        path
            Where to.
        overwrite
            Whether a file of that name may be replaced.

        Raises
        ------
        InvalidMessage
            If a field cannot be read: it would be missing from the file.
        UnwritableFile
            If there is a file already and `overwrite` is False, or it cannot be written.
        """
        unreadable = self._draft.unreadable()
        if unreadable:
            raise InvalidMessage(unreadable)
        return save_arguments(path, self.values, overwrite=overwrite)

    def load(self, path: str | Path) -> MessageForm:
        """Fill the form from a JSON file; what was typed before is replaced. Returns the form.

        Raises
        ------
        UnreadableFile
            If it is missing, not JSON, or holds something else than an object; the form stays as it is.
        """
        content = read_json_object(home_expanded(path))
        self._draft.clear()
        for name, value in content.items():
            self._draft.put(name, value)
        self._changed()
        return self

    # The screen ---------------------------------------------------------------------------------------------------

    def _changed(self) -> None:
        self._flow.forget()
        self._sender.rebuild()
        self._draw()

    def _draw(self) -> None:
        shown = self._sender.shown
        self._view.draw(shown.built, is_sent=self._sender.is_sent)
        code = f"from snews_drill import SNEWSTiersPublisher\n\n{self.python_line}\nmsg.send_to_snews()"
        # While a field cannot be read the line would leave it out, and so not be the same.
        is_same = shown.built.publisher is not None and not self._draft.unreadable()
        self._preview.draw(shown, code if is_same else "")
        self._flow.panel.draw(shown, is_sent=self._sender.is_sent)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = self.widget._repr_mimebundle_(**kwargs)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data is not None:
            data["text/plain"] = repr(self)
        return bundle

    def __repr__(self) -> str:
        who = self._draft.texts["detector_name"].strip() or "no detector"
        tiers = ", ".join(self.tiernames) or "no tier"
        faults = len([problem for problem in self.problems if problem.is_fatal])
        wrong = f", {faults} to mend" if faults else ""
        state = "sent" if self._sender.is_sent else "to send"
        return f"MessageForm({who}: {tiers}; {len(self._sender.shown.contents)} {state}{wrong})"


def _remembered(connection: Connection | None) -> str | None:
    try:
        return get_name(connection.settings if connection is not None else None)
    except DrillError:
        return None  # the form asks for it
