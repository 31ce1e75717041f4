"""The roster: which detectors take part, what they are called, and where they stand."""

from __future__ import annotations

import difflib
import tomllib
from functools import cache
from importlib import resources

from pydantic import BaseModel, ConfigDict, Field

from snews_drill.errors import UnknownDetector


class Site(BaseModel):
    """A place on Earth (WGS84).

    Attributes
    ----------
    latitude_deg, longitude_deg : float
        Degrees north and east.
    elevation_m : float
        Metres above sea level; negative below it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    latitude_deg: float = Field(ge=-90, le=90)
    longitude_deg: float = Field(ge=-180, le=180)
    elevation_m: float


class Detector(BaseModel):
    """One detector of the roster.

    Attributes
    ----------
    number : int
        Its number in SNEWS messages (the first part of `_id`).
    name : str
        Its registered name: the one that travels in messages.
    spellings : tuple of str
        Other accepted ways to write it; case, blanks, hyphens and underscores never matter.
    site : Site
        Where it really stands.
    drill_site : Site or None
        Where the published fire-drill times put it, if elsewhere.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int = Field(ge=1)
    name: str
    spellings: tuple[str, ...] = ()
    site: Site
    drill_site: Site | None = None


def _folded(text: str) -> str:
    return "".join(c for c in text.casefold() if c not in " -_")


@cache
def roster() -> tuple[Detector, ...]:
    """Return the detectors, ordered by number.

    Returns
    -------
    tuple of Detector
        The 20 detectors of SNEWS.
    """
    text = resources.files("snews_drill").joinpath("data/roster.toml").read_text(encoding="utf-8")
    found = [Detector.model_validate(entry) for entry in tomllib.loads(text)["detector"]]
    return tuple(sorted(found, key=lambda detector: detector.number))


@cache
def _by_spelling() -> dict[str, Detector]:
    return {_folded(text): d for d in roster() for text in (d.name, *d.spellings)}


@cache
def _by_name() -> dict[str, Detector]:
    return {d.name: d for d in roster()}


def find_detector(name: str) -> Detector:
    """Return the detector that a name or an accepted spelling means.

    Parameters
    ----------
    name
        A registered name or spelling, in any case, with or without hyphens and blanks.

    Raises
    ------
    UnknownDetector
        If nothing on the roster is spelled like that; it tells the nearest names.

    Examples
    --------
    >>> find_detector("sk").name
    'Super-K'
    """
    if not isinstance(name, str):  # a file of arguments may hold anything
        raise UnknownDetector(f"{name!r:.80}", ())
    found = _by_name().get(name) or _by_spelling().get(_folded(name))
    if found is None:
        raise UnknownDetector(name, _nearest(name))
    return found


def is_registered(name: str) -> bool:
    """Tell whether `name` is a registered name, spelled exactly."""
    return name in _by_name()


def _nearest(name: str) -> list[str]:
    spellings = _by_spelling()
    close = difflib.get_close_matches(_folded(name[:64]), spellings, n=6, cutoff=0.5)
    return list(dict.fromkeys(spellings[text].name for text in close))[:3]
