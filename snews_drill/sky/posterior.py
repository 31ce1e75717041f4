"""The probability of every direction, and the regions that hold a share of it.

For direction n a detector at r expects t0 - n·r/c. With Gaussian errors and t0 free (marginalised over a flat
prior), chi-square is a quadratic form of n,

    chi2(n) = (n - c)ᵀ A (n - c) + rest,   A = Σ w ρ ρᵀ,   w = 1/σ²,

with ρ the sites in light-milliseconds relative to their weighted mean. So one direction costs a few
multiplications however many detectors there are. The prior is the same for every direction.
"""

from __future__ import annotations

import functools
import math
import warnings
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from snews_drill.sky.geometry import FloatArray
from snews_drill.sky.timing import Timing

IntArray = NDArray[np.int64]

_DEPTH = 30.0  # cells with less than exp(-15) of the best density are not looked at more closely
_STEP = 0.3  # within a cell of the finest mesh the root of chi2 changes by at most this
_MOST_CELLS = 400_000
_FINEST_NSIDE = 2**24
_REACH = 1.07  # no HEALPix cell reaches farther than _REACH / nside radians from its centre


@dataclass(frozen=True)
class Quadratic:
    """Chi-square as a function of direction.

    Attributes
    ----------
    matrix : ndarray, shape (3, 3)
        A, per unit vector squared, celestial axes.
    slope : ndarray, shape (3,)
        b in `n·A·n + 2 b·n + constant`.
    constant : float
        Chi-square at the origin.
    """

    matrix: FloatArray
    slope: FloatArray
    constant: float

    @classmethod
    def from_timing(cls, timing: Timing, rotation: FloatArray) -> Quadratic:
        """Return the chi-square of these times with the sites turned by `rotation` (shape (3, 3))."""
        weights = timing.sigmas_ms**-2.0
        mean = weights / weights.sum()
        baselines = timing.positions_ms @ rotation.T
        baselines = baselines - mean @ baselines
        times = timing.times_ms - mean @ timing.times_ms
        weighted = baselines * weights[:, None]
        return cls(weighted.T @ baselines, weighted.T @ times, float(weights @ times**2))

    @cached_property
    def axes(self) -> tuple[FloatArray, FloatArray]:
        """Eigenvalues of A, ascending, shape (3,), and its eigenvectors as columns, shape (3, 3)."""
        values, vectors = np.linalg.eigh(self.matrix)
        return np.maximum(values, 0.0), vectors

    @cached_property
    def _offsets(self) -> tuple[FloatArray, float]:
        """The centre c along the axes, and the part of chi2 that no direction can change."""
        values, vectors = self.axes
        along = vectors.T @ self.slope
        known = values > values[-1] * 1e-12
        centre = np.where(known, -along / np.where(known, values, 1.0), 0.0)
        return centre, self.constant - float(values @ centre**2)

    def excess(self, directions: FloatArray) -> FloatArray:
        """Return chi2 minus its fixed part for unit vectors, shape (…, 3); never negative, shape (…)."""
        values, vectors = self.axes
        away = directions @ vectors - self._offsets[0]
        return np.asarray((away * away) @ values)

    def chi2(self, direction: FloatArray) -> float:
        """Return chi-square of one unit vector, shape (3,)."""
        return float(self.excess(direction)) + max(self._offsets[1], 0.0)

    def descend(self, start: FloatArray) -> FloatArray:
        """Return the local minimum on the sphere that lies downhill of a unit vector, shape (3,)."""
        here = start
        for _ in range(200):
            gradient = self.matrix @ here + self.slope
            normal = float(here @ gradient)
            basis = np.linalg.svd(here[None, :])[2][1:]
            hessian = basis @ self.matrix @ basis.T - normal * np.eye(2)
            values, vectors = np.linalg.eigh(hessian)
            # Saddle-free Newton: always downhill, and short where the ground is nearly level.
            scale = np.maximum(np.abs(values), 1e-9 * self.axes[0][-1])
            step = -(vectors @ ((vectors.T @ (basis @ gradient)) / scale))
            there = self._shortened(here, basis, step)
            if there is None:
                return here
            here = there
        return here

    def _shortened(self, here: FloatArray, basis: FloatArray, step: FloatArray) -> FloatArray | None:
        length = float(np.linalg.norm(step))
        step = step * min(1.0, 0.5 / length) if length else step
        now = float(self.excess(here))
        for _ in range(30):
            there = here + step @ basis
            there = there / np.linalg.norm(there)
            if float(self.excess(there)) < now:
                return np.asarray(there)
            step = step / 2
        return None


