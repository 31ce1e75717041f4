"""DrillMonitor: several people on one broker, seen live; it goes on after outages."""

from __future__ import annotations

import time

import pytest
from broker_stand import Stand, open_connection_on, write
from messages_to_send import heartbeat, observation, send_observations
from waiting import wait_for

from snews_drill.connection import Connection
from snews_drill.drill.monitor import DrillMonitor
from snews_drill.errors import NoAnswer
from snews_drill.publisher import SNEWSTiersPublisher
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.server import DrillServer
from snews_drill.remote import test_connection as ask_for_echo
from snews_drill.settings import DrillSettings
from snews_drill.wire.dialects import get_dialect


def test_several_people_on_one_broker_are_seen(
    connection: Connection, server: DrillServer, broker: Stand, settings: DrillSettings
) -> None:
    """Two other connections, one of them in the other dialect: their tests, heartbeats, observations, and the alert."""
    wait_for(lambda: server.status.state == "listening", "the server")
    now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - 2))
    with DrillMonitor(connection) as monitor:
        for name, dialect in (("JUNO", "1.3"), ("LVD", "3")):
            named = settings.model_copy(update={"detector_name": name})
            with open_connection_on(broker, named, connection.profile) as person:
                person.dialect = get_dialect(dialect)
                ask_for_echo(connection=person, verbose=False)
                for given in ({"detector_status": "ON"}, {"neutrino_time": now}):
                    SNEWSTiersPublisher(name, connection=person, **given).send_to_snews(verbose=False)
        picture = monitor.wait_for(lambda picture: len(picture.alerts) == 1)
        assert picture.people == ("JUNO", "LVD")
        assert all(one.is_on and one.tested_ns and one.observations == 1 for one in picture.participants)
        assert picture.alerts[0].detector_names == ("JUNO", "LVD")
        assert picture.problem == ""
        assert [entry.kind for entry in picture.timeline].count("connection test") == 2
        assert repr(monitor) == "DrillMonitor(watching: 2 detectors, 1 alerts)"
    assert not monitor.is_running
    assert monitor.picture.alerts == picture.alerts


def test_from_the_beginning_it_sees_what_was_before(connection: Connection) -> None:
    send_observations(connection, heartbeat("JUNO"))
    with DrillMonitor(connection, start="beginning") as monitor:
        monitor.wait_for(lambda picture: picture.participant("JUNO"))


def test_hostile_records_end_nothing(connection: Connection) -> None:
    """Nonsense on each topic is counted, and what follows is seen."""
    topics = connection.topics()
    with DrillMonitor(connection) as monitor:
        for topic in topics.names():
            write(
                connection,
                topic,
                b"\xff\x00",
                b'{"_id": [1]}',
                b'{"id": "0_announce", "meta": 7}',
                b"[" * 5000,
            )
        write(connection, topics.observations, b'"' + b"x" * 9000 + b'"', heartbeat("LVD"))
        picture = monitor.wait_for(lambda picture: picture.participant("LVD"))
        assert picture.unreadable >= 5
        assert all(entry.text.isprintable() for entry in picture.timeline)


def test_it_goes_on_after_the_broker_was_gone(stand: Stand, settings: DrillSettings) -> None:
    with open_connection_on(stand, settings) as connection, DrillMonitor(connection) as monitor:
        send_observations(connection, heartbeat("JUNO"))
        monitor.wait_for(lambda picture: picture.participant("JUNO"))
        stand.kill()
        assert "does not answer" in monitor.wait_for(lambda picture: picture.problem, timeout=15).problem
        stand.start()
        with open_connection_on(stand, settings, connection.profile) as again:
            send_observations(again, observation("LVD"))
            picture = monitor.wait_for(
                lambda picture: picture.participant("LVD") and not picture.problem, timeout=20
            )
        assert {one.detector for one in picture.participants} == {"JUNO", "LVD"}


def test_what_does_not_come_is_told(connection: Connection, archive: Archive) -> None:
    monitor = DrillMonitor(connection)
    with pytest.raises(NoAnswer, match="0 detectors") as caught:
        monitor.wait_for(lambda picture: picture.alerts, timeout=0.05)
    assert "start()" in caught.value.next_step
    with monitor, pytest.raises(NoAnswer) as caught:
        monitor.wait_for(lambda picture: picture.alerts, timeout=0.05)
    assert "Wait longer" in caught.value.next_step


def test_a_closed_connection_ends_it(connection: Connection) -> None:
    monitor = DrillMonitor(connection)
    monitor.start()
    connection.close()
    wait_for(lambda: not monitor.is_running, "its end")
    assert monitor.picture.problem == "The connection was closed."
