"""The private file that says where this user's rehearsal is, and the folders around it.

    runtime_dir/rehearsal.json      the state: broker, processes, admin token (0600)
    runtime_dir/start.lock          held while a rehearsal is looked for, started or given up
    runtime_dir/supervisor.lock     held by the supervisor as long as the rehearsal lives
    runtime_dir/users/              one lease per process that uses it
    state_dir/rehearsals/ID/        archive and logs of one rehearsal, kept for a week

What the file says is checked word by word. A file that is no private file of this user's, or does not say
exactly what it should, is never believed.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import shutil
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snews_drill.errors import RehearsalError
from snews_drill.rehearsal.processes import ProcessMark

if TYPE_CHECKING:
    from filelock import BaseFileLock

#: Folders of rehearsals that started longer ago than this are dropped when a new one starts.
KEEP_FOLDERS = timedelta(days=7)

#: The word in a supervisor's command line by which it is recognised.
SUPERVISOR_MODULE = "snews_drill.rehearsal.supervisor"

_VERSION = 1
_ID_FORMAT = "%Y%m%dT%H%M%SZ"
_ID = re.compile(r"(\d{8}T\d{6}Z)-[0-9a-f]{8}", re.ASCII)
_ADDRESS = re.compile(r"127\.0\.0\.1:([1-9]\d{0,4})", re.ASCII)


@dataclass(frozen=True, slots=True)
class RehearsalState:
    """What is known of a running rehearsal.

    Attributes
    ----------
    rehearsal_id
        Its name: the UTC time of its start and eight random hexadecimal digits.
    broker
        The broker's address, "127.0.0.1:port".
    instance
        Changes each time the broker was started anew, and with it empty.
    started_utc
        When the rehearsal started, ISO 8601 in UTC.
    archive_dir
        The private folder of the server's archive and of the logs.
    admin_token
        Gives the local user rights on the drill server. Never in a repr.
    supervisor, broker_process, server_process
        The processes; no server process if there is none now.
    problem
        Why there is no server although there should be one, or "".
    """

    rehearsal_id: str
    broker: str
    instance: str
    started_utc: str
    archive_dir: Path
    admin_token: str = field(repr=False)
    supervisor: ProcessMark
    broker_process: ProcessMark
    server_process: ProcessMark | None = None
    problem: str = ""

    @property
    def port(self) -> int:
        """The broker's port on this machine."""
        return int(self.broker.rpartition(":")[2])

    def to_json(self) -> bytes:
        """Return the file's content, UTF-8."""
        document = {"version": _VERSION, **asdict(self), "archive_dir": str(self.archive_dir)}
        return json.dumps(document, indent=1).encode()

    @classmethod
    def from_json(cls, content: bytes) -> RehearsalState:
        """Read a file's content.

        Raises
        ------
        RehearsalError
            If it does not say exactly what it should; the text never shows the content.
        """
        try:
            return _parse(json.loads(content.decode("utf-8")))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            # The cause may quote the content, and with it the token: it is left out.
            raise RehearsalError(
                f"The state file of the rehearsal is damaged ({type(error).__name__}).",
                next_step="Remove it, or start a rehearsal again: it is then replaced.",
            ) from None


@dataclass(frozen=True, slots=True)
class RehearsalFolders:
    """Where the parts of a user's rehearsal lie.

    Attributes
    ----------
    runtime_dir, state_dir
        The folders of the user's settings.
    """

    runtime_dir: Path
    state_dir: Path

    @property
    def state_file(self) -> Path:
        """The private state file."""
        return self.runtime_dir / "rehearsal.json"

    @property
    def users(self) -> Path:
        """The folder of the leases."""
        return self.runtime_dir / "users"

    @property
    def archives(self) -> Path:
        """The folder of the rehearsals' own folders."""
        return self.state_dir / "rehearsals"

    def start_lock(self) -> BaseFileLock:
        """Return the lock of those who look for a rehearsal, start one or give one up; not yet acquired."""
        return self._lock("start.lock")

    def supervisor_lock(self) -> BaseFileLock:
        """Return the lock that a supervisor holds; not yet acquired."""
        return self._lock("supervisor.lock")

    def prepare(self) -> None:
        """Make the folders, private.

        Raises
        ------
        SettingsError
            If one of them cannot be made or is not this user's own.
        """
        from snews_drill.settings import make_private_dir

        for folder in (self.runtime_dir, self.users, self.state_dir, self.archives):
            make_private_dir(folder)

    def _lock(self, name: str) -> BaseFileLock:
        from filelock import FileLock

        return FileLock(self.runtime_dir / name, mode=0o600, thread_local=False, poll_interval=0.005)


