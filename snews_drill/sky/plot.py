"""The sky as a picture: all of it, and the region close up."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from snews_drill.errors import LocalizationError
from snews_drill.messages.times import iso_micro
from snews_drill.sky.geometry import FloatArray, direction_deg
from snews_drill.sky.marked import (
    MarkedStar,
    Window,
    checked_star,
    great_circle,
    has_close_up,
    zeniths,
)
from snews_drill.sky.words import area_text

if TYPE_CHECKING:
    from snews_drill.sky.localization import Localization

_INSIDE_90, _INSIDE_50, _EDGE = "#9ecae1", "#3182bd", "#08519c"
_STAR, _FIT = "#d94801", "#111111"
_HORIZONS = ("#6a51a3", "#1b7837", "#b35806", "#c51b7d", "#01665e")
_Place = Callable[[float, float], tuple[float, float]]


class SkyFigure(Figure):
    """A matplotlib figure that shows itself in a notebook even where pyplot was never imported."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()


def draw(found: Localization, star: object, horizon_of: str | Iterable[str] | None) -> Figure:
    """Draw a localization; see `Localization.plot`."""
    marked = checked_star(star)
    is_close = has_close_up(found)
    figure = SkyFigure(figsize=(13, 5.2) if is_close else (9, 5.2), dpi=110, layout="constrained")
    if is_close:
        grid = figure.add_gridspec(1, 2, width_ratios=(2.1, 1))
        sky = figure.add_subplot(grid[0, 0], projection="mollweide")
        window = Window(found)
        _draw_close_up(figure.add_subplot(grid[0, 1]), found, marked, window)
        sky.plot(*_sky_line(window.border()), color="0.25", linewidth=0.9, label="close-up")
    else:
        sky = figure.add_subplot(projection="mollweide")
    _draw_sky(sky, found, marked, horizon_of, 6 if is_close else 12)
    figure.suptitle(_title(found), fontsize=11)
    handles = sky.get_legend_handles_labels()
    columns = 7 if is_close else 3
    figure.legend(*handles, loc="outside lower center", ncols=columns, fontsize=9, frameon=False)
    return figure


def write(found: Localization, path: Path, star: object, horizon_of: str | Iterable[str] | None) -> Path:
    """Draw a localization into a file, whose ending says which kind; return its path.

    Raises
    ------
    LocalizationError
        If there is no such kind of picture, or the file cannot be written.
    """
    figure = draw(found, star, horizon_of)
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise LocalizationError(
            f"The sky cannot be drawn into {path}: {error}",
            next_step="Choose a name that ends with .png, .svg or .pdf, in a folder that you may write to.",
        ) from error
    return path


def _title(found: Localization) -> str:
    count = len(found.detector_names)
    return (
        f"{count} detectors, first neutrino {iso_micro(found.time_ns)} UTC · "
        f"50 % in {area_text(found.area_50_deg2)}, 90 % in {area_text(found.area_90_deg2)}"
    )


def _draw_sky(
    axes: Any,
    found: Localization,
    star: MarkedStar | None,
    horizon_of: str | Iterable[str] | None,
    marker_size: float,
) -> None:
    # x grows to the right and RA to the left, so x is minus RA; RA 0 is in the middle.
    x, dec = np.meshgrid(np.linspace(-math.pi, math.pi, 1441), np.linspace(-math.pi / 2, math.pi / 2, 721))
    _fill_regions(axes, found, x, dec, _vectors(-x, dec))
    for place, (name, up) in enumerate(zeniths(found, horizon_of)):
        _draw_horizon(axes, name, up, _HORIZONS[place % len(_HORIZONS)], x, dec)
    _mark(axes, found, star, lambda ra, dec: (_x_of(ra), math.radians(dec)), marker_size)
    axes.grid(color="0.85", linewidth=0.6)
    axes.set_axisbelow(True)
    ticks = np.arange(-150, 151, 30)
    axes.set_xticks(np.radians(ticks), [f"{int(-tick % 360)}°" for tick in ticks], fontsize=8, color="0.35")
    axes.tick_params(axis="y", labelsize=8, labelcolor="0.35")
    axes.set_xlabel("right ascension (ICRS), increasing to the left", fontsize=9)
    axes.set_ylabel("declination", fontsize=9)


