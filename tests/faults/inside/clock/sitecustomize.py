"""Gives a Python process another clock: what `SNEWS_DRILL_TEST_CLOCK` names holds how many ns it is off, and may change.

Only the time of day is off; waits and the time since the start of the system are the kernel's, as when a clock is set.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

_file = Path(os.environ["SNEWS_DRILL_TEST_CLOCK"])
_time_ns = time.time_ns


def _off_ns() -> int:
    return int(_file.read_text())


time.time_ns = lambda: _time_ns() + _off_ns()
time.time = lambda: (_time_ns() + _off_ns()) / 1e9
