"""The player on a real broker with a real drill server: pause, speed, stop, and outages."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator

import pytest
from broker_stand import Stand, open_connection_on
from messages_to_send import Alerts
from waiting import AT_ONCE_SEC, wait_for

from snews_drill.connection import Connection
from snews_drill.drill.marks import CONTROL_ROOM, speaker
from snews_drill.drill.playing import PlayedEvent
from snews_drill.drill.scenario import HeartbeatEvent, ObservationEvent, Scenario
from snews_drill.drill.scenarios import ScenarioPlayer, load_scenario
from snews_drill.errors import DeliveryFailed, DrillError, ScenarioError, SettingsError
from snews_drill.messages.times import parse_utc_ns
from snews_drill.rehearsal.server import DrillServer
from snews_drill.settings import DrillSettings
from snews_drill.wire.dialects import decode_record


def three_heartbeats(seconds: float) -> Scenario:
    """Three messages, that far apart."""
    events = tuple(HeartbeatEvent(detector="JUNO", send_after_sec=seconds * number) for number in range(3))
    return Scenario(name="three", title="Three", start_ns=0, events=events)


@pytest.fixture
def player(connection: Connection) -> Iterator[ScenarioPlayer]:
    """A player of three messages an hour apart, before its start."""
    player = ScenarioPlayer(three_heartbeats(3600), connection)
    yield player
    player.stop()


def test_a_false_alarm_plays_to_its_end(connection: Connection, server: DrillServer, alerts: Alerts) -> None:
    """Eight seconds at forty times the pace: the alert, and its withdrawal, and nothing more."""
    seen: list[PlayedEvent] = []
    with ScenarioPlayer(load_scenario("false-alarm"), connection, speed=40, on_event=seen.append) as player:
        assert player.wait(20)
        assert tuple(seen) == player.played
    assert [event.event.kind for event in seen] == [
        *("heartbeat", "heartbeat", "observation", "observation", "retraction", "retraction")
    ]
    wait_for(lambda: server.status.counts.get("Retraction") == 2, "both retractions")
    alerts.wait_for(2)
    alerts.look(0.1)
    assert alerts.said == [("COINC_MSG", ("XENONnT", "LVD")), ("RETRACTION", ("LVD",))]
    due = [entry.due_sec for entry in player.scenario.schedule]
    for event, due_sec in zip(seen, due, strict=True):
        assert (event.sent_ns - seen[0].sent_ns) / 1e9 >= due_sec / 40 - 0.05


def test_noise_is_taken_back_and_the_others_go_on(
    connection: Connection, server: DrillServer, alerts: Alerts
) -> None:
    with ScenarioPlayer(load_scenario("noise-with-retraction"), connection, speed=math.inf) as player:
        assert player.wait(20)
    alerts.wait_for(4)
    assert alerts.said[-2:] == [
        ("COINC_MSG", ("Super-K", "JUNO", "IceCube", "Baksan")),
        ("RETRACTION", ("Super-K", "JUNO", "IceCube")),
    ]

    def who_is_on() -> dict[str, bool | None]:
        return {row.name: row.is_on for row in server.status.detectors}

    expected = {"Super-K": True, "JUNO": True, "IceCube": True, "Baksan": False}
    wait_for(lambda: who_is_on() == expected, "the server's view of who is on")


def test_messages_say_who_spoke_and_what_the_scenario_asked(connection: Connection) -> None:
    """All but those that people speak for themselves are marked."""
    reader = connection.open_reader([connection.topics().observations])
    scenario = load_scenario("simple-coincidence")
    with ScenarioPlayer(scenario, connection, speed=math.inf, played_by_people=["DS-20K"]) as player:
        assert player.wait(10)
        zero_ns = player.progress.zero_ns
    found = {}
    deadline = time.monotonic() + 10
    while len(found) < 2 and time.monotonic() < deadline:
        for record in reader.read(timeout=0.1):
            message = decode_record(record.value, record.content_format).value
            found[message.detector_name] = message
    reader.close()
    assert speaker(found["XENONnT"].meta) == CONTROL_ROOM
    assert speaker(found["DS-20K"].meta) is None
    assert found["DS-20K"].meta["scenario_offset_ms"] == 287678.999
    assert parse_utc_ns(found["DS-20K"].meta["scenario_zero"]) == zero_ns


def test_it_waits_can_be_held_and_tells_how_far_it_is(player: ScenarioPlayer) -> None:
    assert not player.is_running
    assert player.progress.sent == 0
    player.start()
    player.start()
    wait_for(lambda: player.progress.sent == 1, "the first message")
    now = player.progress
    assert (now.total, now.is_running, now.is_paused, now.problem) == (3, True, False, "")
    assert now.seconds_to_next is not None
    assert 3500 < now.seconds_to_next <= 3600
    player.speed = 100
    assert player.progress.seconds_to_next is not None
    assert player.progress.seconds_to_next <= 36
    player.pause()
    assert player.is_paused
    assert player.progress.seconds_to_next is None
    assert "paused: 1 of 3 sent" in repr(player)
    player.speed = 100_000
    assert not player.wait(0.1)
    assert player.progress.sent == 1
    player.resume()
    assert player.wait(10)
    now = player.progress
    assert (now.sent, now.next_event, now.seconds_to_next, now.is_running) == (3, None, None, False)
    with pytest.raises(ScenarioError, match="played already"):
        player.start()


@pytest.mark.parametrize("is_paused", [True, False])
def test_stop_is_quick_and_final(player: ScenarioPlayer, is_paused: bool) -> None:
    player.start()
    wait_for(lambda: player.progress.sent == 1, "the first message")
    if is_paused:
        player.pause()
    began = time.monotonic()
    player.stop()
    assert not player.is_running
    assert time.monotonic() - began < AT_ONCE_SEC
    player.stop()
    player.resume()
    assert player.progress.sent == 1


def test_what_cannot_be_played_is_told_before_anything_is_sent(connection: Connection) -> None:
    with pytest.raises(ScenarioError, match="no part"):
        ScenarioPlayer(load_scenario("false-alarm"), connection, detectors=["JUNO"])
    with pytest.raises(SettingsError, match="no speed"):
        ScenarioPlayer(load_scenario("false-alarm"), connection, speed=0)
    old = Scenario(
        name="old", title="Old", start_ns=0, events=(ObservationEvent(detector="JUNO", offset_ms=0),)
    )
    player = ScenarioPlayer(old, connection, zero_ns=1)
    with pytest.raises(ScenarioError, match="48 hours"):
        player.start()
    assert not player.is_running


def test_a_callback_that_fails_ends_the_play_and_says_so(connection: Connection) -> None:
    def fail(event: PlayedEvent) -> None:
        raise ZeroDivisionError("mine")

    with ScenarioPlayer(three_heartbeats(0), connection, on_event=fail) as player:
        with pytest.raises(DrillError, match="ZeroDivisionError"):
            player.wait(10)
        assert "ZeroDivisionError" in player.progress.problem


def test_a_closed_connection_ends_the_play(broker: Stand, settings: DrillSettings) -> None:
    with open_connection_on(broker, settings) as connection:
        player = ScenarioPlayer(three_heartbeats(3600), connection)
        player.start()
        wait_for(lambda: player.progress.sent == 1, "the first message")
    player.speed = 100_000
    with pytest.raises(DrillError, match="closed"):
        player.wait(10)
    wait_for(lambda: not player.is_running, "its end")
    assert "closed" in player.progress.problem


def test_an_outage_holds_the_play_and_resume_sends_the_message_again(
    stand: Stand, settings: DrillSettings
) -> None:
    """Nothing is skipped: what was not taken goes out first when the broker is back."""
    with open_connection_on(stand, settings) as connection:
        player = ScenarioPlayer(three_heartbeats(3600), connection, timeout=0.5)
        with player:
            wait_for(lambda: player.progress.sent == 1, "the first message")
            stand.kill()
            player.speed = 100_000
            wait_for(lambda: player.progress.problem, "the problem to be told", timeout=20)
            assert player.is_paused
            with pytest.raises(DeliveryFailed):
                player.wait(1)
            stand.start()
            connection.make_topics(timeout=20)
            wait_for(lambda: connection.check(timeout=5) is None, "the broker")

            def ended() -> bool:
                if player.progress.problem:  # the client may need a moment to find the broker again
                    player.resume()
                return not player.is_running

            wait_for(ended, "the end of the play", timeout=30)
            assert [event.event.send_after_sec for event in player.played] == [0, 3600, 7200]


def test_stop_during_an_outage_does_not_wait_for_the_broker(stand: Stand, settings: DrillSettings) -> None:
    with open_connection_on(stand, settings) as connection:
        player = ScenarioPlayer(three_heartbeats(3600), connection, timeout=60)
        player.start()
        wait_for(lambda: player.progress.sent == 1, "the first message")
        stand.kill()
        player.speed = 100_000
        threading.Event().wait(0.3)  # so that it is sending
        began = time.monotonic()
        player.stop()
        assert not player.is_running
        assert time.monotonic() - began < AT_ONCE_SEC


def test_one_that_was_stopped_before_it_began_does_not_begin(player: ScenarioPlayer) -> None:
    player.stop()
    with pytest.raises(ScenarioError, match="stopped before it began"):
        player.start()
