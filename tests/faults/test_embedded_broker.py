"""The rehearsal's own broker is killed, alone and with others: what the server had taken is there."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_for

from faults.storm import DETECTORS, Tally, make_faults, make_messages, told
from faults.unbroken import Stopwatch
from snews_drill import SNEWSTiersPublisher, Subscriber
from snews_drill.connection import Connection, open_profile
from snews_drill.errors import DeliveryFailed
from snews_drill.rehearsal.launcher import find_rehearsal
from snews_drill.rehearsal.server_process import ARCHIVE_NAME
from snews_drill.rehearsal.state import RehearsalState
from snews_drill.remote import test_connection as ask_for_echo
from snews_drill.settings import DrillSettings
from snews_drill.transport import Receipt

pytestmark = pytest.mark.faults

KINDS = ("embedded broker killed", "embedded broker killed", "broker and server killed")


class Rehearsed:
    """A rehearsal that is struck, seen from outside."""

    def __init__(self, settings: DrillSettings, connection: Connection) -> None:
        self.settings, self.connection = settings, connection
        assert connection.rehearsal is not None
        self.archive = connection.rehearsal.archive_dir / ARCHIVE_NAME

    @property
    def state(self) -> RehearsalState:
        state: RehearsalState = wait_for(lambda: find_rehearsal(self.settings), "the rehearsal")
        return state

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(self.archive, timeout=10)) as database:
            return database.execute(statement).fetchall()

    def taken(self) -> set[tuple[Any, ...]]:
        """Return what the server has acknowledged into its archive."""
        return set(self.rows("SELECT instance, offset, kind, detector, message_key, value FROM records"))

    def decided(self) -> list[tuple[Any, ...]]:
        """Return the alerts of the archive, in order."""
        return self.rows("SELECT message_id, content FROM outgoing WHERE kind = 'alert' ORDER BY number")

    def positions(self) -> dict[tuple[str, int], int]:
        """Return how far the server has read, by life of the broker and partition.

        Who writes to the empty broker first makes the topic, with as many partitions as the broker likes.
        """
        topic = self.connection.topics().observations
        rows = self.rows("SELECT instance, partition, topic, next_offset FROM positions")
        return {(instance, partition): offset for instance, partition, name, offset in rows if name == topic}

    def alerts_when_quiet(self) -> list[dict[str, Any]]:
        """Return the archive's alerts once all of them are sent."""
        wait_for(
            lambda: not self.rows("SELECT 1 FROM outgoing WHERE sent_ns IS NULL"),
            "all alerts sent",
            timeout=20,
        )
        return [json.loads(content) for _, content in self.decided()]

    def kill_everything(self) -> None:
        """Kill the supervisor; broker and server end with it."""
        os.kill(self.state.supervisor.pid, signal.SIGKILL)

    def strike(self, kind: str) -> None:
        """Kill -9, and wait for the next life."""
        state = self.state
        before_rows, before_alerts = self.taken(), self.decided()
        for process in (state.server_process,) if "server" in kind else ():
            assert process is not None
            os.kill(process.pid, signal.SIGKILL)
        os.kill(state.broker_process.pid, signal.SIGKILL)
        wait_for(lambda: self.state.instance != state.instance, "another life of the broker")
        # Nothing that was in the archive is gone or changed.
        assert before_rows <= self.taken()
        assert self.decided()[: len(before_alerts)] == before_alerts


def send_surely(publisher: SNEWSTiersPublisher) -> Receipt:
    """Send until it is acknowledged, as somebody does who is told that it failed."""
    for _ in range(10):
        with contextlib.suppress(DeliveryFailed):
            return publisher.send_to_snews(verbose=False, timeout=5)[0]
    raise AssertionError("ten times no acknowledgement")


