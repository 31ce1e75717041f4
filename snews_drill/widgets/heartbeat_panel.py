"""Heartbeats at a glance: start, stop, status, pace, what the broker acknowledged and what is missing."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

import ipywidgets

from snews_drill.background import Startable
from snews_drill.connection import Connection, open_connection
from snews_drill.errors import DrillError
from snews_drill.heartbeat_log import HeartbeatGap, HeartbeatState
from snews_drill.heartbeats import HeartbeatSender
from snews_drill.messages.times import iso_micro
from snews_drill.names import get_name
from snews_drill.widgets.errand import Errand
from snews_drill.widgets.latency_plot import latency_svg
from snews_drill.widgets.look import escaped, note, panel, pill
from snews_drill.widgets.refresh import Refresher
from snews_drill.widgets.shown import Shown, error_html, place_html, take_over

#: Latencies that are plotted, the newest.
_MAX_SAMPLES = 240

#: Seconds between two drawings.
_DRAW_EVERY_SEC = 0.5

#: The paces that can be chosen in the panel, in seconds; code may choose any.
_SHORTEST_SEC, _LONGEST_SEC = 0.1, 86_400.0

#: Gaps that are listed, the newest.
_LISTED_GAPS = 3


class HeartbeatPanel(Shown, Startable):
    """Sends heartbeats in the background and shows what becomes of them.

    Starting another one for the same detector on the same connection stops this one, so that a cell that is run
    twice does not send twice.

    Parameters
    ----------
    detector_name
        A registered name or spelling; "TEST" means the remembered one (`set_name`).
    status
        "ON" or "OFF".
    every
        Seconds from one heartbeat to the next; may be changed while it is stopped.
    connection
        Where to send; the current connection by default.

    Attributes
    ----------
    sender : HeartbeatSender
        What does the work.

    Examples
    --------
    >>> with HeartbeatPanel("XENONnT", every=60) as panel:  # doctest: +SKIP
    ...     panel.status = "OFF"
    """

    def __init__(
        self,
        detector_name: str = "TEST",
        *,
        status: str = "ON",
        every: float = 60.0,
        connection: Connection | None = None,
    ) -> None:
        self.sender = HeartbeatSender(detector_name, status, every, connection=connection)
        self._connection = connection
        self._samples: deque[tuple[int, float]] = deque(maxlen=_MAX_SAMPLES)
        self._drawn: object = None
        self._refresher = Refresher(self._draw, every=_DRAW_EVERY_SEC, name="heartbeat panel")
        self._errand = Errand("snews_drill heartbeat start", self._show_error)
        self._make_widgets(every)
        self._draw()

    def _make_widgets(self, every: float) -> None:
        self._toggle = ipywidgets.Button(layout={"width": "130px"})
        self._toggle.on_click(self._press)
        self._status = ipywidgets.ToggleButtons(
            options=["ON", "OFF"],
            value=self.sender.status,
            tooltips=["The detector takes data", "The detector takes no data"],
            style={"button_width": "56px"},
            layout={"width": "auto"},
        )
        self._status.observe(self._choose_status, "value")
        self._every = ipywidgets.BoundedFloatText(
            value=every,
            # What code asked for stands in the field, whatever it is.
            min=min(_SHORTEST_SEC, every),
            max=max(_LONGEST_SEC, every),
            description="Every (s)",
            style={"description_width": "initial"},
            layout={"width": "150px"},
            tooltip="Seconds from one heartbeat to the next; stop to change it",
        )
        self._every.observe(self._choose_pace, "value")
        self._counts, self._plot, self._error = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()
        controls = ipywidgets.HBox(
            [self._toggle, ipywidgets.Label("Status"), self._status, self._every],
            layout={"flex_flow": "row wrap", "align_items": "center", "grid_gap": "0 12px"},
        )
        self.widget = panel([controls, self._counts, self._plot, self._error], title="Heartbeats")

    @property
    def state(self) -> HeartbeatState:
        """What was sent, acknowledged and missed so far."""
        return self.sender.state

    @property
    def missed(self) -> list[HeartbeatGap]:
        """The times without acknowledged heartbeats."""
        return self.sender.missed

    @property
    def latencies_ms(self) -> list[float]:
        """The plotted latencies, oldest first, milliseconds."""
        return [latency for _, latency in tuple(self._samples)]

    @property
    def status(self) -> str:
        """What it says, "ON" or "OFF"; a new one is sent at once."""
        return self.sender.status

    @status.setter
    def status(self, value: str) -> None:
        self.sender.status = value
        self._status.value = self.sender.status

    @property
    def every(self) -> float:
        """Seconds from one heartbeat to the next."""
        return self.sender.every

    @property
    def message(self) -> str:
        """What went wrong, as HTML; "" if nothing did."""
        return str(self._error.value)

    @property
    def is_running(self) -> bool:
        """Whether it sends."""
        return self.sender.is_running

    def start(self) -> None:
        """Send the first heartbeat at once, the others at their time; harmless when it does already.

        Raises
        ------
        DrillError
            If there is no connection, or it is not known which detector this is; it is shown as well.
        """
        self._error.value = ""
        try:
            self.sender.start()
        except DrillError as error:
            self._show_error(error)
            raise
        take_over(("heartbeats", self.sender.sends_as, id(self.sender.connection)), self)
        self._refresher.start()

    def stop(self, timeout: float = 1.0) -> None:
        """Stop sending, within `timeout` seconds; harmless when it does not. The counts stay on screen."""
        self._errand.join(timeout)
        self.sender.stop(timeout)
        self._refresher.stop()
        self._draw()

    def press(self) -> None:
        """Press the button that starts or stops; what goes wrong is shown."""
        self._toggle.click()

    def __repr__(self) -> str:
        doing = f"sends {self.status}" if self.is_running else "stopped"
        return f"HeartbeatPanel({self._name or 'no detector'} {doing} every {self.every:g} s)"

    @property
    def _name(self) -> str | None:
        if self.is_running:
            return self.sender.sends_as  # whoever the user is by now
        if self.sender.detector_name != "TEST":
            return self.sender.detector_name
        try:
            return get_name(self._connection.settings if self._connection is not None else None)
        except DrillError:
            return None

    def _press(self, _: object) -> None:
        if self.is_running:
            self.stop()
        else:
            self._errand.run(self.start)  # the first use may have to start a rehearsal

    def _choose_status(self, change: dict[str, Any]) -> None:
        if change["new"] != self.sender.status:
            self.sender.status = change["new"]

    def _choose_pace(self, change: dict[str, Any]) -> None:
        # While it sends, the field is closed: the sender counts its intervals from the first one.
        if not self.is_running:
            self.sender.every = float(change["new"])
            self._draw()

    def _show_error(self, error: DrillError) -> None:
        self._error.value = error_html(error)

    def _draw(self) -> None:
        state = self.state
        if state.last_acknowledged_ns is not None and state.last_latency_ms is not None:
            sample = (state.last_acknowledged_ns, state.last_latency_ms)
            if not self._samples or self._samples[-1] != sample:
                self._samples.append(sample)
        # The seconds that passed are part of what is shown, so a running panel changes once a second.
        key = (state, self._name, self.every, int(time.time()) if state.is_running else 0)
        if key == self._drawn:
            return
        self._drawn = key
        self._draw_controls(is_running=state.is_running)
        gaps = self.missed
        _put(self._counts, _counts_html(state, gaps, self._who_html()))
        _put(
            self._plot,
            latency_svg(
                tuple(self._samples), gaps, time.time_ns() if state.is_running else _end(self._samples)
            ),
        )

    def _draw_controls(self, *, is_running: bool) -> None:
        self._toggle.description = "Stop sending" if is_running else "Start sending"
        self._toggle.tooltip = "Stop the heartbeats" if is_running else "Send a heartbeat now and then"
        self._toggle.button_style = "" if is_running else "primary"
        self._every.disabled = is_running

    def _who_html(self) -> str:
        who = f"<b>{escaped(self._name or 'no detector yet: set_name()')}</b>"
        return f"{who} {place_html(self.sender.connection or open_connection())}"


def _end(samples: deque[tuple[int, float]]) -> int:
    return samples[-1][0] if samples else time.time_ns()


def _put(view: ipywidgets.HTML, text: str) -> None:
    if view.value != text:
        view.value = text


def _counts_html(state: HeartbeatState, gaps: list[HeartbeatGap], who: str) -> str:
    doing = pill("ok", f"sending {state.status}") if state.is_running else pill("quiet", "stopped")
    last = "none yet"
    if state.last_acknowledged_ns is not None:
        last = f"{_clock(state.last_acknowledged_ns)} UTC, after {state.last_latency_ms or 0.0:.1f} ms"
    rows: list[tuple[str, str]] = [
        ("Acknowledged", f"{state.acknowledged} of {state.sent}"),
        ("Last acknowledged", last),
        ("Missed", f"{state.missed}"),
    ]
    body = "".join(
        f'<tr><th scope="row">{escaped(name)}</th><td>{escaped(value)}</td></tr>' for name, value in rows
    )
    listed = "".join(map(_gap_html, gaps[-_LISTED_GAPS:]))
    is_out = bool(gaps) and gaps[-1].until_ns is None
    reason = (
        note("error" if is_out else "quiet", f"Last error: {state.last_error}") if state.last_error else ""
    )
    return f'<div>{who} {doing}</div><table class="sd-table">{body}</table>{listed}{reason}'


def _gap_html(gap: HeartbeatGap) -> str:
    plural = "s" * (gap.count != 1)
    if gap.until_ns is None:
        return note(
            "error",
            f"{gap.count} heartbeat{plural} missed since {_clock(gap.since_ns)} UTC; it goes on trying.",
        )
    return note(
        "warning",
        f"{gap.count} heartbeat{plural} missed from {_clock(gap.since_ns)} to {_clock(gap.until_ns)} UTC.",
    )


def _clock(time_ns: int) -> str:
    return iso_micro(time_ns)[11:19]
