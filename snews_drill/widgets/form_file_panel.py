"""Loading and saving the form: a file name and two buttons."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import ipywidgets

from snews_drill.errors import DrillError, UnwritableFile
from snews_drill.widgets.form_rows import INPUT_WIDTH, LABEL_WIDTH
from snews_drill.widgets.look import escaped, note


class FilePanel:
    """A file name, Load and Save; replacing a file needs a second click.

    Parameters
    ----------
    load
        Fills the form from a file; raises a DrillError if it cannot.
    save
        Writes a file, the second argument saying whether it may be replaced, and returns its path; raises a DrillError
        if it cannot.
    """

    def __init__(self, load: Callable[[str], object], save: Callable[[str, bool], Path]) -> None:
        self._load = load
        self._save = save
        self.path = ipywidgets.Text(
            value="message.json",
            description="File (JSON)",
            style={"description_width": LABEL_WIDTH},
            layout={"width": INPUT_WIDTH},
        )
        self.load_button = _button("Load", "Fill the form from the file", self._load_clicked)
        self.save_button = _button(
            "Save", "Write the fields to the file", partial(self._save_clicked, overwrite=False)
        )
        self.replace_button = _button(
            "Replace it", "Replace the file", partial(self._save_clicked, overwrite=True)
        )
        self.replace_button.layout.display = "none"
        self.path.observe(lambda _: self._offer_replacing(is_offered=False), names="value")
        self.outcome = ipywidgets.HTML(
            layout={"flex": "1 1 200px", "min_width": "0", "margin": "2px 0 2px 12px"}
        )
        self.widget = ipywidgets.HBox(
            [self.path, self.load_button, self.save_button, self.replace_button, self.outcome],
            layout={"align_items": "flex-start", "margin": "8px 0 0 0", "flex_flow": "row wrap"},
        )
        self.widget.add_class("sd-form")

    def _load_clicked(self) -> None:
        self._offer_replacing(is_offered=False)
        try:
            self._load(self.path.value)
        except DrillError as error:
            self._draw_error(error)
        else:
            self._draw_done(f"Loaded {self.path.value}; what was typed before is replaced.")

    def _save_clicked(self, *, overwrite: bool) -> None:
        self._offer_replacing(is_offered=False)
        try:
            target = self._save(self.path.value, overwrite)
        except DrillError as error:
            self._draw_error(error)
            is_taken = isinstance(error, UnwritableFile) and isinstance(error.__cause__, FileExistsError)
            self._offer_replacing(is_offered=is_taken)
        else:
            self._draw_done(f"Saved {target}.")

    def _offer_replacing(self, *, is_offered: bool) -> None:
        self.replace_button.layout.display = "flex" if is_offered else "none"

    def _draw_done(self, text: str) -> None:
        self.outcome.value = f'<div role="status">{note("ok", text)}</div>'

    def _draw_error(self, error: DrillError) -> None:
        step = f'<span class="sd-quiet">{escaped(error.next_step)}</span>'
        self.outcome.value = f'<div role="alert">{note("error", error.reason)}{step}</div>'


def _button(text: str, tooltip: str, on_click: Callable[[], None]) -> ipywidgets.Button:
    button = ipywidgets.Button(
        description=text, tooltip=tooltip, layout={"width": "auto", "margin": "2px 0 2px 4px"}
    )
    button.on_click(lambda _: on_click())
    return button
