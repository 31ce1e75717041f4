"""Scenarios: files that say what is wrong with them and where, and playing them against a real server."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path

import pytest
from broker_stand import Stand, open_connection_on
from messages_to_send import Alerts
from waiting import wait_for

from snews_drill.connection import Connection
from snews_drill.drill.expected import expected_alerts
from snews_drill.drill.scenarios import (
    SIDEREAL_DAY_NS,
    PlayedEvent,
    Scenario,
    list_scenarios,
    load_scenario,
    play,
)
from snews_drill.errors import DeliveryFailed, ScenarioError, UnknownDetector
from snews_drill.messages.times import NS_PER_DAY, NS_PER_SECOND, parse_utc_ns
from snews_drill.rehearsal.server import DrillServer
from snews_drill.settings import DrillSettings
from snews_drill.wire.dialects import get_dialect

GOOD = """
title = "Two"
start = "2030-01-01T12:30:00"
is_test = true
[[observation]]
detector = "XENONnT"
offset_ms = 0
p_val = 0.5
[[observation]]
detector = "DS-20K"
offset_ms = 10
"""


def in_file(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


def test_the_packaged_ones_are_listed_the_tutorials_first() -> None:
    names = [scenario.name for scenario in list_scenarios()]
    assert names[0] == "betelgeuse"
    assert len(names) == 10
    assert names[1:] == sorted(names[1:])
    assert all(scenario.title and scenario.description for scenario in list_scenarios())


def test_the_tutorials_drill_has_its_19_detectors_and_their_times() -> None:
    """JUNO first; the others after it as the drill list says, in milliseconds."""
    scenario = load_scenario("betelgeuse")
    offsets = {event.detector: event.offset_ms for event in scenario.observations}
    assert len(offsets) == len(scenario.detectors) == 19
    assert scenario.start_ns == parse_utc_ns("2023-02-07T12:00:00")
    assert offsets["JUNO"] == 0
    assert offsets["Hyper-K"] == 1.076
    assert offsets["Super-K"] == offsets["KamLAND"] == 1.090
    assert offsets["XENONnT"] == offsets["LVD"] == 26.127
    assert offsets["LZ"] == offsets["DUNE"] == 30.548
    assert scenario.star is not None
    assert (scenario.star.ra_deg, scenario.star.dec_deg) == (88.79292, 7.40706)


@pytest.mark.parametrize("scenario", list_scenarios(), ids=lambda scenario: scenario.name)
def test_every_scenario_gives_the_alerts_of_the_rule(
    scenario: Scenario, connection: Connection, server: DrillServer, alerts: Alerts
) -> None:
    """On a real broker with a real server, one by one: types and detectors, in order."""
    due = expected_alerts(scenario, scenario.detectors[0]).alerts
    sent: list[PlayedEvent] = []
    played = play(scenario, connection, on_sent=sent.append, speed=math.inf)
    assert played == sent
    assert [event.event for event in played] == list(scenario.events)

    def accepted() -> int:
        counts = server.status.counts
        assert counts.get("refused", 0) == counts.get("unreadable", 0) == 0, server.status.refusals
        return sum(counts.get(tier, 0) for tier in ("CoincidenceTier", "Retraction", "Heartbeat"))

    wait_for(lambda: accepted() == len(played), "all messages")
    prefix = "TEST " if scenario.is_test else ""
    alerts.wait_for(len(due))
    alerts.look(0.1)
    assert alerts.said == [(prefix + kind, names) for kind, names in due]


def test_the_rule_says_what_the_published_scenarios_are_for() -> None:
    """Worked out by hand from the window of ten seconds."""
    due = {s.name: expected_alerts(s, s.detectors[0]).alerts for s in list_scenarios()}
    assert due["exact-10s"] == (("COINC_MSG", ("XENONnT", "DUNE")),)
    assert due["same-message-twice"] == ()
    assert due["same-detector-within-1s"] == ()
    assert [kind for kind, _ in due["two-coincidences"]] == ["COINC_MSG", "COINC_MSG"]
    assert due["false-alarm"] == (("COINC_MSG", ("XENONnT", "LVD")), ("RETRACTION", ("LVD",)))
    assert due["noise-with-retraction"] == (
        ("COINC_MSG", ("Super-K", "IceCube")),
        ("COINC_MSG", ("Super-K", "JUNO", "IceCube")),
        ("COINC_MSG", ("Super-K", "JUNO", "IceCube", "Baksan")),
        ("RETRACTION", ("Super-K", "JUNO", "IceCube")),
    )
    assert len(due["betelgeuse"]) == 18
    assert len(due["betelgeuse"][-1][1]) == 19


def test_some_detectors_can_be_played_alone(connection: Connection) -> None:
    scenario = load_scenario("betelgeuse")
    played = play(scenario, connection, detectors=["sk", "XENONnT"])
    assert {event.detector for event in played} == {"Super-K", "XENONnT"}
    assert played[0].receipt.offset < played[1].receipt.offset
    with pytest.raises(ScenarioError, match="PandaX-4T has no part"):
        play(load_scenario("exact-10s"), connection, detectors=["PandaX-4T"])
    with pytest.raises(UnknownDetector):
        play(scenario, connection, detectors=["Nobody"])


@pytest.mark.parametrize("now", ["2026-11-23T03:00:00", "2023-02-07T12:00:05", "2031-02-28T23:59:59"])
def test_a_scenario_that_points_to_a_star_is_moved_by_whole_sidereal_days(now: str) -> None:
    """Everything lies in the past, less than a day ago, and the Earth stands as it stood."""
    scenario = load_scenario("betelgeuse")
    now_ns = parse_utc_ns(now)
    zero_ns = scenario.zero_ns(now_ns)
    assert (zero_ns - scenario.start_ns) % SIDEREAL_DAY_NS == 0
    last_ns = zero_ns + max(round(event.offset_ms * 1e6) for event in scenario.observations)
    assert now_ns - NS_PER_DAY < last_ns < now_ns


def test_another_one_is_moved_to_a_moment_ago_and_a_test_is_not_moved(tmp_path: Path) -> None:
    moved = load_scenario(in_file(tmp_path, GOOD.replace("is_test = true", "")))
    now_ns = parse_utc_ns("2026-11-23T03:00:00.5")
    assert now_ns - 60 * NS_PER_SECOND < moved.zero_ns(now_ns) + 10_000_000 < now_ns
    test = load_scenario(in_file(tmp_path, GOOD))
    assert test.zero_ns(now_ns) == test.start_ns


def test_played_in_dialect_3_it_gives_the_same_alert(
    connection: Connection, server: DrillServer, alerts: Alerts
) -> None:
    connection.dialect = get_dialect("3")
    play(load_scenario("simple-coincidence"), connection)
    assert alerts.wait_for(1)[0]["alert_type"] == "TEST COINC_MSG"


def test_a_message_that_would_fail_is_told_before_anything_is_sent(connection: Connection) -> None:
    scenario = load_scenario("betelgeuse")
    with pytest.raises(ScenarioError, match="48 hours") as caught:
        play(scenario, connection, when=scenario.start_ns)
    assert "is_test" in caught.value.next_step
    reader = connection.open_reader([connection.topics().observations], start="beginning")
    assert reader.read(timeout=0.2) == []
    reader.close()


def test_broker_gone_says_what_was_not_delivered(stand: Stand, settings: DrillSettings) -> None:
    with open_connection_on(stand, settings) as connection:
        stand.kill()
        with pytest.raises(DeliveryFailed) as caught:
            play(load_scenario("exact-10s"), connection, timeout=0.5)
        assert caught.value.undelivered[0]["detector_name"] == "XENONnT"


# --- files ---


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (("0.5", "1.5"), "observation 1, p_val"),
        (("0.5", '"high"'), "observation 1, p_val"),
        (("offset_ms = 10", 'offset_ms = "soon"'), "observation 2, offset_ms"),
        (("offset_ms = 10", "offset_ms = nan"), "observation 2, offset_ms"),
        (("offset_ms = 10", "offset_ms = 1e12"), "observation 2, offset_ms"),
        (("offset_ms = 10", "offset = 10"), "observation 2, offset"),
        (('"DS-20K"', '"Nobody"'), "observation 2, detector"),
        (('title = "Two"', ""), "title"),
        (('title = "Two"', 'title = "Two"\nname = "x"'), "name"),
        (('title = "Two"', 'title = "Two"\nevents = []'), "events"),
        (('"2030-01-01T12:30:00"', '"soon"'), "start"),
        (('"2030-01-01T12:30:00"', "12:30:00"), "start"),
        (('"2030-01-01T12:30:00"', "7"), "start"),
        (("is_test = true", "is_test = 3"), "is_test"),
        (("is_test = true", "[star]\nra_deg = 1\n"), "star"),
        (("[[observation]]", "[[others]]"), "others"),
        (("start =", "start = ="), "TOML"),
    ],
)
def test_a_file_that_cannot_be_used_names_the_place(
    tmp_path: Path, change: tuple[str, str], place: str
) -> None:
    with pytest.raises(ScenarioError) as caught:
        load_scenario(in_file(tmp_path, GOOD.replace(*change)))
    assert place in caught.value.reason
    assert "mine" in caught.value.reason
    assert caught.value.next_step
    assert caught.value.problems


def test_a_file_without_observations_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="observation"):
        load_scenario(in_file(tmp_path, GOOD[: GOOD.index("[[")]))


def test_an_own_file_is_played_under_its_name(tmp_path: Path) -> None:
    scenario = load_scenario(in_file(tmp_path, GOOD.replace('"2030-01-01T12:30:00"', "2030-01-01T12:30:00Z")))
    assert (scenario.name, scenario.title, len(scenario.events)) == ("mine", "Two", 2)
    assert scenario.start_ns == parse_utc_ns("2030-01-01T12:30:00")


@pytest.mark.parametrize("name", ["nothing-like-it", "../pyproject", "betelgeuse.json", ""])
def test_an_unknown_name_lists_those_there_are(name: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load_scenario(name)
    assert "betelgeuse" in caught.value.next_step


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    """Missing, a folder, a pipe nobody writes to, too large, no text: none of them is waited for."""
    (tmp_path / "folder.toml").mkdir()
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "large.toml").write_bytes(b"#" * (1 << 21))
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    began = time.monotonic()
    for name in ("missing", "folder", "pipe", "large", "binary"):
        with pytest.raises(ScenarioError, match=name) as caught:
            load_scenario(tmp_path / f"{name}.toml")
        assert caught.value.next_step
    assert time.monotonic() - began < 5


def test_a_slip_of_the_pen_is_helped(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as caught:
        load_scenario("fals-alarm")
    assert "Did you mean false-alarm?" in caught.value.next_step
    with pytest.raises(ScenarioError, match=r"missing.toml cannot be read: No such file or directory\."):
        load_scenario(str(tmp_path / "missing.toml"))
