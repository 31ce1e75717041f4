"""Who is here: the roster of a drill as HTML."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from snews_drill.detectors import roster
from snews_drill.drill.drill_picture import DrillPicture, Participant
from snews_drill.drill.virtual_row import VirtualDetectorRow
from snews_drill.messages.visible import visible
from snews_drill.widgets.look import escaped, pill

#: A detector is called silent after so many of its longest pauses between the newest heartbeats, or after so many seconds
#: where it has sent fewer than three.
_SILENT_PAUSES, _LOOKED_AT, _SILENT_SEC = 3.0, 10, 180.0
_SHORTEST_SILENCE_SEC = 10.0

STYLE = """<style>
.snews-drill .sd-roster { overflow-x: auto; }
.snews-drill .sd-roster table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
.snews-drill .sd-roster th { text-align: left;
  font-weight: 600; padding: 3px 10px 3px 0; border-bottom: 1px solid var(--jp-border-color1, #bbb); white-space: nowrap; }
.snews-drill .sd-roster td { padding: 3px 10px 3px 0; border-bottom: 1px solid var(--jp-border-color3, #eee);
  white-space: nowrap; }
.snews-drill .sd-roster td.sd-num, .snews-drill .sd-roster th.sd-num { text-align: right; }
.snews-drill .sd-seats { margin-top: 6px; }
</style>"""

_HEADS = (
    ("detector", ""),
    ("played by", ""),
    ("status", ""),
    ("every", "sd-num"),
    ("latency", "sd-num"),
    ("last message", ""),
    ("tested", ""),
    ("sent", ""),
)


def silence_sec(one: Participant, now_ns: int) -> float | None:
    """Return for how long a detector has been silent, seconds; None while it is not.

    Parameters
    ----------
    one
        The detector.
    now_ns
        The time, ns since 1970 (UTC).
    """
    since = (now_ns - one.last_heard_ns) / 1e9
    # The longest pause that it made itself: the first heartbeats of a detector may follow each other quickly.
    pauses = [(after - before) / 1e9 for before, after in itertools.pairwise(one.beats_ns[-_LOOKED_AT:])]
    patience = max(max(pauses) * _SILENT_PAUSES, _SHORTEST_SILENCE_SEC) if len(pauses) > 1 else _SILENT_SEC
    return since if since > patience else None


def roster_html(picture: DrillPicture, cast: Sequence[VirtualDetectorRow], now_ns: int) -> str:
    """Return the table of who is here, and the seats that are empty.

    Parameters
    ----------
    picture
        The drill.
    cast
        What the virtual detectors do.
    now_ns
        The time, ns since 1970 (UTC).
    """
    rows = {row.detector: row for row in cast}
    heard = {one.detector for one in picture.participants}
    empty = [
        _seat(detector.name, rows.get(detector.name)) for detector in roster() if detector.name not in heard
    ]
    seats = f'<div class="sd-seats sd-quiet">Empty seats: {escaped(", ".join(empty))}</div>' if empty else ""
    if not picture.participants:
        return f'<div class="sd-quiet">Nobody was heard yet.</div>{seats}'
    head = "".join(f'<th scope="col" class="{kind}">{name}</th>' for name, kind in _HEADS)
    body = "".join(_row(one, rows, now_ns) for one in picture.participants)
    return f'<div class="sd-roster"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{seats}'


def _seat(name: str, row: VirtualDetectorRow | None) -> str:
    """Return an empty seat, with the reason why no virtual detector has it."""
    return f"{name} ({visible(row.reason, 120).rstrip('.')})" if row is not None and row.reason else name


def _row(one: Participant, cast: Mapping[str, VirtualDetectorRow], now_ns: int) -> str:
    cells = (
        f"<b>{escaped(one.detector)}</b>",
        _who(one, cast),
        _status(one, now_ns),
        "" if one.interval_sec is None else f"{one.interval_sec:.0f} s",
        "" if one.latency_ms is None else f"{one.latency_ms:.0f} ms",
        f'{escaped(visible(one.last_message, 40))} <span class="sd-quiet">{_ago(one.last_heard_ns, now_ns)}</span>',
        '<span class="sd-ok" role="img" aria-label="tested">✓</span>' if one.tested_ns else "",
        _sent(one),
    )
    kinds = [kind for _, kind in _HEADS]
    return (
        "<tr>"
        + "".join(f'<td class="{kind}">{cell}</td>' for kind, cell in zip(kinds, cells, strict=True))
        + "</tr>"
    )


def _who(one: Participant, cast: Mapping[str, VirtualDetectorRow]) -> str:
    if not one.is_virtual:
        return pill("info", "person")
    row = cast.get(one.detector)
    if row is not None and not row.is_running:
        return f'<span class="sd-quiet">virtual, {escaped(row.state)}</span>'
    return f'<span class="sd-quiet">{escaped("virtual" if row is not None else one.played_by)}</span>'


def _status(one: Participant, now_ns: int) -> str:
    if one.is_refused:
        return pill("warning", "not let in")
    silent = silence_sec(one, now_ns)
    if silent is not None:
        return pill("warning", "silent")
    if one.is_on is None:
        return '<span class="sd-quiet">no heartbeat</span>'
    return pill("ok", "ON") if one.is_on else pill("error", "OFF")


def _sent(one: Participant) -> str:
    words = []
    if one.observations:
        words.append(f"{one.observations} obs.")
    if one.retractions:
        words.append(f"{one.retractions} retr.")
    return escaped(", ".join(words))


def _ago(then_ns: int, now_ns: int) -> str:
    seconds = max(now_ns - then_ns, 0) / 1e9
    if seconds < 60:
        return f"{seconds:.0f} s ago"
    return f"{seconds / 60:.0f} min ago" if seconds < 7200 else f"{seconds / 3600:.0f} h ago"
