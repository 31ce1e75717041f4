"""The tutorial's fire drill as arrival times."""

from __future__ import annotations

import pytest

DRILL_NS = 1_675_771_200 * 10**9
STAR = (88.79292, 7.40706)
PUBLISHED_MS = {
    "JUNO": 0, "HK": 1.076, "KL": 1.090, "SK": 1.090, "PandaX-4T": 2.390, "Baksan": 18.629, "IC": 23.424,
    "LVD": 26.127, "DS-20K": 26.127, "Borexino": 26.127, "XENONnT": 26.127, "KM3": 26.338, "NOvA": 28.417,
    "HALO-1kT": 30.543, "SNOP": 30.543, "SBND": 30.548, "DUNE": 30.548, "LZ": 30.548, "MicroBooNe": 30.548,
}  # fmt: skip


@pytest.fixture
def drill_times() -> dict[str, int]:
    """The 19 published times, by the names the tutorial uses, ns since 1970 UTC."""
    return {name: DRILL_NS + round(ms * 1e6) for name, ms in PUBLISHED_MS.items()}


@pytest.fixture
def alf_ori() -> tuple[float, float]:
    """RA and DEC of the star that the drill's times point to, degrees."""
    return STAR


@pytest.fixture
def drill_ns() -> int:
    """The drill's instant, ns since 1970 UTC."""
    return DRILL_NS
