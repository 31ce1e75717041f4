"""The run in which nothing goes wrong, to compare with."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from broker_stand import Stand
from messages_to_send import Alerts
from waiting import wait_for

from faults.crew import connect
from faults.storm import Told, told
from snews_drill import SNEWSTiersPublisher
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.server import DrillServer
from snews_drill.transport import Receipt


def unbroken(stand: Stand, folder: Path, prefix: str, messages: list[dict[str, Any]]) -> list[Told]:
    """Return the alerts of a run in which nothing goes wrong."""
    with (
        connect(stand, prefix, folder) as connection,
        Archive(folder / "archive" / "archive.sqlite3") as archive,
        DrillServer(connection, archive) as server,
    ):
        topic = connection.topics().observations
        for first in range(0, len(messages), 200):
            made = [
                SNEWSTiersPublisher(**arguments, connection=connection, verbose=False)
                for arguments in messages[first : first + 200]
            ]
            payloads = [connection.dialect.encode_message(one.messages[0]) for one in made]
            outcomes = connection.send(topic, payloads, timeout=30)
            assert all(isinstance(outcome, Receipt) for outcome in outcomes)

        def taken() -> int:
            return sum(number for word, number in server.status.counts.items() if word != "alerts")

        wait_for(lambda: taken() >= len(messages), "the unbroken run", timeout=60)
        alerts = Alerts(connection)
        try:
            wait_for(
                lambda: len(told(alerts.look())) >= server.status.counts["alerts"], "its alerts", timeout=30
            )
            assert server.status.counts.get("refused", 0) == 0, server.status.refusals
            return told(alerts.read)
        finally:
            alerts.close()


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began
