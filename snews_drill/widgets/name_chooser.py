"""Who you are: a chooser of the detector, which is remembered."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import ipywidgets

from snews_drill.detectors import find_detector, roster
from snews_drill.errors import DrillError, NameNotSet
from snews_drill.names import get_name, set_name
from snews_drill.settings import DrillSettings
from snews_drill.widgets.look import note, panel
from snews_drill.widgets.shown import Shown, error_html


class NameChooser(Shown):
    """Lets the user choose a detector of the roster and remembers it, as `set_name` does.

    Parameters
    ----------
    settings
        Where to write; the user's own by default.
    on_remembered
        Called with the registered name once it is remembered.
    has_frame
        Whether it stands alone, with a frame and a headline.

    Examples
    --------
    >>> chooser = NameChooser()  # doctest: +SKIP
    >>> chooser.name = "XENONnT"  # doctest: +SKIP
    >>> chooser.remember()  # doctest: +SKIP
    'XENONnT'
    """

    def __init__(
        self,
        settings: DrillSettings | None = None,
        *,
        on_remembered: Callable[[str], None] | None = None,
        has_frame: bool = True,
    ) -> None:
        self._settings = settings
        self._on_remembered = on_remembered
        self._choice = ipywidgets.Dropdown(
            options=[("choose …", ""), *_options()],
            description="Your detector",
            style={"description_width": "initial"},
            layout={"width": "400px"},
            tooltip="Which detector you are; other accepted spellings stand behind the name",
        )
        self._button = ipywidgets.Button(description="Remember", tooltip="Remember this detector as yours")
        self._button.on_click(self._press)
        self._said = ipywidgets.HTML()
        parts = [ipywidgets.HBox([self._choice, self._button], layout={"flex_flow": "row wrap"}), self._said]
        self.widget = panel(parts, title="Which detector are you?") if has_frame else ipywidgets.VBox(parts)
        self.refresh()

    @property
    def name(self) -> str | None:
        """The detector that is chosen; None while none is. Accepted spellings may be assigned."""
        return self._choice.value or None

    @name.setter
    def name(self, name: str) -> None:
        self._choice.value = find_detector(name).name

    def refresh(self) -> None:
        """Show who is remembered now; a choice that was not remembered yet stays."""
        self._show_remembered()
        if self.name is None:
            with contextlib.suppress(DrillError):
                self._choice.value = get_name(self._settings)

    @property
    def message(self) -> str:
        """What is said below the choice, as HTML."""
        return str(self._said.value)

    def remember(self) -> str:
        """Remember the choice and return the registered name.

        Raises
        ------
        NameNotSet
            If nothing is chosen.
        SettingsError
            If it cannot be written, or the environment names another detector and wins.
        """
        try:
            if self.name is None:
                raise NameNotSet
            name = self.name
            set_name(name, settings=self._settings, verbose=False)
        except DrillError as error:
            self._said.value = error_html(error)
            raise
        # Not read again: settings that were given are a value, and still say what they said.
        self._said.value = note("ok", f"You are {name}.")
        if self._on_remembered is not None:
            self._on_remembered(name)
        return name

    def _press(self, _: object) -> None:
        with contextlib.suppress(DrillError):  # it is shown
            self.remember()

    def _show_remembered(self) -> None:
        try:
            self._said.value = note("ok", f"You are {get_name(self._settings)}.")
        except NameNotSet:
            self._said.value = note("quiet", "No detector is remembered yet: choose one and press Remember.")
        except DrillError as error:
            self._said.value = error_html(error)

    def __repr__(self) -> str:
        return f"NameChooser({self.name or 'nothing chosen'})"


def _options() -> list[tuple[str, str]]:
    return [
        (f"{d.name} ({', '.join(d.spellings)})" if d.spellings else d.name, d.name)
        for d in sorted(roster(), key=lambda d: d.name.casefold())
    ]
