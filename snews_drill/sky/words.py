"""What a localization means, in sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from snews_drill.messages.times import iso_micro

if TYPE_CHECKING:
    from snews_drill.sky.localization import Localization

_WHOLE_SKY_DEG2 = 41_252.96


def summarise(found: Localization) -> str:
    """Return, line by line, what is known, how well, what is not, and whether the times fit at all."""
    lines = [_heading(found), _what_is_known(found), _how_well(found)]
    doubt = _doubt(found)
    return "\n".join([*lines, doubt] if doubt else lines)


def area_text(area_deg2: float) -> str:
    """Return an area with its unit, to three digits below 100 square degrees and whole ones above."""
    return f"{area_deg2:,.0f} deg²" if area_deg2 >= 100 else f"{area_deg2:.3g} deg²"


def place_text(found: Localization) -> str:
    """Return what fits in a few words: a place, two places, a ring, or none."""
    if found.ring is not None:
        return f"a ring of radius {found.ring.radius_deg:.1f}°"
    if not found.modes:
        return "no direction"
    return " or ".join(f"RA {mode.ra_deg:.2f}° DEC {mode.dec_deg:+.2f}°" for mode in found.modes)


def _heading(found: Localization) -> str:
    names = ", ".join(found.detector_names[:6])
    more = len(found.detector_names) - 6
    listed = f"{names} and {more} more" if more > 0 else names
    return f"{len(found.detector_names)} detectors ({listed}), first neutrino {iso_micro(found.time_ns)} UTC."


def _what_is_known(found: Localization) -> str:
    if found.ring is not None:
        return _ring_text(found)
    if len(found.modes) == 2:
        places = " or ".join(
            f"RA {mode.ra_deg:.2f}° DEC {mode.dec_deg:+.2f}° ({mode.probability:.0%})" for mode in found.modes
        )
        return (
            f"Two places fit: {places}. The sites lie nearly in one plane, so the times hardly tell a "
            "direction from its mirror image; a detector away from that plane would."
        )
    if found.modes:
        return f"Best fit RA {found.ra_deg:.2f}° DEC {found.dec_deg:+.2f}° (ICRS)."
    return (
        "No direction can be told: the sites are too close together for this timing. A detector on another "
        "continent would help."
    )


def _ring_text(found: Localization) -> str:
    ring = found.ring
    assert ring is not None  # noqa: S101 - the caller has looked
    where = f"around RA {ring.ra_deg:.2f}° DEC {ring.dec_deg:+.2f}°"
    steepness = math.sqrt(float(found._quadratic.axes[0][-1]))
    if 1 - math.cos(math.radians(ring.radius_deg)) < 2 / steepness:
        return f"The source lies {where}, in a disc: the wave came nearly along the line between the sites."
    return (
        f"The source lies on a ring of radius {ring.radius_deg:.1f}° {where}; where on it cannot be known, "
        "since the sites lie on one line, or nearly. A site away from that line would leave two places."
    )


def _how_well(found: Localization) -> str:
    share = found.area_90_deg2 / _WHOLE_SKY_DEG2
    of_sky = f" ({share:.0%} of the sky)" if share >= 0.01 else ""
    sigmas = sorted(set(found.sigmas_ms.values()))
    timing = f"{sigmas[0]:g} ms" if len(sigmas) == 1 else f"{sigmas[0]:g} to {sigmas[-1]:g} ms"
    return (
        f"With timing errors of {timing}: 50 % of the probability in {area_text(found.area_50_deg2)}, "
        f"90 % in {area_text(found.area_90_deg2)}{of_sky}."
    )


def _doubt(found: Localization) -> str:
    freedom = found.degrees_of_freedom
    # Four standard deviations of the chi-square distribution, and room for what one number does by chance.
    if found.chi2 <= freedom + 4 * math.sqrt(2 * max(freedom, 1)) + 4:
        return ""
    odd = max(found.residuals_ms, key=lambda name: abs(found.residuals_ms[name]) / found.sigmas_ms[name])
    return (
        f"The times do not fit one plane wave (chi-square {found.chi2:.0f} for {freedom} degrees of "
        f"freedom): do not trust this map. {odd} is off by {found.residuals_ms[odd]:+.1f} ms; check it, "
        "or raise sigma_ms."
    )
