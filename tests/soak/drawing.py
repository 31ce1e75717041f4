"""The picture of a soak: memory of each process, descriptors, and the latency of every alert."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from soak.sampling import Sample, quantile


def draw(
    path: Path,
    samples: Mapping[str, Sequence[Sample]],
    latencies: Sequence[tuple[float, float]],
    warm_up_sec: float,
) -> None:
    """Write the picture as PNG or SVG.

    Parameters
    ----------
    path
        Where.
    samples
        Per process.
    latencies
        Seconds since the beginning, and from sending to the callback in ms.
    warm_up_sec
        Where the warm-up ends.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 8), layout="constrained")
    memory, open_things, latency = figure.subplots(3, 1, sharex=True)
    for name, seen in samples.items():
        minutes = [sample.second / 60 for sample in seen]
        memory.plot(minutes, [sample.rss_mb for sample in seen], label=name)
        (line,) = open_things.plot(
            minutes, [sample.files for sample in seen], label=f"{name}: files and sockets"
        )
        open_things.plot(minutes, [sample.threads for sample in seen], ls=":", color=line.get_color())
    memory.set_ylabel("resident memory / MB")
    memory.legend(loc="upper left", ncols=4, fontsize="small")
    open_things.set_ylabel("descriptors (lines)\nthreads (dots)")
    _draw_latency(latency, latencies)
    latency.set_xlabel("minutes")
    for axes in (memory, open_things, latency):
        axes.axvspan(0, warm_up_sec / 60, color="0.92", zorder=0)
        axes.set_ylim(bottom=0.5 if axes is latency else 0)
        axes.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _draw_latency(axes: Any, latencies: Sequence[tuple[float, float]]) -> None:
    axes.plot(
        [second / 60 for second, _ in latencies], [latency for _, latency in latencies], ",", color="0.6"
    )
    windows: dict[int, list[float]] = {}
    for second, latency in latencies:
        windows.setdefault(int(second // 10), []).append(latency)
    for share, style in ((0.5, "-"), (0.99, "--")):
        axes.plot(
            [(window + 0.5) / 6 for window in sorted(windows)],
            [quantile(windows[window], share) for window in sorted(windows)],
            style,
            color="C3",
            label=f"p{share * 100:.0f} of ten seconds",
        )
    axes.set_yscale("log")
    axes.set_ylabel("sending → callback / ms")
    axes.legend(loc="upper left", fontsize="small")
