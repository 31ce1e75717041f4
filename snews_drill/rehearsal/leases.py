"""Leases: how a rehearsal knows that somebody still uses it.

Every process that uses the rehearsal holds a lock on a file of its own in the folder `users`. The operating
system gives the lock back when the process ends, however it ends. A lease that others can lock is dead.

A lease is only ever taken, and dead ones are only ever removed, by who holds the start lock.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import secrets
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from snews_drill.errors import RehearsalError

if TYPE_CHECKING:
    from filelock import BaseFileLock

_SUFFIX = ".lease"

#: A supervisor that looks whether a lease is dead holds it for an instant; so long is waited for it, s.
_LOOK_SEC = 1.0


@dataclass(slots=True)
class _Held:
    lock: BaseFileLock
    path: Path
    count: int


class _Leases:
    """The leases of this process, one per folder, counted."""

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self.held: dict[Path, _Held] = {}
        self.inherited: list[_Held] = []
        self.is_prepared = False

    def prepare(self) -> None:
        if self.is_prepared:
            return
        self.is_prepared = True
        atexit.register(self.give_back_all)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Forget the parent's leases after a fork: to unlock them here would unlock them there."""
        self.guard = threading.Lock()
        self.inherited += self.held.values()  # kept alive, for a lock that is collected unlocks
        self.held = {}

    def give_back_all(self) -> None:
        with self.guard:
            for held in self.held.values():
                _drop(held)
            self.held.clear()


_leases = _Leases()


class Lease:
    """One use of the rehearsal by this process; `take_lease` makes it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._owner = os.getpid()
        self._is_held = True

    @property
    def is_held(self) -> bool:
        """Whether this use still counts. In a forked child it never does."""
        return self._is_held and os.getpid() == self._owner

    def release(self) -> None:
        """Give the use back; the process's lease ends with its last use. Harmless when repeated."""
        with _leases.guard:
            if not self.is_held:
                return
            self._is_held = False
            held = _leases.held.get(self._folder)
            if held is None:
                return
            held.count -= 1
            if held.count == 0:
                del _leases.held[self._folder]
                _drop(held)


def take_lease(folder: Path) -> Lease:
    """Count one more use by this process. Call it with the start lock held.

    Parameters
    ----------
    folder
        The private folder of the leases; it exists.

    Raises
    ------
    RehearsalError
        If the lease cannot be written or locked.
    """
    from filelock import FileLock, Timeout

    with _leases.guard:
        _leases.prepare()
        held = _leases.held.get(folder)
        if held is None or not held.path.exists():
            path = folder / f"{os.getpid()}-{secrets.token_hex(4)}{_SUFFIX}"
            lock = FileLock(path, mode=0o600, thread_local=False)
            try:
                lock.acquire(timeout=_LOOK_SEC)
            except (OSError, Timeout) as error:
                raise RehearsalError(
                    f"No lease can be taken in {folder}: {error}.",
                    next_step="Make that folder writable, or set SNEWS_DRILL_HOME to a folder that is.",
                ) from error
            held = _leases.held[folder] = _Held(lock, path, held.count if held else 0)
        held.count += 1
        return Lease(folder)


def is_in_use(folder: Path) -> bool:
    """Tell whether any process holds a lease in that folder."""
    return any(not _is_dead(path) for path in folder.glob(f"*{_SUFFIX}"))


def remove_dead_leases(folder: Path) -> None:
    """Remove what killed processes left. Call it with the start lock held."""
    for path in folder.glob(f"*{_SUFFIX}"):
        if _is_dead(path):
            with contextlib.suppress(OSError):
                path.unlink()


def _is_dead(path: Path) -> bool:
    from filelock import FileLock, Timeout

    if path.is_symlink() or not path.is_file():
        return True  # nothing that we made; never opened
    lock = FileLock(path, mode=0o600, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except (OSError, Timeout):
        return False
    lock.release()
    return True


def _drop(held: _Held) -> None:
    with contextlib.suppress(OSError):
        held.path.unlink()
    with contextlib.suppress(OSError):
        held.lock.release()
