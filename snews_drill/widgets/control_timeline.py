"""The timeline of a drill as HTML: a row for each detector, marks for what was said, lines for the alerts.

Plain HTML with positions in per cent, so that the text keeps its size on a narrow page and nothing has to be drawn by
a library.
"""

from __future__ import annotations

from collections.abc import Iterable

from snews_drill.drill.drill_picture import DrillPicture, TimelineEntry
from snews_drill.messages.times import iso_micro
from snews_drill.messages.visible import visible
from snews_drill.widgets.look import escaped

#: The longest span that is shown and the shortest, ns; the newest part of a longer drill.
_LONGEST_NS, _SHORTEST_NS = 900 * 10**9, 20 * 10**9

#: Distances between labels of the axis, seconds.
_STEPS_SEC = (5, 10, 15, 30, 60, 120, 300)
_MOST_LABELS = 6

#: Marks that are drawn, the newest; heartbeats of one detector; and lines of the list below.
_MAX_MARKS, _MAX_BEATS, _LISTED = 300, 100, 12

_MARKS = {
    "observation": ("●", "observation"),
    "retraction": ("✕", "retraction"),
    "connection test": ("▽", "connection test"),
    "alert": ("◆", "alert"),
    "announcement": ("❝", "announcement"),
    "joining": ("❄", "joining"),
    "reset": ("⟲", "cache reset"),
    "problem": ("!", "unreadable record"),
}

STYLE = """<style>
.snews-drill .sd-tl { position: relative; margin: 4px 0; --sd-tl-name: 92px; }
.snews-drill .sd-tl-row { display: flex; align-items: center; height: 20px; border-bottom: 1px solid
  var(--jp-border-color3, #eee); position: relative; }
.snews-drill .sd-tl-name { flex: 0 0 var(--sd-tl-name); overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
  font-size: 12px; }
.snews-drill .sd-tl-track { position: relative; flex: 1 1 auto; height: 100%; margin: 0 10px; }
.snews-drill .sd-tl-track i { position: absolute; top: 0; transform: translateX(-50%); font-style: normal;
  line-height: 20px; font-size: 13px; }
.snews-drill .sd-tl-track i.sd-beat { top: 6px; width: 2px; height: 8px; background: currentColor; opacity: .45; }
.snews-drill .sd-tl-track i.sd-line { top: 0; width: 0; height: 100%; border-left: 1px solid; opacity: .45; }
.snews-drill .sd-tl-obs { color: var(--jp-brand-color1, #1976d2); }
.snews-drill .sd-tl-alert { color: color-mix(in srgb, var(--jp-warn-color0, #b26a00) 80%, var(--jp-ui-font-color0, #000)); }
.snews-drill .sd-tl-axis i { font-size: 11px; white-space: nowrap; }
.snews-drill .sd-tl-key span { margin-right: 14px; white-space: nowrap; }
.snews-drill .sd-tl-list { margin: 4px 0 0 0; padding: 0; list-style: none; max-height: 170px; overflow-y: auto; }
.snews-drill .sd-tl-list li { padding: 1px 0; overflow-wrap: anywhere; }
.snews-drill .sd-tl-list time { font-variant-numeric: tabular-nums; margin-right: 8px; }
</style>"""


