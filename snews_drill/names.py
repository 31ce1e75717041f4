"""Which detector the user is."""

from __future__ import annotations

import sys
from collections.abc import Callable

from snews_drill.detectors import find_detector, roster
from snews_drill.errors import NameNotSet, SettingsError, UnknownDetector
from snews_drill.settings import DrillSettings, load_settings, remember

#: What `set_name()` shows in a notebook; the widgets put their chooser here. Returns False where there is no notebook.
choosers: list[Callable[[], bool]] = []


def get_name(settings: DrillSettings | None = None) -> str:
    """Return the remembered name of the user's detector.

    Parameters
    ----------
    settings
        Where to look; by default the user's file and environment as they are now.

    Raises
    ------
    NameNotSet
        If none was ever set.
    UnknownDetector
        If what is remembered is not on the roster.
    """
    name = (settings or load_settings()).detector_name
    if not name:
        raise NameNotSet
    return find_detector(name).name


def set_name(name: str | None = None, *, settings: DrillSettings | None = None, verbose: bool = True) -> None:
    """Remember which detector the user is, in the user's configuration folder.

    Parameters
    ----------
    name
        A registered name or an accepted spelling. Without it, a notebook shows a chooser and a terminal asks.
    settings
        Where to write; the user's own by default.
    verbose
        Whether to print who you are.

    Raises
    ------
    UnknownDetector
        If the name is not on the roster; it tells the nearest ones.
    NameNotSet
        If nobody can be asked.
    SettingsError
        If the choice cannot be written, or the environment names another detector and wins.
    """
    where = settings or load_settings()
    if name is None:
        if any(choose() for choose in choosers):
            return
        name = _ask(where.detector_name)
    found = find_detector(name)
    remember(where, detector_name=found.name)
    if settings is None and get_name() != found.name:
        raise SettingsError(
            f"{found.name} is remembered, but the environment says {get_name()} and wins.",
            next_step="Take away or change the environment variable SNEWS_DRILL_NAME.",
        )
    if verbose:
        print(f"You are {found.name}")


def _ask(current: str | None) -> str:
    if sys.stdin is None or not sys.stdin.isatty():
        raise NameNotSet
    for detector in roster():
        print(f"[{detector.number:2d}] {detector.name}")
    by_number = {str(detector.number): detector.name for detector in roster()}
    while True:
        try:
            answer = input(f"Your detector, by number or name{f' [{current}]' if current else ''}: ").strip()
        except EOFError:
            raise NameNotSet from None
        if not answer and current:
            return current
        try:
            return find_detector(by_number.get(answer, answer)).name
        except UnknownDetector as error:
            print(error.reason)
