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
from snews_drill.wire import dialect_1_3, dialect_3
from snews_drill.wire.json_text import load_json
from snews_drill.wire.payload import Payload
from snews_drill.wire.pickle_reader import is_pickle, read_model_pickle


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

    def to_object(self, message: DetectorMessage) -> dict[str, Any]:
        """Return the object that says what a value says."""

    def encode_message(self, content: Mapping[str, Any]) -> Payload:
        """Return the bytes of a message object."""

    def command_to_object(self, command: Command) -> dict[str, Any]:
        """Return a command's object."""

    def encode_command(self, command: Command) -> Payload:
        """Return the bytes of a command."""

    def is_command(self, content: Mapping[str, Any]) -> bool:
        """Tell whether an object is a command."""

    def command_from_object(self, content: Mapping[str, Any], raw: bytes) -> Command:
        """Return the command that an object means."""

    def alert_to_object(self, alert: Alert) -> dict[str, Any]:
        """Return an alert's object."""


DIALECTS: dict[str, Dialect] = {"1.3": dialect_1_3, "3": dialect_3}


def get_dialect(name: str) -> Dialect:
    """Return the dialect of that name.

    Raises
    ------
    SettingsError
        If there is none.
    """
    if name not in DIALECTS:
        raise SettingsError(
            f"There is no dialect {name!r:.40}.",
            next_step=f"Use one of {', '.join(repr(d) for d in DIALECTS)}.",
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

    A JSON object, a JSON string that holds the text of an object, and a pickled message model are read,
    whatever the header says: senders disagree about it.

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
    if is_pickle(raw):
        return Decoded(dialect_3.NAME, _message(dialect_3, read_model_pickle(raw).fields))
    content, is_text = _load_object(raw)
    dialect = _dialect_of(content, raw)
    if dialect.is_command(content):
        command = dialect.command_from_object(content, raw)
        if is_text:
            # Only requests travel as a string. The client 3.0.0 writes "received" into its own request.
            command = command.model_copy(update={"status": "sending"})
        return Decoded(dialect.NAME, command)
    return Decoded(dialect.NAME, _message(dialect, content))


def object_in(raw: bytes) -> dict[str, Any]:
    """Return the object in a record, key by key as its sender wrote it, in whichever dialect.

    Raises
    ------
    UnreadableRecord
        If it holds none.
    """
    return read_model_pickle(raw).fields if is_pickle(raw) else _load_object(raw)[0]


def _load_object(raw: bytes) -> tuple[dict[str, Any], bool]:
    """Return the object in a record, and whether it was a text inside a JSON string."""
    content = load_json(raw)
    is_text = isinstance(content, str)
    if is_text:
        try:
            content = load_json(content.encode("utf-8", "replace"))
        except UnreadableRecord as error:
            raise UnreadableRecord(f"The text inside: {error.reason}", raw) from error
    if not isinstance(content, dict):
        raise UnreadableRecord(f"A message is a JSON object, this is a {type(content).__name__}.", raw)
    return content, is_text


def _dialect_of(content: Mapping[str, Any], raw: bytes) -> Dialect:
    # `_id` exists in dialect 1.3 only, `id` and `tier` in dialect 3 only; two against one decide.
    if "_id" in content and not ("id" in content and "tier" in content):
        return dialect_1_3
    if "id" in content or "tier" in content:
        return dialect_3
    raise UnreadableRecord("A message needs an _id (dialect 1.3) or an id (dialect 3).", raw)


def _message(dialect: Dialect, content: Mapping[str, Any]) -> DetectorMessage:
    message, problems = dialect.parse(content)
    if message is None:
        raise InvalidMessage(problems)
    return message
