"""A hundred thousand inputs that are nearly right, through everything that reads bytes from outside.

`python -m pytest -m fuzz -s tests/fuzz`; `--hostile-records N` and `--hostile-seed S` choose how many and which. The
number of an input, its kind and the seed give it again: `hostile_input(kind, seed, number)`.
"""

from __future__ import annotations

import io
import json
import logging
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from broker_stand import write
from fuzz.decoders import NOW_NS, Decoder, all_decoders, check_html, check_plain, new_folder
from fuzz.figures import HEAD, Figures, peak_mb
from fuzz.hostile_inputs import as_bytes, hostile_input, samples
from messages_to_send import observation, send_observations
from rich.console import Console
from waiting import wait_for

from snews_drill.connection import Connection
from snews_drill.profiles import get_profile
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.server import DrillServer
from snews_drill.settings import DrillSettings
from snews_drill.subscriber import Subscriber
from snews_drill.transport import Record, Transport
from snews_drill.widgets.alert_table import AlertTable
from snews_drill.wire.dialects import get_dialect
from snews_drill.wire.json_text import MAX_BYTES

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(3600)]

#: Share of each kind: what a stranger can write to a topic comes first.
SHARES = {
    "record": 34,
    "alert": 14,
    "pickle": 11,
    "json": 5,
    "alert table": 2,
    "arguments": 5,
    "control room": 5,
    "report": 2,
    "outbox": 2,
    "saved alert": 2,
    "scenario": 4,
    "state": 3,
    "state file": 1,
    "bookmark": 2,
    "settings": 2,
    "contacts": 2,
    "topics": 2,
    "credentials": 1,
    "form": 1,
}

#: Processor time that any one input may take, ms, and 99 of 100 of a kind. The longest that a broker would carry has
#: 1 MB and is read up to eight times here: once for each view.
MOST_MS, MOST_MS_P99 = 5_000.0, 400.0

#: Memory that all of it may take on top of what the process had before, 10^6 bytes: the largest input has ten.
MOST_MB = 400.0


@pytest.fixture
def decoders() -> Iterator[dict[str, Decoder]]:
    """Every decoder, with files in a folder of its own."""
    folder = new_folder()
    yield all_decoders(folder)
    shutil.rmtree(folder)


def test_shares_name_every_decoder(decoders: dict[str, Decoder]) -> None:
    """None is forgotten."""
    assert SHARES.keys() == decoders.keys()
    assert sum(SHARES.values()) == 100


