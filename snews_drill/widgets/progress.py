"""A bar for waits that take longer than a second, in the cell that waits."""

from __future__ import annotations

import contextvars
import threading
import time
import uuid
from collections.abc import Callable

from IPython.display import display, update_display

from snews_drill.widgets.look import escaped

#: Seconds before a wait is shown: most are over by then.
PATIENCE_SEC = 1.0

_DRAW_EVERY_SEC = 0.25

_STYLE = "padding: 4px 0; font-family: var(--jp-ui-font-family); color: var(--jp-ui-font-color1)"


class WaitBar:
    """A bar that appears when a wait has taken a while and goes away with it.

    Parameters
    ----------
    what
        What is being waited for.
    timeout
        The most seconds it may take; None if that is not known.
    """

    def __init__(self, what: str, timeout: float | None) -> None:
        self._what = what
        self._timeout = timeout
        self._begun = time.monotonic()
        self._ended = threading.Event()
        # In a copy of the cell's context, so that what the thread displays belongs to the cell.
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._run,), name="snews_drill wait bar", daemon=True
        )

    def start(self) -> None:
        """Begin to count; the bar is shown later."""
        self._thread.start()

    def stop(self, timeout: float = 1.0) -> None:
        """Take the bar away; harmless when there is none."""
        self._ended.set()
        self._thread.join(timeout)

    def text(self, seconds: float) -> str:
        """Return what stands beside the bar after so many seconds, as HTML."""
        limit = f" of at most {self._timeout:g} s" if self._timeout is not None else ""
        return f"Waiting for {escaped(self._what)}: {seconds:.0f} s{limit}"

    def _run(self) -> None:
        if self._ended.wait(PATIENCE_SEC):
            return
        # Plain HTML and no widget: one that goes away while the browser still makes its view is an error there. Begun with
        # nothing, and with nothing at the end: how long a wait takes is no part of what a cell says.
        name = uuid.uuid4().hex
        display({}, raw=True, display_id=name)
        while True:
            update_display({"text/html": self._html()}, raw=True, display_id=name)
            if self._ended.wait(_DRAW_EVERY_SEC):
                break
        update_display({}, raw=True, display_id=name)

    def _html(self) -> str:
        seconds = time.monotonic() - self._begun
        full = self._timeout or 1.0
        value = min(seconds, full) if self._timeout is not None else seconds % full
        return (
            f'<div style="{_STYLE}"><progress style="width: 260px" aria-label="How long it has been waited for" '
            f'max="{full:g}" value="{value:.3g}"></progress> {self.text(seconds)}</div>'
        )


def show_wait(what: str, timeout: float | None) -> Callable[[], None]:
    """Show a wait, if it takes long; return what ends it. Made for `snews_drill.waiting.observers`."""
    bar = WaitBar(what, timeout)
    bar.start()
    return bar.stop
