"""Scenarios made to order: when a burst from any direction reaches the detectors."""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterable
from typing import Literal

from snews_drill.detectors import find_detector, roster
from snews_drill.drill.scenario import ObservationEvent, Scenario, Star
from snews_drill.drill.stars import find_star
from snews_drill.errors import LocalizationError, ScenarioError
from snews_drill.messages.times import iso_micro
from snews_drill.sky.geometry import Geometry, arrival_times_ns, site_of
from snews_drill.sky.timing import instant_ns

#: The largest timing error that makes sense in a drill, ms.
_LARGEST_JITTER_MS = 1_000.0

#: What arrival times at so many places can tell. Source: each difference of two arrival times leaves a ring on the sky.
_WHAT_CAN_BE_KNOWN = {
    1: "One place tells nothing about the direction.",
    2: "Two places tell a ring on the sky.",
    3: "Three places tell two points on the sky.",
}


def make_scenario(
    star: str | Star | tuple[float, float],
    when: str | int,
    detectors: Iterable[str] | Literal["all"] = "all",
    *,
    jitter_ms: float = 1.0,
    seed: int | None = None,
    p_val: float = 0.05,
    name: str = "made-to-order",
    geometry: Geometry = "drill",
) -> Scenario:
    """Return a scenario of a burst from a star: each detector sees it when a plane wave passes its site.

    Parameters
    ----------
    star
        A name ("Betelgeuse"), "RA,DEC" or a pair of numbers in degrees (ICRS).
    when
        When the wave passes the Earth's centre: ISO-8601 text (UTC), or ns since 1970 (UTC).
    detectors
        Names or accepted spellings, or "all" of the roster.
    jitter_ms
        Standard deviation of each detector's timing error, ms; drawn for each detector by itself, so that it does not
        depend on who else takes part.
    seed
        Of these errors; with the same seed the scenario is the same. Made up by default; the description tells it.
    p_val
        What every detector gives as p-value.
    name
        What it is called.
    geometry
        "drill" puts detectors where the published fire-drill times put them, "real" where they stand; as in `localize`.

    Returns
    -------
    Scenario
        With the observations in order of neutrino time, to the microsecond. When played it is moved by whole sidereal days,
        so that the times still point to the star.

    Raises
    ------
    ScenarioError
        If the direction, the time, the error or the p-value makes no sense, or a detector comes twice or none does.
    UnknownDetector
        If a name is not on the roster.

    Examples
    --------
    >>> made = make_scenario("Betelgeuse", "2026-01-01T12:00:00", ["JUNO", "SNO+"], jitter_ms=0)
    >>> round(made.observations[1].offset_ms - made.observations[0].offset_ms)
    15
    """
    found = find_star(star)
    start_ns = _instant_ns(when)
    names = _names(detectors)
    if isinstance(jitter_ms, bool) or not 0 <= jitter_ms <= _LARGEST_JITTER_MS:
        raise ScenarioError(
            f"A timing error of {jitter_ms!r:.40} ms makes no sense.",
            next_step=f"Give milliseconds from 0 to {_LARGEST_JITTER_MS:g}; 1 is usual.",
        )
    if isinstance(p_val, bool) or not 0 < p_val < 1:
        raise ScenarioError(
            f"{p_val!r:.40} is no p-value.", next_step="Give a number between 0 and 1, both excluded."
        )
    dice = secrets.randbelow(1_000_000) if seed is None else seed
    arrivals = arrival_times_ns(found.ra_deg, found.dec_deg, start_ns, names, geometry=geometry)
    seen_us = {
        detector: round((time_ns - start_ns) / 1e3 + _error_us(dice, detector, jitter_ms))
        for detector, time_ns in arrivals.items()
    }
    return Scenario(
        name=name,
        title=f"A burst from {found.name}",
        description=_description(found, start_ns, names, jitter_ms, dice, geometry),
        start_ns=start_ns,
        keeps_sky=True,
        star=found,
        events=tuple(
            ObservationEvent(detector=detector, offset_ms=offset_us / 1e3, p_val=float(p_val))
            for detector, offset_us in sorted(seen_us.items(), key=lambda item: item[1])
        ),
    )


def _error_us(seed: int, detector: str, jitter_ms: float) -> float:
    return random.Random(f"{seed}/{detector}").gauss(0.0, 1.0) * jitter_ms * 1e3  # noqa: S311 - dice, no secret


def _instant_ns(when: str | int) -> int:
    try:
        # Whole microseconds: dialect 1.3 has no finer times.
        return instant_ns(when, "time of the burst") // 1000 * 1000
    except LocalizationError as error:
        raise ScenarioError(error.reason, next_step=error.next_step) from error


def _names(detectors: Iterable[str] | Literal["all"]) -> list[str]:
    asked = [d.name for d in roster()] if detectors == "all" else list(detectors)
    names = [find_detector(name).name for name in asked]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ScenarioError(f"{twice[0]} comes more than once.", next_step="Name each detector once.")
    if not names:
        raise ScenarioError("There is no detector.", next_step='Name some detectors, or "all".')
    return names


def _description(
    star: Star, start_ns: int, names: list[str], jitter_ms: float, seed: int, geometry: Geometry
) -> str:
    places = {site_of(name, geometry=geometry)[1] for name in names}
    known = _WHAT_CAN_BE_KNOWN.get(len(places), "")
    sites = "" if geometry == "drill" else " The detectors stand where they really are."
    return (
        f"Made to order: a plane wave from RA {star.ra_deg:g}, DEC {star.dec_deg:g} "
        f"passes the Earth at {iso_micro(start_ns)} UTC. "
        f"{len(names)} detectors, timing error {jitter_ms:g} ms, seed {seed}.{sites} {known}"
    ).strip()
