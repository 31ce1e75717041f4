"""`doctor`: what is in the way of taking part, check by check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from snews_drill.cli.options import JsonOption, ProfileOption
from snews_drill.cli.screen import EXIT_FAILED, Screen, command

if TYPE_CHECKING:
    from snews_drill.doctor import Finding

_STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red", "skipped": "dim"}


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("doctor")(doctor)


def doctor(
    profile: ProfileOption = None,
    timeout: Annotated[
        float,
        typer.Option("--timeout", metavar="SECONDS", min=0.1, help="The most to wait for any one answer."),
    ] = 5.0,
    echo: Annotated[
        bool,
        typer.Option(
            "--echo/--no-echo", help="Write one connection test to the drill server, or write nothing."
        ),
    ] = True,
    is_json: JsonOption = False,
) -> None:
    """Look at everything that must work to take part; exit code 1 if something is in the way."""
    with command(is_json) as screen:
        from snews_drill.doctor import diagnose

        diagnosis = diagnose(
            profile, timeout=timeout, echo=echo, on_finding=lambda finding: _show(screen, finding)
        )
        screen.emit(diagnosis.to_dict())
        count = len(diagnosis.problems)
        if diagnosis.ok:
            screen.say("Nothing is in the way.", "bold green")
        else:
            first = diagnosis.problems[0].name
            screen.say(f"{count} problem{'s' if count > 1 else ''}; begin with {first}.", "bold red")
            raise typer.Exit(EXIT_FAILED)


def _show(screen: Screen, finding: Finding) -> None:
    from snews_drill.doctor.findings import MARKS

    screen.say(f"{MARKS[finding.status]} {finding.name}: {finding.detail}", _STYLES[finding.status])
    if finding.next_step:
        screen.say(f"    Next step: {finding.next_step}")
