"""Wait for conditions, never for seconds."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import TypeVar

import psutil

T = TypeVar("T")

#: Seconds within which what happens at once has happened, on a very busy machine too. What would have waited for something
#: instead takes longer than this in every test that compares with it.
AT_ONCE_SEC = 5.0


def wait_for(condition: Callable[[], T], what: str, *, timeout: float = 10.0) -> T:
    """Return the first true value of `condition`; fail, saying what was being waited for, when none comes."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s for: {what}")
        time.sleep(0.01)
    return value


def is_gone(pid: int) -> bool:
    """Tell whether that process has ended; whether its parent has collected it does not matter."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True
