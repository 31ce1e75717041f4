"""Writing a message value as an object of dialect 3, in the order of the published models' fields."""

from __future__ import annotations

from typing import Any

from snews_drill.messages.tiers import (
    CoincidenceTier,
    DetectorMessage,
    Heartbeat,
    Retraction,
    SigTier,
    Tier,
    TimeTier,
)
from snews_drill.messages.times import iso_nano
from snews_drill.wire.series_3 import offsets_ns

SCHEMA_VERSION = "0.2"

#: Under this key of meta stands what an object of dialect 1.3 said and dialect 3 has no field for.
KEPT_1_3 = "dialect_1.3"

#: Tier -> its word in dialect 3. Source: `snews.models.messages.Tier` of snews-data-formats 1.1.1.
TIER_WORDS: dict[Tier, str] = {
    Tier.COINCIDENCE: "CoincidenceTier",
    Tier.SIGNIFICANCE: "SignificanceTier",
    Tier.TIMING: "TimingTier",
    Tier.RETRACTION: "Retraction",
    Tier.HEARTBEAT: "Heartbeat",
}

#: Keys after the common ones, in order. Source: the models of snews-data-formats 1.1.1.
OWN_KEYS: dict[Tier, tuple[str, ...]] = {
    Tier.COINCIDENCE: ("p_val", "neutrino_time_utc"),
    Tier.SIGNIFICANCE: ("p_val", "p_values", "t_bin_width_sec"),
    Tier.TIMING: (
        "p_val",
        "neutrino_time_utc",
        "start_time_utc",
        "timing_series",
        "time_bin_width_ns",
        "background_rate_Hz",
        "detection_channel",
    ),
    Tier.RETRACTION: ("retract_message_uuid", "retract_latest_n", "retraction_reason"),
    Tier.HEARTBEAT: ("detector_status",),
}


def to_object(message: DetectorMessage) -> dict[str, Any]:
    """Return a value as an object of dialect 3.

    What the dialect has no field for (a SigTier's neutrino time, the series as it was written) goes to
    meta, under "dialect_1.3". Identifiers are written as they are; `translate` makes those of the other
    dialect.
    """
    own, kept = _own_fields(message)
    meta = dict(message.meta)
    if kept:
        already = meta.get(KEPT_1_3)
        meta[KEPT_1_3] = {**(already if isinstance(already, dict) else {}), **kept}
    return {
        "id": message.id,
        "uuid": message.uuid,
        "tier": TIER_WORDS[message.tier],
        "sent_time_utc": _time(message.sent_time_ns),
        "machine_time_utc": _time(message.machine_time_ns),
        "is_pre_sn": message.is_pre_sn,
        "is_test": message.is_test,
        "is_firedrill": message.is_firedrill,
        "meta": meta,
        "schema_version": SCHEMA_VERSION,
        "detector_name": message.detector_name,
        **own,
    }


def _time(time_ns: int | None) -> str | None:
    return None if time_ns is None else iso_nano(time_ns)


def _own_fields(message: DetectorMessage) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the tier's own fields, and what has no place among them."""
    match message:
        case CoincidenceTier():
            return {"p_val": message.p_val, "neutrino_time_utc": _time(message.neutrino_time_ns)}, {}
        case SigTier():
            own = {"p_val": message.p_val, "p_values": list(message.p_values)}
            kept = (
                {} if message.neutrino_time_ns is None else {"neutrino_time": _time(message.neutrino_time_ns)}
            )
            return {**own, "t_bin_width_sec": message.t_bin_width_sec}, kept
        case TimeTier():
            return _timing_fields(message)
        case Retraction():
            return {
                "retract_message_uuid": message.retract_message_uuid,
                "retract_latest_n": message.retract_latest,
                "retraction_reason": message.retraction_reason,
            }, {}
        case Heartbeat():
            status = message.detector_status.upper()
            kept = {} if status == message.detector_status else {"detector_status": message.detector_status}
            return {"detector_status": status}, kept
        case _:
            raise TypeError(f"{type(message).__name__} is no tier")


def _timing_fields(message: TimeTier) -> tuple[dict[str, Any], dict[str, Any]]:
    start_ns, series = message.start_time_ns, list(message.timing_series)
    kept: dict[str, Any] = {}
    try:
        start_ns, offsets = offsets_ns(series, start_ns=start_ns, fallback_ns=message.neutrino_time_ns)
        if any(type(a) is not type(b) for a, b in zip(series, offsets, strict=True)):
            kept["timing_series"] = series
        series = list(offsets)
    except (ValueError, OverflowError):
        pass  # written as it is; whoever reads it says what is wrong
    own = {
        "p_val": message.p_val,
        "neutrino_time_utc": _time(message.neutrino_time_ns),
        "start_time_utc": _time(start_ns),
        "timing_series": series,
        "time_bin_width_ns": message.time_bin_width_ns,
        "background_rate_Hz": message.background_rate_hz,
        "detection_channel": message.detection_channel,
    }
    return own, kept
