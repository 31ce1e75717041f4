"""What every measured process runs: it does what each line on standard input asks and answers with a line.

Runs with the Python and libraries of whoever is measured; only the standard library may be imported here. Times that are
compared between processes come from `time.monotonic`, which on one machine is one clock for all of them.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

# The published peers' walls: nothing but the broker on this machine.
sys.path.insert(0, str(Path(__file__).parents[2] / "interop" / "inside"))

Verb = Callable[..., dict[str, Any]]


def keep_answers_apart() -> Any:
    """Return where answers go; whatever else is printed from now on goes to standard error, which is a file."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def converse(answers: Any, *verbs: Verb) -> None:
    """Answer until there are no more requests."""
    known = {verb.__name__: verb for verb in verbs}
    _say(answers, {"is_ready": True})
    for line in sys.stdin:
        request = json.loads(line)
        try:
            found = known[request.pop("verb")](**request)
        except Exception:  # noqa: BLE001 - whoever asked raises it again
            found = {"failed": traceback.format_exc()}
        _say(answers, found)
    os._exit(0)  # some of the measured have streams that end in no other way


def _say(answers: Any, found: dict[str, Any]) -> None:
    answers.write(json.dumps(found) + "\n")
    answers.flush()


def per_call(call: Callable[[str], object], moments: list[str]) -> float:
    """Return the seconds of processor time that a call takes, one for each moment; no two are the same, as in a drill."""
    call(moments[0])
    begun = time.process_time()
    for moment in moments:
        call(moment)
    return (time.process_time() - begun) / len(moments)


def moments(count: int, *, digits: int = 6, end: str = "") -> list[str]:
    """Return as many moments of the last minutes, ISO texts in UTC with so many digits of a second."""
    from datetime import datetime, timedelta, timezone

    now = datetime.now(timezone.utc)  # noqa: UP017 - also older Pythons run this
    return [
        (now - timedelta(milliseconds=5_000 + 7 * number)).strftime("%Y-%m-%dT%H:%M:%S.%f")
        + "0" * (digits - 6)
        + end
        for number in range(count)
    ]
