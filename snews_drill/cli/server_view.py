"""The status of a drill server: as one screen, and as lines of a log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from snews_drill.cli.server_status import SHOWN, Shown
from snews_drill.cli.text import ago, clock, visible
from snews_drill.messages.visible import counted

_STATE_STYLES = {"listening": "bold green", "waiting": "bold yellow", "stopped": "bold red"}


def status_screen(shown: Shown, now_ns: int) -> RenderableType:
    """Return one screen: state, counts, who is here, groups, the newest alerts and refusals.

    Parameters
    ----------
    shown
        What to show.
    now_ns
        The time, ns since 1970 (UTC).
    """
    return Group(
        _head(shown, now_ns),
        _detectors(shown, now_ns),
        _titled("groups", [", ".join(group) for group in shown.status.groups[:SHOWN]]),
        _titled("last alerts", [_alert_words(alert) for alert in shown.alerts]),
        _titled(
            "not accepted",
            [_refusal_words(refusal) for refusal in shown.status.refusals[-SHOWN:]],
            style="yellow",
        ),
        Text("Ctrl-C ends it.", style="dim"),
    )


def _head(shown: Shown, now_ns: int) -> Panel:
    status = shown.status
    first = Text(visible(status.state), style=_STATE_STYLES.get(status.state, "bold"))
    if status.role:
        first.append(f", {visible(status.role)}", style="bold" if status.role == "active" else "bold cyan")
    first.append(f"  {visible(status.problem, limit=300)}", style="yellow")
    counts = ", ".join(f"{visible(name)} {count:,}" for name, count in sorted(status.counts.items()) if count)
    lines = [
        first,
        Text(f"serving {visible(shown.where)}"),
        Text(
            f"archive {visible(shown.archive)}; up for {ago(status.started_ns or now_ns, now_ns)}",
            style="dim",
        ),
        Text(counts or "nothing came yet"),
    ]
    if status.frozen:
        lines.append(
            Text(f"joining is frozen on {', '.join(map(visible, status.frozen))}", style="bold cyan")
        )
    return Panel(Text("\n").join(lines), title=Text("drill server"), title_align="left")


def _detectors(shown: Shown, now_ns: int) -> RenderableType:
    table = Table(
        "detector",
        "status",
        "heartbeat",
        "last message",
        "latency",
        "beats",
        "observations",
        title="who is here",
        title_justify="left",
    )
    for seen in shown.status.detectors[:40]:
        status = (
            Text("-") if seen.is_on is None else Text("ON", "green") if seen.is_on else Text("OFF", "red")
        )
        table.add_row(
            visible(seen.name),
            status,
            f"{ago(seen.last_heartbeat_ns, now_ns)} ago" if seen.last_heartbeat_ns else "-",
            f"{ago(seen.last_message_ns, now_ns)} ago" if seen.last_message_ns else "-",
            "-" if seen.latency_ms is None else f"{seen.latency_ms:.0f} ms",
            str(seen.heartbeats),
            str(seen.observations),
        )
    return table if table.row_count else Text("nobody was heard yet", style="dim")


def _titled(title: str, lines: list[str], style: str = "") -> Text:
    text = Text(f"{title}: ", style="bold")
    if not lines:
        return text.append("none", style="dim")
    for line in lines:
        text.append(f"\n  {line}", style=style or "default not bold")
    return text


def _alert_words(alert: dict[str, Any]) -> str:
    names = alert.get("detector_names")
    names = [visible(name, limit=40) for name in names] if isinstance(names, list) else []
    return (
        f"{visible(alert.get('sent_time'), limit=40)} {visible(alert.get('alert_type'), limit=40)}: "
        f"{counted(len(names), 'detector')}: {', '.join(names[:30])}"
    )


def _refusal_words(refusal: Any) -> str:
    place = f"{visible(refusal.topic)} {refusal.partition}@{refusal.offset}"
    return f"{refusal.outcome} {place}: {visible(refusal.reason, limit=300)}"


def log_lines(before: Shown | None, after: Shown) -> Iterator[str]:
    """Give the lines that tell what changed from one look to the next; what is new in `after` if there was none."""
    stamp = clock(time.time_ns())
    old = before.status if before is not None else None
    if before is None:
        yield f"{stamp} serving {visible(after.where)}; archive {visible(after.archive)}"
    now = after.status
    if old is None or (old.state, old.problem, old.role) != (now.state, now.problem, now.role):
        role = f", {visible(now.role)}" if now.role else ""
        problem = f": {visible(now.problem, limit=500)}" if now.problem else ""
        yield f"{stamp} {visible(now.state)}{role}{problem}"
    if old is None or old.counts != after.status.counts:
        counts = ", ".join(f"{visible(n)} {c:,}" for n, c in sorted(after.status.counts.items()) if c)
        yield f"{stamp} so far: {counts or 'nothing'}"
    yield from (
        f"{stamp} {words}" for words in _joining_words(old.frozen if old else (), after.status.frozen)
    )
    known_alerts = before.alerts if before is not None else ()
    for alert in after.alerts:
        if alert not in known_alerts:
            yield f"{stamp} alert {_alert_words(alert)}"
    known = set(old.refusals) if old is not None else set()
    for refusal in after.status.refusals:
        if refusal not in known:
            yield f"{stamp} {_refusal_words(refusal)}"


def _joining_words(before: tuple[str, ...], after: tuple[str, ...]) -> Iterator[str]:
    for state, topics in (("frozen", set(after) - set(before)), ("open", set(before) - set(after))):
        yield from (f"joining is {state} on {visible(topic)}" for topic in sorted(topics))
