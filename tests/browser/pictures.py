"""Take the pictures of docs/images anew: `PYTHONPATH=tests python -m browser.pictures`, then look at them."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import nbformat
from playwright.sync_api import expect, sync_playwright

from browser.lab import Lab, NotebookPage, launch_browser
from browser.whole_notebooks import NOTEBOOKS, index_of, run_all, show_cell

IMAGES = Path(__file__).parents[2] / "docs" / "images"

FULL = "06_full_drill.ipynb"

FORM = """from snews_drill.widgets import MessageForm

form = MessageForm("XENONnT")
form"""

_LEAVE = "window.jupyterapp.shell.currentWidget.content.activeCellIndex = 0"


def main() -> None:
    """Run the full drill and fill a form; keep table, guide and form."""
    with tempfile.TemporaryDirectory() as folder, Lab(Path(folder) / "home") as lab:
        notebook = nbformat.read(NOTEBOOKS / FULL, as_version=4)
        notebook.cells = [
            *notebook.cells[:-1],
            nbformat.v4.new_code_cell(FORM),
        ]  # without the one that closes
        form_index = len(notebook.cells) - 1
        nbformat.write(notebook, lab.work / FULL)
        with sync_playwright() as playwright:
            browser = launch_browser(playwright)
            with NotebookPage(browser, lab, FULL) as page:
                run_all(page)
                take(page, "guide", index_of(FULL, "guide.start()"))
                take(page, "table", index_of(FULL, "view = subscriber.subscribe()"))
                form = show_cell(page, form_index)
                form.get_by_role("button", name="Now").nth(1).click()
                form.get_by_label("p-value (0 to 1)").press_sequentially("0.05")
                expect(form.locator("details pre").first).to_contain_text('"p_val": 0.05')
                form.get_by_label("Detector status").focus()
                take(page, "form", form_index)
            browser.close()


def take(page: NotebookPage, name: str, index: int) -> None:
    """Keep the picture of a cell."""
    cell = show_cell(page, index)
    page.page.evaluate(_LEAVE)
    shutil.copyfile(page.screenshot(f"docs_{name}", of=cell), IMAGES / f"{name}.png")


if __name__ == "__main__":
    main()
