"""The rows of the message form: label, field, and what is to be said about it."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets

from snews_drill.messages.tiers import Tier
from snews_drill.widgets.form_fields import Field, Group
from snews_drill.widgets.form_remarks import Remark
from snews_drill.widgets.look import MARKS, escaped, pill

#: Where each column ends, so that all rows of the form are aligned.
LABEL_WIDTH = "170px"
INPUT_WIDTH = "450px"
BUTTON_WIDTH = "54px"

_LABELLED = {"description_width": LABEL_WIDTH}
_MAX_ROWS = 12
#: Characters that fit into one line of a list's field.
_LINE_CHARACTERS = 32


def _rows_for(text: str) -> int:
    # As high as its text, within bounds: a scroll bar inside the notebook's own is hard to use.
    lines = text[: _LINE_CHARACTERS * _MAX_ROWS].split("\n")
    return min(max(2, sum(1 + len(line) // _LINE_CHARACTERS for line in lines)), _MAX_ROWS)


def remark_html(remark: Remark) -> str:
    """Return a remark as HTML; its text is escaped."""
    mark = f'<span aria-hidden="true">{MARKS[remark.kind]}</span> ' if remark.kind != "quiet" else ""
    return f'<div class="sd-remark sd-{remark.kind}">{mark}{escaped(remark.text)}</div>'


class FieldRow:
    """A label, a field (with a button for the time now), and its help or problem.

    Parameters
    ----------
    field
        What it is.
    on_text
        Called with the field's name and its new text when the user types.
    """

    def __init__(self, field: Field, on_text: Callable[[str, str], None]) -> None:
        self.field = field
        self._on_text = on_text
        self._is_drawing = False
        self.input = self._make_input()
        self.input.observe(self._typed, names="value")
        self.remark = ipywidgets.HTML(
            layout={"flex": "1 1 200px", "min_width": "0", "margin": "2px 0 2px 12px"}
        )
        self.now_button: ipywidgets.Button | None = None
        cells: list[ipywidgets.Widget] = [self.input]
        if field.kind == "time":
            self.now_button = ipywidgets.Button(
                description="Now",
                tooltip=f"Put the time now into {field.name}",
                layout={"width": BUTTON_WIDTH, "margin": "2px 0 2px 4px"},
            )
            self.now_button.on_click(lambda _: on_text(field.name, "now"))
            cells.append(self.now_button)
        self.widget = ipywidgets.HBox(
            [*cells, self.remark], layout={"align_items": "flex-start", "flex_flow": "row wrap"}
        )
        self._help = f'<div class="sd-remark sd-quiet"><code>{field.name}</code> {escaped(field.help)}</div>'

    def _make_input(self) -> ipywidgets.Widget:
        # Rows without a button have the wider field, so that the third column begins at one place.
        width = INPUT_WIDTH if self.field.kind == "time" else f"calc({INPUT_WIDTH} + {BUTTON_WIDTH} + 4px)"
        common = {
            "description": self.field.label,
            "style": _LABELLED,
            "layout": {"width": width, "max_width": "100%"},
            "tooltip": self.field.help,
        }
        if self.field.kind == "choice":
            return ipywidgets.Dropdown(options=self._options(""), value="", **common)
        if self.field.kind == "list":
            return ipywidgets.Textarea(continuous_update=True, rows=2, **common)
        return ipywidgets.Text(continuous_update=True, **common)

    def _options(self, text: str) -> list[tuple[str, str]]:
        known = [("—", ""), *((choice, choice) for choice in self.field.choices)]
        # A value from code or a file that is no choice is shown all the same; its problem stands beside it.
        return known if text in ("", *self.field.choices) else [*known, (text[:60], text)]

    def _typed(self, change: dict[str, str]) -> None:
        if not self._is_drawing:
            self._on_text(self.field.name, change["new"])

    def draw(self, text: str, remark: Remark | None) -> None:
        """Show a text and what is said about it."""
        self._is_drawing = True
        try:
            if self.field.kind == "choice":
                options = self._options(text)
                if list(self.input.options) != options:
                    self.input.options = options
            elif self.field.kind == "list":
                self.input.rows = _rows_for(text)
            if self.input.value != text:
                self.input.value = text
        finally:
            self._is_drawing = False
        self.remark.value = self._help if remark is None else remark_html(remark)


class GroupRows:
    """A headline with the tier that its fields make, and the fields.

    Parameters
    ----------
    group
        Which.
    rows
        Its rows.
    """

    def __init__(self, group: Group, rows: list[FieldRow]) -> None:
        self.tier: Tier | None = group.tier
        self.rows = rows
        self._title = group.title
        self.heading = ipywidgets.HTML()
        self.widget = ipywidgets.VBox([self.heading, *(row.widget for row in rows)])
        self.draw(None, "1.3")

    def draw(self, remark: Remark | None, dialect_name: str) -> None:
        """Show why the tier arises, and hide the fields that the dialect does not have."""
        label = pill(remark.kind, remark.text) if remark is not None else ""
        self.heading.value = (
            f'<div class="sd-group"><span class="sd-group-title">{self._title}</span>{label}</div>'
        )
        for row in self.rows:
            row.widget.layout.display = "flex" if dialect_name in row.field.dialects else "none"
