"""The sky as SVG, drawn without a plotting library: from any thread, in milliseconds, in the colours of the page.

matplotlib may not be used from two threads at once, and a map that follows a drill is drawn beside the user's own cells.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from contourpy import FillType, contour_generator

from snews_drill.messages.visible import visible
from snews_drill.sky.geometry import FloatArray, direction_deg, unit_vector
from snews_drill.sky.marked import MarkedStar, Window, checked_star, great_circle, has_close_up, zeniths

if TYPE_CHECKING:
    from snews_drill.sky.localization import Localization

#: The whole sky: half its width and its height, and its middle, in SVG units.
_A, _B, _X, _Y = 300.0, 150.0, 322.0, 158.0

#: The close-up: left and upper side, and its size.
_LEFT, _UPPER, _SIZE = 664.0, 46.0, 200.0

_INSIDE_90, _INSIDE_50, _STAR = "#9ecae1", "#3182bd", "#d94801"
_HORIZONS = ("#8e6bbf", "#3b9457", "#c07a1f", "#d04f97", "#168f86")

#: Points of a line that lie closer to each other than this cannot be told apart.
_FINE = 0.6

_Project = Callable[[FloatArray], FloatArray]


def sky_svg(found: Localization, star: object = None, horizon_of: str | Iterable[str] | None = None) -> str:
    """Return the map as an SVG element; see `Localization.to_svg`."""
    marked = checked_star(star)
    horizons = zeniths(found, horizon_of)
    window = Window(found) if has_close_up(found) else None
    width = 884 if window is not None else 644
    parts = [
        f'<svg class="sky" viewBox="0 0 {width} 336" role="img" width="100%" style="max-width:{width}px" '
        f'aria-label="{_text(_label(found))}" font-family="system-ui, sans-serif" font-size="10" fill="currentColor">',
        *_regions(found, window),
        *_grid(),
        *(part for place, (name, up) in enumerate(horizons) for part in _horizon(name, up, place)),
        *_marks(found, marked, lambda ra, dec: _on_sky(unit_vector(ra, dec)[None])[0], 5.0),
    ]
    if window is not None:
        border = _line(_on_sky(window.border()))
        parts.append(
            f'<path d="{border}" fill="none" stroke="currentColor" stroke-opacity="0.5" stroke-width="0.8"/>'
        )
        parts += _close_up(found, marked, window)
    return "".join([*parts, *_key(found, marked, [name for name, _ in horizons]), "</svg>"])


def _label(found: Localization) -> str:
    return f"Sky map of {len(found.detector_names)} detectors"


def _text(text: object) -> str:
    return html.escape(visible(text, 60), quote=True)


def _on_sky(vectors: FloatArray) -> FloatArray:
    """Return where unit vectors, shape (n, 3), lie on the map, shape (n, 2): Mollweide, RA 0 in the middle, to the left."""
    latitude = np.arcsin(np.clip(vectors[:, 2], -1, 1))
    longitude = -np.arctan2(vectors[:, 1], vectors[:, 0])
    return _mollweide(longitude, latitude)


def _mollweide(longitude: FloatArray, latitude: FloatArray) -> FloatArray:
    # Newton's method for 2 t + sin 2 t = π sin(latitude); near the poles the start is the limit itself.
    goal, angle = np.pi * np.sin(latitude), np.asarray(latitude, dtype=np.float64).copy()
    for _ in range(12):
        slope = 2 + 2 * np.cos(2 * angle)
        angle -= np.where(slope > 1e-9, (2 * angle + np.sin(2 * angle) - goal) / np.maximum(slope, 1e-9), 0.0)
    angle = np.clip(angle, -np.pi / 2, np.pi / 2)
    x = _X + _A * longitude / np.pi * np.cos(angle)
    return np.stack([x, _Y - _B * np.sin(angle)], axis=-1)


def _grid() -> Iterator[str]:
    line = '<path d="{}" fill="none" stroke="currentColor" stroke-opacity="0.16" stroke-width="0.7"/>'
    turn = np.linspace(-np.pi, np.pi, 91)
    for degrees in range(-60, 61, 30):
        level = math.radians(degrees)
        yield line.format(_line(_mollweide(turn, np.full_like(turn, level))))
        x, y = _mollweide(np.array([-np.pi]), np.array([level]))[0]
        if degrees:
            yield f'<text x="{x - 4:.1f}" y="{y + 3:.1f}" text-anchor="end" fill-opacity="0.65">{degrees:+d}°</text>'
    rise = np.linspace(-np.pi / 2, np.pi / 2, 46)
    for degrees in range(-150, 151, 30):
        yield line.format(_line(_mollweide(np.full_like(rise, math.radians(degrees)), rise)))
        if degrees % 60 == 0:
            x, y = _mollweide(np.array([math.radians(degrees)]), np.zeros(1))[0]
            yield f'<text x="{x + 2:.1f}" y="{y - 3:.1f}" fill-opacity="0.65">{-degrees % 360}°</text>'
    yield (
        f'<ellipse cx="{_X}" cy="{_Y}" rx="{_A}" ry="{_B}" fill="none" stroke="currentColor" stroke-opacity="0.6"/>'
    )


def _line(points: FloatArray) -> str:
    """Return a path through points, shape (n, 2), broken where the line leaves the map to come back on its other side."""
    words, before = [], None
    for x, y in points:
        if before is None or abs(x - before[0]) > _A / 2:
            words.append(f"M{x:.1f} {y:.1f}")
        elif math.hypot(x - before[0], y - before[1]) < _FINE:
            continue
        else:
            words.append(f"L{x:.1f} {y:.1f}")
        before = (x, y)
    return "".join(words)


def _regions(found: Localization, window: Window | None) -> Iterator[str]:
    if window is not None:
        outlines = _window_outlines(found, window)
        projected = [[_on_sky(window.directions(*line.T)) for line in lines] for lines in outlines]
        if all(np.ptp(line[:, 0]) < _A / 2 for lines in projected for line in lines):
            yield from _filled(projected)
            return
    x, dec = np.linspace(-np.pi, np.pi, 721), np.linspace(-np.pi / 2, np.pi / 2, 361)
    wide, high = np.meshgrid(x, dec)
    vectors = np.stack([np.cos(high) * np.cos(-wide), np.cos(high) * np.sin(-wide), np.sin(high)], axis=-1)
    outlines = _outlines(found, x, dec, found.excess_chi2(vectors))
    yield from _filled([[_mollweide(*line.T) for line in lines] for lines in outlines])


def _window_outlines(found: Localization, window: Window) -> list[list[FloatArray]]:
    steps = np.linspace(-window.half_deg, window.half_deg, 161)
    return _outlines(found, steps, steps, found.excess_chi2(window.directions(*np.meshgrid(steps, steps))))


def _outlines(
    found: Localization, x: FloatArray, y: FloatArray, excess: FloatArray
) -> list[list[FloatArray]]:
    """Return the closed lines around the 90 % region, and around the 50 % region."""
    made = contour_generator(x, y, excess, fill_type=FillType.OuterCode)
    outlines: list[list[FloatArray]] = []
    for level in (0.9, 0.5):
        lines: list[FloatArray] = []
        for points, codes in zip(*made.filled(-1.0, found.ceiling(level)), strict=True):
            # A code of 1 begins a line: the outer one, then the holes.
            lines += np.split(points, np.flatnonzero(codes == 1)[1:])
        outlines.append(lines)
    return outlines


def _filled(outlines: list[list[FloatArray]]) -> Iterator[str]:
    for lines, colour, opacity in zip(outlines, (_INSIDE_90, _INSIDE_50), (0.85, 0.95), strict=True):
        path = "".join(f"{_thinned(line)}Z" for line in lines if len(line) > 2)
        if path:
            yield (
                f'<path d="{path}" fill="{colour}" fill-opacity="{opacity}" fill-rule="evenodd" stroke="#08519c" '
                'stroke-width="0.5"/>'
            )


def _thinned(points: FloatArray) -> str:
    words: list[str] = []
    before = (math.inf, math.inf)
    for x, y in points:
        if math.hypot(x - before[0], y - before[1]) >= _FINE:
            words.append(f"{'L' if words else 'M'}{x:.1f} {y:.1f}")
            before = (x, y)
    return "".join(words)


def _marks(
    found: Localization, star: MarkedStar | None, place: Callable[[float, float], FloatArray], size: float
) -> Iterator[str]:
    for mode in found.modes:
        x, y = place(mode.ra_deg, mode.dec_deg)
        if math.isfinite(x):
            yield _plus(x, y, size)
    if star is not None:
        x, y = place(star[0], star[1])
        if math.isfinite(x):
            yield _star(x, y, size)


def _plus(x: float, y: float, size: float) -> str:
    return (
        f'<path d="M{x - size:.1f} {y:.1f}H{x + size:.1f}M{x:.1f} {y - size:.1f}V{y + size:.1f}" stroke="#111" '
        'stroke-width="1.4"/>'
    )


def _star(x: float, y: float, size: float) -> str:
    corners = []
    for place in range(10):
        angle, reach = math.pi * place / 5, size * (1.25 if place % 2 == 0 else 0.5)
        corners.append(f"{x + reach * math.sin(angle):.1f} {y - reach * math.cos(angle):.1f}")
    return f'<path d="M{"L".join(corners)}Z" fill="{_STAR}" stroke="#fff" stroke-width="0.6"/>'


def _horizon(name: str, up: FloatArray, place: int) -> Iterator[str]:
    colour = _HORIZONS[place % len(_HORIZONS)]
    circle = _line(_on_sky(great_circle(up)))
    yield (
        f'<path d="{circle}" fill="none" stroke="{colour}" stroke-width="1.1" stroke-dasharray="5 3">'
        f"<title>horizon of {_text(name)}</title></path>"
    )
    x, y = _on_sky(up[None])[0]
    yield (
        f'<path d="M{x:.1f} {y - 5:.1f}l4.5 8h-9z" fill="{colour}"><title>zenith of {_text(name)}: '
        f"{_degrees(direction_deg(up))}</title></path>"
    )


def _degrees(place: tuple[float, float]) -> str:
    return f"RA {place[0]:.2f}° DEC {place[1]:+.2f}°"


def _close_up(found: Localization, star: MarkedStar | None, window: Window) -> Iterator[str]:
    scale = _SIZE / (2 * window.half_deg)
    middle = np.array([_LEFT + _SIZE / 2, _UPPER + _SIZE / 2])

    def place(x_deg: FloatArray, y_deg: FloatArray) -> FloatArray:
        return np.stack([middle[0] - x_deg * scale, middle[1] - y_deg * scale], axis=-1)

    yield from _filled([[place(*line.T) for line in lines] for lines in _window_outlines(found, window)])
    yield (
        f'<rect x="{_LEFT}" y="{_UPPER}" width="{_SIZE}" height="{_SIZE}" fill="none" stroke="currentColor" '
        'stroke-opacity="0.6"/>'
    )

    def inside(ra: float, dec: float) -> FloatArray:
        east, north = window.place(ra, dec)
        is_seen = max(abs(east), abs(north)) <= window.half_deg
        return place(np.array(east), np.array(north)) if is_seen else np.array([math.nan, math.nan])

    yield from _marks(found, star, inside, 7.0)
    yield (
        f'<text x="{middle[0]}" y="{_UPPER - 22}" text-anchor="middle" font-size="11">'
        f"best fit {_degrees((found.ra_deg, found.dec_deg))}</text>"
    )
    if star is not None:
        away = found.separation_deg(star[0], star[1])
        yield (
            f'<text x="{middle[0]}" y="{_UPPER - 8}" text-anchor="middle" font-size="11">{_text(star[2])} is '
            f"{away:.2f}° away</text>"
        )
    foot = _UPPER + _SIZE + 14
    yield (
        f'<text x="{middle[0]}" y="{foot}" text-anchor="middle" fill-opacity="0.65">{2 * window.half_deg:.3g}° wide, '
        "north up, east left</text>"
    )


def _key(found: Localization, star: MarkedStar | None, horizons: list[str]) -> Iterator[str]:
    entries = [
        (f'<rect x="0" y="-8" width="12" height="9" fill="{_INSIDE_50}"/>', "50 %"),
        (f'<rect x="0" y="-8" width="12" height="9" fill="{_INSIDE_90}"/>', "90 %"),
    ]
    if found.modes:
        entries.append((_plus(6, -4, 5), "best fit" if len(found.modes) == 1 else "two places that fit"))
    if star is not None:
        entries.append((_star(6, -4, 5), _text(star[2])))
    for place, name in enumerate(horizons):
        colour = _HORIZONS[place % len(_HORIZONS)]
        entries.append(
            (f'<path d="M0-4H12" stroke="{colour}" stroke-dasharray="4 2"/>', f"horizon of {_text(name)}")
        )
    x = 20.0
    for shape, words in entries:
        yield f'<g transform="translate({x:.0f} 330)">{shape}<text x="16">{words}</text></g>'
        x += 30 + 5.6 * len(words)
