"""The options that every command has, and what the shell completes."""

from __future__ import annotations

from typing import Annotated

import typer


def complete_profile(incomplete: str) -> list[str]:
    """Return the profiles that begin like that."""
    from snews_drill.profiles import PROFILES

    return [name for name in PROFILES if name.startswith(incomplete)]


def complete_detector(incomplete: str) -> list[str]:
    """Return the registered names that begin like that, in any case."""
    from snews_drill.detectors import roster

    return [d.name for d in roster() if d.name.casefold().startswith(incomplete.casefold())]


def complete_scenario(incomplete: str) -> list[str]:
    """Return the scenarios that begin like that."""
    from snews_drill.drill.scenarios import list_scenarios

    return [s.name for s in list_scenarios() if s.name.startswith(incomplete)]


ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="PROFILE",
        help="Where: rehearsal (this machine), firedrill, firedrill-prod, test, or kafka://host:port. "
        "Without it SNEWS_DRILL_PROFILE or the remembered choice decides; at first that is the rehearsal.",
        autocompletion=complete_profile,
    ),
]

FiredrillOption = Annotated[
    bool, typer.Option("--firedrill/--no-firedrill", help="The fire-drill topics, or the test topics.")
]

JsonOption = Annotated[
    bool, typer.Option("--json", help="Write JSON to standard output, and nothing else there.")
]

DetectorOption = Annotated[
    str | None,
    typer.Option(
        "--detector",
        metavar="NAME",
        help="Whose part is yours; the remembered name by default.",
        autocompletion=complete_detector,
    ),
]


def check_profile(profile: str | None) -> None:
    """Refuse a profile that does not exist, in a command that needs none."""
    if profile is not None:
        from snews_drill.profiles import get_profile

        get_profile(profile)
