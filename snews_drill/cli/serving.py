"""`serve`: a drill server in the foreground, with its status."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from snews_drill.cli.options import FiredrillOption, JsonOption, ProfileOption
from snews_drill.cli.screen import Screen, command, connected

if TYPE_CHECKING:
    from snews_drill.cli.server_setup import ServerChoices
    from snews_drill.cli.server_status import Look, Shown
    from snews_drill.rehearsal.archive import Archive

#: How often the screen is drawn, and how often a log or JSON may speak, seconds.
_DRAW_SEC = 0.25
_SPEAK_SEC = 1.0


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("serve")(serve)


def serve(  # noqa: PLR0913 - each is an option
    broker: Annotated[
        str | None,
        typer.Option("--broker", metavar="URL", help="Serve a drill on this broker: kafka://host:port."),
    ] = None,
    topics_prefix: Annotated[
        str | None, typer.Option("--topics-prefix", metavar="P", help="Goes in front of every topic.")
    ] = None,
    archive: Annotated[
        Path | None,
        typer.Option(
            "--archive", metavar="FILE", help="Where everything is kept; a folder of its own is best."
        ),
    ] = None,
    admin_token_file: Annotated[
        Path | None,
        typer.Option(
            "--admin-token-file", metavar="FILE", help="A private file; who knows the token has rights."
        ),
    ] = None,
    dialect: Annotated[
        str | None,
        typer.Option("--dialect", help='How alerts are written, "1.3" or "3"; both are always read.'),
    ] = None,
    partitions: Annotated[
        int,
        typer.Option(
            "--partitions",
            min=1,
            max=1000,
            help="Partitions of the observation topics, if they are made now.",
        ),
    ] = 1,
    standby: Annotated[
        str | None,
        typer.Option(
            "--standby",
            metavar="GROUP",
            help="Servers of one group stand by for each other: one is active, another takes over when it dies.",
        ),
    ] = None,
    profile: ProfileOption = None,
    firedrill: FiredrillOption = True,  # noqa: ARG001 - a server serves both
    is_json: JsonOption = False,
) -> None:
    """Run a drill server on a broker, and show its status until Ctrl-C.

    Without --broker it keeps your rehearsal alive, whose server runs beside it, and shows that one's status.
    """
    with command(is_json) as screen:
        url = broker or _broker_of(profile)
        if url is None:
            _refuse_choices(topics_prefix, archive, admin_token_file, dialect, partitions != 1, standby)
            _show_rehearsal(screen)
            return
        from snews_drill.cli.server_setup import ServerChoices

        _serve_broker(
            screen, ServerChoices(url, topics_prefix, archive, admin_token_file, dialect, partitions, standby)
        )


def _broker_of(profile: str | None) -> str | None:
    from snews_drill.errors import SettingsError
    from snews_drill.profiles import chosen_profile
    from snews_drill.settings import load_settings

    chosen = chosen_profile(profile, load_settings())
    if chosen.broker is None:
        return None
    if "://" in chosen.name:
        return chosen.name
    raise SettingsError(
        f"{chosen.name} has a drill server of its own.",
        next_step="Serve another broker (--broker kafka://host:port), or your rehearsal (--profile rehearsal).",
    )


def _refuse_choices(*choices: object) -> None:
    from snews_drill.errors import SettingsError

    if any(choices):
        raise SettingsError(
            "A rehearsal has its own topics, archive, token and dialect, and one server.",
            next_step="Leave those options out, or name a broker: --broker kafka://host:port",
        )


def _show_rehearsal(screen: Screen) -> None:
    from snews_drill.cli.server_status import RehearsalLook

    with connected(screen, "rehearsal") as connection, contextlib.ExitStack() as stack:
        rehearsal = connection.rehearsal
        assert rehearsal is not None  # noqa: S101 - the profile says so; for the type checker
        with screen.progress("Waiting for the rehearsal's drill server …"):
            archive = stack.enter_context(_await_archive(rehearsal.archive_dir))
        _watch(screen, RehearsalLook(connection, archive), lambda: True)


def _await_archive(folder: Path, timeout: float = 10.0) -> Archive:
    from snews_drill.errors import ArchiveError
    from snews_drill.rehearsal.archive import Archive
    from snews_drill.rehearsal.archive_places import ARCHIVE_NAME

    path, deadline = folder / ARCHIVE_NAME, time.monotonic() + timeout
    # Opened after the server has begun to write: two that prepare one file at the same time would be in each other's way.
    while not path.with_name(f"{ARCHIVE_NAME}-wal").exists():
        if time.monotonic() > deadline:
            raise ArchiveError(
                f"The rehearsal's drill server has not begun within {timeout:g} s.",
                next_step=f"Look into {folder}.",
            )
        time.sleep(0.02)
    return Archive(path)


def _serve_broker(screen: Screen, choices: ServerChoices) -> None:
    from snews_drill.cli.server_setup import open_server_archive, open_server_connection
    from snews_drill.cli.server_status import look_at_own
    from snews_drill.rehearsal.server import DrillServer

    with contextlib.ExitStack() as stack:
        with screen.progress("Connecting …"):
            connection, remarks = stack.enter_context(open_server_connection(choices))
            archive = stack.enter_context(open_server_archive(choices, connection))
        for remark in remarks:
            screen.note(remark, style="yellow")
        server = stack.enter_context(
            DrillServer(connection, archive, server_tag="snews_drill", standby_group=choices.standby_group)
        )
        _watch(screen, look_at_own(server, archive, connection), lambda: server.is_running)


def _watch(screen: Screen, look: Look, is_running: Callable[[], bool]) -> None:
    from snews_drill.cli.interruption import until_interrupted

    with until_interrupted() as asked:
        if screen.is_terminal:
            from rich.live import Live

            from snews_drill.cli.server_view import status_screen

            with Live(console=screen.out, screen=True, auto_refresh=False, redirect_stderr=False) as live:
                while is_running():
                    live.update(status_screen(look(), time.time_ns()), refresh=True)
                    if asked.wait(_DRAW_SEC):
                        break
            return
        before: Shown | None = None
        while is_running():
            before = _speak(screen, before, look())
            if asked.wait(_SPEAK_SEC):
                break


def _speak(screen: Screen, before: Shown | None, after: Shown) -> Shown:
    if after != before:
        from snews_drill.cli.server_view import log_lines

        for line in log_lines(before, after):
            screen.say(line)
        screen.emit(after.to_dict())
    return after
