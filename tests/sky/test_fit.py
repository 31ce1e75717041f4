"""localize: the drill's star is found, the regions mean what they say, quickly and offline."""

from __future__ import annotations

import runpy
import subprocess
import sys
import time
from pathlib import Path

import pytest

from snews_drill.errors import LocalizationError
from snews_drill.sky import Localization, arrival_times_ns, localize

SCRIPT = Path(__file__).parents[2] / "docs" / "coverage_of_regions.py"


def test_the_tutorials_times_point_to_alf_ori_within_a_degree(drill_times, alf_ori):
    found = localize(drill_times)
    assert isinstance(found, Localization)
    assert found.separation_deg(*alf_ori) < 1.0
    assert found.contains(*alf_ori, level=0.5)


def test_exact_times_give_the_star_back(drill_times, alf_ori, drill_ns):
    found = localize(arrival_times_ns(*alf_ori, drill_ns, drill_times))
    assert found.separation_deg(*alf_ori) < 1e-3
    assert found.chi2 < 1e-6


def test_regions_contain_the_star_as_often_as_they_promise():
    """500 drills at random directions with 1 ms jitter: 86 to 94 % within the 90 % region."""
    script = runpy.run_path(str(SCRIPT))
    network = script["NETWORKS"]["the tutorial's 19"]
    assert len(network) == 19
    found = script["coverage"](network, drills=500, seed=1)
    assert 0.86 <= found["share_90"] <= 0.94
    assert 0.43 <= found["share_50"] <= 0.57


@pytest.mark.parametrize("network", ["2 sites", "3 sites"])
def test_regions_of_few_sites_keep_their_promise_too(network):
    script = runpy.run_path(str(SCRIPT))
    found = script["coverage"](script["NETWORKS"][network], drills=200, seed=5)
    assert 0.83 <= found["share_90"] <= 0.96


def test_the_sky_turns_with_the_earth(drill_times):
    """Six hours later the same times point a quarter of a turn farther east."""
    now = localize(drill_times)
    later = localize(drill_times, when=now.time_ns + 6 * 3600 * 10**9)
    assert (later.ra_deg - now.ra_deg) % 360 == pytest.approx(90.25, abs=0.1)
    assert later.dec_deg == pytest.approx(now.dec_deg, abs=0.2)
    assert localize(drill_times, when="2023-02-07T18:00:00").ra_deg == pytest.approx(later.ra_deg)


def test_nineteen_detectors_take_less_than_half_a_second(drill_times):
    localize(drill_times)
    spent = []
    for _ in range(5):
        began = time.perf_counter()
        localize(drill_times, nside=64)
        spent.append(time.perf_counter() - began)
    assert sorted(spent)[2] < 0.5


def test_real_sites_point_elsewhere_than_the_drills(drill_times):
    assert localize(drill_times, geometry="real").ra_deg != pytest.approx(
        localize(drill_times).ra_deg, abs=0.1
    )


@pytest.mark.parametrize("nside", [0, 7, 63, 1024, 64.5, "64", None, True])
def test_an_impossible_resolution_is_refused(drill_times, nside):
    with pytest.raises(LocalizationError, match="power of two"):
        localize(drill_times, nside=nside)


def test_an_impossible_instant_is_refused(drill_times):
    with pytest.raises(LocalizationError, match="`when`"):
        localize(drill_times, when="soon")


def test_it_works_with_no_network_no_warning_and_no_word():
    """Nothing is downloaded, neither Earth rotation tables nor leap seconds, for times in any year."""
    code = (
        "import socket\n"
        "def refuse(*a, **k): raise AssertionError('network')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from snews_drill.sky import arrival_times_ns, localize\n"
        "for year in (0, 23, 60):\n"
        "    when = 10**18 + year * 31_557_600 * 10**9\n"
        "    localize(arrival_times_ns(10, 20, when, ['JUNO', 'LVD', 'IC', 'SNO+']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
