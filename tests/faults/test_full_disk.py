"""The disk of the drill server's archive is full: it says so, loses nothing, and goes on by itself when there is room."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from broker_stand import EmbeddedStand

from faults.crew import Crew, crew_on
from faults.storm import MESSAGES, Tally, make_faults, make_messages
from faults.test_storm import judge
from faults.unbroken import Stopwatch, unbroken

pytestmark = pytest.mark.faults

#: Of the disk, bytes: enough for a storm's archive.
_SIZE = 24_000_000


class SmallDisk:
    """A file system of its own that can be filled and emptied."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        """Leave not a byte."""
        with self._filler.open("ab", buffering=0) as filler:
            for size in (1 << 20, 4096, 1):
                with contextlib.suppress(OSError):
                    while filler.write(b"\0" * size) == size:
                        pass

    def empty(self) -> None:
        self._filler.unlink()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A tmpfs; only root can have it. The other test needs no rights."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE},mode=0700", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False) if os.geteuid() == 0 else None
    if done is None or done.returncode != 0:
        reason = f"a small disk cannot be mounted: {done.stderr.strip() if done else 'that takes root'}"
        if done is not None and os.environ.get("CI", "").lower() == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    yield SmallDisk(folder)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.timeout(180)
def test_full_disk(
    disk_seed: int,
    embedded: EmbeddedStand,
    small_disk: SmallDisk,
    tmp_path: Path,
    tally: Callable[..., Tally],
) -> None:
    """(f) full twice; the second time the server is killed too, and comes back to a full disk."""
    messages = make_messages(disk_seed, time.time_ns() - 20 * 10**9)
    expected = unbroken(embedded, tmp_path / "calm", f"calm-disk{disk_seed}.", messages)
    line, watch = tally("full disk", disk_seed), Stopwatch()
    line.messages = len(messages)
    archive_dir = small_disk.folder / "archive"
    with crew_on(embedded, tmp_path / "storm", f"storm-disk{disk_seed}.", archive_dir=archive_dir) as crew:
        crew.begin(messages)
        for number, fault in enumerate(make_faults(disk_seed, ("disk full", "disk full"))):
            crew.wait(lambda at=fault.at: crew.acknowledged >= at, "messages")
            time.sleep(fault.delay)
            small_disk.fill()
            line.faults[fault.kind] += 1
            await_full(crew)
            said = len(crew.server.statuses())
            if number == 1:
                crew.server.kill_and_start()
                line.faults["server killed"] += 1
            later = min(fault.at + 50, MESSAGES)
            crew.wait(lambda at=later: crew.acknowledged >= at, "messages meanwhile")
            # While the disk is full it never says that all is well.
            assert {status["state"] for status in crew.server.statuses()[said:]} <= {"waiting"}
            small_disk.empty()
            crew.wait(lambda: crew.server.status().get("state") == "listening", "the server to go on")
        judge(crew, expected, line)
        line.seconds = watch.seconds
        assert line.copies < 2100  # what was sent and could not be noted is not sent again and again


@pytest.mark.timeout(180)
def test_files_that_may_not_grow(
    limit_seed: int, embedded: EmbeddedStand, tmp_path: Path, tally: Callable[..., Tally]
) -> None:
    """(f) the same where nobody is root: the system lets no file of the server grow."""
    messages = make_messages(limit_seed + 1000, time.time_ns() - 20 * 10**9)
    expected = unbroken(embedded, tmp_path / "calm", f"calm-limit{limit_seed}.", messages)
    line, watch = tally("file limit", limit_seed), Stopwatch()
    line.messages = len(messages)
    with crew_on(embedded, tmp_path / "storm", f"storm-limit{limit_seed}.") as crew:
        crew.begin(messages)
        (fault,) = make_faults(limit_seed + 1000, ("disk full",))
        crew.wait(lambda: crew.acknowledged >= fault.at, "messages")
        time.sleep(fault.delay)
        process = psutil.Process(crew.server.pid)
        process.rlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        line.faults["files may not grow"] += 1
        time.sleep(1)
        process.rlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        judge(crew, expected, line)
        line.seconds = watch.seconds


def await_full(crew: Crew) -> None:
    """Wait until the server says that the disk is full, and see that it stays with it."""
    crew.wait(lambda: crew.server.status().get("state") == "waiting", "the server to wait")
    assert "full" in crew.server.status()["problem"], crew.server.status()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Two of eight, and one of eight."""
    first = metafunc.config.getoption("--fault-first-seed")
    count = metafunc.config.getoption("--fault-seeds")
    for name, share in (("disk_seed", 4), ("limit_seed", 8)):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, range(first, first + max(count // share, 1)))
