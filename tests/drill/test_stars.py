"""Stars by name and directions as people write them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snews_drill.drill.scenario import Star
from snews_drill.drill.scenarios import load_scenario
from snews_drill.drill.stars import find_star, list_stars
from snews_drill.errors import ScenarioError


def test_every_name_finds_its_star_however_it_is_written() -> None:
    names = [name for star, others in list_stars() for name in (star.name, *others)]
    assert len({name.casefold() for name in names}) == len(names) > 20
    for star, others in list_stars():
        for name in (star.name, *others):
            assert (
                find_star(name) == find_star(name.upper()) == find_star(f" {name.replace(' ', '-')} ") == star
            )


def test_the_tutorials_star_is_where_the_tutorial_has_it() -> None:
    star = load_scenario("betelgeuse").star
    assert star is not None
    assert (find_star("Alf Ori").ra_deg, find_star("Alf Ori").dec_deg) == (star.ra_deg, star.dec_deg)


@given(st.floats(-360, 360), st.floats(-90, 90))
def test_any_direction_can_be_written(ra_deg: float, dec_deg: float) -> None:
    star = find_star(f"{ra_deg!r},{dec_deg!r}")
    assert 0 <= star.ra_deg < 360
    assert star.dec_deg == dec_deg
    assert math.isclose(math.cos(math.radians(star.ra_deg)), math.cos(math.radians(ra_deg)), abs_tol=1e-9)
    assert find_star((ra_deg, dec_deg)) == star
    assert find_star(star) is star


@pytest.mark.parametrize(
    "wrong", ["", "Betelgoose", "88", "1,2,3", "a,b", "400,0", "0,91", "nan,0", "0,nan", "inf,0", ","]
)
def test_what_is_no_direction_is_told_with_what_would_be_right(wrong: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        find_star(wrong)
    assert "RA,DEC" in caught.value.next_step


@pytest.mark.parametrize("wrong", [(1,), (1, 2, 3), ("x", "y"), None, 5, (10**400, 1)])
def test_what_is_no_pair_of_numbers_is_told(wrong: object) -> None:
    with pytest.raises(ScenarioError):
        find_star(wrong)  # type: ignore[arg-type]


def test_a_slip_of_the_pen_finds_the_nearest_name() -> None:
    with pytest.raises(ScenarioError, match="Did you mean Betelgeuse"):
        find_star("Betelgoose")
    assert Star(name="x", ra_deg=0, dec_deg=0) == find_star(Star(name="x", ra_deg=0, dec_deg=0))
