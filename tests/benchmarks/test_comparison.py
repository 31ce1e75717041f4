"""snews_drill beside the published peers, in one table.

By hand: `python -m pytest -m benchmark -s tests/benchmarks`; with `--full` for the documentation's sizes, with
`--update-performance-page` to put the tables into docs/performance.md.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.comparison import FULL, REDUCED, Row, compare
from benchmarks.comparison_table import as_markdown, cells, for_terminal, machine, update_page


@pytest.mark.benchmark
@pytest.mark.timeout(3600, func_only=True)
def test_every_row_beside_the_peers(
    tmp_path: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    """Asserts that the work was done on both sides; how fast is shown, never asserted."""
    before = machine()
    rows = compare(FULL if request.config.getoption("--full") else REDUCED, tmp_path)
    with capsys.disabled():
        Console(width=190).print(for_terminal(rows, before))
    if request.config.getoption("--update-performance-page"):
        update_page("comparison", as_markdown(rows, before))
    assert all(row.ours > 0 and (row.theirs is None or row.theirs > 0) for row in rows)


def test_a_row_says_how_it_stands() -> None:
    """Ratios and targets of times and of rates; a target that is missed says so."""
    slow = Row("a", "ms", 10.0, 100.0, "peer", 5.0, better=20, above=4, bound=9)
    assert (slow.ratio, slow.times_limit) == (10.0, 2.0)
    assert slow.targets == [("≥ 20 × the peer", False), ("≤ 4 × the limit", True), ("≤ 9 ms", False)]
    rate = Row("b", "/s", 2000.0, 100.0, "peer", 4000.0, is_rate=True, note="n")
    assert (rate.ratio, rate.times_limit) == (20.0, 2.0)
    assert cells(rate) == ("b", "2,000 /s", "100 /s (peer)", "20 ×", "4,000 /s (2.0 ×)", "", "n")
    assert cells(Row("c", "s", 0.0123456)) == ("c", "0.0123 s", "", "", "", "", "")


def test_the_page_takes_a_new_table_and_keeps_the_rest(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("one\n<!-- x: written by the benchmarks -->\nold\n<!-- end of x -->\ntwo\n")
    update_page("x", as_markdown([Row("c", "s", 1.0)], "here"), page=page)
    update_page("x", as_markdown([Row("d", "s", 1.0)], "here"), page=page)
    text = page.read_text()
    assert text.startswith("one\n<!-- x")
    assert text.endswith("<!-- end of x -->\ntwo\n")
    assert "| d | 1 s |" in text
    assert "| c |" not in text
    with pytest.raises(AssertionError, match="no place for y"):
        update_page("y", "", page=page)
