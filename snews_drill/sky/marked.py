"""What is marked on a map besides the regions: a star, horizons, the window of the close-up."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from snews_drill.errors import LocalizationError
from snews_drill.sky.geometry import FloatArray, check_direction, unit_vector
from snews_drill.sky.posterior import centres

if TYPE_CHECKING:
    from snews_drill.sky.localization import Localization

#: A close-up is drawn of regions smaller than this, square degrees.
CLOSE_UP_BELOW_DEG2 = 2000.0

#: RA and DEC (ICRS, degrees) and a name.
MarkedStar = tuple[float, float, str]


def checked_star(star: object) -> MarkedStar | None:
    """Return RA in [0, 360), DEC and name of a star given as (ra_deg, dec_deg) or (ra_deg, dec_deg, name).

    Raises
    ------
    LocalizationError
        If it is no star.
    """
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


def zeniths(found: Localization, horizon_of: str | Iterable[str] | None) -> list[tuple[str, FloatArray]]:
    """Return name and celestial unit vector to the zenith, shape (3,), of one detector or several.

    Raises
    ------
    UnknownDetector
        If one is neither among the sites given nor on the roster.
    """
    names = [horizon_of] if isinstance(horizon_of, str) else list(horizon_of or ())
    return [found.zenith_of(name) for name in names]


def great_circle(pole: FloatArray) -> FloatArray:
    """Return the unit vectors, shape (721, 3), of the circle that lies 90 degrees from a pole, shape (3,)."""
    across = np.cross(pole, np.eye(3)[int(np.argmin(np.abs(pole)))])
    across /= np.linalg.norm(across)
    turn = np.linspace(0, 2 * math.pi, 721)[:, None]
    return np.asarray(np.cos(turn) * across + np.sin(turn) * np.cross(pole, across))


def has_close_up(found: Localization) -> bool:
    """Tell whether the region is one and small enough to be shown close up."""
    return found.area_90_deg2 < CLOSE_UP_BELOW_DEG2 and len(found.modes) == 1


class Window:
    """The close-up: a gnomonic view around the best fit, in degrees east and north of it.

    Attributes
    ----------
    half_deg : float
        From the middle to each side, degrees.
    """

    def __init__(self, found: Localization) -> None:
        self.centre = unit_vector(found.ra_deg, found.dec_deg)
        pole = np.array([0.0, 0.0, 1.0]) if abs(found.dec_deg) < 89.99 else np.array([1.0, 0.0, 0.0])
        east = np.cross(pole, self.centre)
        self.east = east / np.linalg.norm(east)
        self.north = np.cross(self.centre, self.east)
        self.half_deg = min(1.6 * _reach_deg(found, self.centre), 60.0)

    def directions(self, x_deg: FloatArray, y_deg: FloatArray) -> FloatArray:
        """Return the unit vectors, shape (…, 3), of places in the window."""
        x, y = np.tan(np.radians(x_deg))[..., None], np.tan(np.radians(y_deg))[..., None]
        found = self.centre + x * self.east + y * self.north
        return np.asarray(found / np.linalg.norm(found, axis=-1, keepdims=True))

    def place(self, ra_deg: float, dec_deg: float) -> tuple[float, float]:
        """Return where a direction lies, degrees east and north; not-a-number behind the viewer."""
        vector = unit_vector(ra_deg, dec_deg)
        depth = float(vector @ self.centre)
        if depth <= 0:
            return math.nan, math.nan
        east, north = float(vector @ self.east), float(vector @ self.north)
        return math.degrees(math.atan2(east, depth)), math.degrees(math.atan2(north, depth))

    def border(self) -> FloatArray:
        """Return the unit vectors, shape (164, 3), along the frame."""
        side = np.linspace(-self.half_deg, self.half_deg, 41)
        edge = np.full_like(side, self.half_deg)
        x = np.concatenate([side, edge, -side, -edge])
        return self.directions(x, np.concatenate([edge, -side, -edge, side]))


def _reach_deg(found: Localization, centre: FloatArray) -> float:
    """How far the 90 % region reaches from the best fit, degrees."""
    mesh = found._mesh
    inside = mesh.fine_chi2 <= mesh.ceiling(0.9)
    cosine = float((centres(mesh.fine_pixels[inside], mesh.fine_nside) @ centre).min())
    cell_deg = 60.0 / mesh.fine_nside
    return math.degrees(math.acos(max(min(cosine, 1.0), -1.0))) + cell_deg
