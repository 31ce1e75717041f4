"""The guided notebooks: each runs from a fresh kernel, and shows what is stored in it (nbval, not lax)."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("[0-9]*.ipynb"))
SANITIZE = Path(__file__).with_name("sanitize.cfg")

#: At least this share of the code cells with output is compared.
COMPARED_SHARE = 0.85

_IGNORED = "# NBVAL_IGNORE_OUTPUT"


def code_cells(path: Path) -> list[Any]:
    """Return a notebook's code cells."""
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def run_nbval(notebook: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Compare a notebook's outputs with those of a fresh run; bounded by two minutes."""
    return subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "default",
            "-o", "addopts=", "--import-mode=prepend", "--nbval", "--nbval-current-env", "--nbval-cell-timeout=60",
            f"--nbval-sanitize-with={SANITIZE}",
            "--rootdir", str(home), "-c", os.devnull, str(notebook),
        ],
        env={**os.environ, "SNEWS_DRILL_HOME": str(home), "JUPYTER_PLATFORM_DIRS": "1"},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )  # fmt: skip


def test_the_story_is_whole() -> None:
    """Every notebook of the story is there."""
    names = [path.stem for path in NOTEBOOKS]
    assert names[:7] == [
        "00_start_here",
        "01_connection",
        "02_heartbeats",
        "03_observation",
        "04_retraction",
        "05_subscribe_and_follow_up",
        "06_full_drill",
    ]


@pytest.mark.timeout(150)
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_outputs_are_what_a_fresh_run_shows(notebook: Path, tmp_path: Path) -> None:
    """A fresh kernel without account shows what is stored, and leaves no process behind."""
    done = run_nbval(notebook, tmp_path)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed, done.stdout
    assert int(passed[1]) == len(code_cells(notebook))


@pytest.mark.timeout(150)
def test_a_falsified_output_fails(tmp_path: Path) -> None:
    """The comparison is one that can fail: a changed number is found."""
    notebook = next(path for path in NOTEBOOKS if path.stem == "00_start_here")
    text = notebook.read_text(encoding="utf-8")
    falsified = text.replace("19 alerts, 19 detectors", "18 alerts, 19 detectors")
    assert falsified != text
    copy = tmp_path / notebook.name
    copy.write_text(falsified, encoding="utf-8")
    done = run_nbval(copy, tmp_path)
    assert done.returncode == 1, done.stdout[-3000:]
    assert "1 failed" in done.stdout


def test_nearly_every_output_is_compared(capsys: pytest.CaptureFixture[str]) -> None:
    """At least 85 % of the code cells with output are compared; the others say why."""
    with_output = ignored = 0
    for notebook in NOTEBOOKS:
        for cell in code_cells(notebook):
            if cell.outputs:
                with_output += 1
            if _IGNORED in cell.source:
                ignored += bool(cell.outputs)
                line = next(line for line in cell.source.splitlines() if _IGNORED in line)
                assert len(line.removeprefix(_IGNORED).strip(" :-")) > 10, (
                    f"{notebook.name}: {line} does not say why"
                )
    with capsys.disabled():
        print(f"\n{with_output - ignored} of {with_output} code cells with output are compared")
    assert with_output - ignored >= COMPARED_SHARE * with_output


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_clean(notebook: Path) -> None:
    """No errors, secrets or widget state are stored; cells are short; it ends by closing what it opened."""
    text = notebook.read_text(encoding="utf-8")
    content = json.loads(text)
    assert "widgets" not in content["metadata"], "widget state is stored"
    assert not re.search(r"admin_token|password\s*=", text)
    cells = code_cells(notebook)
    assert all(cell.execution_count for cell in cells), "stored without having been run"
    assert not [o for cell in cells for o in cell.outputs if o.output_type == "error"]
    assert max(len(cell.source.splitlines()) for cell in cells) <= 12
    assert "drill.close()" in cells[-1].source


@pytest.mark.timeout(240)
def test_who_has_done_one_can_do_the_next(tmp_path: Path) -> None:
    """In one home, where a name is remembered and other detectors were heard a moment ago: no cell fails."""
    for stem in ("03_observation", "06_full_drill", "10_control_room"):
        done = subprocess.run(
            [sys.executable, "-m", "jupyter", "nbconvert", "--to", "notebook", "--execute", "--output-dir", str(tmp_path),
             str(NOTEBOOKS[0].parent / f"{stem}.ipynb")],
            env={**os.environ, "SNEWS_DRILL_HOME": str(tmp_path / "home"), "JUPYTER_PLATFORM_DIRS": "1"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-4000:]
