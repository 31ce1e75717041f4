"""A command on its way to the drill server, and the wait for its answer."""

from __future__ import annotations

import secrets
import time
from typing import Any

from snews_drill.connection import Connection, current_connection
from snews_drill.detectors import find_detector
from snews_drill.errors import NameNotSet, NoAnswer, NotAuthorised, UnreadableRecord
from snews_drill.messages.commands import NEEDS_RIGHTS, Command, CommandName
from snews_drill.messages.times import iso_micro
from snews_drill.messages.visible import visible
from snews_drill.names import get_name
from snews_drill.replies import CommandReply
from snews_drill.transport import Reader, Record, raise_undelivered
from snews_drill.waiting import waiting
from snews_drill.wire.dialects import decode_record

#: Seconds to wait for the drill server. Source: the publishing tools 1.3.2 wait 10 s.
PATIENCE_SECONDS = 10.0

#: Seconds that the broker is given at least, to open the reader and to take the request.
BROKER_SECONDS = 2.0

#: What only a detector asks for; anything else may come from an instructor, who need not be one.
_OF_DETECTORS = frozenset({CommandName.TEST_CONNECTION, CommandName.GET_FEEDBACK})

#: Who asks without being a detector.
INSTRUCTOR = "instructor"


class Request:
    """A command on its way, with the reader that waits for its answer."""

    def __init__(self, request: Command, connection: Connection, *, firedrill_mode: bool) -> None:
        self._request = request
        self._connection = connection
        self._topics = connection.topics(firedrill_mode=firedrill_mode)

    def await_reply(self, patience: float) -> tuple[Command | None, float]:
        """Send, and return the answer (None if there was none) and the milliseconds it took."""
        # Patience is for the drill server: a slow broker must not use it up before the request is there.
        limit = max(patience, BROKER_SECONDS)
        # The reader is there before the request leaves, so the answer cannot be missed.
        reader = self._connection.open_reader([self._topics.connection], timeout=limit)
        try:
            started = time.perf_counter()
            content = self._connection.dialect.command_to_object(self._request)
            payload = self._connection.dialect.encode_command(self._request)
            raise_undelivered(
                self._connection.send(self._topics.observations, [payload], timeout=limit), [content]
            )
            deadline = time.monotonic() + patience
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


def ask(
    command: CommandName,
    detector_name: str | None = None,
    connection: Connection | None = None,
    *,
    firedrill_mode: bool = True,
    patience: float = PATIENCE_SECONDS,
    token: str | None = None,
    **content: Any,
) -> CommandReply:
    """Have the drill server do something, and wait for its answer.

    Parameters
    ----------
    command
        What; with rights if it needs them and there are any.
    detector_name
        Who asks; the remembered name by default.
    connection
        Which connection; the current one by default.
    firedrill_mode
        True for the fire-drill topics, False for the test topics.
    patience
        Seconds to wait.
    token
        The admin token, where the connection has none.
    **content
        Further fields of `Command`.

    Raises
    ------
    NotAuthorised
        If the server refused.
    NoAnswer
        If no drill server answered.
    NameNotSet
        If nobody said which detector this is, and it is not the instructor's command.
    TransportError
        If the broker does not answer or refuses.
    """
    connection = connection or current_connection()
    request = Command(
        name=command,
        detector_name=who_asks(detector_name, connection, is_instructor=command not in _OF_DETECTORS),
        time=iso_micro(time.time_ns() // 1000 * 1000),
        request_id=secrets.token_hex(16),
        **content,
    )
    token = token or connection.admin_token
    if token and command in NEEDS_RIGHTS:
        topic = connection.topics(firedrill_mode=firedrill_mode).observations
        request = request.with_proof(token, topic)
    reply, milliseconds = Request(request, connection, firedrill_mode=firedrill_mode).await_reply(patience)
    if reply is None:
        raise no_answer(
            f"{connection.broker} took the request, but no drill server answered within {patience:g} s.",
            connection,
            next_step="Servers of the live system do not answer this command; others: check that one runs "
            "(`snews-drill serve`).",
        )
    # Whoever may write to the topic may answer: no character of it may steer the terminal.
    answer = visible(reply.reason, 1000)
    if reply.status != "done":
        raise NotAuthorised(
            f"The drill server refused {command.value}: {answer}",
            next_step=_after_refusal(command, connection),
        )
    return CommandReply(command.value, True, answer, milliseconds, reply.meta)


def who_asks(detector_name: str | None, connection: Connection, *, is_instructor: bool = False) -> str:
    """Return who asks: the detector that was named, the remembered one, or the instructor, who need not be any.

    Raises
    ------
    NameNotSet
        If nobody said which detector this is.
    UnknownDetector
        If the name is not on the roster.
    """
    if detector_name:
        return find_detector(detector_name).name
    try:
        return get_name(connection.settings)
    except NameNotSet:
        if is_instructor:
            return INSTRUCTOR
        raise


def no_answer(reason: str, connection: Connection, *, next_step: str) -> NoAnswer:
    """Return the error for a drill server that does not answer, with the rehearsal's own trouble if it has any."""
    problem = connection.server_problem
    return NoAnswer(f"{reason} {problem}".strip(), next_step=next_step)


def _after_refusal(command: CommandName, connection: Connection) -> str:
    if command is not CommandName.GET_FEEDBACK:
        return "Ask the instructor for the token and put it into SNEWS_DRILL_ADMIN_TOKEN."
    if connection.rehearsal is not None:
        return "Put the address into the file named above, and ask again."
    return "Ask whoever runs the drill server to register your address."
