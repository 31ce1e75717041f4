"""The folder: private, bounded, each write in one step, whatever else lies there."""

from __future__ import annotations

import os
import resource
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from messages_to_send import observation
from outbox.test_entry import make_entry

import snews_drill.outbox.folder as folder_module
from snews_drill.errors import OutboxError, SettingsError
from snews_drill.outbox.folder import OutboxFolder


@pytest.fixture
def folder(tmp_path: Path) -> OutboxFolder:
    """An empty one."""
    return OutboxFolder(tmp_path / "state")


def test_reading_makes_nothing(folder: OutboxFolder) -> None:
    """A user without undelivered messages has no folder."""
    assert folder.read_all() == []
    assert folder.damaged_files() == []
    assert not folder.path.parent.exists()


def test_files_are_private_and_written_in_one_step(folder: OutboxFolder) -> None:
    """0600 in 0700, nothing half-written beside them."""
    entry = make_entry()
    path = folder.write(entry, is_durable=True)
    folder.settle(path, entry)
    assert list(folder.path.iterdir()) == [path]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert [kept for _, kept in folder.read_all()] == [entry]


def test_durable_means_on_the_disk(folder: OutboxFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file and its name in the folder; not before sending, where the system's memory is enough."""
    synced: list[int] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        synced.append(stat.S_IFMT(os.fstat(handle).st_mode))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    path = folder.write(make_entry(), is_durable=False)
    assert synced == []
    folder.settle(path, make_entry())
    assert synced == [stat.S_IFREG, stat.S_IFDIR]


def test_messages_come_in_the_order_of_their_first_attempt(folder: OutboxFolder) -> None:
    """And several attempts are one message."""
    now_ns = time.time_ns()
    late = make_entry(kept_ns=now_ns, tried_ns=now_ns)
    early = make_entry(observation("JUNO"), kept_ns=now_ns - 10, tried_ns=now_ns)
    folder.write(late, is_durable=False)
    folder.write(early, is_durable=False)
    folder.write(early.model_copy(update={"kept_ns": now_ns + 5, "tried_ns": now_ns + 5}), is_durable=False)
    found = [entry for _, entry in folder.read_all()]
    assert [entry.id for entry in found] == [early.id, late.id]
    assert (found[0].kept_ns, found[0].tried_ns, found[0].attempts) == (now_ns - 10, now_ns + 5, 2)


def test_an_acknowledgement_removes_no_later_attempt(folder: OutboxFolder) -> None:
    """Who began later is responsible for its own."""
    now_ns = time.time_ns()
    entry, later = make_entry(tried_ns=now_ns), now_ns + 1000
    path = folder.write(entry, is_durable=False)
    kept = folder.write(entry.model_copy(update={"tried_ns": later}), is_durable=False)
    other = folder.write(make_entry(observation("JUNO")), is_durable=False)
    folder.remove_up_to(path)
    assert {found for found, _ in folder.read_all()} == {kept, other}


def test_damaged_files_are_kept_aside_and_hinder_nothing(folder: OutboxFolder, tmp_path: Path) -> None:
    """Garbage, cut off, open to others, a link, a folder, a pipe, another's name: the good entry is read."""
    good = folder.write(make_entry(), is_durable=False)
    name = good.name[16:]
    outside = tmp_path / "outside"
    outside.write_text("precious")
    (folder.path / f"{'1' * 16}{name}").write_bytes(b"garbage")
    (folder.path / f"{'2' * 16}{name}").write_bytes(good.read_bytes()[:100])
    for path in folder.path.iterdir():
        path.chmod(0o600)
    (folder.path / f"{'3' * 16}{name}").write_bytes(good.read_bytes())
    (folder.path / f"{'3' * 16}{name}").chmod(0o644)
    (folder.path / f"{'4' * 16}{name}").symlink_to(outside)
    (folder.path / f"{'5' * 16}{name}").mkdir()
    os.mkfifo(folder.path / f"{'6' * 16}{name}")
    (folder.path / f"{'7' * 16}{name}").write_bytes(good.read_bytes())
    (folder.path / f"{'7' * 16}{name}").chmod(0o600)
    (folder.path / "odd.entry").write_bytes(b"x" * 3_000_000)
    (folder.path / "odd.entry").chmod(0o600)
    assert [path for path, _ in folder.read_all()] == [good]
    assert len(folder.damaged_files()) == 8
    assert outside.read_text() == "precious"
    assert [path for path, _ in folder.read_all()] == [good]


def test_it_is_bounded(folder: OutboxFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """In files and in bytes; what is there stays, and the reader is told."""
    monkeypatch.setattr(folder_module, "MAX_ENTRIES", 2)
    folder.write(make_entry(), is_durable=False)
    folder.write(make_entry(observation("JUNO")), is_durable=False)
    with pytest.raises(OutboxError, match="full: 2 files"):
        folder.write(make_entry(observation("LVD")), is_durable=False)
    monkeypatch.setattr(folder_module, "MAX_ENTRIES", 1000)
    monkeypatch.setattr(folder_module, "MAX_BYTES", 100)
    with pytest.raises(OutboxError, match="outbox send"):
        folder.write(make_entry(observation("LVD")), is_durable=False)
    assert len(folder.read_all()) == 2


def test_a_full_disk_leaves_the_old_content(folder: OutboxFolder) -> None:
    """Nothing half-written stays either."""
    entry = make_entry()
    path = folder.write(entry, is_durable=False)
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(OutboxError, match="the disk is full"):
            folder.settle(path, entry.model_copy(update={"failure": "another"}))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    assert list(folder.path.iterdir()) == [path]


def test_what_an_interrupted_write_left_goes_after_a_while(folder: OutboxFolder) -> None:
    """But not what somebody is writing now."""
    folder.write(make_entry(), is_durable=False)
    old, new = folder.path / ".a.part", folder.path / ".b.part"
    old.touch()
    new.touch()
    os.utime(old, (1, 1))
    folder.drop_leftovers()
    assert not old.exists()
    assert new.exists()


@pytest.mark.parametrize("name", ["outbox", "outbox/outbox.lock"])
def test_links_are_refused(folder: OutboxFolder, tmp_path: Path, name: str) -> None:
    """At the folder's place and at the lock's."""
    target = tmp_path / "target"
    (folder.path if "/" in name else folder.path.parent).mkdir(parents=True, mode=0o700)
    (folder.path.parent / name).symlink_to(target)
    with pytest.raises(SettingsError, match="link"), folder.held():
        pass
    assert not target.exists()


_WRITER = """
import sys
from pathlib import Path
from snews_drill.outbox.entry import OutboxEntry
from snews_drill.outbox.folder import OutboxFolder
folder = OutboxFolder(Path(sys.argv[1]))
entry = OutboxEntry.from_bytes(Path(sys.argv[2]).read_bytes())
print("ready", flush=True)
while True:
    folder.settle(folder.write(entry, is_durable=False), entry)
"""


@pytest.mark.parametrize("milliseconds", [1, 3, 8, 20, 50])
def test_killed_in_the_middle_of_writing(folder: OutboxFolder, tmp_path: Path, milliseconds: int) -> None:
    """kill -9 at any moment leaves whole entries, and nothing that is damaged."""
    entry = make_entry()
    sample = tmp_path / "sample"
    sample.write_bytes(entry.to_bytes())
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(folder.path.parent), str(sample)], stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(milliseconds / 1000)  # not a wait: the moment of the kill is what is varied
        writer.kill()
        writer.wait(5)
    assert {found.id for _, found in folder.read_all()} <= {entry.id}
    assert folder.damaged_files() == []
    folder.write(make_entry(observation("JUNO")), is_durable=True)
    assert "JUNO" in {found.detector_name for _, found in folder.read_all()}