def test_every_decoder(decoders: dict[str, Decoder], request: pytest.FixtureRequest) -> None:
    """Each input is accepted or refused in words, in bounded time and memory; nothing else ever comes out."""
    total, seed = _asked(request)
    before, begun = peak_mb(), time.monotonic()
    found, faults = [], []
    for kind, decoder in decoders.items():
        figures = Figures(kind)
        for sample in samples()[kind]:  # whatever is loaded on first use is no input's fault
            decoder.is_accepted(as_bytes(sample))
        for number in range(max(total * SHARES[kind] // 100, 10)):
            raw = hostile_input(kind, seed, number)
            try:
                with figures.timed(number):
                    is_accepted = decoder.is_accepted(raw)
            except Exception as error:  # noqa: BLE001 - all faults are told together
                faults.append(f"{kind} {seed} {number}: {type(error).__name__}: {str(error)[:300]}")
                continue
            figures.accepted += is_accepted
            figures.refused += not is_accepted
        found.append(figures)
    count = sum(len(figures.milliseconds) for figures in found)
    print(f"\n\n{count:,} inputs, seed {seed}, in {time.monotonic() - begun:.0f} s\n{HEAD}")
    for figures in found:
        print(figures.line())
    print(f"  peak memory {peak_mb():.0f} MB, {peak_mb() - before:.0f} MB of it in this test")
    assert faults == []
    for figures in found:
        ordered = sorted(figures.milliseconds)
        assert ordered[-1] < MOST_MS, f"{figures.kind} {seed} {figures.slowest}: {ordered[-1]:.0f} ms"
        assert len(ordered) < 1_000 or ordered[int(len(ordered) * 0.99)] < MOST_MS_P99, figures.kind
        # A form's fields and the report answer everything in words.
        assert figures.refused or figures.kind in ("form", "report"), (
            f"nothing hostile among the {figures.kind} inputs"
        )
        assert figures.accepted, f"nothing nearly right among the {figures.kind} inputs"
    assert peak_mb() - before < MOST_MB


def test_the_drill_server(
    archive: Archive,
    settings: DrillSettings,
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Every record is judged and kept, none finds a fault in the server, and a good one behind them is answered."""
    total, seed = _asked(request)
    connection = Connection(
        get_profile("rehearsal"), Transport("127.0.0.1:9"), get_dialect("1.3"), settings=settings
    )
    intake = DrillServer(connection, archive)._intake
    intake.restore(NOW_NS)
    before, begun, spent = peak_mb(), time.monotonic(), time.thread_time()
    slowest, batch, offset = 0.0, [], 0
    with caplog.at_level(logging.ERROR, logger="snews_drill.server"):
        for number in range(total):
            raw = hostile_input(_KINDS_OF_RECORDS[number % len(_KINDS_OF_RECORDS)], seed, number)
            if len(raw) > MAX_BYTES:  # no broker would carry it
                continue
            batch.append(_record(connection, raw, offset))
            offset += 1
            if len(batch) == 500:
                slowest = max(slowest, _taken(intake, batch))
        slowest = max(slowest, _taken(intake, batch))
        for name in ("JUNO", "LVD"):
            raw = observation(name, NOW_NS - 10**9, now_ns=NOW_NS)
            intake.take([_record(connection, raw, offset)], NOW_NS)
            offset += 1
    counts = intake.counts
    seconds = time.thread_time() - spent
    connection.close()
    print(
        f"\n\n{offset:,} records through the drill server in {time.monotonic() - begun:.0f} s (processor {seconds:.0f} s)"
    )
    print(f"  {dict(Counter(counts).most_common())}")
    print(f"  slowest batch of 500: {slowest:.2f} s; memory +{peak_mb() - before:.0f} MB; ", end="")
    print(f"archive {sum(file.stat().st_size for file in archive.path.parent.iterdir()) / 1e6:.0f} MB")
    assert caplog.records == [], caplog.text[-3000:]
    assert sum(number for name, number in counts.items() if name != "alerts") == offset
    assert set(archive.alerts()[-1]["detector_names"]) >= {"JUNO", "LVD"}
    assert slowest < 60
    assert peak_mb() - before < MOST_MB


_KINDS_OF_RECORDS = (*["record"] * 14, *["pickle"] * 3, "alert", "json", "state")


def _record(connection: Connection, raw: bytes, offset: int) -> Record:
    return Record(connection.topics().observations, 0, offset, NOW_NS // 1_000_000, raw, "json")


def _taken(intake: object, batch: list[Record]) -> float:
    begun = time.thread_time()
    intake.take(batch, NOW_NS)  # type: ignore[attr-defined]
    batch.clear()
    return time.thread_time() - begun


def test_a_real_broker_carries_them_to_server_subscriber_and_table(
    connection: Connection, server: DrillServer, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Observations to the server, alerts to a subscriber that saves and shows them; good ones between them arrive."""
    total, seed = _asked(request)
    count = max(min(total // 20, 5_000), 200)
    records = [_carried(hostile_input("record", seed + 1, number)) for number in range(count)]
    hostile_alerts = [_carried(hostile_input("alert", seed + 1, number)) for number in range(count)]
    topics = connection.topics()
    with Subscriber(connection=connection, outputfolder=tmp_path / "alerts") as subscriber:
        table = AlertTable(subscriber, rows=2_000)
        for begin in range(0, count, 250):
            write(connection, topics.observations, *records[begin : begin + 250])
            write(connection, topics.alerts, *hostile_alerts[begin : begin + 250])
        zero_ns = time.time_ns() - 10**9
        send_observations(connection, observation("JUNO", zero_ns), observation("LVD", zero_ns))
        wait_for(
            lambda: any(set(alert.detector_names) == {"JUNO", "LVD"} for alert in subscriber.alerts),
            "the good alert behind them",
            timeout=120,
        )
        _check_subscriber(subscriber, tmp_path / "alerts", count)
        _check_table(table, subscriber)
        _check_server(server)
        table.stop()
        table.close()


def _carried(raw: bytes) -> bytes:
    return raw[:1_000_000]


def _check_subscriber(subscriber: Subscriber, folder: Path, count: int) -> None:
    state = subscriber.state
    print(f"\n\n{count:,} hostile records and {count:,} hostile alerts through an embedded broker")
    print(f"  alerts shown {state.shown:,}, unreadable {state.unreadable:,}, came twice {state.duplicates:,}")
    assert state.unsaved == state.callback_failures == 0
    assert state.shown + state.unreadable + state.duplicates == state.received
    assert state.shown > count / 10
    assert state.unreadable > count / 10
    files = sorted(file.name for file in folder.iterdir() if not file.name.startswith("."))
    assert len(files) == state.shown
    assert all(name.rstrip("0123456789-.json").endswith("SNEWS_ALERT_") for name in files), files[:3]
    for file in folder.glob("*.json"):
        json.loads(file.read_text())


def _check_table(table: AlertTable, subscriber: Subscriber) -> None:
    table._view.draw_now()
    assert len(table.rows) == min(len(subscriber.alerts), 2_000)
    check_plain(json.dumps(table.rows, ensure_ascii=False, allow_nan=False))
    for entry in subscriber.snapshot()[:200]:
        table.select(entry.number)
        check_html(table.details)
    assert len(subscriber.to_dataframe()) == len(subscriber.alerts)


def _check_server(server: DrillServer) -> None:
    from snews_drill.cli.server_status import Shown
    from snews_drill.cli.server_view import status_screen

    status = server.status
    assert status.state == "listening"
    assert status.refusals
    console = Console(
        file=io.StringIO(), markup=False, emoji=False, highlight=False, width=120, no_color=True
    )
    console.print(status_screen(Shown(status=status, where="x", archive="x", alerts=()), time.time_ns()))
    check_plain(console.file.getvalue().replace("\n", ""))  # type: ignore[attr-defined]


def _asked(request: pytest.FixtureRequest) -> tuple[int, int]:
    config = request.config
    return int(config.getoption("--hostile-records")), int(config.getoption("--hostile-seed"))