def _draw_close_up(axes: Any, found: Localization, star: MarkedStar | None, window: Window) -> None:
    half = window.half_deg
    steps = np.linspace(-half, half, 301)
    x, y = np.meshgrid(steps, steps)
    _fill_regions(axes, found, x, y, window.directions(x, y))
    _mark(axes, found, star, window.place, 12)
    axes.set_xlim(half, -half)
    axes.set_ylim(-half, half)
    axes.set_aspect("equal")
    axes.grid(color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel("degrees east of the best fit", fontsize=9)
    axes.set_ylabel("degrees north", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.set_title(_close_up_title(found, star), fontsize=10)


def _close_up_title(found: Localization, star: MarkedStar | None) -> str:
    best = f"best fit RA {found.ra_deg:.2f}° DEC {found.dec_deg:+.2f}°"
    if star is None:
        return best
    return f"{best}\n{star[2]} is {found.separation_deg(star[0], star[1]):.2f}° away"


def _fill_regions(
    axes: Any, found: Localization, x: FloatArray, y: FloatArray, directions: FloatArray
) -> None:
    excess = found.excess_chi2(directions)
    half, most = found.ceiling(0.5), found.ceiling(0.9)
    if not half < most:
        return
    axes.contourf(x, y, excess, levels=[-1.0, half, most], colors=[_INSIDE_50, _INSIDE_90])
    axes.contour(x, y, excess, levels=[half, most], colors=[_EDGE], linewidths=[0.9, 0.6])


def _mark(axes: Any, found: Localization, star: MarkedStar | None, place: _Place, size: float) -> None:
    axes.fill([], [], color=_INSIDE_50, label="50 % region")
    axes.fill([], [], color=_INSIDE_90, label="90 % region")
    fits = [(mode.ra_deg, mode.dec_deg) for mode in found.modes]
    for number, fit in enumerate(fits):
        label = "best fit" if len(fits) == 1 else "two places that fit"
        axes.plot(*place(*fit), "+", color=_FIT, ms=size, mew=size / 8, label="" if number else label, ls="")
    if star is not None:
        shown = place(star[0], star[1])
        axes.plot(
            *shown, "*", color=_STAR, ms=size, mec="white", mew=size / 15, label=star[2], zorder=5, ls=""
        )


def _draw_horizon(axes: Any, name: str, up: FloatArray, colour: str, x: FloatArray, dec: FloatArray) -> None:
    below = np.asarray(_vectors(-x, dec) @ up)
    axes.contourf(x, dec, below, levels=[-2.0, 0.0], colors=[colour], alpha=0.08, zorder=0.5)
    axes.plot(
        *_sky_line(great_circle(up)),
        "--",
        color=colour,
        linewidth=1.1,
        label=f"horizon of {name} (shaded: below)",
    )
    ra_deg, dec_deg = direction_deg(up)
    axes.plot(_x_of(ra_deg), math.radians(dec_deg), "^", color=colour, ms=6, label=f"zenith of {name}", ls="")


def _sky_line(vectors: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return a line's points on the map, broken where it leaves at one rim to come back at the other."""
    points = np.array([direction_deg(vector) for vector in vectors])
    x = np.array([_x_of(ra) for ra in points[:, 0]])
    breaks = np.flatnonzero(np.abs(np.diff(x)) > math.pi) + 1
    return np.insert(x, breaks, math.nan), np.insert(np.radians(points[:, 1]), breaks, math.nan)


def _x_of(ra_deg: float) -> float:
    """Return where an RA is drawn: 0 in the middle, 90 to the left of it."""
    return -math.radians((ra_deg + 180) % 360 - 180)


def _vectors(ra: FloatArray, dec: FloatArray) -> FloatArray:
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)
