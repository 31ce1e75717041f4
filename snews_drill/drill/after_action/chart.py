"""The drill at a glance: a lane per detector, drawn as inline SVG."""

from __future__ import annotations

from collections.abc import Iterator

from snews_drill.drill.after_action.entries import UNKNOWN_SENDER, DetectorReport, TimelineEntry
from snews_drill.drill.after_action.report import AfterActionReport
from snews_drill.html_views import as_text
from snews_drill.messages.times import NS_PER_SECOND, iso_micro

#: In SVG units: the whole width, the room for names on the left and on the right, a lane, head and foot.
_WIDTH, _LEFT, _RIGHT, _LANE, _TOP, _BOTTOM = 1000, 120, 16, 17, 30, 30

#: More marks of one kind would only cover each other.
_MOST_MARKS = 2_000

_COLOURS = {
    "connection test": "#5c6670",
    "observation": "#1f6fb4",
    "retraction": "#c2570c",
    "problem": "#b3261e",
    "alert": "#3b2a7e",
    "heartbeat": "#8fc6a4",
}

#: Steps of the time axis, seconds.
_STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900,
          1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400, 172_800, 604_800)  # fmt: skip


class _Scale:
    """Where a moment lies from left to right."""

    def __init__(self, first_ns: int, last_ns: int) -> None:
        margin = max((last_ns - first_ns) // 50, 1_000_000)
        self.first_ns, self.last_ns = first_ns - margin, last_ns + margin

    def x(self, time_ns: int) -> float:
        share = (time_ns - self.first_ns) / (self.last_ns - self.first_ns)
        return round(_LEFT + min(max(share, 0.0), 1.0) * (_WIDTH - _LEFT - _RIGHT), 1)

    def ticks(self) -> Iterator[tuple[int, str]]:
        span = (self.last_ns - self.first_ns) / NS_PER_SECOND
        step = next(
            (step for step in _STEPS if span / step <= 8), _STEPS[-1] * max(round(span / _STEPS[-1] / 6), 1)
        )
        step_ns = round(step * NS_PER_SECOND)
        tick = -(-self.first_ns // step_ns) * step_ns
        while tick <= self.last_ns:
            yield tick, _label(tick, step)
            tick += step_ns


def _label(time_ns: int, step: float) -> str:
    text = iso_micro(time_ns // 1000 * 1000)
    if step >= 86_400:
        return text[5:10]
    if step >= 60:
        return text[11:16]
    return text[11:19] if step >= 1 else f"{text[11:]}.000000"[: 8 + 4]


def drill_svg(report: AfterActionReport) -> str:
    """Return the chart as an SVG element; "" if nothing happened."""
    if report.first_ns is None or report.last_ns is None:
        return ""
    lanes = [row for row in report.detectors if row.was_heard or row.alerts or row.problems]
    place = {row.detector: number for number, row in enumerate(lanes)}
    if any(entry.who not in place and entry.what != "alert" for entry in report.timeline):
        place[UNKNOWN_SENDER] = len(place)
    height = _TOP + _LANE * max(len(place), 1) + _BOTTOM
    scale = _Scale(report.first_ns, report.last_ns)
    parts = [
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {height}" role="img" width="100%" '
        'aria-label="What each detector did over time" font-family="system-ui, sans-serif" font-size="11">',
        *_axis(scale, height),
        *_names(place),
        *_alert_lines(report, scale, height),
        *(mark for row in lanes for mark in _beats(row, place, scale)),
        *_marks(report.timeline, place, scale),
        "</svg>",
    ]
    return "".join(parts) + _legend()


def _axis(scale: _Scale, height: int) -> Iterator[str]:
    foot = height - _BOTTOM
    for time_ns, label in scale.ticks():
        x = scale.x(time_ns)
        yield f'<line x1="{x}" y1="{_TOP - 4}" x2="{x}" y2="{foot}" stroke="#e3e6ea"/>'
        yield f'<text x="{x}" y="{foot + 16}" fill="#5c6670" text-anchor="middle">{label}</text>'


def _names(place: dict[str, int]) -> Iterator[str]:
    yield f'<text x="{_LEFT - 10}" y="{_TOP - 12}" fill="{_COLOURS["alert"]}" text-anchor="end">alerts</text>'
    for name, number in place.items():
        y = _y(number)
        if number % 2 == 0:
            yield (
                f'<rect x="{_LEFT}" y="{y - _LANE / 2}" width="{_WIDTH - _LEFT - _RIGHT}" height="{_LANE}" '
                'fill="#000" fill-opacity="0.025"/>'
            )
        yield f'<text x="{_LEFT - 10}" y="{y + 4}" fill="#222" text-anchor="end">{as_text(name, 20)}</text>'


def _y(number: int) -> float:
    return _TOP + _LANE * (number + 0.5)


def _alert_lines(report: AfterActionReport, scale: _Scale, height: int) -> Iterator[str]:
    colour = _COLOURS["alert"]
    for alert in report.alerts[:_MOST_MARKS]:
        x, size = scale.x(alert.decided_ns), 4.5
        y = _TOP - 16
        diamond = f"M{x} {y - size}L{x + size} {y}L{x} {y + size}L{x - size} {y}Z"
        fill = "#fff" if alert.is_withdrawal else colour
        title = as_text(f"{alert.alert_type}: {len(alert.detector_names)} detectors", 80)
        yield (
            f'<line x1="{x}" y1="{y + size}" x2="{x}" y2="{height - _BOTTOM}" stroke="{colour}" stroke-opacity="0.18"/>'
            f'<path d="{diamond}" fill="{fill}" stroke="{colour}"><title>{title}</title></path>'
        )


def _beats(row: DetectorReport, place: dict[str, int], scale: _Scale) -> Iterator[str]:
    if row.first_heartbeat_ns is None or row.last_heartbeat_ns is None:
        return
    first, last, y = scale.x(row.first_heartbeat_ns), scale.x(row.last_heartbeat_ns), _y(place[row.detector])
    width = max(round(last - first, 1), 3)
    yield (
        f'<rect x="{first}" y="{y - 2.5}" width="{width}" height="5" rx="2.5" fill="{_COLOURS["heartbeat"]}">'
        f"<title>{row.heartbeats} heartbeats</title></rect>"
    )


def _marks(entries: tuple[TimelineEntry, ...], place: dict[str, int], scale: _Scale) -> Iterator[str]:
    drawn = 0
    for entry in entries:
        if entry.what not in _SHAPES or drawn >= _MOST_MARKS:
            continue
        drawn += 1
        number = place.get(entry.who, place.get(UNKNOWN_SENDER, 0))
        shape = _SHAPES[entry.what].format(
            x=scale.x(entry.time_ns), y=_y(number), colour=_COLOURS[entry.what]
        )
        yield f"<g>{shape}<title>{as_text(f'{entry.who}: {entry.text}', 200)}</title></g>"


_SHAPES = {
    "connection test": '<rect x="-3" y="-3" width="6" height="6" transform="translate({x} {y})" fill="{colour}"/>',
    "observation": '<circle cx="{x}" cy="{y}" r="4.2" fill="{colour}"/>',
    "retraction": '<path d="M-4-4L4 4M-4 4L4-4" transform="translate({x} {y})" stroke="{colour}" stroke-width="2.2"/>',
    "problem": '<path d="M0-5L5 4H-5Z" transform="translate({x} {y})" fill="{colour}"/>',
}


def _legend() -> str:
    alert = (
        f'<path d="M8 3.5L12.5 8L8 12.5L3.5 8Z" fill="{_COLOURS["alert"]}"/>',
        f'<path d="M8 3.5L12.5 8L8 12.5L3.5 8Z" fill="#fff" stroke="{_COLOURS["alert"]}"/>',
        f'<rect x="1" y="5.5" width="14" height="5" rx="2.5" fill="{_COLOURS["heartbeat"]}"/>',
    )
    shapes = {
        "heartbeats": alert[2],
        **{name: shape.format(x=8, y=8, colour=_COLOURS[name]) for name, shape in _SHAPES.items()},
        "alert": alert[0],
        "alert: a detector left": alert[1],
    }
    entries = "".join(
        f'<span class="key"><svg width="16" height="16" viewBox="0 0 16 16">{shape}</svg> {name}</span>'
        for name, shape in shapes.items()
    )
    return f'<p class="legend">{entries}</p>'
