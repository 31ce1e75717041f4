"""`report`: what each detector did in a drill, and what became of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snews_drill.cli.options import FiredrillOption, JsonOption, ProfileOption, complete_scenario
from snews_drill.cli.screen import Screen, command
from snews_drill.cli.text import clock, visible
from snews_drill.messages.visible import counted

if TYPE_CHECKING:
    from snews_drill.drill.after_action import AfterActionReport, DetectorReport
    from snews_drill.settings import DrillSettings

#: Problems that are listed; the files hold all.
_LISTED = 40


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("report")(report)


def report(  # noqa: PLR0913 - one option each
    archive: Annotated[
        str | None,
        typer.Option(
            "--archive",
            metavar="FILE|rehearsal",
            help="The server's archive, or a copy of it; `rehearsal` is the newest one of this machine. "
            "By default the archive that was last written to.",
        ),
    ] = None,
    scenario: Annotated[
        str | None,
        typer.Option(
            "--scenario",
            metavar="SCENARIO",
            help="What was played, a name or a .toml file; by default what the messages say.",
            autocompletion=complete_scenario,
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Leave out what came before (ISO, UTC).")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Leave out what came later (ISO, UTC).")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write one HTML file that needs nothing else."),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write the row of each detector as CSV.")
    ] = None,
    lists_archives: Annotated[
        bool, typer.Option("--list", help="List the archives of this machine, and report nothing.")
    ] = False,
    profile: ProfileOption = None,
    firedrill: FiredrillOption = True,  # noqa: ARG001 - every command takes it; an archive holds both
    is_json: JsonOption = False,
) -> None:
    """Report on a drill from its server's archive, which is only read, also while the server runs.

    The archive is the private file of whoever runs the server: on a broker that is shared, ask the instructor.
    """
    with command(is_json) as screen:
        from snews_drill.settings import load_settings

        settings = load_settings()
        if lists_archives:
            _list(screen, settings)
            return
        from snews_drill.drill.after_action import after_action

        path = archive_of(archive, profile, settings)
        with screen.progress("Reading the archive …"):
            found = after_action(path, scenario=scenario, since=since, until=until)
            written = [
                kind(target) for kind, target in ((found.to_html, html), (found.to_csv, csv)) if target
            ]
        _tell(screen, found)
        for file in written:
            screen.note(f"Written: {file}")
        screen.emit({"ok": True, **found.to_dict()})


def archive_of(archive: str | None, profile: str | None, settings: DrillSettings) -> Path:
    """Return the archive that the options --archive and --profile mean.

    Raises
    ------
    ArchiveError
        If there is none; it says whom to ask.
    """
    from snews_drill.drill.after_action.reading import archive_path, broker_archive
    from snews_drill.profiles import chosen_profile

    if archive is not None or profile is None:
        return archive_path(archive, settings=settings)
    chosen = chosen_profile(profile, settings)
    if chosen.broker is None:
        return archive_path("rehearsal", settings=settings)
    return broker_archive(settings, chosen, chosen.broker)


def _list(screen: Screen, settings: DrillSettings) -> None:
    from rich.table import Table

    from snews_drill.messages.times import iso_micro
    from snews_drill.rehearsal.archive_places import list_archives

    places = list_archives(settings)
    table = Table("last written (UTC)", "kind", "size", "archive")
    for place in places:
        when = iso_micro(place.changed_ns)[:19].replace("T", " ")
        table.add_row(when, place.kind, f"{place.size_bytes / 1e3:,.0f} kB", visible(place.path))
    if places:
        screen.show(table)
    else:
        screen.say(f"There is no archive below {settings.state_dir}. Rehearsals are kept for a week.")
    screen.emit(
        {
            "ok": True,
            "archives": [
                {
                    "path": str(place.path),
                    "kind": place.kind,
                    "name": place.name,
                    "changed": iso_micro(place.changed_ns),
                    "size_bytes": place.size_bytes,
                }
                for place in places
            ],
        }
    )


def _tell(screen: Screen, found: AfterActionReport) -> None:
    if screen.is_json:
        return
    if found.is_empty:
        screen.say(f"Nothing was received: {found.archive} is empty, or nothing in it is of that time.")
        return
    from rich.table import Table

    heads = (
        "detector",
        "tested",
        "beats",
        "ON",
        "latency",
        "sent",
        "off scenario",
        "alerts",
        "after",
        "retracted",
    )
    table = Table(*heads, "to look at", title=_title(found))
    for row in found.detectors:
        table.add_row(*_cells(row))
    screen.show(table)
    _tell_problems(screen, found)
    for line in (found.localization.summary if found.localization else found.map_remark).splitlines():
        screen.say(line)
    star = found.scenario.scenario.star if found.scenario.scenario is not None else None
    if star is not None and found.separation_deg is not None:
        screen.say(f"{star.name} is {found.separation_deg:.2f}° from the best fit.")
    latency = found.alert_latency_ms
    spread = f": latency p50 {latency.p50:.1f} ms, p95 {latency.p95:.1f} ms" if latency else ""
    screen.say(f"{counted(len(found.alerts), 'alert')}{spread}.")


def _title(found: AfterActionReport) -> str:
    return visible(f"{found.scenario.name or 'A drill'}, from {found.archive}")


def _cells(row: DetectorReport) -> list[str]:
    latency = row.heartbeat_latency_p50_ms
    values: list[Any] = [
        row.detector,
        _when(row.connection_tested_ns),
        row.heartbeats or "-",
        "-" if row.on_share is None else f"{row.on_share:.0%}",
        "-" if latency is None else f"{latency:.1f} ms",
        _when(row.sent_ns),
        "-" if row.offset_ms is None else f"{row.offset_ms:+.2f} ms",
        row.alerts or "-",
        "-" if row.alert_latency_ms is None else f"{row.alert_latency_ms:.1f} ms",
        _when(row.retracted_ns),
        len(row.problems) or "-",
    ]
    return [visible(value) for value in values]


def _when(time_ns: int | None) -> str:
    return "-" if time_ns is None else clock(time_ns)


def _tell_problems(screen: Screen, found: AfterActionReport) -> None:
    from snews_drill.drill.after_action.problems import gathered

    lines = gathered(found)
    for who, problem in lines[:_LISTED]:
        times = f" ({problem.count} times)" if problem.count > 1 else ""
        screen.say(f"{who}: {problem.text}{times}", style="yellow")
    if len(lines) > _LISTED:
        screen.say(f"… and {len(lines) - _LISTED} more; --html and --json have them all.")
