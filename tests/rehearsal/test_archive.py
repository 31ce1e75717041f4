"""The archive: all or nothing, private, bounded, and readable after whatever happened."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

import snews_drill.rehearsal.archive as archive_module
from snews_drill.errors import ArchiveError
from snews_drill.messages.times import NS_PER_DAY
from snews_drill.rehearsal.archive import Archive, ArchivedRecord, HeldObservation, Outgoing

NOW_NS = 1_900_000_000_000_000_000


def record(offset: int, outcome: str = "accepted", **changes: object) -> ArchivedRecord:
    made = ArchivedRecord(
        "life",
        "topic",
        0,
        offset,
        1000 + offset,
        NOW_NS,
        outcome,
        "CoincidenceTier",
        "LVD",
        f"key {offset}",
        "",
        b"value",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def alert(identifier: str, topic: str = "alerts") -> Outgoing:
    return Outgoing(topic, "alert", identifier, b'{"_id": "%s"}' % identifier.encode(), "json", NOW_NS)


def test_a_transaction_is_all_or_nothing(archive: Archive) -> None:
    """Record, position, alert and count stand or fall together."""

    def write_everything() -> None:
        archive.add_record(record(0))
        archive.set_position("life", "topic", 0, 1)
        archive.queue(alert("a"))
        archive.add_counts({("accepted", "CoincidenceTier"): 1})

    with pytest.raises(ZeroDivisionError), archive.transaction():  # noqa: PT012
        write_everything()
        raise ZeroDivisionError
    assert archive.records() == []
    assert archive.positions("life") == {}
    assert archive.waiting() == []
    assert archive.counts() == {}
    with archive.transaction():
        write_everything()
    assert archive.records() == [record(0)]
    assert archive.positions("life") == {("topic", 0): 1}
    assert [outgoing.message_id for outgoing in archive.waiting()] == ["a"]
    assert archive.counts() == {("accepted", "CoincidenceTier"): 1}


def test_a_record_is_known_by_its_place_and_time(archive: Archive) -> None:
    """The same place with another time is a record of a broker that lost its content."""
    with archive.transaction():
        assert not archive.has_record(record(0))
        assert archive.add_record(record(0))
        assert archive.has_record(record(0))
        assert not archive.add_record(record(0))
        assert not archive.has_record(record(0, instance="next life"))
        assert archive.add_record(record(0, timestamp_ms=2000))


def test_only_accepted_messages_are_known(archive: Archive) -> None:
    with archive.transaction():
        archive.add_record(record(0))
        archive.add_record(record(1, "refused"))
    assert archive.is_known("topic", "CoincidenceTier", "LVD", "key 0")
    assert archive.is_known("topic", "CoincidenceTier", "LVD", "key 0", value=b"value")
    assert not archive.is_known("topic", "CoincidenceTier", "LVD", "key 0", value=b"other")
    assert not archive.is_known("topic", "CoincidenceTier", "LVD", "key 1")
    assert not archive.is_known("topic", "Heartbeat", "LVD", "key 0")
    assert not archive.is_known("another topic", "CoincidenceTier", "LVD", "key 0")
    assert archive.is_known(None, "CoincidenceTier", "LVD", "key 0")


def test_whether_something_came_after_a_message_is_known(archive: Archive) -> None:
    asked = ("topic", "Retraction", "LVD", "key 1")
    with archive.transaction():
        archive.add_record(record(0))
        assert not archive.is_last_of(*asked, since="CoincidenceTier")
        archive.add_record(record(1, kind="Retraction"))
        archive.add_record(record(2, "refused"))
    assert archive.is_last_of(*asked, since="CoincidenceTier")
    with archive.transaction():
        archive.add_record(record(3))
    assert not archive.is_last_of(*asked, since="CoincidenceTier")


def test_when_the_record_at_a_place_was_written_is_known(archive: Archive) -> None:
    """The newest that was read from there, of that life of the broker."""
    with archive.transaction():
        archive.add_record(record(0, timestamp_ms=1000))
        archive.add_record(record(0, timestamp_ms=2000))
        archive.add_record(record(0, timestamp_ms=3000, instance="another"))
    assert archive.timestamp_at("life", "topic", 0, 0) == 2000
    assert archive.timestamp_at("another", "topic", 0, 0) == 3000
    assert archive.timestamp_at("life", "topic", 0, 1) is None


def test_positions_belong_to_one_life_of_the_broker(archive: Archive) -> None:
    with archive.transaction():
        archive.set_position("first", "topic", 0, 7)
        archive.set_position("second", "topic", 0, 2)
        archive.set_position("second", "topic", 0, 3)
    assert archive.positions("first") == {("topic", 0): 7}
    assert archive.positions("second") == {("topic", 0): 3}
    assert archive.positions("third") == {}


def test_withdrawn_observations_are_not_restored(archive: Archive) -> None:
    held = HeldObservation("drill", False, "m", "LVD", 5, None, 1, NOW_NS)
    other = replace(held, detector="LZ")
    with archive.transaction():
        archive.add_observation(held)
        archive.add_observation(other)
        archive.withdraw_observation(
            "drill", is_test=False, detector="LVD", message_id="m", neutrino_time_ns=5, p_val=None
        )
    assert archive.held_observations(since_ns=0) == [other]
    assert archive.held_observations(since_ns=NOW_NS + 1) == []
    with archive.transaction():
        archive.clear_observations("drill")
    assert archive.held_observations(since_ns=0) == []


def test_an_alert_is_decided_once_and_sent_ones_stay(archive: Archive) -> None:
    with archive.transaction():
        assert archive.queue(alert("a"))
        assert not archive.queue(alert("a"))
        assert archive.queue(alert("a", "other topic"))
        archive.queue(Outgoing("replies", "reply", "", b"{}", "json", NOW_NS))
        archive.queue(Outgoing("replies", "reply", "", b"{}", "json", NOW_NS))
    waiting = archive.waiting()
    assert [outgoing.topic for outgoing in waiting] == ["alerts", "other topic", "replies", "replies"]
    archive.mark_sent([outgoing.number for outgoing in waiting], now_ns=NOW_NS)
    assert archive.waiting() == []
    assert archive.alerts() == [{"_id": "a"}, {"_id": "a"}]
    assert archive.alerts(topic="alerts") == [{"_id": "a"}]
    assert archive.alert_count() == 2
    assert archive.has_alert("alerts", "a")
    # Replies are not kept: whoever may ask could fill the disk with them.
    assert archive._database.execute("SELECT COUNT(*) FROM outgoing").fetchone() == (2,)


def test_the_newest_alerts_alone(archive: Archive) -> None:
    """Oldest first, replies between them left out; none if none is asked for, all if there are fewer."""
    with archive.transaction():
        for name in ("a", "b", "c"):
            archive.queue(alert(name))
            archive.queue(Outgoing("replies", "reply", "", b"{}", "json", NOW_NS))
        archive.queue(alert("d", "other topic"))
    assert archive.alerts(newest=2) == [{"_id": "c"}, {"_id": "d"}]
    assert archive.alerts(newest=2, topic="alerts") == [{"_id": "b"}, {"_id": "c"}]
    assert archive.alerts(newest=0) == []
    assert len(archive.alerts(newest=9)) == 4


def test_heartbeats_are_there_for_24_hours_and_dropped_by_days_after_7(archive: Archive) -> None:
    day = NOW_NS // NS_PER_DAY
    with archive.transaction():
        for age in range(10):
            received_ns = (day - age) * NS_PER_DAY + 1000
            assert archive.add_heartbeat(
                "LVD", f"{age}", is_on=age % 2 == 0, sent_time_ns=received_ns - 500, received_ns=received_ns
            )
            archive.add_record(record(age, kind="Heartbeat", received_ns=received_ns))
        assert not archive.add_heartbeat("LVD", "0", is_on=True, sent_time_ns=1, received_ns=2)
        archive.add_record(record(100, received_ns=(day - 9) * NS_PER_DAY))
    today = day * NS_PER_DAY
    assert archive.heartbeats(since_ns=today) == [("LVD", True, today + 500, today + 1000)]
    assert archive.heartbeats(since_ns=0, detector="LZ") == []
    assert archive.heartbeats_per_detector(since_ns=today - NS_PER_DAY) == [
        ("LVD", 2, True, today + 500, today + 1000)
    ]
    archive.drop_old(now_ns=NOW_NS)
    kept = archive.heartbeats(since_ns=0)
    assert len(kept) == 8  # today and seven days before
    assert min(beat[3] for beat in kept) == (day - 7) * NS_PER_DAY + 1000
    # The records behind them go with them; an observation stays.
    assert sorted(r.offset for r in archive.records()) == [*range(8), 100]


def test_problems_keep_their_bytes_within_bounds(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may write to the topic must not fill the disk; the newest problems keep their bytes."""
    monkeypatch.setattr(archive_module, "PROBLEMS_WITH_BYTES", 5)
    monkeypatch.setattr(archive_module, "PROBLEM_BYTES", 1000)
    with archive.transaction():
        for offset in range(8):
            archive.add_record(record(offset, "unreadable", value=b"x" * 10))
        archive.add_record(record(8, "accepted", value=b"x" * 5000))
    archive.drop_old(now_ns=NOW_NS)
    assert [len(r.value) for r in archive.records()] == [0, 0, 0, 10, 10, 10, 10, 10, 5000]
    with archive.transaction():
        archive.add_record(record(9, "refused", value=b"x" * 980))
    archive.drop_old(now_ns=NOW_NS)
    assert [len(r.value) for r in archive.records()] == [0, 0, 0, 0, 0, 0, 10, 10, 5000, 980]
    archive.drop_old(now_ns=NOW_NS + 9 * NS_PER_DAY)
    assert [r.offset for r in archive.records()] == [8]


