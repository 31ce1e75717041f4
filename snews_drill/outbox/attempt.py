"""What a publisher does around sending: keep first, let go on acknowledgement.

The files are written before the messages leave, so that a program that is killed in the middle leaves them behind;
that needs no waiting for the disk, for the system keeps what a killed program wrote. Only what stays is waited for.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from snews_drill.connection import Connection
from snews_drill.errors import DrillError, MessageTooLarge, TransportError
from snews_drill.messages.tiers import Tier
from snews_drill.outbox.entry import OutboxEntry, SenderMark, identify
from snews_drill.outbox.folder import OutboxFolder
from snews_drill.transport import Receipt
from snews_drill.wire.payload import Payload

_LOG = logging.getLogger("snews_drill")


class Attempt:
    """Messages on their way, kept until the broker has them. An outbox that cannot be written stops nobody.

    Parameters
    ----------
    connection
        Where they go.
    topic
        The observation topic.
    contents
        The messages as plain data in the connection's dialect, checked.
    payloads
        The same as bytes.
    timeout
        How long the sender will wait, s.

    Attributes
    ----------
    kept : tuple of str
        The entries that stay, once it is known what became of them.
    trouble : DrillError or None
        Why something could not be kept.
    """

    def __init__(
        self,
        connection: Connection,
        topic: str,
        contents: Sequence[Mapping[str, Any]],
        payloads: Sequence[Payload],
        *,
        timeout: float,
    ) -> None:
        self.kept: tuple[str, ...] = ()
        self.trouble: DrillError | None = None
        self._is_concluded = False
        self._folder = OutboxFolder(connection.settings.state_dir)
        now_ns = time.time_ns()
        until_ns = now_ns + round(max(timeout, 0.0) * 1e9) if timeout < 1e9 else 2**62
        self._entries = [
            _entry(connection, topic, content, payload, now_ns, until_ns)
            for content, payload in zip(contents, payloads, strict=True)
        ]
        self._paths: list[Path | None] = [None] * len(self._entries)

    def __enter__(self) -> Attempt:
        for number, entry in enumerate(self._entries):
            if entry is None:
                continue
            try:
                self._paths[number] = self._folder.write(entry, is_durable=False)
            except DrillError as error:
                self._note(error)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._is_concluded:
            reason = TransportError(
                error.reason if isinstance(error, DrillError) else "Sending was interrupted.",
                next_step=error.next_step if isinstance(error, DrillError) else "Send it again.",
            )
            self.conclude([reason] * len(self._entries))

    def conclude(self, outcomes: Sequence[Receipt | TransportError]) -> None:
        """Let go of what was acknowledged; keep the rest for good, with the reason."""
        self._is_concluded = True
        kept = []
        for entry, path, outcome in zip(self._entries, self._paths, outcomes, strict=True):
            if entry is None:
                continue
            # What no broker takes would never leave the outbox; the sender is told, and has it still.
            if isinstance(outcome, Receipt | MessageTooLarge):
                if path is not None:
                    self._folder.remove_up_to(path)
            elif self._keep(entry, path, outcome):
                kept.append(entry.id)
        self.kept = tuple(kept)

    @property
    def sentence(self) -> str:
        """Where the messages are now, for the reader of an error; "" if none of them is kept."""
        where = "Kept in the outbox, send from there with: snews-drill outbox send" if self.kept else ""
        if self.trouble is None:
            return where
        trouble = f"Not safely kept in the outbox: {self.trouble.reason} {self.trouble.next_step}"
        return f"{trouble} {where}".rstrip()

    def _keep(self, entry: OutboxEntry, path: Path | None, error: TransportError) -> bool:
        final = entry.model_copy(
            update={
                "failure": error.reason[:20_000],
                "next_step": error.next_step[:20_000],
                "sender": None,
            }
        )
        try:
            if path is None:
                self._folder.write(final, is_durable=True)
            else:
                self._folder.settle(path, final)
        except DrillError as trouble:
            self._note(trouble)
            return path is not None  # what was written before sending is there still
        return True

    def _note(self, error: DrillError) -> None:
        if self.trouble is None:
            _LOG.warning("%s", error)
        self.trouble = error


def _entry(
    connection: Connection,
    topic: str,
    content: Mapping[str, Any],
    payload: Payload,
    now_ns: int,
    until_ns: int,
) -> OutboxEntry | None:
    message, _ = connection.dialect.parse(content)
    if message is None or message.tier is Tier.HEARTBEAT:
        return None
    rehearsal_id = connection.rehearsal.rehearsal_id if connection.rehearsal is not None else ""
    return OutboxEntry(
        id=identify(rehearsal_id or connection.broker, topic, message),
        profile=connection.profile.name,
        broker=connection.broker,
        topic=topic,
        dialect=connection.dialect.NAME,
        rehearsal_id=rehearsal_id,
        is_live=connection.profile.is_live,
        content=payload.content,
        content_format=payload.content_format,
        kept_ns=now_ns,
        tried_ns=now_ns,
        attempts=1,
        sender=SenderMark.of_this_process(until_ns=until_ns),
    )
