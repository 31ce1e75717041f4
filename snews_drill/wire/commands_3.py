"""Remote commands in dialect 3: a message object whose `id` names the command.

Source: snews_pt 3.0.0 (the connection test), snews_cs 3.0.1 (what it looks for in the other commands).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from snews_drill.errors import UnreadableRecord
from snews_drill.messages.commands import NEEDS_RIGHTS, Command, CommandName
from snews_drill.wire.fields import FieldReader
from snews_drill.wire.json_text import dump_json
from snews_drill.wire.payload import Payload, sender_key

_WORDS = frozenset(name.value for name in CommandName)

#: What a command's object has besides, with the published client's values. Others are carried in
#: `Command.meta` under this key, because that client compares every field of the echo with what it sent.
CARRIED = "message_fields"
_OWN_IN_META = frozenset({"status", "proof", "reason", "text", CARRIED})
_CARRIED_DEFAULTS: dict[str, Any] = {
    "tier": "Heartbeat",
    "machine_time_utc": None,
    "is_pre_sn": False,
    "is_test": False,
    "is_firedrill": False,
    "schema_version": "0.2",
}


def is_command(content: Mapping[str, Any]) -> bool:
    """Tell whether an object is a command."""
    identifier = content.get("id")
    return isinstance(identifier, str) and identifier.removeprefix("0_") in _WORDS


def command_to_object(command: Command) -> dict[str, Any]:
    """Return a command's object.

    `uuid` is the request id and `sent_time_utc` the time as it stands: both are part of the proof. `pass`
    stays empty.
    """
    meta = dict(command.meta)
    carried = meta.pop(CARRIED, None)
    fields = {**_CARRIED_DEFAULTS, **(carried if isinstance(carried, dict) else {})}
    meta["status"] = command.status
    if command.proof:
        meta["proof"] = command.proof
    if command.reason:
        meta["reason"] = command.reason
    if command.text:
        meta["text"] = command.text
    made: dict[str, Any] = {
        "id": f"0_{command.name.value}",
        "uuid": command.request_id or None,
        "tier": fields["tier"],
        "sent_time_utc": command.time or None,
        "machine_time_utc": fields["machine_time_utc"],
        "is_pre_sn": fields["is_pre_sn"],
        "is_test": fields["is_test"],
        "is_firedrill": fields["is_firedrill"],
        "meta": meta,
        "schema_version": fields["schema_version"],
        "detector_name": command.detector_name,
    }
    if command.name is CommandName.GET_FEEDBACK:
        made["email"] = command.email
    elif command.name in NEEDS_RIGHTS:
        made["pass"] = ""
    return made


def encode_command(command: Command) -> Payload:
    """Return the bytes of a command: a request as a JSON string, a reply as a JSON object.

    The published server reads strings and drops objects; the published client compares the reply with an
    object.
    """
    content = command_to_object(command)
    text = dump_json(content)
    written = dump_json(text.decode("ascii")) if command.status == "sending" else text
    return Payload(written, key=sender_key(content))


def command_from_object(content: Mapping[str, Any], raw: bytes) -> Command:
    """Return the command that an object means; a password in it is never kept.

    Raises
    ------
    UnreadableRecord
        If a field is not what it should be.
    """
    reader = FieldReader(content, "")
    meta = reader.mapping("meta")
    inner = FieldReader(meta, "")
    name = CommandName(str(content["id"]).removeprefix("0_"))
    command = Command(
        name=name,
        detector_name=reader.text("detector_name", is_required=False),
        time=reader.text("sent_time_utc", is_required=False),
        status=inner.text("status", is_required=False) or "sending",
        email=reader.text("email", is_required=False),
        text=inner.text("text", is_required=False),
        request_id=reader.text("uuid", is_required=False),
        proof=inner.text("proof", is_required=False),
        reason=inner.text("reason", is_required=False),
        meta={key: value for key, value in meta.items() if key not in _OWN_IN_META}
        | _carried(content, reader),
    )
    problems = reader.problems + inner.problems
    if problems:
        raise UnreadableRecord(f"A {name.value} command with a wrong field: {problems[0]}", raw)
    return command


def _carried(content: Mapping[str, Any], reader: FieldReader) -> dict[str, Any]:
    found = {}
    for key, default in _CARRIED_DEFAULTS.items():
        value = content.get(key, default)
        if isinstance(value, str):
            value = reader.text(key)
        elif value is not None and not isinstance(value, bool):
            reader.refuse(key, f"{value!r:.60} is neither a text nor True, False or null.", "Leave it out.")
        if value != default:
            found[key] = value
    return {CARRIED: found} if found else {}
