"""A drill as the topics show it: as one screen, and as lines."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from snews_drill.cli.text import ago, clock, visible
from snews_drill.drill.drill_picture import DrillPicture, Participant, TimelineEntry

#: Lines of the timeline that are shown, the newest.
_SHOWN = 12

_STYLES = {
    "alert": "bold yellow",
    "retraction": "red",
    "announcement": "bold cyan",
    "joining": "cyan",
    "reset": "magenta",
    "problem": "yellow",
}


def drill_screen(picture: DrillPicture, now_ns: int) -> RenderableType:
    """Return one screen: counts, who is here, and what happened last.

    Parameters
    ----------
    picture
        The drill.
    now_ns
        The time, ns since 1970 (UTC).
    """
    parts: list[RenderableType] = [_head(picture), _participants(picture, now_ns)]
    lines = [
        Text(entry_line(entry), style=_STYLES.get(entry.kind, "")) for entry in picture.timeline[-_SHOWN:]
    ]
    parts += [Text("what happened last:", style="bold"), *(lines or [Text("nothing yet", style="dim")])]
    return Group(*parts, Text("Ctrl-C ends it.", style="dim"))


def _head(picture: DrillPicture) -> Panel:
    joining = {None: "", True: "; joining is frozen", False: "; joining is open"}[picture.is_joining_frozen]
    people = len(picture.people)
    lines = [
        Text(
            f"{len(picture.participants)} detectors, {people} of them {'a person' if people == 1 else 'people'}; "
            f"{len(picture.alerts)} alerts{joining}"
        )
    ]
    if picture.announcements:
        lines.append(Text(visible(picture.announcements[-1].text, limit=300), style="bold cyan"))
    if picture.problem:
        lines.append(Text(visible(picture.problem, limit=500), style="yellow"))
    return Panel(Text("\n").join(lines), title=Text("drill"), title_align="left")


def _participants(picture: DrillPicture, now_ns: int) -> RenderableType:
    if not picture.participants:
        return Text("nobody was heard yet", style="dim")
    table = Table(
        *("detector", "played by", "status", "latency", "last message", "tested", "obs.", "retr."),
        title="who is here",
        title_justify="left",
    )
    for one in picture.participants:
        table.add_row(
            visible(one.detector),
            Text(one.played_by or "person", "" if one.is_virtual else "bold cyan"),
            _status(one),
            "-" if one.latency_ms is None else f"{one.latency_ms:.0f} ms",
            f"{visible(one.last_message, limit=40)} {ago(one.last_heard_ns, now_ns)} ago",
            "yes" if one.tested_ns else "-",
            str(one.observations),
            str(one.retractions),
        )
    return table


def _status(one: Participant) -> Text:
    if one.is_refused:
        return Text("not let in", "yellow")
    return Text("-") if one.is_on is None else Text("ON", "green") if one.is_on else Text("OFF", "red")


def entry_line(entry: TimelineEntry) -> str:
    """Return an entry of the timeline as one line in which every character can be seen."""
    who = f"{visible(entry.detector, limit=40)}: " if entry.detector else ""
    voice = f" ({entry.played_by})" if entry.played_by else ""
    return f"{clock(entry.time_ns)} {who}{visible(entry.text, limit=300)}{voice}"


def entry_object(entry: TimelineEntry) -> dict[str, Any]:
    """Return an entry as plain data for one line of JSON."""
    return {"ok": True, **asdict(entry), "members": list(entry.members)}
