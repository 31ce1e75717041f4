"""One JupyterLab and one browser for all tests here; each test opens notebooks of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if os.environ.get("CI"):
    import playwright.sync_api as playwright_api  # in CI an absent part is a failure
else:
    playwright_api = pytest.importorskip(
        "playwright.sync_api", reason="needs playwright: pip install snews_drill[test]"
    )

from browser.lab import Lab, NotebookPage, find_chromium, launch_browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests with a browser, and give them more time."""
    for item in items:
        if "browser" in item.path.parts:
            item.add_marker(pytest.mark.browser)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(150))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    if find_chromium() is None:
        reason = "needs chromium: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with playwright_api.sync_playwright() as playwright:
        browser = launch_browser(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A JupyterLab server."""
    with Lab(tmp_path_factory.mktemp("lab") / "home") as lab:
        yield lab


@pytest.fixture(autouse=True)
def nothing_is_left(lab: Lab) -> Iterator[None]:
    """Fail a test that leaves a kernel, or anything that a kernel started, behind."""
    yield
    assert not lab.kernels()


@pytest.fixture
def open_notebook(
    browser: Browser, lab: Lab, request: pytest.FixtureRequest
) -> Iterator[Callable[..., NotebookPage]]:
    """Return a function that opens a notebook with the given cells.

    At the end of the test nothing may have asked for an address outside this machine, and the console must be free of
    errors; a failed test keeps a picture.
    """
    pages: list[NotebookPage] = []
    name = request.node.name.translate(str.maketrans("[]/ ", "____"))

    def open_one(*cells: str, theme: str = "light", notebook: str | None = None) -> NotebookPage:
        file = notebook or lab.write_notebook(f"{name}_{len(pages)}.ipynb", cells)
        pages.append(NotebookPage(browser, lab, file, theme=theme))
        return pages[-1]

    failures_before = request.session.testsfailed
    yield open_one
    strangers = [url for page in pages for url in page.strangers]
    complaints = [text for page in pages for text in page.complaints]
    for number, page in enumerate(pages):
        if request.session.testsfailed > failures_before:
            page.screenshot(f"failed_{name}_{number}")
        page.close()
    assert strangers == []
    assert complaints == []
