"""A rehearsal that goes on and on: what grows, and whether alerts become slower.

`python -m pytest -m soak -s tests/soak` takes three minutes; `--soak-minutes 30` and `--soak-plot FILE` as they say.
"""

from __future__ import annotations

import asyncio
import os
import platform
import queue
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from bare_client import BareClient
from messages_to_send import observation
from soak.drawing import draw
from soak.notebook_side import CELLS, END, STATE
from soak.place import Place, kafka_place, rehearsal_place
from soak.sampling import Pace, Sampler, growth, processor_shares, quantile, thirds
from waiting import wait_for

from snews_drill.connection import Connection
from snews_drill.settings import DrillSettings
from snews_drill.transport import Receipt, Transport
from snews_drill.wire.payload import Payload

pytestmark = pytest.mark.soak

ALERTS_PER_SEC = 20
WARM_UP_SEC = 60.0

#: Most that a process of ours may grow after warm-up, 10^6 bytes.
MAX_GROWTH_MB = 20.0

#: Threads that the embedded broker may add; seen were one to five within minutes.
MAX_BROKER_THREADS = 8

#: The p99 latency of the last third may be so many times that of the first third, and so many ms more. Apache Kafka is as
#: fast at the end as at the beginning; the embedded broker looks through all writes of a topic for each new record.
FLAT = {"kafka": (2.0, 50.0), "embedded": (5.0, 500.0)}


class Kernel:
    """A real kernel; what it sends to a browser is counted and thrown away."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.comm: Counter[str] = Counter()
        self._texts: queue.Queue[str] = queue.Queue()
        # A loop of our own: the one that jupyter_client makes for itself is never closed.
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="soak kernel reader", daemon=True)
        self._thread.start()
        self._call(self._open(folder, environ), 90)

    @property
    def pid(self) -> int:
        """Its process."""
        return int(self._manager.provisioner.process.pid)

    def run(self, source: str, timeout: float = 60.0) -> str:
        """Run a cell and return what it printed; raise if it failed."""
        while not self._texts.empty():
            self._texts.get_nowait()
        reply = self._call(self._client.execute(source, reply=True, timeout=timeout), timeout + 5)
        content: Any = reply["content"]
        assert content["status"] == "ok", "\n".join(content.get("traceback", [content.get("ename", "?")]))
        return self._texts.get(timeout=20) if "print(" in source else ""

    def stop(self) -> None:
        """End it."""
        try:
            self._call(self._close(), 30)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
            self._loop.close()

    def _call(self, work: Any, timeout: float) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    async def _open(self, folder: Path, environ: dict[str, str]) -> None:
        from jupyter_client.manager import AsyncKernelManager

        self._manager: Any = AsyncKernelManager(kernel_name="python3")
        await self._manager.start_kernel(cwd=str(folder), env=environ)
        self._client: Any = self._manager.client()
        self._client.start_channels(hb=False)
        await self._client.wait_for_ready(timeout=80)
        self._reading = asyncio.ensure_future(self._read())

    async def _close(self) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        self._client.stop_channels()
        await self._manager.shutdown_kernel(now=True)

    async def _read(self) -> None:
        while True:
            message = await self._client.iopub_channel.get_msg(timeout=None)
            kind = message["header"]["msg_type"]
            if kind.startswith("comm_"):
                self.comm["messages"] += 1
                self.comm["bytes"] += len(str(message["content"]))
            elif kind == "stream":
                self._texts.put(message["content"]["text"])


@contextmanager
def open_kernel(folder: Path, environment: dict[str, str]) -> Iterator[Kernel]:
    """A kernel of the same user as the test."""
    kernel = Kernel(folder, {**environment, "IPYTHONDIR": str(folder / "ipython")})
    try:
        yield kernel
    finally:
        kernel.stop()


class Detectors:
    """Two detectors that correct their observations in turn: each correction is an alert."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._topic = connection.topics().observations
        self._zero_ns = time.time_ns() - 10**9
        self.sent_ns: dict[float, int] = {}

    def send(self, number: int) -> None:
        """Send one observation; its p-value tells it from all others."""
        p_val = (number + 1) / 1_000_000
        raw = observation(("JUNO", "LVD")[number % 2], self._zero_ns, p_val=p_val)
        self.sent_ns[p_val] = time.time_ns()
        (outcome,) = self._connection.send(self._topic, [Payload(raw)], timeout=10.0)
        assert isinstance(outcome, Receipt), outcome


def place_of(
    request: pytest.FixtureRequest, settings: DrillSettings, folder: Path
) -> AbstractContextManager[Place]:
    """Where `--broker` says."""
    if request.config.getoption("--broker") == "kafka":
        return kafka_place(request.getfixturevalue("apache_kafka"), folder)
    return rehearsal_place(settings)


