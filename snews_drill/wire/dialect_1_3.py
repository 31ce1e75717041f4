"""Dialect 1.3: the format of the SNEWS publishing tools 1.3, `schema_version` "1.3.0".

Objects have an `_id`, times are naive UTC with microseconds, and the order of the keys is fixed because readers compare
texts. Everything travels as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from snews_drill.detectors import Detector
from snews_drill.errors import InvalidMessage, Problem, UnreadableRecord
from snews_drill.messages.alert import Alert
from snews_drill.messages.commands import NEEDS_RIGHTS, Command, CommandName
from snews_drill.messages.tiers import (
    OBSERVATION_TIERS,
    CoincidenceTier,
    DetectorMessage,
    Heartbeat,
    Retraction,
    SigTier,
    Tier,
    TimeTier,
)
from snews_drill.messages.times import iso_micro
from snews_drill.wire.fields import FieldReader, is_truthy
from snews_drill.wire.json_text import dump_json
from snews_drill.wire.payload import Payload, sender_key
from snews_drill.wire.write_1_3 import SCHEMA_VERSION, to_object

__all__ = [
    "NAME",
    "SCHEMA_VERSION",
    "SENT_TIME_KEY",
    "alert_to_object",
    "build",
    "canonicalise",
    "command_from_object",
    "command_to_object",
    "encode_command",
    "encode_message",
    "is_command",
    "keys_of",
    "parse",
    "restamp",
    "tier_of",
    "to_object",
]

NAME = "1.3"
SENT_TIME_KEY = "sent_time"

#: Keys between `machine_time` and `meta`, in order. Source: message schema of the publishing tools 1.3.2.
_OWN_KEYS: dict[Tier, tuple[str, ...]] = {
    Tier.COINCIDENCE: ("neutrino_time", "p_val"),
    Tier.SIGNIFICANCE: ("neutrino_time", "p_values", "t_bin_width"),
    Tier.TIMING: ("neutrino_time", "timing_series"),
    Tier.RETRACTION: ("retract_latest", "retraction_reason"),
    Tier.HEARTBEAT: ("detector_status",),
}

_KEYS: dict[Tier, tuple[str, ...]] = {
    tier: ("_id", "detector_name", "machine_time", *own, "meta", "schema_version", "sent_time")
    for tier, own in _OWN_KEYS.items()
}
_TIERS: dict[str, Tier] = {tier.value: tier for tier in Tier}


def keys_of(tier: Tier) -> tuple[str, ...]:
    """Return the keys of a tier's object, in order."""
    return _KEYS[tier]


def build(
    tier: Tier, arguments: Mapping[str, Any], meta: Mapping[str, Any], *, detector: Detector, now_ns: int
) -> dict[str, Any]:
    """Return the object that a publisher's arguments mean, whether it passes the checks or not.

    Parameters
    ----------
    tier
        Which message to make.
    arguments
        The publisher's harmonised arguments.
    meta
        What belongs to no tier.
    detector
        Who sends.
    now_ns
        The time of creation, ns since 1970 (UTC).
    """
    now = _stamp(now_ns)
    machine_time = arguments.get("machine_time")
    machine_time = now if machine_time is None else machine_time
    pre_sn = "PRE-SN_" if is_truthy(arguments.get("is_pre_sn")) else ""
    made: dict[str, Any] = {
        "_id": f"{detector.number}_{pre_sn}{tier.value}_{machine_time}",
        "detector_name": detector.name,
        "machine_time": machine_time,
    }
    for key in _OWN_KEYS[tier]:
        made[key] = arguments.get(key)
    made["meta"] = {} if tier is Tier.HEARTBEAT else dict(meta)
    made["schema_version"] = SCHEMA_VERSION
    made["sent_time"] = now
    return made


def tier_of(content: Mapping[str, Any]) -> Tier | None:
    """Return the tier that an object's `_id` names, or None."""
    parts = str(content.get("_id"))[:200].split("_", 3)
    word = parts[2] if len(parts) > 2 and parts[1] == "PRE-SN" else parts[1] if len(parts) > 1 else ""
    return _TIERS.get(word)


