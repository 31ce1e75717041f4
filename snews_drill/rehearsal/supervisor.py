"""The process that keeps a rehearsal alive: it runs broker and drill server, and ends when nobody is left.

It is detached from whoever started it, has one thread, and imports little so that it starts fast. Run as
`python -m snews_drill.rehearsal.supervisor`, by `snews_drill.rehearsal.launcher` only.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from types import FrameType
from typing import TYPE_CHECKING, Any

from snews_drill.errors import DrillError, RehearsalError
from snews_drill.rehearsal.broker import EmbeddedBroker
from snews_drill.rehearsal.leases import is_in_use, remove_dead_leases
from snews_drill.rehearsal.plan import Plan, read_plan
from snews_drill.rehearsal.processes import ChildProcess, ProcessMark
from snews_drill.rehearsal.state import (
    RehearsalState,
    read_state,
    remove_state,
    write_state,
)

if TYPE_CHECKING:
    from filelock import BaseFileLock

#: Seconds between two looks at the children, and between two looks at the users and the state file.
LOOK_AT_CHILDREN_SEC = 0.05
LOOK_AT_USERS_SEC = 0.25

#: A child that dies young is started again after these waits (seconds), in turn; then it is given up.
RESTART_WAITS_SEC = (0.0, 0.1, 0.2, 0.5, 1.0)

#: A child that lived this long (seconds) has earned all its restarts again.
LONG_LIFE_SEC = 30.0

_SERVER_STOP_SEC = 2.0
# Long enough for a launcher that only looks whether it is held, too short to succeed another supervisor.
_LOCK_LIMIT_SEC = 0.02


class Restarts:
    """Says when a child that died is started again.

    Examples
    --------
    >>> restarts = Restarts()
    >>> [restarts.wait_after(lived=0.1) for _ in range(6)]
    [0.0, 0.1, 0.2, 0.5, 1.0, None]
    >>> restarts.wait_after(lived=60.0)
    0.0
    """

    def __init__(self) -> None:
        self._count = 0

    def wait_after(self, lived: float) -> float | None:
        """Return the seconds to wait after a child died that lived `lived` seconds, or None to give it up."""
        if lived >= LONG_LIFE_SEC:
            self._count = 0
        if self._count >= len(RESTART_WAITS_SEC):
            return None
        self._count += 1
        return RESTART_WAITS_SEC[self._count - 1]


class Supervisor:
    """One rehearsal's life, from the start of its broker to the end of its last process.

    Parameters
    ----------
    plan
        What to do.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._token = secrets.token_urlsafe(32)
        self._broker = EmbeddedBroker()
        self._server: ChildProcess | None = None
        self._lock: BaseFileLock | None = None
        self._state: RehearsalState | None = None
        self._is_asked_to_end = False
        self._is_starting = False
        self._broker_restarts, self._broker_since = Restarts(), 0.0
        self._server_restarts, self._server_since = Restarts(), 0.0
        self._server_due: float | None = None
        self._last_user = 0.0
        self._leases_seen = 0
        self._next_look = 0.0
        self._is_written = True

    def ask_to_end(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        """Ask for an orderly end (a signal handler)."""
        self._is_asked_to_end = True
        if self._is_starting:
            raise SystemExit(
                1
            )  # the wait for the broker may be long; what was started is ended on the way out

    def run(self) -> None:
        """Run the rehearsal until it ends.

        Raises
        ------
        RehearsalError
            If the broker cannot be started or kept running, or another supervisor is at work.
        """
        try:
            self._is_starting = True
            self._begin()
            self._is_starting = False
            while not self._is_asked_to_end and not self._is_abandoned():
                self._look_after_broker()
                self._look_after_server()
                time.sleep(LOOK_AT_CHILDREN_SEC)
        finally:
            self._end()

    def _begin(self) -> None:
        from filelock import Timeout

        lock = self._plan.folders.supervisor_lock()
        try:
            lock.acquire(timeout=_LOCK_LIMIT_SEC)
        except Timeout as error:
            raise RehearsalError(
                "Another supervisor keeps this user's rehearsal.", next_step="Use that rehearsal."
            ) from error
        self._lock = lock
        self._start_broker()
        self._broker_since = now = time.monotonic()
        self._last_user = now + self._plan.patience - self._plan.grace
        # Whoever waits for the state counts as its first user, however soon it is killed after reading it.
        if is_in_use(self._plan.folders.users):
            self._last_user = now
        self._leases_seen = self._leases_changed()
        self._start_server()
        state = RehearsalState(
            rehearsal_id=self._plan.archive_dir.name,
            broker=self._broker.address,
            instance=secrets.token_hex(8),
            started_utc=datetime.now(UTC).isoformat(),
            archive_dir=self._plan.archive_dir,
            admin_token=self._token,
            supervisor=ProcessMark.of(os.getpid()),
            broker_process=_mark(self._broker.pid),
            server_process=self._server_mark(),
        )
        write_state(self._plan.folders.state_file, state)
        self._state = state
        _log(f"rehearsal {state.rehearsal_id} on {state.broker}")

    def _start_broker(self) -> None:
        """Start the broker, where the rehearsal that is resumed had it if that is possible."""
        left: RehearsalState | None = None
        if self._plan.resumes:
            with contextlib.suppress(DrillError):
                left = read_state(self._plan.folders.state_file)
            remove_state(self._plan.folders.state_file)  # the server must not take it for ours
        if left is not None and left.archive_dir == self._plan.archive_dir:
            self._token = left.admin_token
            self._broker = EmbeddedBroker(left.port)
            with contextlib.suppress(RehearsalError):
                self._broker.start()
                return
            _log(f"the rehearsal cannot go on at {left.broker}")
            self._broker = EmbeddedBroker()
        self._broker.start()

    def _look_after_broker(self) -> None:
        if self._broker.is_running:
            return
        now = time.monotonic()
        wait = self._broker_restarts.wait_after(now - self._broker_since)
        if wait is None:
            raise RehearsalError(
                f"The embedded broker died {len(RESTART_WAITS_SEC) + 1} times in short succession.",
                next_step="Start the rehearsal again; `snews-drill doctor` may say what ends the broker.",
            )
        _log(f"the broker died; it is started again in {wait:g} s")
        time.sleep(wait)
        self._broker_since = time.monotonic()
        try:
            self._broker.start()
            mark = _mark(self._broker.pid)
        except RehearsalError as error:
            _log(f"the broker did not come back: {error.reason}")
            return  # the next look counts this as one more death
        # Clients are told at once. The broker is empty now, so the server has to begin anew as well.
        self._change(instance=secrets.token_hex(8), broker_process=mark, server_process=None)
        if self._server is not None and self._server.is_running:
            self._server.stop(_SERVER_STOP_SEC)
            self._start_server()
            self._change(server_process=self._server_mark())

    def _look_after_server(self) -> None:
        if self._server is None or self._server.is_running:
            return
        now = time.monotonic()
        if self._server_due is None:
            wait = self._server_restarts.wait_after(now - self._server_since)
            if wait is None:
                self._give_up_server()
                return
            code = self._server.exit_code
            _log(f"the drill server died (exit code {code}); it is started again in {wait:g} s")
            self._server_due = now + wait
        if now >= self._server_due:
            self._start_server()
            self._change(server_process=self._server_mark())

    def _start_server(self) -> None:
        if not self._plan.server_command:
            return
        command = [
            *self._plan.server_command,
            *("--broker", self._broker.address),
            *("--rehearsal-dir", str(self._plan.archive_dir)),
        ]
        # In the environment only this user can read it; on the command line everybody could.
        # The server finds the rehearsal's token in the state file; an environment is shown by more tools than that.
        environment = {name: value for name, value in os.environ.items() if name != "SNEWS_DRILL_ADMIN_TOKEN"}
        log = self._plan.archive_dir / "server.log"
        self._server = ChildProcess(command, environment=environment, folder=self._plan.archive_dir, log=log)
        self._server_since, self._server_due = time.monotonic(), None
        try:
            self._server.start()
        except RehearsalError as error:
            _log(f"the drill server was not started: {error.reason}")

    def _give_up_server(self) -> None:
        problem = (
            f"The drill server died {len(RESTART_WAITS_SEC) + 1} times in short succession; "
            f"{self._plan.archive_dir / 'server.log'} may say why."
        )
        _log(problem)
        self._server = None
        self._change(server_process=None, problem=problem)

    def _is_abandoned(self) -> bool:
        """Tell whether it has had no user for the time of grace; then nobody can join it any more."""
        now = time.monotonic()
        if now < self._next_look:
            return False
        self._next_look = now + LOOK_AT_USERS_SEC
        self._mend_state()
        if self._server is not None:
            self._server.bound_log()
        users, leases = self._plan.folders.users, self._leases_changed()
        # A short command comes and goes between two looks; its lease has changed the folder.
        if is_in_use(users) or leases != self._leases_seen:
            self._last_user, self._leases_seen = now, leases
            return False
        if now - self._last_user < self._plan.grace:
            return False
        return self._close_the_door()

    def _leases_changed(self) -> int:
        """Return when a lease was last taken or given back, as the file system tells it."""
        try:
            return self._plan.folders.users.stat().st_mtime_ns
        except OSError:
            return 0

    def _close_the_door(self) -> bool:
        """Withdraw the rehearsal if there is still no user; who comes now starts another one."""
        from filelock import Timeout

        try:
            with self._plan.folders.start_lock().acquire(timeout=0):
                if is_in_use(self._plan.folders.users):
                    return False
                remove_dead_leases(self._plan.folders.users)
                self._withdraw()
        except (Timeout, OSError):
            return not self._plan.folders.runtime_dir.exists()  # somebody is coming just now
        _log("nobody uses the rehearsal any more; it ends")
        return True

    def _mend_state(self) -> None:
        """Write the state file again if it is no longer what it was."""
        with contextlib.suppress(DrillError):
            if read_state(self._plan.folders.state_file) == self._state:
                return
        self._change()

    def _change(self, **fields: Any) -> None:
        """Change the state and write it; if that fails now, the next look tries again."""
        if self._state is None:
            return
        self._state = replace(self._state, **fields)
        try:
            path = self._plan.folders.state_file
            if path.is_dir():
                remove_state(path)
            write_state(path, self._state)
            self._is_written = True
        except OSError as error:
            if self._is_written:  # say it once, not at every look
                _log(f"the state file cannot be written: {error.strerror}")
            self._is_written = False

    def _withdraw(self) -> None:
        """Take the state away and let another supervisor begin."""
        if self._lock is None:
            return
        if self._state is not None:
            with contextlib.suppress(OSError):
                remove_state(self._plan.folders.state_file)
        self._state = None
        self._lock.release()
        self._lock = None

    def _end(self) -> None:
        self._is_starting = False
        self._withdraw()
        if self._server is not None:
            self._server.stop(_SERVER_STOP_SEC)
        self._broker.stop()

    def _server_mark(self) -> ProcessMark | None:
        pid = None if self._server is None else self._server.pid
        with contextlib.suppress(RehearsalError):
            return None if pid is None else ProcessMark.of(pid)
        return None  # it died at once; the next look sees to it


def main(arguments: list[str] | None = None) -> int:
    """Run a supervisor until its rehearsal ends; return the exit code."""
    plan = read_plan(sys.argv[1:] if arguments is None else arguments)
    _detach()
    supervisor = Supervisor(plan)
    signal.signal(signal.SIGTERM, supervisor.ask_to_end)
    signal.signal(signal.SIGINT, supervisor.ask_to_end)
    try:
        supervisor.run()
    except (DrillError, OSError) as error:
        _log(error.reason if isinstance(error, DrillError) else str(error))
        return 1
    return 0


def _detach() -> None:
    """Leave the process that started us: it need not wait for us, and what ends its children spares us.

    The first process writes the process id of the second, which goes on, to standard output.
    """
    if sys.platform == "win32":
        return
    os.umask(0o077)
    child = os.fork()
    if child:
        os.write(1, b"%d\n" % child)
        os._exit(0)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 1)  # who reads that pid waits for the end of the output
    os.close(nothing)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _mark(pid: int | None) -> ProcessMark:
    if pid is None:
        raise RehearsalError("The embedded broker ended at once.", next_step="Start the rehearsal again.")
    return ProcessMark.of(pid)


def _log(sentence: str) -> None:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    sys.stderr.write(f"{now} {sentence}\n")  # the launcher made it a private file
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
