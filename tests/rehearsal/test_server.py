"""The drill server on a real broker: what it makes of messages, and what it withstands."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path

import pytest
from broker_stand import Stand, open_connection_on, own_profile, write
from messages_to_send import Alerts, heartbeat, make, observation, retraction, send_observations
from waiting import AT_ONCE_SEC, wait_for

import snews_drill.rehearsal.server_intake as intake_module
from snews_drill.connection import Connection
from snews_drill.errors import BrokerUnreachable, NotPermitted, TransportError
from snews_drill.messages.commands import Command, CommandName
from snews_drill.messages.tiers import Tier
from snews_drill.messages.times import NS_PER_SECOND, iso_micro
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.broker import EmbeddedBroker
from snews_drill.rehearsal.server import DrillServer
from snews_drill.settings import DrillSettings
from snews_drill.transport import Receipt
from snews_drill.wire.payload import Payload

ALERT_KEYS = [
    "_id",
    "alert_type",
    "server_tag",
    "False Alarm Prob",
    "detector_names",
    "sent_time",
    "p_values",
    "neutrino_times",
    "p_values average",
    "sub list number",
]


def count(server: DrillServer, word: str) -> int:
    return server.status.counts.get(word, 0)


def await_count(server: DrillServer, word: str, number: int, timeout: float = 10.0) -> None:
    wait_for(
        lambda: count(server, word) >= number, f"{number} {word}, status {server.status}", timeout=timeout
    )
    assert count(server, word) == number


def moment() -> int:
    """A moment ago, in whole microseconds."""
    return (time.time_ns() - 2 * NS_PER_SECOND) // 1000 * 1000


# --- what it makes of messages ---


def test_two_detectors_that_agree_make_the_alert_of_the_tutorial(
    connection: Connection, server: DrillServer, alerts: Alerts
) -> None:
    """Exactly the keys of the 1.3 era, in order, with what the detectors said, in order of neutrino time."""
    zero = moment()
    send_observations(
        connection,
        observation("XENONnT", zero + 26_127_000, p_val=0.07),
        observation("JUNO", zero, p_val=0.05),
    )
    (alert,) = alerts.wait_for(1)
    assert list(alert) == ALERT_KEYS
    assert alert["alert_type"] == "COINC_MSG"
    assert alert["_id"] == f"SNEWS_Coincidence_ALERT {alert['sent_time']}"
    assert alert["detector_names"] == ["JUNO", "XENONnT"]
    assert alert["p_values"] == [0.05, 0.07]
    assert alert["p_values average"] == 0.06
    assert [text[:26] for text in alert["neutrino_times"]] == [iso_micro(zero), iso_micro(zero + 26_127_000)]
    assert alert["sub list number"] == 0
    assert alert["server_tag"] == "snews_drill"
    wait_for(lambda: server.status.groups == (("JUNO", "XENONnT"),), "the group in the status")


def test_all_five_tiers_are_taken_and_counted(connection: Connection, server: DrillServer) -> None:
    """Significance and timing make no alert; they are kept and counted."""
    now = iso_micro(moment())
    send_observations(
        connection,
        heartbeat("LVD"),
        observation("LVD"),
        make(Tier.SIGNIFICANCE, "LVD", neutrino_time=now, p_values=[0.1, 0.2], t_bin_width=0.5),
        make(Tier.TIMING, "LVD", neutrino_time=now, timing_series=[now]),
        retraction("LVD"),
    )
    for tier in Tier:
        await_count(server, tier.value, 1)
    assert count(server, "refused") + count(server, "unreadable") + count(server, "alerts") == 0
    (seen,) = server.status.detectors
    assert (seen.name, seen.heartbeats, seen.is_on, seen.observations, seen.retractions) == (
        "LVD",
        1,
        True,
        1,
        1,
    )
    assert seen.latency_ms is not None


def test_update_and_retraction_are_alerts_of_their_own(
    connection: Connection, server: DrillServer, alerts: Alerts
) -> None:
    zero = moment()
    send_observations(connection, observation("LVD", zero), observation("JUNO", zero + 1000, p_val=0.5))
    alerts.wait_for(1)
    send_observations(connection, observation("JUNO", zero + 1000, p_val=0.1))
    alerts.wait_for(2)
    send_observations(connection, observation("LZ", zero + 2000))
    alerts.wait_for(3)
    send_observations(connection, retraction("LVD"))
    alerts.wait_for(4)
    assert alerts.said == [
        ("COINC_MSG", ("LVD", "JUNO")),
        ("UPDATE", ("LVD", "JUNO")),
        ("COINC_MSG", ("LVD", "JUNO", "LZ")),
        ("RETRACTION", ("JUNO", "LZ")),
    ]
    assert alerts.read[2]["_id"].startswith("SNEWS_Coincidence_ALERT-UPDATE ")
    assert len({alert["_id"] for alert in alerts.read}) == 4


def test_false_alarm_probability_counts_the_detectors_that_are_on(
    connection: Connection, server: DrillServer, alerts: Alerts
) -> None:
    """Without heartbeats there is no text of a probability; with them there is one, and OFF does not count."""
    names = ("LVD", "JUNO", "LZ", "SNO+")
    send_observations(connection, *(heartbeat(name) for name in names), heartbeat("HALO", "OFF"))
    zero = moment()
    send_observations(connection, observation("LVD", zero), observation("JUNO", zero + 1000))
    (first,) = alerts.wait_for(1)
    send_observations(connection, *(heartbeat(name, "OFF") for name in names[2:]))
    send_observations(connection, observation("LVD", zero + 60 * NS_PER_SECOND // 100, p_val=0.2))
    second = alerts.wait_for(2)[1]
    assert first["False Alarm Prob"] != second["False Alarm Prob"]
    assert first["False Alarm Prob"] not in ("", "N/A")


def test_test_messages_and_real_ones_never_mix(
    connection: Connection, server: DrillServer, alerts: Alerts
) -> None:
    """A test of one detector and an observation of another are no coincidence."""
    zero = moment()
    send_observations(connection, observation("LVD", zero), observation("JUNO", zero, is_test=True))
    await_count(server, "CoincidenceTier", 2)
    send_observations(connection, observation("LZ", zero, is_test=True))
    (alert,) = alerts.wait_for(1)
    assert alert["alert_type"] == "TEST COINC_MSG"
    assert alert["detector_names"] == ["JUNO", "LZ"]
    assert alert["False Alarm Prob"] == "N/A"
    send_observations(connection, retraction("LVD", is_test=True))
    await_count(server, "Retraction", 1)
    assert server.status.counts["alerts"] == 1


def test_fire_drill_and_test_topics_never_mix(
    connection: Connection, server: DrillServer, alerts: Alerts
) -> None:
    """What is written to one observation topic makes alerts on its own alert topic only."""
    zero = moment()
    send_observations(connection, observation("LVD", zero))
    send_observations(connection, observation("JUNO", zero), firedrill_mode=False)
    await_count(server, "CoincidenceTier", 2)
    assert server.status.counts["alerts"] == 0
    other = Alerts(connection, firedrill_mode=False)
    send_observations(connection, observation("LZ", zero), firedrill_mode=False)
    assert other.wait_for(1)[0]["detector_names"] == ["JUNO", "LZ"]
    assert alerts.look(0.2) == []
    other.close()


def test_both_dialects_make_one_coincidence(
    connection: Connection, server: DrillServer, alerts: Alerts
) -> None:
    zero = moment()
    three = make(
        Tier.COINCIDENCE, "JUNO", dialect="3", neutrino_time=iso_micro(zero), p_val=0.05, is_test=False
    )
    topic = connection.topics().observations
    write(connection, topic, three, content_format="blob")
    send_observations(connection, observation("LVD", zero + 1000))
    assert alerts.wait_for(1)[0]["detector_names"] == ["JUNO", "LVD"]


def test_the_same_message_twice_is_recognised(
    connection: Connection, server: DrillServer, alerts: Alerts
) -> None:
    """An observation, a heartbeat and a retraction that come again change nothing and are counted as repeated."""
    zero = moment()
    first, beat, back = observation("LVD", zero), heartbeat("LVD"), retraction("LZ")
    send_observations(
        connection, first, first, beat, beat, observation("LZ", zero), observation("LZ", zero + 1)
    )
    alerts.wait_for(1)
    send_observations(connection, back, back)
    await_count(server, "repeated", 3)
    assert count(server, "Heartbeat") == 1
    assert count(server, "Retraction") == 1
    # Retracted twice, both of LZ's observations would be gone, and with them the coincidence.
    assert server.status.groups == (("LVD", "LZ"),)


def test_retraction_by_uuid_of_something_unknown_changes_nothing(
    connection: Connection, server: DrillServer, alerts: Alerts
) -> None:
    zero = moment()
    send_observations(connection, observation("LVD", zero), observation("JUNO", zero))
    alerts.wait_for(1)
    unknown = make(
        Tier.RETRACTION,
        "LVD",
        dialect="3",
        retract_message_uuid="a2f5bb6e-6b6c-4a0c-9a7b-2d7b7d2d1a10",
        retraction_reason="a test",
    )
    send_observations(connection, unknown)
    await_count(server, "Retraction", 1)
    assert server.status.groups == (("JUNO", "LVD"),)
    assert server.status.counts["alerts"] == 1


def test_retraction_by_uuid_takes_back_that_observation(
    connection: Connection, server: DrillServer, alerts: Alerts
) -> None:
    zero = moment()
    three = make(Tier.COINCIDENCE, "JUNO", dialect="3", neutrino_time=iso_micro(zero), p_val=0.05)
    write(connection, connection.topics().observations, three, content_format="blob")
    send_observations(connection, observation("LVD", zero))
    alerts.wait_for(1)
    from snews_drill.wire.dialects import decode_record

    uuid = decode_record(three, "blob").value.uuid  # type: ignore[union-attr]
    send_observations(connection, make(Tier.RETRACTION, "JUNO", dialect="3", retract_message_uuid=uuid))
    assert alerts.wait_for(2)[1]["alert_type"] == "RETRACTION"


def test_a_uuid_names_a_message_of_its_own_detector_only(
    connection: Connection, server: DrillServer, alerts: Alerts
) -> None:
    """Two detectors with the same uuid are two observations; nobody takes back another one's by its uuid."""
    zero, uuid, topic = moment(), "a2f5bb6e-6b6c-4a0c-9a7b-2d7b7d2d1a11", connection.topics().observations
    for name in ("JUNO", "LVD"):
        three = make(
            Tier.COINCIDENCE, name, dialect="3", neutrino_time=iso_micro(zero), p_val=0.05, uuid=uuid
        )
        write(connection, topic, three, content_format="blob")
    assert alerts.wait_for(1)[0]["detector_names"] == ["JUNO", "LVD"]
    send_observations(connection, make(Tier.RETRACTION, "LZ", dialect="3", retract_message_uuid=uuid))
    await_count(server, "Retraction", 1)
    assert server.status.groups == (("JUNO", "LVD"),)
    send_observations(connection, make(Tier.RETRACTION, "LVD", dialect="3", retract_message_uuid=uuid))
    assert alerts.wait_for(2)[1]["alert_type"] == "RETRACTION"