def test_counts_outlive_what_was_dropped(archive: Archive) -> None:
    with archive.transaction():
        archive.add_record(record(0, "unreadable"))
        archive.add_counts({("unreadable", ""): 1})
    archive.drop_old(now_ns=NOW_NS + 20 * NS_PER_DAY)
    assert archive.records() == []
    assert archive.counts() == {("unreadable", ""): 1}


def test_records_are_the_newest_oldest_first(archive: Archive) -> None:
    with archive.transaction():
        for offset in range(5):
            archive.add_record(record(offset, "refused" if offset % 2 else "accepted"))
    assert [r.offset for r in archive.records(limit=3)] == [2, 3, 4]
    assert [r.offset for r in archive.records(outcome="refused")] == [1, 3]


def test_file_and_folder_are_private(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        with Archive(tmp_path / "made" / "a.sqlite3") as archive, archive.transaction():
            archive.add_record(record(0))
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in archive.path.parent.iterdir()}
            assert stat.S_IMODE(archive.path.parent.stat().st_mode) == 0o700
    finally:
        os.umask(old)
    assert len(modes) >= 2
    assert set(modes.values()) == {0o600}


def test_a_link_in_its_place_is_refused(tmp_path: Path) -> None:
    """Whoever can lay a link must not have the archive written elsewhere."""
    folder = tmp_path / "private"
    folder.mkdir(mode=0o700)
    (folder / "a.sqlite3").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArchiveError):
        Archive(folder / "a.sqlite3")
    assert not (tmp_path / "elsewhere").exists()


