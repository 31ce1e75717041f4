"""Draw the sky for the tutorial's fire drill.

python docs/sky_betelgeuse.py docs/images/sky_betelgeuse.png
"""

from __future__ import annotations

import sys

from snews_drill.sky import localize

ALF_ORI = (88.79292, 7.40706, "Alf Ori")
# Milliseconds after 2023-02-07T12:00:00 UTC, as the tutorial hands them out.
TIMES_MS = {
    "JUNO": 0.0, "HK": 1.076, "KL": 1.090, "SK": 1.090, "PandaX-4T": 2.390, "Baksan": 18.629, "IC": 23.424,
    "LVD": 26.127, "DS-20K": 26.127, "Borexino": 26.127, "XENONnT": 26.127, "KM3": 26.338, "NOvA": 28.417,
    "HALO-1kT": 30.543, "SNOP": 30.543, "SBND": 30.548, "DUNE": 30.548, "LZ": 30.548, "MicroBooNe": 30.548,
}  # fmt: skip


def main() -> None:
    first_ns = 1_675_771_200 * 10**9
    found = localize({name: first_ns + round(ms * 1e6) for name, ms in TIMES_MS.items()})
    found.plot(star=ALF_ORI, horizon_of="XENONnT").savefig(sys.argv[1])
    print(found.summary)
    print(f"Alf Ori is {found.separation_deg(*ALF_ORI[:2]):.2f}° from the best fit.")
    print(f"Residuals: {found.rms_ms:.2f} ms rms.")


if __name__ == "__main__":
    main()