def test_heartbeats_of_wrong_clocks_count_when_they_come(connection: Connection, server: DrillServer) -> None:
    """A clock two days late or early: the detector is there now, and its messages are judged by the server's clock."""
    day, now = 24 * 3600 * NS_PER_SECOND, time.time_ns()
    send_observations(
        connection, heartbeat("LVD", now_ns=now - 2 * day), heartbeat("LZ", now_ns=now + 2 * day)
    )
    await_count(server, "Heartbeat", 2)
    seen = {detector.name: detector for detector in server.status.detectors}
    for name in ("LVD", "LZ"):
        assert seen[name].is_on
        assert abs((seen[name].last_heartbeat_ns or 0) - now) < 60 * NS_PER_SECOND


def test_old_and_future_observations_are_refused_with_the_reason(
    connection: Connection, server: DrillServer
) -> None:
    hour = 3600 * NS_PER_SECOND
    now = time.time_ns()
    send_observations(connection, observation("LVD", now - 49 * hour), observation("LVD", now + hour))
    await_count(server, "refused", 2)
    reasons = [refusal.reason for refusal in server.status.refusals]
    assert "48 hours" in reasons[0]
    assert "future" in reasons[1]


# --- hostile records ---

HOSTILE = {
    "no json": b"\xff\xfe nonsense",
    "empty": b"",
    "an array": b"[1, 2]",
    "unknown object": b'{"hello": "world"}',
    "wrong types": b'{"_id": "19_CoincidenceTier_x", "detector_name": 19, "neutrino_time": []}',
    "unknown detector": json.dumps({"_id": "77_CoincidenceTier_x", "detector_name": "Nobody"}).encode(),
    "unknown tier": b'{"_id": "19_OtherTier_x", "detector_name": "XENONnT"}',
    "evil pickle": b"cos\nsystem\n(S'true'\ntR.",
    "deep": b'{"_id":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "large": b'{"_id": "' + b"x" * 900_000 + b'"}',
    "huge number": b'{"_id": "19_CoincidenceTier_x", "detector_name": "XENONnT", "p_val": 1e999}',
}


