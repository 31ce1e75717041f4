"""A file with a message, as arguments for the publisher."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from snews_drill.errors import InvalidMessage, Problem

#: Keys that say how to send, not what; only the command line may say that.
_NOT_FROM_FILES = ("self", "env_file", "connection", "firedrill_mode", "is_firedrill", "auth")

#: Keys that are made anew when a message is sent.
_MADE_ANEW = ("_id", "id", "uuid", "tier", "schema_version", "sent_time", "sent_time_utc")


def read_arguments(path: Path) -> dict[str, Any]:
    """Return the publisher's arguments in a file; a message as it travels is taken for what it was made of.

    Raises
    ------
    UnreadableFile
        If the file is missing, not JSON, or holds something else than an object.
    InvalidMessage
        If it names a tier that does not exist, or its name is no text.
    """
    from snews_drill.publisher import read_json_object

    content = read_json_object(path)
    arguments = {key: value for key, value in content.items() if key not in _NOT_FROM_FILES}
    if not isinstance(content.get("detector_name", ""), str):
        raise _refused(
            "detector_name",
            f"{content['detector_name']!r:.80} is no text.",
            "Give a registered name, such as XENONnT.",
        )
    if "_id" in content or "tier" in content:
        _check_tier(content)
        is_pre_sn = "PRE-SN" in str(content.get("_id", ""))[:40]
        meta = arguments.pop("meta", None)
        arguments = {key: value for key, value in arguments.items() if key not in _MADE_ANEW}
        arguments = {**(meta if isinstance(meta, dict) else {}), **arguments}
        if is_pre_sn:
            arguments["is_pre_sn"] = True
    return arguments


def _check_tier(content: dict[str, Any]) -> None:
    from snews_drill.cli.schema import ALIASES, tier_named
    from snews_drill.errors import SettingsError
    from snews_drill.wire import dialect_1_3

    if "tier" in content:
        try:
            tier_named(str(content["tier"]))
        except SettingsError:
            remedy = f"Use one of {', '.join(sorted(set(ALIASES.values())))}, or leave it out."
            raise _refused("tier", f"{content['tier']!r:.80} is no tier.", remedy) from None
    elif dialect_1_3.tier_of(content) is None:
        reason = f"{content['_id']!r:.80} names no tier."
        raise _refused("_id", reason, "Leave it out; it is made when the message is sent.")


def _refused(field: str, reason: str, remedy: str) -> InvalidMessage:
    return InvalidMessage([Problem("", field, reason, remedy)])
