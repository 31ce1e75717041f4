"""Leases: held as long as the process lives and uses, dead at the moment it does not."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest
from waiting import wait_for

from snews_drill.errors import RehearsalError
from snews_drill.rehearsal.leases import is_in_use, remove_dead_leases, take_lease

HOLDER = """
import sys
from pathlib import Path
from snews_drill.rehearsal.leases import take_lease
lease = take_lease(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def holder(folder) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    return process


def test_a_process_has_one_lease_that_ends_with_its_last_use(tmp_path):
    first, second = take_lease(tmp_path), take_lease(tmp_path)
    (file,) = tmp_path.glob("*.lease")
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    first.release()
    first.release()
    assert second.is_held
    assert is_in_use(tmp_path)
    second.release()
    assert not is_in_use(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_lease_ends_with_its_process_in_order(tmp_path):
    with holder(tmp_path) as process:
        assert is_in_use(tmp_path)
        process.stdin.close()
        process.wait(10)
    assert not list(tmp_path.iterdir())


def test_a_lease_ends_with_its_process_by_kill_9(tmp_path):
    with holder(tmp_path) as process:
        assert is_in_use(tmp_path)
        process.kill()
        process.wait(10)
    assert not is_in_use(tmp_path)
    remove_dead_leases(tmp_path)
    assert not list(tmp_path.iterdir())


def test_removing_dead_leases_spares_the_living(tmp_path):
    lease = take_lease(tmp_path)
    with holder(tmp_path) as process:
        remove_dead_leases(tmp_path)
        assert len(list(tmp_path.iterdir())) == 2
        process.kill()
    remove_dead_leases(tmp_path)
    assert is_in_use(tmp_path)
    lease.release()


FORKER = """
import os, sys
from pathlib import Path
from snews_drill.rehearsal.leases import is_in_use, take_lease
folder = Path(sys.argv[1])
lease = take_lease(folder)
read, write = os.pipe()
child = os.fork()
if child == 0:
    assert not lease.is_held
    lease.release()                      # not the child's to give back
    own = take_lease(folder)             # the child's own
    assert len(list(folder.glob("*.lease"))) == 2
    own.release()
    sys.exit(0)                          # runs what is registered for the exit
assert os.waitpid(child, 0)[1] == 0
assert is_in_use(folder), "the child gave the parent's lease back"
child = os.fork()
if child == 0:
    os.read(read, 1)                     # lives on when the parent is gone
    os._exit(0)
print(child, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_neither_ends_nor_prolongs_its_parents_lease(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", FORKER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        child = int(process.stdout.readline())
        assert is_in_use(tmp_path)
        process.kill()
        process.wait(10)
        try:
            wait_for(lambda: not is_in_use(tmp_path), "the end of the lease, although the child lives")
        finally:
            os.kill(child, 9)


def test_what_is_no_file_of_ours_counts_for_nothing(tmp_path):
    folder = tmp_path / "users"
    folder.mkdir()
    (folder / "directory.lease").mkdir()
    (folder / "note.txt").touch()
    if os.name == "posix":
        (folder / "link.lease").symlink_to(tmp_path / "nowhere")
        os.mkfifo(folder / "pipe.lease")
    assert not is_in_use(folder)
    remove_dead_leases(folder)
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_that_is_not_there_is_a_clear_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RehearsalError, match="No lease can be taken"):
        take_lease(tmp_path / "file" / "users")
