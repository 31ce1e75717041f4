"""Commands that run until somebody ends them."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def until_interrupted() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C and SIGTERM set, so that the command can end in order.

    The second Ctrl-C interrupts whatever is going on. Shells switch Ctrl-C off for what a script starts in the background;
    here it works there too, because it is the orderly end.
    """
    asked = threading.Event()

    def ask(number: int, _frame: FrameType | None) -> None:
        if asked.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.set()

    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, ask)
    try:
        yield asked
    finally:
        for number, action in before.items():
            signal.signal(number, action)