def test_soak(settings: DrillSettings, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Nothing grows but what is kept on purpose, and the last alerts come as fast as the first."""
    minutes = float(request.config.getoption("--soak-minutes"))
    with place_of(request, settings, tmp_path) as place, open_kernel(tmp_path, place.environment) as kernel:
        for cell in CELLS:
            kernel.run(cell.replace("{arguments}", place.arguments))
        sampler = Sampler({"notebook": kernel.pid, **place.processes})
        detectors = Detectors(place.connection)
        pace = Pace(detectors.send, ALERTS_PER_SEC)
        begun_ns = time.time_ns()
        sampler.start()
        pace.start()
        kernel_told_at = time.monotonic()
        while time.monotonic() - kernel_told_at < minutes * 60 and pace.failure is None:
            time.sleep(0.5)
        pace.stop()
        heard_file = tmp_path / "heard.txt"
        expected = pace.count - 1  # the first observation alone is no coincidence
        wait_for(lambda: len(_heard(heard_file)) >= expected, f"{expected} alerts", timeout=120)
        sampler.stop()
        counted = kernel.run(STATE).split()
        comm = dict(kernel.comm)
        kernel.run(END)
        bare = _bare(place)
    latencies = [
        ((time_ns - begun_ns) / 1e9, (time_ns - detectors.sent_ns[p_val]) / 1e6)
        for time_ns, p_val in _heard(heard_file)
    ]
    _tell(minutes, sampler, latencies, counted, comm, pace.count)
    for where, milliseconds in bare.items():
        print(f"  bare client, writing to reading on {where}, ms: p50 {quantile(milliseconds, 0.5):.1f}")
    plot = request.config.getoption("--soak-plot")
    if plot:
        draw(Path(plot), sampler.samples, latencies, WARM_UP_SEC)
    _insist(sampler, latencies, counted, expected, saved=len(list((tmp_path / "alerts").glob("*.json"))))
    factor, margin_ms = FLAT[request.config.getoption("--broker")]
    first, last = (quantile(part, 0.99) for part in thirds(latencies, WARM_UP_SEC))
    assert last < factor * first + margin_ms, f"p99 {first:.1f} ms at first, {last:.1f} ms at last"


def _bare(place: Place) -> dict[str, list[float]]:
    """What the broker's part is: a bare client on a topic of its own, and on the alerts' topic as the soak left it."""
    if place.bare_address is None:
        return {}
    transport = Transport(place.bare_address)
    transport.create_topics(["soak.empty"])
    transport.close()
    alerts = place.connection.topics().alerts
    found = {}
    for where, topic in {"an empty topic": "soak.empty", "the alerts' topic": alerts}.items():
        with BareClient(place.bare_address, topic) as bare:
            found[where] = bare.round_trips(50, pause=0.02)
    return found


def _heard(path: Path) -> list[tuple[int, float]]:
    lines = path.read_text().splitlines() if path.exists() else []
    return [(int(line.split()[0]), float(line.split()[1])) for line in lines if len(line.split()) == 2]


def _tell(
    minutes: float,
    sampler: Sampler,
    latencies: list[tuple[float, float]],
    counted: list[str],
    comm: dict[str, int],
    sent: int,
) -> None:
    seconds = minutes * 60
    shown, dropped, unsaved, _, _, beats, missed = map(int, counted)
    print(f"\n\nSoak of {minutes:g} min, Python {platform.python_version()}, {os.cpu_count()} processors")
    print(f"  observations {sent:,} ({sent / seconds:.1f}/s), alerts {shown:,} ({shown / seconds:.1f}/s)")
    print(f"  heartbeats acknowledged {beats:,} ({beats / seconds:.1f}/s), missed {missed}")
    print(f"  alerts no longer in memory {dropped:,}, not saved {unsaved}")
    print(
        f"  widgets: {comm.get('messages', 0):,} messages, {comm.get('bytes', 0) / 1e6 / seconds:.3f} MB/s to the browser"
    )
    print(
        f"  {'process':<14}{'MB at first':>12}{'MB at last':>12}{'growth MB':>11}{'threads':>9}{'files':>7}{'sockets':>9}"
        f"{'processor, first and last third':>33}"
    )
    for name, samples in sampler.samples.items():
        first = next(s for s in samples if s.second >= WARM_UP_SEC)
        grown = [growth(samples, what, WARM_UP_SEC) for what in ("rss_mb", "threads", "files", "sockets")]
        shares = " ".join(f"{100 * share:.0f} %" for share in processor_shares(samples, WARM_UP_SEC))
        memory = f"{first.rss_mb:>12.1f}{samples[-1].rss_mb:>12.1f}{grown[0]:>+11.1f}"
        print(f"  {name:<14}{memory}{grown[1]:>+9.0f}{grown[2]:>+7.0f}{grown[3]:>+9.0f}{shares:>33}")
    broker = sampler.samples["broker"]
    kept = sent + shown + beats
    print(
        f"  broker: {(broker[-1].rss_mb - broker[0].rss_mb) * 1e6 / kept:,.0f} bytes a record, {kept:,} records"
    )
    for label, part in zip(("first", "last"), thirds(latencies, WARM_UP_SEC), strict=True):
        shares = ", ".join(f"{word} {quantile(part, share):.1f}" for word, share in _SHARES)
        print(f"  latency of the {label} third, ms: {shares}")


_SHARES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("largest", 1.0))


def _insist(
    sampler: Sampler, latencies: list[tuple[float, float]], counted: list[str], expected: int, *, saved: int
) -> None:
    assert sampler.lost == []
    assert len(latencies) == expected == saved
    assert [int(number) for number in counted[2:5]] == [0, 0, 0], "not saved, callbacks, plug-in"
    # A tick that comes while another one waits for the machine is missed: told, and few.
    beats, missed = int(counted[5]), int(counted[6])
    assert missed < 0.1 * beats, f"{missed} heartbeats missed, {beats} acknowledged"
    for name, samples in sampler.samples.items():
        for what in ("threads", "files", "sockets"):
            # The embedded broker, which is not ours, keeps a pool of threads that it fills as it needs them.
            most = MAX_BROKER_THREADS if (name, what) == ("broker", "threads") else 0
            assert growth(samples, what, WARM_UP_SEC) <= most, f"{name}: more {what}"
        if name != "broker":  # it keeps every record, on purpose
            assert growth(samples, "rss_mb", WARM_UP_SEC) < MAX_GROWTH_MB, f"{name}: more memory"
