"""`test-connection`, `reset-cache`, `get-feedback`, `display-heartbeats`: what is asked of the drill server."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from snews_drill.cli.options import FiredrillOption, JsonOption, ProfileOption
from snews_drill.cli.screen import Screen, command, connected
from snews_drill.cli.text import visible

if TYPE_CHECKING:
    from snews_drill.remote import CommandReply

WaitOption = Annotated[
    float, typer.Option("--wait", "-w", metavar="SECONDS", min=0.1, help="How long to be patient.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("test-connection")(ask_for_echo)
    app.command("reset-cache")(reset_cache)
    app.command("get-feedback")(get_feedback)
    app.command("display-heartbeats")(display_heartbeats)


def ask_for_echo(
    wait: WaitOption = 10.0,
    profile: ProfileOption = None,
    firedrill: FiredrillOption = True,
    is_json: JsonOption = False,
) -> None:
    """Ask the drill server for an echo."""
    with command(is_json) as screen, connected(screen, profile) as connection:
        from snews_drill import remote

        with screen.printing(), screen.progress("Waiting for the drill server …"):
            report = remote.test_connection(wait=wait, firedrill=firedrill, connection=connection)
        screen.emit(
            {
                "ok": report.is_confirmed,
                "detector_name": report.detector_name,
                "broker": report.broker,
                "sent_to": report.sent_to,
                "expected_from": report.expected_from,
                "time": report.time,
                "ms": round(report.milliseconds, 3),
            }
        )


def reset_cache(
    wait: WaitOption = 10.0,
    profile: ProfileOption = None,
    firedrill: FiredrillOption = True,
    is_json: JsonOption = False,
) -> None:
    """Have the drill server forget all observations. Needs rights; on your own rehearsal you have them."""
    with command(is_json) as screen, connected(screen, profile) as connection:
        from snews_drill import remote

        with screen.printing(), screen.progress("Waiting for the drill server …"):
            reply = remote.reset_cache(firedrill=firedrill, patience=wait, connection=connection)
        emit_reply(screen, reply)


def get_feedback(
    email: Annotated[
        str | None,
        typer.Option("--email", metavar="ADDRESS", help="A registered address; several with ; between them."),
    ] = None,
    wait: WaitOption = 30.0,
    profile: ProfileOption = None,
    firedrill: FiredrillOption = True,
    is_json: JsonOption = False,
) -> None:
    """Have the statistics of your heartbeats in the last 24 hours mailed to you."""
    with command(is_json) as screen:
        addresses = email if email is not None else _asked(screen)
        with connected(screen, profile) as connection:
            from snews_drill import remote

            with screen.printing(), screen.progress("Waiting for the drill server …"):
                reply = remote.get_feedback(
                    email_address=addresses, firedrill=firedrill, patience=wait, connection=connection
                )
            emit_reply(screen, reply)


def display_heartbeats(
    wait: WaitOption = 10.0,
    profile: ProfileOption = None,
    firedrill: FiredrillOption = True,
    is_json: JsonOption = False,
) -> None:
    """Show the heartbeats of all detectors in the last 24 hours. Needs rights; on your own rehearsal you have them."""
    with command(is_json) as screen, connected(screen, profile) as connection:
        from rich.table import Table

        from snews_drill import remote

        with screen.printing(), screen.progress("Waiting for the drill server …"):
            found = remote.display_heartbeats(firedrill=firedrill, patience=wait, connection=connection)
        rows = found.to_dict("records")
        table = Table(*[str(column) for column in found.columns], title="Heartbeats")
        for row in rows:
            table.add_row(*[visible(value) for value in row.values()])
        if rows:
            screen.show(table)
        screen.emit({"ok": True, "heartbeats": rows})


def emit_reply(screen: Screen, reply: CommandReply) -> None:
    """Write what the server answered as one object."""
    screen.emit(
        {
            "ok": reply.is_confirmed,
            "command": reply.command,
            "answer": reply.answer,
            "ms": round(reply.milliseconds, 3),
        }
    )


def _asked(screen: Screen) -> str:
    from snews_drill.errors import SettingsError

    if sys.stdin is not None and sys.stdin.isatty():
        screen.note("Your registered address:", style="bold")
        try:
            return input().strip()
        except EOFError:
            pass
    raise SettingsError(
        "You have not said where the feedback goes.",
        next_step="Give a registered address: --email you@example.org",
    )
