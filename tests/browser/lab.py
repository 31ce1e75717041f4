"""JupyterLab as a user has it: a server with private folders, and a browser that may speak to this machine only.

Lab            the server: start, stop, notebooks, kernels
NotebookPage   one notebook in the browser: run and add cells, wait, take pictures, and what was seen amiss
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import nbformat
import psutil
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Playwright, Route
from waiting import wait_for

#: Pictures for people to look at; git ignores the folder.
ARTIFACTS = Path(__file__).parents[2] / "artifacts"

_CHROMIUM_ARGUMENTS = [
    *(
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-sync",
    ),
    *(
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-dev-shm-usage",
        "--no-proxy-server",
    ),
]

#: The width that everything must be readable at.
VIEWPORT = {"width": 1280, "height": 900}

#: What the prompt of a cell that has run looks like.
_NUMBERED = re.compile(r"\[\d+\]:")

#: Seconds after which a keystroke without effect counts as lost.
_LOST_SEC = 2.0

#: JupyterLab asks about news from its makers; a test does not want to be asked.
_QUIET = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}

_IS_IDLE = """() => {
  const kernel = window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel;
  return kernel?.connectionStatus === "connected" && kernel.status === "idle"; }"""

Theme = str  # "light" or "dark"
_THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}


def find_chromium() -> str | None:
    """Return the path of a Chromium, None if there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def launch_browser(playwright: Playwright) -> Browser:
    """Start Chromium without a window and without services of its own."""
    return playwright.chromium.launch(executable_path=find_chromium(), args=_CHROMIUM_ARGUMENTS)


