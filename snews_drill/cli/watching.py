"""`watch`: a drill seen from its topics, for an instructor who does not run the server."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snews_drill.cli.options import FiredrillOption, JsonOption, ProfileOption
from snews_drill.cli.screen import Screen, command, connected

if TYPE_CHECKING:
    from snews_drill.drill.drill_picture import DrillPicture
    from snews_drill.drill.monitor import DrillMonitor

#: How often the screen is drawn, and how often lines are looked for, seconds.
_DRAW_SEC, _LOOK_SEC = 0.5, 0.2


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("watch")(watch)


def watch(
    timeout: Annotated[
        float | None, typer.Option("--timeout", metavar="SECONDS", min=0.0, help="End after this time.")
    ] = None,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Begin with all that the broker still has.")
    ] = False,
    profile: ProfileOption = None,
    firedrill: FiredrillOption = True,
    is_json: JsonOption = False,
) -> None:
    """Show who is here, the alerts and the timeline of a drill, until Ctrl-C. With --json each event is one line."""
    from snews_drill.cli.interruption import until_interrupted

    with command(is_json) as screen, connected(screen, profile) as connection:
        from snews_drill.drill.monitor import DrillMonitor

        start = "beginning" if from_beginning else "now"
        with (
            DrillMonitor(connection, firedrill_mode=firedrill, start=start) as monitor,  # type: ignore[arg-type]
            until_interrupted() as asked,
        ):
            deadline = None if timeout is None else time.monotonic() + timeout
            show = _on_screen if screen.is_terminal else _in_lines
            if not screen.is_terminal:
                topic = connection.topics(firedrill_mode=firedrill).observations
                screen.note(f"Watching {connection.url(topic)}. Ctrl-C ends it.")
            show(screen, monitor, lambda seconds: _wait(asked, seconds, deadline))


def _wait(asked: Any, seconds: float, deadline: float | None) -> bool:
    """Wait a little; return whether it is time to end."""
    left = seconds if deadline is None else min(seconds, deadline - time.monotonic())
    return bool(asked.wait(max(left, 0.0))) or (deadline is not None and time.monotonic() >= deadline)


def _on_screen(screen: Screen, monitor: DrillMonitor, is_over: Any) -> None:
    from rich.live import Live

    from snews_drill.cli.drill_view import drill_screen

    with Live(console=screen.out, screen=True, auto_refresh=False, redirect_stderr=False) as live:
        while monitor.is_running:
            live.update(drill_screen(monitor.picture, time.time_ns()), refresh=True)
            if is_over(_DRAW_SEC):
                break


def _in_lines(screen: Screen, monitor: DrillMonitor, is_over: Any) -> None:
    from snews_drill.cli.drill_view import entry_line, entry_object

    before: DrillPicture | None = None
    told_problem = ""
    is_last = False
    while not is_last:
        is_last = is_over(_LOOK_SEC) or not monitor.is_running
        picture = monitor.picture
        if picture.problem != told_problem:
            told_problem = picture.problem
            screen.note(told_problem or "Everything is seen again.", style="yellow")
        for entry in _news(before, picture):
            screen.say(entry_line(entry))
            screen.emit(entry_object(entry))
        before = picture


def _news(before: DrillPicture | None, after: DrillPicture) -> list[Any]:
    """Return the entries that came since a picture; entries are compared by identity, for two may look alike."""
    known = {id(entry) for entry in before.timeline} if before is not None else set()
    return [entry for entry in after.timeline if id(entry) not in known]
