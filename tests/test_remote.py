"""Remote commands: the tutorial's words, answers at once, and a clear sentence when there is none."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from broker_stand import Stand, open_connection_on, write
from messages_to_send import heartbeat, observation, send_observations
from pydantic import SecretStr
from waiting import wait_for

from snews_drill.connection import Connection
from snews_drill.errors import (
    BrokerUnreachable,
    NameNotSet,
    NoAnswer,
    NotAuthorised,
    SettingsError,
    TransportError,
    UnknownDetector,
)
from snews_drill.messages.commands import Command, CommandName
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.launcher import ensure_rehearsal
from snews_drill.rehearsal.server import DrillServer
from snews_drill.remote import display_heartbeats, get_feedback, reset_cache
from snews_drill.remote import test_connection as ask_for_echo
from snews_drill.settings import DrillSettings
from snews_drill.transport import Transport
from snews_drill.wire.dialects import decode_record, get_dialect


def test_echo_comes_at_once_and_patience_is_only_the_limit(
    connection: Connection, server: DrillServer
) -> None:
    wait_for(lambda: server.status.state == "listening", "the server")
    began = time.monotonic()
    report = ask_for_echo(connection=connection, wait=30, verbose=False)
    assert time.monotonic() - began < 5  # a quarter of a second on a quiet machine
    assert report
    assert report.is_confirmed
    assert report.detector_name == "XENONnT"
    assert report.milliseconds < 5000
    assert report.sent_to == connection.url(connection.topics().observations)
    assert report.expected_from == connection.url(connection.topics().connection)
    assert "XENONnT confirmed" in repr(report)


def test_it_prints_the_tutorials_words(
    connection: Connection, server: DrillServer, capsys: pytest.CaptureFixture[str]
) -> None:
    report = ask_for_echo(connection=connection)
    topics = connection.topics()
    assert capsys.readouterr().out == (
        "\n> Testing your connection.\n"
        f"> Sending to {connection.url(topics.observations)}\n"
        f"> Expecting from {connection.url(topics.connection)}. \n"
        "> Going to take up to 10 seconds\n\n"
        f"You (XENONnT) have a connection to the server at {report.time}\n"
    )
    ask_for_echo(connection=connection, verbose=False)
    assert capsys.readouterr().out == ""


def test_an_accepted_spelling_of_a_name_will_do(connection: Connection, server: DrillServer) -> None:
    assert ask_for_echo("SK", connection=connection, verbose=False).detector_name == "Super-K"
    with pytest.raises(UnknownDetector):
        ask_for_echo("Nobody", connection=connection, verbose=False)


def test_echo_of_the_test_topics(connection: Connection, server: DrillServer) -> None:
    report = ask_for_echo(firedrill=False, connection=connection, verbose=False)
    assert report.sent_to == connection.url(connection.topics(firedrill_mode=False).observations)


def test_somebody_elses_echo_is_not_mine(connection: Connection) -> None:
    """Echoes of other detectors and of earlier tests are on the same topic; hostile bytes too."""
    topics = connection.topics()
    others = [
        Command(
            name=CommandName.TEST_CONNECTION,
            detector_name="LVD",
            time="2026-01-01T00:00:00",
            status="received",
        ),
        Command(
            name=CommandName.TEST_CONNECTION, detector_name="XENONnT", time="2026-01-01", status="received"
        ),
    ]
    for command in others:
        write(connection, topics.connection, connection.dialect.encode_command(command).content)
    write(connection, topics.connection, b"\xff nonsense", b"", b'{"_id": "0_test-connection"}')
    with pytest.raises(NoAnswer):
        ask_for_echo(connection=connection, wait=0.5, verbose=False)


@pytest.mark.parametrize("wait", [0.3, 1.0])
def test_without_a_server_the_answer_is_clear_and_in_time(connection: Connection, wait: float) -> None:
    began = time.monotonic()
    with pytest.raises(NoAnswer, match=f"within {wait:g} s") as caught:
        ask_for_echo(connection=connection, wait=wait, verbose=False)
    assert wait * 0.9 < time.monotonic() - began < wait + 2
    assert connection.broker in caught.value.reason
    assert "snews-drill serve" in caught.value.next_step
    with pytest.raises(NoAnswer, match="request") as caught:
        reset_cache(connection=connection, patience=0.2, verbose=False)
    assert "snews-drill serve" in caught.value.next_step


def test_patience_is_another_word_for_wait(connection: Connection) -> None:
    began = time.monotonic()
    with pytest.raises(NoAnswer, match=r"within 0\.2 s"):
        ask_for_echo(connection=connection, wait=60, patience=0.2, verbose=False)
    assert time.monotonic() - began < 3


def test_in_a_rehearsal_the_reason_why_there_is_no_server_is_told(settings: DrillSettings) -> None:
    """A server that dies again and again is given up; who asks for it hears that, and where its log is."""
    named = settings.model_copy(update={"detector_name": "XENONnT"})
    rehearsal = ensure_rehearsal(named, server_command=(sys.executable, "-c", "raise SystemExit(7)"))
    transport = Transport(rehearsal.broker)
    from snews_drill.profiles import get_profile

    profile = get_profile("rehearsal")
    with Connection(
        profile, transport, get_dialect("1.3"), rehearsal=rehearsal, settings=named
    ) as connection:
        wait_for(lambda: connection.server_problem, "the supervisor to give up", timeout=20)
        with pytest.raises(NoAnswer, match="died 6 times") as caught:
            ask_for_echo(connection=connection, wait=0.3, verbose=False)
    assert "server.log" in caught.value.reason


def test_broker_gone_is_told_in_time(stand: Stand, settings: DrillSettings) -> None:
    named = settings.model_copy(update={"detector_name": "XENONnT"})
    with open_connection_on(stand, named) as connection:
        stand.kill()
        began = time.monotonic()
        with pytest.raises(BrokerUnreachable) as caught:
            ask_for_echo(connection=connection, wait=1, verbose=False)
        assert time.monotonic() - began < 4
        assert caught.value.next_step


def test_without_a_name_it_says_how_to_set_one(broker: Stand, settings: DrillSettings) -> None:
    with open_connection_on(broker, settings) as connection:
        with pytest.raises(NameNotSet) as caught:
            ask_for_echo(connection=connection, verbose=False)
        assert "set_name" in caught.value.next_step


def test_an_instructor_needs_no_name(broker: Stand, settings: DrillSettings) -> None:
    """Who resets and looks at heartbeats need not be a detector: the request leaves, and waits for a server."""
    with open_connection_on(broker, settings) as connection:
        for ask in (reset_cache, display_heartbeats):
            with pytest.raises(NoAnswer):
                ask(connection=connection, patience=0.2, verbose=False)


def test_closed_connection_is_told(connection: Connection) -> None:
    connection.close()
    with pytest.raises(TransportError):
        ask_for_echo(connection=connection, wait=0.5, verbose=False)


@pytest.mark.parametrize(
    "address", [None, "", "nobody", "a@b; not an address", "a@b\nBcc: c@d.org", "<a@b.org>"]
)
def test_an_address_that_is_none_is_refused_before_anything_is_sent(
    connection: Connection, address: str | None
) -> None:
    with pytest.raises(SettingsError, match="no mail address") as caught:
        get_feedback(email_address=address, connection=connection, verbose=False)
    assert "semicolons" in caught.value.next_step
    reader = connection.open_reader([connection.topics().observations], start="beginning")
    assert reader.read(timeout=0.2) == []
    reader.close()


def test_the_token_never_travels(broker: Stand, settings: DrillSettings, archive: Archive) -> None:
    """A proof made with it does; what is on the topic does not contain it."""
    token = "the-instructors-own-long-token"
    secret = settings.model_copy(update={"admin_token": SecretStr(token), "detector_name": "XENONnT"})
    with open_connection_on(broker, secret) as connection, DrillServer(connection, archive):
        reply = reset_cache(connection=connection, verbose=False)
        assert reply.command == "hard-reset"
        assert "done" not in repr(reply.meta.get("proof", ""))
        reader = connection.open_reader([*set(connection.topics().names())], start="beginning")
        found: list[bytes] = []
        wait_for(lambda: found.extend(r.value for r in reader.read(timeout=0.1)) or len(found) >= 2, "both")
        reader.close()
    assert token.encode() not in b"".join(found)
    request = next(
        value for raw in found if (value := decode_record(raw, "json").value) and value.status == "sending"
    )
    assert isinstance(request, Command)
    assert request.is_proved(token, connection.topics().observations)


def test_a_token_given_to_the_call_counts(broker: Stand, settings: DrillSettings, archive: Archive) -> None:
    token = "the-instructors-own-long-token"
    secret = settings.model_copy(update={"admin_token": SecretStr(token), "detector_name": "XENONnT"})
    with open_connection_on(broker, secret) as server_connection, DrillServer(server_connection, archive):
        own = settings.model_copy(update={"detector_name": "LVD"})
        with open_connection_on(broker, own, server_connection.profile) as connection:
            assert reset_cache(admin_pass=token, connection=connection, verbose=False)
            with pytest.raises(NotAuthorised) as caught:
                reset_cache(connection=connection, verbose=False)
    assert "SNEWS_DRILL_ADMIN_TOKEN" in caught.value.next_step


def test_an_answer_cannot_steer_the_terminal(
    connection: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever may write to the topic may answer: colours and cursor movements are shown, not obeyed."""
    import threading

    topics = connection.topics()
    reader = connection.open_reader([topics.observations])

    def answer() -> None:
        found = wait_for(lambda: reader.read(timeout=0.1), "the request")
        request = decode_record(found[0].value, found[0].content_format).value
        assert isinstance(request, Command)
        reply = request.model_copy(
            update={"status": "done", "reason": "\x1b[2Jgone\r\nfine", "meta": {"heartbeats": "no list"}}
        )
        write(connection, topics.connection, connection.dialect.encode_command(reply).content)

    hostile = threading.Thread(target=answer)
    hostile.start()
    table = display_heartbeats(connection=connection)
    hostile.join(10)
    reader.close()
    assert table.empty
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "\r" not in printed
    assert "gone" in printed


def test_commands_work_in_dialect_3(
    broker: Stand, settings: DrillSettings, archive: Archive, tmp_path: Path
) -> None:
    """The server answers in the dialect it was asked in."""
    secret = settings.model_copy(update={"admin_token": SecretStr("x" * 32), "detector_name": "XENONnT"})
    with (
        open_connection_on(broker, secret) as connection,
        DrillServer(connection, archive, is_private=True) as server,
    ):
        connection.dialect = get_dialect("3")
        assert ask_for_echo(connection=connection, verbose=False)
        send_observations(connection, heartbeat("LVD"), observation("LVD"))
        wait_for(lambda: server.status.counts.get("CoincidenceTier"), "the observation")
        assert list(display_heartbeats(connection=connection, verbose=False)["detector_name"]) == ["LVD"]
        assert reset_cache(connection=connection, verbose=False).answer == "1 observation dropped."
