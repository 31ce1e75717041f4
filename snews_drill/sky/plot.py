"""The sky as a picture: all of it, and the region close up."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from snews_drill.errors import LocalizationError
from snews_drill.messages.times import iso_micro
from snews_drill.sky.geometry import (
    FloatArray,
    check_direction,
    direction_deg,
    unit_vector,
)
from snews_drill.sky.words import area_text

if TYPE_CHECKING:
    from snews_drill.sky.localization import Localization

_INSIDE_90, _INSIDE_50, _EDGE = "#9ecae1", "#3182bd", "#08519c"
_STAR, _FIT, _HORIZON = "#d94801", "#111111", "#6a51a3"
_CLOSE_UP_BELOW_DEG2 = 2000.0
_Star = tuple[float, float, str]
_Place = Callable[[float, float], tuple[float, float]]


class SkyFigure(Figure):
    """A matplotlib figure that shows itself in a notebook even where pyplot was never imported."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()


def draw(found: Localization, star: object, horizon_of: str | None) -> Figure:
    """Draw a localization; see `Localization.plot`."""
    marked = _checked_star(star)
    has_close_up = found.area_90_deg2 < _CLOSE_UP_BELOW_DEG2 and len(found.modes) == 1
    figure = SkyFigure(figsize=(13, 5.2) if has_close_up else (9, 5.2), dpi=110, layout="constrained")
    if has_close_up:
        grid = figure.add_gridspec(1, 2, width_ratios=(2.1, 1))
        sky = figure.add_subplot(grid[0, 0], projection="mollweide")
        window = _Window(found)
        _draw_close_up(figure.add_subplot(grid[0, 1]), found, marked, window)
        sky.plot(*_sky_line(window.border()), color="0.25", linewidth=0.9, label="close-up")
    else:
        sky = figure.add_subplot(projection="mollweide")
    _draw_sky(sky, found, marked, horizon_of, 6 if has_close_up else 12)
    figure.suptitle(_title(found), fontsize=11)
    handles = sky.get_legend_handles_labels()
    columns = 7 if has_close_up else 3
    figure.legend(*handles, loc="outside lower center", ncols=columns, fontsize=9, frameon=False)
    return figure


def _checked_star(star: object) -> _Star | None:
    if star is None:
        return None
    if not isinstance(star, (tuple, list)) or len(star) not in (2, 3):
        raise LocalizationError(
            f"{star!r:.60} is no star to mark.",
            next_step="Give (ra_deg, dec_deg) or (ra_deg, dec_deg, name).",
        )
    try:
        ra_deg, dec_deg = float(star[0]), float(star[1])
    except (TypeError, ValueError) as error:
        raise LocalizationError(
            f"{star!r:.60} has no RA and DEC in degrees.",
            next_step="Give two numbers, such as (88.79, 7.41).",
        ) from error
    check_direction(ra_deg, dec_deg)
    return ra_deg % 360, dec_deg, str(star[2]) if len(star) == 3 else "star"


def _title(found: Localization) -> str:
    count = len(found.detector_names)
    return (
        f"{count} detectors, first neutrino {iso_micro(found.time_ns)} UTC · "
        f"50 % in {area_text(found.area_50_deg2)}, 90 % in {area_text(found.area_90_deg2)}"
    )


def _draw_sky(
    axes: Any, found: Localization, star: _Star | None, horizon_of: str | None, marker_size: float
) -> None:
    # x grows to the right and RA to the left, so x is minus RA; RA 0 is in the middle.
    x, dec = np.meshgrid(np.linspace(-math.pi, math.pi, 1441), np.linspace(-math.pi / 2, math.pi / 2, 721))
    _fill_regions(axes, found, x, dec, _vectors(-x, dec))
    if horizon_of is not None:
        _draw_horizon(axes, found, horizon_of, x, dec)
    _mark(axes, found, star, lambda ra, dec: (_x_of(ra), math.radians(dec)), marker_size)
    axes.grid(color="0.85", linewidth=0.6)
    axes.set_axisbelow(True)
    ticks = np.arange(-150, 151, 30)
    axes.set_xticks(np.radians(ticks), [f"{int(-tick % 360)}°" for tick in ticks], fontsize=8, color="0.35")
    axes.tick_params(axis="y", labelsize=8, labelcolor="0.35")
    axes.set_xlabel("right ascension (ICRS), increasing to the left", fontsize=9)
    axes.set_ylabel("declination", fontsize=9)


