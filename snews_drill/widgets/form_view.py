"""The message form's fields on the screen: rows, ticks and extra pairs, drawn from a draft."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets

from snews_drill.widgets.form_extras import ExtraRows
from snews_drill.widgets.form_fields import FLAGS, GROUPS
from snews_drill.widgets.form_remarks import extra_remark, field_remark, other_remarks, summary, tier_remarks
from snews_drill.widgets.form_rows import LABEL_WIDTH, FieldRow, GroupRows, remark_html
from snews_drill.widgets.message_draft import Built, Extra, MessageDraft

STYLE = """<style>
.snews-drill .sd-form .widget-label { text-align: left; }
.snews-drill .sd-form .widget-text input, .snews-drill .sd-form .widget-textarea textarea,
.snews-drill .sd-form select { color: var(--jp-widgets-input-color, #212121); }
.snews-drill .sd-remark { line-height: 1.35; padding-top: 4px; overflow-wrap: anywhere; }
.snews-drill .sd-remark code { padding: 0 3px; }
.snews-drill .sd-group { display: flex; flex-wrap: wrap; gap: 2px 12px; align-items: baseline; padding: 8px 0 3px 0;
  margin-top: 4px; border-top: 1px solid var(--jp-border-color2, #ccc); }
.snews-drill .sd-group-title { font-weight: 600; min-width: 166px; }
.snews-drill .sd-group .sd-pill { white-space: normal; }
.snews-drill .sd-question { border: 1px solid var(--jp-warn-color0, #b26a00); border-radius: 4px; padding: 8px 10px;
  margin: 6px 0; }
.snews-drill .sd-form .widget-checkbox { width: auto; }
body[data-jp-theme-light="false"] .snews-drill .sd-form select { appearance: auto; background-image: none;
  color-scheme: dark; }
</style>"""


class FormView:
    """Draws a draft's fields, and writes into it what the user types.

    Parameters
    ----------
    draft
        What is typed.
    on_change
        Called after every change of the draft.
    """

    def __init__(self, draft: MessageDraft, on_change: Callable[[], None]) -> None:
        self._draft = draft
        self._on_change = on_change
        self._is_drawing = False
        self.rows: dict[str, FieldRow] = {}
        self.groups: list[GroupRows] = []
        for group in GROUPS:
            rows = [FieldRow(field, self._typed) for field in group.fields]
            self.rows |= {row.field.name: row for row in rows}
            self.groups.append(GroupRows(group, rows))
        self.flags = {name: self._make_flag(name, label) for name, label in FLAGS.items()}
        self.extras = ExtraRows(self._extra_typed, self._add_extra, self._remove_extra)
        self.others = ipywidgets.HTML()
        self.summary = ipywidgets.HTML()
        ticks = ipywidgets.HBox(
            list(self.flags.values()),
            layout={
                "flex_flow": "row wrap",
                "margin": f"0 0 0 clamp(0px, calc(100% - 400px), calc({LABEL_WIDTH} + 6px))",
            },
        )
        first, *rest = [group.widget for group in self.groups]
        self.widget = ipywidgets.VBox(
            [ipywidgets.HTML(STYLE), first, ticks, *rest, self.extras.widget, self.others]
        )
        self.widget.add_class("sd-form")

    def _make_flag(self, name: str, label: str) -> ipywidgets.Checkbox:
        box = ipywidgets.Checkbox(
            value=self._draft.flags[name],
            description=label,
            indent=False,
            tooltip=name,
            layout={"margin": "2px 20px 2px 0"},
        )

        def ticked(change: dict[str, Any]) -> None:
            if not self._is_drawing:
                self._draft.flags[name] = bool(change["new"])
                self._on_change()

        box.observe(ticked, names="value")
        return box

    def _typed(self, name: str, text: str) -> None:
        self._draft.type_text(name, text)
        self._on_change()

    def _extra_typed(self, place: int, key: str, text: str) -> None:
        extra = self._draft.extras[place]
        extra.key, extra.text = key, text
        self._on_change()

    def _add_extra(self) -> None:
        self._draft.extras.append(Extra())
        self._on_change()

    def _remove_extra(self, place: int) -> None:
        if place < len(self._draft.extras):
            del self._draft.extras[place]
        self._on_change()

    def draw(self, built: Built, *, is_sent: bool) -> None:
        """Show the draft as it is, what is to be said about it, and whether it was sent."""
        draft = self._draft
        self._is_drawing = True
        try:
            for name, box in self.flags.items():
                box.value = draft.flags[name]
        finally:
            self._is_drawing = False
        for name, row in self.rows.items():
            row.draw(draft.texts[name], field_remark(row.field, draft, built))
        tiers = tier_remarks(draft, built)
        for group in self.groups:
            group.draw(tiers[group.tier] if group.tier is not None else None, built.dialect_name)
        self.extras.draw(draft.extras, [extra_remark(extra, draft, built) for extra in draft.extras])
        self.others.value = "".join(remark_html(remark) for remark in other_remarks(draft, built))
        self.summary.value = (
            f'<div role="status" aria-live="polite">{remark_html(summary(built, is_sent=is_sent))}</div>'
        )
