"""What a broker with accounts refuses: the right error, which names broker or topic and the next step, in time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kafka_broker.apache import ApacheKafka
from kafka_broker.certificates import CertificateKind
from kafka_broker.permissions import Permission, may_read, may_write
from waiting import wait_for

from snews_drill import SNEWSTiersPublisher, Subscriber, test_connection
from snews_drill.connection import Connection, open_profile
from snews_drill.drill.monitor import DrillMonitor
from snews_drill.errors import (
    BrokerUnreachable,
    DeliveryFailed,
    DrillError,
    InvalidMessage,
    MessageTooLarge,
    NotAuthenticated,
    NotPermitted,
    UnknownTopic,
)
from snews_drill.messages.times import iso_micro
from snews_drill.rehearsal.server import DrillServer

Refused = Callable[..., DrillError]
ask_for_echo = test_connection
del test_connection  # not a test of this file


def heartbeat(connection: Connection) -> SNEWSTiersPublisher:
    return SNEWSTiersPublisher(detector_status="ON", connection=connection)


def listen(connection: Connection) -> Subscriber:
    subscriber = Subscriber(connection=connection, start="beginning")
    subscriber.start()
    return subscriber


# -- at the door ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", ["member", "nobody"])
def test_wrong_password_or_unknown_user(bare_place: Any, refused: Refused, user: str) -> None:
    """Kafka does not tell which of the two it is."""
    bare_place.sign_in(user, password="not the password")
    error = refused(
        lambda: open_profile(bare_place.url, settings=bare_place.settings),
        NotAuthenticated,
        bare_place.kafka.address,
        "does not accept",
        within=5,
    )
    assert "snews-drill auth add" in error.next_step
    assert "not the password" not in f"{error}{error!r}"


@pytest.mark.parametrize("kind", ["expired", "untrusted"])
def test_bad_certificate(bare_place: Any, refused: Refused, tmp_path: Path, kind: CertificateKind) -> None:
    with ApacheKafka(tmp_path / "other", users=["member"], certificate=kind) as other:
        other.write_hop_auth_file(bare_place.store, "member")
        error = refused(
            lambda: open_profile(f"kafka://{other.address}", settings=bare_place.settings),
            NotAuthenticated,
            other.address,
            "certificate",
            within=5,
        )
    assert "certificate" in error.next_step


def test_no_credentials_for_a_broker_that_wants_them(bare_place: Any, refused: Refused) -> None:
    """Credentials of another broker are not offered, nor those that name none."""
    bare_place.store.parent.mkdir(parents=True)
    bare_place.store.touch(mode=0o600)
    bare_place.store.write_text('[[auth]]\nusername = "member"\npassword = "secret"\nhostname = ""\n')
    error = refused(
        lambda: open_profile(bare_place.url, settings=bare_place.settings),
        BrokerUnreachable,
        bare_place.kafka.address,
        within=4,
    )
    assert "auth add" in error.next_step


def test_nobody_at_the_address(bare_place: Any, refused: Refused) -> None:
    """Told after a few attempts, not after the whole time that a slow broker is given."""
    bare_place.kafka.stop()
    refused(
        lambda: open_profile(bare_place.url, settings=bare_place.settings),
        BrokerUnreachable,
        bare_place.kafka.address,
        "refused",
        within=4,
    )


def test_no_such_machine(bare_place: Any, refused: Refused) -> None:
    refused(
        lambda: open_profile("kafka://no-such-machine.invalid:9092", settings=bare_place.settings),
        BrokerUnreachable,
        "no-such-machine.invalid",
        within=8,
    )


def test_frozen_broker_at_the_door(bare_place: Any, refused: Refused) -> None:
    bare_place.sign_in("member")
    bare_place.kafka.freeze()
    refused(
        lambda: open_profile(bare_place.url, settings=bare_place.settings, timeout=3),
        BrokerUnreachable,
        bare_place.kafka.address,
        within=4,
    )


# -- permissions ---------------------------------------------------------------------------------------------


def test_stranger_may_do_nothing(place: Any, refused: Refused) -> None:
    topics, stranger = place.topics, place.connect("stranger")
    refused(
        lambda: ask_for_echo(connection=stranger), NotPermitted, topics.connection, within=3, case=" echo"
    )
    error = refused(
        heartbeat(stranger).send_to_snews, DeliveryFailed, topics.observations, within=3, case=" send"
    )
    assert isinstance(error.__cause__, NotPermitted)
    assert "permission" in error.next_step
    refused(lambda: listen(stranger), NotPermitted, topics.alerts, within=3, case=" read")


def test_no_permission_to_write(place: Any, refused: Refused) -> None:
    """Whoever may only read can listen, and nothing that is sent stays behind."""
    topics = place.topics
    place.kafka.allow(may_read("reader", topics.alerts, topics.connection))
    reader = place.connect("reader")
    publisher = heartbeat(reader)
    error = refused(publisher.send_to_snews, DeliveryFailed, topics.observations, within=3, case=" send")
    assert isinstance(error.__cause__, NotPermitted)
    assert len(publisher.messages) == 1
    refused(
        lambda: ask_for_echo(connection=reader), DeliveryFailed, topics.observations, within=3, case=" echo"
    )
    listen(reader).stop()


def test_no_permission_to_read(place: Any, refused: Refused) -> None:
    """Whoever may only write can send; a topic that one may write to can be seen, and says so only when it is read."""
    topics = place.topics
    place.kafka.allow(may_write("writer", topics.observations, topics.alerts))
    writer = place.connect("writer")
    assert len(heartbeat(writer).send_to_snews()) == 1
    refused(lambda: ask_for_echo(connection=writer), NotPermitted, topics.connection, within=3, case=" echo")

    def read() -> None:
        subscriber = listen(writer)
        try:
            subscriber.wait_for(1, timeout=5)
        finally:
            subscriber.stop()

    refused(read, NotPermitted, topics.alerts, within=5, case=" subscriber")


def test_no_permission_to_describe_settings_or_for_groups_does_not_matter(
    place: Any, server: DrillServer
) -> None:
    """WRITE and READ on the topics are all that a member needs."""
    topics = place.topics
    place.kafka.allow(
        [
            Permission("plain", topics.observations, ("WRITE",)),
            Permission("plain", topics.alerts, ("READ",)),
            Permission("plain", topics.connection, ("READ",)),
        ]
    )
    plain = place.connect("plain")
    assert ask_for_echo(connection=plain, verbose=False)
    with Subscriber(connection=plain) as subscriber:
        for detector in ("XENONnT", "JUNO"):
            SNEWSTiersPublisher(
                detector_name=detector, neutrino_time=iso_micro(time.time_ns() - 10**9), connection=plain
            ).send_to_snews(verbose=False)
        assert subscriber.wait_for(1, timeout=10)


def test_rights_taken_while_connected(place: Any, server: DrillServer, refused: Refused) -> None:
    member = place.connect()
    with pytest.raises(NotPermitted):
        _loses_its_rights(place, member, refused)
    assert server.is_running


def _loses_its_rights(place: Any, member: Connection, refused: Refused) -> None:
    with Subscriber(connection=member) as subscriber:
        heartbeat(member).send_to_snews(verbose=False)
        place.kafka.revoke(place.member_rights())
        error = refused(
            lambda: heartbeat(member).send_to_snews(verbose=False),
            DeliveryFailed,
            place.topics.observations,
            within=3,
            case=" send",
        )
        assert isinstance(error.__cause__, NotPermitted)
        wait_for(lambda: not subscriber.is_running, "the subscriber's end")
        assert isinstance(subscriber.state.error, NotPermitted)
        assert place.topics.alerts in subscriber.state.error.reason


def test_rights_of_the_server_taken_and_given_back(place: Any, server: DrillServer) -> None:
    """It says what is missing, waits, and then does what it owes."""
    topics, member = place.topics, place.connect()
    everything: Any = ("READ", "WRITE", "CREATE")
    with Subscriber(connection=member) as subscriber:
        wait_for(lambda: server.status.state == "listening", "the server")
        place.kafka.revoke([Permission("server", "*", everything)])
        try:
            wait_for(lambda: server.status.state == "waiting", "the server to notice")
            assert topics.observations.partition("snews")[0] in server.status.problem
            for detector in ("XENONnT", "JUNO"):
                SNEWSTiersPublisher(
                    detector_name=detector, neutrino_time=iso_micro(time.time_ns() - 10**9), connection=member
                ).send_to_snews(verbose=False)
        finally:
            place.kafka.allow([Permission("server", "*", everything)])
        (alert,) = subscriber.wait_for(1, timeout=15)
    assert set(alert.detector_names) == {"XENONnT", "JUNO"}


# -- topics and sizes ----------------------------------------------------------------------------------------


def test_unknown_topic(bare_place: Any, refused: Refused) -> None:
    """A server has not made the topics of this prefix yet."""
    connection = bare_place.connect("server")
    topics = connection.topics()
    refused(
        lambda: ask_for_echo(connection=connection), UnknownTopic, topics.connection, within=3, case=" echo"
    )
    error = refused(
        heartbeat(connection).send_to_snews, DeliveryFailed, topics.observations, within=4, case=" send"
    )
    assert isinstance(error.__cause__, UnknownTopic)
    refused(lambda: listen(connection), UnknownTopic, topics.alerts, within=3, case=" read")


def test_message_over_the_size_limit(bare_place: Any, refused: Refused) -> None:
    """The topic's own limit is the broker's to tell; Kafka's general one is known before."""
    connection = bare_place.connect("server")
    topics = connection.topics()
    bare_place.kafka.create_topics([topics.observations], max_message_bytes=5000)

    def send(count: int) -> None:
        SNEWSTiersPublisher(
            neutrino_time=iso_micro(time.time_ns() - 10**9),
            timing_series=[iso_micro(time.time_ns())] * count,
            connection=connection,
        ).send_to_snews(verbose=False)

    error = refused(lambda: send(1000), DeliveryFailed, topics.observations, within=3, case=" 30 kB to 5 kB")
    assert isinstance(error.__cause__, MessageTooLarge)
    assert "Shorten" in error.next_step
    refused(lambda: send(60_000), (DeliveryFailed, InvalidMessage), within=10, case=" 1.8 MB")


