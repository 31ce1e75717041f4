"""What the story needs besides single cells: whole notebooks run, shown, saved; and who runs on the rehearsal's side."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Locator
from waiting import wait_for

from browser.lab import Lab, NotebookPage

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"

#: The model knows every cell; the page holds only those near the window.
_CELLS = """() => window.jupyterapp.shell.currentWidget.content.widgets
  .filter(cell => cell.model.type === 'code')
  .map(cell => ({count: cell.model.executionCount, state: cell.model.executionState ?? '',
    failed: cell.model.outputs.toJSON().filter(o => o.output_type === 'error').map(o => o.ename + ': ' + o.evalue)}))"""

_SHOW = """async index => {
  const content = window.jupyterapp.shell.currentWidget.content;
  content.activeCellIndex = index;
  await content.scrollToItem(index, 'start'); }"""


def copy_notebook(lab: Lab, name: str, copy: str) -> str:
    """Put a guided notebook into the work folder, without outputs, and return its name there."""
    shutil.copyfile(NOTEBOOKS / name, lab.work / copy)
    content = json.loads((lab.work / copy).read_text(encoding="utf-8"))
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
    (lab.work / copy).write_text(json.dumps(content), encoding="utf-8")
    return copy


def code_cells(page: NotebookPage) -> list[dict[str, Any]]:
    """Return number, state and errors of every code cell."""
    found: list[dict[str, Any]] = page.page.evaluate(_CELLS)
    return found


def start_all(page: NotebookPage) -> None:
    """Press "run all cells" and return at once."""
    page.page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells'); null")


def run_all(page: NotebookPage, timeout: float = 60.0) -> None:
    """Run every cell from top to bottom; all must end, none with an error."""

    def is_done() -> bool:
        page.page.wait_for_timeout(50)
        cells = code_cells(page)
        failed = [error for cell in cells for error in cell["failed"]]
        assert not failed, failed
        return [cell["count"] for cell in cells] == list(range(1, len(cells) + 1)) and is_idle(page)

    start_all(page)
    wait_for(is_done, "the last cell", timeout=timeout)


def is_idle(page: NotebookPage) -> bool:
    """Tell whether the kernel has nothing to do."""
    kernel = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
    return bool(page.page.evaluate(f"{kernel}?.status === 'idle'"))


def show_cell(page: NotebookPage, index: int) -> Locator:
    """Scroll to a cell, counted from 0 with the text cells, and return it."""
    page.page.evaluate(_SHOW, index)
    found = page.page.locator(f'.jp-Cell[data-windowed-list-index="{index}"]')
    found.wait_for(state="visible")
    return found


def index_of(name: str, source: str) -> int:
    """Return the index of the last cell of a guided notebook that contains a text."""
    cells = json.loads((NOTEBOOKS / name).read_text(encoding="utf-8"))["cells"]
    return max(index for index, cell in enumerate(cells) if source in "".join(cell["source"]))


def save_with_widgets(page: NotebookPage, file: Path) -> dict[str, Any]:
    """Save the notebook with the state of its widgets, as the menu offers it, and return what is stored."""
    page.command("@jupyter-widgets/jupyterlab-manager:saveWidgetState")

    def is_saved() -> bool:
        page.command("docmanager:save")
        return "widgets" in json.loads(file.read_text(encoding="utf-8"))["metadata"]

    wait_for(is_saved, "the saved state of widgets", timeout=10)
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def drill_processes(lab: Lab) -> list[str]:
    """Return what runs for the rehearsal of the lab's user: broker, supervisor, drill server."""
    home, found = str(lab.home / "drill"), []
    for process in psutil.process_iter(["pid", "cmdline", "status"]):
        words = process.info["cmdline"] or []
        if process.info["status"] != psutil.STATUS_ZOMBIE and any(home in word for word in words):
            found.append(f"{process.info['pid']} {' '.join(words)[:120]}")
    return found