@dataclass(frozen=True)
class Mesh:
    """HEALPix cells of two sizes that share the sky's probability.

    Attributes
    ----------
    nside : int
        Of the coarse map.
    probability : ndarray, shape (12 nside²,)
        Probability of each coarse pixel, NESTED order, sum 1.
    fine_nside : int
        Of the fine cells, which cover all that matters.
    fine_pixels : ndarray of int
        Their NESTED indices, most probable first.
    fine_chi2 : ndarray
        `Quadratic.excess` at their centres.
    fine_share : ndarray
        Probability of each.
    """

    nside: int
    probability: FloatArray
    fine_nside: int
    fine_pixels: IntArray
    fine_chi2: FloatArray
    fine_share: FloatArray

    def ceiling(self, level: float) -> float:
        """Return the excess at the border of the smallest region that holds `level` of the probability."""
        reached = np.cumsum(self.fine_share)
        last = int(np.searchsorted(reached, level))
        return float(self.fine_chi2[min(last, len(self.fine_chi2) - 1)])

    def area_deg2(self, level: float) -> float:
        """Return the area of that region in square degrees."""
        inside = int(np.count_nonzero(self.fine_chi2 <= self.ceiling(level)))
        return inside * cell_area_deg2(self.fine_nside)

    def radius_deg(self, centre: FloatArray, level: float) -> float:
        """Return the radius (degrees) around a unit vector, shape (3,), that holds `level`."""
        across = np.linalg.norm(np.cross(centres(self.fine_pixels, self.fine_nside), centre), axis=1)
        along = centres(self.fine_pixels, self.fine_nside) @ centre
        angles = np.degrees(np.arctan2(across, along))
        order = np.argsort(angles)
        last = int(np.searchsorted(np.cumsum(self.fine_share[order]), level))
        return float(angles[order[min(last, len(order) - 1)]])


def cell_area_deg2(nside: int) -> float:
    """Return the area of a HEALPix cell in square degrees."""
    return 4 * math.pi * math.degrees(1) ** 2 / (12 * nside * nside)


@functools.cache
def _healpix() -> ModuleType:
    with warnings.catch_warnings():
        # astropy says on loading that it found no folder of its own below XDG_CONFIG_HOME; nothing here needs one.
        warnings.filterwarnings("ignore", message="XDG_[A-Z_]+ is set to")
        from astropy_healpix import healpy
    return healpy  # type: ignore[no-any-return]


def centres(pixels: IntArray, nside: int) -> FloatArray:
    """Return unit vectors, shape (n, 3), to the centres of NESTED pixels in equatorial coordinates."""
    kernel = _healpix()
    return np.stack(kernel.pix2vec(nside, pixels, nest=True), axis=-1)


def make_mesh(quadratic: Quadratic, nside: int) -> Mesh:
    """Return the posterior as a map of `nside`, resolved as finely as its regions need.

    The pixels that can hold any noticeable probability are divided until chi-square hardly changes within a
    cell. The root of chi-square changes by at most the root of A's largest eigenvalue per radian, so none is
    missed, however small the region.
    """
    pixels = np.arange(12 * nside * nside, dtype=np.int64)
    chi2 = quadratic.excess(centres(pixels, nside))
    coarse_chi2, fine = chi2, nside
    steepness = math.sqrt(float(quadratic.axes[0][-1]))
    while steepness * _REACH / fine > _STEP and fine < _FINEST_NSIDE:
        kept = _worth_dividing(pixels, chi2, steepness * _REACH / fine)
        if 4 * len(kept) > _MOST_CELLS:
            break
        pixels = (4 * kept[:, None] + np.arange(4)).ravel()
        fine *= 2
        chi2 = quadratic.excess(centres(pixels, fine))
    return _shared_out(nside, coarse_chi2, fine, pixels, chi2)


def _worth_dividing(pixels: IntArray, chi2: FloatArray, change: float) -> IntArray:
    least_possible = np.maximum(np.sqrt(chi2) - change, 0.0) ** 2
    return np.asarray(pixels[least_possible <= chi2.min() + _DEPTH])


def _shared_out(nside: int, coarse_chi2: FloatArray, fine: int, pixels: IntArray, chi2: FloatArray) -> Mesh:
    order = np.argsort(chi2, kind="stable")
    pixels, chi2 = pixels[order], chi2[order]
    ratio = (fine // nside) ** 2
    weight = np.exp(-0.5 * (chi2 - chi2[0])) / ratio
    # Coarse pixels outside the fine mesh keep the little that their centre says.
    parents = pixels // ratio
    density = np.exp(-0.5 * np.maximum(coarse_chi2 - chi2[0], 0.0))
    density[parents] = 0.0
    np.add.at(density, parents, weight)
    total = density.sum()
    return Mesh(nside, density / total, fine, pixels, chi2, weight / weight.sum())