def test_a_newer_file_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "private" / "a.sqlite3"
    with Archive(path) as archive, archive.transaction():
        archive._database.execute("UPDATE about SET value = '99' WHERE key = 'version'")
        archive._database.execute("DROP TABLE counts")
    with pytest.raises(ArchiveError, match="newer version") as caught:
        Archive(path)
    assert "Update" in caught.value.next_step
    database = sqlite3.connect(path)
    assert database.execute("SELECT 1 FROM sqlite_master WHERE name = 'counts'").fetchone() is None
    database.close()


def test_a_file_that_is_no_archive_is_an_error_with_the_right_next_step(tmp_path: Path) -> None:
    folder = tmp_path / "private"
    folder.mkdir(mode=0o700)
    (folder / "a.sqlite3").write_bytes(b"this is no database " * 100)
    with pytest.raises(ArchiveError) as caught:
        Archive(folder / "a.sqlite3")
    assert "Move the file away" in caught.value.next_step


def test_a_full_disk_is_an_error_and_changes_nothing(archive: Archive) -> None:
    with archive.transaction():
        archive.add_record(record(0))
    archive._database.execute("PRAGMA max_page_count = 1")
    with pytest.raises(ArchiveError, match="full") as caught, archive.transaction():  # noqa: PT012
        for offset in range(1, 100):
            archive.add_record(record(offset, value=b"x" * 10_000))
    assert "disk space" in caught.value.next_step
    assert [r.offset for r in archive.records()] == [0]
    archive._database.execute("PRAGMA max_page_count = 1000000")
    with archive.transaction():
        archive.add_record(record(1))
    assert [r.offset for r in archive.records()] == [0, 1]


