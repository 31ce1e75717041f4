"""The example of the documentation, and a bench on which archives are made from messages with given times."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from snews_drill.drill.after_action import AfterActionReport, after_action
from snews_drill.messages.tiers import Tier
from snews_drill.rehearsal.archive import Archive

SCRIPT = Path(__file__).parents[3] / "docs" / "example_report.py"


@pytest.fixture(scope="session")
def example_script() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


@pytest.fixture(scope="session")
def example(example_script: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> AfterActionReport:
    """The report of docs/example_report.py."""
    found = example_script["example_report"](tmp_path_factory.mktemp("example"))
    assert isinstance(found, AfterActionReport)
    return found


@pytest.fixture
def tell(example_script: dict[str, Any], tmp_path: Path) -> Iterator[Callable[..., AfterActionReport]]:
    """Return a function that has a drill server's intake judge (second, bytes, latency in ms), and reports."""
    archives = []

    def told(*sent: tuple[float, bytes, float], **options: Any) -> AfterActionReport:
        teller = example_script["Example"]()
        teller.all_sent = lambda: list(sent)
        archive = Archive(tmp_path / f"drill {len(archives)}" / "archive.sqlite3")
        archives.append(archive)
        teller.tell(archive)
        return after_action(archive, **options)

    yield told
    for archive in archives:
        archive.close()


@pytest.fixture
def message(example_script: dict[str, Any]) -> Callable[..., bytes]:
    """Return a function that gives a message's bytes: tier, detector, second after the start, arguments."""
    teller = example_script["Example"]()

    def made(
        tier: Tier, name: str, second: float = 1.0, *, meta: dict[str, Any] | None = None, **arguments: Any
    ) -> bytes:
        content = teller.dialect.build(
            tier,
            {"is_firedrill": True, **arguments},
            meta or {},
            detector=example_script["find_detector"](name),
            now_ns=example_script["START_NS"] + round(second * 1e9),
        )
        content["meta"] |= meta or {}
        teller.dialect.restamp(content, example_script["START_NS"] + round(second * 1e9))
        found = teller.dialect.encode_message(content).content
        assert isinstance(found, bytes)
        return found

    return made


@pytest.fixture
def start_ns(example_script: dict[str, Any]) -> int:
    found = example_script["START_NS"]
    assert isinstance(found, int)
    return found
