"""Child processes that do not outlive their parent, and marks that recognise a process later.

ChildProcess   one command: start, stop, is_running
ProcessMark    a process id that cannot be mistaken for a later process with the same number
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from snews_drill.background import Startable
from snews_drill.errors import RehearsalError

#: Two readings of one process's creation time may differ by this (seconds): clocks are set now and then.
CREATION_TOLERANCE_SEC = 2.0

#: A log file of a child is emptied when it grows beyond this (bytes).
MAX_LOG_BYTES = 1_000_000

# Run by a bare interpreter that then *becomes* the command: it asks Linux to kill it when its parent dies
# (PR_SET_PDEATHSIG = 1, SIGKILL = 9), which survives exec. So nothing of ours runs between fork and exec
# (where the child of a parent with threads could be stuck).
_DIE_WITH_PARENT = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() != int(sys.argv[1]):
    sys.exit(125)
os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True, slots=True)
class ProcessMark:
    """A process, recognisable even after its number was given to another one.

    Attributes
    ----------
    pid
        The process id.
    created
        When it was created: seconds since 1970 UTC, as the operating system tells it.
    """

    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> ProcessMark:
        """Mark a process that runs now.

        Raises
        ------
        RehearsalError
            If it has ended already.
        """
        import psutil

        try:
            return cls(pid, psutil.Process(pid).create_time())
        except psutil.Error as error:
            raise RehearsalError(
                f"Process {pid} ended while it was being started.",
                next_step="Try again; its log may say why.",
            ) from error

    def is_running(self, words: Sequence[str], *, at_that_time: bool = True) -> bool:
        """Tell whether that very process still runs.

        Parameters
        ----------
        words
            Arguments that must all stand in its command line.
        at_that_time
            Whether its creation time must agree too. Needless only when no other process has such words.
        """
        import psutil

        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE or not set(words) <= set(process.cmdline()):
                return False
            return not at_that_time or abs(process.create_time() - self.created) <= CREATION_TOLERANCE_SEC
        except psutil.Error:
            return False

    def end(self, words: Sequence[str], *, timeout: float, at_that_time: bool = True) -> bool:
        """End that very process, and no other; return whether it is gone.

        Parameters
        ----------
        words, at_that_time
            By what it is recognised, see `is_running`.
        timeout
            Seconds to wait for an orderly end before it is killed; 0 kills at once.
        """
        import psutil

        def is_gone(within: float) -> bool:
            # Not psutil's own wait: it waits as well for the parent to collect what is dead already.
            deadline = time.monotonic() + within
            while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.005)
            return True

        try:
            process = psutil.Process(self.pid)  # knows its creation time, and so its number's next owner
            if not self.is_running(words, at_that_time=at_that_time):
                return True
            if timeout > 0:
                process.terminate()
                if is_gone(timeout):
                    return True
            process.kill()
            return is_gone(1.0)
        except psutil.NoSuchProcess:
            return True
        except psutil.AccessDenied:
            return False


class ChildProcess(Startable):
    """One command that runs as a child of this process and, on Linux, dies with it.

    Linux ties a child to the *thread* that started it. So only a child started by the main thread is tied;
    elsewhere the next start of a rehearsal cleans what was left.

    Parameters
    ----------
    command
        The program (a full path) and its arguments; no shell.
    environment
        The whole environment of the child; None hands on our own.
    folder
        The folder it runs in.
    log
        A file that takes its output, or None to drop it. Made private (0600).
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        log: Path | None = None,
    ) -> None:
        self._command = list(command)
        self._environment = environment
        self._folder = folder
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id of the running child, or None."""
        return self._process.pid if self._process is not None and self.is_running else None

    @property
    def exit_code(self) -> int | None:
        """How the child ended, or None while it runs or before it was started."""
        return None if self._process is None else self._process.poll()

    @property
    def is_running(self) -> bool:
        """Whether the child runs now."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the child; harmless when it runs.

        Raises
        ------
        RehearsalError
            If the program cannot be run.
        """
        if self.is_running:
            return
        output = _open_log(self._log) if self._log else subprocess.DEVNULL
        try:
            self._process = subprocess.Popen(  # noqa: S603  (no shell, and the program is ours)
                self._guarded(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environment,
                cwd=self._folder,
                start_new_session=os.name == "posix",  # Ctrl-C in a terminal is for us, not for the child
            )
        except OSError as error:
            raise RehearsalError(
                f"{self._command[0]} cannot be run: {error.strerror}.",
                next_step="Run `snews-drill doctor`; reinstalling the package of that program may help.",
            ) from error
        finally:
            if output != subprocess.DEVNULL:
                os.close(output)

    def stop(self, timeout: float = 2.0, *, politely_with: int = signal.SIGTERM) -> None:
        """End the child and wait until it is gone; harmless when it does not run.

        Parameters
        ----------
        timeout
            Seconds to wait for an orderly end before it is killed.
        politely_with
            The signal that asks it to end (POSIX; elsewhere it is terminated at once).
        """
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            if os.name == "posix":
                process.send_signal(politely_with)
            else:
                process.terminate()
            process.wait(timeout)
        if process.poll() is None:
            process.kill()
            process.wait(5.0)  # a killed process is gone as soon as the kernel gets to it

    def bound_log(self) -> None:
        """Empty the log when it has grown beyond `MAX_LOG_BYTES`."""
        with contextlib.suppress(OSError):
            if self._log and self._log.stat().st_size > MAX_LOG_BYTES:
                os.truncate(self._log, 0)  # opened for appending, so the child goes on at the new end

    def _guarded(self) -> list[str]:
        if sys.platform != "linux" or threading.current_thread() is not threading.main_thread():
            return self._command
        # -I -S: neither the environment nor site-packages can put code in between; starts in about 10 ms.
        return [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), *self._command]


def _open_log(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
    return os.open(path, flags, 0o600)