HOSTILE_PICKLES = [
    path.read_bytes() for path in sorted((Path(__file__).parents[1] / "data/wire/hostile").glob("*.bin"))
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_record_is_kept_counted_and_shown(
    connection: Connection, server: DrillServer, archive: Archive, name: str
) -> None:
    """Nothing is lost in silence: the bytes are in the archive, the count and the reason in the status."""
    send_observations(connection, HOSTILE[name])
    wait_for(lambda: count(server, "refused") + count(server, "unreadable") == 1, f"a refusal of {name}")
    (refusal,) = server.status.refusals
    assert refusal.topic == connection.topics().observations
    assert refusal.reason
    (kept,) = archive.records()
    assert kept.value == HOSTILE[name]
    assert kept.outcome == refusal.outcome
    assert server.is_running


@pytest.mark.parametrize(
    "arguments",
    [
        {"neutrino_time": "9999-12-31T00:00:00"},
        {"neutrino_time": "1111-01-01T00:00:00"},
        {"machine_time": "9999-12-31T00:00:00"},
    ],
)
def test_times_that_no_file_can_hold_are_refused(
    connection: Connection, server: DrillServer, arguments: dict[str, str]
) -> None:
    """A test message may have any time; one beyond 64 bits must not stop the server."""
    message = make(
        Tier.COINCIDENCE,
        "LVD",
        is_test=True,
        p_val=0.5,
        **{"neutrino_time": iso_micro(moment()), **arguments},
    )
    send_observations(connection, message, heartbeat("LVD"))
    await_count(server, "Heartbeat", 1)
    assert server.is_running
    if "neutrino_time" in arguments:
        assert count(server, "refused") == 1


@pytest.mark.parametrize("key", ["\\ud800", "\\u0000", "x" * 5000, "\\u001b[31m"])
def test_identifiers_that_no_file_can_hold_do_no_harm(
    connection: Connection, server: DrillServer, key: str
) -> None:
    """Half a surrogate pair, a zero, endless length: in a command's identifier and in a message's."""
    command = '{"_id": "0_hard-reset", "pass": "", "detector_name": "KEY", "meta": {"request_id": "KEY"}}'
    message = observation("LVD").decode().replace("5_CoincidenceTier_", f"5_CoincidenceTier_{key}")
    send_observations(connection, command.replace("KEY", key).encode(), message.encode(), heartbeat("LVD"))
    await_count(server, "Heartbeat", 1)
    assert server.is_running


def test_ten_thousand_hostile_records_in_a_row_while_good_ones_keep_flowing(
    connection: Connection, server: DrillServer, alerts: Alerts
) -> None:
    """Good ones between them are taken, the alert goes out, and every bad one is counted."""
    kinds = [*(value for name, value in HOSTILE.items() if name != "large"), *HOSTILE_PICKLES]
    bad = [kinds[number % len(kinds)] for number in range(10_000)]
    zero, beats = moment(), [heartbeat("LZ") for _ in range(9)]
    begun = time.monotonic()
    send_observations(connection, observation("LVD", zero))
    for number, beat in enumerate(beats):
        send_observations(connection, *bad[1000 * number : 1000 * (number + 1)], beat)
    send_observations(connection, *bad[9000:], observation("JUNO", zero))
    assert alerts.wait_for(1, timeout=30)[0]["detector_names"] == ["JUNO", "LVD"]
    assert time.monotonic() - begun < 30
    wait_for(lambda: count(server, "refused") + count(server, "unreadable") == 10_000, "all of them counted")
    assert count(server, "CoincidenceTier") == 2
    assert count(server, "Heartbeat") == len(beats)
    assert len(server.status.refusals) == 100


def test_a_record_that_finds_a_fault_in_the_server_is_set_aside(
    connection: Connection, archive: Archive, alerts: Alerts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a record does to this program: it is kept, the others of its batch are taken, and it never comes again."""
    decode = intake_module.decode_record

    def faulty(raw: bytes, content_format: str | None) -> object:
        if b"poison" in raw:
            raise ZeroDivisionError("a fault")
        return decode(raw, content_format)

    monkeypatch.setattr(intake_module, "decode_record", faulty)
    zero = moment()
    send_observations(connection, observation("LVD", zero), b"poison", observation("JUNO", zero))
    with DrillServer(connection, archive) as server:
        alerts.wait_for(1)
        await_count(server, "unreadable", 1)
        assert count(server, "CoincidenceTier") == 2
    assert [record.value for record in archive.records(outcome="unreadable")] == [b"poison"]
    assert len(alerts.look(0.2)) == 1


# --- starting, stopping, going on ---


def test_start_and_stop_may_be_called_twice(connection: Connection, archive: Archive) -> None:
    server = DrillServer(connection, archive)
    assert server.status.state == "starting"
    server.stop()
    server.start()
    server.start()
    wait_for(lambda: server.status.state == "listening", "it to listen")
    server.stop()
    server.stop()
    assert server.status.state == "stopped"
    assert not server.is_running
    server.start()
    wait_for(lambda: server.status.state == "listening", "it to listen again")
    server.stop()


def test_what_was_written_while_no_server_ran_is_answered_when_one_does(
    connection: Connection, archive: Archive, alerts: Alerts
) -> None:
    zero = moment()
    send_observations(connection, observation("LVD", zero), observation("JUNO", zero))
    with DrillServer(connection, archive):
        alerts.wait_for(1)


def test_a_restart_repeats_no_alert_and_keeps_the_groups_numbers(
    connection: Connection, archive: Archive, alerts: Alerts
) -> None:
    zero = moment()
    late = zero - 60 * NS_PER_SECOND
    with DrillServer(connection, archive):
        send_observations(connection, observation("LVD", late), observation("JUNO", late))
        send_observations(connection, observation("LVD", zero), observation("JUNO", zero))
        alerts.wait_for(2)
    with DrillServer(connection, archive) as server:
        wait_for(lambda: len(server.status.groups) == 2, "the groups")
        assert count(server, "alerts") == 2
        send_observations(connection, observation("LZ", zero + 1000))
        assert alerts.wait_for(3)[2]["sub list number"] == alerts.read[1]["sub list number"] == 1
    assert len(alerts.look(0.3)) == 3


def test_a_number_is_not_inherited_from_a_group_that_ended(
    connection: Connection, archive: Archive, alerts: Alerts
) -> None:
    """What is left of an ended group can begin where another group begins: after a restart that one keeps its number."""
    zero = moment() - 60 * NS_PER_SECOND
    second = NS_PER_SECOND
    with DrillServer(connection, archive):
        send_observations(
            connection,
            observation("LVD", zero + 5 * second),
            observation("JUNO", zero + 12 * second),  # group 0: LVD, JUNO
            observation("LZ", zero),  # group 1: LZ, LVD
        )
        alerts.wait_for(2)
        send_observations(connection, retraction("LZ"))
        alerts.wait_for(3)
    with DrillServer(connection, archive):
        send_observations(connection, observation("HALO", zero + 6 * second))
        assert alerts.wait_for(4)[3]["sub list number"] == 0
    assert [alert["sub list number"] for alert in alerts.read] == [0, 1, 1, 0]


class _Deaf:
    """A connection whose writing can be made to fail, in front of a real one."""

    def __init__(
        self, connection: Connection, error: TransportError | None = None, topic: str | None = None
    ) -> None:
        self._connection = connection
        self._error = error or BrokerUnreachable("It is deaf.", next_step="Wait.")
        self._topic = topic
        self.is_deaf = True
        self.refused = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)

    def send(self, topic: str, payloads: list[Payload], **options: object) -> list[Receipt | TransportError]:
        if self.is_deaf and self._topic in (None, topic):
            self.refused += 1
            return [self._error for _ in payloads]
        return self._connection.send(topic, payloads, **options)  # type: ignore[arg-type]


def test_an_alert_that_was_decided_and_not_sent_goes_out_once_after_the_restart(
    connection: Connection, archive: Archive, alerts: Alerts
) -> None:
    """As after a crash between the commit and the publication: the same alert, with the same id, exactly once."""
    deaf = _Deaf(connection)
    server = DrillServer(deaf, archive).start()  # type: ignore[arg-type]
    zero = moment()
    send_observations(connection, observation("LVD", zero), observation("JUNO", zero))
    wait_for(lambda: deaf.refused > 0, "the attempt to send")
    wait_for(lambda: server.status.state == "waiting", "it to say so")
    assert server.status.problem == "It is deaf."
    server.stop()
    (decided,) = archive.alerts()
    assert alerts.look(0.2) == []
    with DrillServer(connection, archive):
        assert alerts.wait_for(1) == [decided]
    with DrillServer(connection, archive) as again:
        wait_for(lambda: again.status.state == "listening", "it to listen")
        time.sleep(0.2)
    assert len(alerts.look(0.2)) == 1


def test_server_goes_on_when_sending_works_again(
    connection: Connection, archive: Archive, alerts: Alerts
) -> None:
    deaf = _Deaf(connection)
    with DrillServer(deaf, archive) as server:  # type: ignore[arg-type]
        zero = moment()
        send_observations(connection, observation("LVD", zero), observation("JUNO", zero))
        wait_for(lambda: server.status.state == "waiting", "it to wait")
        deaf.is_deaf = False
        alerts.wait_for(1)
        wait_for(lambda: server.status.state == "listening", "it to listen")


def test_a_full_disk_is_told_and_nothing_is_lost(
    connection: Connection, archive: Archive, alerts: Alerts
) -> None:
    """The server waits, says why, and goes on by itself when there is room."""
    with DrillServer(connection, archive) as server:
        zero = moment()
        send_observations(connection, observation("LVD", zero))
        await_count(server, "CoincidenceTier", 1)
        _limit_pages(archive, 0)
        junk = [b"junk %d " % number + b"x" * 20_000 for number in range(20)]
        send_observations(connection, *junk, observation("JUNO", zero))
        wait_for(lambda: server.status.state == "waiting", "it to wait")
        assert "full" in server.status.problem
        assert server.is_running
        _limit_pages(archive, 10**6)
        alerts.wait_for(1)
        wait_for(lambda: server.status.state == "listening", "it to listen")
        await_count(server, "unreadable", 20)
        assert count(server, "CoincidenceTier") == 2
        assert len(server.status.refusals) == 20
    assert [record.value for record in archive.records(outcome="unreadable")] == junk


def _limit_pages(archive: Archive, pages: int) -> None:
    """Let the archive grow no further, as on a full disk (0: not at all)."""
    with archive._lock:
        archive._database.execute(f"PRAGMA max_page_count = {pages or 1}")


def test_broker_gone_and_back(stand: Stand, settings: DrillSettings, archive: Archive) -> None:
    """The status says so within moments, and the server goes on by itself."""
    profile = own_profile()
    zero = moment()
    with (
        open_connection_on(stand, settings, profile) as connection,
        DrillServer(connection, archive) as server,
    ):
        send_observations(connection, observation("LVD", zero))
        await_count(server, "CoincidenceTier", 1)
        stand.kill()
        wait_for(lambda: server.status.state == "waiting", "it to notice", timeout=20)
        assert server.status.problem
        stand.start()
        with open_connection_on(stand, settings, profile) as other:
            wait_for(lambda: server.status.state == "listening", "it to listen", timeout=30)
            send_observations(other, observation("JUNO", zero))
            alerts = Alerts(other)
            # What the archive had acknowledged is still there: the two make a coincidence.
            assert alerts.wait_for(1, timeout=20)[0]["detector_names"] == ["JUNO", "LVD"]
            alerts.close()


def test_a_broker_that_came_back_empty_while_no_server_ran_is_read_from_its_beginning(
    settings: DrillSettings, archive: Archive
) -> None:
    """Its records have numbers that the archive has seen: they are others all the same."""
    profile = own_profile()
    with EmbeddedBroker() as broker:
        with (
            open_connection_on(broker, settings, profile) as connection,
            DrillServer(connection, archive) as server,
        ):
            send_observations(connection, *map(heartbeat, ("LVD", "JUNO", "LZ")))
            await_count(server, "Heartbeat", 3)
        broker.stop()
        broker.start()
        with open_connection_on(broker, settings, profile) as connection:
            zero = moment()
            names = ("KM3NeT", "XENONnT", "Super-K", "HALO", "NOvA")
            send_observations(connection, *(observation(name, zero) for name in names))
            with DrillServer(connection, archive) as server:
                await_count(server, "CoincidenceTier", 5)
                assert count(server, "Heartbeat") == 3
            with DrillServer(connection, archive) as server:
                send_observations(connection, heartbeat("LVD"))
                await_count(server, "Heartbeat", 4)
                assert (count(server, "CoincidenceTier"), count(server, "repeated")) == (5, 0)


def test_a_reply_that_cannot_be_sent_holds_up_no_alert(
    connection: Connection, archive: Archive, alerts: Alerts
) -> None:
    """A server without the right to write to the connection topic; the status says so until it may."""
    replies = connection.topics().connection
    mute = _Deaf(
        connection, NotPermitted(f"You may not write to {replies}.", next_step="Ask for it."), replies
    )
    with DrillServer(mute, archive) as server:  # type: ignore[arg-type]
        zero = moment()
        request = Command(name=CommandName.TEST_CONNECTION, detector_name="LVD", time=iso_micro(zero))
        ask = connection.dialect.encode_command(request)
        connection.send(connection.topics().observations, [ask])
        send_observations(connection, observation("LVD", zero), observation("JUNO", zero))
        alerts.wait_for(1)
        wait_for(lambda: "Nobody gets a reply" in server.status.problem, "it to say so")
        assert (server.status.state, archive.waiting(limit=9)) == ("listening", [])
        mute.is_deaf = False
        connection.send(connection.topics().observations, [ask])
        connection.send(
            connection.topics().observations,
            [connection.dialect.encode_command(request.model_copy(update={"time": iso_micro(zero + 1000)}))],
        )
        wait_for(lambda: not server.status.problem, "it to be able to")


def test_stop_does_not_wait_for_a_broker_that_is_gone(
    stand: Stand, settings: DrillSettings, archive: Archive
) -> None:
    with open_connection_on(stand, settings) as connection:
        server = DrillServer(connection, archive).start()
        wait_for(lambda: server.status.state == "listening", "it to listen")
        stand.kill()
        wait_for(lambda: server.status.state == "waiting", "it to notice", timeout=20)
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < AT_ONCE_SEC


def test_two_servers_with_one_topic_and_archives_of_their_own_agree(
    connection: Connection, archive: Archive, tmp_path: Path, alerts: Alerts
) -> None:
    """Ids are made of what was decided and when its cause was written: a second server says the same."""
    zero = moment()
    with (
        Archive(tmp_path / "second" / "archive.sqlite3") as second,
        DrillServer(connection, archive),
        DrillServer(connection, second),
    ):
        send_observations(connection, observation("LVD", zero), observation("JUNO", zero))
        alerts.wait_for(2)
        assert alerts.read[0] == alerts.read[1]


def test_repr_and_log_show_no_token(
    broker: Stand, settings: DrillSettings, archive: Archive, caplog: pytest.LogCaptureFixture
) -> None:
    from pydantic import SecretStr

    token = "a-very-secret-token-of-the-instructor"
    secret = settings.model_copy(update={"admin_token": SecretStr(token)})
    with open_connection_on(broker, secret) as connection, DrillServer(connection, archive) as server:
        wait_for(lambda: server.status.state == "listening", "it to listen")
        shown = f"{server!r} {connection!r} {server._intake._desk!r} {server.status!r} {archive!r}"
    assert token not in shown
    assert token not in caplog.text


def test_heartbeats_of_a_day_are_there_after_a_restart(connection: Connection, archive: Archive) -> None:
    with DrillServer(connection, archive) as server:
        send_observations(connection, *(heartbeat("LVD") for _ in range(3)))
        await_count(server, "Heartbeat", 3)
    with DrillServer(connection, archive) as server:
        wait_for(lambda: server.status.state == "listening", "it to listen")
        (seen,) = server.status.detectors
        assert (seen.name, seen.heartbeats, seen.is_on) == ("LVD", 3, True)


def test_an_archive_that_breaks_is_waited_for(connection: Connection, archive: Archive) -> None:
    """A closed or unreadable file is told in the status; the thread lives on."""
    with DrillServer(connection, archive) as server:
        wait_for(lambda: server.status.state == "listening", "it to listen")
        archive.close()
        send_observations(connection, heartbeat("LVD"))
        wait_for(lambda: server.status.state == "waiting", "it to wait")
        assert server.is_running
    with pytest.raises(sqlite3.ProgrammingError):
        archive._database.execute("SELECT 1")
