"""Their clients, our drill server: (a), (c) and (f)."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from interop.conftest import Stage
from interop.peers import CLIENT_1, CLIENT_3
from snews_drill.subscriber import Subscriber
from snews_drill.wire.dialects import decode_record
from snews_drill.wire.json_text import load_json

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120, func_only=True)]

Moment = Callable[[float], str]
Note = Callable[[str, str, str], None]


def _micro(text: str) -> str:
    """Return a moment as the 1.3 client writes it: naive, microseconds."""
    return text[:26]


def test_a_publisher_3_reaches_both_subscribers(stage: Stage, moment: Moment, note: Note) -> None:
    """All five message kinds of the client 3.0.0 are taken; both subscribers get the alert; heartbeats count."""
    server = stage.serve("3")
    messages = [
        {"detector_name": "XENONnT", "detector_status": "ON"},
        {"detector_name": "JUNO", "detector_status": "ON"},
        {"detector_name": "XENONnT", "neutrino_time_utc": moment(0), "p_val": 0.05},
        {"detector_name": "JUNO", "neutrino_time_utc": moment(2), "p_val": 0.07},
        {"detector_name": "LVD", "p_values": [0.4, 0.5], "t_bin_width_sec": 0.8},
        {
            "detector_name": "KM3NeT",
            "neutrino_time_utc": moment(-40),
            "start_time_utc": moment(-40),
            "timing_series": [0, 1_000_000, 2_500_000],
        },
    ]
    with (
        stage.troupe.started(CLIENT_3, "subscribe", count=1) as theirs,
        Subscriber(connection=stage.connect("3"), start="beginning") as ours,
    ):
        sent = stage.troupe.run(CLIENT_3, "publish", messages=messages)["messages"]
        stage.await_accepted("TimeTier")
        (alert,) = ours.wait_for(1, timeout=15)
        theirs.process.wait(20)
        (saved,) = theirs.report()["alerts"]
    assert stage.problems() == []
    assert alert.detector_names == ("XENONnT", "JUNO")
    assert alert.p_values == (0.05, 0.07)
    assert saved["content"] == alert.content
    assert saved["file"].startswith("0-SNEWS_ALERT_")
    assert {seen.name: seen.heartbeats for seen in server.status.detectors if seen.heartbeats} == {
        "JUNO": 1,
        "XENONnT": 1,
    }
    kinds = sorted(message["tier"] for message in sent)
    assert kinds == sorted(
        ["Heartbeat"] * 2 + ["CoincidenceTier"] * 3 + ["SignificanceTier", "TimingTier"]
    ), "the client itself makes a CoincidenceTier beside the TimingTier"
    note(
        "a",
        "snews-pt 3.0.0 publishes to our server",
        f"{len(sent)} of {len(sent)} messages taken, none refused",
    )
    note(
        "a",
        "alert for our and their Subscriber",
        f"{alert.alert_type} {', '.join(alert.detector_names)}; their file equal",
    )
    note("a", "heartbeats of snews-pt 3.0.0", "2 sent, 2 counted")


def test_a_retraction_of_client_3_withdraws_the_alert(stage: Stage, moment: Moment, note: Note) -> None:
    """A retraction of the client 3.0.0, by number and by uuid, withdraws its observation."""
    stage.serve("3")
    with Subscriber(connection=stage.connect("3"), start="beginning") as ours:
        observations = [
            {"detector_name": name, "neutrino_time_utc": moment(second)}
            for second, name in enumerate(("XENONnT", "JUNO", "LVD"))
        ]
        sent = stage.troupe.run(CLIENT_3, "publish", messages=observations)["messages"]
        ours.wait_for(2, timeout=15)
        uuid = next(message["uuid"] for message in sent if message["detector_name"] == "LVD")
        stage.troupe.run(
            CLIENT_3,
            "publish",
            messages=[
                {"detector_name": "LVD", "retract_message_uuid": uuid, "retraction_reason": "noise"},
                {"detector_name": "JUNO", "retract_latest_n": 1},
            ],
        )
        alerts = ours.wait_for(4, timeout=15)
    assert stage.problems() == []
    assert [alert.alert_type for alert in alerts[2:]] == ["RETRACTION", "RETRACTION"]
    assert "LVD" not in alerts[2].detector_names
    note("a", "snews-pt 3.0.0 retracts", "by uuid and by count: 2 of 2 alerts RETRACTION")


def test_c_connection_test_of_client_3_is_confirmed(stage: Stage, note: Note) -> None:
    """The client 3.0.0, reading from the topic's end as it does, finds exactly the echo it compares with."""
    stage.serve("3")
    started = time.monotonic()
    found = stage.troupe.run(CLIENT_3, "test_connection", detector="XENONnT", patience=4)
    assert found["confirmed"] is True
    seconds = time.monotonic() - started
    note(
        "c", "their test_connection (3.0.0), our server", f"confirmed ({seconds:.1f} s with its sleep of 4 s)"
    )


