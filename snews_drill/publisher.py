"""SNEWSTiersPublisher: from a detector's arguments to messages on the topic."""

from __future__ import annotations

import json
import os
import select
import stat
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snews_drill.connection import Connection, current_connection, current_dialect
from snews_drill.detectors import find_detector
from snews_drill.errors import InvalidMessage, Problem, UnreadableFile
from snews_drill.html_views import publisher_html
from snews_drill.message_text import sending_text
from snews_drill.messages.checks import check_times
from snews_drill.messages.choose import TIER_ARGUMENTS, choose_tiers, harmonised, set_aside
from snews_drill.names import get_name
from snews_drill.outbox import Attempt
from snews_drill.transport import Receipt, Receipts, raise_undelivered
from snews_drill.wire.dialects import Dialect
from snews_drill.wire.fields import is_truthy

#: A value this large is left out of meta. Source: meta handling of the SNEWS publishing tools 1.3.2 (`sys.getsizeof`).
MAX_META_VALUE_BYTES = 2048

#: Types whose every value JSON has a word for.
_ALWAYS_JSON = frozenset({str, int, bool, type(None)})

_MAX_FILE_BYTES = 1 << 20

#: How long a pipe may be silent, s.
_PIPE_SECONDS = 10.0


class SNEWSTiersPublisher:
    """Builds the messages that the arguments mean, checks them, and sends them.

    Which tiers arise: a `neutrino_time` makes a CoincidenceTier, `p_values` with `t_bin_width` a SigTier,
    `timing_series` a TimeTier, `retract_latest` a Retraction, `detector_status` a Heartbeat; several at once are fine.

    Parameters
    ----------
    env_file
        Accepted for the sake of older notebooks; settings come from `connect` and the user's configuration.
    detector_name
        A registered name or spelling; "TEST" means the remembered one (`set_name`).
    machine_time
        When the detector made it, ISO text, UTC; now by default.
    neutrino_time
        Time of the first neutrino, ISO text, UTC.
    p_val
        Probability that background alone would look like this, a float strictly between 0 and 1.
    p_values
        One probability per bin.
    t_bin_width
        Width of a bin in seconds.
    timing_series
        Times of single neutrinos, ISO texts.
    retract_latest
        How many of your latest observations to take back.
    retraction_reason
        Why.
    detector_status
        "ON" or "OFF".
    is_pre_sn
        Whether this is a pre-supernova signal.
    firedrill_mode
        True for the fire-drill topics, False for the test topics.
    is_test
        Whether this is a test: times are then not compared with the clock.
    connection
        Where to send; the current connection by default.
    verbose
        Whether to print which messages were made.
    **meta
        Anything else; it travels in `meta`. Dialect 3's spellings (`neutrino_time_utc`, …) are understood.

    Attributes
    ----------
    messages : list of dict
        What will be sent, exactly; may be inspected and changed.
    invalid_messages : list of dict
        What failed its checks.
    problems : list of Problem
        Why, field by field; and which arguments were set aside.
    tiernames : list of str
        The tiers that the arguments mean.
    message_data : dict
        The arguments as they were given.

    Raises
    ------
    UnknownDetector
        If the name is not on the roster.
    NameNotSet
        If no name was given and none is remembered.

    Examples
    --------
    >>> msg = SNEWSTiersPublisher(detector_name="XENONnT", detector_status="ON")
    Message Generated for Heartbeat
    >>> msg.messages[0]["detector_status"]
    'ON'
    """

    def __init__(  # noqa: PLR0913 - the signature of the SNEWS publishing tools
        self,
        /,  # a file of arguments may hold a key "self"
        env_file: str | None = None,
        detector_name: str = "TEST",
        machine_time: str | None = None,
        neutrino_time: str | None = None,
        p_val: float | None = None,
        p_values: list[float] | None = None,
        t_bin_width: float | None = None,
        timing_series: list[Any] | None = None,
        retract_latest: int | None = None,
        retraction_reason: str | None = None,
        detector_status: str | None = None,
        is_pre_sn: bool = False,  # noqa: FBT001, FBT002
        firedrill_mode: bool = True,  # noqa: FBT001, FBT002
        is_test: bool = False,  # noqa: FBT001, FBT002
        *,
        connection: Connection | None = None,
        verbose: bool = True,
        **meta: Any,
    ) -> None:
        self.env_file = env_file
        self.firedrill_mode = is_truthy(firedrill_mode)
        self._connection = connection
        self.message_data: dict[str, Any] = {
            "detector_name": _remembered_name(connection) if detector_name == "TEST" else detector_name,
            "machine_time": machine_time,
            "neutrino_time": neutrino_time,
            "p_val": p_val,
            "p_values": p_values,
            "t_bin_width": t_bin_width,
            "timing_series": timing_series,
            "retract_latest": retract_latest,
            "retraction_reason": retraction_reason,
            "detector_status": detector_status,
            "is_pre_sn": is_pre_sn,
            "is_test": is_test,
            **meta,
        }
        self.meta = meta
        self.messages: list[dict[str, Any]] = []
        self.invalid_messages: list[dict[str, Any]] = []
        self.problems: list[Problem] = []
        self._build(time.time_ns())
        if not verbose:
            return
        told = [f"Message Generated for {tier}" for tier in self.tiernames]
        print("\n".join(told or ["No valid message is created! Check your input and try again!"]))

    @property
    def dialect(self) -> Dialect:
        """The dialect of the connection; before there is one, that of the rehearsal."""
        return self._connection.dialect if self._connection is not None else current_dialect()

    def _build(self, now_ns: int) -> None:
        arguments = harmonised(self.message_data)
        detector = find_detector(arguments["detector_name"])
        dialect = self.dialect
        self._dialect_name = dialect.NAME
        tiers = choose_tiers(arguments)
        self.tiernames = [tier.value for tier in tiers]
        self.problems += set_aside(arguments, {key for tier in tiers for key in dialect.keys_of(tier)})
        meta = self._collect_meta(arguments)
        is_meta_plain = all(type(value) in _ALWAYS_JSON for value in meta.values())
        arguments["is_firedrill"] = self.firedrill_mode
        for tier in tiers:
            content = dialect.build(tier, arguments, meta, detector=detector, now_ns=now_ns)
            found = _problems_of(content, dialect, now_ns)
            if not found and not is_meta_plain:
                found = _problems_of_writing(content, dialect)
            self.problems += found
            (self.invalid_messages if found else self.messages).append(content)

    def _collect_meta(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        meta = {}
        for key, value in arguments.items():
            if key in TIER_ARGUMENTS or key in ("detector_name", "is_pre_sn"):
                continue
            if sys.getsizeof(value) >= MAX_META_VALUE_BYTES:
                self.problems.append(
                    Problem(
                        "",
                        key,
                        f"takes {sys.getsizeof(value):,} bytes in memory and was left out of meta.",
                        f"Keep each extra value below {MAX_META_VALUE_BYTES:,} bytes.",
                        is_fatal=False,
                    )
                )
            else:
                meta[key] = value
        return meta

    @classmethod
    def from_json(
        cls, jsonfile: str | Path, env_file: str | None = None, **overrides: Any
    ) -> SNEWSTiersPublisher:
        """Build from a JSON file that holds the arguments as one object.

        Parameters
        ----------
        jsonfile
            The file.
        env_file
            Accepted for the sake of older notebooks.
        **overrides
            Arguments that replace or complete those of the file.

        Raises
        ------
        UnreadableFile
            If it is missing, not JSON, or holds something else than an object of arguments.
        """
        content = read_json_object(Path(jsonfile))
        if "connection" in content:
            raise UnreadableFile(
                f"{jsonfile} holds a connection, which is no text.",
                next_step="Take it out of the file, and choose where to send with connect().",
            )
        return cls(**{**content, **overrides, "env_file": env_file})

    def send_to_snews(
        self,
        auth: bool | None = None,  # noqa: ARG002, FBT001 - older notebooks pass it; profiles know about credentials
        verbose: bool = True,  # noqa: FBT001, FBT002
        timeout: float = 10.0,
    ) -> list[Receipt]:
        """Check the messages again, stamp the time of sending, send them, and wait for every acknowledgement.

        Parameters
        ----------
        auth
            Accepted for the sake of older notebooks.
        verbose
            Whether to print what is sent.
        timeout
            Seconds to wait for the broker.

        Returns
        -------
        list of Receipt
            One per message: topic, partition, offset, milliseconds.

        Raises
        ------
        InvalidMessage
            If there is nothing to send, or a message was changed into something that fails its checks; nothing is sent.
        DeliveryFailed
            If the broker did not acknowledge all; the messages stay in `.messages`, and in the outbox (see `Outbox`)
            until the broker has them.
        """
        connection = self._connection or current_connection()
        now_ns = time.time_ns()
        self._refuse_invalid(connection.dialect, now_ns)
        for content in self.messages:
            connection.dialect.restamp(content, now_ns)
        payloads = [connection.dialect.encode_message(content) for content in self.messages]
        topic = connection.topics(firedrill_mode=self.firedrill_mode).observations
        if verbose:
            connection.note_told(topic)
            for content in self.messages:
                print(sending_text(content, connection.dialect.tier_of(content), connection.url(topic)))
        with Attempt(connection, topic, self.messages, payloads, timeout=timeout) as attempt:
            outcomes = connection.send(topic, payloads, timeout=timeout)
            attempt.conclude(outcomes)
        kept, where = attempt.kept, attempt.sentence
        return Receipts(raise_undelivered(outcomes, self.messages, kept=kept, where=where))

    def _refuse_invalid(self, dialect: Dialect, now_ns: int) -> None:
        if self._dialect_name != dialect.NAME:
            other = f"were built in dialect {self._dialect_name}, the connection speaks {dialect.NAME}."
            raise InvalidMessage(
                [Problem("", "messages", other, "Build the messages again; nothing was sent.")]
            )
        if not self.messages:
            fatal = [problem for problem in self.problems if problem.is_fatal]
            nothing = Problem(
                "", "messages", "hold nothing to send.", "Give a neutrino_time or a detector_status."
            )
            raise InvalidMessage(
                fatal or self.problems or [nothing],
                next_step="Mend the fields named in `.problems` and build the message again; nothing was sent.",
            )
        problems = [p for content in self.messages for p in _problems_of(content, dialect, now_ns)]
        if problems:
            raise InvalidMessage(problems, next_step="Mend `.messages`, then send again; nothing was sent.")

    def __repr__(self) -> str:
        name = self.message_data["detector_name"]
        tiers = ", ".join(self.tiernames) or "no tier"
        invalid = f", {len(self.invalid_messages)} invalid" if self.invalid_messages else ""
        return f"SNEWSTiersPublisher({name}: {tiers}; {len(self.messages)} to send{invalid})"

    def _repr_html_(self) -> str:
        return publisher_html(self)


def _problems_of(content: Any, dialect: Dialect, now_ns: int) -> list[Problem]:
    if not isinstance(content, dict):  # somebody edited `.messages`
        return [Problem("", "messages", f"{content!r:.60} is no message.", "Keep a list of dicts.")]
    message, problems = dialect.parse(content, is_strict=True)
    if message is None:
        return problems + _problems_of_times(content, dialect, now_ns)
    problems = check_times(message, now_ns=now_ns)
    if not problems:
        dialect.canonicalise(content, message)
    return problems


def _problems_of_times(content: Mapping[str, Any], dialect: Dialect, now_ns: int) -> list[Problem]:
    """Return what is wrong with the times of a message whose p-value is wrong too: both are told at once."""
    message, _ = (
        dialect.parse({**content, "p_val": None}, is_strict=True) if "p_val" in content else (None, [])
    )
    return check_times(message, now_ns=now_ns) if message is not None else []


def _problems_of_writing(content: Mapping[str, Any], dialect: Dialect) -> list[Problem]:
    try:
        dialect.encode_message(content)
    except InvalidMessage as error:
        return list(error.problems)
    return []


def _remembered_name(connection: Connection | None) -> str:
    return get_name(connection.settings if connection is not None else None)


def read_json_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises
    ------
    UnreadableFile
        If it is missing, larger than 1 MiB, not JSON, or holds something else than an object; or if it is a pipe
        that nobody writes to for ten seconds.
    """
    try:
        raw = _read_bounded(path)
        if len(raw) > _MAX_FILE_BYTES:
            raise UnreadableFile(
                f"{path} is larger than 1 MiB.", next_step="Give a file with one message's arguments."
            )
        content = json.loads(raw.decode("utf-8-sig"))  # some editors begin a file with a mark
    except OSError as error:
        raise UnreadableFile(
            f"{path} cannot be read: {error.strerror or error}.", next_step="Check the name and the folder."
        ) from error
    except (ValueError, RecursionError) as error:
        raise UnreadableFile(
            f"{path} is not JSON: {str(error)[:200]}.",
            next_step="Correct the file; `snews-drill message-schema` helps.",
        ) from error
    if not isinstance(content, dict):
        raise UnreadableFile(
            f"{path} holds a {type(content).__name__}, not an object.",
            next_step='Write the arguments as {"detector_name": …, "neutrino_time": …}.',
        )
    return content


def _read_bounded(path: Path) -> bytes:
    """Return at most one byte more than the limit; a pipe is waited for, but not for ever."""
    # Opening a pipe would wait for its writer; not so like this, and files do not mind.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        is_pipe = stat.S_ISFIFO(os.fstat(handle).st_mode)
        raw = b""
        while len(raw) <= _MAX_FILE_BYTES:
            if is_pipe and not select.select([handle], [], [], _PIPE_SECONDS)[0]:
                raise TimeoutError(f"nothing came through this pipe for {_PIPE_SECONDS:g} s")
            piece = os.read(handle, _MAX_FILE_BYTES + 1 - len(raw))
            if not piece:
                break
            raw += piece
        return raw
    finally:
        os.close(handle)
