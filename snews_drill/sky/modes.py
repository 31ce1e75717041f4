"""What the timing singles out: one place, two mirror places, a ring, or nothing.

Sites on one line measure one component of the direction (a ring), sites in one plane two (a point and its
mirror image through the plane), others all three. What counts is not how the sites lie but how well the times
tell: a component is known when its standard deviation is smaller than the unit vector it belongs to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from snews_drill.sky.geometry import FloatArray, angle_deg, direction_deg
from snews_drill.sky.posterior import Mesh, Quadratic, centres

_SAME_DEG = 1e-3
_LEAST_SHARE = 0.01


@dataclass(frozen=True)
class Mode:
    """A place where the times fit best in its neighbourhood.

    Attributes
    ----------
    ra_deg, dec_deg : float
        Direction (ICRS), degrees.
    probability : float
        Share of the sky's probability that lies nearer to this mode than to the other.
    chi2 : float
        Chi-square there.
    """

    ra_deg: float
    dec_deg: float
    probability: float
    chi2: float


@dataclass(frozen=True)
class Ring:
    """A circle on the sky: what two sites leave open.

    Attributes
    ----------
    ra_deg, dec_deg : float
        Its centre (ICRS), degrees: the direction of the line between the sites.
    radius_deg : float
        From the centre, degrees, at most 90.
    """

    ra_deg: float
    dec_deg: float
    radius_deg: float


def known_components(quadratic: Quadratic) -> int:
    """Return how many components of the direction the times tell, 0 to 3."""
    return int(np.count_nonzero(quadratic.axes[0] > 1.0))


def best_direction(quadratic: Quadratic, mesh: Mesh) -> FloatArray:
    """Return the unit vector, shape (3,), with the least chi-square of all, off the grid."""
    start = centres(mesh.fine_pixels[:1], mesh.fine_nside)[0]
    return quadratic.descend(start)


def find_ring(quadratic: Quadratic, best: FloatArray) -> Ring | None:
    """Return the ring if the times tell one component of the direction only, else None."""
    if known_components(quadratic) != 1:
        return None
    axis = quadratic.axes[1][:, -1]
    axis = axis if axis @ best >= 0 else -axis
    return Ring(*direction_deg(axis), angle_deg(axis, best))


def find_modes(quadratic: Quadratic, mesh: Mesh, best: FloatArray) -> tuple[Mode, ...]:
    """Return the separate places that fit, most probable first; empty for a ring or an open sky.

    A second one is reported if the 90 % region is in two parts, or would be, and it holds at least 1 % of the
    probability.

    Notes ----- A quadratic form has at most two minima on a sphere, on either side of the plane across its
    weakest axis (Martínez, SIAM J. Optim. 4 (1994) 159), so descending from the mirror image of the first
    finds the second.
    """
    if known_components(quadratic) < 2:
        return ()
    places = [best]
    weakest = quadratic.axes[1][:, 0]
    other = quadratic.descend(best - 2 * (weakest @ best) * weakest)
    if angle_deg(best, other) > _SAME_DEG and _is_apart(quadratic, mesh.ceiling(0.9), best, other):
        places.append(other)
    shares = _shares(mesh, np.array(places))
    modes = [
        Mode(*direction_deg(place), share, quadratic.chi2(place))
        for place, share in zip(places, shares, strict=True)
        if share >= _LEAST_SHARE
    ]
    return tuple(sorted(modes, key=lambda mode: (-round(mode.probability, 3), mode.ra_deg)))


def _is_apart(quadratic: Quadratic, ceiling: float, first: FloatArray, second: FloatArray) -> bool:
    middle = first + second
    if np.linalg.norm(middle) < 1e-6:
        return True
    share = np.linspace(0, 1, 201)[:, None]
    half_way = middle / np.linalg.norm(middle)
    for end in (first, second):
        path = (1 - share) * end + share * half_way
        path /= np.linalg.norm(path, axis=1, keepdims=True)
        if float(quadratic.excess(path).max()) > ceiling:
            return True
    return False


def _shares(mesh: Mesh, places: FloatArray) -> list[float]:
    nearest = np.argmax(centres(mesh.fine_pixels, mesh.fine_nside) @ places.T, axis=1)
    return [math.fsum(mesh.fine_share[nearest == index]) for index in range(len(places))]
