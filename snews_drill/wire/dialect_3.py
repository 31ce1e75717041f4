"""Dialect 3: the format of today's clients and servers, `schema_version` "0.2".

Objects have an `id`, a random `uuid` and a `tier`; times are UTC with nanoseconds and a Z. Observations
travel as pickled models because the published server takes nothing else, everything else as a JSON text
inside a JSON string.

Source: snews-data-formats 1.1.1 (fields, order, rules), snews_cs 3.0.1 (encodings).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID, uuid4

from snews_drill.detectors import Detector
from snews_drill.errors import InvalidMessage, Problem
from snews_drill.messages.alert import Alert
from snews_drill.messages.choose import choose_tiers
from snews_drill.messages.tiers import OBSERVATION_TIERS, TIER_CLASSES, DetectorMessage, Tier
from snews_drill.messages.times import iso_micro, iso_nano, parse_utc_ns
from snews_drill.wire.commands_3 import command_from_object, command_to_object, encode_command, is_command
from snews_drill.wire.fields import FieldReader, is_truthy
from snews_drill.wire.json_text import dump_json
from snews_drill.wire.own_fields_3 import OWN_READERS
from snews_drill.wire.payload import Payload, sender_key
from snews_drill.wire.pickle_writer import write_model_pickle
from snews_drill.wire.series_3 import offsets_ns
from snews_drill.wire.write_3 import OWN_KEYS, SCHEMA_VERSION, TIER_WORDS, to_object

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

NAME = "3"
SENT_TIME_KEY = "sent_time_utc"

_COMMON_KEYS = (
    "id",
    "uuid",
    "tier",
    "sent_time_utc",
    "machine_time_utc",
    "is_pre_sn",
    "is_test",
    "is_firedrill",
    "meta",
    "schema_version",
    "detector_name",
)
#: A UUID as everybody writes it; `UUID`, which knows all the other ways, takes ten times as long.
_USUAL_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
_FLAGS = ("is_pre_sn", "is_test", "is_firedrill")
_KEYS: dict[Tier, tuple[str, ...]] = {tier: (*_COMMON_KEYS, *own) for tier, own in OWN_KEYS.items()}
_TIERS = {word: tier for tier, word in TIER_WORDS.items()}

#: Keywords that are fields of one tier only, as the publisher hands them over among the extras.
_EXTRA_FIELDS: dict[Tier, tuple[str, ...]] = {
    Tier.TIMING: ("start_time_utc", "time_bin_width_ns", "background_rate_Hz", "detection_channel"),
    Tier.RETRACTION: ("retract_message_uuid",),
}


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
        The publisher's harmonised arguments, with this dialect's own fields among the extras.
    meta
        What belongs to no argument of dialect 1.3; this dialect's own fields are taken out of it.
    detector
        Who sends.
    now_ns
        The time of creation, ns since 1970 (UTC).
    """
    tiers = choose_tiers(arguments)
    # An identifier names one message: with several tiers at once each gets its own.
    named = arguments if len(tiers) <= 1 else {}
    taken = {"is_test", "is_firedrill", *(("id", "uuid") if len(tiers) <= 1 else ())}
    taken.update(key for chosen in tiers for key in _EXTRA_FIELDS.get(chosen, ()))
    given_time = arguments.get("machine_time")
    machine_time = iso_nano(now_ns) if given_time is None else _utc(given_time)
    word = TIER_WORDS[tier]
    made: dict[str, Any] = {
        "id": named.get("id") or f"{detector.name}_{word}_{machine_time}",
        "uuid": _text_of(named.get("uuid")) or str(uuid4()),
        "tier": word,
        "sent_time_utc": iso_nano(now_ns),
        "machine_time_utc": machine_time,
    }
    made |= {flag: is_truthy(arguments.get(flag)) for flag in _FLAGS}
    made["meta"] = {key: value for key, value in meta.items() if key not in taken}
    made["schema_version"] = SCHEMA_VERSION
    made["detector_name"] = detector.name
    return made | _OWN_BUILDERS[tier](arguments)


