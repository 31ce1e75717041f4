"""Messages of detectors as they travel, and what a drill server makes of them."""

from __future__ import annotations

import itertools
import json
import time
from typing import Any

from broker_stand import write
from waiting import wait_for

from snews_drill.connection import Connection
from snews_drill.detectors import find_detector
from snews_drill.messages.tiers import Tier
from snews_drill.messages.times import iso_micro
from snews_drill.transport import Reader
from snews_drill.wire.dialects import get_dialect

_machine_times = itertools.count()


def make(
    tier: Tier,
    detector: str,
    *,
    now_ns: int | None = None,
    is_test: bool = False,
    dialect: str = "1.3",
    **arguments: Any,
) -> bytes:
    """Return the bytes of a message that no other call returns."""
    now_ns = (time.time_ns() if now_ns is None else now_ns) // 1000 * 1000 + 1000 * next(_machine_times)
    spoken = get_dialect(dialect)
    content = spoken.build(
        tier,
        {"is_test": is_test, "is_firedrill": True, **arguments},
        {} if tier is Tier.HEARTBEAT else {"is_test": is_test},
        detector=find_detector(detector),
        now_ns=now_ns,
    )
    return spoken.encode_message(content).content


def observation(
    detector: str, time_ns: int | None = None, *, p_val: float | None = 0.05, **more: Any
) -> bytes:
    """Return an observation; its neutrino time is a moment ago by default."""
    time_ns = time.time_ns() - 10**9 if time_ns is None else time_ns
    return make(
        Tier.COINCIDENCE, detector, neutrino_time=iso_micro(time_ns // 1000 * 1000), p_val=p_val, **more
    )


def heartbeat(detector: str, status: str = "ON", **more: Any) -> bytes:
    """Return a heartbeat."""
    return make(Tier.HEARTBEAT, detector, detector_status=status, **more)


def retraction(detector: str, count: int = 1, **more: Any) -> bytes:
    """Return a retraction."""
    return make(Tier.RETRACTION, detector, retract_latest=count, retraction_reason="a test", **more)


class Alerts:
    """The alerts on one topic, as a reader sees them from the beginning."""

    def __init__(self, connection: Connection, *, firedrill_mode: bool = True) -> None:
        topic = connection.topics(firedrill_mode=firedrill_mode).alerts
        self._reader: Reader = connection.open_reader([topic], start="beginning")
        self.read: list[dict[str, Any]] = []

    def wait_for(self, count: int, timeout: float = 10.0) -> list[dict[str, Any]]:
        """Return all alerts once there are that many."""

        def enough() -> bool:
            self.look()
            return len(self.read) >= count

        wait_for(enough, f"{count} alerts", timeout=timeout)
        return self.read

    def look(self, timeout: float = 0.05) -> list[dict[str, Any]]:
        """Return all alerts that have come."""
        self.read += [json.loads(record.value) for record in self._reader.read(timeout=timeout)]
        return self.read

    @property
    def said(self) -> list[tuple[str, tuple[str, ...]]]:
        """Type and detectors of each."""
        return [(alert["alert_type"], tuple(alert["detector_names"])) for alert in self.read]

    def close(self) -> None:
        self._reader.close()


def send_observations(connection: Connection, *contents: bytes, firedrill_mode: bool = True) -> None:
    """Write records to the observation topic."""
    write(connection, connection.topics(firedrill_mode=firedrill_mode).observations, *contents)
