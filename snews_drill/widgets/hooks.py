"""What a notebook adds to plain calls: `set_name()` shows a chooser, `subscribe()` a table, long waits a bar.

Nothing heavy is imported here: small functions are registered that load the widgets when they are called.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from snews_drill.errors import DrillError

if TYPE_CHECKING:
    from snews_drill.subscriber import Subscriber

_lock = threading.Lock()

#: Cell -> (the request that ran it, the subscribers whose tables it showed).
_shown: dict[str, tuple[str, list[Subscriber]]] = {}


def install() -> None:
    """Register the views with the modules that are loaded, each once; does nothing outside a live notebook kernel."""
    if _kernel() is None:
        return
    homes = {
        "snews_drill.names": ("choosers", show_chooser),
        "snews_drill.subscriber": ("views", show_table),
        "snews_drill.waiting": ("observers", show_wait),
    }
    with _lock:
        for module, (name, show) in homes.items():
            registered = getattr(sys.modules.get(module), name, None)
            if registered is not None and show not in registered:
                registered.append(show)


def show_chooser() -> bool:
    """Show a chooser of the detector's name; return False where there is no notebook."""
    if _kernel() is None:
        return False
    from IPython.display import display

    from snews_drill.widgets.name_chooser import NameChooser

    display(NameChooser())
    return True


def show_table(subscriber: Subscriber) -> None:
    """Show a subscriber's live table.

    A cell that is run again replaces what it showed, see `replace_earlier`.
    """
    if _kernel() is None:
        return
    from IPython.display import display

    from snews_drill.widgets.alert_table import AlertTable

    replace_earlier(subscriber)
    display(AlertTable(subscriber))


def replace_earlier(subscriber: Subscriber) -> None:
    """Stop the subscribers whose tables an earlier run of the running cell showed or started; this one takes their place.

    Does nothing outside a cell: what a button starts belongs to no run.
    """
    for before in _replaced(subscriber):
        with contextlib.suppress(DrillError):  # what ended the earlier one is no fault of this one
            before.stop()


def show_wait(what: str, timeout: float | None) -> Callable[[], None]:
    """Show a bar if a wait of a running cell takes long; return what ends it."""
    if threading.current_thread() is not threading.main_thread() or not _request("execute_request"):
        return _nothing
    from snews_drill.widgets.progress import show_wait as show

    return show(what, timeout)


def _nothing() -> None:
    """End what was not shown."""


def _replaced(subscriber: Subscriber) -> list[Subscriber]:
    """Return the subscribers that an earlier run of the same cell showed."""
    request = _request("execute_request")
    cell = request.get("metadata", {}).get("cellId")
    if not cell:
        return []
    run = str(request.get("header", {}).get("msg_id", ""))
    with _lock:
        earlier, shown = _shown.get(cell, ("", []))
        if earlier == run:
            shown.append(subscriber)
            return []
        _shown[cell] = (run, [subscriber])
    return [before for before in shown if before is not subscriber]


def _kernel() -> Any:
    """Return the kernel that runs this program; None outside a notebook."""
    if "ipykernel" not in sys.modules:
        return None
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None)


def _request(kind: str) -> dict[str, Any]:
    """Return the request that the kernel works on, if it is of this kind; else nothing."""
    kernel = _kernel()
    if kernel is None:
        return {}
    request = kernel.get_parent("shell")
    if not isinstance(request, dict) or request.get("header", {}).get("msg_type") != kind:
        return {}
    return request