def parse(
    content: Mapping[str, Any], *, is_strict: bool = False
) -> tuple[DetectorMessage | None, list[Problem]]:
    """Return the value of an object, and everything that is wrong with it.

    Parameters
    ----------
    content
        The object.
    is_strict
        Also refuse keys that the tier does not have, and missing ones: for what we send, not for what we receive.

    Returns
    -------
    message : DetectorMessage or None
        None if there is any problem.
    problems : list of Problem
        Which fields, why, and what would be right.
    """
    tier = tier_of(content)
    if tier is None:
        problem = Problem(
            "",
            "_id",
            f"{content.get('_id')!r:.80} names no tier.",
            f"Use NUMBER_TIER_TIME with {', '.join(Tier)}.",
        )
        return None, [problem]
    reader = FieldReader(content, tier.value)
    if is_strict:
        _refuse_other_keys(reader, tier, content)
    meta = reader.mapping("meta")
    common: dict[str, Any] = {
        "id": reader.text("_id"),
        "detector_name": reader.detector_name(),
        "machine_time_ns": reader.time_ns("machine_time", is_required=True),
        "sent_time_ns": reader.time_ns("sent_time", is_required=False),
        "is_pre_sn": str(content.get("_id")).split("_", 2)[1] == "PRE-SN",
        "is_test": is_truthy(meta.get("is_test")),
        "meta": meta,
    }
    own = _OWN_READERS[tier](reader)
    if reader.problems:
        return None, reader.problems
    return _CLASSES[tier](**common, **own), []


def _refuse_other_keys(reader: FieldReader, tier: Tier, content: Mapping[str, Any]) -> None:
    keys = dict.fromkeys(_KEYS[tier])
    if content.keys() != keys.keys():
        for key in content:
            if key not in keys:
                reader.refuse(f"{key!s:.80}", f"is no key of a {tier.value} message.", "Put it into meta.")
        for key in keys:
            # A missing time of sending is set on sending; the readers below name the others that they need.
            if key not in content and key in ("meta", "schema_version", "p_val", "retraction_reason"):
                reader.refuse(
                    key, f"is missing in a {tier.value} message.", "Put it back; its value may be null."
                )
    if tier is Tier.RETRACTION and content.get("retract_latest") is None:
        reader.refuse(
            "retract_latest",
            "is missing; dialect 1.3 cannot name an observation.",
            "Give a number such as 1.",
        )


def _read_coincidence(reader: FieldReader) -> dict[str, Any]:
    return {
        "neutrino_time_ns": reader.time_ns("neutrino_time", is_required=True),
        "p_val": reader.open_probability("p_val"),
    }


def _read_significance(reader: FieldReader) -> dict[str, Any]:
    return {
        "neutrino_time_ns": reader.time_ns("neutrino_time", is_required=True),
        "p_values": reader.numbers("p_values"),
        "t_bin_width_sec": reader.number("t_bin_width", at_least=0.0, is_required=True),
    }


def _read_timing(reader: FieldReader) -> dict[str, Any]:
    return {
        "neutrino_time_ns": reader.time_ns("neutrino_time", is_required=True),
        "timing_series": reader.series("timing_series"),
    }


def _read_retraction(reader: FieldReader) -> dict[str, Any]:
    return {
        "retract_latest": reader.integer("retract_latest", at_least=0) or 0,
        "retraction_reason": reader.text("retraction_reason", is_required=False) or None,
    }


def _read_heartbeat(reader: FieldReader) -> dict[str, Any]:
    status = reader.text("detector_status")
    if status and status.upper() not in ("ON", "OFF"):
        reader.refuse("detector_status", f"{status!r:.60} is neither ON nor OFF.", "Give 'ON' or 'OFF'.")
    return {"detector_status": status}


_OWN_READERS = {
    Tier.COINCIDENCE: _read_coincidence,
    Tier.SIGNIFICANCE: _read_significance,
    Tier.TIMING: _read_timing,
    Tier.RETRACTION: _read_retraction,
    Tier.HEARTBEAT: _read_heartbeat,
}
_CLASSES: dict[Tier, type[DetectorMessage]] = {
    Tier.COINCIDENCE: CoincidenceTier,
    Tier.SIGNIFICANCE: SigTier,
    Tier.TIMING: TimeTier,
    Tier.RETRACTION: Retraction,
    Tier.HEARTBEAT: Heartbeat,
}


