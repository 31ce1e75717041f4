"""The map as a HEALPix FITS file."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snews_drill.errors import LocalizationError
from snews_drill.messages.times import iso_micro

if TYPE_CHECKING:
    from snews_drill.sky.localization import Localization


def write(found: Localization, path: Path) -> Path:
    """Write `found.probability` to `path`, replacing a file of that name; see `Localization.to_fits`.

    Notes
    -----
    Column PROB (per pixel) in a binary table with the keywords of the HEALPix FITS convention: PIXTYPE,
    ORDERING (NESTED), COORDSYS (C, equatorial), NSIDE, FIRSTPIX, LASTPIX, INDXSCHM. The same localization
    gives the same bytes.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            _tables(found).writeto(path, overwrite=True)
    except (OSError, ValueError) as error:
        raise LocalizationError(
            f"The map cannot be written to {path}: {error}",
            next_step="Choose a folder that exists and that you may write to.",
        ) from error
    return path


def as_bytes(found: Localization) -> bytes:
    """Return the file's content; see `Localization.fits_bytes`."""
    buffer = io.BytesIO()
    _tables(found).writeto(buffer)
    return buffer.getvalue()


def _tables(found: Localization) -> Any:
    from astropy.io import fits

    column = fits.Column(name="PROB", format="D", unit="pix-1", array=found.probability)
    table = fits.BinTableHDU.from_columns([column])
    for keyword, value, comment in _cards(found):
        table.header[keyword] = (value, comment)
    for line in found.summary.splitlines():
        table.header.add_history(_ascii(line))
    return fits.HDUList([fits.PrimaryHDU(), table])


def _cards(found: Localization) -> list[tuple[str, object, str]]:
    return [
        ("PIXTYPE", "HEALPIX", "HEALPix pixels"),
        ("ORDERING", "NESTED", "pixel order"),
        ("COORDSYS", "C", "equatorial (ICRS)"),
        ("NSIDE", found.nside, "resolution"),
        ("FIRSTPIX", 0, "first pixel (0 based)"),
        ("LASTPIX", len(found.probability) - 1, "last pixel (0 based)"),
        ("INDXSCHM", "IMPLICIT", "no pixel numbers in the table"),
        ("OBJECT", "SNEWS drill", "an exercise, not an observation"),
        ("ORIGIN", "snews_drill", "program"),
        ("DATE-OBS", iso_micro(found.time_ns), "earliest neutrino (UTC)"),
        ("RA-BEST", round(found.ra_deg, 6), "[deg] best fit"),
        ("DEC-BEST", round(found.dec_deg, 6), "[deg] best fit"),
        ("AREA50", found.area_50_deg2, "[deg2] 50 % region"),
        ("AREA90", found.area_90_deg2, "[deg2] 90 % region"),
    ]


def _ascii(text: str) -> str:
    plain = text.replace("°", " deg").replace("²", "2")
    return plain.encode("ascii", "replace").decode("ascii")
