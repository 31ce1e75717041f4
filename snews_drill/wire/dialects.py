"""The dialects by name, and reading whichever one a record is written in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from snews_drill.detectors import Detector
from snews_drill.errors import InvalidMessage, Problem, SettingsError, UnreadableRecord
from snews_drill.messages.alert import Alert
from snews_drill.messages.commands import Command
from snews_drill.messages.tiers import DetectorMessage, Tier
from snews_drill.wire import dialect_1_3
from snews_drill.wire.json_text import load_json
from snews_drill.wire.payload import Payload


class Dialect(Protocol):
    """What a dialect module offers; see `dialect_1_3` for the meaning of each function."""

    NAME: str
    SENT_TIME_KEY: str

    def keys_of(self, tier: Tier) -> tuple[str, ...]:
        """Return the keys of a tier's object, in order."""

    def build(
        self,
        tier: Tier,
        arguments: Mapping[str, Any],
        meta: Mapping[str, Any],
        *,
        detector: Detector,
        now_ns: int,
    ) -> dict[str, Any]:
        """Return the object that a publisher's arguments mean."""

    def tier_of(self, content: Mapping[str, Any]) -> Tier | None:
        """Return the tier of an object."""

    def parse(
        self, content: Mapping[str, Any], *, is_strict: bool = False
    ) -> tuple[DetectorMessage | None, list[Problem]]:
        """Return the value of an object and what is wrong with it."""

    def canonicalise(self, content: dict[str, Any], message: DetectorMessage) -> None:
        """Rewrite times in canonical form."""

    def restamp(self, content: dict[str, Any], now_ns: int) -> None:
        """Set the time of sending."""

    def encode_message(self, content: Mapping[str, Any]) -> Payload:
        """Return the bytes of a message object."""

    def command_to_object(self, command: Command) -> dict[str, Any]:
        """Return a command's object."""

    def encode_command(self, command: Command) -> Payload:
        """Return the bytes of a command."""

    def alert_to_object(self, alert: Alert) -> dict[str, Any]:
        """Return an alert's object."""


DIALECTS: dict[str, Dialect] = {"1.3": dialect_1_3}


def get_dialect(name: str) -> Dialect:
    """Return the dialect of that name.

    Raises
    ------
    SettingsError
        If there is none.
    """
    if name not in DIALECTS:
        raise SettingsError(
            f"There is no dialect {name!r:.40}.", next_step=f"Use one of {', '.join(repr(d) for d in DIALECTS)}."
        )
    return DIALECTS[name]


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a record says, and in which dialect.

    Attributes
    ----------
    dialect_name : str
        "1.3" or "3".
    value : DetectorMessage or Command
        What it says.
    """

    dialect_name: str
    value: DetectorMessage | Command


def decode_record(raw: bytes, content_format: str | None) -> Decoded:
    """Return what a record of the observation topic or the connection topic says, in whichever dialect.

    Parameters
    ----------
    raw
        The record's value.
    content_format
        Its `_format` header; None if it has none.

    Raises
    ------
    UnreadableRecord
        If it is in neither dialect.
    InvalidMessage
        If it is a detector message with wrong fields.
    """
    if content_format is not None and content_format.lower() not in ("json", "blob"):
        raise UnreadableRecord(f"Nobody here reads the format {content_format!r:.40}.", raw)
    content = load_json(raw)
    if not isinstance(content, dict):
        raise UnreadableRecord(f"A message is a JSON object, this is a {type(content).__name__}.", raw)
    if dialect_1_3.is_command(content):
        return Decoded(dialect_1_3.NAME, dialect_1_3.command_from_object(content, raw))
    if "_id" not in content:
        raise UnreadableRecord("A message needs an _id.", raw)
    message, problems = dialect_1_3.parse(content)
    if message is None:
        raise InvalidMessage(problems)
    return Decoded(dialect_1_3.NAME, message)
