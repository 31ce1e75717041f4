"""Find this user's rehearsal, or start it; share it with every other notebook and terminal of the same user.

ensure_rehearsal   join the running rehearsal, or start one
find_rehearsal     say where it is, start nothing
stop_rehearsal     end it now, whoever uses it
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from snews_drill.errors import RehearsalError
from snews_drill.rehearsal.leases import Lease, is_in_use, take_lease
from snews_drill.rehearsal.plan import Plan, supervisor_command
from snews_drill.rehearsal.presence import (
    clean_up,
    has_no_supervisor,
    left_behind,
    running_state,
    supervisor_words,
)
from snews_drill.rehearsal.state import (
    SUPERVISOR_MODULE,
    RehearsalFolders,
    RehearsalState,
    drop_old_folders,
    new_rehearsal_id,
    write_state,
)

if TYPE_CHECKING:
    from pydantic import SecretStr

    from snews_drill.settings import DrillSettings

#: Seconds that a rehearsal goes on without a user (a notebook that restarts its kernel finds it again).
GRACE_SEC = 2.0

#: Seconds that a new rehearsal waits for its first user.
PATIENCE_SEC = 30.0

#: The module that runs the drill server; the supervisor tells it where the broker and the folder are.
SERVER_MODULE = "snews_drill.rehearsal.server_process"

_POLL_SEC = 0.005


def own_server_command(settings: DrillSettings) -> tuple[str, ...]:
    """Return the command of a rehearsal's drill server that uses the folders of these settings."""
    folders = {name: str(getattr(settings, name)) for name in ("config_dir", "state_dir", "runtime_dir")}
    options = (part for name, folder in folders.items() for part in (f"--{name.replace('_', '-')}", folder))
    return (sys.executable, "-P", "-m", SERVER_MODULE, *options)


class Rehearsal:
    """One use of this user's rehearsal. `ensure_rehearsal` makes it; `release` gives it back.

    Parameters
    ----------
    folders
        Where the rehearsal's parts lie.
    state
        What was known of it when it was joined.
    lease
        What tells the rehearsal that this process uses it.
    """

    def __init__(self, folders: RehearsalFolders, state: RehearsalState, lease: Lease) -> None:
        self._folders = folders
        self._state = state
        self._lease = lease

    @property
    def rehearsal_id(self) -> str:
        """The rehearsal's name."""
        return self._state.rehearsal_id

    @property
    def broker(self) -> str:
        """The broker's address, "127.0.0.1:port". The same when it has to be started again."""
        return self._state.broker

    @property
    def archive_dir(self) -> Path:
        """The private folder of the server's archive and of the logs."""
        return self._state.archive_dir

    @property
    def admin_token(self) -> SecretStr:
        """What gives this user rights on the drill server."""
        from pydantic import SecretStr

        return SecretStr(self._state.admin_token)

    @property
    def is_held(self) -> bool:
        """Whether this use still keeps the rehearsal alive."""
        return self._lease.is_held

    def current_state(self) -> RehearsalState | None:
        """Return what is known of this rehearsal now, or None when it has ended.

        Its `instance` tells whether the broker is still the one that was joined, or a new and empty one.
        """
        state = running_state(self._folders)
        return state if state is not None and state.rehearsal_id == self.rehearsal_id else None

    def release(self) -> None:
        """Give this use back; harmless when repeated. With the last use of all the rehearsal ends."""
        self._lease.release()

    def __enter__(self) -> Rehearsal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def __repr__(self) -> str:
        return f"<Rehearsal {self.rehearsal_id} on {self.broker}>"


