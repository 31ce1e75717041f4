"""The figure of a feedback mail: a detector's status and latency over time."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from snews_drill.messages.times import NS_PER_SECOND
from snews_drill.rehearsal.heartbeat_statistics import Beat, HeartbeatStatistics, beats_in_period

#: At most about this many beats are drawn; more would not be seen.
MAX_DRAWN = 4000

_BLUE, _RED, _GREY = "#2166ac", "#b2182b", "#666666"


def heartbeat_figure_png(name: str, statistics: HeartbeatStatistics, beats: Sequence[Beat]) -> bytes:
    """Draw status and latency of one detector over the period of the statistics.

    Parameters
    ----------
    name
        Registered name, for the title and to choose the beats.
    statistics
        Gives the period and the mean latency.
    beats
        In any order, of any detector.

    Returns
    -------
    bytes
        A PNG of 1200 x 750 pixels. The time axis is UTC.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    own = [beat for beat in beats if beat.detector_name == name]
    period_ns = statistics.period_end_ns - statistics.period_start_ns
    recent = beats_in_period(own, now_ns=statistics.period_end_ns, period_ns=period_ns)
    figure = Figure(figsize=(8, 5), dpi=150, layout="constrained", facecolor="white")
    canvas = FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(1, 3))
    figure.suptitle(f"Heartbeats of {name}: {statistics.count} received, {statistics.on_count} ON")
    drawn = thinned(recent)
    _draw_status(upper, drawn)
    _draw_latency(lower, drawn, statistics)
    _draw_time_axis(lower, statistics)
    for axes in (upper, lower):
        axes.grid(visible=True, color="#dddddd", linewidth=0.6)
        axes.set_axisbelow(True)
    picture = io.BytesIO()
    canvas.print_png(picture)
    return picture.getvalue()


def thinned(beats: Sequence[Beat], limit: int = MAX_DRAWN) -> list[Beat]:
    """Return at most about `limit` beats that draw the same picture.

    Kept are every change of status (as long as these are no more than the limit) and, of each stretch, the
    beats with the lowest and the highest latency.

    Parameters
    ----------
    beats
        Of one detector, in order of arrival.
    limit
        How many are few enough.
    """
    if len(beats) <= limit:
        return list(beats)
    changes = [place + 1 for place, (a, b) in enumerate(pairwise(beats)) if a.is_on != b.is_on]
    kept = {0, len(beats) - 1, *changes[:: len(changes) // limit + 1]}
    stretch = -(-len(beats) * 2 // limit)
    for start in range(0, len(beats), stretch):
        places = range(start, min(start + stretch, len(beats)))
        kept.add(min(places, key=lambda place: beats[place].latency_ms))
        kept.add(max(places, key=lambda place: beats[place].latency_ms))
    return [beats[place] for place in sorted(kept)]


def _times(beats: Sequence[Beat]) -> list[datetime]:
    return [_moment(beat.received_time_ns) for beat in beats]


def _moment(time_ns: int) -> datetime:
    return datetime.fromtimestamp(time_ns / NS_PER_SECOND, UTC)


def _draw_status(axes: Any, beats: Sequence[Beat]) -> None:
    for is_on, colour in ((True, _BLUE), (False, _RED)):
        chosen = [beat for beat in beats if bool(beat.is_on) == is_on]
        axes.plot(
            _times(chosen), [int(is_on)] * len(chosen), "|", color=colour, markersize=14, markeredgewidth=1.2
        )
    axes.set_yticks([0, 1], ["OFF", "ON"])
    axes.set_ylim(-0.6, 1.6)
    axes.set_ylabel("status")


def _draw_latency(axes: Any, beats: Sequence[Beat], statistics: HeartbeatStatistics) -> None:
    axes.set_ylabel("latency (ms)")
    latency = statistics.latency_ms
    if latency is None or not beats:
        axes.set_yticks([])
        axes.text(0.5, 0.5, "no heartbeat in this period", transform=axes.transAxes, ha="center", color=_GREY)
        return
    axes.plot(
        _times(beats),
        [beat.latency_ms for beat in beats],
        ".",
        color=_BLUE,
        markersize=4,
        label="one heartbeat",
    )
    axes.axhline(latency.mean, color=_GREY, linewidth=1.2, label=f"mean {latency.mean:.3g} ms")
    axes.axhline(
        latency.p95, color=_GREY, linewidth=1.2, linestyle="--", label=f"95 % below {latency.p95:.3g} ms"
    )
    lowest, highest = min(beat.latency_ms for beat in beats), max(beat.latency_ms for beat in beats)
    usual = max(abs(latency.p50), 1.0)
    if max(highest, -lowest) > 50 * usual:  # a few far away would flatten all the others
        axes.set_yscale("symlog", linthresh=usual)
        axes.set_ylim(min(0.0, 2 * lowest), max(2 * highest, usual))
    elif lowest >= 0:
        axes.set_ylim(bottom=0)
    axes.legend(
        loc="upper left", ncols=3, fontsize="small", bbox_to_anchor=(0, 1.13), frameon=False, borderaxespad=0
    )


def _draw_time_axis(axes: Any, statistics: HeartbeatStatistics) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(tz=UTC)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))
    axes.set_xlim(_moment(statistics.period_start_ns), _moment(statistics.period_end_ns))
    axes.set_xlabel("time of arrival (UTC)")
