"""Alerts on disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from snews_drill.alert_files import AlertFiles
from snews_drill.errors import SettingsError

#: 2026-03-01T23:59:59.9 UTC.
BEFORE_MIDNIGHT_NS = int(datetime(2026, 3, 1, 23, 59, 59, 900_000, UTC).timestamp() * 1e6) * 1000


def test_names_count_up_from_zero_each_day(tmp_path: Path) -> None:
    """The day is the day of arrival, UTC; the content is the alert with its keys in order."""
    files = AlertFiles(tmp_path / "new" / "folder")
    content = {"_id": "1", "b": 1, "a": None, "names": ["Ångström"]}
    paths = [files.save(content, received_time_ns=BEFORE_MIDNIGHT_NS + i * 50_000_000) for i in range(4)]
    assert [path.name for path in paths] == [
        "0-SNEWS_ALERT_2026-03-01.json",
        "1-SNEWS_ALERT_2026-03-01.json",
        "0-SNEWS_ALERT_2026-03-02.json",
        "1-SNEWS_ALERT_2026-03-02.json",
    ]
    assert json.loads(paths[0].read_text()) == content
    assert list(json.loads(paths[0].read_text())) == list(content)
    assert sorted(file.name for file in (tmp_path / "new" / "folder").iterdir()) == sorted(
        path.name for path in paths
    )


def test_files_that_are_there_are_never_overwritten(tmp_path: Path) -> None:
    """A new archive counts on after what is there, whatever else lies in the folder."""
    names = [
        "0-SNEWS_ALERT_2026-03-01.json",
        "7-SNEWS_ALERT_2026-03-01.json",
        "99-SNEWS_ALERT_2026-02-01.json",
    ]
    for name in [*names, "x-SNEWS_ALERT_2026-03-01.json", "8-SNEWS_ALERT_2026-03-01.json.bak", "notes.txt"]:
        (tmp_path / name).write_text("mine")
    files = AlertFiles(tmp_path)
    (tmp_path / "8-SNEWS_ALERT_2026-03-01.json").write_text("mine")
    path = files.save({"_id": "1"}, received_time_ns=BEFORE_MIDNIGHT_NS)
    assert path.name == "9-SNEWS_ALERT_2026-03-01.json"
    assert {file.read_text() for file in tmp_path.iterdir() if file != path} == {"mine"}


def test_a_link_that_waits_there_is_not_followed(tmp_path: Path) -> None:
    """A name that is a dangling link to elsewhere counts as taken."""
    (tmp_path / "0-SNEWS_ALERT_2026-03-01.json").symlink_to(tmp_path / "elsewhere")
    path = AlertFiles(tmp_path).save({}, received_time_ns=BEFORE_MIDNIGHT_NS)
    assert path.name == "1-SNEWS_ALERT_2026-03-01.json"
    assert not (tmp_path / "elsewhere").exists()


_SAVE_MANY = """
import sys
from snews_drill.alert_files import AlertFiles
files = AlertFiles(sys.argv[1])
for number in range(100):
    files.save({"_id": f"{sys.argv[2]} {number}", "filling": "x" * 2000}, received_time_ns=int(sys.argv[3]))
"""


def test_processes_on_one_folder_lose_nothing(tmp_path: Path) -> None:
    """Three processes at once: every alert is there once, whole, and no number is used twice."""
    workers = [
        subprocess.Popen([sys.executable, "-c", _SAVE_MANY, str(tmp_path), label, str(BEFORE_MIDNIGHT_NS)])
        for label in "abc"
    ]
    while any(worker.poll() is None for worker in workers):
        for file in tmp_path.glob("*-SNEWS_ALERT_*.json"):
            json.loads(file.read_text())  # never torn, also while it is written
    assert [worker.returncode for worker in workers] == [0, 0, 0]
    files = list(tmp_path.iterdir())
    assert sorted(int(file.name.split("-")[0]) for file in files) == list(range(300))
    assert len({json.loads(file.read_text())["_id"] for file in files}) == 300


def test_not_a_number_is_never_written(tmp_path: Path) -> None:
    """What is not JSON is refused, and leaves no file behind."""
    files = AlertFiles(tmp_path)
    with pytest.raises(SettingsError, match="could not be saved"):
        files.save({"p_values average": float("nan")}, received_time_ns=BEFORE_MIDNIGHT_NS)
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_hard_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is taken first and the whole file put there; taken names stay untouched."""

    def refuse(*_: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "0-SNEWS_ALERT_2026-03-01.json").write_text("mine")
    files = AlertFiles(tmp_path)
    files._first_free = lambda day: 0  # type: ignore[method-assign]
    path = files.save({"_id": "1"}, received_time_ns=BEFORE_MIDNIGHT_NS)
    assert path.name == "1-SNEWS_ALERT_2026-03-01.json"
    assert json.loads(path.read_text()) == {"_id": "1"}
    assert (tmp_path / "0-SNEWS_ALERT_2026-03-01.json").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """The error names the folder and the next step."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError) as caught:
        AlertFiles(tmp_path / "file")
    assert str(tmp_path / "file") in caught.value.reason
    assert "outputfolder" in caught.value.next_step
