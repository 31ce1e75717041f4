"""A small plot of latencies over time, drawn as inline SVG: light on the processor, in the colours of the theme."""

from __future__ import annotations

import math
from collections.abc import Sequence

from snews_drill.heartbeat_log import HeartbeatGap
from snews_drill.messages.times import iso_micro

#: The picture's size and the frame around the plot, in SVG units.
_WIDTH, _HEIGHT = 560, 120
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 10, 22

_AXIS = 'stroke="var(--jp-border-color1, #bbb)"'
_TEXT = 'fill="var(--jp-ui-font-color2, #616161)" font-size="11"'
_LINE = 'stroke="var(--jp-brand-color1, #1976d2)"'


def latency_svg(samples: Sequence[tuple[int, float]], gaps: Sequence[HeartbeatGap], now_ns: int) -> str:
    """Return the plot as an SVG element.

    Parameters
    ----------
    samples
        When a heartbeat was acknowledged (ns since 1970, UTC) and its latency (ms), oldest first.
    gaps
        Times without acknowledged heartbeats; they are shaded.
    now_ns
        The end of the time axis.
    """
    if not samples and not gaps:
        return ""
    first_ns = min([time_ns for time_ns, _ in samples] + [gap.since_ns for gap in gaps])
    span_ns = max(now_ns - first_ns, 1_000_000_000)
    top_ms = _round_up(max((latency for _, latency in samples), default=1.0))

    def x_of(time_ns: int) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * min(max((time_ns - first_ns) / span_ns, 0.0), 1.0)

    def y_of(latency_ms: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * latency_ms / top_ms

    parts = [_shade(x_of(gap.since_ns), x_of(gap.until_ns or now_ns)) for gap in gaps]
    parts += _axes(top_ms, first_ns, first_ns + span_ns)
    points = [(x_of(time_ns), y_of(latency)) for time_ns, latency in samples]
    if len(points) > 1:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" {_LINE} stroke-width="1.5"/>')
    if 0 < len(points) <= 40:
        parts += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.2" fill="var(--jp-brand-color1, #1976d2)"/>'
            for x, y in points
        ]
    last = f", the last one {samples[-1][1]:.1f} ms" if samples else ""
    label = f"Latency of {len(samples)} heartbeats over time{last}; {len(gaps)} gaps"
    return (
        f'<svg role="img" aria-label="{label}" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'style="width:100%;max-width:{_WIDTH}px;display:block">{"".join(parts)}</svg>'
    )


def _round_up(value: float) -> float:
    """Return the next 1, 2 or 5 times a power of ten."""
    value = max(value, 0.1)
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * 0.999)


def _shade(left: float, right: float) -> str:
    return (
        f'<rect x="{left:.1f}" y="{_TOP}" width="{max(right - left, 2.0):.1f}" height="{_HEIGHT - _TOP - _BOTTOM}" '
        'fill="var(--jp-error-color1, #d32f2f)" opacity="0.22"><title>missed</title></rect>'
    )


def _axes(top_ms: float, first_ns: int, last_ns: int) -> list[str]:
    floor = _HEIGHT - _BOTTOM
    return [
        f'<line x1="{_LEFT}" y1="{floor}" x2="{_WIDTH - _RIGHT}" y2="{floor}" {_AXIS}/>',
        f'<line x1="{_LEFT}" y1="{_TOP}" x2="{_LEFT}" y2="{floor}" {_AXIS}/>',
        f'<text x="{_LEFT - 6}" y="{_TOP + 8}" text-anchor="end" {_TEXT}>{top_ms:g} ms</text>',
        f'<text x="{_LEFT - 6}" y="{floor}" text-anchor="end" {_TEXT}>0</text>',
        f'<text x="{_LEFT}" y="{_HEIGHT - 6}" {_TEXT}>{_clock(first_ns)}</text>',
        f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 6}" text-anchor="end" {_TEXT}>{_clock(last_ns)} UTC</text>',
    ]


def _clock(time_ns: int) -> str:
    return iso_micro(time_ns)[11:19]
