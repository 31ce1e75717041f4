"""A localization as plain data, for JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from snews_drill.messages.times import iso_nano

if TYPE_CHECKING:
    from snews_drill.sky.localization import Localization


def as_plain_data(found: Localization) -> dict[str, Any]:
    """Return what a localization says as plain data: degrees (ICRS), square degrees, milliseconds."""
    ring = found.ring
    return {
        "detector_names": list(found.detector_names),
        "first_neutrino_time": iso_nano(found.time_ns),
        "ra_deg": found.ra_deg,
        "dec_deg": found.dec_deg,
        "area_50_deg2": found.area_50_deg2,
        "area_90_deg2": found.area_90_deg2,
        "places": [asdict(mode) for mode in found.modes],
        "ring": None if ring is None else asdict(ring),
        "chi2": found.chi2,
        "degrees_of_freedom": found.degrees_of_freedom,
        "residuals_ms": dict(found.residuals_ms),
        "sigmas_ms": dict(found.sigmas_ms),
        "summary": found.summary.splitlines(),
    }
