"""Figures as tables: for the terminal, and for docs/performance.md."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from benchmarks.comparison import Row
from snews_drill.transport import versions

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"

COLUMNS = ("case", "snews_drill", "peer", "better by", "bare client", "target", "note")


def machine() -> str:
    """Say what the figures were measured on, and how busy it was."""
    load = f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "load unknown"
    libraries = ", ".join(f"{name} {number}" for name, number in versions().items())
    return (
        f"{platform.system()} {platform.release()} on {_processor()}, {os.cpu_count()} cores ({load}), "
        f"Python {platform.python_version()}, {libraries}, {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


def cells(row: Row) -> tuple[str, ...]:
    """Return a row's texts, one for each column."""
    theirs = "" if row.theirs is None else f"{_figure(row.theirs)} {row.unit} ({row.peer})"
    limit = ""
    if row.limit is not None:
        limit = f"{_figure(row.limit)} {row.unit} ({row.times_limit:.1f} ×)"
    targets = "; ".join(f"{words} {'✓' if is_kept else '✗'}" for words, is_kept in row.targets)
    ratio = "" if row.ratio is None else f"{_figure(row.ratio)} ×"
    return row.case, f"{_figure(row.ours)} {row.unit}", theirs, ratio, limit, targets, row.note


def _figure(value: float) -> str:
    """Return a number with three digits that count."""
    if value >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"


def for_terminal(rows: Sequence[Row], caption: str) -> Table:
    """Return the comparison for a terminal."""
    return table_of("snews_drill beside the published peers", COLUMNS, [cells(row) for row in rows], caption)


def as_markdown(rows: Sequence[Row], caption: str) -> str:
    """Return the comparison as the documentation has it."""
    return markdown_of(COLUMNS, [cells(row) for row in rows], caption)


def table_of(title: str, columns: Sequence[str], rows: Sequence[tuple[str, ...]], caption: str) -> Table:
    """Return texts as a table for a terminal."""
    table = Table(title=title, caption=caption)
    for column in columns:
        table.add_column(
            column, justify="right" if column in ("figure", "better by", "keeps it by") else "left"
        )
    for row in rows:
        table.add_row(*row)
    return table


def markdown_of(columns: Sequence[str], rows: Sequence[tuple[str, ...]], caption: str) -> str:
    """Return texts as a table in Markdown."""
    lines = [f"{caption}.", "", f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def update_page(name: str, text: str, *, page: Path = PAGE) -> None:
    """Put a text between the page's marks of that name."""
    begin, end = f"<!-- {name}: written by the benchmarks -->", f"<!-- end of {name} -->"
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, mark, after = rest.partition(end)
    assert mark, f"{page} has no place for {name}"
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