def canonicalise(content: dict[str, Any], message: DetectorMessage) -> None:
    """Rewrite the neutrino time of a valid object in canonical form."""
    if message.tier in OBSERVATION_TIERS:
        content["neutrino_time"] = iso_micro(message.neutrino_time_ns)  # type: ignore[attr-defined]


def restamp(content: dict[str, Any], now_ns: int) -> None:
    """Set the time of sending."""
    content["sent_time"] = _stamp(now_ns)


def _stamp(now_ns: int) -> str:
    # The clock gives more digits than this dialect has.
    return iso_micro(now_ns // 1000 * 1000)


def encode_message(content: Mapping[str, Any]) -> Payload:
    """Return the bytes of a message object.

    Raises
    ------
    InvalidMessage
        If meta holds something that JSON has no word for.
    """
    try:
        return Payload(dump_json(content), key=sender_key(content))
    except (TypeError, ValueError, RecursionError) as error:
        tier = tier_of(content)
        raise InvalidMessage(
            [
                Problem(
                    tier.value if tier else "",
                    "meta",
                    f"holds something that cannot be written as JSON: {error}.",
                    "Use texts, finite numbers, lists and dicts only.",
                )
            ]
        ) from error


#: What a command of ours carries in meta because dialect 1.3 has no key for it.
_IN_META = ("request_id", "proof", "reason", "text")
_ALL_IN_META = (*_IN_META, "time", "status")


def command_to_object(command: Command) -> dict[str, Any]:
    """Return a command's object. `pass` stays empty: a proof in meta stands for it."""
    meta = dict(command.meta)
    for key in _IN_META:
        if value := getattr(command, key):
            meta[key] = value
    made: dict[str, Any] = {"_id": f"0_{command.name.value}"}
    if command.name is CommandName.TEST_CONNECTION:
        made |= {"detector_name": command.detector_name, "time": command.time, "status": command.status}
    elif command.name is CommandName.GET_FEEDBACK:
        made |= {"email": command.email, "detector_name": command.detector_name}
    elif command.name in NEEDS_RIGHTS:
        made |= {"pass": "", "detector_name": command.detector_name}
    else:
        made["detector_name"] = command.detector_name
    if command.name is not CommandName.TEST_CONNECTION:
        if command.time:
            meta["time"] = command.time
        if command.status != "sending":
            meta["status"] = command.status
    made["meta"] = meta
    return made


def encode_command(command: Command) -> Payload:
    """Return the bytes of a command."""
    content = command_to_object(command)
    return Payload(dump_json(content), key=sender_key(content))


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
    name = CommandName(str(content["_id"]).removeprefix("0_"))
    is_test = name is CommandName.TEST_CONNECTION
    where = reader if is_test else inner
    command = Command(
        name=name,
        detector_name=reader.text("detector_name", is_required=False),
        time=where.text("time", is_required=False),
        status=where.text("status", is_required=False) or "sending",
        email=reader.text("email", is_required=False),
        text=inner.text("text", is_required=False),
        request_id=inner.text("request_id", is_required=False),
        proof=inner.text("proof", is_required=False),
        reason=inner.text("reason", is_required=False),
        meta={
            key: value for key, value in meta.items() if key not in (_IN_META if is_test else _ALL_IN_META)
        },
    )
    problems = reader.problems + inner.problems
    if problems:
        raise UnreadableRecord(f"A {name.value} command with a wrong field: {problems[0]}", raw)
    return command


def is_command(content: Mapping[str, Any]) -> bool:
    """Tell whether an object is a command."""
    identifier = content.get("_id")
    return isinstance(identifier, str) and identifier.removeprefix("0_") in _COMMAND_WORDS


_COMMAND_WORDS = frozenset(name.value for name in CommandName)


def alert_to_object(alert: Alert) -> dict[str, Any]:
    """Return an alert's object with the keys of the 1.3 era, in order."""
    return {
        "_id": alert.id,
        "alert_type": alert.alert_type,
        "server_tag": alert.server_tag,
        "False Alarm Prob": alert.false_alarm_probability,
        "detector_names": list(alert.detector_names),
        "sent_time": iso_micro(alert.sent_time_ns) if alert.sent_time_ns is not None else None,
        "p_values": list(alert.p_values),
        "neutrino_times": [iso_micro(time_ns) for time_ns in alert.neutrino_times_ns],
        "p_values average": alert.p_values_average,
        "sub list number": alert.sub_list_number,
    }
