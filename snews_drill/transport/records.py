"""What the transport hands over: receipts for what was written, records of what was read."""

from __future__ import annotations

from dataclasses import dataclass

from snews_drill.html_views import receipts_html


@dataclass(frozen=True, slots=True)
class Receipt:
    """The broker's acknowledgement of one message.

    Attributes
    ----------
    topic, partition, offset
        Where the broker keeps it.
    milliseconds : float
        From handing it over to the acknowledgement.
    """

    topic: str
    partition: int
    offset: int
    milliseconds: float


class Receipts(list[Receipt]):
    """A list of receipts that a notebook shows as a table."""

    def _repr_html_(self) -> str:
        return receipts_html(self)


@dataclass(frozen=True, slots=True)
class Record:
    """One record as the broker carried it.

    Attributes
    ----------
    topic, partition, offset
        Where it stood.
    timestamp_ms : int
        When it was written, ms since 1970 (UTC), as its sender or the broker says.
    value : bytes
        Its content, empty if it has none.
    content_format : str or None
        hop's `_format` header.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    value: bytes
    content_format: str | None
