"""The value that localize returns."""

from __future__ import annotations

import pytest

from snews_drill.errors import LocalizationError, UnknownDetector
from snews_drill.sky import localize


@pytest.fixture
def found(drill_times):
    return localize(drill_times)


def test_repr_is_stable_and_telling(found, drill_times):
    assert repr(found) == repr(localize(drill_times))
    assert repr(found).startswith("Localization(19 detectors: RA 89.39° DEC +7.18°; 50 % in 8.")


def test_html_is_escaped(drill_times):
    from snews_drill.detectors import find_detector

    sites = {"<b>x</b>": find_detector("JUNO").site, "B": find_detector("LVD").site}
    times = dict(zip(sites, drill_times.values(), strict=False))
    html = localize(times, sites)._repr_html_()
    assert "&lt;b&gt;x" in html
    assert "<b>" not in html


def test_residuals_tell_how_well_the_wave_fits(found):
    assert set(found.residuals_ms) == set(found.detector_names)
    assert sum(found.residuals_ms.values()) == pytest.approx(0, abs=1e-9)
    assert sum(value**2 for value in found.residuals_ms.values()) == pytest.approx(found.chi2)
    assert 0.3 < found.rms_ms < 0.5
    assert found.degrees_of_freedom == 16


def test_regions_grow_with_their_level(found, alf_ori):
    assert found.area_deg2(0.5) == found.area_50_deg2 < found.area_90_deg2 < found.area_deg2(0.99)
    assert found.contains(found.ra_deg, found.dec_deg, 0.01)
    assert not found.contains(alf_ori[0] + 180, -alf_ori[1], 0.99)


@pytest.mark.parametrize("level", [0, 1, -0.1, 90, float("nan")])
def test_a_level_that_is_no_share_is_refused(found, level):
    with pytest.raises(LocalizationError, match="probability"):
        found.contains(0, 0, level)


def test_separation_from_no_direction_is_refused(found):
    with pytest.raises(LocalizationError, match="no direction"):
        found.separation_deg(0, 100)


def test_zenith_knows_the_roster(found):
    assert found.zenith_of("sk")[0] == "Super-K"
    with pytest.raises(UnknownDetector):
        found.zenith_of("Nowhere-9")
