"""What an instructor can do, as fields and buttons in four groups. They hold no logic: each names a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets

from snews_drill.detectors import roster
from snews_drill.drill.scenarios import list_scenarios
from snews_drill.messages.commands import MAX_ANNOUNCEMENT
from snews_drill.widgets.look import escaped

#: Called with the name of what is to be done.
Do = Callable[[str], None]

#: Speeds that can be chosen: seconds of the scenario per second.
SPEEDS = (1, 2, 5, 10, 60)

_NEEDS_RIGHTS = "needs the instructor's rights"

_BUTTONS = {
    "play": ("Play", "Send what the scenario asks for, for the detectors that no person plays", "primary"),
    "pause": ("Pause", "Hold the play before its next message, or go on", ""),
    "stop_playing": ("Stop playing", "End the play; virtual detectors go on", ""),
    "fill_seats": ("Fill the empty seats", "A virtual detector for every seat that no person has", "primary"),
    "empty_seats": ("Empty them", "End all virtual detectors", ""),
    "toggle_one": ("Stop or start", "End the virtual detector that is chosen, or start it again", ""),
    "inject": ("Send one observation", "Marked as the control room's", ""),
    "announce": ("Announce", f"Everybody who is subscribed sees it; {_NEEDS_RIGHTS}", ""),
    "freeze": ("Freeze joining", f"Nobody joins any more but who was heard; {_NEEDS_RIGHTS}", ""),
    "unfreeze": ("Open joining", f"Every detector may join again; {_NEEDS_RIGHTS}", ""),
    "reset": ("Reset the cache", f"The drill server forgets all observations; {_NEEDS_RIGHTS}", "warning"),
    "report": ("After-action report", "What every detector did, from the server's archive", ""),
}

_AUTO = {"width": "auto"}
_WRAP = {"flex_flow": "row wrap", "align_items": "center"}

STYLE = """<style>
.snews-drill .sd-control .widget-html-content { min-width: 0; }
.snews-drill .widget-vbox.sd-control { overflow-x: auto; overflow-y: hidden; flex-shrink: 0; }
.snews-drill .widget-vbox.sd-scroll { overflow-x: auto; overflow-y: hidden; flex-shrink: 0; }
.snews-drill .sd-do { border: 1px solid var(--jp-border-color3, #ddd); border-radius: 5px; padding: 8px 10px;
  margin: 0 0 8px 0; }
.snews-drill .sd-do b.sd-do-head { display: block; margin-bottom: 2px; }
.snews-drill .sd-bar { height: 6px; border-radius: 3px; background: var(--jp-layout-color3, #ddd); overflow: hidden;
  margin: 6px 0 2px 0; }
.snews-drill .sd-bar span { display: block; height: 100%; background: var(--jp-brand-color1, #1976d2); }
</style>"""


class ControlButtons:
    """The fields and buttons of the control room.

    Parameters
    ----------
    do
        Called with a button's name when it is pressed.

    Attributes
    ----------
    buttons : dict of str to Button
        By name.
    scenario, speed, one, detector, seconds_ago, p_val, text
        The fields.
    played, cast : HTML
        How far the play is, and what the virtual detectors do.
    box : VBox
        All of it.
    """

    def __init__(self, do: Do) -> None:
        self.buttons = {name: _button(name, do) for name in _BUTTONS}
        names = [detector.name for detector in roster()]
        self.scenario = ipywidgets.Dropdown(
            options=[(one.title, one.name) for one in list_scenarios()], layout=_wide(), tooltip="Scenario"
        )
        self.speed = ipywidgets.Dropdown(
            options=[(f"{speed} × speed", float(speed)) for speed in SPEEDS],
            layout={"width": "105px"},
            tooltip="Seconds of the scenario per second",
        )
        self.one = ipywidgets.Dropdown(options=names, layout=_wide("150px"), tooltip="Virtual detector")
        self.detector = ipywidgets.Dropdown(options=names, layout=_wide("150px"), tooltip="Whose observation")
        self.seconds_ago = ipywidgets.BoundedFloatText(
            value=1.0, min=0.0, max=86_400.0, layout={"width": "80px"}, tooltip="Seconds ago"
        )
        self.p_val = ipywidgets.BoundedFloatText(
            value=0.05, min=1e-9, max=0.999999, step=0.01, layout={"width": "80px"}, tooltip="p-value"
        )
        self.text = ipywidgets.Text(
            placeholder="Tell everybody something", layout=_wide("200px"), tooltip="Announcement"
        )
        self.played, self.cast = ipywidgets.HTML(), ipywidgets.HTML()
        self.rights = ipywidgets.HTML()
        self.text.observe(self._shorten, "value")
        self.box = ipywidgets.VBox(
            [
                _group(
                    "Scenario",
                    _row(self.scenario, self.speed),
                    _row(*self._some("play", "pause", "stop_playing")),
                    self.played,
                ),
                _group(
                    "Virtual detectors",
                    _row(*self._some("fill_seats", "empty_seats")),
                    _row(self.one, *self._some("toggle_one")),
                    self.cast,
                ),
                _group(
                    "One observation",
                    _row(self.detector, self.seconds_ago, _word("seconds ago")),
                    _row(_word("p-value"), self.p_val, *self._some("inject")),
                ),
                _group(
                    "Everybody",
                    _row(self.text, *self._some("announce")),
                    _row(*self._some("freeze", "unfreeze", "reset")),
                    self.rights,
                ),
            ],
            layout={"flex": "1 1 330px", "min_width": "0"},
        )

    def _some(self, *names: str) -> list[ipywidgets.Button]:
        return [self.buttons[name] for name in names]

    def _shorten(self, change: dict[str, Any]) -> None:
        if len(change["new"]) > MAX_ANNOUNCEMENT:
            self.text.value = change["new"][:MAX_ANNOUNCEMENT]


def progress_html(share: float, text: str) -> str:
    """Return a bar that is filled to a share between 0 and 1, with a line of escaped text."""
    percent = min(max(share, 0.0), 1.0) * 100
    return (
        f'<div class="sd-bar" role="progressbar" aria-valuenow="{percent:.0f}" aria-valuemin="0" aria-valuemax="100">'
        f'<span style="width:{percent:.1f}%"></span></div><div class="sd-quiet">{escaped(text)}</div>'
    )


def _button(name: str, do: Do) -> ipywidgets.Button:
    text, tooltip, style = _BUTTONS[name]
    button = ipywidgets.Button(description=text, tooltip=tooltip, button_style=style, layout=_AUTO)
    button.on_click(lambda _: do(name))
    return button


def _group(title: str, *children: ipywidgets.Widget) -> ipywidgets.VBox:
    box = ipywidgets.VBox([ipywidgets.HTML(f'<b class="sd-do-head">{escaped(title)}</b>'), *children])
    box.add_class("sd-do")
    return box


def _row(*children: ipywidgets.Widget) -> ipywidgets.HBox:
    return ipywidgets.HBox(list(children), layout=_WRAP)


def _word(text: str) -> ipywidgets.HTML:
    return ipywidgets.HTML(f'<span class="sd-quiet">{escaped(text)}</span>')


def _wide(basis: str = "180px") -> dict[str, str]:
    return {"flex": f"1 1 {basis}", "min_width": "110px", "width": "auto"}
