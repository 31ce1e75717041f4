"""Waits that somebody may want to see: who waits says for what, and a notebook shows a bar.

With nobody looking it costs nothing. Only the outermost wait of a thread is told.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LOG = logging.getLogger("snews_drill")

#: Called with what is being waited for and the most seconds it may take (None if unknown); returns what to call at its end.
observers: list[Callable[[str, float | None], Callable[[], None]]] = []

_local = threading.local()


@contextmanager
def waiting(what: str, timeout: float | None = None) -> Iterator[None]:
    """Tell the observers that this thread waits, and when it no longer does.

    Parameters
    ----------
    what
        What is being waited for, in a few words.
    timeout
        The most seconds it may take; None if that is not known.
    """
    if not observers or getattr(_local, "is_waiting", False):
        yield
        return
    ends = [end for observe in tuple(observers) if (end := _told(observe, what, timeout)) is not None]
    _local.is_waiting = True
    try:
        yield
    finally:
        _local.is_waiting = False
        for end in ends:
            _quietly(end)


def _told(
    observe: Callable[[str, float | None], Callable[[], None]], what: str, timeout: float | None
) -> Callable[[], None] | None:
    try:
        return observe(what, timeout)
    except Exception:  # noqa: BLE001 - somebody else's view must not break what is being waited for
        _LOG.debug("A wait could not be shown.", exc_info=True)
        return None


def _quietly(end: Callable[[], None]) -> None:
    try:
        end()
    except Exception:  # noqa: BLE001 - as above
        _LOG.debug("The end of a wait could not be shown.", exc_info=True)
