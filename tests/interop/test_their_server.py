"""Our client, their server 3.0.1: (b), (c) and (e)."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from interop.conftest import Stage
from interop.peers import SERVER_3, Running
from snews_drill.connection import Connection
from snews_drill.errors import NoAnswer
from snews_drill.publisher import SNEWSTiersPublisher
from snews_drill.remote import ConnectionReport, test_connection
from snews_drill.subscriber import Subscriber

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120, func_only=True)]

Moment = Callable[[float], str]
Note = Callable[[str, str, str], None]


def _await_server(connection: Connection) -> ConnectionReport:
    """Test the connection until their server, which tells nobody when it listens, has answered."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return test_connection("XENONnT", connection=connection, patience=4, verbose=False)
        except NoAnswer:
            if time.monotonic() > deadline:
                raise


def _send(connection: Connection, server: Running, words: str, count: int, **arguments: object) -> None:
    """Publish in our way and wait until their log says so."""
    publisher = SNEWSTiersPublisher(connection=connection, verbose=False, **arguments)  # type: ignore[arg-type]
    assert publisher.problems == []
    publisher.send_to_snews(verbose=False)
    server.await_words(words, count=count)


def test_b_server_takes_our_messages_and_we_read_its_alert(stage: Stage, moment: Moment, note: Note) -> None:
    """Their server takes our heartbeat and observations; its alert reaches our subscriber; our test is confirmed."""
    connection = stage.connect("3")
    with (
        stage.troupe.started(SERVER_3, "serve") as server,
        Subscriber(connection=connection, start="beginning") as ours,
    ):
        report = _await_server(connection)
        _send(connection, server, "Heartbeat registered", 1, detector_name="XENONnT", detector_status="ON")
        for number, (name, p_val) in enumerate((("XENONnT", 0.05), ("JUNO", 0.07)), 1):
            _send(
                connection,
                server,
                "CoincidenceTier message is received",
                number,
                detector_name=name,
                neutrino_time=moment(number),
                p_val=p_val,
            )
        (alert,) = ours.wait_for(1, timeout=20)
    assert report.is_confirmed
    assert "Something crashed" not in server.said()
    assert alert.alert_type == "COINC_MSG"
    assert alert.server_tag == "published server"
    assert alert.detector_names == ("XENONnT", "JUNO")
    assert alert.p_values == (0.05, 0.07)
    assert alert.p_values_average == pytest.approx(0.06)
    assert "id" in alert.content
    note("b", "our publisher, snews-cs 3.0.1", "heartbeat registered, 2 observations taken")
    note(
        "b",
        "its alert for our Subscriber",
        f"{alert.alert_type} {', '.join(alert.detector_names)}, mean p {alert.p_values_average}",
    )
    note("c", "our test_connection, snews-cs 3.0.1", f"confirmed in {report.milliseconds:.0f} ms")


def test_e_not_a_number_in_its_alert_is_handled(stage: Stage, moment: Moment, note: Note) -> None:
    """Without p-values their server's alert holds NaN, which is no JSON: our subscriber gives None."""
    connection = stage.connect("3")
    with (
        stage.troupe.started(SERVER_3, "serve") as server,
        Subscriber(connection=connection, start="beginning") as ours,
    ):
        _await_server(connection)
        for number, name in enumerate(("XENONnT", "JUNO"), 1):
            words = "CoincidenceTier message is received"
            _send(connection, server, words, number, detector_name=name, neutrino_time=moment(number))
        (alert,) = ours.wait_for(1, timeout=20)
        raw = _raw_alert(connection, stage.topics.alerts)
    assert b"NaN" in raw, "their alert holds no NaN any more"
    assert alert.p_values == (None, None)
    assert alert.p_values_average is None
    assert alert.content["p_values average"] is None
    note("e", "NaN in the alert of snews-cs 3.0.1", "NaN on the wire, read as null; p_values null")


def _raw_alert(connection: Connection, topic: str) -> bytes:
    reader = connection.open_reader([topic], start="beginning")
    try:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if records := reader.read(timeout=0.5):
                return bytes(records[0].value)
        raise AssertionError("no alert on the topic")
    finally:
        reader.close()
