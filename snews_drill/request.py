"""A command on its way to the drill server, and the wait for its answer."""

from __future__ import annotations

import time

from snews_drill.connection import Connection
from snews_drill.errors import UnreadableRecord
from snews_drill.messages.commands import Command
from snews_drill.transport import Reader, Record, raise_undelivered
from snews_drill.waiting import waiting
from snews_drill.wire.dialects import decode_record


class Request:
    """A command on its way, with the reader that waits for its answer."""

    def __init__(self, request: Command, connection: Connection, *, firedrill_mode: bool) -> None:
        self._request = request
        self._connection = connection
        self._topics = connection.topics(firedrill_mode=firedrill_mode)

    def await_reply(self, patience: float) -> tuple[Command | None, float]:
        """Send, and return the answer (None if there was none) and the milliseconds it took."""
        deadline = time.monotonic() + patience
        # The reader is there before the request leaves, so the answer cannot be missed.
        reader = self._connection.open_reader([self._topics.connection], timeout=max(patience, 0.1))
        try:
            started = time.perf_counter()
            content = self._connection.dialect.command_to_object(self._request)
            payload = self._connection.dialect.encode_command(self._request)
            left = max(deadline - time.monotonic(), 0.1)
            raise_undelivered(
                self._connection.send(self._topics.observations, [payload], timeout=left), [content]
            )
            with waiting(f"the answer to {self._request.name.value}", patience):
                return self._await(reader, deadline), (time.perf_counter() - started) * 1e3
        finally:
            reader.close()

    def _await(self, reader: Reader, deadline: float) -> Command | None:
        while (left := deadline - time.monotonic()) > 0:
            for record in reader.read(timeout=min(left, 0.5)):
                reply = self._answer_in(record)
                if reply is not None:
                    return reply
        return None

    def _answer_in(self, record: Record) -> Command | None:
        try:
            value = decode_record(record.value, record.content_format).value
        except (UnreadableRecord, ValueError):
            return None  # somebody else's
        asked = self._request
        is_ours = (
            isinstance(value, Command)
            and value.name is asked.name
            and value.detector_name == asked.detector_name
            and value.request_id == asked.request_id
            and value.status != "sending"
            and (value.time == asked.time or bool(asked.request_id))
        )
        return value if is_ours and isinstance(value, Command) else None
