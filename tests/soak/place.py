"""Where a soak runs: the rehearsal with its embedded broker, or a drill server of one's own on Apache Kafka."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from broker_stand import Stand, environment_for
from faults.crew import Crew
from waiting import wait_for

from snews_drill.connection import Connection, connect
from snews_drill.rehearsal.launcher import find_rehearsal, stop_rehearsal
from snews_drill.settings import DrillSettings


@dataclass(frozen=True)
class Place:
    """A drill that runs.

    Attributes
    ----------
    connection
        For the detectors.
    environment
        Of the notebook's kernel.
    arguments
        What the notebook gives to `connect`.
    processes
        Name -> process id, the notebook's excepted.
    bare_address
        Of a broker that asks for no password, where a bare client may be measured; None for others.
    """

    connection: Connection
    environment: dict[str, str]
    arguments: str
    processes: dict[str, int]
    bare_address: str | None


@contextmanager
def rehearsal_place(settings: DrillSettings) -> Iterator[Place]:
    """What `connect()` starts where nobody has an account."""
    environment = {**os.environ, "SNEWS_DRILL_HOME": str(settings.config_dir.parent)}
    with connect(settings=settings) as connection:
        state = find_rehearsal(settings)
        assert state is not None
        assert state.server_process is not None
        processes = {
            "drill server": state.server_process.pid,
            "supervisor": state.supervisor.pid,
            "broker": state.broker_process.pid,
        }
        yield Place(connection, environment, "", processes, state.broker)
    stop_rehearsal(settings)


@contextmanager
def kafka_place(stand: Stand, folder: Path) -> Iterator[Place]:
    """`snews-drill serve` on a broker that keeps its topics on disk."""
    assert stand.pid is not None
    crew = Crew(stand, folder / "crew", "soak.")
    try:
        crew.server.start()
        wait_for(lambda: crew.server.status().get("state") == "listening", "the server to listen", timeout=60)
        environment = {
            **environment_for(stand, folder / "notebook"),
            "SNEWS_DRILL_HOME": str(folder / "notebook" / "home"),
        }
        arguments = f"{crew.url!r}, topics_prefix={crew.prefix!r}"
        processes = {"drill server": crew.server.pid, "broker": stand.pid}
        yield Place(crew.connection, environment, arguments, processes, None)
    finally:
        crew.end()
