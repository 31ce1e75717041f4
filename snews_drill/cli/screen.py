"""What every command has in common: where it writes, how it fails, how it is interrupted."""

from __future__ import annotations

import contextlib
import io
import sys
import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TextIO

import typer

from snews_drill.cli.text import to_json, visible
from snews_drill.errors import DrillError, FileProblem, InvalidMessage, Problem, ScenarioError

if TYPE_CHECKING:
    from rich.console import Console

    from snews_drill.connection import Connection

#: Width of what is written into files and pipes, characters.
_PLAIN_WIDTH = 160

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


class Screen:
    """Where one command writes: results to standard output, everything else to standard error.

    Nothing is ever read as markup, and what is not printable is shown, not obeyed.

    Parameters
    ----------
    is_json
        Whether standard output carries JSON only.

    Attributes
    ----------
    result : dict
        What goes into the JSON object, also when the command fails.
    """

    def __init__(self, *, is_json: bool) -> None:
        self.is_json = is_json
        self.result: dict[str, Any] = {}
        # Kept, because standard output is led elsewhere while the library prints.
        self._stdout: TextIO = sys.stdout
        self.out = _console(sys.stdout)
        self.err = _console(sys.stderr)

    @property
    def is_terminal(self) -> bool:
        """Whether a person watches standard output."""
        return self._stdout.isatty() and not self.is_json

    def say(self, text: object, style: str = "") -> None:
        """Show a line of the result; nothing with JSON."""
        if not self.is_json:
            _print(self.out, visible(text, keeps_lines=True), style)

    def show(self, renderable: Any) -> None:
        """Show a rich object whose texts are harmless already; nothing with JSON."""
        if not self.is_json:
            self.out.print(renderable)

    def note(self, text: object, style: str = "dim") -> None:
        """Tell something that is not the result, on standard error."""
        _print(self.err, visible(text, keeps_lines=True), style)

    def emit(self, value: Any) -> None:
        """Write one line of JSON; nothing without."""
        if self.is_json:
            self._stdout.write(to_json(value) + "\n")
            self._stdout.flush()

    def fail(self, error: DrillError) -> None:
        """Show an error: reason and next step on standard error, the same as JSON on standard output."""
        _print(self.err, f"Error: {visible(error.reason, keeps_lines=True)}", "bold red")
        _print(self.err, f"  Next step: {visible(error.next_step, keeps_lines=True)}", "")
        self.emit({"ok": False, "error": error_to_dict(error), **self.result})

    @contextlib.contextmanager
    def progress(self, text: str) -> Iterator[None]:
        """Show that something is going on, on a terminal only."""
        console = self.out if self.is_terminal else self.err
        if not console.file.isatty():
            yield
            return
        from rich.live import Live
        from rich.spinner import Spinner
        from rich.text import Text

        spinner = Spinner("dots", text=Text(visible(text)), style="cyan")
        # The streams stay where they are: output that goes into a pipe must not end up on the terminal.
        with Live(spinner, console=console, transient=True, redirect_stdout=False, redirect_stderr=False):
            yield

    @contextlib.contextmanager
    def printing(self) -> Iterator[None]:
        """Take over what the library prints: shown harmless, and left out with JSON."""
        with contextlib.redirect_stdout(_Printed(self)):
            yield


class _Printed(io.TextIOBase):
    """Stands in for standard output; hands whole lines to the screen."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._begun = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._screen.say(line.replace("\t", "    "))
        return len(text)


@contextlib.contextmanager
def command(is_json: bool) -> Iterator[Screen]:
    """Run a command's body: every error becomes words, JSON and an exit code."""
    screen = Screen(is_json=is_json)
    try:
        yield screen
    except (typer.Exit, typer.Abort, typer.BadParameter, BrokenPipeError):
        raise
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the program's boundary: everything becomes words and an exit code
        if _was_interrupted(error):
            interrupted = DrillError("Interrupted.", next_step="Run the command again when you like.")
            screen.note("Interrupted.")
            screen.emit({"ok": False, "error": error_to_dict(interrupted), **screen.result})
            raise typer.Exit(EXIT_INTERRUPTED) from None
        if not isinstance(error, DrillError):
            screen.note(traceback.format_exc())
            error = DrillError(
                f"Unexpected: {type(error).__name__}: {str(error)[:500]}",
                next_step="This is a fault of snews-drill; please report it with the lines above.",
            )
        screen.fail(error)
        raise typer.Exit(EXIT_FAILED) from None


def _was_interrupted(error: BaseException) -> bool:
    """Tell whether Ctrl-C began it: some libraries, and Python while it makes a class, raise something else instead."""
    seen: BaseException | None = error
    for _ in range(20):
        if seen is None or isinstance(seen, KeyboardInterrupt):
            break
        seen = seen.__cause__ or seen.__context__
    return isinstance(seen, KeyboardInterrupt)


@contextlib.contextmanager
def connected(screen: Screen, profile: str | None, *, dialect: str | None = None) -> Iterator[Connection]:
    """Connect for the time of a command."""
    from snews_drill.connection import connect

    with screen.progress("Connecting …"):
        connection = connect(profile, dialect=dialect)
    with connection:
        if connection.profile.broker is not None:
            screen.note(connection)  # where messages go, and whose account is used
        yield connection


def error_to_dict(error: DrillError) -> dict[str, Any]:
    """Return an error as plain data."""
    found: dict[str, Any] = {
        "kind": type(error).__name__,
        "reason": error.reason,
        "next_step": error.next_step,
    }
    if isinstance(error, InvalidMessage):
        found["problems"] = [problem_to_dict(problem) for problem in error.problems]
    if isinstance(error, ScenarioError) and error.problems:
        found["problems"] = [file_problem_to_dict(problem) for problem in error.problems]
    return found


def file_problem_to_dict(problem: FileProblem) -> dict[str, Any]:
    """Return a problem of a file as plain data."""
    return {
        "file": problem.file,
        "line": problem.line,
        "field": problem.field,
        "reason": problem.reason,
        "remedy": problem.remedy,
    }


def problem_to_dict(problem: Problem) -> dict[str, Any]:
    """Return a problem as plain data."""
    return {
        "tier": problem.tier,
        "field": problem.field,
        "reason": problem.reason,
        "remedy": problem.remedy,
        "is_fatal": problem.is_fatal,
    }


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    width = None if stream.isatty() else _PLAIN_WIDTH
    return Console(file=stream, markup=False, emoji=False, highlight=False, width=width)


def _print(console: Console, text: str, style: str) -> None:
    console.print(text, style=style or None, soft_wrap=True)
