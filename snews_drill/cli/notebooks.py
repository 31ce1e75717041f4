"""`lab`: the guided notebooks in JupyterLab."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from snews_drill.cli.options import JsonOption
from snews_drill.cli.screen import command
from snews_drill.errors import DrillError


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("lab")(lab)


def lab(
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Where to put the notebooks.", show_default=False)
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port on 127.0.0.1.", min=1, max=65535, show_default=False)
    ] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the browser.")] = True,
    prepare_only: Annotated[
        bool, typer.Option("--prepare-only", help="Put the notebooks there and end.")
    ] = False,
    is_json: JsonOption = False,
) -> None:
    """Open JupyterLab on the guided notebooks, with the rehearsal ready."""
    with command(is_json) as screen:
        import signal

        from snews_drill.lab import check_port, prepare_notebooks, run_lab

        if port is not None and not prepare_only:
            check_port(port)
        prepared = prepare_notebooks(folder)
        screen.emit({"ok": True, "folder": str(prepared)})
        screen.note(f"The notebooks are in {prepared}")
        if prepare_only:
            return
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # JupyterLab must not outlive the command
        code = run_lab(prepared, port=port, opens_browser=browser)
        if code:
            raise DrillError(
                f"JupyterLab ended with exit code {code}.", next_step="What it said last stands above."
            )
