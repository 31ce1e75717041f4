"""Reading an archive: beside the server that writes, on copies, and never believing what a file says of itself."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from snews_drill.errors import ArchiveError
from snews_drill.rehearsal.archive import Archive, ArchivedRecord, HeldObservation, Outgoing
from snews_drill.rehearsal.archive_reader import ArchiveReader, Period

NOW_NS = 1_900_000_000_000_000_000


def record(offset: int, outcome: str = "accepted", kind: str = "CoincidenceTier") -> ArchivedRecord:
    return ArchivedRecord(
        "life",
        "topic",
        0,
        offset,
        1000 + offset,
        NOW_NS + offset,
        outcome,
        kind,
        "LVD",
        f"k{offset}",
        "",
        b"v",
    )


def fill(archive: Archive, first: int = 0, count: int = 3) -> None:
    with archive.transaction():
        for offset in range(first, first + count):
            archive.add_record(record(offset))
            archive.add_heartbeat(
                "LVD", f"k{offset}", is_on=True, sent_time_ns=NOW_NS, received_ns=NOW_NS + offset
            )
            archive.add_observation(
                HeldObservation("topic", False, f"k{offset}", "LVD", NOW_NS, 0.5, NOW_NS, NOW_NS + offset)
            )
            archive.queue(Outgoing("alerts", "alert", f"a{offset}", b"{}", "json", NOW_NS + offset))


def test_it_reads_while_a_server_writes_and_sees_one_moment(archive: Archive) -> None:
    """What is written after the look began is not in it, in none of the tables."""
    fill(archive)
    with ArchiveReader(archive.path) as reader:
        fill(archive, first=3)
        everything = Period()
        assert len(reader.records(everything, "1")) == 3
        assert len(reader.beats(everything)) == 3
        assert len(reader.observations(everything)) == 3
        assert [alert.made_ns - NOW_NS for alert in reader.alerts(everything)] == [0, 1, 2]
        assert reader.record_counts(everything) == {("accepted", "CoincidenceTier", "LVD"): 3}
    with ArchiveReader(archive.path) as reader:
        assert len(reader.beats(Period())) == 6


def test_a_period_has_both_ends(archive: Archive) -> None:
    fill(archive, count=5)
    with ArchiveReader(archive.path) as reader:
        period = Period(NOW_NS + 1, NOW_NS + 3)
        assert [r.offset for r in reader.records(period, "1")] == [1, 2, 3]
        assert [r.offset for r in reader.records(period, "detector = ?", "LVD", limit=2)] == [2, 3]
        assert (
            len(reader.beats(period)) == len(reader.observations(period)) == len(reader.alerts(period)) == 3
        )


def test_a_withdrawn_observation_is_told(archive: Archive) -> None:
    fill(archive, count=1)
    with archive.transaction():
        archive.clear_observations("topic")
    with ArchiveReader(archive.path) as reader:
        assert [found.is_held for found in reader.observations(Period())] == [False]


@pytest.mark.parametrize("mode", [0o700, 0o500])
def test_a_copy_from_elsewhere_is_read_with_its_log(archive: Archive, tmp_path: Path, mode: int) -> None:
    """A copy of the file and of its log, taken while the server ran, in a folder that may be closed to writing."""
    fill(archive)
    folder = tmp_path / "copy"
    folder.mkdir()
    for suffix in ("", "-wal"):
        shutil.copyfile(f"{archive.path}{suffix}", folder / f"drill.sqlite3{suffix}")
    before = (folder / "drill.sqlite3").read_bytes()
    folder.chmod(mode)
    try:
        with ArchiveReader(folder / "drill.sqlite3") as reader:
            assert len(reader.beats(Period())) == 3
        assert (folder / "drill.sqlite3").read_bytes() == before
    finally:
        folder.chmod(0o700)


def test_a_link_that_cannot_be_opened_beside_is_read_from_a_copy(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where SQLite may not make its files beside the archive, a private copy is read and removed again."""
    fill(archive)
    look, folders = ArchiveReader._look, []

    def refusing(self: ArchiveReader, path: Path) -> sqlite3.Connection:
        if path == archive.path:
            # What SQLite says in a folder that cannot be written; root, who runs many tests, may write everywhere.
            error = sqlite3.OperationalError("unable to open database file")
            error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
            raise error
        folders.append(path.parent)
        return look(self, path)

    monkeypatch.setattr(ArchiveReader, "_look", refusing)
    with ArchiveReader(archive.path) as reader:
        assert len(reader.beats(Period())) == 3
        assert folders[0].stat().st_mode & 0o077 == 0
    assert not folders[0].exists()


def test_what_is_no_archive_is_refused_with_a_next_step(tmp_path: Path) -> None:
    text, empty, other = tmp_path / "a.txt", tmp_path / "b.sqlite3", tmp_path / "c.sqlite3"
    text.write_text("no database at all, but long enough to be looked at as one" * 10)
    empty.write_bytes(b"")
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE about (key TEXT, value TEXT)")
    database.close()
    for path in (text, empty, other, tmp_path / "missing", tmp_path):
        with pytest.raises(ArchiveError) as caught:
            ArchiveReader(path)
        assert caught.value.next_step


@pytest.mark.parametrize(("version", "said"), [("2", "newer version"), ("x", "which version")])
def test_other_versions_are_refused(archive: Archive, version: str, said: str) -> None:
    archive._database.execute("UPDATE about SET value = ?", (version,))
    with pytest.raises(ArchiveError, match=said):
        ArchiveReader(archive.path)


def test_a_file_with_other_content_than_a_server_writes_is_refused(archive: Archive) -> None:
    """SQLite keeps any type in any column; a text where a number belongs must not go further."""
    fill(archive)
    archive._database.execute("UPDATE heartbeats SET sent_time_ns = 'yesterday'")
    with (
        ArchiveReader(archive.path) as reader,
        pytest.raises(ArchiveError, match="where a server writes none"),
    ):
        reader.beats(Period())


def test_a_damaged_file_is_told(archive: Archive, tmp_path: Path) -> None:
    fill(archive, count=200)
    archive.close()
    content = bytearray(archive.path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    damaged = tmp_path / "damaged.sqlite3"
    damaged.write_bytes(content)
    with pytest.raises(ArchiveError), ArchiveReader(damaged) as reader:  # noqa: PT012 - wherever SQLite notices
        reader.beats(Period())
        reader.records(Period(), "1")


def test_a_closed_reader_says_so(archive: Archive) -> None:
    reader = ArchiveReader(archive.path)
    reader.close()
    reader.close()
    with pytest.raises(ArchiveError, match="closed"):
        reader.beats(Period())
