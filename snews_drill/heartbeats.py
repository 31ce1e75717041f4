"""Heartbeats: "this detector is on", once, or again and again in the background."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from snews_drill.background import Background
from snews_drill.connection import Connection, current_connection
from snews_drill.detectors import Detector, find_detector
from snews_drill.errors import DrillError, InvalidMessage, Problem, SettingsError
from snews_drill.heartbeat_log import HeartbeatGap, HeartbeatLog, HeartbeatState
from snews_drill.messages.tiers import Tier
from snews_drill.names import get_name
from snews_drill.transport import Receipt, raise_undelivered
from snews_drill.wire.dialects import Dialect
from snews_drill.wire.fields import is_number

#: Seconds between two heartbeats.
DEFAULT_EVERY_SEC = 60.0

#: Seconds to wait for the acknowledgement of one heartbeat; while it lasts, the next ones are missed.
_PATIENCE_SEC = 10.0

#: The longest time from one heartbeat to the next, seconds: a detector that is silent for a day counts as away.
_LONGEST_SEC = 86_400


def send_heartbeat(
    status: str = "ON",
    machine_time: str | None = None,
    detector_name: str = "TEST",
    *,
    connection: Connection | None = None,
    firedrill_mode: bool = True,
    timeout: float = 10.0,
) -> Receipt:
    """Send one heartbeat and return the broker's acknowledgement.

    Parameters
    ----------
    status
        "ON" or "OFF", in any case.
    machine_time
        ISO text, UTC; now by default.
    detector_name
        A registered name or spelling; "TEST" means the remembered one (`set_name`).
    connection
        Where to send; the current connection by default.
    firedrill_mode
        True for the fire-drill topic, False for the test topic.
    timeout
        Seconds to wait for the broker.

    Raises
    ------
    InvalidMessage
        If the status or the time is not what it should be.
    UnknownDetector, NameNotSet
        If it is not known which detector this is.
    DeliveryFailed
        If the broker did not acknowledge it.
    """
    connection = connection or current_connection()
    detector = _find(detector_name, connection)
    content = _build(connection.dialect, detector, _checked(status), machine_time)
    return _send(connection, content, firedrill_mode=firedrill_mode, timeout=timeout)


class HeartbeatSender(Background):
    """Sends heartbeats at a steady pace, in a thread of its own, until it is stopped.

    It goes on through outages and says in `.missed` what did not arrive. A heartbeat that failed is not sent
    later: it would tell of a time that is over.

    Parameters
    ----------
    detector_name
        A registered name or spelling; "TEST" means the remembered one (`set_name`).
    status
        "ON" or "OFF".
    every
        Seconds from one to the next.
    connection
        Where to send; the current connection by default.
    firedrill_mode
        True for the fire-drill topic, False for the test topic.

    Raises
    ------
    SettingsError
        If `every` is no number between 0 and 86,400 (a day).
    InvalidMessage
        If the status is neither ON nor OFF.

    Examples
    --------
    >>> with HeartbeatSender("XENONnT", every=60) as sender:  # doctest: +SKIP
    ...     sender.status = "OFF"
    """

    def __init__(
        self,
        detector_name: str = "TEST",
        status: str = "ON",
        every: float = DEFAULT_EVERY_SEC,
        *,
        connection: Connection | None = None,
        firedrill_mode: bool = True,
    ) -> None:
        super().__init__()
        self.detector_name = detector_name
        self._every = _checked_pace(every)
        self.firedrill_mode = firedrill_mode
        self._connection = connection
        self._detector: Detector | None = None
        self._used: Connection | None = None
        self._log = HeartbeatLog(_checked(status))
        self._wake = threading.Event()

    @property
    def connection(self) -> Connection | None:
        """Where it sends while it does; before, the connection it was given."""
        return self._used if self.is_running else self._connection

    @property
    def sends_as(self) -> str | None:
        """The detector it sends for, since its last start; None before the first."""
        return None if self._detector is None else self._detector.name

    @property
    def every(self) -> float:
        """Seconds from one heartbeat to the next. A new value is counted from a heartbeat that is sent at once."""
        return self._every

    @every.setter
    def every(self, value: float) -> None:
        pace = _checked_pace(value)
        if pace != self._every:
            self._every = pace
            self._wake.set()

    @property
    def status(self) -> str:
        """What it says, "ON" or "OFF". A new value is sent at once, and the pace stays."""
        return self._log.state.status

    @status.setter
    def status(self, value: str) -> None:
        self._log.note_status(_checked(value))
        self._wake.set()

    @property
    def state(self) -> HeartbeatState:
        """What it does and what it counted, at this moment."""
        return replace(self._log.state, is_running=self.is_running)

    @property
    def missed(self) -> list[HeartbeatGap]:
        """The times without acknowledged heartbeats, oldest first; the last one may still be open."""
        return self._log.gaps

    def start(self) -> None:
        """Send the first heartbeat at once, the others at their time; harmless when it does already.

        Raises
        ------
        DrillError
            If there is no connection, or it is not known which detector this is.
        """
        with self._lifecycle:
            if self._is_at_work:
                return
            connection = self._connection or current_connection()
            detector = _find(self.detector_name, connection)
            self._used, self._detector = connection, detector
            self._stop, self._wake = threading.Event(), threading.Event()
            self._launch(self._run, connection, detector, self._stop, self._wake, name="heartbeats")

    def stop(self, timeout: float = 1.0) -> None:
        """Stop sending, within `timeout` seconds; harmless when it does not."""
        self._stop.set()
        self._wake.set()
        self._join(timeout)

    def __repr__(self) -> str:
        state = self.state
        doing = "running" if state.is_running else "stopped"
        gaps = self.missed
        last = f"; {gaps[-1]}" if gaps else ""
        return (
            f"HeartbeatSender({self.detector_name} {state.status} every {self.every:g} s, {doing}: "
            f"{state.acknowledged} acknowledged, {state.missed} missed{last})"
        )

    def _run(
        self, connection: Connection, detector: Detector, stop: threading.Event, wake: threading.Event
    ) -> None:
        # Counted from the first one, so that the time each takes does not add up.
        begun, number, every = time.monotonic(), 0, self._every
        while not stop.is_set():
            if every != self._every:
                begun, number, every = time.monotonic(), 0, self._every
            if not connection.is_open:
                self._log.note_error("The connection was closed.")
                return
            wake.clear()
            self._beat(connection, detector, stop)
            passed = time.monotonic() - begun
            # Those whose successor is due as well are missed; the newest that is due is sent late.
            skipped = math.floor(passed / every) - number - 1
            if skipped > 0 and not stop.is_set():
                self._log.note_missed(time.time_ns() - round((passed - (number + 1) * every) * 1e9), skipped)
                number += skipped
            if not wake.wait(max(begun + (number + 1) * every - time.monotonic(), 0.0)):
                number += 1

    def _beat(self, connection: Connection, detector: Detector, stop: threading.Event) -> None:
        begun_ns = time.time_ns()
        try:
            content = _build(connection.dialect, detector, self.status, None)
            receipt = _send(
                connection,
                content,
                firedrill_mode=self.firedrill_mode,
                timeout=_PATIENCE_SEC,
                is_cancelled=stop.is_set,
            )
        except Exception as error:  # noqa: BLE001 - the end of the thread; the next heartbeat must be tried
            if not stop.is_set():
                reason = (
                    error.reason
                    if isinstance(error, DrillError)
                    else f"{type(error).__name__}: {error}"[:300]
                )
                self._log.note_failure(begun_ns, reason)
        else:
            self._log.note_success(receipt)


def _find(name: str, connection: Connection) -> Detector:
    return find_detector(get_name(connection.settings) if name == "TEST" else name)


def _checked_pace(every: float) -> float:
    if not is_number(every) or not 0 < every <= _LONGEST_SEC:
        raise SettingsError(
            f"every={every!r:.40} is no time between heartbeats.",
            next_step=f"Give seconds, more than 0 and at most a day ({_LONGEST_SEC:,}): every=60.",
        )
    return float(every)


def _checked(status: str) -> str:
    if isinstance(status, str) and status.strip().upper() in ("ON", "OFF"):
        return status.strip().upper()
    problem = Problem(
        Tier.HEARTBEAT.value,
        "detector_status",
        f"{status!r:.60} is neither ON nor OFF.",
        "Give 'ON' or 'OFF'.",
    )
    raise InvalidMessage([problem])


def _build(dialect: Dialect, detector: Detector, status: str, machine_time: str | None) -> dict[str, Any]:
    now_ns = time.time_ns()
    arguments = {"detector_name": detector.name, "detector_status": status, "machine_time": machine_time}
    content = dialect.build(Tier.HEARTBEAT, arguments, {}, detector=detector, now_ns=now_ns)
    message, problems = dialect.parse(content, is_strict=True)
    if message is None:
        raise InvalidMessage(problems)
    return content


def _send(
    connection: Connection,
    content: dict[str, Any],
    *,
    firedrill_mode: bool,
    timeout: float,
    is_cancelled: Callable[[], bool] | None = None,
) -> Receipt:
    connection.dialect.restamp(content, time.time_ns())
    topic = connection.topics(firedrill_mode=firedrill_mode).observations
    payload = connection.dialect.encode_message(content)
    outcomes = connection.send(topic, [payload], timeout=timeout, is_cancelled=is_cancelled)
    return raise_undelivered(outcomes, [content])[0]
