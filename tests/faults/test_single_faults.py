"""One fault at a time, quickly: what the storms of the fault suite found, or would only find by luck."""

from __future__ import annotations

import contextlib
import resource
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from broker_stand import EmbeddedStand
from messages_to_send import Alerts, make, observation, retraction, send_observations
from waiting import wait_for

from faults.crew import crew_on
from faults.storm import Tally, make_faults, make_messages
from faults.test_storm import judge, strike
from faults.unbroken import unbroken
from snews_drill.connection import Connection
from snews_drill.errors import ArchiveError
from snews_drill.messages.tiers import Tier
from snews_drill.messages.times import NS_PER_SECOND, iso_micro
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.server import DrillServer
from snews_drill.rehearsal.server_process import _open_archive


def moment() -> int:
    """A moment ago, in whole microseconds."""
    return (time.time_ns() - 2 * NS_PER_SECOND) // 1000 * 1000


@contextlib.contextmanager
def refusing(archive: Archive, what: str) -> Iterator[None]:
    """Let the archive refuse one kind of change, as a disk does that is full just then."""
    with contextlib.closing(sqlite3.connect(archive.path, timeout=5)) as database:
        database.execute(
            f"CREATE TRIGGER refuse BEFORE {what} BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        )
    yield
    with contextlib.closing(sqlite3.connect(archive.path, timeout=5)) as database:
        database.execute("DROP TRIGGER refuse")


def test_what_was_sent_and_could_not_be_noted_is_sent_once(
    connection: Connection, archive: Archive, alerts: Alerts
) -> None:
    """A full disk must not make the server write the same alerts again and again."""
    with DrillServer(connection, archive) as server:
        wait_for(lambda: server.status.state == "listening", "it to listen")
        zero = moment()
        with refusing(archive, "UPDATE OF sent_ns ON outgoing"):
            send_observations(connection, observation("LVD", zero), observation("JUNO", zero))
            alerts.wait_for(1)
            wait_for(lambda: server.status.state == "waiting", "it to wait")
            assert "disk is full" in server.status.problem
            attempts = {id(status) for status in watch(server, 2.0)}
            assert len(attempts) > 1  # it tries again
        wait_for(lambda: server.status.state == "listening", "it to go on")
        send_observations(connection, observation("LZ", zero))
        alerts.wait_for(2)
        assert [members for _, members in said(alerts)] == [("JUNO", "LVD"), ("JUNO", "LVD", "LZ")]


def test_trouble_that_stays_is_told_without_a_break(connection: Connection, archive: Archive) -> None:
    """Between two attempts the server does not say that all is well."""
    with DrillServer(connection, archive) as server:
        wait_for(lambda: server.status.state == "listening", "it to listen")
        with refusing(archive, "INSERT ON records"):
            send_observations(connection, observation("LVD", moment()))
            wait_for(lambda: server.status.state == "waiting", "it to wait")
            assert {(status.state, "disk is full" in status.problem) for status in watch(server, 4.0)} == {
                ("waiting", True)
            }
        wait_for(lambda: server.status.state == "listening", "it to go on")
        assert server.status.problem == ""
        assert server.status.counts["CoincidenceTier"] == 1


def said(alerts: Alerts) -> list[tuple[str, tuple[str, ...]]]:
    """Return type and detectors of all alerts, those included that come a little later."""
    alerts.look(0.3)
    return alerts.said


def watch(server: DrillServer, seconds: float) -> list[object]:
    """Return the statuses of a while; that they do not change can only be seen by looking for a while."""
    found, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        found.append(server.status)
        time.sleep(0.005)
    return found


def test_a_broker_that_came_back_empty_gets_the_alerts_again(
    connection: Connection, archive: Archive, alerts: Alerts
) -> None:
    """Who was away when it died still hears of them; the same server on the same broker repeats nothing."""
    zero = moment()
    for instance, copies in (("0123456789abcdef", 1), ("0123456789abcdef", 1), ("fedcba9876543210", 2)):
        with DrillServer(connection, archive, instance=instance) as server:
            if copies == 1:
                send_observations(connection, observation("LVD", zero), observation("JUNO", zero))
            alerts.wait_for(copies)
            wait_for(lambda: not archive.waiting(), "it to note that all is sent")
            wait_for(lambda s=server: s.status.state == "listening", "it to listen")
            assert len({alert["_id"] for alert in alerts.look(0.2)}) == 1
            assert len(alerts.read) == copies


def test_a_copy_that_was_late_does_not_undo_a_retraction(
    connection: Connection, archive: Archive, alerts: Alerts
) -> None:
    """A broker that was frozen writes down what it got twice: the first attempt may come after the retraction."""
    zero, now_ns = moment(), time.time_ns() - NS_PER_SECOND
    arguments = {"neutrino_time": iso_micro(zero), "p_val": 0.05, "machine_time": iso_micro(now_ns)}
    first = make(Tier.COINCIDENCE, "JUNO", now_ns=now_ns, **arguments)
    again = make(Tier.COINCIDENCE, "JUNO", now_ns=now_ns + 10**8, **arguments)
    with DrillServer(connection, archive) as server:
        send_observations(connection, observation("LVD", zero), again, retraction("JUNO"), first)
        wait_for(lambda: sum(server.status.counts.values()) >= 6, "everything to be taken")
        assert server.status.counts["repeated"] == 1
        assert [kind for kind, _ in said(alerts)] == ["COINC_MSG", "RETRACTION"]


def test_a_rehearsals_server_that_finds_a_full_disk_waits_for_room(tmp_path: Path) -> None:
    """Giving up after some attempts, it would need help later. The files may not grow, as anybody may ask for."""
    path, done = tmp_path / "archive" / "archive.sqlite3", threading.Event()
    found: list[Archive] = []
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    opener = threading.Thread(target=lambda: found.append(_open_archive(path, done)), name="opener")
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        opener.start()
        opener.join(1.5)
        assert opener.is_alive()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
        opener.join(10)
    with found[0] as archive:
        assert archive.counts() == {}


def test_a_rehearsals_server_that_waits_for_room_ends_when_asked(tmp_path: Path) -> None:
    """And a file that no room would heal is told at once."""
    folder = tmp_path / "archive"
    (folder / "in the way").mkdir(parents=True)
    done = threading.Event()
    done.set()
    with pytest.raises(ArchiveError):
        _open_archive(folder / "in the way", done)
    damaged = folder / "archive.sqlite3"
    damaged.write_bytes(b"no archive at all " * 1000)
    with pytest.raises(ArchiveError) as caught:
        _open_archive(damaged, threading.Event())
    assert not caught.value.is_passing


@pytest.mark.timeout(120)
def test_a_small_storm(embedded: EmbeddedStand, tmp_path: Path, tally: Callable[..., Tally]) -> None:
    """Server, subscriber and publisher are killed once each; the long storms are the fault suite's."""
    messages = make_messages(7, time.time_ns() - 20 * 10**9, 150)
    expected = unbroken(embedded, tmp_path / "calm", "small-calm.", messages)
    line = tally("small storm", 7)
    line.messages = len(messages)
    with crew_on(embedded, tmp_path / "storm", "small-storm.") as crew:
        crew.begin(messages)
        for fault in make_faults(7, ("server killed", "subscriber killed", "publisher killed"), 150):
            strike(crew, fault, line)
        judge(crew, expected, line)