class _Window:
    """The close-up: a gnomonic view around the best fit, in degrees east and north of it."""

    def __init__(self, found: Localization) -> None:
        self.centre = unit_vector(found.ra_deg, found.dec_deg)
        pole = np.array([0.0, 0.0, 1.0]) if abs(found.dec_deg) < 89.99 else np.array([1.0, 0.0, 0.0])
        east = np.cross(pole, self.centre)
        self.east = east / np.linalg.norm(east)
        self.north = np.cross(self.centre, self.east)
        self.half_deg = min(1.6 * _reach_deg(found, self.centre), 60.0)

    def directions(self, x_deg: FloatArray, y_deg: FloatArray) -> FloatArray:
        x, y = np.tan(np.radians(x_deg))[..., None], np.tan(np.radians(y_deg))[..., None]
        found = self.centre + x * self.east + y * self.north
        return np.asarray(found / np.linalg.norm(found, axis=-1, keepdims=True))

    def place(self, ra_deg: float, dec_deg: float) -> tuple[float, float]:
        vector = unit_vector(ra_deg, dec_deg)
        depth = float(vector @ self.centre)
        if depth <= 0:
            return math.nan, math.nan
        east, north = float(vector @ self.east), float(vector @ self.north)
        return math.degrees(math.atan2(east, depth)), math.degrees(math.atan2(north, depth))

    def border(self) -> FloatArray:
        side = np.linspace(-self.half_deg, self.half_deg, 41)
        edge = np.full_like(side, self.half_deg)
        x = np.concatenate([side, edge, -side, -edge])
        return self.directions(x, np.concatenate([edge, -side, -edge, side]))


def _draw_close_up(axes: Any, found: Localization, star: _Star | None, window: _Window) -> None:
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


def _close_up_title(found: Localization, star: _Star | None) -> str:
    best = f"best fit RA {found.ra_deg:.2f}° DEC {found.dec_deg:+.2f}°"
    if star is None:
        return best
    return f"{best}\n{star[2]} is {found.separation_deg(star[0], star[1]):.2f}° away"


def _reach_deg(found: Localization, centre: FloatArray) -> float:
    """How far the 90 % region reaches from the best fit, degrees."""
    from snews_drill.sky.posterior import centres

    mesh = found._mesh
    inside = mesh.fine_chi2 <= mesh.ceiling(0.9)
    cosine = float((centres(mesh.fine_pixels[inside], mesh.fine_nside) @ centre).min())
    cell_deg = 60.0 / mesh.fine_nside
    return math.degrees(math.acos(max(min(cosine, 1.0), -1.0))) + cell_deg


def _fill_regions(
    axes: Any, found: Localization, x: FloatArray, y: FloatArray, directions: FloatArray
) -> None:
    excess = found.excess_chi2(directions)
    half, most = found.ceiling(0.5), found.ceiling(0.9)
    if not half < most:
        return
    axes.contourf(x, y, excess, levels=[-1.0, half, most], colors=[_INSIDE_50, _INSIDE_90])
    axes.contour(x, y, excess, levels=[half, most], colors=[_EDGE], linewidths=[0.9, 0.6])


def _mark(axes: Any, found: Localization, star: _Star | None, place: _Place, size: float) -> None:
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


def _draw_horizon(axes: Any, found: Localization, detector: str, x: FloatArray, dec: FloatArray) -> None:
    name, up = found.zenith_of(detector)
    below = np.asarray(_vectors(-x, dec) @ up)
    axes.contourf(x, dec, below, levels=[-2.0, 0.0], colors=[_HORIZON], alpha=0.08, zorder=0.5)
    across = np.cross(up, np.eye(3)[int(np.argmin(np.abs(up)))])
    across /= np.linalg.norm(across)
    turn = np.linspace(0, 2 * math.pi, 721)[:, None]
    circle = np.cos(turn) * across + np.sin(turn) * np.cross(up, across)
    axes.plot(
        *_sky_line(circle), "--", color=_HORIZON, linewidth=1.1, label=f"horizon of {name} (shaded: below)"
    )
    ra_deg, dec_deg = direction_deg(up)
    axes.plot(
        _x_of(ra_deg), math.radians(dec_deg), "^", color=_HORIZON, ms=6, label=f"zenith of {name}", ls=""
    )


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
