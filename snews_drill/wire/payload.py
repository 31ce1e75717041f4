"""What travels: bytes and the word that says how to read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
    """

    content: bytes
    content_format: ContentFormat = "json"