def test_f_client_1_3_is_served(stage: Stage, moment: Moment, note: Note) -> None:
    """The client 1.3.2's heartbeat, observation and retraction are taken and answered with alerts spelt `_id`."""
    server = stage.serve("1.3")
    first = [
        {"detector_name": "XENONnT", "detector_status": "ON"},
        {"detector_name": "XENONnT", "neutrino_time": _micro(moment(0)), "p_val": 0.05},
        {"detector_name": "JUNO", "neutrino_time": _micro(moment(1)), "p_val": 0.07},
    ]
    with Subscriber(connection=stage.connect("1.3"), start="beginning") as ours:
        sent = stage.troupe.run(CLIENT_1, "publish", messages=first)["messages"]
        ours.wait_for(1, timeout=15)
        retraction = {"detector_name": "JUNO", "retract_latest": 1, "retraction_reason": "noise"}
        stage.troupe.run(CLIENT_1, "publish", messages=[retraction])
        alerts = ours.wait_for(2, timeout=15)
    assert stage.problems() == []
    assert [message["_id"].split("_")[1] for message in sent] == [
        "Heartbeat",
        "CoincidenceTier",
        "CoincidenceTier",
    ]
    assert [alert.alert_type for alert in alerts] == ["COINC_MSG", "RETRACTION"]
    assert all("_id" in alert.content and "id" not in alert.content for alert in alerts)
    assert {seen.name: seen.heartbeats for seen in server.status.detectors}["XENONnT"] == 1
    note(
        "f",
        "snews-pt 1.3.2, our server",
        "heartbeat, 2 observations, retraction taken; COINC_MSG, RETRACTION came",
    )


def test_f_connection_test_of_client_1_3_is_answered(stage: Stage, note: Note) -> None:
    """The echo has exactly the fields that the client 1.3.2 compares."""
    stage.serve("1.3")
    found = stage.troupe.run(CLIENT_1, "test_connection", detector="XENONnT")
    stage.await_accepted("test-connection")
    if not found["echoes"]:  # its own look was over before the echo came
        found["echoes"] = [load_json(record.value) for record in _connection_records(stage)]
    assert found["echoes"] == [found["expected"]]
    note(
        "f",
        "test_connection of 1.3.2, our server",
        "echo has every field it asks for (its own look cannot succeed: docs)",
    )


def _connection_records(stage: Stage) -> list[object]:
    reader = stage.connect("1.3").open_reader([stage.topics.connection], start="beginning")
    try:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if records := reader.read(timeout=0.5):
                return list(records)
        return []
    finally:
        reader.close()


@pytest.mark.parametrize(("dialect", "key", "absent"), [("1.3", "_id", "id"), ("3", "id", "_id")])
def test_clients_of_both_eras_meet_in_one_alert(
    stage: Stage, moment: Moment, note: Note, dialect: str, key: str, absent: str
) -> None:
    """A 1.3.2 and a 3.0.0 client end up in one alert, spelt as the server's connection asks."""
    stage.serve(dialect)
    with (
        stage.troupe.started(CLIENT_3, "subscribe", count=1) as theirs,
        Subscriber(connection=stage.connect("1.3"), start="beginning") as older,
        Subscriber(connection=stage.connect("3"), start="beginning") as newer,
    ):
        stage.troupe.run(
            CLIENT_1,
            "publish",
            messages=[{"detector_name": "XENONnT", "neutrino_time": _micro(moment(0)), "p_val": 0.05}],
        )
        stage.troupe.run(
            CLIENT_3, "publish", messages=[{"detector_name": "JUNO", "neutrino_time_utc": moment(3)}]
        )
        (alert,) = older.wait_for(1, timeout=15)
        assert newer.wait_for(1, timeout=15)[0] == alert
        theirs.process.wait(20)
        assert theirs.report()["alerts"][0]["content"] == alert.content
    eras = {
        decode_record(record.value, None).dialect_name for record in stage.archive.records(outcome="accepted")
    }
    assert eras == {"1.3", "3"}
    assert alert.detector_names == ("XENONnT", "JUNO")
    assert key in alert.content
    assert absent not in alert.content
    note(
        "f",
        f"1.3.2 and 3.0.0 in one drill, server speaks {dialect}",
        f"one alert, `{key}`: {', '.join(alert.detector_names)}",
    )
