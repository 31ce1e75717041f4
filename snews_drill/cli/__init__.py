"""The command line, `snews-drill`: a command parses, makes one call, and shows what came of it."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit code.

    0 means success, 1 that something went wrong, 2 that the command was not understood, 130 that it was interrupted.

    Parameters
    ----------
    arguments
        What was typed after `snews-drill`; the process's own by default.

    Raises
    ------
    SystemExit
        Always; it carries the exit code.
    """
    from snews_drill.cli.application import run

    raise SystemExit(run(arguments))
