"""The drill server of a rehearsal, as a process of its own: `python -m snews_drill.rehearsal.server_process`.

Started by the supervisor, which passes the admin token through the environment and watches over it.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import threading
import time
from pathlib import Path

from snews_drill.connection import Connection
from snews_drill.errors import RehearsalError
from snews_drill.profiles import get_profile
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.launcher import find_rehearsal
from snews_drill.rehearsal.server import DrillServer
from snews_drill.settings import load_settings
from snews_drill.transport import Transport
from snews_drill.wire.dialects import get_dialect

ARCHIVE_NAME = "archive.sqlite3"


def main(arguments: list[str] | None = None) -> int:
    """Serve until asked to end (SIGTERM, SIGINT) or orphaned; return the exit code."""
    parser = argparse.ArgumentParser(prog="snews_drill.rehearsal.server_process")
    parser.add_argument("--broker", required=True)
    parser.add_argument("--rehearsal-dir", required=True, type=Path)
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    profile = get_profile("rehearsal")
    transport = Transport(chosen.broker)
    transport.create_topics((*profile.firedrill.names(), *profile.test.names()))
    connection = Connection(profile, transport, get_dialect(profile.dialect))
    try:
        with Archive(chosen.rehearsal_dir / ARCHIVE_NAME) as archive:
            server = DrillServer(
                connection,
                archive,
                instance=_instance(chosen.broker),
                is_private=True,
                server_tag="snews_drill rehearsal",
            )
            parent = os.getppid()
            with server:
                # Where the system does not end children with their parent, an orphan ends itself.
                while server.is_running and not done.wait(1.0) and os.getppid() == parent:
                    pass
    finally:
        connection.close()
    return 0


def _instance(broker: str, timeout: float = 5.0) -> str:
    """Return which life of the broker this is, from the rehearsal's state file."""
    deadline = time.monotonic() + timeout
    while True:
        state = find_rehearsal(load_settings())
        if state is not None and state.broker == broker:
            return state.instance
        if time.monotonic() >= deadline:
            raise RehearsalError(
                f"No rehearsal of this user has the broker {broker}.",
                next_step="Start a rehearsal with connect(); it starts its own server.",
            )
        time.sleep(0.02)


if __name__ == "__main__":
    raise SystemExit(main())
