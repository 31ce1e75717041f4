"""What building and checking messages costs; by hand: `python tests/benchmarks/messages_cases.py`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from snews_drill.connection import Connection
from snews_drill.messages.times import iso_micro
from snews_drill.profiles import get_profile
from snews_drill.publisher import SNEWSTiersPublisher
from snews_drill.settings import DrillSettings
from snews_drill.transport import Transport
from snews_drill.wire.dialects import DIALECTS, get_dialect

_NOWHERE = Path("/nowhere")


def measure(*, is_full: bool = False) -> list[tuple[str, float, str]]:
    """Return (label, value, unit): microseconds of processor time, the best of many runs."""
    settings = DrillSettings(config_dir=_NOWHERE, state_dir=_NOWHERE, runtime_dir=_NOWHERE)
    profile = get_profile("kafka://127.0.0.1:9")
    rows = []
    for name in DIALECTS:
        # A connection is only named here: nothing is sent.
        with Connection(
            profile, Transport("127.0.0.1:9"), get_dialect(name), settings=settings
        ) as connection:
            cost = _cost(lambda connection=connection: _build(connection))
            rows.append((f"building and checking two messages, dialect {name}", cost, "µs"))
            made = _build(connection)
            rows.append((f"encoding two messages, dialect {name}", _cost(lambda m=made: _encode(m)), "µs"))
    return rows


def _build(connection: Connection) -> SNEWSTiersPublisher:
    made = SNEWSTiersPublisher(
        detector_name="XENONnT",
        neutrino_time=iso_micro(time.time_ns() // 1000 * 1000 - 5_000_000_000),
        p_values=[0.4, 0.5, 0.09, 0.04],
        t_bin_width=0.6,
        connection=connection,
        verbose=False,
    )
    assert len(made.messages) == 2, made.problems
    return made


def _encode(made: SNEWSTiersPublisher) -> None:
    for content in made.messages:
        made.dialect.encode_message(content)


def _cost(call: Callable[[], object], *, runs: int = 30, calls: int = 200) -> float:
    call()
    best = float("inf")
    for _ in range(runs):
        begun = time.process_time()
        for _ in range(calls):
            call()
        best = min(best, (time.process_time() - begun) / calls)
    return best * 1e6


if __name__ == "__main__":
    for label, value, unit in measure():
        print(f"{label:55s} {value:8.1f} {unit}")
