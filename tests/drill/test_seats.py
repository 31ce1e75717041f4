"""Whose seat is whose: where speaking for others is allowed, and people who are seen on the topic."""

from __future__ import annotations

import json
import time

import pytest
from broker_stand import Stand, open_connection_on, write
from messages_to_send import heartbeat, observation
from waiting import wait_for

from snews_drill.connection import Connection
from snews_drill.drill.event_messages import event_content, send_content
from snews_drill.drill.marks import PLAYED_BY, VIRTUAL_DETECTOR
from snews_drill.drill.scenario import HeartbeatEvent
from snews_drill.drill.seats import SeatWatch, check_may_speak_for_others
from snews_drill.errors import NotPermitted, TransportError
from snews_drill.profiles import get_profile
from snews_drill.rehearsal.server import DrillServer
from snews_drill.remote import test_connection as ask_for_echo
from snews_drill.settings import DrillSettings


@pytest.mark.parametrize(
    "name",
    [
        "firedrill",
        "firedrill-prod",
        "test",
        "kafka://kafka.scimma.org:9092",
        "kafka://kafka.scimma.org",
        "kafka://KAFKA.SCIMMA.ORG:9092",
        "kafka://kafka.scimma.org:9093",
    ],
)
def test_nobody_speaks_for_others_on_the_topics_of_snews(name: str) -> None:
    with pytest.raises(NotPermitted, match="nobody speaks for other detectors"):
        check_may_speak_for_others(get_profile(name))


@pytest.mark.parametrize(
    "name",
    [
        "rehearsal",
        "kafka://127.0.0.1:9092",
        "kafka://drill.example.org:9092",
        "kafka://drill.example.org:9092?topics_prefix=school.",
        "kafka://kafka.scimma.org:9092?topics_prefix=school.",
    ],
)
def test_on_this_machine_and_on_ones_own_broker_or_topics_one_may(name: str) -> None:
    check_may_speak_for_others(get_profile(name))


class Heard:
    """What a watch told."""

    def __init__(self) -> None:
        self.people: list[str] = []
        self.reasons: list[str] = []
        self.losses: list[str] = []

    def person(self, name: str, reason: str) -> None:
        self.people.append(name)
        self.reasons.append(reason)


def speak(connection: Connection, detector: str, mark: str | None) -> None:
    """Send a heartbeat with a mark, or a person's."""
    meta = {} if mark is None else {PLAYED_BY: mark}
    content = event_content(
        HeartbeatEvent(detector=detector), connection.dialect, made_ns=time.time_ns(), meta=meta
    )
    send_content(connection, content)


@pytest.mark.parametrize("dialect", ["1.3", "3"])
def test_people_are_told_of_and_marked_messages_are_not(connection: Connection, dialect: str) -> None:
    """Whatever else stands on the topic."""
    heard = Heard()
    topic = connection.topics().observations
    with SeatWatch(connection, heard.person, heard.losses.append) as watch:
        watch.start()
        speak(connection, "JUNO", VIRTUAL_DETECTOR)
        write(connection, topic, b"\x80\x04nonsense", b"{}", b'{"_id": "0_hard-reset"}', b"[1]", b"")
        speak(connection, "LVD", "somebody")
        write(connection, topic, observation("DUNE", dialect=dialect))
        wait_for(lambda: len(heard.people) == 2, "both people")
    assert heard.people == ["LVD", "DUNE"]
    assert "CoincidenceTier of DUNE" in heard.reasons[1]
    assert heard.losses == []


def test_a_person_who_makes_mistakes_or_only_tests_the_connection_is_one_too(
    connection: Connection, server: DrillServer
) -> None:
    heard = Heard()
    topic = connection.topics().observations
    wrong = json.loads(heartbeat("JUNO")) | {"detector_status": "MAYBE"}
    marked = json.loads(heartbeat("DUNE")) | {
        "detector_status": "MAYBE",
        "meta": {PLAYED_BY: VIRTUAL_DETECTOR},
    }
    with SeatWatch(connection, heard.person, heard.losses.append):
        write(connection, topic, *(json.dumps(content).encode() for content in (marked, wrong)))
        ask_for_echo("LVD", connection=connection, verbose=False)
        wait_for(lambda: len(heard.people) == 2, "both people")
    assert heard.people == ["JUNO", "LVD"]
    assert "wrong fields" in heard.reasons[0]
    assert "connection test" in heard.reasons[1]


def test_it_ends_with_the_connection(broker: Stand, settings: DrillSettings) -> None:
    heard = Heard()
    with open_connection_on(broker, settings) as connection:
        watch = SeatWatch(connection, heard.person, heard.losses.append)
        watch.start()
    wait_for(lambda: not watch.is_running, "its end")
    assert heard.losses == ["The connection was closed."]


def test_who_spoke_shortly_before_is_here_and_who_spoke_long_ago_is_not(connection: Connection) -> None:
    write(connection, connection.topics().observations, heartbeat("JUNO"))
    speak(connection, "LVD", VIRTUAL_DETECTOR)
    heard = Heard()
    with SeatWatch(connection, heard.person, heard.losses.append):
        assert heard.people == ["JUNO"]
    late = Heard()
    time.sleep(0.05)
    with SeatWatch(connection, late.person, late.losses.append, look_back_sec=0.001):
        assert late.people == []


def test_a_topic_that_cannot_be_read_is_told_at_the_start(stand: Stand, settings: DrillSettings) -> None:
    with open_connection_on(stand, settings) as connection:
        stand.kill()
        heard = Heard()
        watch = SeatWatch(connection, heard.person, heard.losses.append)
        with pytest.raises(TransportError):
            watch.start(timeout=1)
        assert not watch.is_running
        watch.stop()


def test_it_goes_on_after_an_outage(stand: Stand, settings: DrillSettings) -> None:
    """A broker that comes back, empty perhaps: people are seen again."""
    with open_connection_on(stand, settings) as connection:
        heard = Heard()
        with SeatWatch(connection, heard.person, heard.losses.append):
            speak(connection, "JUNO", None)
            wait_for(lambda: heard.people == ["JUNO"], "the first person")
            stand.kill()
            stand.start()
            connection.make_topics(timeout=20)

            def second_is_seen() -> bool:
                speak(connection, "LVD", None)
                return "LVD" in heard.people

            wait_for(second_is_seen, "the second person", timeout=30)


def test_a_fault_while_watching_is_told_and_the_watch_goes_on(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody may go on to speak for people while nobody watches."""
    heard = Heard()
    with SeatWatch(connection, heard.person, heard.losses.append) as watch:
        with monkeypatch.context() as patch:
            patch.setattr("snews_drill.drill.seats._person_in", lambda _: 1 / 0)
            write(connection, connection.topics().observations, heartbeat("JUNO"))
            wait_for(lambda: any("ZeroDivisionError" in text for text in heard.losses), "the loss to be told")
        wait_for(lambda: heard.losses[-1] == "", "it to be back")
        assert watch.is_running
        write(connection, connection.topics().observations, heartbeat("LVD"))
        wait_for(lambda: "LVD" in heard.people, "a person")
