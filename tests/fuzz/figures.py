"""What a run over many inputs cost: counted, and told as a table."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Figures:
    """The figures of one kind of input.

    Attributes
    ----------
    accepted, refused : int
        How many of them.
    milliseconds : list of float
        Processor time of each: what else the machine does is no fault of a decoder.
    slowest : int
        The number of the slowest.
    """

    kind: str
    accepted: int = 0
    refused: int = 0
    milliseconds: list[float] = field(default_factory=list)
    slowest: int = -1

    @contextmanager
    def timed(self, number: int) -> Iterator[None]:
        """Take the time of one input."""
        begun = time.thread_time()
        yield
        spent = (time.thread_time() - begun) * 1e3
        if not self.milliseconds or spent > max(self.milliseconds[self.slowest_index], 0.0):
            self.slowest, self.slowest_index = number, len(self.milliseconds)
        self.milliseconds.append(spent)

    slowest_index: int = 0

    def line(self) -> str:
        """Return the figures as a line of a table."""
        ordered = sorted(self.milliseconds)
        p50, p99 = (ordered[int(len(ordered) * share)] for share in (0.5, 0.99))
        return (
            f"  {self.kind:<13}{len(ordered):>9,}{self.accepted:>10,}{self.refused:>10,}{p50:>9.2f}{p99:>9.2f}"
            f"{ordered[-1]:>10.1f}  #{self.slowest}"
        )


HEAD = f"  {'kind':<13}{'inputs':>9}{'accepted':>10}{'refused':>10}{'p50 ms':>9}{'p99 ms':>9}{'largest':>10}  which"


def peak_mb() -> float:
    """Return the most memory this process ever had, 10^6 bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
