"""`rehearse`: a whole drill on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from snews_drill.cli.options import (
    DetectorOption,
    FiredrillOption,
    JsonOption,
    complete_profile,
    complete_scenario,
)
from snews_drill.cli.screen import Screen, command, connected
from snews_drill.cli.text import visible
from snews_drill.errors import DrillError, NotPermitted, SettingsError

if TYPE_CHECKING:
    from snews_drill.cli.alert_panel import AlertLines
    from snews_drill.connection import Connection
    from snews_drill.drill.report import RehearsalReport, Step
    from snews_drill.messages.alert import Alert

ScenarioArgument = Annotated[
    str, typer.Argument(metavar="SCENARIO", help="A name or a .toml file.", autocompletion=complete_scenario)
]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("rehearse")(rehearse)


_Place = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="PROFILE",
        help="Where: rehearsal (this machine), whatever else is chosen, or a broker of your own: kafka://host:port.",
        autocompletion=complete_profile,
    ),
]


def rehearse(
    scenario: ScenarioArgument = "betelgeuse",
    detector: DetectorOption = None,
    profile: _Place = None,
    firedrill: FiredrillOption = True,
    is_json: JsonOption = False,
) -> None:
    """Play a whole drill on this machine: connection, heartbeats, observations, alerts, retraction."""
    with command(is_json) as screen:
        check_topics(firedrill)
        if profile is None or profile == "rehearsal":
            _rehearse(screen, scenario, detector, None)
            return
        _refuse_live(profile)
        with connected(screen, profile) as connection:
            _rehearse(screen, scenario, detector, connection)


def _rehearse(screen: Screen, scenario: str, detector: str | None, connection: Connection | None) -> None:
    from snews_drill import drill  # noqa: F401 - the package is loaded before its module
    from snews_drill.cli.alert_panel import AlertLines
    from snews_drill.drill.rehearse import rehearse as play_drill

    lines = AlertLines()
    with screen.progress("Rehearsing …"):
        report = play_drill(
            scenario,
            detector,
            connection=connection,
            on_step=lambda step: _tell_step(screen, step),
            on_alert=lambda alert: _tell_alert(screen, lines, alert),
        )
    _summarise(screen, report)
    if not report.ok:
        failed = next((step for step in report.steps if not step.ok), None)
        screen.result.update(report.to_dict())
        screen.result.pop("ok", None)
        reason, next_step = _reason_and_step(failed)
        raise DrillError(
            f"The rehearsal ended at: {failed.name if failed else 'the start'}. {reason}".strip(),
            next_step=next_step or "Rehearse once more.",
        )
    screen.emit(report.to_dict())


def _reason_and_step(failed: Step | None) -> tuple[str, str]:
    """Return why a step failed, and what to do."""
    reason, _, next_step = (failed.detail if failed else "").partition("\n  Next step: ")
    return reason, next_step


def _tell_step(screen: Screen, step: Step) -> None:
    if screen.is_json:
        return
    from rich.table import Table
    from rich.text import Text

    mark, style = ("✓", "green") if step.ok else ("✗", "bold red")
    row = Table.grid(padding=(0, 1))  # what is too long for the line goes on below its beginning
    for width in (1, 16, 8, None):
        row.add_column(width=width, justify="right" if width == 8 else "left", overflow="fold")
    detail = step.detail if step.ok else _reason_and_step(step)[0]  # the end tells the next step
    cells = (mark, step.name, f"{step.ms:.0f} ms", detail)
    row.add_row(*(Text(visible(cell, keeps_lines=True), style=style) for cell in cells))
    screen.show(row)


def _tell_alert(screen: Screen, lines: AlertLines, alert: Alert) -> None:
    if not screen.is_json:
        from rich.padding import Padding

        screen.show(Padding(lines.line(alert), (0, 0, 0, 2)))


def _summarise(screen: Screen, report: RehearsalReport) -> None:
    from rich.table import Table

    latency = report.alert_latency_ms
    known = latency["p50"] is not None and latency["max"] is not None
    table = Table(
        title=f"Rehearsal of {visible(report.scenario)} as {visible(report.detector)}", show_header=False
    )
    table.add_row("steps", f"{sum(step.ok for step in report.steps)} of {len(report.steps)} succeeded")
    table.add_row("alerts", str(len(report.alerts)))
    table.add_row(
        f"{len(report.detectors)} detectors in the largest alert",
        ", ".join(visible(name) for name in report.detectors),
    )
    table.add_row(
        "latency of alerts",
        f"median {latency['p50']:.1f} ms, longest {latency['max']:.1f} ms" if known else "-",
    )
    screen.show(table)


def _refuse_live(profile: str | None) -> None:
    from snews_drill.profiles import chosen_profile
    from snews_drill.settings import load_settings

    chosen = chosen_profile(profile, load_settings())
    if chosen.is_live:
        raise NotPermitted(
            f"A scenario speaks for many detectors, and others read {chosen.name}.",
            next_step="Rehearse on this machine (--profile rehearsal); `scenarios run` plays your own part with --detector.",
        )


def check_topics(firedrill: bool) -> None:
    """Raise SettingsError unless the fire-drill topics are chosen."""
    if not firedrill:
        raise SettingsError(
            "Scenarios are played on the fire-drill topics only.", next_step="Leave --no-firedrill out."
        )
