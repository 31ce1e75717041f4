"""`set-name`: who you are."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from snews_drill.cli.options import (
    FiredrillOption,
    JsonOption,
    ProfileOption,
    check_profile,
    complete_detector,
)
from snews_drill.cli.screen import Screen, command
from snews_drill.cli.text import visible


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("set-name")(set_name)


def set_name(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A registered name or spelling.", show_default=False, autocompletion=complete_detector
        ),
    ] = None,
    show_list: Annotated[
        bool, typer.Option("--list", help="Show all detectors and how they may be spelled.")
    ] = False,
    profile: ProfileOption = None,
    firedrill: FiredrillOption = True,  # noqa: ARG001 - every command takes it
    is_json: JsonOption = False,
) -> None:
    """Remember which detector you are. Without a name, a terminal asks."""
    with command(is_json) as screen:
        check_profile(profile)
        if show_list:
            _show_roster(screen)
            return
        from snews_drill import names
        from snews_drill.errors import NameNotSet

        try:
            with screen.printing():
                # The question is asked on the terminal itself.
                names.set_name(name if name is not None else _asked(screen))
        except EOFError:
            raise NameNotSet from None
        screen.emit({"ok": True, "detector_name": names.get_name()})


def _asked(screen: Screen) -> str:
    from snews_drill.detectors import find_detector, roster
    from snews_drill.errors import NameNotSet, UnknownDetector
    from snews_drill.settings import load_settings

    if sys.stdin is None or not sys.stdin.isatty():
        raise NameNotSet
    current = load_settings().detector_name
    numbers = {str(detector.number): detector.name for detector in roster()}
    for number, name in numbers.items():
        screen.note(f"[{number:>2}] {name}", style="")
    while True:
        now = f" [{visible(current)}]" if current else ""
        screen.note(f"Your detector, by number or name{now}:", style="bold")
        answer = input().strip() or current or ""
        try:
            return find_detector(numbers.get(answer, answer)).name
        except UnknownDetector as error:
            screen.note(error.reason, style="red")


def _show_roster(screen: Screen) -> None:
    from rich.table import Table

    from snews_drill.detectors import roster

    table = Table("number", "name", "also", title="Detectors")
    for detector in roster():
        table.add_row(str(detector.number), detector.name, ", ".join(detector.spellings))
    screen.show(table)
    listed = [{"number": d.number, "name": d.name, "spellings": d.spellings} for d in roster()]
    screen.emit({"ok": True, "detectors": listed})
