"""Where archives lie: the newest first, rehearsals and servers told apart, and words where there is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from snews_drill.errors import ArchiveError
from snews_drill.rehearsal.archive_places import list_archives, newest_archive, server_archive
from snews_drill.settings import DrillSettings


@pytest.fixture
def own_settings(tmp_path: Path) -> DrillSettings:
    return DrillSettings(config_dir=tmp_path / "c", state_dir=tmp_path / "s", runtime_dir=tmp_path / "r")


def make(settings: DrillSettings, place: str, changed_sec: int) -> Path:
    path = settings.state_dir / place / "archive.sqlite3"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"12345")
    os.utime(path, (changed_sec, changed_sec))
    return path


def test_the_one_written_to_last_comes_first(own_settings: DrillSettings) -> None:
    old = make(own_settings, "rehearsals/20260101T000000Z-00000000", 1000)
    new = make(own_settings, "rehearsals/20250101T000000Z-00000000", 2000)
    server = make(own_settings, "servers/broker_9092", 1500)
    assert [place.path for place in list_archives(own_settings)] == [new, server, old]
    assert newest_archive(own_settings) == new
    assert newest_archive(own_settings, kind="server") == server
    # What a running server wrote stands in the log beside the archive.
    log = old.with_name("archive.sqlite3-wal")
    log.write_bytes(b"123")
    os.utime(log, (3000, 3000))
    found = list_archives(own_settings)[0]
    assert (found.path, found.kind, found.size_bytes, found.changed_ns) == (old, "rehearsal", 8, 3000 * 10**9)


def test_links_are_not_followed(own_settings: DrillSettings) -> None:
    real = make(own_settings, "elsewhere", 1000)
    folder = own_settings.state_dir / "rehearsals" / "20260101T000000Z-00000000"
    folder.mkdir(parents=True)
    (folder / "archive.sqlite3").symlink_to(real)
    assert list_archives(own_settings) == []


def test_without_any_archive_the_next_step_is_told(own_settings: DrillSettings) -> None:
    with pytest.raises(ArchiveError, match="no archive of a rehearsal") as caught:
        newest_archive(own_settings, kind="rehearsal")
    assert "ask them" in caught.value.next_step


def test_a_servers_archive_is_named_for_broker_and_topics(own_settings: DrillSettings) -> None:
    path = server_archive(own_settings, "10.0.0.1:9092", "kafka://10.0.0.1:9092?topics_prefix=mine.")
    assert path == own_settings.state_dir / "servers" / "10.0.0.1_9092-mine." / "archive.sqlite3"
    assert server_archive(own_settings, "h:1", "kafka://h:1").parent.name == "h_1"
