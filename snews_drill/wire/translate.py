"""Saying in one dialect what an object of the other says.

What the other dialect has no place for is kept in meta, in one object named after the dialect it belongs to
("dialect_1.3", "dialect_3"), and put back by the way back. `docs/message_formats.md` lists it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from snews_drill.detectors import find_detector
from snews_drill.errors import InvalidMessage
from snews_drill.messages.tiers import DetectorMessage, Heartbeat, SigTier, Tier, TimeTier
from snews_drill.messages.times import iso_micro, iso_nano, parse_utc_ns
from snews_drill.wire import dialect_3
from snews_drill.wire.dialects import Dialect, get_dialect
from snews_drill.wire.series_3 import offsets_ns
from snews_drill.wire.write_1_3 import KEPT_3
from snews_drill.wire.write_3 import KEPT_1_3, TIER_WORDS


def translate(content: Mapping[str, Any], *, source: str, target: str) -> dict[str, Any]:
    """Return an object of one dialect as an object of the other.

    Parameters
    ----------
    content
        A message object of the source dialect.
    source, target
        "1.3" or "3". The same twice gives the canonical form of the object.

    Returns
    -------
    dict
        An object that passes the target's checks.

    Raises
    ------
    InvalidMessage
        If the object fails its own dialect's checks, or cannot be said in the other: a timing series that
        holds no times, probabilities outside 0 to 1, a retraction of no message, no time at all.
    SettingsError
        If there is no such dialect.
    """
    written, wanted = get_dialect(source), get_dialect(target)
    message = _checked(written, content)
    if written is not wanted:
        message = translate_message(message, target=target)
    made = wanted.to_object(message)
    _checked(wanted, made)
    return made


def _checked(dialect: Dialect, content: Mapping[str, Any]) -> DetectorMessage:
    message, problems = dialect.parse(content)
    if message is None:
        raise InvalidMessage(problems)
    return message


def translate_message(message: DetectorMessage, *, target: str) -> DetectorMessage:
    """Return a value that was read in one dialect with the identifiers and meta it has in the other.

    Parameters
    ----------
    message
        The value as read in the other dialect than `target`.
    target
        "1.3" or "3".
    """
    return _for_3(message) if get_dialect(target) is dialect_3 else _for_1_3(message)


def _taken(meta: dict[str, Any], key: str) -> dict[str, Any]:
    """Take what was kept for the way back out of meta."""
    if not isinstance(meta.get(key), dict):
        return {}
    return dict(meta.pop(key))


def _ns(value: Any) -> int | None:
    try:
        return parse_utc_ns(value) if isinstance(value, str) else None
    except ValueError:
        return None


# -- from 1.3 to 3


def _for_3(message: DetectorMessage) -> DetectorMessage:
    meta = dict(message.meta)
    kept = _taken(meta, KEPT_3)
    is_native = not isinstance(kept.get("id"), str)
    meta.pop("is_test", None)  # a field of its own in dialect 3
    if is_native:
        aside = {KEPT_1_3: meta.pop(KEPT_1_3)} if KEPT_1_3 in meta else {}
        meta[KEPT_1_3] = {"_id": message.id, **({"meta": aside} if aside else {})}
    elif isinstance(kept.get("meta"), dict):
        meta |= kept["meta"]
    update: dict[str, Any] = {"meta": meta, "is_firedrill": kept.get("is_firedrill", True) is True}
    if "machine_time_utc" in kept:
        update["machine_time_ns"] = _ns(kept["machine_time_utc"])
    machine_time_ns = update.get("machine_time_ns", message.machine_time_ns)
    update["id"] = _default_id_3(message, machine_time_ns) if is_native else kept["id"]
    # Translated twice, a message is still the same message: its uuid follows from what it says.
    update["uuid"] = kept.get("uuid") or str(
        uuid5(NAMESPACE_URL, f"snews:{message.id}:{message.sent_time_ns}")
    )
    return message.model_copy(update=update | _own_for_3(message, kept))


def _default_id_3(message: DetectorMessage, machine_time_ns: int | None) -> str:
    time = None if machine_time_ns is None else iso_nano(machine_time_ns)
    return f"{message.detector_name}_{TIER_WORDS[message.tier]}_{time}"


#: Attribute of a value <- key under which `write_1_3.to_object` kept it, per tier.
_LIFTED: dict[Tier, dict[str, str]] = {
    Tier.COINCIDENCE: {"p_val": "p_val"},
    Tier.SIGNIFICANCE: {"p_val": "p_val"},
    Tier.TIMING: {
        "p_val": "p_val",
        "time_bin_width_ns": "time_bin_width_ns",
        "background_rate_hz": "background_rate_Hz",
        "detection_channel": "detection_channel",
    },
    Tier.RETRACTION: {"retract_message_uuid": "retract_message_uuid"},
    Tier.HEARTBEAT: {},
}


def _own_for_3(message: DetectorMessage, kept: Mapping[str, Any]) -> dict[str, Any]:
    lifted = {name: kept[key] for name, key in _LIFTED[message.tier].items() if key in kept}
    if isinstance(message, SigTier) and "neutrino_time_utc" in kept:
        lifted["neutrino_time_ns"] = _ns(kept["neutrino_time_utc"])
    if isinstance(message, TimeTier) and "start_time_utc" in kept:
        lifted["start_time_ns"] = _ns(kept["start_time_utc"])
    return lifted


# -- from 3 to 1.3


def _for_1_3(message: DetectorMessage) -> DetectorMessage:
    meta = dict(message.meta)
    kept = _taken(meta, KEPT_1_3)
    is_native = not isinstance(kept.get("_id"), str)
    extras: dict[str, Any] = {}
    if is_native:
        extras["id"] = message.id
        aside = {key: meta.pop(key) for key in ("is_test", KEPT_3) if key in meta}
        if aside:
            extras["meta"] = aside
    elif isinstance(kept.get("meta"), dict):
        meta |= kept["meta"]
    if message.is_test or message.tier is not Tier.HEARTBEAT:
        meta["is_test"] = message.is_test
    # The uuid of a message that began in dialect 1.3 follows from what it says; it need not be kept.
    update: dict[str, Any] = {"uuid": message.uuid if is_native else None}
    update |= _required_times(message, kept, extras)
    update |= _own_for_1_3(message, kept)
    if extras:
        meta[KEPT_3] = extras
    update["meta"] = meta
    machine_time_ns = update.get("machine_time_ns", message.machine_time_ns)
    update["id"] = _id_1_3(message, kept.get("_id"), machine_time_ns)
    return message.model_copy(update=update)


def _id_1_3(message: DetectorMessage, kept: Any, machine_time_ns: int | None) -> str:
    pre_sn = "PRE-SN_" if message.is_pre_sn else ""
    words = f"{pre_sn}{message.tier.value}"
    if isinstance(kept, str) and kept.partition("_")[2].startswith(words):
        return kept
    time = None if machine_time_ns is None else iso_micro(machine_time_ns)
    return f"{find_detector(message.detector_name).number}_{words}_{time}"


def _required_times(
    message: DetectorMessage, kept: Mapping[str, Any], extras: dict[str, Any]
) -> dict[str, Any]:
    """Return the times that dialect 1.3 insists on and this message has not, and note that it has none."""
    found: dict[str, Any] = {}
    if message.machine_time_ns is None:
        extras["machine_time_utc"] = None
        neutrino_time_ns = getattr(message, "neutrino_time_ns", None)
        found["machine_time_ns"] = neutrino_time_ns if message.sent_time_ns is None else message.sent_time_ns
    if isinstance(message, SigTier) and message.neutrino_time_ns is None:
        time_ns = _ns(kept.get("neutrino_time"))
        if time_ns is None:
            extras["neutrino_time_utc"] = None
            time_ns = found.get("machine_time_ns", message.machine_time_ns)
        found["neutrino_time_ns"] = time_ns
    return found


def _own_for_1_3(message: DetectorMessage, kept: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(message, Heartbeat):
        status = kept.get("detector_status")
        is_same = isinstance(status, str) and status.upper() == message.detector_status
        return {"detector_status": status} if is_same else {}
    if isinstance(message, TimeTier):
        return _series_for_1_3(message, kept.get("timing_series"))
    return {}


def _series_for_1_3(message: TimeTier, kept: Any) -> dict[str, Any]:
    # As it was written, if that still means the same; the start is left out where it follows from the rest.
    series = kept if isinstance(kept, list) else list(message.timing_series)
    try:
        meant = offsets_ns(series, start_ns=None, fallback_ns=message.neutrino_time_ns)
    except (ValueError, OverflowError):
        return {}
    if meant != (message.start_time_ns, list(message.timing_series)):
        return {}
    return {"timing_series": tuple(series), "start_time_ns": None}
