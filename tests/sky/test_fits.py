"""The FITS file is what HEALPix readers expect."""

from __future__ import annotations

import healpy
import numpy as np
import pytest
from astropy.io import fits

from snews_drill.errors import LocalizationError
from snews_drill.sky import localize


@pytest.fixture
def found(drill_times):
    return localize(drill_times)


@pytest.mark.parametrize("name", ["map.fits", "map.fits.gz"])
def test_healpy_reads_the_same_map(found, tmp_path, name):
    path = found.to_fits(tmp_path / name)
    read, header = healpy.read_map(path, nest=None, h=True, dtype=np.float64)
    cards = dict(header)
    assert np.array_equal(read, found.probability)
    assert (cards["ORDERING"], cards["COORDSYS"], cards["NSIDE"]) == ("NESTED", "C", 64)
    best = healpy.ang2vec(found.ra_deg, found.dec_deg, lonlat=True)
    top = np.array(healpy.pix2vec(64, int(read.argmax()), nest=True))
    assert best @ top > np.cos(0.03)


def test_healpy_turns_it_into_ring_order_without_moving_the_star(found, tmp_path, alf_ori):
    ring = healpy.read_map(found.to_fits(tmp_path / "map.fits"), nest=False)
    longitude, latitude = healpy.pix2ang(64, int(ring.argmax()), lonlat=True)
    assert (longitude, latitude) == pytest.approx(alf_ori, abs=1.5)


def test_header_tells_when_and_that_it_is_an_exercise(found, tmp_path):
    with fits.open(found.to_fits(str(tmp_path / "map.fits"))) as hdus:
        header = hdus[1].header
        assert header["DATE-OBS"] == "2023-02-07T12:00:00"
        assert header["OBJECT"] == "SNEWS drill"
        assert header["AREA90"] == pytest.approx(found.area_90_deg2)
        assert "Best fit" in str(header["HISTORY"])
        assert hdus[1].columns["PROB"].unit == "pix-1"


def test_writing_twice_gives_the_same_bytes(found, tmp_path):
    path = found.to_fits(tmp_path / "map.fits")
    first = path.read_bytes()
    assert found.to_fits(path).read_bytes() == first


def test_a_folder_that_is_not_there_is_an_error_with_advice(found, tmp_path):
    with pytest.raises(LocalizationError, match="cannot be written") as caught:
        found.to_fits(tmp_path / "missing" / "map.fits")
    assert "folder" in caught.value.next_step
