"""The page for those who come from the SNEWS publishing tools: its cells run, and show what stands under them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from snews_drill.connection import open_connection
from snews_drill.rehearsal.launcher import stop_rehearsal
from snews_drill.settings import ENVIRONMENT, load_settings

PAGE = Path(__file__).parents[2] / "docs" / "from_snews_pt.md"

#: A cell, and what the page says that it shows.
_CELL = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE)

_CONTACTS = '[contacts]\nXENONnT = ["shift@xenon.example"]\n'


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user's folder, with a home and a rehearsal of its own."""
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SNEWS_DRILL_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    settings = load_settings()
    settings.config_dir.mkdir(parents=True)
    (settings.config_dir / "contacts.toml").write_text(_CONTACTS)
    yield tmp_path
    if connection := open_connection():
        connection.close()
    stop_rehearsal(settings)


def cells() -> list[tuple[str, str]]:
    """Return the page's cells, each with the lines that it shows."""
    return [(source, shown or "") for source, shown in _CELL.findall(PAGE.read_text(encoding="utf-8"))]


def run_cell(source: str, namespace: dict[str, Any]) -> None:
    """Run a cell as a notebook does: the value of a last expression is shown, unless it is None."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), namespace)
    if isinstance(last, ast.Expr):
        value = eval(compile(ast.Expression(last.value), "cell", "eval"), namespace)
        if value is not None:
            print(repr(value))


def missing_line(expected: str, printed: str) -> str | None:
    """Return the first expected line that does not come, in this order; "…" stands for anything."""
    lines = iter(line.strip() for line in printed.splitlines())
    for wanted in expected.splitlines():
        pattern = ".+".join(re.escape(part) for part in wanted.strip().split("…"))
        if not any(re.fullmatch(pattern, line) for line in lines):
            return wanted
    return None


def test_every_cell_shows_what_the_page_says(user: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All cells run in order in one namespace, against a rehearsal, and print the lines that stand under them."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    found = cells()
    assert len(found) > 25
    for source, shown in found:
        run_cell(source, namespace)
        printed = capsys.readouterr().out
        missing = missing_line(shown, printed)
        assert missing is None, f"{missing!r} is not shown by\n{source}\nbut\n{printed}"
    assert open_connection() is None  # the last cell closed it


def test_a_line_that_does_not_come_is_found() -> None:
    """The comparison can fail: by a changed word, by order, and by something missing."""
    assert missing_line("a …\nb", "a 1\nx\nb\n") is None
    assert missing_line("a …\nb", "b\na 1\n") == "b"
    assert missing_line("a …", "a\n") == "a …"
    assert missing_line("You are JUNO", "You are XENONnT\n") == "You are JUNO"


def test_only_import_lines_name_the_new_package() -> None:
    """After the imports no cell mentions snews_drill, but for the closing one, which is new."""
    sources = [source for source, _ in cells()]
    assert all(line.startswith("from snews_drill import ") for line in sources[0].splitlines())
    assert not [source for source in sources[1:-1] if "snews_drill" in source]


def test_every_command_of_the_table_exists() -> None:
    """What stands in the right column of the table of commands is a command of ours."""
    import typer

    from snews_drill.cli.application import app

    command = typer.main.get_command(app)
    names = set(re.findall(r"`snews-drill ([a-z-]+)", PAGE.read_text(encoding="utf-8")))
    assert len(names) >= 10
    assert names <= set(command.commands), names - set(command.commands)  # type: ignore[attr-defined]
