"""`snews-drill report` as users type it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from snews_drill.rehearsal.archive import Archive

Invoke = Callable[..., "object"]


@pytest.fixture
def archive_file(tmp_path: Path) -> str:
    with Archive(tmp_path / "copy" / "archive.sqlite3") as archive, archive.transaction():
        archive.add_heartbeat("JUNO", "k", is_on=True, sent_time_ns=10**18, received_ns=10**18 + 2_000_000)
    return str(archive.path)


def test_report_shows_writes_and_lists(invoke: Invoke, tmp_path: Path) -> None:
    """After a rehearsal, the report of it is there without any option, and its archive is listed."""
    assert invoke("rehearse", "--detector", "JUNO").code == 0
    page, rows = tmp_path / "report.html", tmp_path / "report.csv"
    shown = invoke("report", "--html", str(page), "--csv", str(rows))
    assert shown.code == 0
    assert "JUNO" in shown.out
    assert "19 alerts: latency p50" in shown.out
    assert "from the best fit" in shown.out
    assert f"Written: {page}" in shown.err
    assert page.read_text().startswith("<!doctype html>")
    assert len(rows.read_text().splitlines()) == 20
    found = invoke("report", "--archive", "rehearsal", "--json").json
    assert found["ok"] is True
    assert len(found["detectors"]) == 19
    listed = invoke("report", "--list", "--json").json["archives"]
    assert [place["kind"] for place in listed] == ["rehearsal"]
    assert invoke("report", "--archive", listed[0]["path"]).code == 0
    assert "rehearsal" in invoke("report", "--list").out


def test_a_copy_is_reported(invoke: Invoke, archive_file: str) -> None:
    found = invoke("report", "--archive", archive_file, "--json").json
    assert [(row["detector"], row["heartbeat_latency_p50_ms"]) for row in found["detectors"]] == [
        ("JUNO", 2.0)
    ]
    # JSON is one line for programs, and the file is as the object writes it.
    assert json.dumps(found)
    shown = invoke("report", "--archive", archive_file, "--since", "2030-01-01")
    assert "Nothing was received" in shown.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--archive", "/nowhere/archive.sqlite3"), "no archive"),
        ((), "no archive"),
        (("--profile", "rehearsal"), "no archive of a rehearsal"),
        (("--profile", "firedrill"), "SNEWS's own server"),
        (("--profile", "kafka://127.0.0.1:1"), "private file of whoever runs its server"),
        (("--profile", "nowhere"), "nowhere"),
    ],
)
def test_without_an_archive_it_says_whom_to_ask(
    invoke: Invoke, words: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNEWS_DRILL_HOME", str(tmp_path / "nothing here"))
    found = invoke("report", *words, "--json")
    assert found.code == 1
    assert said in found.json["error"]["reason"]
    assert found.json["error"]["next_step"]
    assert "no archive" in invoke("report", "--list").out


def test_choices_that_make_no_sense_are_told(invoke: Invoke, archive_file: str, tmp_path: Path) -> None:
    for words, kind in (
        (("--since", "soon"), "DrillError"),
        (("--scenario", "none-such"), "ScenarioError"),
        (("--html", str(tmp_path / "none" / "file.html")), "UnwritableFile"),
    ):
        found = invoke("report", "--archive", archive_file, *words, "--json")
        assert (found.code, found.json["error"]["kind"]) == (1, kind)


def test_hostile_words_do_not_steer_the_terminal(invoke: Invoke, tmp_path: Path) -> None:
    from snews_drill.rehearsal.archive_rows import ArchivedRecord

    with Archive(tmp_path / "bad" / "archive.sqlite3") as archive, archive.transaction():
        archive.add_record(
            ArchivedRecord("", "t", 0, 0, 0, 10**18, "refused", "", "", "", "[bold]\x1b[2Jgone", b"x")
        )
    shown = invoke("report", "--archive", str(tmp_path / "bad"))
    assert shown.code == 0
    assert "unknown sender: A record was refused: [bold]\\x1b[2Jgone" in shown.out
    assert "\x1b" not in shown.out
