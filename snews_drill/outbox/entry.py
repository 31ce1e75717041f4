"""One message that waits in the outbox: its bytes, where they were meant to go, when and why they did not arrive."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import time
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from snews_drill.errors import DrillError, InvalidMessage, OutboxError, Problem
from snews_drill.messages.checks import check_sent_time, check_times
from snews_drill.messages.tiers import CoincidenceTier, DetectorMessage, Retraction
from snews_drill.rehearsal.processes import ProcessMark
from snews_drill.wire.dialects import decode_record, object_in
from snews_drill.wire.payload import Payload, sender_key

#: First word of an entry's file: what it is, and in which form.
_HEAD = b"snews_drill-outbox-1"

#: A sender that is still alive is believed for this long after its deadline, ns.
_MARGIN_NS = 5_000_000_000


class SenderMark(BaseModel):
    """The process that has a message on its way.

    Attributes
    ----------
    host : str
        The machine's name: a home folder may be shared by several.
    pid : int
        The process id.
    created : float
        When that process was created, seconds since 1970 (UTC).
    until_ns : int
        When its patience ends, ns since 1970 (UTC).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    host: str = Field(max_length=300)
    pid: int = Field(gt=0, lt=2**31)
    created: float = Field(gt=0, allow_inf_nan=False)
    until_ns: int = Field(gt=0)

    @classmethod
    def of_this_process(cls, *, until_ns: int) -> SenderMark:
        """Mark this process, which waits until `until_ns` (ns since 1970, UTC)."""
        pid = os.getpid()
        return cls(host=platform.node(), pid=pid, created=_created(pid), until_ns=until_ns)

    def is_at_work(self, now_ns: int) -> bool:
        """Tell whether that process may still get its acknowledgement at `now_ns` (ns since 1970, UTC)."""
        if now_ns > self.until_ns + _MARGIN_NS:
            return False
        return self.host != platform.node() or ProcessMark(self.pid, self.created).is_running(())


@functools.lru_cache(maxsize=2)
def _created(pid: int) -> float:
    return ProcessMark.of(pid).created


