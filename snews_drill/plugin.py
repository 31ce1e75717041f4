"""The user's follow-up script: run with the file of each alert, one after the other, beside the stream."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from snews_drill.background import Startable
from snews_drill.errors import PluginError
from snews_drill.settings import environment_without_secrets, expanded

_log = logging.getLogger("snews_drill")

#: How many alerts may wait for a slow script, and how many past runs are kept.
MAX_WAITING = 1_000
MAX_RUNS = 1_000

#: Of a script's output the last characters are kept.
MAX_OUTPUT = 16_384

#: Seconds that one run may take.
TIME_LIMIT_SEC = 300.0

_CHUNK = 4_096


@dataclass(frozen=True, slots=True)
class PluginRun:
    """What became of the script for one alert.

    Attributes
    ----------
    file : Path
        The alert's file, the script's only argument.
    returncode : int or None
        Its exit code; None if it did not run to its end.
    stdout, stderr : str
        The end of what it printed, at most `MAX_OUTPUT` characters each.
    seconds : float
        How long it ran.
    error : str
        Why it failed, as a sentence; "" if it did not.
    """

    file: Path
    returncode: int | None
    stdout: str
    stderr: str
    seconds: float
    error: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether the script ran to its end with exit code 0."""
        return not self.error


class PluginRunner(Startable):
    """Runs a script for one file after the other, in a thread of its own, without a shell.

    Parameters
    ----------
    script
        A Python script (`.py`, run by this Python) or any other program that may be executed.
    on_run
        Called with every `PluginRun`, in the runner's thread.
    time_limit
        Seconds after which a run is killed.

    Raises
    ------
    PluginError
        If the script is missing or cannot be executed.
    """

    def __init__(
        self,
        script: str | Path,
        *,
        on_run: Callable[[PluginRun], None] | None = None,
        time_limit: float = TIME_LIMIT_SEC,
    ) -> None:
        self.command = _command(expanded(script))
        self._on_run = on_run
        self._time_limit = time_limit
        self._waiting: queue.Queue[Path | None] = queue.Queue(MAX_WAITING + 1)
        self._runs: deque[PluginRun] = deque(maxlen=MAX_RUNS)
        self._is_ending = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def runs(self) -> list[PluginRun]:
        """The newest runs, oldest first."""
        return list(self._runs)

    @property
    def is_running(self) -> bool:
        """Whether its thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Wait for files in a thread, from this call on; harmless when it does already."""
        if not self.is_running:
            self._waiting = queue.Queue(MAX_WAITING + 1)
            self._is_ending.clear()
            self._thread = threading.Thread(target=self._work, name="snews_drill plug-in", daemon=True)
            self._thread.start()

    def submit(self, file: Path) -> None:
        """Run the script for a file as soon as those before it are done. Never waits.

        When too many wait already, the file is skipped and that is reported as a failed run.
        """
        if self._waiting.qsize() < MAX_WAITING:
            self._waiting.put_nowait(file)
        else:
            self._report(
                PluginRun(file, None, "", "", 0.0, f"{MAX_WAITING} alerts were waiting for the script.")
            )

    def finish(self) -> None:
        """End the thread when all that wait are done; returns at once."""
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(None)

    def stop(self, timeout: float = 1.0) -> None:
        """Let waiting files be done for most of `timeout` seconds, then kill the script. Harmless twice."""
        thread = self._thread
        if thread is None:
            return
        self.finish()
        if thread is threading.current_thread():
            self._is_ending.set()
            return
        thread.join(max(timeout - 0.3, 0.0))
        self._is_ending.set()
        thread.join(0.3)
        self._thread = None

    def _work(self) -> None:
        while (file := self._waiting.get()) is not None:
            if self._is_ending.is_set():
                run = PluginRun(
                    file, None, "", "", 0.0, "The subscriber was stopped before the script's turn came."
                )
            else:
                run = self._run(file)
            self._report(run)

    def _report(self, run: PluginRun) -> None:
        self._runs.append(run)
        if run.error:
            _log.warning("Plug-in %s, %s: %s", self.command[-1], run.file.name, run.error)
        if self._on_run is not None:
            try:
                self._on_run(run)
            except Exception as error:  # noqa: BLE001 - the user's code must not end the thread
                _log.warning("A callback for plug-in runs failed: %s", error)

    def _run(self, file: Path) -> PluginRun:
        begun = time.monotonic()
        try:
            process = subprocess.Popen(  # noqa: S603 - the user's own script, no shell
                [*self.command, str(file)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                env=environment_without_secrets(),
            )
        except OSError as error:
            return PluginRun(file, None, "", "", 0.0, f"It could not be started: {error.strerror or error}.")
        # A script that prints without end must neither fill our memory nor stop because nobody reads.
        outputs = [_Tail(stream) for stream in (process.stdout, process.stderr) if stream is not None]
        problem = self._await(process, begun + self._time_limit)
        if problem:
            _kill(process)
        stdout, stderr = (output.text() for output in outputs)
        code = process.returncode
        if not problem and code:
            problem = f"It ended with exit code {code}{_last_line(stderr)}."
        return PluginRun(file, code, stdout, stderr, time.monotonic() - begun, problem)

    def _await(self, process: subprocess.Popen[bytes], deadline: float) -> str:
        while process.poll() is None:
            if self._is_ending.is_set():
                return "It was killed because the subscriber was stopped."
            if time.monotonic() >= deadline:
                return f"It was killed because it ran longer than {self._time_limit:g} s."
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
        return ""


class _Tail:
    """Reads a stream to its end in a thread and keeps the last of it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._kept = b""
        self._thread = threading.Thread(target=self._read, name="snews_drill plug-in output", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError), self._stream:
            while chunk := self._stream.read1(_CHUNK):  # type: ignore[attr-defined]
                self._kept = (self._kept + chunk)[-MAX_OUTPUT:]

    def text(self) -> str:
        # Whoever still holds the pipe has left the script's session; we do not wait for strangers.
        self._thread.join(0.1)
        return self._kept.decode("utf-8", "replace")


def _command(script: Path) -> list[str]:
    if not script.is_file():
        raise PluginError(f"There is no script {script}.", next_step="Check the path of the plug-in.")
    if script.suffix.lower() in (".py", ".pyw"):
        return [sys.executable, str(script)]
    if not os.access(script, os.X_OK):
        raise PluginError(
            f"{script} may not be executed.",
            next_step=f"Give a Python script (.py), or run: chmod +x '{script}'",
        )
    return [str(script)]


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a script that still runs, on POSIX with everything it started in its session."""
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def _last_line(stderr: str) -> str:
    lines = stderr.strip().splitlines()
    return f": {lines[-1][:200]}" if lines else ""
