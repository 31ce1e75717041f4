"""The measured programs, each in a process and an environment of its own, asked line by line.

All of them are asked in the same way, ours too, so that what is compared is what happens inside: Python starts before the
clock does, and the answers' way back is not in any figure.
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from interop.peers import (
    CLIENT_1,
    CLIENT_3,
    SERVER_3,
    Peer,
    ensure_environment,
    private_environment,
    unused_folder,
)

_INSIDE = Path(__file__).parent / "inside"

#: How long a process may take to start, and to answer when nothing else is said, seconds.
START_SECONDS = 60.0
ANSWER_SECONDS = 120.0


@dataclass
class Actor:
    """A process that answers.

    Attributes
    ----------
    name
        What is measured: the distribution and its version.
    """

    name: str
    process: subprocess.Popen[bytes]
    place: Path

    def ask(self, verb: str, *, within: float = ANSWER_SECONDS, **arguments: Any) -> dict[str, Any]:
        """Have it do something and return what it found; an assertion fails with its words if it cannot."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"verb": verb, **arguments}).encode() + b"\n")
        self.process.stdin.flush()
        return self.hear(within)

    def hear(self, within: float) -> dict[str, Any]:
        """Return its next line."""
        assert self.process.stdout is not None
        heard, _, _ = select.select([self.process.stdout], [], [], within)
        line = self.process.stdout.readline() if heard else b""
        assert line, f"{self.name} said nothing within {within:g} s:\n{self.said()[-3000:]}"
        found: dict[str, Any] = json.loads(line)
        assert "failed" not in found, f"{self.name}:\n{found.get('failed')}\n{self.said()[-3000:]}"
        return found

    def said(self) -> str:
        return (self.place / "output.txt").read_text(errors="replace")

    def memory_mib(self) -> float:
        """Return what it keeps in memory now (resident set), MiB."""
        return float(psutil.Process(self.process.pid).memory_info().rss) / 2**20


@dataclass
class Company:
    """Starts the measured programs on one broker and ends them."""

    broker: str
    folder: Path
    _stack: ExitStack

    def ours(self, topics: dict[str, str], *, dialect: str = "3") -> Actor:
        return self._enter("snews_drill", sys.executable, "ours.py", topics, dialect=dialect)

    def raw(self, topics: dict[str, str]) -> Actor:
        return self._enter("confluent-kafka", sys.executable, "raw.py", topics)

    def client_3(self, topics: dict[str, str]) -> Actor:
        return self._peer(CLIENT_3, "client_3.py", topics)

    def client_1(self, topics: dict[str, str]) -> Actor:
        return self._peer(CLIENT_1, "client_1.py", topics)

    def rule_3(self, topics: dict[str, str]) -> Actor:
        return self._peer(SERVER_3, "rule_3.py", topics)

    def _peer(self, peer: Peer, script: str, topics: dict[str, str]) -> Actor:
        return self._enter(peer.name, str(ensure_environment(peer)), script, topics)

    def _enter(self, name: str, python: str, script: str, topics: dict[str, str], **more: str) -> Actor:
        return self._stack.enter_context(self._started(name, python, script, {"topics": topics, **more}))

    @contextmanager
    def _started(self, name: str, python: str, script: str, job: dict[str, Any]) -> Iterator[Actor]:
        place = unused_folder(self.folder, f"{name}-{Path(script).stem}")
        with (place / "output.txt").open("wb") as output:
            process = subprocess.Popen(
                [python, "-u", str(_INSIDE / script)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                cwd=place,
                env=private_environment(self.broker, place),
            )
            actor = Actor(name, process, place)
            try:
                assert process.stdin is not None
                process.stdin.write(
                    json.dumps({"broker": self.broker, "folder": str(place), **job}).encode() + b"\n"
                )
                process.stdin.flush()
                actor.hear(START_SECONDS)
                yield actor
            finally:
                process.kill()
                process.wait(10)
                for pipe in (process.stdin, process.stdout):
                    pipe.close() if pipe is not None else None
        assert "FOREIGN HOST" not in actor.said(), f"{name} turned elsewhere:\n{actor.said()[-3000:]}"


@contextmanager
def company(broker: str, folder: Path) -> Iterator[Company]:
    """Enter with nobody started; leave with everybody ended."""
    with ExitStack() as stack:
        yield Company(broker, folder, stack)


def start_seconds(python: str, *arguments: str, folder: Path, runs: int) -> tuple[float, float]:
    """Return the medians of what a bare start of a Python takes, and of what it takes with the arguments, seconds."""
    bare, loaded = [], []
    for _ in range(runs):
        bare.append(_run([python, "-c", "pass"], folder))
        loaded.append(_run([python, *arguments], folder))
    return sorted(bare)[runs // 2], sorted(loaded)[runs // 2]


def _run(command: list[str], folder: Path) -> float:
    environment = private_environment("127.0.0.1:9", unused_folder(folder, "start"))
    environment.pop("PYTHONDONTWRITEBYTECODE")  # as installed programs run: compiled once
    begun = time.perf_counter()
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, timeout=60, check=False)
    spent = time.perf_counter() - begun
    assert done.returncode == 0, f"{command}:\n{done.stderr.decode(errors='replace')[-3000:]}"
    return spent
