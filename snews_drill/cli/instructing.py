"""`announce`, `freeze-joining`, `unfreeze-joining`, `drill-status`: what an instructor asks of the drill server."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from snews_drill.cli.options import FiredrillOption, JsonOption, ProfileOption
from snews_drill.cli.requesting import WaitOption, emit_reply
from snews_drill.cli.screen import command, connected

if TYPE_CHECKING:
    from snews_drill.connection import Connection
    from snews_drill.replies import CommandReply


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("announce")(announce)
    app.command("freeze-joining")(freeze_joining)
    app.command("unfreeze-joining")(unfreeze_joining)
    app.command("drill-status")(drill_status)


def announce(
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="What everybody is told; at most 1,000 characters.")
    ],
    wait: WaitOption = 10.0,
    profile: ProfileOption = None,
    firedrill: FiredrillOption = True,
    is_json: JsonOption = False,
) -> None:
    """Tell everybody who takes part something. Needs rights; on your own rehearsal you have them."""
    from snews_drill import instructor

    _run(
        profile,
        lambda drill: instructor.announce(text, firedrill=firedrill, patience=wait, connection=drill),
        is_json=is_json,
    )


def freeze_joining(
    wait: WaitOption = 10.0,
    profile: ProfileOption = None,
    firedrill: FiredrillOption = True,
    is_json: JsonOption = False,
) -> None:
    """Let no detector join that was not heard before. Needs rights; on your own rehearsal you have them."""
    from snews_drill import instructor

    _run(
        profile,
        lambda drill: instructor.freeze_joining(firedrill=firedrill, patience=wait, connection=drill),
        is_json=is_json,
    )


def unfreeze_joining(
    wait: WaitOption = 10.0,
    profile: ProfileOption = None,
    firedrill: FiredrillOption = True,
    is_json: JsonOption = False,
) -> None:
    """Let every detector join again. Needs rights; on your own rehearsal you have them."""
    from snews_drill import instructor

    _run(
        profile,
        lambda drill: instructor.unfreeze_joining(firedrill=firedrill, patience=wait, connection=drill),
        is_json=is_json,
    )


def drill_status(
    wait: WaitOption = 10.0,
    profile: ProfileOption = None,
    firedrill: FiredrillOption = True,
    is_json: JsonOption = False,
) -> None:
    """Ask the drill server whether joining is frozen, and what it holds."""
    from snews_drill import instructor

    _run(
        profile,
        lambda drill: instructor.drill_status(firedrill=firedrill, patience=wait, connection=drill),
        is_json=is_json,
    )


def _run(profile: str | None, do: Callable[[Connection], CommandReply], *, is_json: bool) -> None:
    with command(is_json) as screen, connected(screen, profile) as connection:
        with screen.printing(), screen.progress("Waiting for the drill server …"):
            reply = do(connection)
        emit_reply(screen, reply)
