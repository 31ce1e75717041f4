"""Extra key/value pairs of the message form: rows that come and go."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import ipywidgets

from snews_drill.widgets.form_remarks import Remark
from snews_drill.widgets.form_rows import BUTTON_WIDTH, LABEL_WIDTH, remark_html
from snews_drill.widgets.message_draft import Extra


class _ExtraRow:
    """One pair: key, value, a button to remove it, and what is said about it."""

    def __init__(
        self, place: int, on_edit: Callable[[int, str, str], None], on_remove: Callable[[int], None]
    ) -> None:
        self._is_drawing = False
        self._report = partial(on_edit, place)
        # The label and the key share the first column of the other rows.
        self.key = ipywidgets.Text(
            description=f"Key {place + 1}", style={"description_width": "50px"}, layout={"width": LABEL_WIDTH}
        )
        self.text = ipywidgets.Text(
            description="Value",
            style={"description_width": "50px"},
            layout={"width": "280px", "margin": "2px 2px 2px 4px"},
        )
        remove = ipywidgets.Button(
            description="Remove",
            tooltip=f"Remove pair {place + 1}",
            layout={"width": "auto", "min_width": BUTTON_WIDTH, "margin": "2px 0 2px 4px"},
        )
        remove.on_click(lambda _: on_remove(place))
        self.remark = ipywidgets.HTML(
            layout={"flex": "1 1 200px", "min_width": "0", "margin": "2px 0 2px 12px"}
        )
        self.widget = ipywidgets.HBox(
            [self.key, self.text, remove, self.remark], layout={"flex_flow": "row wrap"}
        )
        for box in (self.key, self.text):
            box.observe(self._typed, names="value")

    def _typed(self, _: object) -> None:
        if not self._is_drawing:
            self._report(self.key.value, self.text.value)

    def draw(self, extra: Extra, remark: Remark | None) -> None:
        self._is_drawing = True
        try:
            self.key.value, self.text.value = extra.key, extra.text
        finally:
            self._is_drawing = False
        self.remark.value = "" if remark is None else remark_html(remark)


class ExtraRows:
    """The extra pairs, and a button to add one.

    Parameters
    ----------
    on_edit
        Called with place, key and text when the user types.
    on_add
        Called when another pair is wanted.
    on_remove
        Called with the place of a pair to remove.
    """

    def __init__(
        self,
        on_edit: Callable[[int, str, str], None],
        on_add: Callable[[], None],
        on_remove: Callable[[int], None],
    ) -> None:
        self._on_edit = on_edit
        self._on_remove = on_remove
        self._rows: list[_ExtraRow] = []
        self.add_button = ipywidgets.Button(
            description="Add a pair",
            tooltip="Add an extra key and value; they travel in meta",
            layout={"width": "auto", "align_self": "flex-start"},
        )
        self.add_button.on_click(lambda _: on_add())
        self._list = ipywidgets.VBox([])
        heading = ipywidgets.HTML(
            '<div class="sd-group"><span class="sd-group-title">Anything else</span>'
            '<span class="sd-quiet">extra keys and values travel in <code>meta</code>; '
            "a value is read as JSON if it is JSON, else as text</span></div>"
        )
        self.widget = ipywidgets.VBox([heading, self._list, self.add_button])

    def draw(self, extras: list[Extra], remarks: list[Remark | None]) -> None:
        """Show the pairs as they are."""
        while len(self._rows) < len(extras):
            self._rows.append(_ExtraRow(len(self._rows), self._on_edit, self._on_remove))
        shown = self._rows[: len(extras)]
        for row, extra, remark in zip(shown, extras, remarks, strict=True):
            row.draw(extra, remark)
        if len(self._list.children) != len(shown):
            self._list.children = [row.widget for row in shown]
