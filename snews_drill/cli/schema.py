"""`message-schema`: what each tier's message holds."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from snews_drill.cli.options import FiredrillOption, JsonOption, ProfileOption
from snews_drill.cli.screen import command
from snews_drill.errors import SettingsError

#: What a user may type, folded -> the tier's word in dialect 1.3.
ALIASES = {
    "coincidencetier": "CoincidenceTier",
    "coincidence": "CoincidenceTier",
    "sigtier": "SigTier",
    "significancetier": "SigTier",
    "significance": "SigTier",
    "sig": "SigTier",
    "timetier": "TimeTier",
    "timingtier": "TimeTier",
    "timing": "TimeTier",
    "time": "TimeTier",
    "retraction": "Retraction",
    "heartbeat": "Heartbeat",
}


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("message-schema")(message_schema)


def _complete(incomplete: str) -> list[str]:
    words = ["all", "coincidence", "sig", "timing", "retraction", "heartbeat"]
    return [word for word in words if word.startswith(incomplete.casefold())]


def tier_named(word: str) -> str:
    """Return the tier that a word means, in dialect 1.3's words.

    Raises
    ------
    SettingsError
        If there is none.
    """
    folded = "".join(c for c in word.casefold() if c not in " -_")
    if folded not in ALIASES:
        raise SettingsError(
            f"There is no tier {word!r:.80}.",
            next_step=f"Use all, or one of {', '.join(dict.fromkeys(ALIASES.values()))}.",
        )
    return ALIASES[folded]


def message_schema(
    tiers: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TIER…|all]",
            help="coincidence, sig, timing, retraction, heartbeat, or all.",
            show_default=False,
            autocompletion=_complete,
        ),
    ] = None,
    dialect: Annotated[
        str | None, typer.Option("--dialect", help='"1.3" or "3"; by default what the profile speaks.')
    ] = None,
    profile: ProfileOption = None,
    firedrill: FiredrillOption = True,  # noqa: ARG001 - every command takes it
    is_json: JsonOption = False,
) -> None:
    """Show what the messages of each tier hold: name, type, unit, whether it is needed, meaning."""
    with command(is_json) as screen:
        name = dialect or _dialect_of(profile)
        schemas = _schemas(tiers or ["all"], name)
        for tier, rows in schemas.items():
            screen.show(_table(tier, rows, name))
        screen.emit({"ok": True, "dialect": name, "tiers": schemas})


def _dialect_of(profile: str | None) -> str:
    from snews_drill.profiles import chosen_profile
    from snews_drill.settings import load_settings

    return chosen_profile(profile, load_settings()).dialect


def _schemas(words: list[str], dialect_name: str) -> dict[str, list[dict[str, Any]]]:
    from snews_drill.cli.schema_fields import fields_of
    from snews_drill.messages.tiers import Tier
    from snews_drill.wire.dialects import get_dialect

    dialect = get_dialect(dialect_name)
    everything = any(word.casefold() == "all" for word in words)
    chosen = (
        list(Tier) if everything else [Tier(tier_named(word)) for word in words if word.casefold() != "all"]
    )
    return {tier.value: fields_of(tier, dialect) for tier in dict.fromkeys(chosen)}


def _table(tier: str, rows: list[dict[str, Any]], dialect_name: str) -> Any:
    from rich.table import Table

    table = Table(
        "name",
        "type",
        "unit",
        "required",
        "meaning",
        title=f"{tier}, dialect {dialect_name}",
        title_justify="left",
    )
    for row in rows:
        style = "bold" if row["required"] else ""
        table.add_row(
            row["name"], row["type"], row["unit"], "yes" if row["required"] else "", row["help"], style=style
        )
    return table