def read_state(path: Path) -> RehearsalState | None:
    """Return what the state file says, or None if there is none.

    Raises
    ------
    SettingsError
        If it is a link, somebody else's, readable by others, or too large.
    RehearsalError
        If it does not say what it should.
    """
    from snews_drill.settings import read_private_file

    content = read_private_file(path)
    return None if content is None else RehearsalState.from_json(content)


def write_state(path: Path, state: RehearsalState) -> None:
    """Replace the state file in one step (0600).

    Raises
    ------
    OSError
        If it cannot be written; the old one is then untouched.
    """
    from snews_drill.settings import write_private_file

    write_private_file(path, state.to_json())


def remove_state(path: Path) -> None:
    """Remove the state file, whatever lies there: the file itself, never what a link points to."""
    with contextlib.suppress(FileNotFoundError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def new_rehearsal_id(now: datetime) -> str:
    """Return a new name for a rehearsal that starts `now` (aware)."""
    return f"{now.astimezone(UTC).strftime(_ID_FORMAT)}-{secrets.token_hex(4)}"


def drop_old_folders(archives: Path, now: datetime) -> list[Path]:
    """Remove the folders of rehearsals that started more than `KEEP_FOLDERS` before `now`; return them.

    Only folders that are named as a rehearsal is named are touched, and links never.
    """
    dropped = []
    for folder in sorted(archives.iterdir()):
        match = _ID.fullmatch(folder.name)
        if match is None or folder.is_symlink() or not folder.is_dir():
            continue
        with contextlib.suppress(ValueError):
            started = datetime.strptime(match[1], _ID_FORMAT).replace(tzinfo=UTC)
            if now - started > KEEP_FOLDERS:
                shutil.rmtree(folder, ignore_errors=True)
                dropped.append(folder)
    return dropped


def _parse(document: Any) -> RehearsalState:
    """Check every word of the document.

    Raises
    ------
    ValueError, TypeError, KeyError
        If any is not what it should be.
    """
    names = set(RehearsalState.__dataclass_fields__) | {"version"}
    if not isinstance(document, dict) or set(document) != names or document["version"] != _VERSION:
        raise ValueError("other fields")
    texts = {
        name: document[name] for name in ("rehearsal_id", "broker", "instance", "admin_token", "problem")
    }
    if not all(isinstance(text, str) for text in texts.values()):
        raise TypeError("not a text")
    address = _ADDRESS.fullmatch(texts["broker"])
    if not _ID.fullmatch(texts["rehearsal_id"]) or not address or int(address[1]) > 65535:
        raise ValueError("no such rehearsal")
    if not re.fullmatch(r"[0-9a-f]{8,64}", texts["instance"]) or len(texts["admin_token"]) < 32:
        raise ValueError("no such instance")
    archive_dir = Path(document["archive_dir"])
    if not archive_dir.is_absolute() or archive_dir.name != texts["rehearsal_id"]:
        raise ValueError("no such folder")
    if datetime.fromisoformat(document["started_utc"]).utcoffset() != timedelta(0):
        raise ValueError("not UTC")
    server = document["server_process"]
    return RehearsalState(
        **texts,
        started_utc=document["started_utc"],
        archive_dir=archive_dir,
        supervisor=_parse_mark(document["supervisor"]),
        broker_process=_parse_mark(document["broker_process"]),
        server_process=None if server is None else _parse_mark(server),
    )


def _parse_mark(document: Any) -> ProcessMark:
    pid, created = document["pid"], document["created"]
    if type(pid) is not int or type(created) is not float or set(document) != {"pid", "created"}:
        raise TypeError("not a process")
    # Process 1 and our own group (0, negative numbers) are never ours to end.
    if not 1 < pid < 2**31 or not 0 < created < 2**40:  # NaN and infinities fail this too
        raise ValueError("not a process")
    return ProcessMark(pid, created)
