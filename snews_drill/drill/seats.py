"""Whose seat is whose: where the exercise may speak for detectors, and which of them people have taken."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from snews_drill.background import Background
from snews_drill.connection import Connection
from snews_drill.detectors import find_detector
from snews_drill.drill.marks import speaker
from snews_drill.errors import DrillError, InvalidMessage, NotPermitted
from snews_drill.messages.commands import CommandName
from snews_drill.messages.tiers import DetectorMessage
from snews_drill.profiles import LIVE_BROKER, PROFILES, Profile
from snews_drill.transport import Reader, Record
from snews_drill.wire.dialects import decode_record
from snews_drill.wire.json_text import load_json

#: How far back a watch looks for people who were here before it, s: two heartbeats at the usual pace, and some patience.
LOOK_BACK_SEC = 150.0

#: So many records per partition before the end are looked through for them.
_LOOK_BACK_RECORDS = 2_000

#: How long one read waits, and how long to wait before a lost topic is opened again, s.
_READ_SEC, _REOPEN_SEC = 0.2, 0.5


def check_may_speak_for_others(profile: Profile) -> None:
    """Return if nobody but those who share this drill reads what is written there.

    That is so on this machine, on a broker of one's own, and on topics of one's own; not on SNEWS's topics on its broker.

    Raises
    ------
    NotPermitted
        If others read it: nobody speaks for other detectors there.
    """
    if not profile.is_live:
        return
    host = (profile.broker or "").rpartition(":")[0].casefold().rstrip(".")
    theirs = {
        name
        for known in PROFILES.values()
        if known.is_live
        for name in (*known.firedrill.names(), *known.test.names())
    }
    is_theirs = host == LIVE_BROKER.rpartition(":")[0] and profile.firedrill.observations in theirs
    if profile.name in PROFILES or is_theirs:
        raise NotPermitted(
            f"Others read {profile.name}: nobody speaks for other detectors there.",
            next_step="Play on this machine (rehearsal), or on a private drill's broker: kafka://host:port",
        )


class SeatWatch(Background):
    """Reads the observation topic in a thread of its own and tells of each detector for which a person speaks.

    Parameters
    ----------
    connection
        Where.
    on_person
        Called with the detector's name and a sentence that says what was seen, in the watch's thread; again and again while
        the person speaks.
    on_loss
        Called with a sentence when the topic can no longer be read, and with "" when it can again.
    look_back_sec
        How far back people count who spoke before the start, s.
    """

    def __init__(
        self,
        connection: Connection,
        on_person: Callable[[str, str], None],
        on_loss: Callable[[str], None],
        *,
        look_back_sec: float = LOOK_BACK_SEC,
    ) -> None:
        super().__init__()
        self._connection = connection
        self._on_person = on_person
        self._on_loss = on_loss
        self._look_back_sec = look_back_sec

    def start(self, timeout: float = 10.0) -> None:
        """Look back, tell of those who are here, and go on watching; harmless when it does.

        Raises
        ------
        TransportError
            If the observation topic cannot be read.
        """
        with self._lifecycle:
            if not self._is_at_work:
                self._stop = threading.Event()
                self._launch(self._run, self._open(timeout), self._stop, name="seat watch")

    def _open(self, timeout: float) -> Reader:
        """Open the topic where it ends now, and look through what stands just before."""
        topic = self._connection.topics().observations
        reader = self._connection.open_reader([topic], timeout=timeout)
        ends = reader.positions
        starts = {place: max(end - _LOOK_BACK_RECORDS, 0) for place, end in ends.items()}
        if starts == ends:
            return reader
        reader.close()
        reader = self._connection.open_reader([topic], start=starts, timeout=timeout)
        deadline = time.monotonic() + timeout
        try:
            while any(reader.positions.get(place, 0) < end for place, end in ends.items()):
                records = reader.read(timeout=_READ_SEC)
                self._take(records, not_before_ns=time.time_ns() - round(self._look_back_sec * 1e9))
                if (
                    time.monotonic() > deadline
                ):  # a broker that hands out nothing more; the watch goes on there
                    break
        except BaseException:
            reader.close()
            raise
        return reader

    def _run(self, reader: Reader | None, stop: threading.Event) -> None:
        try:
            while not stop.is_set():
                if not self._connection.is_open:
                    self._on_loss("The connection was closed.")
                    return
                try:
                    if reader is None:
                        reader = self._open(5.0)
                        self._on_loss("")
                    self._take(reader.read(timeout=_READ_SEC))
                except Exception as error:  # noqa: BLE001 - while nobody watches, nobody may speak for people
                    reason = (
                        error.reason
                        if isinstance(error, DrillError)
                        else f"{type(error).__name__}: {error}"[:300]
                    )
                    self._on_loss(f"Nobody can see who speaks: {reason}")
                    if reader is not None:
                        reader.close()
                    reader = None
                    stop.wait(_REOPEN_SEC)
        finally:
            if reader is not None:
                reader.close()

    def _take(self, records: list[Record], not_before_ns: int = 0) -> None:
        for record in records:
            if record.timestamp_ms * 1_000_000 >= not_before_ns:
                found = _person_in(record)
                if found is not None:
                    name, what = found
                    self._on_person(
                        name, f"A {what} of {name} came that nobody here sent: a person has the seat."
                    )


def _person_in(record: Record) -> tuple[str, str] | None:
    """Return the detector for which a person speaks in a record, and what is said; None if no person does.

    A message with wrong fields is a person's too, and a connection test is the first thing that a person does.
    """
    try:
        value = decode_record(record.value, record.content_format).value
        if isinstance(value, DetectorMessage):
            return None if speaker(value) is not None else (value.detector_name, value.tier.value)
        is_test = value.name is CommandName.TEST_CONNECTION and value.status == "sending"
        return (find_detector(value.detector_name).name, "connection test") if is_test else None
    except InvalidMessage:
        return _sender_of_invalid(record.value)
    except DrillError:  # unreadable, or of nobody on the roster
        return None


def _sender_of_invalid(raw: bytes) -> tuple[str, str] | None:
    """Return whose a message is that fails its checks, if it is plain JSON."""
    try:
        content = load_json(raw)
        if not isinstance(content, dict):
            return None
        name = find_detector(content.get("detector_name", "")).name
    except DrillError:
        return None
    meta = content.get("meta")
    is_marked = isinstance(meta, dict) and speaker(meta) is not None
    return None if is_marked else (name, "message with wrong fields")
