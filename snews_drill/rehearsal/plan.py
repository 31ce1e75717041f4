"""What a supervisor is told: a value, and the command line that carries it there."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from snews_drill.rehearsal.state import SUPERVISOR_MODULE, RehearsalFolders


@dataclass(frozen=True, slots=True)
class Plan:
    """What a supervisor is to do.

    Attributes
    ----------
    folders
        The folders of the user's rehearsal; they exist and are private.
    archive_dir
        The folder of this rehearsal; its name is the rehearsal's.
    server_command
        The drill server's program and first arguments; `--broker ADDRESS --rehearsal-dir FOLDER` are added.
        Empty for no server.
    grace
        Seconds without users after which the rehearsal ends.
    patience
        Seconds that it waits for its first user.
    resumes
        Whether it goes on with the rehearsal of that folder, whose supervisor was killed and whose state lies in
        the state file: the same address and token, so that those who still use it need not notice more than an
        outage.
    """

    folders: RehearsalFolders
    archive_dir: Path
    server_command: tuple[str, ...]
    grace: float
    patience: float
    resumes: bool = False


def supervisor_command(plan: Plan) -> list[str]:
    """Return the command line that runs a plan. It holds no secret: everybody can read it."""
    return [
        sys.executable,
        *("-P", "-m", SUPERVISOR_MODULE),  # -P: a file in the current folder cannot stand in for a module
        *("--runtime-dir", str(plan.folders.runtime_dir)),
        *("--state-dir", str(plan.folders.state_dir)),
        *("--archive-dir", str(plan.archive_dir)),
        *("--server-command", json.dumps(plan.server_command)),
        *("--grace", repr(plan.grace)),
        *("--patience", repr(plan.patience)),
        *(("--resumes",) if plan.resumes else ()),
    ]


def read_plan(arguments: list[str]) -> Plan:
    """Return the plan that a command line of `supervisor_command` holds."""
    parser = argparse.ArgumentParser(prog=SUPERVISOR_MODULE)
    for name in ("--runtime-dir", "--state-dir", "--archive-dir"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--server-command", type=json.loads, required=True)
    parser.add_argument("--grace", type=float, required=True)
    parser.add_argument("--patience", type=float, required=True)
    parser.add_argument("--resumes", action="store_true")
    given = parser.parse_args(arguments)
    return Plan(
        folders=RehearsalFolders(given.runtime_dir, given.state_dir),
        archive_dir=given.archive_dir,
        server_command=tuple(given.server_command),
        grace=given.grace,
        patience=given.patience,
        resumes=given.resumes,
    )
