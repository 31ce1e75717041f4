"""A bar for waits that take longer than a second, in the cell that waits."""

from __future__ import annotations

import contextvars
import threading
import time
import uuid
from collections.abc import Callable

import ipywidgets
from IPython.display import display, update_display

from snews_drill.widgets.look import escaped, panel

#: Seconds before a wait is shown: most are over by then.
PATIENCE_SEC = 1.0

_DRAW_EVERY_SEC = 0.25
_VIEW = "application/vnd.jupyter.widget-view+json"


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
        bar = ipywidgets.FloatProgress(
            min=0.0,
            max=self._timeout or 1.0,
            layout={"width": "260px"},
            tooltip="How long it has been waited for",
        )
        words = ipywidgets.HTML()
        box = panel([ipywidgets.HBox([bar, words])])
        name = uuid.uuid4().hex
        # The view alone, without a text beside it: how long a wait takes is no part of what a cell says.
        view = {_VIEW: {"version_major": 2, "version_minor": 0, "model_id": box.model_id}}
        self._draw(bar, words)
        display(view, raw=True, display_id=name)
        while not self._ended.wait(_DRAW_EVERY_SEC):
            self._draw(bar, words)
        update_display({}, raw=True, display_id=name)
        for widget in (bar, words, *box.children, box):
            widget.close()

    def _draw(self, bar: ipywidgets.FloatProgress, words: ipywidgets.HTML) -> None:
        seconds = time.monotonic() - self._begun
        bar.value = min(seconds, bar.max) if self._timeout is not None else seconds % 1.0
        words.value = self.text(seconds)


def show_wait(what: str, timeout: float | None) -> Callable[[], None]:
    """Show a wait, if it takes long; return what ends it. Made for `snews_drill.waiting.observers`."""
    bar = WaitBar(what, timeout)
    bar.start()
    return bar.stop