class OutboxEntry(BaseModel):
    """A message that no broker acknowledged.

    Attributes
    ----------
    id : str
        Sixteen hexadecimal digits; the same for the same message to the same place.
    profile, broker, topic, dialect : str
        Where it was meant to go, and in which form. It is never sent anywhere else.
    rehearsal_id : str
        The rehearsal that it was meant for; "" if it was none.
    is_live : bool
        Whether other people read what is written there.
    content : bytes
        The record, byte for byte as it was first sent.
    content_format : {"json", "blob"}
        What the record's `_format` header says.
    kept_ns, tried_ns : int
        When it was sent first, and last, ns since 1970 (UTC).
    attempts : int
        How often it was sent.
    failure : str
        Why the last attempt failed; "" while it is on its way, or if its sender ended before it knew.
    next_step : str
        What helps against that failure.
    sender : SenderMark or None
        Who has it on its way.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, ser_json_bytes="base64", val_json_bytes="base64"
    )

    id: str = Field(pattern=r"\A[0-9a-f]{16}\z")
    profile: str = Field(min_length=1, max_length=2000)
    broker: str = Field(min_length=1, max_length=500)
    topic: str = Field(pattern=r"\A[A-Za-z0-9._-]{1,249}\z")
    dialect: str = Field(pattern=r"\A(1\.3|3)\z")
    rehearsal_id: str = Field(default="", max_length=100)
    is_live: bool
    content: bytes = Field(min_length=1, repr=False)
    content_format: Literal["json", "blob"]
    kept_ns: int = Field(gt=0, lt=2**63)
    tried_ns: int = Field(gt=0, lt=2**63)
    attempts: int = Field(ge=1, lt=2**31)
    failure: str = Field(default="", max_length=20_000)
    next_step: str = Field(default="", max_length=20_000)
    sender: SenderMark | None = None

    @property
    def payload(self) -> Payload:
        """What travels: the very bytes of the first attempt, so that a receiver recognises a repetition."""
        return Payload(self.content, self.content_format, sender_key(self.fields))

    @functools.cached_property
    def message(self) -> DetectorMessage:
        """What the bytes say.

        Raises
        ------
        DrillError
            If they are no detector message.
        """
        value = decode_record(self.content, self.content_format).value
        if not isinstance(value, DetectorMessage):
            raise OutboxError(
                "It is no message of a detector.", next_step=f"snews-drill outbox drop {self.id}"
            )
        return value

    @property
    def detector_name(self) -> str:
        """Who says it."""
        return self.message.detector_name

    @property
    def tier(self) -> str:
        """The tier word."""
        return self.message.tier.value

    @property
    def message_id(self) -> str:
        """The identifier by which a receiver recognises it."""
        return self.message.uuid or self.message.id

    @property
    def fields(self) -> dict[str, Any]:
        """The message as plain data, as it would be sent."""
        return object_in(self.content)

    @property
    def url(self) -> str:
        """The topic's address, `kafka://host:port/topic`."""
        return f"kafka://{self.broker}/{self.topic}"

    @property
    def is_being_sent(self) -> bool:
        """Whether a program has it on its way at this moment."""
        return self.sender is not None and self.sender.is_at_work(time.time_ns())

    @property
    def reason(self) -> str:
        """Why it is here, as a sentence."""
        if self.is_being_sent:
            return "It is being sent at this moment."
        return self.failure or "The program that sent it ended before the broker answered."

    def problems(self, *, now_ns: int) -> list[Problem]:
        """Return what stands against sending it at `now_ns` (ns since 1970, UTC); empty if nothing does."""
        try:
            message = self.message
        except InvalidMessage as error:
            return list(error.problems)
        except DrillError as error:
            return [Problem("", "content", error.reason, error.next_step)]
        return check_times(message, now_ns=now_ns) + check_sent_time(message, now_ns=now_ns)

    @property
    def remark(self) -> str:
        """What the user should know before it is sent; "" if nothing."""
        message = self.message
        if isinstance(message, Retraction) and message.retract_message_uuid is None:
            count = message.retract_latest
            what = "the latest observation" if count == 1 else f"the latest {count} observations"
            return f"It takes back {what} of {message.detector_name} as of its arrival."
        return ""

    def after(self, earlier: OutboxEntry) -> OutboxEntry:
        """Return this attempt with the history of an earlier one for the same message."""
        return self.model_copy(
            update={
                "kept_ns": min(self.kept_ns, earlier.kept_ns),
                "attempts": self.attempts + earlier.attempts,
            }
        )

    def to_bytes(self) -> bytes:
        """Return the content of its file: one line with a checksum, then JSON."""
        body = self.model_dump_json().encode()
        return b"%s %s\n%s" % (_HEAD, hashlib.sha256(body).hexdigest().encode(), body)

    @classmethod
    def from_bytes(cls, raw: bytes) -> OutboxEntry:
        """Read the content of a file.

        Raises
        ------
        OutboxError
            If it is not, byte for byte, what was written, or its message means nothing.
        """
        head, _, body = raw.partition(b"\n")
        try:
            if head.split() != [_HEAD, hashlib.sha256(body).hexdigest().encode()]:
                raise OutboxError("The checksum does not fit.", next_step="Look at the file.")
            entry = cls.model_validate_json(body)
            if entry.id != identify(entry.rehearsal_id or entry.broker, entry.topic, entry.message):
                raise OutboxError("It bears another name.", next_step="Look at the file.")
        except (ValidationError, DrillError) as error:
            reason = (
                error.reason if isinstance(error, DrillError) else "Its fields are not what they should be."
            )
            raise OutboxError(
                f"An entry of the outbox is damaged: {reason[:300]}",
                next_step="Look at the file, or remove it; the other entries are not concerned.",
            ) from error
        return entry


def identify(place: str, topic: str, message: DetectorMessage) -> str:
    """Return the name of a message for one place.

    Parameters
    ----------
    place
        The rehearsal or the broker.
    topic
        Where it is written.
    message
        By tier, detector, uuid or id, whether it is a test, and an observation's neutrino time: messages that were
        given the same machine time share their id.
    """
    neutrino_time_ns = message.neutrino_time_ns if isinstance(message, CoincidenceTier) else None
    key = message.uuid or message.id
    said = repr(
        (place, topic, message.tier.value, message.detector_name, key, message.is_test, neutrino_time_ns)
    )
    return hashlib.sha256(said.encode("utf-8", "backslashreplace")).hexdigest()[:16]
