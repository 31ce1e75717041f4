"""The drill server of a rehearsal, as a process of its own: `python -m snews_drill.rehearsal.server_process`.

Started by the supervisor, which watches over it. The admin token stands in the rehearsal's private state file.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import threading
import time
from pathlib import Path

from pydantic import SecretStr

from snews_drill.connection import Connection
from snews_drill.errors import ArchiveError, DrillError, RehearsalError
from snews_drill.profiles import get_profile
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.archive_places import ARCHIVE_NAME
from snews_drill.rehearsal.launcher import find_rehearsal
from snews_drill.rehearsal.server import DrillServer
from snews_drill.rehearsal.state import RehearsalState
from snews_drill.settings import DrillSettings, load_settings
from snews_drill.transport import Transport
from snews_drill.wire.dialects import get_dialect

_LOG = logging.getLogger("snews_drill.server")

#: Settings that may come on the command line; by default they are what the environment says.
_FOLDERS = ("config_dir", "state_dir", "runtime_dir")


def main(arguments: list[str] | None = None) -> int:
    """Serve until asked to end (SIGTERM, SIGINT) or orphaned; return the exit code."""
    parser = argparse.ArgumentParser(prog="snews_drill.rehearsal.server_process")
    parser.add_argument("--broker", required=True)
    parser.add_argument("--rehearsal-dir", required=True, type=Path)
    for folder in _FOLDERS:
        parser.add_argument(f"--{folder.replace('_', '-')}", type=Path)
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    try:
        folders = {name: folder for name in _FOLDERS if (folder := getattr(chosen, name)) is not None}
        _serve(chosen.broker, chosen.rehearsal_dir, load_settings().model_copy(update=folders), done)
    except DrillError as error:
        _LOG.error("%s", error)
        return 1
    return 0


def _serve(broker: str, rehearsal_dir: Path, settings: DrillSettings, done: threading.Event) -> None:
    parent = os.getppid()
    state = _state_of(broker, settings)
    settings = settings.model_copy(update={"admin_token": SecretStr(state.admin_token)})
    profile = get_profile("rehearsal")
    with contextlib.ExitStack() as stack:
        transport = Transport(broker)
        stack.callback(transport.close)
        transport.create_topics((*profile.firedrill.names(), *profile.test.names()))
        dialect = get_dialect(profile.dialect)
        connection = stack.enter_context(Connection(profile, transport, dialect, settings=settings))
        server = DrillServer(
            connection,
            stack.enter_context(_open_archive(rehearsal_dir / ARCHIVE_NAME, done)),
            instance=state.instance,
            is_private=True,
            server_tag="snews_drill rehearsal",
        )
        stack.enter_context(server)
        # Where the system does not end children with their parent, an orphan ends itself.
        while server.is_running and not done.wait(1.0) and os.getppid() == parent:
            pass


def _open_archive(path: Path, done: threading.Event) -> Archive:
    """Open the archive; while the disk has no room for it, wait."""
    parent, told = os.getppid(), ""
    while True:
        try:
            return Archive(path)
        except ArchiveError as error:
            if not error.is_passing or done.wait(1.0) or os.getppid() != parent:
                raise
            if error.reason != told:
                told = error.reason
                _LOG.warning("%s", error)


def _state_of(broker: str, settings: DrillSettings, timeout: float = 5.0) -> RehearsalState:
    """Return what the state file says of the rehearsal: which life of the broker this is, and the token."""
    deadline = time.monotonic() + timeout
    while True:
        state = find_rehearsal(settings)
        if state is not None and state.broker == broker:
            return state
        if time.monotonic() >= deadline:
            raise RehearsalError(
                f"No rehearsal of this user has the broker {broker}.",
                next_step="Start a rehearsal with connect(); it starts its own server.",
            )
        time.sleep(0.02)


if __name__ == "__main__":
    raise SystemExit(main())
