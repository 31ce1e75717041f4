"""The guide through a drill: a checklist that ticks itself from what it sees."""

from __future__ import annotations

from typing import Any

import ipywidgets

from snews_drill.background import Startable
from snews_drill.connection import Connection
from snews_drill.drill.evidence import DrillWatch
from snews_drill.drill.guide import GuideStep
from snews_drill.drill.scenarios import PlayedEvent, Scenario
from snews_drill.errors import DrillError
from snews_drill.messages.times import iso_micro
from snews_drill.subscriber import Subscriber
from snews_drill.widgets.errand import Errand
from snews_drill.widgets.look import escaped, note, panel, pill
from snews_drill.widgets.refresh import Refresher
from snews_drill.widgets.shown import Shown, announced_html, error_html, place_html, take_over

_STYLE = """<style>
.snews-drill ol.sd-steps { list-style: none; margin: 4px 0; padding: 0; }
.snews-drill ol.sd-steps li { display: grid; grid-template-columns: 22px 1fr auto; column-gap: 8px; padding: 6px 0;
  border-bottom: 1px solid var(--jp-border-color3, #eee); }
.snews-drill ol.sd-steps .sd-what { min-width: 0; }
.snews-drill ol.sd-steps .sd-next { font-weight: 600; }
.snews-drill ol.sd-steps code { padding: 1px 4px; overflow-wrap: anywhere; white-space: pre-wrap; }
.snews-drill ol.sd-steps summary { width: fit-content; cursor: pointer; }
</style>"""