def ensure_rehearsal(
    settings: DrillSettings,
    *,
    timeout: float = 10.0,
    server_command: Sequence[str] | None = None,
    grace: float = GRACE_SEC,
    patience: float = PATIENCE_SEC,
) -> Rehearsal:
    """Join this user's running rehearsal, or start one.

    If its supervisor was killed while others use it, the same rehearsal is started again: same address, archive
    and token; its broker is empty.

    Parameters
    ----------
    settings
        Its `runtime_dir` and `state_dir` say whose rehearsal it is.
    timeout
        Seconds to wait for the rehearsal's broker. A cold start takes about a quarter of a second.
    server_command
        The drill server to run, as program and first arguments; None for the project's own, empty for none.
        Only the process that starts the rehearsal decides.
    grace, patience
        Seconds without a user, and without the first user, after which the rehearsal ends. Only the process
        that starts it decides.

    Raises
    ------
    RehearsalError
        If it cannot be started in time; says why, and which log may say more.
    SettingsError
        If a folder cannot be made or is not this user's own.
    """
    if server_command is None:
        server_command = own_server_command(settings)
    folders = RehearsalFolders(settings.runtime_dir, settings.state_dir)
    folders.prepare()
    deadline = time.monotonic() + timeout
    choices = {"server_command": tuple(server_command), "grace": grace, "patience": patience}
    with _hold_start_lock(folders, timeout):
        others_wait = is_in_use(folders.users)
        lease = take_lease(folders.users)
        try:
            state = running_state(folders)
            if state is None:
                state = _start(folders, deadline, choices, others_wait=others_wait)
        except BaseException:
            lease.release()
            raise
    return Rehearsal(folders, state, lease)


def find_rehearsal(settings: DrillSettings) -> RehearsalState | None:
    """Return what is known of this user's running rehearsal, or None; start nothing and take no lease."""
    return running_state(RehearsalFolders(settings.runtime_dir, settings.state_dir))


def stop_rehearsal(settings: DrillSettings, *, timeout: float = 8.0) -> bool:
    """End this user's rehearsal now, whoever uses it, and clean what a killed one left.

    Parameters
    ----------
    settings
        Its `runtime_dir` says whose rehearsal it is.
    timeout
        Seconds to wait for its orderly end before its processes are killed.

    Returns
    -------
    bool
        Whether one was running.

    Raises
    ------
    RehearsalError
        If a process is still there in the end, or another process is just starting the rehearsal.
    """
    folders = RehearsalFolders(settings.runtime_dir, settings.state_dir)
    if not folders.runtime_dir.is_dir():
        return False
    folders.prepare()
    deadline = time.monotonic() + timeout
    with _hold_start_lock(folders, timeout):
        state = running_state(folders)
        while state is None and not has_no_supervisor(folders) and time.monotonic() < deadline:
            time.sleep(_POLL_SEC)  # it is starting, ending, or about to mend its state file
            state = running_state(folders)
        if state is not None:
            state.supervisor.end(supervisor_words(state), timeout=timeout, at_that_time=False)
        if not has_no_supervisor(folders):
            raise RehearsalError(
                "The rehearsal does not end.",
                next_step=f"Find the process named {SUPERVISOR_MODULE} and end it with: kill -9",
            )
        clean_up(folders, state)
    return state is not None


def _start(
    folders: RehearsalFolders, deadline: float, choices: dict[str, Any], *, others_wait: bool
) -> RehearsalState:
    """Start a supervisor and wait for its state; with the start lock held.

    Raises
    ------
    RehearsalError
        If there is no rehearsal at the deadline, or the supervisor ended.
    """
    pid: int | None = None
    log = folders.archives
    while time.monotonic() < deadline:
        state = running_state(folders)
        if state is not None:
            if pid is not None and pid != state.supervisor.pid:
                _recall(pid)  # or it might take over at the end of the one that was quicker
            return state
        # Another one may hold on for a moment: its starter was killed, or its state file is being mended.
        if pid is None and has_no_supervisor(folders):
            plan = _make_plan(folders, choices, others_wait=others_wait)
            log = plan.archive_dir / "supervisor.log"
            pid = _spawn(plan, log, deadline)
        elif pid is not None and not _is_process(pid):
            if not has_no_supervisor(folders):
                pid = None  # another one was quicker, whose starter was killed: wait for that one
                continue
            raise RehearsalError(
                f"The rehearsal ended while it was starting: {_last_line(log)}",
                next_step=f"Run `snews-drill doctor`, or look into {log}.",
            )
        time.sleep(_POLL_SEC)
    if pid is not None:
        _recall(pid)
    raise RehearsalError(
        "The rehearsal was not ready in time: waited for its broker to answer.",
        next_step=f"Try again; {log} may say what took so long.",
    )


