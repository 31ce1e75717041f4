"""JupyterLab on the guided notebooks, with the rehearsal ready."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from snews_drill.errors import SettingsError

FIRST_NOTEBOOK = "00_start_here.ipynb"

#: Where the notebooks are put when the package was installed without a checkout, below the user's home.
DEFAULT_FOLDER = "snews_drill_notebooks"


def packaged_notebooks() -> Path:
    """Return the folder of the guided notebooks that belong to this installation.

    Raises
    ------
    SettingsError
        If the installation has none.
    """
    package = Path(__file__).resolve().parent
    for folder in (package.parent / "notebooks", package / "data" / "notebooks"):
        if (folder / FIRST_NOTEBOOK).is_file():
            return folder
    raise SettingsError(
        "This installation came without the guided notebooks.",
        next_step="Install snews_drill again from its source.",
    )


def is_checkout(folder: Path) -> bool:
    """Tell whether a notebooks folder is that of a checkout, where it is used in place."""
    return (folder.parent / "pyproject.toml").is_file()


def prepare_notebooks(folder: Path | None = None) -> Path:
    """Return a folder with the guided notebooks that the user may change.

    Parameters
    ----------
    folder
        Where to copy them; by default a checkout's own folder is used as it is, and an installation's are copied to
        `snews_drill_notebooks` in the home folder. A notebook that is there already is the user's and stays as it is.

    Raises
    ------
    SettingsError
        If the folder cannot be written.
    """
    source = packaged_notebooks()
    if folder is None and is_checkout(source):
        return source
    target = folder if folder is not None else Path.home() / DEFAULT_FOLDER
    try:
        target.mkdir(parents=True, exist_ok=True)
        for path in sorted(source.iterdir()):
            if path.suffix in (".ipynb", ".py") and not (target / path.name).exists():
                shutil.copyfile(path, target / path.name)
    except OSError as error:
        raise SettingsError(
            f"The notebooks cannot be copied to {target}: {error.strerror}.",
            next_step="Name a folder that you can write: snews-drill lab --folder FOLDER",
        ) from error
    return target


def check_port(port: int) -> None:
    """Return if a port of 127.0.0.1 is free.

    Raises
    ------
    SettingsError
        If it is not.
    """
    with socket.socket() as probe:
        if os.name == "posix":
            probe.setsockopt(
                socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
            )  # what a dead server left does not count
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise SettingsError(
                f"Port {port} on this machine cannot be used: {error.strerror}.",
                next_step="Name another with --port, or none at all: a free one is then picked.",
            ) from error


def lab_command(folder: Path, *, port: int | None = None, opens_browser: bool = True) -> list[str]:
    """Return the command that starts JupyterLab on the first notebook, on loopback only.

    Parameters
    ----------
    folder
        Where the notebooks are.
    port
        Which port; JupyterLab's choice by default.
    opens_browser
        Whether it opens the user's browser.
    """
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.root_dir={folder}",
        f"--LabApp.default_url=/lab/tree/{FIRST_NOTEBOOK}",
        "--LabApp.news_url=None",  # nothing is fetched from elsewhere
        "--ServerApp.answer_yes=True",  # Ctrl-C ends it; a question would be answered to nobody
    ]
    if port is not None:
        command += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    if not opens_browser:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # containers
    return command


def run_lab(folder: Path, *, port: int | None = None, opens_browser: bool = True) -> int:
    """Run JupyterLab until it ends, with a rehearsal kept ready; return its exit code.

    Parameters
    ----------
    folder, port, opens_browser
        As for `lab_command`.

    Raises
    ------
    DrillError
        If the rehearsal cannot be started.
    """
    from snews_drill.connection import connect

    with connect("rehearsal"):
        process = subprocess.Popen(lab_command(folder, port=port, opens_browser=opens_browser))  # noqa: S603 - no shell
        try:
            return process.wait()
        except KeyboardInterrupt:
            return 0  # the way to end it; a terminal has told JupyterLab as well, a service manager has not
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes], timeout: float = 15.0) -> None:
    """Have JupyterLab end its kernels and itself; what does not end in time is killed."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(timeout)
    except BaseException as error:
        process.kill()
        process.wait(timeout)
        if not isinstance(error, subprocess.TimeoutExpired):  # Ctrl-C again
            raise
