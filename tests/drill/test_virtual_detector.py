"""One virtual detector by itself: its life, its connection, and its part in a scenario."""

from __future__ import annotations

import time

import pytest
from waiting import wait_for

from snews_drill.connection import Connection
from snews_drill.drill.behaviour import Behaviour, Intention
from snews_drill.drill.deeds import part_in
from snews_drill.drill.scenarios import load_scenario
from snews_drill.drill.virtual_detector import VirtualDetector
from snews_drill.errors import NotPermitted, UnknownDetector

OBSERVES = Intention(fate="observes", reaction_sec=7.0, jitter_ns=2000, retracts=False)


def test_it_opens_its_own_connection_and_closes_it(connection: Connection) -> None:
    opened: list[Connection] = []

    def source() -> Connection:
        opened.append(connection.open_another())
        return opened[-1]

    with VirtualDetector("juno", source) as one:
        wait_for(lambda: one.row.beats, "the first heartbeat")
        assert one.is_running
        assert "JUNO: on, 1 heartbeats" in repr(one)
        one.start()
    assert len(opened) == 1
    wait_for(lambda: not opened[0].is_open, "its connection to be closed")
    assert connection.is_open
    one.start()
    wait_for(lambda: one.row.beats == 2, "it to be back")
    one.stop()
    assert len(opened) == 2
    wait_for(lambda: not opened[1].is_open, "its second connection to be closed")


def test_a_start_that_is_refused_opens_nothing(connection: Connection) -> None:
    def refuse(name: str) -> None:
        raise NotPermitted(f"not {name}", next_step="Wait.")

    one = VirtualDetector("JUNO", connection.open_another, check_start=refuse)
    with pytest.raises(NotPermitted, match="not JUNO"):
        one.start()
    assert not one.is_running
    assert one.row.state == "not started"


def test_a_person_who_comes_while_it_starts_keeps_the_seat(connection: Connection) -> None:
    """The second look is after its thread began."""
    asked: list[str] = []

    def refuse_the_second_time(name: str) -> None:
        asked.append(name)
        if len(asked) > 1:
            raise NotPermitted("A person has come.", next_step="Wait.")

    one = VirtualDetector("JUNO", connection.open_another, check_start=refuse_the_second_time)
    with pytest.raises(NotPermitted):
        one.start()
    one.join(5)
    assert (one.is_running, one.row.state, one.row.reason) == (False, "seat taken", "A person has come.")


def test_while_it_must_hold_it_says_nothing(connection: Connection) -> None:
    holds = ["The topic cannot be read."]
    one = VirtualDetector("JUNO", connection.open_another, why_hold=lambda name: holds[0])
    with one:
        wait_for(lambda: one.row.reason == holds[0], "the reason to be shown")
        one.observe(time.time_ns() - 10**9, 0.2)
        time.sleep(0.1)
        assert (one.row.beats, one.row.messages) == (0, 0)
        holds[0] = ""
        wait_for(lambda: one.row.messages == 1, "the observation")


def test_a_message_that_would_fail_does_not_end_it(connection: Connection) -> None:
    with VirtualDetector("JUNO", connection.open_another) as one:
        one.observe(time.time_ns() - 10**18, 0.2)
        wait_for(lambda: "48 hours" in one.row.last_action, "the refusal")
        assert one.is_running


def test_nobody_plays_a_detector_that_is_none(connection: Connection) -> None:
    with pytest.raises(UnknownDetector):
        VirtualDetector("Nobody", connection.open_another)


def test_its_part_keeps_the_times_of_the_scenario_and_is_late_by_its_reaction() -> None:
    """Baksan's noise at 6 s, OFF at 8 s, taken back at 11 s; seven seconds late."""
    scenario = load_scenario("noise-with-retraction")
    part = part_in(scenario, "Baksan", 10**18, OBSERVES, Behaviour())
    assert [(due, deed.words) for due, deed in part] == [
        (7, "the heartbeat of noise-with-retraction"),
        (13, "the observation of noise-with-retraction"),
        (15, "the heartbeat of noise-with-retraction"),
        (18, "the retraction of noise-with-retraction"),
    ]
    assert part[1][1].neutrino_time_ns == 10**18 + 6_000_000_000 + 2000
    assert part_in(scenario, "DUNE", 10**18, OBSERVES, Behaviour()) == []


def test_who_does_not_observe_takes_nothing_back() -> None:
    scenario = load_scenario("noise-with-retraction")
    intention = Intention(fate="misses", reaction_sec=0.0, jitter_ns=0, retracts=True)
    part = part_in(scenario, "Baksan", 10**18, intention, Behaviour())
    assert sorted(deed.words for _, deed in part) == [
        "misses",
        "the heartbeat of noise-with-retraction",
        "the heartbeat of noise-with-retraction",
    ]
