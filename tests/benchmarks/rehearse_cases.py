"""What a user waits for: connecting and the whole drill; by hand: `python tests/benchmarks/rehearse_cases.py`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile

_CONNECT = """
import json, time
from snews_drill.connection import connect
began = time.perf_counter()
with connect() as connection:
    connection.check()
    print(json.dumps([time.perf_counter() - began]))
"""

_REHEARSE = """
import json, time
from snews_drill.drill.rehearse import rehearse
began = time.perf_counter()
report = rehearse()
assert report, report.steps
print(json.dumps([time.perf_counter() - began, report.alert_latency_ms["p50"], report.alert_latency_ms["max"]]))
"""


def measure(*, is_full: bool = False) -> list[tuple[str, float, str]]:
    """Return (label, value, unit) for each case, each in a process and a home of its own: nothing runs before."""
    (cold,) = _run(_CONNECT)
    whole, p50, largest = _run(_REHEARSE)
    return [
        ("connect() to ready, cold", cold, "s"),
        ("rehearse, from nothing, 19 detectors", whole, "s"),
        ("rehearse, observation to alert seen p50", p50, "ms"),
        ("rehearse, observation to alert seen max", largest, "ms"),
    ]


def _run(program: str) -> list[float]:
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "SNEWS_DRILL_HOME": home}
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        found = json.loads(done.stdout)
        # The next case begins with nothing running.
        subprocess.run(
            [
                sys.executable,
                "-c",
                "from snews_drill.rehearsal.launcher import stop_rehearsal\n"
                "from snews_drill.settings import load_settings\n"
                "stop_rehearsal(load_settings())",
            ],
            env=environment,
            timeout=60,
            check=True,
        )
        return [float(value) for value in found]


if __name__ == "__main__":
    for label, value, unit in measure():
        print(f"{label:60}{value:12.2f} {unit}")
