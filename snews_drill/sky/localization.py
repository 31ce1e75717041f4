"""What is known of the direction once the times are fitted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from snews_drill.detectors import Site
from snews_drill.errors import LocalizationError
from snews_drill.sky.geometry import (
    FloatArray,
    Geometry,
    angle_deg,
    check_direction,
    site_of,
    zenith,
)
from snews_drill.sky.modes import Mode, Ring
from snews_drill.sky.posterior import Mesh, Quadratic
from snews_drill.sky.words import area_text, place_text, summarise

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class Localization:
    """Where on the sky the neutrinos came from, as far as arrival times tell.

    Attributes
    ----------
    detector_names : tuple of str
        Whose times were used.
    time_ns : int
        The earliest arrival, ns since 1970 UTC; the sites are turned to `when`, by default this instant.
    ra_deg, dec_deg : float
        The best fit (ICRS), degrees. With two sites it is one point of a ring, no better than the others.
    area_50_deg2, area_90_deg2 : float
        Area of the smallest region that holds 50 % and 90 % of the probability, square degrees.
    modes : tuple of Mode
        The separate places that fit: one, or two mirror images; empty for a ring and for an open sky.
    ring : Ring or None
        The ring, if that is all that can be known.
    chi2 : float
        Chi-square of the best fit.
    degrees_of_freedom : int
        Detectors less fitted numbers (arrival time, and the components of the direction that the times tell).
    residuals_ms : dict
        Detector name to measured less fitted arrival time, ms.
    sigmas_ms : dict
        Detector name to the standard deviation that was assumed, ms.
    nside : int
        Resolution of `probability`.
    probability : ndarray, shape (12 nside²,)
        Probability per HEALPix pixel, NESTED order, equatorial coordinates (ICRS), sum 1. It is the integral
        over the pixel, also where the regions are smaller than a pixel.
    geometry : str
        "drill" or "real".
    """

    detector_names: tuple[str, ...]
    time_ns: int
    ra_deg: float
    dec_deg: float
    area_50_deg2: float
    area_90_deg2: float
    modes: tuple[Mode, ...]
    ring: Ring | None
    chi2: float
    degrees_of_freedom: int
    residuals_ms: dict[str, float]
    sigmas_ms: dict[str, float]
    nside: int
    probability: FloatArray
    geometry: Geometry
    _orientation_ns: int
    _sites: Mapping[str, Site] | None
    _quadratic: Quadratic = field(compare=False)
    _mesh: Mesh = field(compare=False)

    @property
    def rms_ms(self) -> float:
        """Root mean square of the residuals, ms."""
        return float(np.sqrt(np.mean(np.square(list(self.residuals_ms.values())))))

    @property
    def summary(self) -> str:
        """What can and what cannot be known from these times, in a few sentences."""
        return summarise(self)

    def separation_deg(self, ra_deg: float, dec_deg: float) -> float:
        """Return the angle between the best fit and a star (ICRS), degrees.

        Where two places fit alike, it is the angle to the nearer one; where a ring fits, the angle to the
        ring.

        Raises
        ------
        LocalizationError
            If RA and DEC are no direction.
        """
        star = check_direction(ra_deg, dec_deg)
        if self.ring is not None:
            centre = check_direction(self.ring.ra_deg, self.ring.dec_deg)
            return abs(angle_deg(centre, star) - self.ring.radius_deg)
        places = [(mode.ra_deg, mode.dec_deg) for mode in self.modes] or [(self.ra_deg, self.dec_deg)]
        return min(angle_deg(check_direction(*place), star) for place in places)

    def contains(self, ra_deg: float, dec_deg: float, level: float = 0.9) -> bool:
        """Tell whether a star (ICRS, degrees) lies in the smallest region holding `level` of the probability.

        Raises
        ------
        LocalizationError
            If RA and DEC are no direction or `level` is not between 0 and 1.
        """
        star = check_direction(ra_deg, dec_deg)
        return bool(self.excess_chi2(star) <= self.ceiling(level))

    def area_deg2(self, level: float) -> float:
        """Return the area of the smallest region that holds `level` of the probability, square degrees.

        Raises
        ------
        LocalizationError
            If `level` is not between 0 and 1.
        """
        return self._mesh.area_deg2(_checked_level(level))

    def radius_deg(self, level: float) -> float:
        """Return the radius around the best fit that holds `level` of the probability, degrees.

        Raises
        ------
        LocalizationError
            If `level` is not between 0 and 1.
        """
        best = check_direction(self.ra_deg, self.dec_deg)
        return self._mesh.radius_deg(best, _checked_level(level))

    def ceiling(self, level: float) -> float:
        """Return the `excess_chi2` at the border of the region that holds `level` of the probability."""
        return self._mesh.ceiling(_checked_level(level))

    def excess_chi2(self, directions: FloatArray) -> FloatArray:
        """Return chi-square, less a constant, for celestial unit vectors of shape (…, 3); shape (…)."""
        return self._quadratic.excess(directions)

    def zenith_of(self, detector: str) -> tuple[str, FloatArray]:
        """Return a detector's name and the celestial unit vector to its zenith when the neutrinos came.

        Raises
        ------
        UnknownDetector
            If it is neither among the sites given nor on the roster.
        """
        name, site = site_of(detector, self._sites, self.geometry)
        return name, zenith(site, self._orientation_ns)

    def plot(self, star: object = None, horizon_of: str | Iterable[str] | None = None) -> Figure:
        """Draw the sky with the 50 % and 90 % regions, RA increasing to the left.

        Parameters
        ----------
        star
            A candidate to mark: (ra_deg, dec_deg) or (ra_deg, dec_deg, name).
        horizon_of
            A detector whose horizon at the time of the event is drawn, or several.

        Returns
        -------
        matplotlib.figure.Figure
            Shows itself in a notebook; `.savefig(path)` keeps it.

        Raises
        ------
        UnknownDetector
            If `horizon_of` is not on the roster.
        LocalizationError
            If `star` is no direction.
        """
        from snews_drill.sky.plot import draw

        return draw(self, star, horizon_of)

    def to_svg(self, star: object = None, horizon_of: str | Iterable[str] | None = None) -> str:
        """Return the same sky as an SVG element, in the colours of the page: light enough to be redrawn often.

        Takes and raises what `plot` does.
        """
        from snews_drill.sky.vector_map import sky_svg

        return sky_svg(self, star, horizon_of)

    def to_fits(self, path: str | Path) -> Path:
        """Write the map as a standard HEALPix FITS file, which healpy and ligo.skymap read.

        An existing file of that name is replaced.

        Parameters
        ----------
        path
            Where to; `.fits` or `.fits.gz`.

        Returns
        -------
        pathlib.Path
            The file.

        Raises
        ------
        LocalizationError
            If the file cannot be written.
        """
        from snews_drill.sky.fits import write

        return write(self, Path(path))

    def fits_bytes(self) -> bytes:
        """Return what `to_fits` writes (uncompressed), as bytes."""
        from snews_drill.sky.fits import as_bytes

        return as_bytes(self)

    def to_dict(self) -> dict[str, Any]:
        """Return what is known as plain data, without the map: degrees (ICRS), square degrees, milliseconds."""
        from snews_drill.sky.plain_data import as_plain_data

        return as_plain_data(self)

    def __repr__(self) -> str:
        count = len(self.detector_names)
        areas = f"50 % in {area_text(self.area_50_deg2)}, 90 % in {area_text(self.area_90_deg2)}"
        return f"Localization({count} detectors: {place_text(self)}; {areas})"

    def _repr_html_(self) -> str:
        lines = "".join(f"<p style='margin:0.2em 0'>{escape(line)}</p>" for line in self.summary.splitlines())
        return f"<div class='snews-drill-localization'>{lines}</div>"


def _checked_level(level: float) -> float:
    if not 0 < level < 1:
        raise LocalizationError(
            f"A region that holds {level!r:.40} of the probability makes no sense.",
            next_step="Give a share between 0 and 1, such as 0.9.",
        )
    return float(level)
