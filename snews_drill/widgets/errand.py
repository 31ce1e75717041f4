"""Buttons whose work takes time: it is done in a thread, so that neither the kernel nor the page has to wait."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from snews_drill.errors import DrillError

_LOG = logging.getLogger("snews_drill.widgets")


class Errand:
    """Runs one function at a time in a thread; a second wish while it runs is left out.

    Parameters
    ----------
    name
        What the thread is called.
    on_error
        Shows what went wrong, in that thread.
    """

    def __init__(self, name: str, on_error: Callable[[DrillError], None]) -> None:
        self._name = name
        self._on_error = on_error
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """Whether it is on its way."""
        return self._thread is not None and self._thread.is_alive()

    def run(self, do: Callable[[], object]) -> bool:
        """Do something, and return at once; return False, and do nothing, if the last one is not done yet."""
        with self._lock:
            if self.is_running:
                return False
            self._thread = threading.Thread(target=self._do, args=(do,), name=self._name, daemon=True)
            self._thread.start()
            return True

    def join(self, timeout: float = 15.0) -> None:
        """Wait until it is done, at most `timeout` seconds."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def _do(self, do: Callable[[], object]) -> None:
        try:
            do()
        except DrillError as error:
            self._on_error(error)
        except Exception as error:  # noqa: BLE001 - the thread's boundary: nothing may pass unseen
            _LOG.exception("%s failed", self._name)
            self._on_error(
                DrillError(
                    f"{type(error).__name__}: {error}"[:300], next_step="Try again; the log has the details."
                )
            )
