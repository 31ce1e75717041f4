"""The doctor in a notebook: one button, lines as they come, and what to do next."""

from __future__ import annotations

import threading
from typing import Any

import ipywidgets

from snews_drill.doctor import Diagnosis, Finding, diagnose
from snews_drill.doctor.findings import findings_html
from snews_drill.errors import DrillError
from snews_drill.profiles import PROFILES
from snews_drill.settings import DrillSettings, load_settings
from snews_drill.widgets.errand import Errand
from snews_drill.widgets.look import note, panel
from snews_drill.widgets.shown import Shown, error_html

_WIDE = {"description_width": "110px"}


class DoctorPanel(Shown):
    """Looks at everything that must work to take part, and shows each finding as it is made.

    Making it looks at nothing; the button does, in the background.

    Parameters
    ----------
    profile
        Which destination is proposed; by default the one that `connect()` would take.
    settings
        The user's settings; read from file and environment by default.

    Attributes
    ----------
    diagnosis : Diagnosis or None
        The newest one.

    Examples
    --------
    >>> doctor = DoctorPanel()  # doctest: +SKIP
    >>> doctor.examine()  # doctest: +SKIP
    Diagnosis(rehearsal: 14 ok)
    """

    def __init__(self, profile: str | None = None, *, settings: DrillSettings | None = None) -> None:
        self._settings = settings
        self.diagnosis: Diagnosis | None = None
        self._lock = threading.Lock()
        self._found: list[Finding] = []
        self._errand = Errand("snews_drill doctor", self._show_error)
        self._profile = ipywidgets.Combobox(
            value=profile or self._own_profile(),
            options=tuple(PROFILES),
            description="Profile",
            tooltip="A profile, or a broker such as kafka://host:9092",
            style=_WIDE,
            layout={"width": "420px"},
        )
        self._echo = ipywidgets.Checkbox(
            value=True,
            description="Write one connection test, for the drill server's echo",
            indent=False,
            layout={"width": "420px"},
        )
        self._button = ipywidgets.Button(
            description="Examine", tooltip="Look at everything that must work", button_style="primary"
        )
        self._button.on_click(lambda _: self._errand.run(self.examine))
        self._summary = ipywidgets.HTML()
        self._lines = ipywidgets.HTML()
        controls = ipywidgets.HBox(
            [self._profile, self._echo, self._button],
            layout={"flex_flow": "row wrap", "align_items": "center"},
        )
        self.widget = panel([controls, self._summary, self._lines], title="Doctor")

    def _own_profile(self) -> str:
        try:
            return (self._settings or load_settings()).profile
        except DrillError:
            return "rehearsal"  # the doctor itself tells what is wrong with the settings

    @property
    def profile(self) -> str:
        """Which destination is looked at."""
        return str(self._profile.value)

    @profile.setter
    def profile(self, name: str) -> None:
        self._profile.value = name

    @property
    def echo(self) -> bool:
        """Whether one connection test is written."""
        return bool(self._echo.value)

    @echo.setter
    def echo(self, is_wanted: bool) -> None:
        self._echo.value = is_wanted

    @property
    def message(self) -> str:
        """The summary and the lines that are shown, as HTML."""
        return f"{self._summary.value}{self._lines.value}"

    def examine(self, timeout: float = 5.0) -> Diagnosis:
        """Look at everything and show it.

        Parameters
        ----------
        timeout
            Seconds for each single wait.
        """
        self._button.disabled = True
        with self._lock:
            self._found.clear()
        self._lines.value = ""
        self._summary.value = note("quiet", "Looking …")
        try:
            self.diagnosis = diagnose(
                self.profile.strip() or None,
                settings=self._settings,
                timeout=timeout,
                on_finding=self._show,
                echo=self.echo,
            )
        finally:
            self._button.disabled = False
        self._summary.value = _summary(self.diagnosis)
        return self.diagnosis

    def press_examine(self) -> None:
        """Press the button: it is done in the background."""
        self._button.click()

    def join(self, timeout: float = 60.0) -> None:
        """Wait until what goes on in the background is over, at most `timeout` seconds."""
        self._errand.join(timeout)

    def _show(self, finding: Finding) -> None:
        with self._lock:
            self._found.append(finding)
            found = tuple(self._found)
        self._lines.value = findings_html(found)

    def _show_error(self, error: DrillError) -> None:
        self._summary.value = error_html(error)

    def __repr__(self) -> str:
        state: Any = "not examined" if self.diagnosis is None else "ok" if self.diagnosis.ok else "problems"
        return f"DoctorPanel({self.profile}, {state})"


def _summary(diagnosis: Diagnosis) -> str:
    if diagnosis.ok:
        return note("ok", "Nothing is in the way.")
    count, first = len(diagnosis.problems), diagnosis.problems[0]
    line = note("error", f"{count} problem{'s' if count > 1 else ''}; begin with {first.name}.")
    return f"{line}{note('info', f'Next step: {first.next_step}')}" if first.next_step else line
