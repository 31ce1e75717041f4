"""Reading the fields that each tier of dialect 3 has of its own.

Source of every rule: the models of snews-data-formats 1.1.1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from snews_drill.messages.tiers import Tier
from snews_drill.wire.fields import FieldReader
from snews_drill.wire.pickle_machine import DETECTION_CHANNELS


def _p_val(reader: FieldReader) -> float | None:
    value = reader.number("p_val", at_least=0.0)
    if value is not None and value > 1.0:
        reader.refuse("p_val", f"{value!r} is above 1.", "Give a number from 0 to 1, or None.")
    return value


def _read_coincidence(reader: FieldReader) -> dict[str, Any]:
    return {
        "p_val": _p_val(reader),
        "neutrino_time_ns": reader.time_ns("neutrino_time_utc", is_required=True),
    }


def _read_significance(reader: FieldReader) -> dict[str, Any]:
    p_values = reader.numbers("p_values")
    wrong = next((value for value in p_values if not 0.0 <= value <= 1.0), None)
    if wrong is not None:
        reader.refuse("p_values", f"holds {wrong!r}, which is no probability.", "Give numbers from 0 to 1.")
    return {
        "p_val": _p_val(reader),
        "p_values": p_values,
        "t_bin_width_sec": reader.number("t_bin_width_sec", at_least=0.0, is_required=True),
    }


def _read_timing(reader: FieldReader) -> dict[str, Any]:
    width_ns = reader.integer("time_bin_width_ns", at_least=1)
    channel = reader.text("detection_channel", is_required=False) or None
    if channel is not None and channel not in DETECTION_CHANNELS:
        remedy = f"Use one of {', '.join(DETECTION_CHANNELS)}, or None."
        reader.refuse("detection_channel", f"{channel!r:.60} is no detection channel.", remedy)
    return {
        "p_val": _p_val(reader),
        "neutrino_time_ns": reader.time_ns("neutrino_time_utc", is_required=True),
        "start_time_ns": reader.time_ns("start_time_utc", is_required=True),
        "timing_series": _series(reader),
        "time_bin_width_ns": width_ns,
        "background_rate_hz": reader.number("background_rate_Hz", at_least=0.0),
        "detection_channel": channel,
    }


def _series(reader: FieldReader) -> tuple[Any, ...]:
    before = len(reader.problems)
    values = reader.series("timing_series")
    if len(reader.problems) > before:
        return ()
    remedy = "Give whole nanoseconds after start_time_utc, or counts per bin of time_bin_width_ns."
    if not values:
        reader.refuse("timing_series", "is empty.", remedy)
    wrong = next((v for v in values if not isinstance(v, int) or not -(2**63) <= v < 2**63), None)
    if wrong is not None:
        reader.refuse("timing_series", f"holds {wrong!r:.60}, which is no whole number.", remedy)
    return values


def _read_retraction(reader: FieldReader) -> dict[str, Any]:
    before = len(reader.problems)
    uuid = reader.text("retract_message_uuid", is_required=False) or None
    count = reader.integer("retract_latest_n", at_least=0) or 0
    if len(reader.problems) == before and (uuid is None) == (count == 0):
        reason = "and retract_message_uuid are both given." if uuid else "is 0 and no message is named."
        remedy = "Give either retract_latest_n (1 or more) or retract_message_uuid."
        reader.refuse("retract_latest_n", reason, remedy)
    return {
        "retract_message_uuid": uuid,
        "retract_latest": count,
        "retraction_reason": reader.text("retraction_reason", is_required=False) or None,
    }


def _read_heartbeat(reader: FieldReader) -> dict[str, Any]:
    status = reader.text("detector_status")
    if status and status not in ("ON", "OFF"):
        reader.refuse("detector_status", f"{status!r:.60} is neither 'ON' nor 'OFF'.", "Give 'ON' or 'OFF'.")
    return {"detector_status": status}


#: Tier -> what takes the value's own attributes out of an object.
OWN_READERS: dict[Tier, Callable[[FieldReader], dict[str, Any]]] = {
    Tier.COINCIDENCE: _read_coincidence,
    Tier.SIGNIFICANCE: _read_significance,
    Tier.TIMING: _read_timing,
    Tier.RETRACTION: _read_retraction,
    Tier.HEARTBEAT: _read_heartbeat,
}