class Lab:
    """A JupyterLab server on a free port of this machine, with configuration, kernels' files and notebooks of its own.

    Parameters
    ----------
    home
        An empty folder; everything lives below it. The notebooks' folder is `home/"work"`.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.work = home / "work"
        self.work.mkdir(parents=True)
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.home / "server.log"

    def start(self, timeout: float = 30.0) -> None:
        """Start the server and wait until it answers."""
        command = [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={self.port}"),
            *("--ServerApp.port_retries=0", "--IdentityProvider.token=", f"--ServerApp.root_dir={self.work}"),
            *("--LabApp.news_url=None", "--LabApp.extension_manager=readonly", "--expose-app-in-browser"),
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            *(["--allow-root"] if os.name == "posix" and os.geteuid() == 0 else []),
        ]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                env=self._environment(),
                cwd=self.work,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            wait_for(self._answers, f"JupyterLab on {self.url}, see {self.log}", timeout=timeout)
        except BaseException:
            self.stop()
            raise

    def stop(self, timeout: float = 10.0) -> None:
        """End the server and its kernels."""
        process, self._process = self._process, None
        if process is None:
            return
        family = (
            [process, *psutil.Process(process.pid).children(recursive=True)] if process.poll() is None else []
        )
        process.terminate()
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout)
        for member in family[1:]:
            if member.is_running():
                member.kill()

    def kernels(self) -> set[int]:
        """Return the process ids of everything that the server started and that still runs."""
        if self._process is None:
            return set()
        return {child.pid for child in psutil.Process(self._process.pid).children(recursive=True)}

    def write_notebook(self, name: str, cells: Sequence[str]) -> str:
        """Write a notebook of code cells into the work folder and return its name."""
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source) for source in cells],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        )
        nbformat.write(notebook, self.work / name)
        return name

    def _environment(self) -> dict[str, str]:
        private = {
            "HOME": "user",
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
            "IPYTHONDIR": "ipython",
            "SNEWS_DRILL_HOME": "drill",
        }
        folders = {}
        for variable, name in private.items():
            folder = self.home / name
            folder.mkdir(mode=0o700, exist_ok=True)
            folders[variable] = str(folder)
        quiet = (
            self.home / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
        )
        quiet.parent.mkdir(parents=True, exist_ok=True)
        quiet.write_text(json.dumps(_QUIET))
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("SNEWS_", "JUPYTER"))}
        return {**kept, **folders, "PATH": path, "PYDEVD_DISABLE_FILE_VALIDATION": "1"}

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise AssertionError(f"JupyterLab ended: {self.log.read_text(errors='replace')[-2000:]}")
        try:
            with urllib.request.urlopen(f"{self.url}/api", timeout=1) as answer:
                return answer.status == 200
        except OSError:
            return False

    def __enter__(self) -> Lab:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class NotebookPage:
    """One notebook, open in the browser.

    Requests to any other place than this machine are refused and noted; so are errors on the browser's console.

    Attributes
    ----------
    page : Page
        Playwright's page.
    strangers : list of str
        Addresses outside http://127.0.0.1 that something asked for.
    complaints : list of str
        Errors on the console, and exceptions that nobody caught.
    """

    def __init__(self, browser: Browser, lab: Lab, notebook: str, *, theme: Theme = "light") -> None:
        self.lab = lab
        self.strangers: list[str] = []
        self.complaints: list[str] = []
        self._context: BrowserContext = browser.new_context(viewport=VIEWPORT, service_workers="block")
        self._context.set_default_timeout(15_000)
        self._context.route("**/*", self._guard)
        self.page: Page = self._context.new_page()
        self.page.on("console", self._note_console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        self.page.on("websocket", lambda socket: self._note_stranger(socket.url))
        try:
            self.page.goto(f"{lab.url}/doc/tree/{notebook}?reset")
            self._wait_ready()
            self.set_theme(theme)
        except BaseException:
            self.close()
            raise

    def set_theme(self, theme: Theme) -> None:
        """Choose "light" or "dark"."""
        name = _THEMES[theme]
        self.page.evaluate(
            "name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})", name
        )
        wanted = "true" if theme == "light" else "false"
        self.page.wait_for_selector(f'body[data-jp-theme-light="{wanted}"]', state="attached")

    def cell(self, index: int) -> Locator:
        """Return a cell, counted from 0."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index)

    def output(self, index: int) -> Locator:
        """Return what a cell shows."""
        return self.cell(index).locator(".jp-OutputArea-output")

    def run_cell(self, index: int, *, timeout: float = 30.0, wait: bool = True) -> None:
        """Run a cell as a user does, and wait for its number.

        Parameters
        ----------
        index
            Which one, from 0.
        timeout
            Seconds to wait.
        wait
            False to return as soon as it has been sent to the kernel.
        """
        prompt = self.cell(index).locator(".jp-InputPrompt").first
        before = prompt.inner_text()
        deadline = time.monotonic() + timeout
        self._press_run(index)
        pressed = time.monotonic()
        while not ((now := prompt.inner_text()) != before and (not wait or _NUMBERED.search(now))):
            self._pump()
            # The first keystroke after loading may be lost: press again unless the cell is marked as running.
            if "*" not in now and time.monotonic() > pressed + _LOST_SEC:
                self._press_run(index)
                pressed = time.monotonic()
            assert time.monotonic() < deadline, (
                f"waited {timeout:g} s for cell {index}, whose prompt is {now}"
            )

    def _press_run(self, index: int) -> None:
        self.cell(index).locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")

    def add_cell(self, source: str) -> int:
        """Append a code cell and return its index."""
        count = self.page.locator(".jp-Notebook .jp-Cell").count()
        self.cell(count - 1).locator(".jp-InputPrompt").first.click()
        self.command("notebook:insert-cell-below")
        wait_for(
            lambda: self._pump() and self.page.locator(".jp-Notebook .jp-Cell").count() == count + 1,
            "the new cell",
        )
        self.cell(count).locator(".cm-content").click()
        self.page.keyboard.insert_text(source)
        return count

    def command(self, name: str) -> Any:
        """Run one of JupyterLab's commands."""
        return self.page.evaluate("async name => { await window.jupyterapp.commands.execute(name); }", name)

    def wait(self, condition: str | Locator, *, timeout: float = 10.0) -> None:
        """Wait for a JavaScript expression to become true, or for an element to be seen."""
        if isinstance(condition, str):
            self.page.wait_for_function(condition, timeout=timeout * 1e3)
        else:
            condition.first.wait_for(state="visible", timeout=timeout * 1e3)

    def restart_kernel(self) -> None:
        """Restart the kernel as the menu does, and wait until it is idle."""
        self.page.evaluate("window.jupyterapp.commands.execute('notebook:restart-kernel'); null")
        self.page.locator(".jp-Dialog button.jp-mod-accept").click()
        self._wait_idle()

    def screenshot(self, name: str, *, of: Locator | None = None) -> Path:
        """Keep a picture of the page, or of one element, in `ARTIFACTS`."""
        ARTIFACTS.mkdir(exist_ok=True)
        path = ARTIFACTS / f"{name}.png"
        box = of.bounding_box() if of is not None else None
        if of is None or box is None:
            self.page.screenshot(path=path)
            return path
        # What is higher than the window would be cut: make the window high enough for a moment.
        self.page.set_viewport_size({**VIEWPORT, "height": max(VIEWPORT["height"], int(box["height"]) + 200)})
        of.scroll_into_view_if_needed()
        of.screenshot(path=path)
        self.page.set_viewport_size(VIEWPORT)
        return path

    def close(self) -> None:
        """Shut the notebook's kernel down and close the page."""
        try:
            self.page.evaluate(
                """async () => {
                    const manager = window.jupyterapp.serviceManager;
                    await manager.sessions.shutdownAll(); }"""
            )
        finally:
            self._context.close()
        wait_for(lambda: not self.lab.kernels(), "the kernels to end", timeout=15)

    def __enter__(self) -> NotebookPage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _wait_ready(self) -> None:
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=45_000)
        self._wait_idle()

    def _wait_idle(self) -> None:
        dialog = self.page.locator(".jp-Dialog button.jp-mod-accept")

        def is_idle() -> bool:
            self._pump()
            if dialog.count():
                dialog.first.click()
            return bool(self.page.evaluate(_IS_IDLE))

        wait_for(is_idle, "an idle kernel", timeout=45)

    def _pump(self) -> bool:
        """Let Playwright handle what happened meanwhile."""
        self.page.wait_for_timeout(5)
        return True

    def _guard(self, route: Route) -> None:
        if self._note_stranger(route.request.url):
            route.abort()
        else:
            route.continue_()

    def _note_stranger(self, url: str) -> bool:
        parts = urlsplit(url)
        is_ours = parts.scheme in ("data", "blob") or (
            parts.scheme in ("http", "ws") and parts.hostname == "127.0.0.1" and parts.port == self.lab.port
        )
        if not is_ours:
            self.strangers.append(url)
        return not is_ours

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"{message.text} ({message.location.get('url', '')[:200]})")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
