"""Where the detectors stand in the celestial frame, and when a plane wave passes them.

Only the Earth's rotation, precession and nutation are needed, which pyerfa computes without tables from the
network: UTC stands in for UT1 (they differ by less than 0.9 s, 14 arcsec of rotation) and polar motion (below
1 arcsec) is left out. One millisecond of timing is about two degrees on the sky, so neither can be seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from snews_drill.detectors import Site, find_detector
from snews_drill.errors import LocalizationError

SPEED_OF_LIGHT_M_PER_MS = 299_792.458
"""Exact, SI."""
EARTH_CROSSING_MS = 42.6
"""Light travel time through the Earth's equatorial diameter, 2 × 6378.137 km, with a little for elevation."""

Geometry = Literal["drill", "real"]
FloatArray = NDArray[np.float64]

_NS_PER_DAY = 86_400e9
_UNIX_EPOCH_JD = 2_440_587.5
_TT_MINUS_UTC_DAYS = 69.184 / 86_400  # since 2017; the sky moves 0.1 mas in a minute of precession
_EARLIEST_NS = -2_208_988_800 * 10**9  # 1900-01-01, where UTC as a scale and erfa's series make sense
_LATEST_NS = 4_102_444_800 * 10**9  # 2100-01-01


def check_instant(time_ns: int, meaning: str) -> int:
    """Return `time_ns` if the Earth's orientation is known for it.

    Parameters
    ----------
    time_ns
        Nanoseconds since 1970-01-01T00:00:00 UTC.
    meaning
        What the time is, for the error.

    Raises
    ------
    LocalizationError
        If it lies before 1900 or after 2100.
    """
    if not _EARLIEST_NS <= time_ns < _LATEST_NS:
        raise LocalizationError(
            f"The {meaning} ({time_ns} ns since 1970) lies outside the years 1900 to 2100.",
            next_step="Give nanoseconds since 1970-01-01 UTC, or an ISO text such as 2023-02-07T12:00:00.",
        )
    return time_ns


def celestial_from_terrestrial(time_ns: int) -> FloatArray:
    """Return the rotation from Earth-fixed (ITRS) to celestial (GCRS) axes.

    Parameters
    ----------
    time_ns
        Nanoseconds since 1970 UTC.

    Returns
    -------
    ndarray, shape (3, 3)
        `celestial = matrix @ terrestrial`.

    Notes
    -----
    IAU 2006 precession and 2000A nutation, by pyerfa's `c2t06a`.
    """
    import erfa

    days = time_ns / _NS_PER_DAY
    to_terrestrial = erfa.c2t06a(_UNIX_EPOCH_JD, days + _TT_MINUS_UTC_DAYS, _UNIX_EPOCH_JD, days, 0.0, 0.0)
    return np.asarray(to_terrestrial, dtype=np.float64).T


def terrestrial_position_ms(site: Site) -> FloatArray:
    """Return a site's Earth-fixed position (WGS84, geocentric) in light-milliseconds, shape (3,)."""
    import erfa

    metres = erfa.gd2gc(1, np.radians(site.longitude_deg), np.radians(site.latitude_deg), site.elevation_m)
    return np.asarray(metres, dtype=np.float64) / SPEED_OF_LIGHT_M_PER_MS


def zenith(site: Site, time_ns: int) -> FloatArray:
    """Return the celestial unit vector to a site's zenith, shape (3,), at `time_ns` (ns since 1970 UTC)."""
    return celestial_from_terrestrial(time_ns) @ unit_vector(site.longitude_deg, site.latitude_deg)


def unit_vector(longitude_deg: float, latitude_deg: float) -> FloatArray:
    """Return the unit vector, shape (3,), of a direction: RA and DEC, or longitude and latitude, degrees."""
    longitude, latitude = np.radians(longitude_deg), np.radians(latitude_deg)
    east = np.cos(latitude)
    return np.array([east * np.cos(longitude), east * np.sin(longitude), np.sin(latitude)])


def direction_deg(vector: FloatArray) -> tuple[float, float]:
    """Return RA in [0, 360) and DEC, degrees, of a vector of any length, shape (3,)."""
    x, y, z = (float(part) for part in vector)
    return float(np.degrees(np.arctan2(y, x)) % 360.0), float(np.degrees(np.arctan2(z, np.hypot(x, y))))


def angle_deg(first: FloatArray, second: FloatArray) -> float:
    """Return the angle between two unit vectors in degrees, accurate for small angles too."""
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(first, second)), first @ second)))


def check_direction(ra_deg: float, dec_deg: float) -> FloatArray:
    """Return the unit vector of a direction given by a user.

    Raises
    ------
    LocalizationError
        If RA is not in [-360, 360] or DEC not in [-90, 90] degrees, or one is not a number.
    """
    if not (abs(ra_deg) <= 360 and abs(dec_deg) <= 90):
        raise LocalizationError(
            f"RA {ra_deg!r} and DEC {dec_deg!r} are no direction.",
            next_step="Give RA in [0, 360] and DEC in [-90, 90], both in degrees (ICRS).",
        )
    return unit_vector(ra_deg, dec_deg)


def site_of(
    name: str, sites: Mapping[str, Site] | None = None, geometry: Geometry = "drill"
) -> tuple[str, Site]:
    """Return a detector's registered name and where to place it.

    Parameters
    ----------
    name
        Registered name or accepted spelling, or a key of `sites`.
    sites
        Places that come before the roster's, by name.
    geometry
        "drill" puts detectors where the published fire-drill times put them, "real" where they stand.

    Raises
    ------
    UnknownDetector
        If neither `sites` nor the roster knows the name.
    LocalizationError
        If `geometry` is another word.
    """
    if geometry not in ("drill", "real"):
        raise LocalizationError(
            f"There is no geometry {geometry!r:.40}.",
            next_step='Use "drill" (where the published drill times put the detectors) or "real".',
        )
    if sites is not None and name in sites:
        return name, sites[name]
    detector = find_detector(name)
    if sites is not None and detector.name in sites:
        return detector.name, sites[detector.name]
    drill_site = detector.drill_site if geometry == "drill" else None
    return detector.name, drill_site or detector.site


def arrival_times_ns(
    ra_deg: float, dec_deg: float, when_ns: int, detectors: Iterable[str], *, geometry: Geometry = "drill"
) -> dict[str, int]:
    """Return when a plane wave from a star passes each detector.

    Parameters
    ----------
    ra_deg, dec_deg
        The star (ICRS), degrees.
    when_ns
        When the wave passes the Earth's centre, ns since 1970 UTC.
    detectors
        Names or accepted spellings.
    geometry
        "drill" or "real", as in `localize`.

    Returns
    -------
    dict
        Registered name to ns since 1970 UTC, in the order given.

    Raises
    ------
    UnknownDetector
        If a name is not on the roster.
    LocalizationError
        If the direction, the time or the geometry makes no sense.

    Examples
    --------
    >>> times = arrival_times_ns(88.79292, 7.40706, 1675771200000000000, ["JUNO", "XENONnT"])
    >>> round((times["XENONnT"] - times["JUNO"]) / 1e6)
    25
    """
    to_star = check_direction(ra_deg, dec_deg)
    rotation = celestial_from_terrestrial(check_instant(when_ns, "time of the wave"))
    times = {}
    for asked in detectors:
        name, site = site_of(asked, geometry=geometry)
        delay_ms = -float(to_star @ (rotation @ terrestrial_position_ms(site)))
        times[name] = when_ns + round(delay_ms * 1e6)
    return times
