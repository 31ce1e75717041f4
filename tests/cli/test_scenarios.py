"""`scenarios` and `virtual-detectors` as people type them."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from rich.console import Console

from snews_drill.cli.virtual_detectors import rows_table
from snews_drill.drill.scenarios import load_scenario
from snews_drill.drill.virtual_row import VirtualDetectorRow

Invoke = Callable[..., "object"]
Start = Callable[..., "subprocess.Popen[str]"]

BROKEN = """title = "x"
start = "soon"
[[observation]]
detector = "JUNA"
offset = 1
"""


def test_a_broken_file_is_told_line_by_line(invoke: Invoke, tmp_path: Path) -> None:
    """All of it, on both outputs; nothing is played."""
    file = tmp_path / "mine.toml"
    file.write_text(BROKEN)
    shown = invoke("scenarios", "check", str(file))
    assert shown.code == 1
    assert [line.partition(": ")[0] for line in shown.out.splitlines()] == [
        f"{file}, line {number}" for number in (2, 3, 4, 5)
    ]
    assert "Did you mean JUNO" in shown.out
    assert "4 problems" in shown.err
    found = invoke("scenarios", "check", str(file), "--json").json
    assert [problem["line"] for problem in found["problems"]] == [2, 3, 4, 5]
    played = invoke("scenarios", "run", str(file), "--json")
    assert (played.code, len(played.json["error"]["problems"])) == (1, 4)
    assert "line 5" in invoke("scenarios", "run", str(file)).err


def test_a_good_file_is_summed_up(invoke: Invoke, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        BROKEN.replace("soon", "2026-01-01").replace("JUNA", "JUNO").replace("offset ", "offset_ms ")
    )
    assert "is a scenario: 1 message of 1 detector" in invoke("scenarios", "check", str(file)).out
    assert invoke("scenarios", "check", str(file), "--json").json["scenario"]["detectors"] == ["JUNO"]
    missing = invoke("scenarios", "check", str(tmp_path / "none.toml"), "--json")
    assert (missing.code, missing.json["error"]["kind"]) == (1, "ScenarioError")


def test_hostile_text_in_a_file_is_shown_not_obeyed(invoke: Invoke, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        'title = "x"\nstart = "2026-01-01"\n"\\u001b[31m[red]" = 1\n[[observation]]\ndetector = "\\u001b[2J"\n'
    )
    shown = invoke("scenarios", "check", str(file))
    assert "\x1b" not in shown.out + shown.err
    assert "[red]" in shown.out


def test_the_schema_is_one(invoke: Invoke) -> None:
    found = invoke("scenarios", "schema", "--json").json
    jsonschema.Draft202012Validator.check_schema(found)
    assert json.loads(invoke("scenarios", "schema").out) == found


def test_a_scenario_is_made_to_order_the_same_with_the_same_seed(invoke: Invoke, tmp_path: Path) -> None:
    words = ("scenarios", "make", "--star", "88.8,7.4", "--when", "2026-01-01T12:00:00", "--seed", "4")
    file = tmp_path / "mine.toml"
    shown = invoke(*words)
    made = invoke(*words, "-o", str(file))
    assert (shown.code, made.code) == (0, 0)
    assert "seed 4" in made.out
    assert shown.out == file.read_text()
    assert len(load_scenario(file).detectors) == 20
    again = invoke(*words, "-o", str(file), "--json")
    assert (again.code, again.json["error"]["kind"]) == (1, "UnwritableFile")
    found = invoke(*words, "--detectors", "JUNO, sk", "--jitter-ms", "0", "--json").json
    assert {event["detector"] for event in tomllib.loads(found["toml"])["observation"]} == {"JUNO", "Super-K"}
    assert "a ring on the sky" in found["scenario"]["description"]
    assert invoke("scenarios", "check", str(file)).code == 0


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("--star", "Nowhere"), "ScenarioError"),
        (("--star", "Rigel", "--when", "soon"), "ScenarioError"),
        (("--star", "Rigel", "--detectors", "JUNO,Nobody"), "UnknownDetector"),
        (("--star", "Rigel", "--detectors", ""), "UnknownDetector"),
        (("--star", "Rigel", "--jitter-ms", "-1"), "ScenarioError"),
        (("--star", "Rigel", "-o", "mine.json"), "UnwritableFile"),
        (("--star", "Rigel", "-o", "/nowhere/mine.toml"), "UnwritableFile"),
    ],
)
def test_what_cannot_be_made_is_told(invoke: Invoke, words: tuple[str, ...], kind: str) -> None:
    made = invoke("scenarios", "make", *words, "--json")
    assert (made.code, made.json["error"]["kind"]) == (1, kind)


def test_a_scenario_is_played_faster(invoke: Invoke) -> None:
    began = time.monotonic()
    found = invoke("scenarios", "run", "false-alarm", "--speed", "inf", "--json").json
    assert time.monotonic() - began < 5
    assert [sent["kind"] for sent in found["sent"]] == [
        *("heartbeat", "heartbeat", "observation", "observation", "retraction", "retraction")
    ]
    assert (
        "takes back its latest 1: a muon" in invoke("scenarios", "run", "false-alarm", "--speed", "200").out
    )
    assert (
        invoke("scenarios", "run", "false-alarm", "--speed", "0", "--json").json["error"]["kind"]
        == "SettingsError"
    )
    assert invoke("scenarios", "run", "false-alarm", "--speed", "fast").code == 2


# --- virtual-detectors ---


def test_virtual_detectors_take_their_parts_and_sum_up(invoke: Invoke) -> None:
    words = ("virtual-detectors", "--detector", "SBND", "--detector", "LZ", "--scenario", "betelgeuse")
    shown = invoke(*words, "--reaction", "0", "--spread", "0", "--for", "3", "--seed", "3")
    assert shown.code == 0, shown.err
    assert "Seed 3" in shown.err
    assert "2 virtual detectors sent 2 heartbeats and 2 other messages." in shown.out
    found = invoke(*words, "--misses", "1", "--reaction", "0", "--spread", "0", "--for", "3", "--json")
    rows = [json.loads(line) for line in found.out.splitlines()]
    assert {row["detector_name"] for row in rows if row["last_action"] == "missed the burst"} == {
        "SBND",
        "LZ",
    }


def test_virtual_detectors_leave_peoples_seats_alone(invoke: Invoke) -> None:
    """The one that is named as taken, and the user's own."""
    names = ("--detector", "XENONnT", "--detector", "DUNE", "--detector", "Borexino")
    shown = invoke("virtual-detectors", *names, "--taken", "dune", "--for", "3", "--seed", "1")
    assert shown.code == 0, shown.err
    assert "1 virtual detectors sent 1 heartbeats" in shown.out
    assert "left to people: XENONnT, DUNE" in shown.out


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("--profile", "firedrill"), "NotPermitted"),
        (("--detector", "Nobody"), "UnknownDetector"),
        (("--scenario", "nope"), "ScenarioError"),
        (("--misses", "0.7", "--off", "0.7"), "SettingsError"),
        (("--speed", "inf"), "SettingsError"),
        (("--no-firedrill",), "SettingsError"),
    ],
)
def test_virtual_detectors_that_must_not_play(invoke: Invoke, words: tuple[str, ...], kind: str) -> None:
    refused = invoke("virtual-detectors", *words, "--json")
    assert refused.code == 1
    assert json.loads(refused.out.splitlines()[-1])["error"]["kind"] == kind


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_virtual_detectors_end_well_by_ctrl_c(start: Start, number: int) -> None:
    playing = start("virtual-detectors", "--detector", "LVD")
    assert playing.stdout is not None
    assert any(" LVD " in line for line in playing.stdout)
    playing.send_signal(number)
    out, err = playing.communicate(timeout=15)
    assert playing.returncode == 0, err
    assert "1 virtual detectors sent" in out


def test_rows_are_a_table_in_which_nothing_steers_the_terminal() -> None:
    row = VirtualDetectorRow(
        "JUNO", "seat taken", False, 3, 1, "sent \x1b[2J", 10**9, "a retraction", 12.4, "[red]\x1b"
    )
    out = io.StringIO()
    Console(file=out, width=160).print(rows_table([row], 3 * 10**9))
    shown = out.getvalue()
    assert "\x1b" not in shown
    for words in ("JUNO", "seat taken", "2 s ago", "a retraction in 12 s", "[red]\\x1b"):
        assert words in shown