# -- what is not told ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_right", [True, False])
def test_no_log_of_any_library_holds_the_password(
    place: Any, server: DrillServer, caplog: pytest.LogCaptureFixture, capfd: Any, is_right: bool
) -> None:
    """Every logger at DEBUG while signing in with SCRAM, writing and reading; refused and accepted."""
    secret = place.kafka.password("member") if is_right else "wrong-horse-battery"
    for name in list(logging.root.manager.loggerDict):
        caplog.set_level(logging.DEBUG, logger=name)
    caplog.set_level(logging.DEBUG)
    place.sign_in("member", password=secret)
    settings = place.settings.model_copy(update={"detector_name": "XENONnT"})
    shown = ""
    try:
        with open_profile(place.url, topics_prefix=place.prefix, settings=settings) as connection:
            assert is_right
            assert ask_for_echo(connection=connection)
            with listen(connection) as subscriber:
                heartbeat(connection).send_to_snews()
            state = [repr(vars(part)) for part in (connection, connection._transport, subscriber)]
            shown = " ".join(
                [repr(connection), connection._repr_html_(), repr(connection.credential), *state]
            )
    except NotAuthenticated as error:
        assert not is_right
        chain = error.__cause__ or error.__context__
        shown = f"{error!r} {error} {chain!r} {error.__dict__}"
    assert shown
    assert secret not in shown
    assert caplog.records
    assert secret not in caplog.text
    assert secret not in "".join(repr(vars(record)) for record in caplog.records)
    assert secret not in "".join(capfd.readouterr())


# -- who watches ---------------------------------------------------------------------------------------------


def test_a_monitor_without_the_right_to_read_observations_says_so_and_goes_on(
    place: Any, server: DrillServer
) -> None:
    """What the detectors say is not seen, the problem names topic and right; the alerts come all the same."""
    place.kafka.allow(may_write("writer", place.topics.observations))
    with DrillMonitor(place.connect("member")) as monitor:
        assert place.topics.observations in monitor.picture.problem or monitor.wait_for(
            lambda picture: place.topics.observations in picture.problem, timeout=10
        )
        assert "what the detectors say is not seen" in monitor.picture.problem
        now = iso_micro(time.time_ns() // 1000 * 1000)
        for name in ("XENONnT", "JUNO"):
            writer = place.connect("writer", detector=name)
            SNEWSTiersPublisher(neutrino_time=now, p_val=0.05, connection=writer).send_to_snews()
        picture = monitor.wait_for(lambda picture: picture.alerts, timeout=20)
        assert not any(p.observations for p in picture.participants)
