"""The options that every command has, and what the shell completes."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from typing import Annotated, Any

import typer

from snews_drill.cli.screen import command


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

TopicsPrefixOption = Annotated[
    str | None,
    typer.Option(
        "--topics-prefix",
        metavar="P",
        help="With kafka://host:port: goes in front of every topic, as the server of a private drill was told. "
        "Without it SNEWS_DRILL_TOPICS_PREFIX decides.",
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


def with_topics_prefix(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a command that takes --topics-prefix wherever it takes --profile; any other one is returned as it is."""
    hints = typing.get_type_hints(function, include_extras=True)
    parameters = [
        p.replace(annotation=hints.get(p.name, p.annotation))
        for p in inspect.signature(function).parameters.values()
    ]
    names = [p.name for p in parameters]
    if "profile" not in names or "topics_prefix" in names:
        return function
    own = inspect.Parameter(
        "topics_prefix",
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=None,
        annotation=TopicsPrefixOption,
    )
    parameters.insert(names.index("profile") + 1, own)

    @functools.wraps(function)
    def combined(**given: Any) -> Any:
        prefix = given.pop("topics_prefix")
        if prefix is not None:
            with command(bool(given.get("is_json"))):
                given["profile"] = _prefixed(given["profile"], prefix)
        return function(**given)

    # Typer builds the options from these; what is wrapped has other ones.
    del combined.__wrapped__
    combined.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    combined.__annotations__ = {p.name: p.annotation for p in parameters}
    return combined


def _prefixed(profile: str | None, prefix: str) -> str:
    from snews_drill.profiles import chosen_profile
    from snews_drill.settings import load_settings

    return chosen_profile(profile, load_settings(), topics_prefix=prefix).name
