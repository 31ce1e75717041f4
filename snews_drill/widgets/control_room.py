"""The control room: a drill at a glance, and everything an instructor does in it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack

import ipywidgets

from snews_drill.background import Startable
from snews_drill.connection import Connection
from snews_drill.drill.control_desk import ControlDesk
from snews_drill.drill.drill_picture import DrillPicture
from snews_drill.errors import DrillError
from snews_drill.subscriber import Subscriber
from snews_drill.widgets import control_buttons, control_roster, control_timeline
from snews_drill.widgets.alert_table import AlertTable
from snews_drill.widgets.control_buttons import ControlButtons, progress_html
from snews_drill.widgets.control_calls import ControlCalls, Done
from snews_drill.widgets.errand import Errand
from snews_drill.widgets.look import escaped, note, panel, pill
from snews_drill.widgets.refresh import Refresher
from snews_drill.widgets.shown import Shown, error_html, place_html, take_over
from snews_drill.widgets.sky_view import SkyView

#: Seconds between two drawings.
_DRAW_EVERY_SEC = 0.5

#: Alerts in memory: more than its table ever shows; a room is open for days.
_MAX_ALERTS = 2_000

_WITHOUT_RIGHTS = (
    "Without rights: announce, freeze, open and reset will be refused. Put the instructor's token into "
    "SNEWS_DRILL_ADMIN_TOKEN, restart the kernel and connect again."
)


#: Buttons that hold or end something.
_URGENT = frozenset({"pause", "stop_playing"})


class ControlRoom(Shown, Startable):
    """Shows who is here, plays scenarios, fills empty seats, speaks to everybody, and shows what comes of it.

    Every button is one public call; its Python stands below the buttons. A second room on the same connection, or the
    cell run again, stops this one.

    Parameters
    ----------
    connection
        Which drill; the current connection by default.

    Attributes
    ----------
    desk : ControlDesk
        What does the work; its calls are the buttons'.
    alerts : AlertTable
        The live table of alerts.
    sky : SkyView
        Where the newest alert points.
    report : AfterActionReport or None
        The newest report.

    Examples
    --------
    >>> with ControlRoom() as room:  # doctest: +SKIP
    ...     room.desk.fill_seats()
    ...     room.desk.play("betelgeuse").wait(60)
    """

    def __init__(self, connection: Connection | None = None) -> None:
        self.desk = ControlDesk(connection)
        self._subscriber = Subscriber(connection=self.desk.connection, max_alerts=_MAX_ALERTS)
        self.alerts = AlertTable(self._subscriber)
        self.sky = SkyView(self._subscriber)
        self.report: object = None
        self.controls = ControlButtons(self.press)
        self._calls = ControlCalls(self.desk, self.controls)
        self._errand = Errand("snews_drill control room errand", self._show_error)
        # What ends or holds something waits for no reply that may not come.
        self._urgent = Errand("snews_drill control room stop", self._show_error)
        self._refresher = Refresher(self._draw, every=_DRAW_EVERY_SEC, name="control room")
        self._drawn: DrillPicture | None = None
        self._head, self._roster, self._timeline, self._said, self._report = (
            ipywidgets.HTML(layout={"min_width": "0", "overflow": "visible"}) for _ in range(5)
        )
        self._toggle = ipywidgets.Button(layout={"width": "auto"})
        self._toggle.on_click(lambda _: self._press_toggle())
        self.widget = self._laid_out()
        self._draw()

    @property
    def picture(self) -> DrillPicture:
        """The drill as it is seen at this moment."""
        return self.desk.picture

    @property
    def is_running(self) -> bool:
        """Whether it watches."""
        return self.desk.is_running

    @property
    def message(self) -> str:
        """What the last button said, as HTML; "" for nothing."""
        return str(self._said.value)

    def start(self) -> None:
        """Begin to watch; harmless when it does already.

        Raises
        ------
        DrillError
            If the broker refuses; it is shown as well.
        """
        take_over(("control room", id(self.desk.connection)), self)
        try:
            self.desk.start()
            self.alerts.start()
        except DrillError as error:
            self.desk.stop()
            self._show_error(error)
            raise
        self.sky.start()
        self._refresher.start()

    def stop(self, timeout: float = 5.0) -> None:
        """End everything that runs, within `timeout` seconds; what is on screen stays."""
        self._errand.join(timeout)
        with ExitStack() as ending:  # whatever one of them raises, the others end
            ending.callback(self._draw)
            ending.callback(self._refresher.stop)
            ending.callback(self.sky.stop)
            ending.callback(self.alerts.stop)
            ending.callback(self.desk.stop, timeout)

    def press(self, button: str) -> None:
        """Press a button by its name; it is done in the background, and what goes wrong is shown.

        Parameters
        ----------
        button
            "play", "pause", "stop_playing", "fill_seats", "empty_seats", "toggle_one", "inject", "announce", "freeze",
            "unfreeze", "reset" or "report".
        """
        errand = self._urgent if button in _URGENT else self._errand
        self._run(errand, lambda: self._show(self._calls.do(button)))

    def join(self, timeout: float = 15.0) -> None:
        """Wait until what a button began is over, at most `timeout` seconds."""
        self._errand.join(timeout)
        self._urgent.join(timeout)

    def __repr__(self) -> str:
        state, picture = "watching" if self.is_running else "not watching", self.picture
        return f"ControlRoom({state}: {len(picture.participants)} detectors, {len(picture.alerts)} alerts)"

    def _press_toggle(self) -> None:
        if self.is_running:
            self._run(self._urgent, self.stop)
        else:
            self._run(self._errand, self.start)

    def _run(self, errand: Errand, do: Callable[[], object]) -> None:
        if not errand.run(do):
            _set(
                self._said,
                note("warning", "Not done: what was asked before is not over yet. Press again when it is."),
            )

    def _laid_out(self) -> ipywidgets.VBox:
        styles = ipywidgets.HTML(control_roster.STYLE + control_timeline.STYLE + control_buttons.STYLE)
        here = ipywidgets.VBox(
            [ipywidgets.HTML("<b>Who is here</b>"), self._roster],
            layout={"flex": "2 1 520px", "min_width": "0", "padding": "0 12px 0 0"},
        )
        upper = ipywidgets.HBox([here, self.controls.box], layout={"flex_flow": "row wrap"})
        top = ipywidgets.HBox(
            [self._toggle, self.controls.buttons["report"]], layout={"flex_flow": "row wrap"}
        )
        timeline = ipywidgets.VBox(
            [ipywidgets.HTML("<b>Timeline</b>"), self._timeline], layout={"min_width": "0"}
        )
        desk = ipywidgets.VBox([self._head, top, self._said, upper, timeline], layout={"min_width": "0"})
        desk.add_class("sd-control")
        return panel(
            [
                styles,
                desk,
                *(_scrolled(part) for part in (self.alerts.widget, self.sky.widget, self._report)),
            ],
            title="Control room",
        )

    def _show(self, done: Done) -> None:
        self._said.value = (
            f'{note("ok", done.said)}<pre aria-label="The same in Python">{escaped(done.code)}</pre>'
        )
        if hasattr(done.value, "to_dataframe"):
            self.report = done.value
            self._report.value = done.value._repr_html_()
        self._draw()

    def _show_error(self, error: DrillError) -> None:
        self._said.value = error_html(error)

    def _draw(self) -> None:
        picture, now_ns = self.picture, time.time_ns()
        cast = self.desk.cast
        rows = cast.rows() if cast is not None else ()
        _set(self._head, self._head_html(picture))
        _set(self._roster, control_roster.roster_html(picture, rows, now_ns))
        if picture is not self._drawn:
            self._drawn = picture
            _set(self._timeline, control_timeline.timeline_html(picture))
        running = sum(row.is_running for row in rows)
        _set(
            self.controls.cast,
            f'<span class="sd-quiet">{running} of {len(rows)} play.</span>' if rows else "",
        )
        _set(self.controls.rights, "" if self.desk.has_rights else note("warning", _WITHOUT_RIGHTS))
        self._draw_play()
        self._toggle.description = "Stop watching" if self.is_running else "Start watching"
        self._toggle.button_style = "" if self.is_running else "primary"

    def _draw_play(self) -> None:
        progress = self.desk.progress
        is_playing = progress is not None and progress.is_running
        buttons = self.controls.buttons
        buttons["play"].disabled = is_playing
        buttons["pause"].disabled = buttons["stop_playing"].disabled = not is_playing
        buttons["pause"].description = "Go on" if progress is not None and progress.is_paused else "Pause"
        if progress is None:
            return
        words = f"{progress.sent} of {progress.total} sent"
        if progress.is_paused:
            words += ", held"
        elif progress.seconds_to_next is not None and progress.next_event is not None:
            words += f"; {progress.next_event.detector} in {progress.seconds_to_next:.0f} s"
        elif not is_playing:
            words += ", ended"
        trouble = note("error", progress.problem) if progress.problem else ""
        _set(self.controls.played, progress_html(progress.sent / max(progress.total, 1), words) + trouble)

    def _head_html(self, picture: DrillPicture) -> str:
        people = len(picture.people)
        state = pill("ok", "watching") if self.is_running else pill("quiet", "not watching")
        joining = {True: pill("warning", "joining is frozen"), False: pill("ok", "joining is open"), None: ""}
        counts = (
            f"{len(picture.participants)} detectors, {people} of them {'a person' if people == 1 else 'people'}; "
            f"{len(picture.alerts)} alerts"
        )
        lines = [
            f"<div>{state} {joining[picture.is_joining_frozen]} <b>{counts}</b></div>",
            f"<div>{place_html(self.desk.connection)}</div>",
        ]
        if picture.announcements:
            lines.append(note("info", f"Last announcement: {picture.announcements[-1].text}"))
        if picture.problem:
            lines.append(note("error", picture.problem))
        return "".join(lines)


def _scrolled(part: ipywidgets.Widget) -> ipywidgets.Box:
    """Put something wide into a frame that is as wide as the page, however narrow that is."""
    box = ipywidgets.VBox([part], layout={"min_width": "0", "width": "100%", "margin": "8px 0 0 0"})
    box.add_class("sd-scroll")
    return box


def _set(box: ipywidgets.HTML, value: str) -> None:
    # What did not change is not sent to the browser again.
    if box.value != value:
        box.value = value