def test_notes_are_kept_or_lost_with_their_transaction(archive: Archive) -> None:
    """What a server has to know of itself at its next start."""
    assert archive.noted("standby") == ""
    with archive.transaction():
        archive.note("standby", "first")
    with pytest.raises(RuntimeError), archive.transaction():  # noqa: PT012
        archive.note("standby", "second")
        raise RuntimeError
    with Archive(archive.path) as again:
        assert again.noted("standby") == "first"


def test_an_alert_that_was_seen_on_its_topic_need_not_be_sent(archive: Archive) -> None:
    """By whomever it was sent; one that is unknown here is told, and nothing is made up."""
    with archive.transaction():
        for name in ("one", "two"):
            archive.queue(Outgoing("alerts", "alert", name, b"{}", "json", 1))
        archive.queue(Outgoing("echoes", "reply", "", b"{}", "json", 1))
    seen = [("alerts", "one"), ("alerts", "three"), ("other", "two"), ("alerts", "one")]
    assert archive.note_out(seen, now_ns=5) == [("alerts", "three"), ("other", "two")]
    assert [o.message_id for o in archive.waiting()] == ["two", ""]
    archive.drop_replies()
    assert [o.message_id for o in archive.waiting()] == ["two"]


def test_threads_may_share_it(archive: Archive) -> None:
    """One writes transactions while others read whole ones only."""
    seen: set[int] = set()
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            seen.add(len(archive.records()) % 2)

    readers = [threading.Thread(target=look) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(100):
        with archive.transaction():
            archive.add_record(record(2 * number))
            archive.add_record(record(2 * number + 1))
    done.set()
    for reader in readers:
        reader.join(5)
    assert seen == {0}


_WRITER = """
import sys
from pathlib import Path
from snews_drill.rehearsal.archive import Archive, ArchivedRecord
archive = Archive(Path(sys.argv[1]))
number = 0
while True:
    with archive.transaction():
        for part in (0, 1):
            archive.add_record(ArchivedRecord("", "t", part, number, 0, 1, "accepted", "", "", "", "", b"x" * 500))
        archive.set_position("", "t", 0, number + 1)
    number += 1
    if number == 20:
        print("going", flush=True)
"""


def test_kill_minus_9_leaves_whole_transactions(tmp_path: Path) -> None:
    path = tmp_path / "private" / "a.sqlite3"
    writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"going\n"
    time.sleep(0.05)
    writer.kill()
    writer.wait(10)
    writer.stdout.close()
    with Archive(path) as archive:
        records = archive.records()
        (number,) = archive.positions("").values()
    assert number >= 20
    assert [(r.partition, r.offset) for r in records] == [(part, n) for n in range(number) for part in (0, 1)]
