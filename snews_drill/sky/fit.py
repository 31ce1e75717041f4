"""From arrival times to a place in the sky."""

from __future__ import annotations

from collections.abc import Mapping

from snews_drill.detectors import Site
from snews_drill.errors import LocalizationError
from snews_drill.sky import modes as shapes
from snews_drill.sky.geometry import FloatArray, Geometry, celestial_from_terrestrial, direction_deg
from snews_drill.sky.localization import Localization
from snews_drill.sky.posterior import Quadratic, make_mesh
from snews_drill.sky.timing import Source, Timing, instant_ns, read_timing

_NSIDES = tuple(2**order for order in range(3, 10))


def localize(
    source: Source,
    sites: Mapping[str, Site] | None = None,
    *,
    sigma_ms: float | Mapping[str, float] = 1.0,
    nside: int = 64,
    when: int | str | None = None,
    geometry: Geometry = "drill",
) -> Localization:
    """Find where neutrinos came from by the times at which they reached the detectors.

    A plane wave at the speed of light from a fixed direction; the time at the Earth's centre is unknown and
    marginalised; every direction is as likely as another beforehand.

    Parameters
    ----------
    source
        An alert, its dict as it travels, or {detector name: time} with ns since 1970 UTC or ISO-8601 text.
    sites
        Places that come before the roster's, by detector name.
    sigma_ms
        Standard deviation of each arrival time, ms; one number, or one for each detector of the alert by
        name.
    nside
        Resolution of the map, a power of two from 8 to 512. The regions' areas do not depend on it.
    when
        When to take the Earth's rotation from (ns since 1970 UTC or ISO-8601 text); the earliest arrival if
        None.
    geometry
        "drill" puts detectors where the published fire-drill times put them, "real" where they stand.

    Returns
    -------
    Localization
        The map, its best fit and its regions.

    Raises
    ------
    UnknownDetector
        If a detector is neither in `sites` nor on the roster.
    LocalizationError
        If there are fewer than two detectors or sites, or a time or a parameter makes no sense.

    Examples
    --------
    >>> from snews_drill.sky import arrival_times_ns
    >>> network = ["JUNO", "Super-K", "XENONnT", "IceCube", "SNO+"]
    >>> found = localize(arrival_times_ns(88.79292, 7.40706, 1675771200000000000, network))
    >>> found.separation_deg(88.79292, 7.40706) < 0.01
    True
    """
    if nside not in _NSIDES or isinstance(nside, bool):
        raise LocalizationError(
            f"nside {nside!r:.40} is not a power of two from {_NSIDES[0]} to {_NSIDES[-1]}.",
            next_step="Use 64, whose pixels are 0.9 degrees wide.",
        )
    timing = read_timing(source, sites, sigma_ms, geometry)
    orientation_ns = timing.first_ns if when is None else instant_ns(when, "time given as `when`")
    rotation = celestial_from_terrestrial(orientation_ns)
    quadratic = Quadratic.from_timing(timing, rotation)
    mesh = make_mesh(quadratic, nside)
    best = shapes.best_direction(quadratic, mesh)
    found = shapes.find_modes(quadratic, mesh, best)
    ra_deg, dec_deg = direction_deg(best)
    known = min(shapes.known_components(quadratic), 2)
    return Localization(
        detector_names=timing.names,
        time_ns=timing.first_ns,
        ra_deg=ra_deg,
        dec_deg=dec_deg,
        area_50_deg2=mesh.area_deg2(0.5),
        area_90_deg2=mesh.area_deg2(0.9),
        modes=found,
        ring=shapes.find_ring(quadratic, best),
        chi2=quadratic.chi2(best),
        degrees_of_freedom=max(len(timing.names) - 1 - known, 0),
        residuals_ms=_residuals_ms(timing, rotation, best),
        sigmas_ms=dict(zip(timing.names, timing.sigmas_ms.tolist(), strict=True)),
        nside=nside,
        probability=mesh.probability,
        geometry=geometry,
        _orientation_ns=orientation_ns,
        _sites=None if sites is None else dict(sites),
        _quadratic=quadratic,
        _mesh=mesh,
    )


def _residuals_ms(timing: Timing, rotation: FloatArray, best: FloatArray) -> dict[str, float]:
    weights = timing.sigmas_ms**-2.0
    advanced = timing.times_ms + (timing.positions_ms @ rotation.T) @ best
    residuals = advanced - weights @ advanced / weights.sum()
    return dict(zip(timing.names, residuals.tolist(), strict=True))