@pytest.mark.timeout(180)
def test_embedded_broker_killed(
    broker_seed: int,
    settings: DrillSettings,
    tmp_path: Path,
    tally: Callable[..., Tally],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """(e) twice alone and once together with the server; then supervisor, broker and server at once, and the next start."""
    messages = make_messages(broker_seed, time.time_ns() - 20 * 10**9)
    line, watch = tally("embedded broker", broker_seed), Stopwatch()
    line.messages = len(messages)
    named = settings.model_copy(update={"detector_name": DETECTORS[0]})
    with open_profile("rehearsal", settings=named) as connection:
        place = Rehearsed(named, connection)
        assert ask_for_echo(connection=connection, verbose=False, wait=20)
        faults = make_faults(broker_seed, KINDS)
        acknowledged: list[tuple[str, Receipt, str]] = []
        with Subscriber(connection=connection, outputfolder=tmp_path / "alerts", resume=True):
            for number, arguments in enumerate(messages):
                for fault in [fault for fault in faults if fault.at == number]:
                    time.sleep(fault.delay)
                    place.strike(fault.kind)
                    line.faults[fault.kind] += 1
                time.sleep(0.004)  # as in the other storms
                publisher = SNEWSTiersPublisher(**arguments, connection=connection, verbose=False)
                life = place.state.instance
                receipt = send_surely(publisher)
                if life == place.state.instance:  # else nobody can tell which life had it
                    acknowledged.append((publisher.messages[0]["_id"], receipt, life))
            assert told_of_new_life(caplog) == len(KINDS)
            line.lost_with_broker = unread(place, acknowledged)
            everything = place.alerts_when_quiet()
            wait_for(lambda: len(told(saved(tmp_path))) >= len(everything), "the subscriber", timeout=30)
            line.compare(told(everything), told(saved(tmp_path)))
            line.doubled += len(saved(tmp_path)) - len(everything)
            assert (line.lost, line.doubled) == (0, 0)
            before, folder = place.taken(), place.archive
            place.kill_everything()
            line.faults["supervisor killed"] += 1
            with open_profile("rehearsal", settings=named) as again:
                assert again.rehearsal is not None
                assert again.rehearsal.archive_dir / ARCHIVE_NAME == folder
                assert ask_for_echo(connection=again, verbose=False, wait=20)
                assert before <= place.taken()
                assert place.rows("PRAGMA integrity_check") == [("ok",)]
        line.seconds = watch.seconds
        line.note = f"{line.lost_with_broker} messages lost with the broker's memory"


def told_of_new_life(caplog: pytest.LogCaptureFixture) -> int:
    """Count how often the sender was told that the broker came back empty."""
    return sum("started anew since you wrote last" in record.getMessage() for record in caplog.records)


def unread(place: Rehearsed, acknowledged: list[tuple[str, Receipt, str]]) -> int:
    """Count what the broker had acknowledged and the server had not read; all else must be in the archive.

    What is missing lies behind the server's last position in that life of the broker: nothing that was read is gone.
    """
    newest = [receipt for _, receipt, life in acknowledged if life == place.state.instance]
    life = place.state.instance

    def is_read() -> bool:
        positions = place.positions()
        return all(positions.get((life, receipt.partition), 0) > receipt.offset for receipt in newest)

    wait_for(is_read, "the server to read everything", timeout=30)
    positions = place.positions()
    keys = {row[0] for row in place.rows("SELECT message_key FROM records")}
    missing = [(name, receipt, life) for name, receipt, life in acknowledged if name not in keys]
    for name, receipt, life in missing:
        where = life, receipt.partition
        assert receipt.offset >= positions.get(where, 0), f"{name} was read and is not in the archive"
    return len(missing)


def saved(folder: Path) -> list[dict[str, Any]]:
    """Return the saved alerts in order."""
    files = (path for path in (folder / "alerts").glob("*-SNEWS_ALERT_*.json"))
    return [
        json.loads(path.read_text())
        for path in sorted(files, key=lambda p: (p.name[-15:], int(p.name.split("-")[0])))
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Three of eight."""
    if "broker_seed" in metafunc.fixturenames:
        first = metafunc.config.getoption("--fault-first-seed")
        count = max(metafunc.config.getoption("--fault-seeds") * 3 // 8, 1)
        metafunc.parametrize("broker_seed", range(first, first + count))
