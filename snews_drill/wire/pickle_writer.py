"""Writing an observation as the pickled model that today's server insists on.

The formats package is not needed: the stream names its class and gives the state; whoever unpickles it there
gets the model that the published client would have sent. Only plain values are written, and the same object
always as the same bytes.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import Any

from snews_drill.wire.json_text import MAX_DEPTH
from snews_drill.wire.pickle_machine import DETECTION_CHANNELS, MODEL_TIERS

_CLASSES = {tier: name for name, tier in MODEL_TIERS.items()}


def write_model_pickle(content: Mapping[str, Any]) -> bytes:
    """Return the protocol-4 pickle of the message model with these fields.

    Parameters
    ----------
    content
        An object of dialect 3; its `tier` says which model, its keys are the model's fields in order.

    Returns
    -------
    bytes
        What `pickle.loads` turns into the model where snews-data-formats 1.1.1 is installed.

    Raises
    ------
    ValueError
        If there is no such tier or channel, or a number is not finite.
    TypeError
        If a value is no text, number, boolean, None, list, tuple or dict with texts as keys.
    """
    name = _CLASSES.get(content.get("tier"))  # type: ignore[arg-type]  # any stranger is a missing key
    if name is None:
        raise ValueError(f"{content.get('tier')!r:.60} is no tier of dialect 3")
    body = b"".join(
        (
            _global("snews.models.messages", name),
            b")\x81",  # no arguments; the object without calling its __init__
            b"}(",
            _text("__dict__"),
            _fields(content),
            _text("__pydantic_extra__"),
            b"N",
            _text("__pydantic_fields_set__"),
            b"\x8f(" + b"".join(_text(key) for key in content) + b"\x90",
            _text("__pydantic_private__"),
            b"N",
            b"ub.",  # set the items, give the state, end
        )
    )
    return b"\x80\x04" + b"\x95" + struct.pack("<Q", len(body)) + body


def _fields(content: Mapping[str, Any]) -> bytes:
    parts = []
    for key, value in content.items():
        parts.append(_text(key))
        if key == "tier":
            parts.append(_enum("snews.models.messages", "Tier", value))
        elif key == "detection_channel" and value is not None:
            if value not in DETECTION_CHANNELS:
                raise ValueError(f"{value!r:.60} is no detection channel")
            parts.append(_enum("snews.models.detectors", "DetectionChannel", value))
        else:
            parts.append(_value(value, 1))
    return b"}(" + b"".join(parts) + b"u"


def _global(module: str, name: str) -> bytes:
    return _text(module) + _text(name) + b"\x93"


def _enum(module: str, name: str, value: str) -> bytes:
    return _global(module, name) + _text(value) + b"\x85R"


def _text(text: str) -> bytes:
    if not isinstance(text, str):
        raise TypeError(f"{text!r:.60} is no text")
    raw = text.encode("utf-8", "replace")
    if len(raw) < 256:
        return b"\x8c" + struct.pack("<B", len(raw)) + raw
    return b"X" + struct.pack("<I", len(raw)) + raw


def _integer(value: int) -> bytes:
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    count = value.bit_length() // 8 + 1
    if count > 64:
        raise ValueError("an integer has more than 64 bytes")
    return b"\x8a" + struct.pack("<B", count) + value.to_bytes(count, "little", signed=True)


def _float(value: float) -> bytes:
    if not math.isfinite(value):
        raise ValueError(f"{value!r} is not a finite number")
    return b"G" + struct.pack(">d", value)


def _value(value: Any, depth: int) -> bytes:  # noqa: PLR0911 - one line per type
    if value is None:
        return b"N"
    if isinstance(value, bool):
        return b"\x88" if value else b"\x89"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, float):
        return _float(value)
    if depth >= MAX_DEPTH:
        raise ValueError(f"it is nested more than {MAX_DEPTH} deep")
    if isinstance(value, (list, tuple)):
        return b"](" + b"".join(_value(item, depth + 1) for item in value) + b"e"
    if isinstance(value, Mapping):
        items = (_text(key) + _value(item, depth + 1) for key, item in value.items())
        return b"}(" + b"".join(items) + b"u"
    raise TypeError(f"{value!r:.60} is of type {type(value).__name__}")
