"""What was measured: which detectors, when each saw the neutrinos, how well it knows the time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from snews_drill.detectors import Site, find_detector
from snews_drill.errors import LocalizationError
from snews_drill.messages.times import parse_utc_ns
from snews_drill.sky.geometry import (
    EARTH_CROSSING_MS,
    FloatArray,
    Geometry,
    check_instant,
    site_of,
    terrestrial_position_ms,
)

_SAME_PLACE_MS = 1e-5  # three metres
_SIGMA_RANGE_MS = (1e-4, 1e4)
_MOST_DETECTORS = 1000


@runtime_checkable
class AlertLike(Protocol):
    """What an alert must have to be localised: names, and as many neutrino times in ns since 1970 UTC."""

    @property
    def detector_names(self) -> tuple[str, ...]:
        """Registered names."""

    @property
    def neutrino_times_ns(self) -> tuple[int, ...]:
        """One time per name."""


Source = AlertLike | Mapping[str, Any]


@dataclass(frozen=True)
class Timing:
    """Arrival times at known places.

    Attributes
    ----------
    names : tuple of str
        The detectors.
    positions_ms : ndarray, shape (n, 3)
        Earth-fixed geocentric positions, light-milliseconds.
    times_ms : ndarray, shape (n,)
        Arrival times after the earliest one, milliseconds.
    sigmas_ms : ndarray, shape (n,)
        Standard deviation of each arrival time, milliseconds.
    first_ns : int
        The earliest arrival, ns since 1970 UTC.
    """

    names: tuple[str, ...]
    positions_ms: FloatArray
    times_ms: FloatArray
    sigmas_ms: FloatArray
    first_ns: int


def read_timing(
    source: Source,
    sites: Mapping[str, Site] | None,
    sigma_ms: float | Mapping[str, float],
    geometry: Geometry,
) -> Timing:
    """Check what the user gave and place the detectors on the Earth.

    Raises
    ------
    UnknownDetector
        If a name is neither in `sites` nor on the roster.
    LocalizationError
        If there are fewer than two detectors or places, a name comes twice, or a time or an error makes no
        sense.
    """
    pairs = list(_named_times(source))
    if len(pairs) > _MOST_DETECTORS:
        raise LocalizationError(
            f"{len(pairs)} detectors are more than any network has.", next_step="Give the times of one alert."
        )
    placed = [site_of(name, sites, geometry) for name, _ in pairs]
    names = tuple(name for name, _ in placed)
    _check_names(names)
    times_ns = [_instant_ns(value, name) for name, (_, value) in zip(names, pairs, strict=True)]
    first_ns = min(times_ns)
    positions = np.array([terrestrial_position_ms(site) for _, site in placed])
    _check_places(names, positions)
    times_ms = np.array([(time - first_ns) / 1e6 for time in times_ns])
    sigmas = np.array(_sigmas_ms(names, sigma_ms))
    _check_spread(names, times_ms, sigmas)
    return Timing(names, positions, times_ms, sigmas, first_ns)


def instant_ns(value: object, meaning: str) -> int:
    """Return an instant given as ns since 1970 UTC or as ISO-8601 text.

    Raises
    ------
    LocalizationError
        If it is neither, or outside the years 1900 to 2100.
    """
    if isinstance(value, str):
        try:
            return check_instant(parse_utc_ns(value), meaning)
        except ValueError as error:
            raise _not_a_time(value, meaning) from error
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return check_instant(int(value), meaning)
    raise _not_a_time(value, meaning)


def _instant_ns(value: object, name: str) -> int:
    return instant_ns(value, f"neutrino time of {name}")


def _not_a_time(value: object, meaning: str) -> LocalizationError:
    return LocalizationError(
        f"The {meaning} is {value!r:.80}, which is no time.",
        next_step="Give an ISO-8601 text (UTC) or nanoseconds since 1970-01-01 as an int.",
    )


def _named_times(source: Source) -> Iterable[tuple[str, object]]:
    names: object
    times: object
    if isinstance(source, AlertLike):
        names, times = source.detector_names, source.neutrino_times_ns
    elif isinstance(source, Mapping) and "detector_names" in source:
        names, times = source["detector_names"], source.get("neutrino_times")
    elif isinstance(source, Mapping):
        names, times = list(source), list(source.values())
    else:
        raise LocalizationError(
            f"A {type(source).__name__} is no alert and no mapping of times.",
            next_step="Give an alert, or a dict such as {'JUNO': '2023-02-07T12:00:00', …}.",
        )
    if (
        not isinstance(names, (list, tuple))
        or not isinstance(times, (list, tuple))
        or len(names) != len(times)
    ):
        raise LocalizationError(
            "The alert does not have one neutrino time for each detector name.",
            next_step="Give an alert that names its detectors and their times, or a dict of times.",
        )
    if not all(isinstance(name, str) for name in names):
        raise LocalizationError(
            "A detector's name is not a text.",
            next_step="Use registered names; `snews-drill set-name --list`.",
        )
    return zip(names, times, strict=True)


def _check_names(names: tuple[str, ...]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise LocalizationError(
            f"{', '.join(twice)} comes more than once.", next_step="Give one neutrino time per detector."
        )
    if len(names) < 2:
        seen = f"only {names[0]}" if names else "no detector"
        raise LocalizationError(
            f"There is {seen}, and the direction comes from differences between arrival times.",
            next_step="Wait for a second detector: two give a ring on the sky, three two points, four one.",
        )


def _check_places(names: tuple[str, ...], positions: FloatArray) -> None:
    if np.linalg.norm(positions - positions[0], axis=1).max() < _SAME_PLACE_MS:
        raise LocalizationError(
            f"{_listed(names)} stand at the same site, so every direction gives the same times.",
            next_step="Wait for a detector at another site: two sites give a ring on the sky.",
        )


def _sigmas_ms(names: tuple[str, ...], sigma_ms: float | Mapping[str, float]) -> list[float]:
    if not isinstance(sigma_ms, Mapping):
        return [_checked_sigma(sigma_ms)] * len(names)
    given = {}
    for name, value in sigma_ms.items():
        given[name if name in names else find_detector(name).name] = _checked_sigma(value)
    missing = [name for name in names if name not in given]
    if missing:
        raise LocalizationError(
            f"sigma_ms has no timing error for {_listed(missing)}.",
            next_step="Name every detector of the alert in sigma_ms, or give one number for all.",
        )
    return [given[name] for name in names]


def _checked_sigma(value: object) -> float:
    least, most = _SIGMA_RANGE_MS
    is_number = isinstance(value, (int, float, np.floating, np.integer)) and not isinstance(value, bool)
    if not is_number or not least <= float(value) <= most:  # type: ignore[arg-type]
        raise LocalizationError(
            f"A timing error of {value!r:.40} ms makes no sense.",
            next_step=f"Give milliseconds between {least:g} and {most:g}; 1.0 is usual.",
        )
    return float(value)  # type: ignore[arg-type]


def _check_spread(names: tuple[str, ...], times_ms: FloatArray, sigmas_ms: FloatArray) -> None:
    early, late = int(np.argmin(times_ms)), int(np.argmax(times_ms))
    allowed = EARTH_CROSSING_MS + 10 * math.hypot(float(sigmas_ms[early]), float(sigmas_ms[late]))
    spread = float(times_ms[late] - times_ms[early])
    if spread <= allowed:
        return
    odd = int(np.argmax(np.abs(times_ms - np.median(times_ms))))
    raise LocalizationError(
        f"{names[late]} is {spread:,.1f} ms after {names[early]}, but light crosses the "
        f"Earth in {EARTH_CROSSING_MS} ms: these are no arrival times of one wave.",
        next_step=f"Check the time of {names[odd]}, the farthest from the others, or leave it out.",
    )


def _listed(names: Iterable[str]) -> str:
    given = list(names)
    shown = given[:5]
    return ", ".join(shown) + (f" and {len(given) - 5} more" if len(given) > 5 else "")
