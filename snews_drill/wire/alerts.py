"""Alerts of both eras: `_id` (1.3) and `id` (3), otherwise the same keys."""

from __future__ import annotations

import contextlib
from typing import Any

from snews_drill.errors import UnreadableRecord
from snews_drill.messages.alert import Alert
from snews_drill.messages.times import parse_utc_ns
from snews_drill.wire.fields import MAX_TEXT
from snews_drill.wire.json_text import load_json

#: An alert names each detector once; no roster comes near this.
MAX_DETECTORS = 20_000


def decode_alert(raw: bytes) -> Alert:
    """Return the alert in a record.

    Raises
    ------
    UnreadableRecord
        If it is no JSON object, has no id, no type or no list of detectors, or its lists do not fit together.
    """
    content = load_json(raw)
    if not isinstance(content, dict):
        raise UnreadableRecord(f"An alert is a JSON object, this is a {type(content).__name__}.", raw)
    identifier = content.get("_id", content.get("id"))
    names = _texts(content.get("detector_names"))
    if not isinstance(identifier, str) or not 0 < len(identifier) <= MAX_TEXT:
        raise UnreadableRecord("An alert needs a text as _id or id.", raw)
    if not isinstance(content.get("alert_type"), str):
        raise UnreadableRecord("An alert needs a text as alert_type.", raw)
    if names is None:
        raise UnreadableRecord("An alert needs a list of texts as detector_names.", raw)
    return Alert(
        id=identifier,
        alert_type=content["alert_type"][:MAX_TEXT],
        server_tag=_text(content.get("server_tag")),
        false_alarm_probability=_text(content.get("False Alarm Prob")),
        detector_names=names,
        sent_time_ns=_time_or_none(content.get("sent_time")),
        p_values=_p_values(content.get("p_values"), len(names), raw),
        neutrino_times_ns=_times(content.get("neutrino_times"), len(names), raw),
        p_values_average=_number_or_none(content.get("p_values average")),
        sub_list_number=_integer_or_none(content.get("sub list number")),
        content=content,
    )


def _texts(value: Any) -> tuple[str, ...] | None:
    if not isinstance(value, list) or len(value) > MAX_DETECTORS:
        return None
    return tuple(value) if all(isinstance(item, str) and len(item) <= MAX_TEXT for item in value) else None


def _text(value: Any) -> str:
    return str(value)[:MAX_TEXT] if isinstance(value, (str, int, float)) else ""


def _number_or_none(value: Any) -> float | None:
    with contextlib.suppress(OverflowError):
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
    return None


def _integer_or_none(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 else None


def _time_or_none(value: Any) -> int | None:
    with contextlib.suppress(ValueError):
        if isinstance(value, str):
            return parse_utc_ns(value)
    return None


def _p_values(value: Any, count: int, raw: bytes) -> tuple[float | None, ...]:
    if value is None:
        return (None,) * count
    if not isinstance(value, list) or len(value) != count:
        raise UnreadableRecord("p_values must be a list with one entry per detector.", raw)
    return tuple(_number_or_none(item) for item in value)


def _times(value: Any, count: int, raw: bytes) -> tuple[int, ...]:
    if not isinstance(value, list) or len(value) != count:
        raise UnreadableRecord("neutrino_times must be a list with one entry per detector.", raw)
    times = [_time_or_none(item) for item in value]
    if any(time is None for time in times):
        raise UnreadableRecord("neutrino_times holds something that is no time.", raw)
    return tuple(time for time in times if time is not None)
