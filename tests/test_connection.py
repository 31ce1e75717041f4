"""connect(), the current connection, and what never leaves the machine."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from broker_stand import EmbeddedStand, Stand, open_connection_on, write
from pydantic import SecretStr
from waiting import wait_for

import snews_drill.connection as connection_module
from snews_drill.connection import (
    Connection,
    connect,
    current_connection,
    current_dialect,
    open_connection,
    open_profile,
)
from snews_drill.errors import (
    BrokerUnreachable,
    DrillError,
    NotAuthenticated,
    RehearsalError,
    SettingsError,
    TransportError,
)
from snews_drill.heartbeats import HeartbeatSender, send_heartbeat
from snews_drill.publisher import SNEWSTiersPublisher
from snews_drill.rehearsal.broker import EmbeddedBroker
from snews_drill.rehearsal.launcher import find_rehearsal
from snews_drill.remote import display_heartbeats, get_feedback, reset_cache
from snews_drill.remote import test_connection as ask_for_echo
from snews_drill.settings import DrillSettings, load_settings
from snews_drill.transport import Receipt
from snews_drill.wire.payload import Payload


@pytest.fixture(autouse=True)
def _home(settings: DrillSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This user's folders are those of `settings`, also for whoever reads the environment; nothing stays current."""
    monkeypatch.setenv("SNEWS_DRILL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    for name in ("SNEWS_DRILL_PROFILE", "SNEWS_DRILL_NAME", "SNEWS_DRILL_ADMIN_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    yield
    connection = open_connection()
    if connection is not None:
        connection.close()


@pytest.fixture
def local_url() -> Iterator[str]:
    with EmbeddedBroker() as broker:
        yield f"kafka://{broker.address}"


def test_without_a_word_it_is_the_rehearsal() -> None:
    """Ready in moments, on this machine only, in the tutorial's dialect."""
    began = time.monotonic()
    with connect() as connection:
        assert time.monotonic() - began < 8  # a second on a quiet machine
        assert connection.profile.name == "rehearsal"
        assert connection.broker.startswith("127.0.0.1:")
        assert connection.dialect.NAME == "1.3"
        assert connection.is_open
        connection.check()
        assert current_connection() is connection
    assert not connection.is_open
    assert open_connection() is None


def test_the_environment_names_the_profile(local_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNEWS_DRILL_PROFILE", local_url)
    with connect() as connection:
        assert connection.profile.name == local_url
        assert connection.rehearsal is None
        assert connection.server_problem == ""
    with pytest.raises(SettingsError, match="no profile"):
        connect("there-is-none")


def test_dialect_is_the_profiles_or_the_one_asked_for(local_url: str) -> None:
    with connect(local_url) as connection:
        assert connection.dialect.NAME == current_dialect().NAME == "1.3"
    with connect(local_url, dialect="3") as connection:
        assert connection.dialect.NAME == current_dialect().NAME == "3"
    with pytest.raises(SettingsError, match="no dialect"):
        connect(local_url, dialect="2")
    assert current_dialect().NAME == "1.3"


def test_first_use_connects_once_for_all_threads(local_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNEWS_DRILL_PROFILE", local_url)
    found: list[Connection] = []
    threads = [threading.Thread(target=lambda: found.append(current_connection())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(found) == 4
    assert len(set(map(id, found))) == 1


def test_the_last_one_connected_is_current_and_the_other_stays_open(local_url: str) -> None:
    first = connect(local_url)
    second = connect(local_url)
    assert current_connection() is second
    assert first.is_open
    first.close()
    assert current_connection() is second
    second.close()
    second.close()
    assert open_connection() is None


def test_open_profile_leaves_the_current_one_alone(local_url: str) -> None:
    with connect(local_url) as current, open_profile(local_url) as other:
        assert other is not current
        assert current_connection() is current
    assert open_connection() is None


def test_live_profile_without_credentials_says_what_to_do_and_nothing_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No client is even made, so nobody is asked."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a client for a live broker was made")

    monkeypatch.setattr(connection_module, "Transport", refuse)
    before = _outside()
    for profile in ("firedrill", "firedrill-prod", "test"):
        with pytest.raises(NotAuthenticated, match="no credentials") as caught:
            connect(profile)
        assert "snews-drill auth add" in caught.value.next_step
    assert _outside() == before
    assert open_connection() is None


def _outside() -> set[tuple[str, int]]:
    """Where this process is connected to beyond this machine."""
    found = {c.raddr for c in psutil.Process().net_connections() if c.raddr}
    return {(address.ip, address.port) for address in found if not address.ip.startswith(("127.", "::1"))}


def test_unreadable_credentials_are_told_without_showing_them(tmp_path: Path) -> None:
    """A store that others can read is refused, as hop does; what stands in it is not shown."""
    store = tmp_path / "xdg" / "hop" / "auth.toml"
    store.parent.mkdir(parents=True)
    store.write_text('[[auth]]\nusername = "me"\npassword = "very-secret"\nhostname = "kafka.scimma.org"\n')
    store.chmod(0o644)
    with pytest.raises(NotAuthenticated) as caught:
        connect("firedrill")
    assert "very-secret" not in str(caught.value)
    assert caught.value.next_step


def test_broker_that_is_not_there_is_told_in_time(local_url: str) -> None:
    stand = EmbeddedStand()
    stand.kill()
    began = time.monotonic()
    with pytest.raises(BrokerUnreachable, match=stand.address):
        connect(f"kafka://{stand.address}", timeout=1)
    assert time.monotonic() - began < 4
    assert open_connection() is None


def test_a_rehearsal_that_cannot_start_is_told(settings: DrillSettings) -> None:
    settings.runtime_dir.parent.mkdir(parents=True, exist_ok=True)
    settings.runtime_dir.write_text("a file where a folder should be")
    with pytest.raises((RehearsalError, SettingsError)) as caught:
        connect(settings=settings)
    assert caught.value.next_step
    settings.runtime_dir.unlink()


_OTHER = """
import sys
from snews_drill import connect, test_connection
with connect() as connection:
    report = test_connection("LVD", verbose=False)
    print(connection.broker, bool(report), flush=True)
    sys.stdin.read()
"""


def test_two_processes_share_one_rehearsal(settings: DrillSettings) -> None:
    """A second notebook finds the broker and the server of the first, and the last one out ends them."""
    with connect() as connection:
        other = subprocess.Popen(
            [sys.executable, "-c", _OTHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline().split() == [connection.broker, "True"]
    # This process has left; the other one's rehearsal goes on.
    assert find_rehearsal(settings) is not None
    with connect() as again:
        assert f"kafka://{again.broker}" == f"kafka://{connection.broker}"
        assert ask_for_echo("XENONnT", connection=again, verbose=False)
    other.stdin.close()
    other.wait(10)
    other.stdout.close()
    wait_for(lambda: find_rehearsal(settings) is None, "the end of the rehearsal")


def test_closed_connection_refuses_with_the_next_step(connection: Connection) -> None:
    connection.close()
    connection.close()
    for use in (
        lambda: connection.send("any", [Payload(b"x")]),
        lambda: connection.send("any", []),
    ):
        with pytest.raises(TransportError, match="closed"):
            use()


def test_repr_shows_broker_topics_dialect_and_who_you_are(broker: Stand, settings: DrillSettings) -> None:
    secret = settings.model_copy(
        update={"detector_name": "XENONnT", "admin_token": SecretStr("not-to-be-shown-to-anybody")}
    )
    with open_connection_on(broker, secret) as connection:
        shown = repr(connection)
        topics = connection.topics()
        for word in (connection.broker, "dialect 1.3", topics.observations, topics.alerts, "XENONnT"):
            assert word in shown
        assert "not-to-be-shown" not in shown
        assert connection.admin_token == "not-to-be-shown-to-anybody"
    assert "closed" in repr(connection)


def test_a_remembered_name_that_is_none_does_not_break_the_repr(
    broker: Stand, settings: DrillSettings
) -> None:
    wrong = settings.model_copy(update={"detector_name": "Nobody"})
    with open_connection_on(broker, wrong) as connection:
        assert "not named yet" in repr(connection)
    with open_connection_on(broker, settings) as connection:
        assert connection.detector_name is None
        assert "not named yet" in repr(connection)


def test_firedrill_and_test_topics_are_told_apart(connection: Connection) -> None:
    assert connection.topics() == connection.profile.firedrill
    assert connection.topics(firedrill_mode=False) == connection.profile.test
    assert connection.topics().observations != connection.topics(firedrill_mode=False).observations
    assert connection.url("a") == f"kafka://{connection.broker}/a"


def test_what_is_sent_is_read(connection: Connection) -> None:
    topic = connection.topics().alerts
    reader = connection.open_reader([topic])
    (receipt,) = connection.send(topic, [Payload(b"{}")])
    assert isinstance(receipt, Receipt)
    found = wait_for(lambda: reader.read(timeout=0.1), "the record")
    assert [record.value for record in found] == [b"{}"]
    reader.close()


def test_settings_are_read_anew_unless_given(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is set later is the connection's name, too."""
    assert connection.detector_name == "XENONnT"
    connection._settings = None
    assert connection.detector_name is None
    monkeypatch.setenv("SNEWS_DRILL_NAME", "LVD")
    assert load_settings().detector_name == "LVD"
    assert connection.detector_name == "LVD"


def _beat(connection: Connection) -> None:
    with HeartbeatSender(connection=connection) as sender:
        wait_for(lambda: sender.state.acknowledged, "the first heartbeat")


WRITERS: dict[str, Callable[[Connection], Any]] = {
    "publisher": lambda c: SNEWSTiersPublisher(detector_status="ON", connection=c).send_to_snews(),
    "quiet publisher": lambda c: SNEWSTiersPublisher(detector_status="ON", connection=c).send_to_snews(
        verbose=False
    ),
    "heartbeat": lambda c: send_heartbeat(connection=c),
    "heartbeat sender": _beat,
    "connection test": lambda c: ask_for_echo(connection=c, wait=0.2, verbose=False),
    "reset": lambda c: reset_cache(connection=c, patience=0.2, verbose=False),
    "feedback": lambda c: get_feedback("XENONnT", "me@example.org", connection=c, patience=0.2),
    "heartbeats of all": lambda c: display_heartbeats(connection=c, patience=0.2),
}


@pytest.mark.parametrize("name", WRITERS)
def test_whatever_writes_to_a_live_place_names_it_before(
    connection: Connection, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Not afterwards: what was printed is looked at when the first message is handed to the broker's client."""
    connection.profile = connection.profile.model_copy(update={"is_live": True})
    said: list[str] = []
    send = connection._transport.send

    def watched(*arguments: Any, **more: Any) -> Any:
        said.append("".join(capsys.readouterr()))
        return send(*arguments, **more)

    monkeypatch.setattr(connection._transport, "send", watched)
    with contextlib.suppress(DrillError):  # nobody answers requests here
        WRITERS[name](connection)
    assert said, "nothing was written"
    assert connection.url(connection.topics().observations) in said[0]


def test_the_broker_option_decides_which_broker_is_used(
    connection: Connection, request: pytest.FixtureRequest
) -> None:
    """With `--broker=kafka` messages go through Apache Kafka with an account, otherwise through the embedded one without."""
    is_kafka = request.config.getoption("--broker") == "kafka"
    assert (connection.credential is not None) is is_kafka
    assert ("as tester" in repr(connection)) is is_kafka


def test_another_connection_to_the_same_place_has_a_life_of_its_own(connection: Connection) -> None:
    """Same broker, topics and account; its own producer; closing one leaves the other."""
    topic = connection.topics().observations
    with connection.open_another() as other:
        assert (other.broker, other.profile, other.dialect) == (
            connection.broker,
            connection.profile,
            connection.dialect,
        )
        write(other, topic, b"{}")
        assert open_connection() is not other
    assert not other.is_open
    assert connection.is_open
    write(connection, topic, b"{}")
