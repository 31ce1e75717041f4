"""How often the 90 % region contains the star, over made-to-order drills at random directions.

    python docs/coverage_of_regions.py --drills 500 --seed 1

Every drill has a random direction (uniform on the sphere), a random instant of one year (so that the Earth
stands differently each time) and Gaussian jitter on every arrival time.
"""

from __future__ import annotations

import argparse
import math
import time

import numpy as np

from snews_drill.detectors import roster
from snews_drill.sky import arrival_times_ns, localize

NETWORKS = {
    "the tutorial's 19": [detector.name for detector in roster() if detector.name != "HALO"],
    "4 sites": ["JUNO", "Super-K", "IceCube", "XENONnT"],
    "3 sites": ["JUNO", "IceCube", "XENONnT"],
    "2 sites": ["JUNO", "XENONnT"],
}
FIRST_NS = 1_675_771_200 * 10**9
YEAR_NS = 365 * 86_400 * 10**9


def random_drill(generator: np.random.Generator, network: list[str], jitter_ms: float):
    """Return a star (RA, DEC in degrees) and jittered arrival times (ns) at the network's detectors."""
    ra_deg = generator.uniform(0, 360)
    dec_deg = math.degrees(math.asin(generator.uniform(-1, 1)))
    when_ns = FIRST_NS + int(generator.integers(YEAR_NS))
    exact = arrival_times_ns(ra_deg, dec_deg, when_ns, network)
    times = {name: t + round(generator.normal(0, jitter_ms) * 1e6) for name, t in exact.items()}
    return (ra_deg, dec_deg), times


def coverage(network: list[str], *, drills: int, seed: int, jitter_ms: float = 1.0, nside: int = 64) -> dict:
    """Return the shares of drills whose 50 % and 90 % regions contain the star, areas and time per map."""
    generator = np.random.default_rng(seed)
    inside_50, inside_90, areas, spent = 0, 0, [], 0.0
    for _ in range(drills):
        star, times = random_drill(generator, network, jitter_ms)
        began = time.perf_counter()
        found = localize(times, sigma_ms=jitter_ms, nside=nside)
        spent += time.perf_counter() - began
        inside_50 += found.contains(*star, level=0.5)
        inside_90 += found.contains(*star, level=0.9)
        areas.append(found.area_90_deg2)
    return {
        "share_50": inside_50 / drills,
        "share_90": inside_90 / drills,
        "median_area_90_deg2": float(np.median(areas)),
        "ms_per_map": 1e3 * spent / drills,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--drills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jitter-ms", type=float, default=1.0)
    chosen = parser.parse_args()
    print(f"{chosen.drills} drills, jitter {chosen.jitter_ms:g} ms, seed {chosen.seed}")
    print(f"{'network':<20}{'in 50 %':>9}{'in 90 %':>9}{'90 % area (deg²)':>18}{'ms per map':>12}")
    for title, network in NETWORKS.items():
        row = coverage(network, drills=chosen.drills, seed=chosen.seed, jitter_ms=chosen.jitter_ms)
        print(
            f"{title:<20}{row['share_50']:>9.1%}{row['share_90']:>9.1%}"
            f"{row['median_area_90_deg2']:>18.1f}{row['ms_per_map']:>12.1f}"
        )


if __name__ == "__main__":
    main()
