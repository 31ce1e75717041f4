"""The outbox's folder: private, bounded, one file per message, each written in one step.

    state_dir/outbox/ID-TIME-ATTEMPT.entry   one attempt to send one message (0600)
    state_dir/outbox/damaged/                what could not be read, kept aside
    state_dir/outbox/outbox.lock             held while somebody sends or drops

Each attempt has a file of its own, so that programs which send at the same time need no lock: who gets an
acknowledgement removes the attempts up to its own, and none that was begun later.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from snews_drill.errors import DrillError, OutboxError, SettingsError
from snews_drill.outbox.entry import OutboxEntry
from snews_drill.settings import make_private_dir, read_private_file

#: The most files, and bytes, that wait. A message has at most 1 MiB; this is far more than a drill has messages.
MAX_ENTRIES = 1_000
MAX_BYTES = 64 << 20

#: A record of the largest size a broker takes, in base64, and what stands around it, bytes.
_MAX_ENTRY_BYTES = 2 << 20

#: What is left of a write that was interrupted is removed after this time, s.
_LEFTOVER_SEC = 600.0

_NAME = re.compile(r"(?P<id>[0-9a-f]{16})-(?P<tried>\d{19})-[0-9a-f]{8}\.entry", re.ASCII)


class OutboxFolder:
    """Files of kept messages.

    Parameters
    ----------
    state_dir
        The user's state folder.
    """

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / "outbox"
        self.damaged = self.path / "damaged"
        self._state_dir = state_dir

    def write(self, entry: OutboxEntry, *, is_durable: bool) -> Path:
        """Write an attempt as a new file and return its path.

        Parameters
        ----------
        entry
            What to keep.
        is_durable
            Whether to wait until it is on the disk, and outlives a power cut. Without, it outlives its program.

        Raises
        ------
        OutboxError
            If the outbox is full, the disk is, or the folder cannot be written.
        SettingsError
            If the folder is not this user's own.
        """
        self._prepare()
        self._refuse_when_full()
        path = self.path / f"{entry.id}-{entry.tried_ns:019d}-{secrets.token_hex(4)}.entry"
        self._write_in_one_step(path, entry, is_durable=is_durable)
        return path

    def settle(self, path: Path, entry: OutboxEntry) -> None:
        """Write an attempt that failed anew into its file, durable; it stands for the earlier ones as well.

        Raises
        ------
        OutboxError
            If it cannot be written; the old content is then untouched.
        """
        earlier = self._up_to(path) - {path}
        for other in sorted(earlier):
            with contextlib.suppress(DrillError):
                raw = read_private_file(other, max_bytes=_MAX_ENTRY_BYTES)
                if raw is not None:
                    entry = entry.after(OutboxEntry.from_bytes(raw))
        self._write_in_one_step(path, entry, is_durable=True)
        _remove(earlier)

    def remove_up_to(self, path: Path) -> None:
        """Remove an attempt, and those to send the same message that were begun before it."""
        _remove(self._up_to(path))

    def read_all(self) -> list[tuple[Path, OutboxEntry]]:
        """Return the newest attempt for each message, oldest message first; what cannot be read is kept aside."""
        newest: dict[str, tuple[Path, OutboxEntry]] = {}
        for path in sorted(self._paths(), key=lambda path: path.name):  # by id, then time
            try:
                raw = read_private_file(path, max_bytes=_MAX_ENTRY_BYTES)
                if raw is None:
                    continue  # acknowledged in this moment
                entry = OutboxEntry.from_bytes(raw)
                match = _NAME.fullmatch(path.name)
                if match is None or match["id"] != entry.id:
                    self._set_aside(path)
                    continue
            except DrillError:
                self._set_aside(path)
                continue
            before = newest.get(entry.id)
            newest[entry.id] = path, entry if before is None else entry.after(before[1])
        return sorted(newest.values(), key=lambda kept: (kept[1].kept_ns, kept[1].id))

    def damaged_files(self) -> list[Path]:
        """Return what was kept aside."""
        try:
            return sorted(self.damaged.iterdir())
        except OSError:
            return []

    def drop_leftovers(self) -> None:
        """Remove what interrupted writes left; call it with the lock held."""
        for path in self.path.glob(".*.part"):
            with contextlib.suppress(OSError):
                if time.time() - path.lstat().st_mtime > _LEFTOVER_SEC:
                    path.unlink()

    @contextlib.contextmanager
    def held(self, *, timeout: float = 5.0) -> Iterator[None]:
        """Hold the lock of those who send and drop.

        Raises
        ------
        OutboxError
            If another program holds it for `timeout` seconds, or it cannot be made.
        SettingsError
            If the folder is not this user's own.
        """
        self._prepare()
        path = self.path / "outbox.lock"
        if path.is_symlink():
            raise SettingsError(f"{path} is a link.", next_step="Remove it; it is made again when needed.")
        lock = FileLock(path, mode=0o600, thread_local=False)
        try:
            lock.acquire(timeout=timeout)
        except Timeout as error:
            raise OutboxError(
                f"Another program was sending from the outbox for {timeout:g} s.",
                next_step="Try again when it is done; snews-drill outbox list shows what waits.",
            ) from error
        except OSError as error:
            raise _unwritable(self.path, error) from error
        try:
            yield
        finally:
            lock.release()

    def _prepare(self) -> None:
        if not self._state_dir.is_dir():
            make_private_dir(self._state_dir)
        make_private_dir(self.path)

    def _refuse_when_full(self) -> None:
        sizes = []
        try:
            with os.scandir(self.path) as found:
                for item in found:
                    with contextlib.suppress(FileNotFoundError):
                        sizes.append(item.stat(follow_symlinks=False).st_size)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        if len(sizes) >= MAX_ENTRIES or sum(sizes) >= MAX_BYTES:
            raise OutboxError(
                f"The outbox is full: {len(sizes):,} files, {sum(sizes) / 2**20:.0f} MiB.",
                next_step="Send what waits with snews-drill outbox send, or drop it.",
            )

    def _write_in_one_step(self, path: Path, entry: OutboxEntry, *, is_durable: bool) -> None:
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        flags = (
            os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        )
        try:
            handle = os.open(part, flags, 0o600)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(entry.to_bytes())
                    file.flush()
                    if is_durable:
                        os.fsync(file.fileno())
                part.replace(path)
            except BaseException:
                with contextlib.suppress(OSError):
                    part.unlink()
                raise
            if is_durable:
                _sync_folder(self.path)
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def _paths(self) -> list[Path]:
        try:
            info = self.path.lstat()
            if stat.S_ISLNK(info.st_mode) or (hasattr(os, "getuid") and info.st_uid != os.getuid()):
                raise OutboxError(
                    f"The outbox {self.path} is a link or belongs to somebody else.",
                    next_step="Remove it, or set SNEWS_DRILL_HOME to a folder of your own.",
                )
            return [path for path in self.path.iterdir() if path.suffix == ".entry"]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise OutboxError(
                f"The outbox {self.path} cannot be read: {error.strerror}.",
                next_step="Make it yours and readable, or remove it.",
            ) from error

    def _up_to(self, path: Path) -> set[Path]:
        """Return the attempts for the message of this one that were begun before it, and itself."""
        mine = _NAME.fullmatch(path.name)
        found = ((other, _NAME.fullmatch(other.name)) for other in self._paths())
        return {
            other
            for other, its in found
            if mine and its and its["id"] == mine["id"] and its["tried"] <= mine["tried"]
        }

    def _set_aside(self, path: Path) -> None:
        with contextlib.suppress(OSError, SettingsError):
            path.replace(make_private_dir(self.damaged) / path.name)


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()


def _sync_folder(path: Path) -> None:
    """Wait until a new name is on the disk; where folders cannot be opened (Windows) the system does it itself."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    except PermissionError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unwritable(path: Path, error: OSError) -> OutboxError:
    is_full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    what = "the disk is full" if is_full else error.strerror or str(error)
    return OutboxError(
        f"The outbox {path} cannot be written: {what}.",
        next_step="Make room there."
        if is_full
        else "Make it writable, or set SNEWS_DRILL_HOME to another folder.",
    )