def _utc(value: Any) -> Any:
    """Return a time in this dialect's form; what is no time stays as it is, for the checks to name."""
    try:
        return iso_nano(parse_utc_ns(value)) if isinstance(value, str) else value
    except ValueError:
        return value


def _ns(value: Any) -> int | None:
    try:
        return parse_utc_ns(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _text_of(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value


def _build_coincidence(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {"p_val": arguments.get("p_val"), "neutrino_time_utc": _utc(arguments.get("neutrino_time"))}


def _build_significance(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "p_val": arguments.get("p_val"),
        "p_values": arguments.get("p_values"),
        "t_bin_width_sec": arguments.get("t_bin_width"),
    }


def _build_timing(arguments: Mapping[str, Any]) -> dict[str, Any]:
    neutrino_time = arguments.get("neutrino_time")
    given_start = arguments.get("start_time_utc")
    start, series = (
        _utc(neutrino_time if given_start is None else given_start),
        arguments.get("timing_series"),
    )
    if given_start is None or _ns(given_start) is not None:
        try:
            start_ns, series = offsets_ns(
                arguments["timing_series"], start_ns=_ns(given_start), fallback_ns=_ns(neutrino_time)
            )
            start = iso_nano(start_ns)
        except (ValueError, OverflowError):
            pass  # left as given, for the checks to name
    return {
        "p_val": arguments.get("p_val"),
        "neutrino_time_utc": _utc(neutrino_time),
        "start_time_utc": start,
        "timing_series": series,
        "time_bin_width_ns": arguments.get("time_bin_width_ns"),
        "background_rate_Hz": arguments.get("background_rate_Hz"),
        "detection_channel": arguments.get("detection_channel"),
    }


def _build_retraction(arguments: Mapping[str, Any]) -> dict[str, Any]:
    count = arguments.get("retract_latest")
    return {
        "retract_message_uuid": _text_of(arguments.get("retract_message_uuid")),
        "retract_latest_n": 0 if count is None else count,
        "retraction_reason": arguments.get("retraction_reason"),
    }


def _build_heartbeat(arguments: Mapping[str, Any]) -> dict[str, Any]:
    status = arguments.get("detector_status")
    # The publisher takes "on" in dialect 1.3; here only capitals exist, and the meaning is the same.
    is_known = isinstance(status, str) and status.upper() in ("ON", "OFF")
    return {"detector_status": status.upper() if is_known else status}  # type: ignore[union-attr]  # is_known


_OWN_BUILDERS: dict[Tier, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    Tier.COINCIDENCE: _build_coincidence,
    Tier.SIGNIFICANCE: _build_significance,
    Tier.TIMING: _build_timing,
    Tier.RETRACTION: _build_retraction,
    Tier.HEARTBEAT: _build_heartbeat,
}


def tier_of(content: Mapping[str, Any]) -> Tier | None:
    """Return the tier that an object's `tier` names, or None."""
    word = content.get("tier")
    return _TIERS.get(word) if isinstance(word, str) else None


def parse(
    content: Mapping[str, Any], *, is_strict: bool = False
) -> tuple[DetectorMessage | None, list[Problem]]:
    """Return the value of an object, and everything that is wrong with it.

    Parameters
    ----------
    content
        The object.
    is_strict
        Also refuse keys that the tier does not have, flags that are no booleans and a `uuid` that is none:
        for what we send, not for what we receive.

    Returns
    -------
    message : DetectorMessage or None
        None if there is any problem.
    problems : list of Problem
        Which fields, why, and what would be right.
    """
    tier = tier_of(content)
    if tier is None:
        reason = f"{content.get('tier')!r:.80} is no tier."
        return None, [Problem("", "tier", reason, f"Use one of {', '.join(_TIERS)}.")]
    reader = FieldReader(content, tier.value)
    if is_strict:
        _check_strictly(content, tier, reader)
    detector_name = reader.detector_name()
    machine_time = content.get("machine_time_utc")
    common: dict[str, Any] = {
        "id": reader.text("id", is_required=False)
        or f"{detector_name}_{TIER_WORDS[tier]}_{machine_time!s:.80}",
        "uuid": reader.text("uuid", is_required=False) or None,
        "detector_name": detector_name,
        "machine_time_ns": reader.time_ns("machine_time_utc", is_required=False),
        "sent_time_ns": reader.time_ns("sent_time_utc", is_required=False),
        **{flag: is_truthy(content.get(flag)) for flag in _FLAGS},
        "meta": reader.mapping("meta"),
    }
    own = OWN_READERS[tier](reader)
    if reader.problems:
        return None, reader.problems
    return TIER_CLASSES[tier](**common, **own), []


def _check_strictly(content: Mapping[str, Any], tier: Tier, reader: FieldReader) -> None:
    keys = _KEYS[tier]
    for key in content:
        if key not in keys:
            reader.refuse(str(key)[:80], f"is no key of a {TIER_WORDS[tier]} message.", "Put it into meta.")
    for flag in _FLAGS:
        if content.get(flag) is not True and content.get(flag) is not False:
            reader.refuse(
                flag, f"{content.get(flag)!r:.60} is neither True nor False.", "Give True or False."
            )
    if not _is_uuid(content.get("uuid")):
        reader.refuse("uuid", f"{content.get('uuid')!r:.60} is no UUID.", "Use the text of uuid.uuid4().")


def _is_uuid(value: Any) -> bool:
    try:
        return bool(_USUAL_UUID(value) or UUID(value))
    except (ValueError, TypeError, AttributeError):
        return False


_TIMES = tuple((f"{name}_utc", f"{name}_ns") for name in ("machine_time", "neutrino_time", "start_time"))


def canonicalise(content: dict[str, Any], message: DetectorMessage) -> None:
    """Rewrite times and numbers of a valid object in canonical form."""
    values = vars(message)  # not every tier has all of these
    for key, name in _TIMES:
        time_ns = values.get(name)
        if key in content and time_ns is not None:
            content[key] = iso_nano(time_ns)
    for key in ("p_val", "p_values", "t_bin_width_sec", "background_rate_Hz"):
        # The published server refuses a p-value that is no float.
        value = values.get(key.lower())
        if key in content and value is not None:
            content[key] = list(value) if isinstance(value, tuple) else value


def restamp(content: dict[str, Any], now_ns: int) -> None:
    """Set the time of sending."""
    content["sent_time_utc"] = iso_nano(now_ns)


def encode_message(content: Mapping[str, Any]) -> Payload:
    """Return the bytes of a message object: a pickled model for an observation, else a JSON string.

    Raises
    ------
    InvalidMessage
        If it names no tier, or holds something that cannot be written.
    """
    tier = tier_of(content)
    try:
        if tier is None:
            raise ValueError(f"{content.get('tier')!r:.60} is no tier")  # noqa: TRY301 - one way out for all
        ordered = {key: content.get(key) for key in keys_of(tier)}
        key = sender_key(content)
        if tier in OBSERVATION_TIERS:
            return Payload(write_model_pickle(ordered), "blob", key)
        return Payload(dump_json(dump_json(ordered).decode("ascii")), key=key)
    except (TypeError, ValueError, RecursionError) as error:
        reason = f"holds something that cannot be written: {error}."
        remedy = "Use texts, finite numbers, lists and dicts only."
        raise InvalidMessage(
            [Problem(tier.value if tier else "", "meta" if tier else "tier", reason, remedy)]
        ) from error


def alert_to_object(alert: Alert) -> dict[str, Any]:
    """Return an alert's object with the keys of today's server, in order."""
    return {
        "id": alert.id,
        "alert_type": alert.alert_type,
        "server_tag": alert.server_tag,
        "False Alarm Prob": alert.false_alarm_probability,
        "detector_names": list(alert.detector_names),
        "sent_time": iso_micro(alert.sent_time_ns) if alert.sent_time_ns is not None else None,
        "p_values": list(alert.p_values),
        "neutrino_times": [iso_nano(time_ns) for time_ns in alert.neutrino_times_ns],
        "p_values average": alert.p_values_average,
        "sub list number": alert.sub_list_number,
    }
