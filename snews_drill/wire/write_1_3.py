"""Writing a message value as an object of dialect 1.3, in that dialect's order of keys."""

from __future__ import annotations

from typing import Any

from snews_drill.messages.tiers import (
    CoincidenceTier,
    DetectorMessage,
    Heartbeat,
    Retraction,
    SigTier,
    TimeTier,
)
from snews_drill.messages.times import iso_micro, iso_nano

SCHEMA_VERSION = "1.3.0"

#: Under this key of meta stands what an object of dialect 3 said and dialect 1.3 has no key for.
KEPT_3 = "dialect_3"


def to_object(message: DetectorMessage) -> dict[str, Any]:
    """Return a value as an object of dialect 1.3.

    What the dialect has no key for (uuid, start of a series, a p-value of exactly 0 or 1, …) goes to meta,
    under "dialect_3". Identifiers are written as they are; `translate` makes those of the other dialect.
    """
    own, kept = _own_fields(message)
    if message.uuid is not None:
        kept["uuid"] = message.uuid
    if not message.is_firedrill:
        kept["is_firedrill"] = False
    meta = dict(message.meta)
    if kept:
        already = meta.get(KEPT_3)
        meta[KEPT_3] = {**(already if isinstance(already, dict) else {}), **kept}
    return {
        "_id": message.id,
        "detector_name": message.detector_name,
        "machine_time": _time(message.machine_time_ns),
        **own,
        "meta": meta,
        "schema_version": SCHEMA_VERSION,
        "sent_time": _time(message.sent_time_ns),
    }


def _time(time_ns: int | None) -> str | None:
    return None if time_ns is None else iso_micro(time_ns)


def _own_fields(message: DetectorMessage) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the tier's own keys, and what has no place among them."""
    own: dict[str, Any]
    match message:
        case CoincidenceTier():
            # Dialect 1.3 takes probabilities strictly between 0 and 1.
            is_open = message.p_val is None or 0.0 < message.p_val < 1.0
            own = {
                "neutrino_time": _time(message.neutrino_time_ns),
                "p_val": message.p_val if is_open else None,
            }
            return own, {} if is_open else {"p_val": message.p_val}
        case SigTier():
            own = {"neutrino_time": _time(message.neutrino_time_ns), "p_values": list(message.p_values)}
            return {**own, "t_bin_width": message.t_bin_width_sec}, _present(p_val=message.p_val)
        case TimeTier():
            own = {
                "neutrino_time": _time(message.neutrino_time_ns),
                "timing_series": list(message.timing_series),
            }
            return own, _present(
                p_val=message.p_val,
                start_time_utc=None if message.start_time_ns is None else iso_nano(message.start_time_ns),
                time_bin_width_ns=message.time_bin_width_ns,
                background_rate_Hz=message.background_rate_hz,
                detection_channel=message.detection_channel,
            )
        case Retraction():
            own = {"retract_latest": message.retract_latest, "retraction_reason": message.retraction_reason}
            return own, _present(retract_message_uuid=message.retract_message_uuid)
        case Heartbeat():
            return {"detector_status": message.detector_status}, {}
        case _:
            raise TypeError(f"{type(message).__name__} is no tier")


def _present(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}