def _make_plan(folders: RehearsalFolders, choices: dict[str, Any], *, others_wait: bool) -> Plan:
    """Clean what a killed rehearsal left; go on with it if others still use it, else plan a new one."""
    from snews_drill.settings import make_private_dir

    left = left_behind(folders) if others_wait else None
    clean_up(folders, None)
    if left is None:
        return Plan(folders=folders, archive_dir=_make_archive_dir(folders), **choices)
    make_private_dir(left.archive_dir)
    try:
        write_state(folders.state_file, left)  # from here the supervisor takes address and token
    except OSError:
        return Plan(folders=folders, archive_dir=_make_archive_dir(folders), **choices)
    return Plan(folders=folders, archive_dir=left.archive_dir, resumes=True, **choices)


def _spawn(plan: Plan, log: Path, deadline: float) -> int:
    """Start the supervisor, detached from us; return its process id.

    Raises
    ------
    RehearsalError
        If it cannot be run.
    """
    command = supervisor_command(plan)
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        if sys.platform == "win32":
            flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
            nothing = subprocess.DEVNULL
            process = subprocess.Popen(  # noqa: S603  (no shell, and the program is ours)
                command,
                stdin=nothing,
                stdout=nothing,
                stderr=handle,
                creationflags=flags,
                cwd=plan.archive_dir,
            )
            process.returncode = 0  # it is not ours to wait for
            return process.pid
        # The first process ends as soon as it has told the number of the second, which is nobody's child.
        first = subprocess.run(  # noqa: S603  (no shell, and the program is ours)
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=handle,
            cwd=plan.archive_dir,
            start_new_session=True,
            timeout=max(deadline - time.monotonic(), 0.1),
            check=True,
        )
        return int(first.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise RehearsalError(
            f"The rehearsal's process could not be started: {_last_line(log) or error}",
            next_step=f"Run `snews-drill doctor`, or look into {log}.",
        ) from error
    finally:
        os.close(handle)


def _recall(pid: int) -> None:
    """End a supervisor that we started a moment ago; the number is still its own."""
    if sys.platform == "win32":
        return  # there it may be the number of an interpreter's forerunner; patience ends it
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 1.0
    while _is_process(pid) and time.monotonic() < deadline:
        time.sleep(_POLL_SEC)


def _is_process(pid: int) -> bool:
    import psutil

    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _make_archive_dir(folders: RehearsalFolders) -> Path:
    from snews_drill.settings import make_private_dir

    now = datetime.now(UTC)
    drop_old_folders(folders.archives, now)
    return make_private_dir(folders.archives / new_rehearsal_id(now))


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace")[-2000:].strip().splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""


@contextlib.contextmanager
def _hold_start_lock(folders: RehearsalFolders, timeout: float) -> Iterator[None]:
    """Hold the lock of those who look for, start or end a rehearsal.

    Raises
    ------
    RehearsalError
        If somebody else holds it all the time, or it cannot be made.
    """
    from filelock import Timeout

    lock = folders.start_lock()
    try:
        lock.acquire(timeout=timeout)
    except Timeout as error:
        raise RehearsalError(
            f"Another process of yours was starting or ending the rehearsal for {timeout:g} s.",
            next_step="Try again; if it stays so, restart that notebook or terminal.",
        ) from error
    except OSError as error:
        raise RehearsalError(
            f"A lock in {folders.runtime_dir} cannot be used: {error.strerror}.",
            next_step="Remove that folder, which is made again when needed, or set SNEWS_DRILL_HOME to another.",
        ) from error
    try:
        yield
    finally:
        lock.release()
