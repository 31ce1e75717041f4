"""Looks at processes once a second, and what the figures of a soak say."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import psutil


@dataclass(frozen=True, slots=True)
class Sample:
    """One process at one moment.

    Attributes
    ----------
    second : float
        Since the sampling began.
    rss_mb : float
        Resident memory, 10^6 bytes.
    threads, files, sockets : int
        How many it has; files are all descriptors.
    cpu_sec : float
        Processor time it has used so far.
    """

    second: float
    rss_mb: float
    threads: int
    files: int
    sockets: int
    cpu_sec: float


@dataclass
class Sampler:
    """Samples named processes every second, in a thread of its own.

    Attributes
    ----------
    processes
        Name -> process id.
    samples
        Name -> samples, oldest first.
    """

    processes: Mapping[str, int]
    every: float = 1.0
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._looked_at = {name: psutil.Process(pid) for name, pid in self.processes.items()}
        self.samples = {name: [] for name in self.processes}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="soak sampler", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._begun = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._stop.wait(self.every):
            for name, process in self._looked_at.items():
                try:
                    with process.oneshot():
                        sample = Sample(
                            time.monotonic() - self._begun,
                            process.memory_info().rss / 1e6,
                            process.num_threads(),
                            process.num_fds(),
                            len(process.net_connections(kind="all")),
                            sum(process.cpu_times()[:2]),
                        )
                except psutil.Error as error:
                    self.lost.append(f"{name}: {type(error).__name__}")
                else:
                    self.samples[name].append(sample)


def growth(samples: Sequence[Sample], attribute: str, after: float) -> float:
    """Return how much more of something there is in the last tenth than in the first tenth, both after warm-up.

    Medians: a file that is being written at the moment of one look is no growth.
    """
    values = [getattr(sample, attribute) for sample in samples if sample.second >= after]
    tenth = max(len(values) // 10, 5)
    return statistics.median(values[-tenth:]) - statistics.median(values[:tenth])


def processor_shares(samples: Sequence[Sample], after: float) -> tuple[float, float]:
    """Return the share of one processor used in the first and in the last third of the time after warm-up."""
    kept = [sample for sample in samples if sample.second >= after]
    third = max(len(kept) // 3, 1)
    shares = [
        (part[-1].cpu_sec - part[0].cpu_sec) / max(part[-1].second - part[0].second, 1e-9)
        for part in (kept[:third], kept[-third:])
    ]
    return shares[0], shares[1]


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which that share of the values lies."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def thirds(latencies: Sequence[tuple[float, float]], after: float) -> tuple[list[float], list[float]]:
    """Return the latencies of the first and of the last third of the time after warm-up."""
    kept = [(second, latency) for second, latency in latencies if second >= after]
    begin, end = kept[0][0], kept[-1][0]
    third = (end - begin) / 3
    first = [latency for second, latency in kept if second < begin + third]
    last = [latency for second, latency in kept if second > end - third]
    return first, last


class Pace:
    """Calls a function at a steady rate in a thread of its own; one that is late is called at once.

    Parameters
    ----------
    call
        What to call, with the number of the call.
    per_second
        How often.
    """

    def __init__(self, call: Callable[[int], None], per_second: float) -> None:
        self._call = call
        self._every = 1 / per_second
        self._stop = threading.Event()
        self.count = 0
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="soak pace", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; raise what a call raised."""
        self._stop.set()
        self._thread.join(15)
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        due = time.monotonic()
        try:
            while not self._stop.wait(max(due - time.monotonic(), 0.0)):
                self._call(self.count)
                self.count += 1
                due += self._every
        except BaseException as error:  # noqa: BLE001 - handed on by stop
            self.failure = error
