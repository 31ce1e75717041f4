"""What the drill server takes for a repetition, what for something new, and what comes too late."""

from __future__ import annotations

import time

from messages_to_send import Alerts, heartbeat, observation, retraction, send_observations
from waiting import wait_for

from snews_drill.connection import Connection
from snews_drill.messages.times import NS_PER_SECOND, iso_micro
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.server import DrillServer

#: Given by hand, as in the published tutorial: messages that share it share their identifier.
SOME_TIME = "2026-01-01T12:00:00.000000"


def outcomes(archive: Archive, count: int) -> list[tuple[str, str]]:
    """Return outcome and kind of the records, once there are that many."""
    wait_for(lambda: len(archive.records()) >= count, f"{count} records")
    return [(record.outcome, record.kind) for record in archive.records()]


def test_a_heartbeat_with_a_given_machine_time_counts_each_time_it_is_sent(
    connection: Connection, server: DrillServer, archive: Archive
) -> None:
    """Also when it says something else; the very same bytes are one heartbeat."""
    on, off = (heartbeat("LVD", status, machine_time=SOME_TIME) for status in ("ON", "OFF"))
    later = heartbeat("LVD", "OFF", machine_time=SOME_TIME)
    send_observations(connection, on, off, later, on)
    assert [outcome for outcome, _ in outcomes(archive, 4)] == ["accepted"] * 3 + ["repeated"]
    assert [is_on for _, is_on, _, _ in archive.heartbeats(since_ns=0)] == [True, False, False]
    wait_for(lambda: [seen.is_on for seen in server.status.detectors] == [False], "it to be off")


def test_the_same_message_on_both_topics_is_two(
    connection: Connection, server: DrillServer, archive: Archive
) -> None:
    beat = heartbeat("LVD")
    send_observations(connection, beat)
    send_observations(connection, beat, firedrill_mode=False)
    assert [outcome for outcome, _ in outcomes(archive, 2)] == ["accepted"] * 2


def test_a_retraction_sent_twice_in_a_row_takes_back_one_observation_and_one_after_a_new_one_the_new_one(
    connection: Connection, server: DrillServer, archive: Archive, alerts: Alerts
) -> None:
    """Under the identifier that a given machine time makes."""
    zero = (time.time_ns() - 2 * NS_PER_SECOND) // 1000 * 1000
    send_observations(connection, observation("JUNO", zero), observation("LZ", zero - 10**12))
    send_observations(connection, observation("LZ", zero + 1000))
    alerts.wait_for(1)
    send_observations(connection, *(retraction("LZ", machine_time=SOME_TIME) for _ in range(2)))
    alerts.wait_for(2)
    assert outcomes(archive, 5)[3:] == [("accepted", "Retraction"), ("repeated", "Retraction")]
    send_observations(connection, observation("LZ", zero + 2000))
    alerts.wait_for(3)
    send_observations(connection, retraction("LZ", machine_time=SOME_TIME))
    alerts.wait_for(4)
    assert [kind for kind, _ in alerts.said] == ["COINC_MSG", "RETRACTION"] * 2
    held = archive.held_observations(since_ns=0)
    assert [(one.detector, one.neutrino_time_ns) for one in held] == [
        ("JUNO", zero),
        ("LZ", (zero - 10**12) // 1000 * 1000),
    ]


def test_a_retraction_of_a_test_and_one_of_the_real_thing_are_two(
    connection: Connection, server: DrillServer, archive: Archive
) -> None:
    send_observations(
        connection,
        observation("LZ"),
        retraction("LZ", machine_time=SOME_TIME, is_test=True),
        retraction("LZ", machine_time=SOME_TIME),
    )
    assert [outcome for outcome, _ in outcomes(archive, 3)] == ["accepted"] * 3
    assert archive.held_observations(since_ns=0) == []


def test_an_observation_that_was_sent_too_long_ago_to_take_part_is_refused(
    connection: Connection, server: DrillServer
) -> None:
    """It would be held for 24 hours after its sending: that time is over."""
    old_ns = time.time_ns() - 25 * 3600 * NS_PER_SECOND
    send_observations(connection, observation("LZ", old_ns, now_ns=old_ns + NS_PER_SECOND))
    wait_for(lambda: server.status.refusals, "the refusal")
    (refusal,) = server.status.refusals
    assert refusal.reason.startswith("CoincidenceTier.sent_time: It was sent at ")
    assert "counts for 24 hours" in refusal.reason
    assert iso_micro(old_ns)[:13] in refusal.reason
