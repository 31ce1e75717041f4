"""Every benchmark in one table, with the targets; it shows figures and fails only if a case cannot be run.

By hand: `python -m pytest -m benchmark -s tests/benchmarks`; options as in test_comparison.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.comparison_table import machine, markdown_of, table_of, update_page

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Target:
    """What a figure should be.

    Attributes
    ----------
    label
        How the figure's label begins.
    limit, unit
        The bound; `is_least` says that larger is better, `needs_full` that only a full run measures it.
    """

    label: str
    limit: float
    unit: str
    is_least: bool = False
    needs_full: bool = False

    def ratio(self, value: float) -> float:
        """Return how far the figure keeps the target; 1 or more keeps it."""
        return value / self.limit if self.is_least else self.limit / value


TARGETS = (
    Target("publish → callback p50", 20, "ms"),
    Target("test_connection with a server running, p50", 250, "ms"),
    Target("coincidence, 19 detectors in one burst", 40, "µs/message"),
    Target("coincidence, 1,000 detectors, 100,000 as they come", 50, "µs/message"),
    Target("building and checking two messages, dialect 1.3", 60, "µs"),
    Target("connect() to ready, cold", 1, "s"),
    Target("rehearse, from nothing, 19 detectors", 5, "s"),
    Target("server, 10,000 observations over a day", 2000, "/s", is_least=True),
    Target("server, 5,000 updates, each an alert", 2000, "/s", is_least=True),
    Target("transport, publish to read beside the raw client", 4, "×"),
    Target("archive of 1,000,000 records, restart (20,000 observations held)", 2, "s", needs_full=True),
)


def cases() -> list[str]:
    return sorted(path.stem for path in HERE.glob("*_cases.py"))


def _measure(name: str, *, is_full: bool) -> list[tuple[str, float, str]]:
    specification = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    rows: list[tuple[str, float, str]] = module.measure(is_full=is_full)
    assert rows
    return rows


@pytest.mark.benchmark
@pytest.mark.timeout(1800)
def test_all_cases_in_one_table(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> None:
    """Prints the figures of this machine, beside the targets where there is one."""
    is_full = request.config.getoption("--full")
    where = machine()
    rows: list[tuple[str, ...]] = []
    measured = set()
    for name in cases():
        for label, value, unit in _measure(name, is_full=is_full):
            target = next((target for target in TARGETS if label == target.label), None)
            bound, ratio = "", ""
            if target is not None:
                assert unit == target.unit
                measured.add(target)
                bound = f"{'≥' if target.is_least else '≤'} {target.limit:g}"
                ratio = f"{target.ratio(value):.1f} ×"
            rows.append((label, f"{value:,.2f}", unit, bound, ratio))
    columns = ("case", "figure", "unit", "target", "keeps it by")
    with capsys.disabled():
        Console(width=130).print(table_of("snews_drill, measured", columns, rows, where))
    if request.config.getoption("--update-performance-page"):
        update_page("own cases", markdown_of(columns, rows, where))
    wanted = {target for target in TARGETS if is_full or not target.needs_full}
    missing = [target.label for target in wanted - measured]
    assert not missing, f"targets that nothing measures: {missing}"


def test_every_case_has_what_the_table_needs() -> None:
    """A module of cases is picked up by its name; each has a `measure`."""
    assert {"coincidence_cases", "rehearse_cases", "server_cases", "transport_cases"} <= set(cases())
    for name in cases():
        assert "def measure(*, is_full: bool = False) -> list[tuple[str, float, str]]:" in (
            HERE / f"{name}.py"
        ).read_text(encoding="utf-8")
