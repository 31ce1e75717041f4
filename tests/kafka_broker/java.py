"""A Java process that neither outlives the tests nor dies with the thread that happened to start it."""

from __future__ import annotations

import shutil
import subprocess
import threading
from pathlib import Path

from kafka_broker.fetch import fetch_jars

_JAVA_OPTIONS = ("-Xmx512m", "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
_LAUNCH_TIMEOUT_SEC = 10.0


class JavaProcess:
    """One of Kafka's programs, started on construction; `console.log` in `directory` holds what it prints.

    On Linux the kernel kills it when its parent ends, however that happens. The kernel means the parent's
    *thread*, so a keeper thread starts the process and stays as long as it lives.
    """

    def __init__(self, directory: Path, main_class: str, *arguments: str) -> None:
        command = ["java", *_JAVA_OPTIONS, f"-Dlog4j.configuration=file:{directory / 'log4j.properties'}"]
        command += ["-cp", f"{fetch_jars()}/*", main_class, *arguments]
        if shutil.which("setpriv"):
            command = ["setpriv", "--pdeathsig", "KILL", "--", *command]
        self._command = command
        self._directory = directory
        self._popen: subprocess.Popen[bytes] | None = None
        self._is_launched = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name=f"keeper of {main_class}", daemon=True)
        self._keeper.start()
        self._is_launched.wait(_LAUNCH_TIMEOUT_SEC)
        if self._popen is None:
            raise RuntimeError(f"{command[0]} could not be started; is a JDK on PATH?")

    def _keep(self) -> None:
        try:
            with (self._directory / "console.log").open("ab") as console:
                self._popen = subprocess.Popen(
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=console,
                    stderr=subprocess.STDOUT,
                    cwd=self._directory,
                )
        finally:
            self._is_launched.set()
        self._popen.wait()

    @property
    def popen(self) -> subprocess.Popen[bytes]:
        """The process as the standard library sees it."""
        assert self._popen is not None
        return self._popen

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self.popen.poll() is None

    def wait(self, timeout: float) -> int:
        """Return the exit code; subprocess.TimeoutExpired after `timeout` seconds."""
        return self.popen.wait(timeout)

    def stop(self, timeout: float) -> None:
        """Ask the process to end; kill it when that takes longer than `timeout` seconds."""
        if self.is_running:
            self.popen.terminate()
            try:
                self.popen.wait(timeout)
            except subprocess.TimeoutExpired:
                self.popen.kill()
        self._keeper.join()

    def kill(self) -> None:
        """End the process at once."""
        if self.is_running:
            self.popen.kill()
        self._keeper.join()
