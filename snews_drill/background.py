"""What runs in the background: one way to start it, to stop it, and to start it again.

Startable    what a `with` block starts and stops
Background   what works in a thread of its own
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Startable(ABC):
    """Runs from `start()` to `stop()`, or as long as a `with` block lasts; may be started again."""

    @abstractmethod
    def start(self) -> None:
        """Begin; harmless when it runs already."""

    @abstractmethod
    def stop(self) -> None:
        """End; harmless when it does not run."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Background(Startable):
    """Works in a thread of its own from `start()` to `stop()`.

    A run that was stopped and still waits for a broker must not go on with the next one, so each has a
    stop event of its own.
    """

    def __init__(self) -> None:
        self._lifecycle = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """Whether its thread is at work."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def _is_at_work(self) -> bool:
        """Whether it need not be started: it runs, and was not asked to end."""
        return self._thread is not None and self._thread.is_alive() and not self._stop.is_set()

    def stop(self, timeout: float = 2.0) -> None:
        """End within `timeout` seconds; harmless when it does not run. What it found out stays."""
        self._stop.set()
        self._join(timeout)

    def _launch(self, run: Callable[..., None], *arguments: object, name: str) -> None:
        """Start a thread that calls `run(*arguments)` and does not keep the interpreter alive."""
        self._thread = threading.Thread(target=run, args=arguments, name=f"snews_drill {name}", daemon=True)
        self._thread.start()

    def _join(self, timeout: float) -> None:
        """Wait at most `timeout` seconds for the end of the thread, unless this is that thread."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)
