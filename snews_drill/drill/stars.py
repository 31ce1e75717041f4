"""Stars by name, and directions as people write them."""

from __future__ import annotations

import difflib
import math
import tomllib
from functools import cache
from importlib import resources

from snews_drill.drill.scenario import Star
from snews_drill.errors import ScenarioError


@cache
def list_stars() -> tuple[tuple[Star, tuple[str, ...]], ...]:
    """Return the stars that come with the package, each with its other names.

    Source: data/stars.toml tells where the coordinates come from.
    """
    text = resources.files("snews_drill").joinpath("data/stars.toml").read_text(encoding="utf-8")
    return tuple(
        (
            Star(name=entry["names"][0], ra_deg=entry["ra_deg"], dec_deg=entry["dec_deg"]),
            tuple(entry["names"][1:]),
        )
        for entry in tomllib.loads(text)["star"]
    )


def find_star(star: str | Star | tuple[float, float]) -> Star:
    """Return a star from its name, from "RA,DEC", or from the two numbers, in degrees (ICRS).

    Raises
    ------
    ScenarioError
        If it is none of the names, or no direction; it tells the nearest names.

    Examples
    --------
    >>> find_star("alf ori").name
    'Betelgeuse'
    >>> find_star("88.79, +7.4").dec_deg
    7.4
    """
    if isinstance(star, Star):
        return star
    if isinstance(star, str):
        parts = star.split(",")
        if len(parts) != 2:
            return _by_name(star)
        try:
            ra_deg, dec_deg = (float(part) for part in parts)
        except ValueError as error:
            raise _no_direction(star) from error
    else:
        try:
            ra_deg, dec_deg = (float(part) for part in star)
        except (TypeError, ValueError, OverflowError) as error:
            raise _no_direction(star) from error
    if not (math.isfinite(ra_deg) and -360 <= ra_deg <= 360 and -90 <= dec_deg <= 90):
        raise _no_direction(star)
    turned_deg = ra_deg % 360.0 % 360.0  # the remainder of a tiny negative number rounds to 360
    return Star(name=f"RA {turned_deg:g}, DEC {dec_deg:g}", ra_deg=turned_deg, dec_deg=dec_deg)


def _by_name(name: str) -> Star:
    spellings = {_folded(text): found for found, others in list_stars() for text in (found.name, *others)}
    if _folded(name) in spellings:
        return spellings[_folded(name)]
    near = difflib.get_close_matches(_folded(name[:64]), spellings, n=3, cutoff=0.5)
    names = dict.fromkeys(spellings[text].name for text in near)
    hint = f" Did you mean {' or '.join(names)}?" if names else ""
    known = ", ".join(found.name for found, _ in list_stars())
    raise ScenarioError(
        f"There is no star {name!r:.80} on the list.{hint}",
        next_step=f'Write RA,DEC in degrees, such as "88.79292,7.40706", or one of: {known}.',
    )


def _folded(text: str) -> str:
    return "".join(character for character in text.casefold() if character not in " -_*")


def _no_direction(star: object) -> ScenarioError:
    return ScenarioError(
        f"{star!r:.80} is no direction.",
        next_step='Write RA,DEC in degrees: RA from 0 to 360, DEC from -90 to 90, such as "88.79292,7.40706".',
    )
