"""Redrawing at a fixed pace: the threads that receive hand over data, a view looks at a snapshot now and then."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from snews_drill.background import Background

_LOG = logging.getLogger("snews_drill.widgets")

#: After a drawing follows a pause at least this many times as long, but none longer than so many seconds.
_REST, _LONGEST_PAUSE_SEC = 5.0, 10.0


class Refresher(Background):
    """Calls a drawing function at most so many times a second, in a thread of its own.

    A thread of its own, because the kernel's main thread may be busy with a cell while alerts come. The function must
    look at a snapshot and change widgets only if something changed. One that raises is reported and called again.

    Parameters
    ----------
    draw
        What to call.
    every
        Seconds between two calls; at least 0.1.
    name
        What is drawn; the thread is called after it.
    """

    def __init__(self, draw: Callable[[], None], *, every: float = 0.25, name: str = "view") -> None:
        super().__init__()
        self._draw = draw
        self._every = max(every, 0.1)
        self._name = name

    def start(self) -> None:
        """Begin; harmless when it draws already."""
        with self._lifecycle:
            if not self.is_running:
                self._stop = threading.Event()
                self._launch(self._run, self._stop, name=self._name)

    def stop(self, timeout: float = 1.0) -> None:
        """Draw a last time and end; harmless when it does not draw.

        Parameters
        ----------
        timeout
            Seconds to wait for the thread.
        """
        with self._lifecycle:
            thread, self._thread = self._thread, None
            self._stop.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)
            self._draw_once()

    def _run(self, ended: threading.Event) -> None:
        while not ended.is_set():
            begun = time.monotonic()
            self._draw_once()
            # A view that is dear to draw, or a machine that is busy, must not take the time of those who receive.
            ended.wait(min(max(self._every, _REST * (time.monotonic() - begun)), _LONGEST_PAUSE_SEC))

    def _draw_once(self) -> None:
        try:
            self._draw()
        except Exception:  # noqa: BLE001 - the thread's boundary: a view that cannot be drawn must not end the others
            _LOG.exception("snews_drill %s could not be drawn", self._name)
