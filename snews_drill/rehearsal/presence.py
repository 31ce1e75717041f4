"""Tell whether this user's rehearsal is there, and clean what a killed one left."""

from __future__ import annotations

import contextlib
import logging

from snews_drill.errors import DrillError, RehearsalError
from snews_drill.rehearsal.leases import remove_dead_leases
from snews_drill.rehearsal.state import (
    SUPERVISOR_MODULE,
    RehearsalFolders,
    RehearsalState,
    read_state,
    remove_state,
)

_log = logging.getLogger("snews_drill")


def clean_up(folders: RehearsalFolders, ended: RehearsalState | None) -> None:
    """End what a killed supervisor left running and remove its state. Call it with the start lock held.

    Nothing is ended unless its number, its creation time and its command line are what the state file says.
    """
    state = ended or _believable_state(folders)
    if state is not None:
        if state.server_process is not None:
            state.server_process.end([str(state.archive_dir)], timeout=2.0)
        state.broker_process.end(["broker", f"tcp://{state.broker}"], timeout=0.0)  # it keeps nothing
    remove_state(folders.state_file)
    remove_dead_leases(folders.users)


def left_behind(folders: RehearsalFolders) -> RehearsalState | None:
    """Return the state of a rehearsal whose supervisor was killed, or None.

    A supervisor that ends in order takes its state away; nobody then waits for that rehearsal to come back.
    """
    state = _believable_state(folders)
    if state is None or running_state(folders) is not None or state.archive_dir.parent != folders.archives:
        return None
    return state


def _believable_state(folders: RehearsalFolders) -> RehearsalState | None:
    with contextlib.suppress(DrillError):
        return read_state(folders.state_file)
    return None  # not written by us, or damaged: as good as none


def running_state(folders: RehearsalFolders) -> RehearsalState | None:
    """Return the state of the rehearsal that runs, or None."""
    state = _believable_state(folders)
    # Its command line names a folder with random digits, so there is no need to compare times, which jump
    # when the clock is set.
    if state is None or not state.supervisor.is_running(supervisor_words(state), at_that_time=False):
        return None
    return state


def supervisor_words(state: RehearsalState) -> tuple[str, ...]:
    """Return the arguments that only this rehearsal's supervisor has."""
    return SUPERVISOR_MODULE, str(state.archive_dir)


def has_no_supervisor(folders: RehearsalFolders) -> bool:
    """Tell whether no supervisor holds its lock, so that another may begin.

    Raises
    ------
    RehearsalError
        If the lock cannot be opened.
    """
    from filelock import Timeout

    try:
        with folders.supervisor_lock().acquire(timeout=0):
            return True
    except Timeout:
        return False
    except OSError as error:
        raise RehearsalError(
            f"A lock in {folders.runtime_dir} cannot be used: {error.strerror}.",
            next_step="Remove that folder; it is made again when needed.",
        ) from error


class LifeWatch:
    """Tells those who write if the rehearsal's broker, which keeps nothing, was started anew in between."""

    def __init__(self) -> None:
        self._written_in: str | None = None

    def note(self, life: str | None, *, has_written: bool) -> None:
        """Note in which life of the broker something was written; a line in the log says that it is another one."""
        if life is None or not has_written:
            return
        before, self._written_in = self._written_in, life
        if before not in (None, life):
            _log.warning(
                "The rehearsal's broker was started anew since you wrote last. What its drill server had not read by then is"
                " lost: send it again if you miss it; what was read counts once."
            )