class DrillGuide(Shown, Startable):
    """Shows the steps of a drill; each is ticked when its evidence is seen, whatever tool caused it.

    Messages are seen on the observation topic, echoes on the connection topic, alerts by a subscriber; in a rehearsal
    the drill server is asked how many heartbeats it counts. What the instructor announces stands above the steps.
    Starting another one for the same detector on the same connection stops this one.

    Parameters
    ----------
    scenario
        Name, file or value; its times are used in the hints.
    detector
        Whose drill it is; by default whoever is remembered, also when that changes.
    connection
        Where; the current connection by default.
    subscriber
        Takes alerts from this one; by default from one of its own.

    Raises
    ------
    ScenarioError
        If there is no such scenario.
    UnknownDetector
        If the detector is not on the roster.

    Examples
    --------
    >>> with DrillGuide("betelgeuse") as guide:  # doctest: +SKIP
    ...     guide.wait_for("connection", timeout=60)
    """

    def __init__(
        self,
        scenario: str | Scenario = "betelgeuse",
        *,
        detector: str | None = None,
        connection: Connection | None = None,
        subscriber: Subscriber | None = None,
    ) -> None:
        self._watch = DrillWatch(scenario, detector=detector, connection=connection, subscriber=subscriber)
        self._drawn: object = None
        self._refresher = Refresher(self._draw, every=0.25, name="guide view")
        self._errand = Errand("snews_drill guide errand", self._show_error)
        self._head, self._list, self._said = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()
        self._announced = ipywidgets.HTML()
        self._toggle = ipywidgets.Button(layout={"width": "130px"})
        self._toggle.on_click(self._press)
        self._play = ipywidgets.Button(
            description="Play the others",
            tooltip="Send the observations of the scenario's other detectors; yours is left to you",
            layout={"width": "150px"},
        )
        self._play.on_click(lambda _: self._errand.run(self.play_others))
        buttons = ipywidgets.HBox([self._toggle, self._play], layout={"flex_flow": "row wrap"})
        self.widget = panel(
            # The buttons stand above what grows, or they would move away under the hand that clicks.
            [ipywidgets.HTML(_STYLE), self._head, self._announced, buttons, self._said, self._list],
            title="Your drill, step by step",
        )
        self._draw()

    @property
    def steps(self) -> tuple[GuideStep, ...]:
        """The steps as they are now."""
        return self._watch.steps

    @property
    def detector(self) -> str | None:
        """Whose drill it is; None while nobody said."""
        return self._watch.detector

    @property
    def neutrino_time(self) -> str:
        """When the scenario has your detector see its first neutrino, ISO text, UTC."""
        return self._watch.neutrino_time

    @property
    def message(self) -> str:
        """What the last button said, as HTML; "" for nothing."""
        return str(self._said.value)

    @property
    def announced(self) -> str:
        """What was announced last, as HTML; "" for nothing."""
        return str(self._announced.value)

    @property
    def is_running(self) -> bool:
        """Whether it watches."""
        return self._watch.is_running

    def start(self) -> None:
        """Start watching; harmless when it does already. What is sent from then on is seen.

        Raises
        ------
        DrillError
            If there is no connection, or the broker refuses; it is shown as well.
        """
        self._said.value = ""
        try:
            self._watch.start()
        except DrillError as error:
            self._show_error(error)
            raise
        take_over(("guide", self.detector, id(self._watch.connection)), self)
        self._refresher.start()

    def stop(self, timeout: float = 2.0) -> None:
        """Stop watching, within `timeout` seconds; harmless when it does not. The ticks stay."""
        self._errand.join(timeout)
        self._watch.stop(timeout)
        self._refresher.stop()
        self._draw()

    def wait_for(self, name: str, timeout: float = 10.0) -> GuideStep:
        """Return a step once it is done.

        Parameters
        ----------
        name
            One of "name", "connection", "heartbeats", "observation", "alert", "retraction", "retraction_alert".
        timeout
            Seconds to wait at most.

        Raises
        ------
        SettingsError
            If there is no such step.
        NoAnswer
            If its evidence does not come; the error says what to look at.
        """
        return self._watch.wait_for(name, timeout)

    def play_others(self) -> list[PlayedEvent]:
        """Send the observations of the scenario's other detectors; yours is left to you.

        Raises
        ------
        NotPermitted
            If the connection is a live one.
        ScenarioError
            If there are no others.
        DeliveryFailed
            If the broker does not acknowledge.
        """
        try:
            played = self._watch.play_others()
        except DrillError as error:
            self._show_error(error)
            raise
        count = len({event.detector for event in played})
        self._said.value = note("ok", f"{len(played)} observations of {count} other detectors were sent.")
        return played

    def press_start(self) -> None:
        """Press the button that starts or stops; what goes wrong is shown."""
        self._toggle.click()

    def press_play(self) -> None:
        """Press the button that plays the others; it is done in the background."""
        self._play.click()

    def join(self, timeout: float = 15.0) -> None:
        """Wait until what a button began is over, at most `timeout` seconds."""
        self._errand.join(timeout)

    def __repr__(self) -> str:
        steps = self.steps
        return f"DrillGuide({sum(step.is_done for step in steps)} of {len(steps)} steps done)"

    def _press(self, _: object) -> None:
        if self.is_running:
            self.stop()
        else:
            self._errand.run(self.start)

    def _show_error(self, error: DrillError) -> None:
        self._said.value = error_html(error)

    def _draw(self) -> None:
        told = announced_html(self._watch.announcements)
        if told != self._announced.value:
            self._announced.value = told
        connection = self._watch.connection
        state: tuple[Any, ...] = (self.steps, self.is_running, self._watch.problem, self.detector, connection)
        if state == self._drawn:
            return
        self._drawn = state
        self._toggle.description = "Stop watching" if self.is_running else "Start watching"
        self._toggle.tooltip = (
            "Stop ticking steps" if self.is_running else "Tick each step when its evidence comes"
        )
        self._toggle.button_style = "" if self.is_running else "primary"
        self._play.disabled = connection is not None and connection.profile.is_live
        self._head.value = self._head_html(connection)
        self._list.value = _steps_html(self.steps)

    def _head_html(self, connection: Connection | None) -> str:
        scenario = self._watch.scenario
        count = sum(step.is_done for step in self.steps)
        state = pill("ok", "watching") if self.is_running else pill("quiet", "not watching")
        lines = [
            f"<div><b>{escaped(scenario.title)}</b> as <b>{escaped(self.detector or 'nobody yet')}</b>: "
            f"{count} of {len(self.steps)} steps done {state}</div>",
            f'<div class="sd-quiet">{escaped(scenario.description)}</div>',
            f"<div>{place_html(connection)}</div>" if connection is not None else "",
        ]
        if self._watch.problem:
            lines.append(note("error", self._watch.problem))
        return "".join(lines)


def _steps_html(steps: tuple[GuideStep, ...]) -> str:
    following = next((step.name for step in steps if not step.is_done), None)
    rows = "".join(
        _step_html(number, step, is_next=step.name == following) for number, step in enumerate(steps, start=1)
    )
    return f'<ol class="sd-steps">{rows}</ol>'


def _step_html(number: int, step: GuideStep, *, is_next: bool) -> str:
    if step.done_ns is not None:
        clock = f'<span class="sd-quiet">{iso_micro(step.done_ns)[11:19]} UTC</span>'
        return (
            '<li><span class="sd-ok" role="img" aria-label="done">✓</span>'
            f'<span class="sd-what">{escaped(step.title)}<br><span class="sd-quiet">{escaped(step.detail)}</span></span>'
            f"{clock}</li>"
        )
    title = f'<span class="{"sd-next" if is_next else ""}">{escaped(step.title)}</span>'
    help_line = (
        f'<br><span class="sd-quiet">If it stays open: {escaped(step.if_open)}</span>'
        if is_next
        else f'<details class="sd-quiet"><summary>If it stays open</summary>{escaped(step.if_open)}</details>'
    )
    return (
        f'<li><span class="sd-quiet" role="img" aria-label="open">{number}</span>'
        f'<span class="sd-what">{title}<br><code>{escaped(step.hint)}</code>{help_line}</span><span></span></li>'
    )
