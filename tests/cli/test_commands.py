"""Each command in this process: success, failure, JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Invoke = Callable[..., "object"]

NOBODY = "kafka://127.0.0.1:1"


def test_set_name_remembers_and_refuses(invoke: Invoke) -> None:
    shown = invoke("set-name", "sk")
    assert (shown.code, shown.out, shown.err) == (0, "You are Super-K\n", "")
    assert invoke("set-name", "hk", "--json").json == {"ok": True, "detector_name": "Hyper-K"}
    refused = invoke("set-name", "JUNX", "--json")
    assert refused.code == 1
    assert refused.json["error"]["kind"] == "UnknownDetector"
    assert "JUNO" in refused.err


def test_set_name_lists_the_roster(invoke: Invoke) -> None:
    assert len(invoke("set-name", "--list", "--json").json["detectors"]) == 20
    assert "MicroBooNe" in invoke("set-name", "--list").out


def test_set_name_without_a_terminal_says_what_to_do(invoke: Invoke) -> None:
    found = invoke("set-name")
    assert found.code == 1
    assert "snews-drill set-name XENONnT" in found.err


def test_publish_sends_and_tells_receipts(invoke: Invoke, message_file: Callable[..., str]) -> None:
    found = invoke("publish", message_file(), "--json").json
    sent = found["files"][0]["sent"][0]
    assert found["ok"] is True
    assert sent["topic"] == "snews.experiments-firedrill"
    assert sent["message"]["detector_name"] == "XENONnT"


def test_publish_follows_the_topics_of_the_command_line_only(
    invoke: Invoke, message_file: Callable[..., str]
) -> None:
    path = message_file(firedrill_mode=True, connection="x", env_file="y", self="z")
    found = invoke("publish", path, "--no-firedrill", "--json").json
    assert found["files"][0]["sent"][0]["topic"] == "snews.experiments-test"


def test_publish_shows_foreign_text_without_obeying_it(
    invoke: Invoke, message_file: Callable[..., str]
) -> None:
    shown = invoke("publish", message_file(note="\x1b[2J[bold]"))
    assert shown.code == 0
    assert "\\x1b[2J[bold]" in shown.out
    assert "\x1b" not in shown.out + shown.err
    assert "Message Generated for CoincidenceTier" in shown.out


def test_publish_sends_nothing_of_a_file_with_problems_unless_asked(
    invoke: Invoke, message_file: Callable[..., str]
) -> None:
    path = message_file(p_val=5, p_values=[0.1], t_bin_width=0.5)
    refused = invoke("publish", path, "--json")
    entry = refused.json["files"][0]
    assert (refused.code, entry["sent"]) == (1, [])
    fatal = [problem for problem in entry["problems"] if problem["is_fatal"]]
    assert [problem["field"] for problem in fatal] == ["p_val"]
    assert fatal[0]["reason"]
    assert fatal[0]["remedy"]
    assert "CoincidenceTier.p_val" in refused.err
    partial = invoke("publish", path, "--partial", "--json")
    assert partial.code == 1
    assert [sent["message"]["p_values"] for sent in partial.json["files"][0]["sent"]] == [[0.1]]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("nope", "is not JSON"),
        ("[1]", "holds a list"),
        ('{"tier": "FooTier"}', "is no tier"),
        ('{"_id": "3_FooTier_x"}', "names no tier"),
        ('{"detector_name": "NOPE", "neutrino_time": "2026-01-01"}', "not a detector on the roster"),
        ('{"detector_name": ["SK"]}', "is no text"),
        ('{"detector_name": "SK"}', "nothing to send"),
        (None, "cannot be read"),
    ],
)
def test_publish_explains_bad_files_and_sends_the_good_ones(
    invoke: Invoke, message_file: Callable[..., str], tmp_path: Path, content: str | None, words: str
) -> None:
    bad = tmp_path / "bad.json"
    if content is not None:
        bad.write_text(content)
    found = invoke("publish", str(bad), message_file(), "--json")
    outcomes = {Path(entry["file"]).name: entry for entry in found.json["files"]}
    assert found.code == 1
    assert words in outcomes["bad.json"]["error"]["reason"]
    assert outcomes["bad.json"]["error"]["next_step"]
    assert words in found.err
    assert outcomes["message.json"]["ok"] is True


def test_publish_takes_a_message_as_it_travelled(
    invoke: Invoke, message_file: Callable[..., str], tmp_path: Path
) -> None:
    sent = invoke("publish", message_file(note="hello"), "--json").json["files"][0]["sent"][0]["message"]
    again = tmp_path / "again.json"
    again.write_text(json.dumps(sent))
    found = invoke("publish", str(again), "--json").json["files"][0]["sent"][0]["message"]
    assert found["neutrino_time"] == sent["neutrino_time"]
    assert found["meta"] == sent["meta"]


def test_heartbeat_once(invoke: Invoke) -> None:
    found = invoke("heartbeat", "-s", "off", "-t", "2026-01-01T00:00:00", "--json").json
    assert (found["ok"], found["status"], found["detector_name"]) == (True, "OFF", "XENONnT")
    assert "XENONnT is ON" in invoke("heartbeat").out


def test_heartbeat_refuses_bad_values(invoke: Invoke) -> None:
    assert "neither ON nor OFF" in invoke("heartbeat", "-s", "maybe").err
    refused = invoke("heartbeat", "-t", "yesterday", "--json")
    assert refused.code == 1
    assert refused.json["error"]["problems"][0]["field"] == "machine_time"
    assert invoke("heartbeat", "-t", "2026-01-01", "--every", "1").code == 2


def test_heartbeat_goes_on_for_a_count(invoke: Invoke) -> None:
    found = invoke("heartbeat", "--every", "0.05", "-n", "2", "--json")
    lines = [json.loads(line) for line in found.out.splitlines()]
    assert found.code == 0
    assert lines[-1]["acknowledged"] >= 2


def test_connection_is_confirmed(invoke: Invoke) -> None:
    found = invoke("test-connection", "--json").json
    assert found["ok"] is True
    assert found["detector_name"] == "XENONnT"
    assert "You (XENONnT) have a connection to the server" in invoke("test-connection").out


def test_connection_without_a_name_says_the_next_step(invoke: Invoke) -> None:
    found = invoke("test-connection", "--json", without_name=True)
    assert (found.code, found.json["error"]["kind"]) == (1, "NameNotSet")


def test_reset_cache_and_display_heartbeats_have_rights_here(invoke: Invoke) -> None:
    assert invoke("reset-cache", "--json").json["answer"].endswith("observations dropped.")
    assert "dropped" in invoke("reset-cache").out
    invoke("heartbeat")
    rows = invoke("display-heartbeats", "--json").json["heartbeats"]
    assert {row["detector_name"] for row in rows} >= {"XENONnT"}
    assert "XENONnT" in invoke("display-heartbeats").out


def test_feedback_needs_a_registered_address(invoke: Invoke) -> None:
    assert "--email" in invoke("get-feedback").err
    refused = invoke("get-feedback", "--email", "a@example.org", "--json")
    assert refused.code == 1
    assert refused.json["error"]["kind"] == "NotAuthorised"


def test_scenarios_are_listed_and_played(invoke: Invoke) -> None:
    names = [entry["name"] for entry in invoke("scenarios", "list", "--json").json["scenarios"]]
    assert names[0] == "betelgeuse"
    assert "betelgeuse" in invoke("scenarios", "list").out
    found = invoke("scenarios", "run", "simple-coincidence", "--json").json
    assert len(found["sent"]) == 2
    assert "2 messages sent" in invoke("scenarios", "run", "simple-coincidence").out


def test_scenarios_that_must_not_be_played(invoke: Invoke) -> None:
    assert invoke("scenarios", "run", "nope", "--json").json["error"]["kind"] == "ScenarioError"
    live = invoke("scenarios", "run", "betelgeuse", "--profile", "firedrill", "--json")
    assert (live.code, live.json["error"]["kind"]) == (1, "NotPermitted")
    assert invoke("rehearse", "--profile", "firedrill", "--json").json["error"]["kind"] == "NotPermitted"
    assert invoke("rehearse", "--no-firedrill", "--json").json["error"]["kind"] == "SettingsError"


def test_serve_refuses_what_makes_no_sense(invoke: Invoke, tmp_path: Path) -> None:
    assert "drill server of its own" in invoke("serve", "--profile", "firedrill").err
    assert "its own topics" in invoke("serve", "--topics-prefix", "x").err
    missing = invoke("serve", "--broker", NOBODY, "--admin-token-file", str(tmp_path / "none"), "--json")
    assert missing.json["error"]["kind"] == "UnreadableFile"
    assert "cannot begin" in invoke("serve", "--broker", NOBODY, "--topics-prefix", "a/b").err
    assert "one server" in invoke("serve", "--standby", "myschool.servers").err
    for name in ("a b", "..", "", "snews.alert-firedrill", "x" * 201):
        assert "name of a standby group" in invoke("serve", "--broker", NOBODY, "--standby", name).err


def test_subscribe_says_when_too_few_came(invoke: Invoke) -> None:
    found = invoke("subscribe", "-n", "1", "--timeout", "0.1", "--json")
    assert found.code == 1
    assert found.json["error"]["kind"] == "NoAnswer"
    assert invoke("subscribe", "--timeout", "0.1").code == 0


def test_subscribe_refuses_a_missing_plugin(invoke: Invoke, tmp_path: Path) -> None:
    found = invoke("subscribe", "-p", str(tmp_path / "none.py"), "--json")
    assert (found.code, found.json["error"]["kind"]) == (1, "PluginError")


@pytest.mark.parametrize(
    "words", [("set-name", "SK"), ("test-connection",), ("scenarios", "list"), ("publish", "x")]
)
def test_a_profile_that_does_not_exist_is_refused(
    invoke: Invoke, message_file: Callable[..., str], words: tuple[str, ...]
) -> None:
    words = tuple(message_file() if word == "x" else word for word in words)
    found = invoke(*words, "--profile", "nonsense", "--json")
    assert (found.code, found.json["error"]["kind"]) == (1, "SettingsError")


def test_versions(invoke: Invoke) -> None:
    assert {"snews-drill", "hop-client", "broker (Tansu)"} <= set(
        invoke("--version", "--json").json["versions"]
    )
    assert "hop-client 0.13" in invoke("--version").out


def test_auth_hands_over_to_hop(invoke: Invoke) -> None:
    found = invoke("auth", "--json", "locate").json
    assert found["output"][0].endswith("hop/auth.toml")
    assert invoke("auth", "--json", "remove", "nobody").code == 1