def timeline_html(picture: DrillPicture) -> str:
    """Return the timeline of a drill, with the newest entries as a list below it."""
    entries = picture.timeline
    if not entries:
        return '<div class="sd-quiet">Nothing happened yet.</div>'
    beats = [time_ns for one in picture.participants for time_ns in one.beats_ns]
    end = max([entries[-1].time_ns, *beats])
    begin = max(min([entries[0].time_ns, *beats]), end - _LONGEST_NS)
    margin = max(_SHORTEST_NS - (end - begin), (end - begin) // 40)
    scale = _Scale(begin - margin // 4, end + margin)
    shown = [entry for entry in entries if entry.time_ns >= begin][-_MAX_MARKS:]
    for_all = [entry for entry in shown if not entry.detector]
    alerts = [entry for entry in for_all if entry.kind == "alert"]
    rows = [_row("alerts", (_mark(entry, scale) for entry in alerts), scale, ())]
    others = [entry for entry in for_all if entry.kind != "alert"]
    if others:
        rows.append(_row("server", (_mark(entry, scale) for entry in others), scale, ()))
    for one in picture.participants:
        own = [entry for entry in shown if entry.detector == one.detector and entry.kind != "heartbeat"]
        ticks = [time_ns for time_ns in one.beats_ns[-_MAX_BEATS:] if time_ns >= begin]
        marks = [_beat(time_ns, scale) for time_ns in ticks] + [_mark(entry, scale) for entry in own]
        rows.append(_row(one.detector, marks, scale, alerts))
    counts = f"{len(picture.participants)} detectors and {len(picture.alerts)} alerts"
    said = f"Timeline of {counts}; the list below tells it in words."
    return f'<div class="sd-tl" role="img" aria-label="{said}">{"".join(rows)}{_axis(scale)}</div>{_key()}{_list(entries)}'


class _Scale:
    """Where a time lies between two others, in per cent."""

    def __init__(self, begin_ns: int, end_ns: int) -> None:
        self.begin_ns, self.end_ns = begin_ns, end_ns

    def at(self, time_ns: int) -> str:
        """Return the place of a time, as CSS."""
        share = (time_ns - self.begin_ns) / (self.end_ns - self.begin_ns)
        return f"left:{min(max(share, 0.0), 1.0) * 100:.2f}%"


def _row(name: str, marks: Iterable[str], scale: _Scale, alerts: Iterable[TimelineEntry]) -> str:
    lines = "".join(
        f'<i class="sd-line sd-tl-alert" style="{scale.at(entry.time_ns)}"></i>'
        for entry in alerts
        if name in entry.members
    )
    return (
        f'<div class="sd-tl-row"><span class="sd-tl-name">{escaped(name)}</span>'
        f'<span class="sd-tl-track">{lines}{"".join(marks)}</span></div>'
    )


def _mark(entry: TimelineEntry, scale: _Scale) -> str:
    sign, _ = _MARKS.get(entry.kind, ("·", entry.kind))
    colour = {
        "observation": "sd-tl-obs",
        "alert": "sd-tl-alert",
        "retraction": "sd-error",
        "problem": "sd-warning",
    }.get(entry.kind, "sd-quiet")
    if entry.kind == "observation" and entry.played_by is not None:
        sign = "○"
    if entry.kind == "alert" and "RETRACTION" in entry.text:
        sign = "◇"
    title = escaped(visible(f"{_clock(entry.time_ns)} {entry.text}", 300))
    return f'<i class="{colour}" style="{scale.at(entry.time_ns)}" title="{title}">{sign}</i>'


def _beat(time_ns: int, scale: _Scale) -> str:
    return f'<i class="sd-beat sd-ok" style="{scale.at(time_ns)}"></i>'


def _axis(scale: _Scale) -> str:
    span_sec = (scale.end_ns - scale.begin_ns) / 1e9
    step = next((step for step in _STEPS_SEC if span_sec / step <= _MOST_LABELS), _STEPS_SEC[-1]) * 10**9
    first = -(-scale.begin_ns // step) * step
    labels = "".join(
        f'<i class="sd-quiet" style="{scale.at(time_ns)}">{_clock(time_ns)}</i>'
        for time_ns in range(first, scale.end_ns, step)
    )
    return (
        '<div class="sd-tl-row sd-tl-axis"><span class="sd-tl-name sd-quiet">UTC</span>'
        f'<span class="sd-tl-track">{labels}</span></div>'
    )


def _key() -> str:
    words = (
        ("sd-tl-obs", "●", "observation of a person"),
        ("sd-tl-obs", "○", "of the exercise"),
        ("sd-error", "✕", "retraction"),
        ("sd-tl-alert", "◆", "alert"),
        ("sd-tl-alert", "◇", "its retraction"),
        ("sd-quiet", "▽", "connection test"),
        ("sd-ok", "❘", "heartbeat"),
    )
    return (
        '<div class="sd-tl-key sd-quiet" aria-hidden="true">'
        + " ".join(
            f'<span><span class="{kind}" style="margin-right:4px">{sign}</span>{word}</span>'
            for kind, sign, word in words
        )
        + "</div>"
    )


def _list(entries: tuple[TimelineEntry, ...]) -> str:
    lines = "".join(
        f'<li><time class="sd-quiet">{_clock(entry.time_ns)}</time>'
        f"{'<b>' + escaped(entry.detector) + '</b> ' if entry.detector else ''}{escaped(visible(entry.text, 160))}</li>"
        for entry in reversed(entries[-_LISTED:])
    )
    return f'<ul class="sd-tl-list">{lines}</ul>'


def _clock(time_ns: int) -> str:
    return iso_micro(time_ns)[11:19]
