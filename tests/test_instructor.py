"""The instructor's requests: announcements that cannot be altered, and joining that can be frozen."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from broker_stand import Stand, open_connection_on, write
from messages_to_send import heartbeat, observation, send_observations
from pydantic import SecretStr
from waiting import wait_for

from snews_drill.connection import Connection
from snews_drill.errors import NotAuthorised, SettingsError
from snews_drill.instructor import announce, drill_status, freeze_joining, unfreeze_joining
from snews_drill.messages.commands import Command, CommandName
from snews_drill.messages.times import NS_PER_SECOND, iso_micro
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.server import DrillServer
from snews_drill.remote import test_connection as ask_for_echo
from snews_drill.settings import DrillSettings
from snews_drill.wire.dialects import decode_record, get_dialect

TOKEN = "the-instructors-token-that-nobody-else-has"


@contextmanager
def serving(
    broker: Stand, settings: DrillSettings, archive: Archive
) -> Iterator[tuple[Connection, DrillServer]]:
    """A drill of many people: server and instructor have the token, and the instructor is no detector."""
    secret = settings.model_copy(update={"admin_token": SecretStr(TOKEN)})
    with open_connection_on(broker, secret) as connection, DrillServer(connection, archive) as server:
        wait_for(lambda: server.status.state == "listening", "the server")
        yield connection, server


def said_on(connection: Connection) -> list[Command]:
    """Everything on the connection topic so far."""
    reader = connection.open_reader([connection.topics().connection], start="beginning")
    try:
        found = []
        while records := reader.read(timeout=0.5):
            found += [decode_record(record.value, record.content_format).value for record in records]
        return [value for value in found if isinstance(value, Command)]
    finally:
        reader.close()


@pytest.mark.parametrize("dialect", ["1.3", "3"])
def test_an_announcement_reaches_the_connection_topic(
    broker: Stand, settings: DrillSettings, archive: Archive, dialect: str
) -> None:
    """Once, as the words stand, without the proof."""
    text = 'Begin at 15:00 UTC\n<b>"now"</b> \x1b[31m 日本'
    with serving(broker, settings, archive) as (connection, _):
        connection.dialect = get_dialect(dialect)
        assert announce(text, connection=connection, verbose=False).answer == "Announced."
        said = said_on(connection)
    assert [(one.name, one.status, one.text, one.proof) for one in said] == [
        (CommandName.ANNOUNCE, "done", text, "")
    ]


def test_an_announcement_cannot_be_altered_or_repeated(
    broker: Stand, settings: DrillSettings, archive: Archive
) -> None:
    """The proof of one text is none for another, and the same request counts once; refused words reach nobody."""
    with serving(broker, settings, archive) as (connection, server):
        topic = connection.topics().observations
        request = Command(
            name=CommandName.ANNOUNCE,
            detector_name="instructor",
            time=iso_micro(time.time_ns() // 1000 * 1000),
            request_id="ab" * 16,
            text="We begin at 15:00",
        ).with_proof(TOKEN, topic)
        for one in (
            request.model_copy(update={"text": "We begin at 16:00"}),
            request.model_copy(update={"text": ""}),
            request.model_copy(update={"proof": ""}),
        ):
            write(connection, topic, connection.dialect.encode_command(one).content)
        wait_for(lambda: server.status.counts.get("refused") == 3, "three refusals")
        for _ in range(2):
            write(connection, topic, connection.dialect.encode_command(request).content)
        wait_for(lambda: server.status.counts.get("repeated") == 1, "the repetition")
        said = said_on(connection)
    assert [one.text for one in said if one.status == "done"] == ["We begin at 15:00"]
    assert {one.text for one in said if one.status == "refused"} == {""}


@pytest.mark.parametrize(
    ("text", "match"), [("", "empty"), ("  \n", "empty"), ("x" * 1001, "1,001 characters")]
)
def test_an_announcement_without_sense_is_not_sent(connection: Connection, text: str, match: str) -> None:
    with pytest.raises(SettingsError, match=match):
        announce(text, connection=connection)


def test_who_has_no_rights_is_told_what_to_do(
    broker: Stand, settings: DrillSettings, archive: Archive
) -> None:
    """Each request of the instructor, by somebody without the token; the status is for everybody."""
    with (
        serving(broker, settings, archive) as (connection, _),
        open_connection_on(broker, settings, connection.profile) as stranger,
    ):
        for do in (
            lambda: announce("Hello", connection=stranger),
            lambda: freeze_joining(connection=stranger),
        ):
            with pytest.raises(NotAuthorised, match="no rights") as caught:
                do()
            assert "SNEWS_DRILL_ADMIN_TOKEN" in caught.value.next_step
        with pytest.raises(NotAuthorised, match="no rights"):
            unfreeze_joining(connection=stranger)
        status = drill_status(connection=stranger, verbose=False)
        assert status.meta["status_of_drill"] == {"is_joining_frozen": False, "observations": 0, "groups": 0}


def test_joining_is_frozen_for_those_who_were_not_heard(
    broker: Stand, settings: DrillSettings, archive: Archive
) -> None:
    """Who is in stays in, by a heartbeat, an observation or a connection test; others are refused, and told so once."""
    zero = time.time_ns() - NS_PER_SECOND
    with serving(broker, settings, archive) as (connection, server):
        send_observations(connection, heartbeat("LVD"), observation("JUNO", zero))
        ask_for_echo("XENONnT", connection=connection, verbose=False)
        wait_for(lambda: server.status.counts.get("CoincidenceTier") == 1, "the first observation")
        assert (
            freeze_joining(connection=connection, verbose=False).answer
            == "Joining is frozen: 3 detectors can take part."
        )
        assert "already" in freeze_joining(connection=connection, verbose=False).answer
        wait_for(lambda: server.status.frozen == (connection.topics().observations,), "the status")
        send_observations(
            connection,
            observation("LVD", zero),
            observation("XENONnT", zero),
            observation("KM3NeT", zero),
            heartbeat("KM3NeT"),
        )
        wait_for(lambda: server.status.counts.get("refused") == 2, "two refusals")
        assert server.status.counts["CoincidenceTier"] == 3
        assert server.status.groups == (("JUNO", "LVD", "XENONnT"),)
        reason = server.status.refusals[-1].reason
        assert "Joining is frozen since" in reason
        assert "KM3NeT" in reason
        assert "Ask the instructor" in reason
        # Whoever is outside may still test the connection.
        assert ask_for_echo("KM3NeT", connection=connection, verbose=False)
        told = [one for one in said_on(connection) if one.name is CommandName.NOT_JOINED]
        assert [(one.detector_name, one.status, one.reason) for one in told] == [
            ("KM3NeT", "refused", reason)
        ]


def test_a_freeze_survives_the_server_and_ends_with_the_instructors_word(
    broker: Stand, settings: DrillSettings, archive: Archive
) -> None:
    zero = time.time_ns() - NS_PER_SECOND
    with serving(broker, settings, archive) as (connection, server):
        send_observations(connection, observation("JUNO", zero))
        wait_for(lambda: server.status.counts.get("CoincidenceTier") == 1, "the observation")
        freeze_joining(connection=connection, verbose=False)
        server.stop()
        with DrillServer(connection, archive) as after:
            send_observations(connection, observation("LVD", zero))
            wait_for(lambda: after.status.counts.get("refused") == 1, "the refusal")
            assert drill_status(connection=connection, verbose=False).meta["status_of_drill"][
                "is_joining_frozen"
            ]
            assert unfreeze_joining(connection=connection, verbose=False).answer.startswith(
                "Joining is open:"
            )
            assert "as it was" in unfreeze_joining(connection=connection, verbose=False).answer
            send_observations(connection, observation("LVD", zero + 1000))
            wait_for(lambda: after.status.groups == (("JUNO", "LVD"),), "the group")


def test_the_test_topics_are_frozen_on_their_own(
    broker: Stand, settings: DrillSettings, archive: Archive
) -> None:
    with serving(broker, settings, archive) as (connection, server):
        freeze_joining(firedrill=False, connection=connection, verbose=False)
        send_observations(connection, heartbeat("LVD"))
        wait_for(lambda: server.status.counts.get("Heartbeat") == 1, "the heartbeat")
        send_observations(connection, heartbeat("JUNO"), firedrill_mode=False)
        wait_for(lambda: server.status.counts.get("refused") == 1, "the refusal")
