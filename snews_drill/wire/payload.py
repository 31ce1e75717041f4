"""What travels: bytes, the word that says how to read them, and whose they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

#: The `_format` header that hop-client writes: a JSON text, or bytes it does not look into.
ContentFormat = Literal["json", "blob"]


@dataclass(frozen=True, slots=True)
class Payload:
    """A record's value before it is sent.

    Attributes
    ----------
    content : bytes
        The value.
    content_format : {"json", "blob"}
        What the `_format` header will say.
    key : bytes or None
        Kafka's record key: records of one key lie in one partition of a topic, in the order they were written. None lets the
        client choose a partition.
    """

    content: bytes
    content_format: ContentFormat = "json"
    key: bytes | None = None


def sender_key(content: Mapping[str, Any]) -> bytes | None:
    """Return the record key of a detector's message or command: the detector's name, bounded; None without one."""
    name = content.get("detector_name")
    return name[:200].encode("utf-8", "replace") if isinstance(name, str) and name else None
