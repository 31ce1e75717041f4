"""What the fault suite shares: the tally that it prints at the end."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from broker_stand import EmbeddedStand

from faults.storm import Tally

_tallies: list[Tally] = []


@pytest.fixture
def tally() -> Callable[..., Tally]:
    """Return a function that makes a line of the summary."""

    def make(suite: str, seed: int) -> Tally:
        made = Tally(suite, seed)
        _tallies.append(made)
        return made

    return make


@pytest.fixture(scope="module")
def embedded() -> Iterator[EmbeddedStand]:
    """An embedded broker for the storms of one module."""
    stand = EmbeddedStand()
    yield stand
    stand.kill()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the lines over where this is one of several processes that test at the same time (pytest -n)."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["fault_tallies"] = [
            {**dataclasses.asdict(line), "faults": dict(line.faults)} for line in _tallies
        ]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the lines of a process that has ended."""
    for line in getattr(node, "workeroutput", {}).get("fault_tallies", ()):
        _tallies.append(Tally(**{**line, "faults": Counter(line["faults"])}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was tried and what it came to."""
    if not _tallies:
        return
    terminalreporter.section("faults")
    head = "suite              seed  messages  sent twice  alerts  copies  lost  doubled  seconds  faults"
    terminalreporter.write_line(head)
    for line in _tallies:
        faults = ", ".join(f"{number} x {kind}" for kind, number in sorted(line.faults.items()))
        terminalreporter.write_line(
            f"{line.suite:<18} {line.seed:>4} {line.messages:>9,} {max(line.written - line.messages, 0):>11,}"
            f" {line.alerts:>7,} {line.copies:>7,} {line.lost:>5} {line.doubled:>8} {line.seconds:>8.1f}  {faults}"
            f"{'; ' + line.note if line.note else ''}"
        )
    total: Counter[str] = sum((line.faults for line in _tallies), Counter())
    terminalreporter.write_line("")
    for kind, number in sorted(total.items()):
        terminalreporter.write_line(f"{number:>4} x {kind}")
    terminalreporter.write_line(
        f"{len(_tallies)} storms, {total.total()} faults, {sum(line.messages for line in _tallies):,} messages,"
        f" {sum(line.alerts for line in _tallies):,} alerts: {sum(line.lost for line in _tallies)} lost,"
        f" {sum(line.doubled for line in _tallies)} doubled; {sum(line.seconds for line in _tallies):.0f} s"
    )
