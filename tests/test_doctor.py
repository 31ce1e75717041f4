"""The doctor on good and on broken set-ups: it names what is wrong, the one next step, and never waits long."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from credential_home import SECRET, Home, make_home
from kafka_broker import fetch
from kafka_broker.apache import ApacheKafka
from kafka_broker.permissions import Permission, may_read, may_write
from outbox.test_entry import make_entry

from snews_drill.connection import Connection, connect, current_connection
from snews_drill.credentials import add_credential, test_credential
from snews_drill.doctor import Diagnosis, Finding, diagnose
from snews_drill.doctor.exchange import look_at_clock
from snews_drill.doctor.patient import Echo, Patient
from snews_drill.errors import NotAuthenticated
from snews_drill.outbox.folder import OutboxFolder
from snews_drill.profiles import Profile, Topics
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.broker import EmbeddedBroker
from snews_drill.rehearsal.launcher import stop_rehearsal
from snews_drill.rehearsal.server import DrillServer
from snews_drill.transport import Transport
from snews_drill.wire.dialects import get_dialect

# The first test on Apache Kafka starts it, and fetches it before that if need be.
pytestmark = pytest.mark.timeout(300)

TOPICS = Topics(observations="doc.observations", alerts="doc.alerts", connection="doc.connection")
NAMES = [
    *("software", "settings", "name", "destination", "credentials", "DNS", "TCP", "TLS", "sign-in"),
    *("topic for observations", "topic for alerts", "topic for confirmations", "drill server", "clock"),
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    home = make_home(tmp_path, monkeypatch)
    yield home
    stop_rehearsal(home.settings)


def profile_at(address: str, *, topics: Topics = TOPICS, needs_credentials: bool = True) -> Profile:
    return Profile(
        name="exam",
        broker=address,
        firedrill=topics,
        test=topics,
        dialect="3",
        needs_credentials=needs_credentials,
        is_live=True,
    )


def statuses(diagnosis: Diagnosis) -> dict[str, str]:
    return {finding.name: finding.status for finding in diagnosis.findings}


def assert_stops_at(diagnosis: Diagnosis, name: str) -> Finding:
    """Everything before is right, everything after is left out, and there is a next step."""
    found = statuses(diagnosis)
    assert list(found) == NAMES
    assert [key for key, status in found.items() if status == "problem"] == [name], str(diagnosis)
    assert all(found[key] == "skipped" for key in NAMES[NAMES.index(name) + 1 :]), str(diagnosis)
    assert not diagnosis.ok
    assert diagnosis[name].next_step
    assert SECRET not in str(diagnosis.to_dict())
    return diagnosis[name]


@contextmanager
def drill_server(address: str, folder: Path, auth: object = None) -> Iterator[None]:
    connection = Connection(profile_at(address), Transport(address, auth=auth), get_dialect("3"))
    with connection, Archive(folder / "archive.sqlite3") as archive, DrillServer(connection, archive):
        yield


# -- without an account --------------------------------------------------------------------------------------------


def test_the_rehearsal_is_all_green(home: Home) -> None:
    """The default; each finding is told as it is made, and the user's own connection stays the current one."""
    told: list[Finding] = []
    with connect() as mine:
        diagnosis = diagnose(on_finding=told.append)
        assert current_connection() is mine
        assert mine.is_open
    assert diagnosis.ok
    assert set(statuses(diagnosis).values()) == {"ok"}, str(diagnosis)
    assert list(statuses(diagnosis)) == NAMES
    assert tuple(told) == diagnosis.findings
    assert repr(diagnosis) == "Diagnosis(rehearsal: 14 ok)"
    assert "one connection test to kafka://" in diagnosis["destination"].detail
    assert json.loads(json.dumps(diagnosis.to_dict()))["ok"] is True


def test_without_echo_nothing_is_written(home: Home, broker: EmbeddedBroker) -> None:
    """It says so, and the topic holds nothing afterwards."""
    transport = Transport(broker.address)
    transport.create_topics(TOPICS.names())
    diagnosis = diagnose(profile_at(broker.address, needs_credentials=False), echo=False)
    assert diagnosis.ok
    assert "writes nothing" in diagnosis["destination"].detail
    assert statuses(diagnosis)["drill server"] == statuses(diagnosis)["clock"] == "skipped"
    reader = transport.open_reader([TOPICS.observations], start="beginning")
    assert reader.read(timeout=0.3) == []
    reader.close()
    transport.close()


def test_nobody_serves(home: Home, broker: EmbeddedBroker) -> None:
    transport = Transport(broker.address)
    transport.create_topics(TOPICS.names())
    transport.close()
    diagnosis = diagnose(profile_at(broker.address, needs_credentials=False), timeout=1.0)
    assert "snews-drill serve" in assert_stops_at(diagnosis, "drill server").next_step


def test_topics_that_are_not_there(home: Home, broker: EmbeddedBroker) -> None:
    """Each is told; the broker makes none because it was asked."""
    topics = Topics(observations="none.o", alerts="none.a", connection="none.c")
    profile = profile_at(broker.address, topics=topics, needs_credentials=False)
    for _ in range(2):
        diagnosis = diagnose(profile, timeout=1.0)
        assert [finding.name for finding in diagnosis.problems] == NAMES[9:12]
        assert statuses(diagnosis)["drill server"] == "skipped"


def test_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broker: EmbeddedBroker) -> None:
    """Without it nobody can be asked for an echo, but everything else is looked at."""
    make_home(tmp_path, monkeypatch, name=None)
    transport = Transport(broker.address)
    transport.create_topics(TOPICS.names())
    transport.close()
    diagnosis = diagnose(profile_at(broker.address, needs_credentials=False), timeout=1.0)
    assert [finding.name for finding in diagnosis.problems] == ["name"]
    assert "set-name" in diagnosis["name"].next_step
    assert diagnosis["topic for alerts"].status == "ok"
    assert "first solve the problem with name" in diagnosis["drill server"].detail


def test_settings_that_cannot_be_read(home: Home) -> None:
    """Nothing else is guessed at; the software is still told."""
    home.settings.config_dir.mkdir(parents=True)
    home.settings.config_file.write_text("profile = ")
    diagnosis = diagnose()
    assert "config.toml" in assert_stops_at(diagnosis, "settings").detail
    assert repr(diagnosis).startswith("Diagnosis(unknown: 1 ok, 1 problem")


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_folder_that_others_may_change_is_a_warning(home: Home) -> None:
    home.settings.config_dir.mkdir(parents=True)
    home.settings.config_dir.chmod(0o777)
    diagnosis = diagnose("kafka://127.0.0.1:1", timeout=1.0)
    assert diagnosis["settings"].status == "warning"
    assert f"chmod go-w {home.settings.config_dir}" in diagnosis["settings"].next_step


def test_messages_in_the_outbox_are_a_warning(home: Home) -> None:
    """With their number, and how to look at them."""
    entry = make_entry()
    OutboxFolder(home.settings.state_dir).write(entry, is_durable=False)
    diagnosis = diagnose("kafka://127.0.0.1:1", timeout=1.0)
    assert diagnosis["settings"].status == "warning"
    assert "1 message waits in the outbox" in diagnosis["settings"].detail
    assert "snews-drill outbox list" in diagnosis["settings"].next_step


def test_a_file_in_place_of_a_folder(home: Home) -> None:
    home.settings.state_dir.parent.mkdir(parents=True)
    home.settings.state_dir.write_text("in the way")
    assert diagnose("kafka://127.0.0.1:1")["settings"].status == "problem"


def test_no_such_profile(home: Home) -> None:
    assert "firedrill" in assert_stops_at(diagnose("<b>nowhere</b>"), "destination").next_step


# -- on the way to the broker --------------------------------------------------------------------------------------


def test_offline_it_answers_at_once(home: Home) -> None:
    """A name that nobody knows; credentials are there."""
    add_credential("member", SECRET, "kafka.snews.invalid")
    began = time.monotonic()
    finding = assert_stops_at(diagnose(profile_at("kafka.snews.invalid:9092")), "DNS")
    assert time.monotonic() - began < 6.0
    assert "kafka.snews.invalid" in finding.detail
    assert "online" in finding.next_step


def test_a_look_up_that_hangs_is_not_waited_for(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's own look-up knows no limit."""
    release = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        release.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    began = time.monotonic()
    diagnosis = diagnose(profile_at("slow.example.org:9092", needs_credentials=False), timeout=0.3)
    release.set()
    assert time.monotonic() - began < 3.0
    assert "within 0.3 s" in assert_stops_at(diagnosis, "DNS").detail


def test_nobody_listens(home: Home) -> None:
    add_credential("member", SECRET, "127.0.0.1:1")
    finding = assert_stops_at(diagnose(profile_at("127.0.0.1:1")), "TCP")
    assert "refused" in finding.detail


def test_a_port_that_swallows_everything(home: Home) -> None:
    """Somebody listens and never answers: bounded, and the broker is named as hanging."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        add_credential("member", SECRET, address)
        began = time.monotonic()
        finding = assert_stops_at(diagnose(profile_at(address), timeout=0.5), "TLS")
        assert time.monotonic() - began < 5.0
    assert "within 0.5 s" in finding.detail
    assert "hanging" in finding.next_step


def test_a_broker_without_tls_for_which_credentials_are_kept(home: Home, broker: EmbeddedBroker) -> None:
    """The password is not sent to it."""
    add_credential("member", SECRET, broker.address)
    assert "TLS" in assert_stops_at(diagnose(profile_at(broker.address), timeout=1.0), "TLS").detail


# -- credentials -----------------------------------------------------------------------------------------------------


def test_no_credentials(home: Home, broker: EmbeddedBroker) -> None:
    """None at all, and one for another broker; the network is looked at all the same."""
    for _ in range(2):
        diagnosis = diagnose(profile_at(broker.address), timeout=1.0)
        assert [finding.name for finding in diagnosis.problems] == ["credentials"]
        assert "snews-drill auth add" in diagnosis["credentials"].next_step
        assert diagnosis["TCP"].status == "ok"
        assert diagnosis["TLS"].status == diagnosis["sign-in"].status == "skipped"
        add_credential("member", SECRET, "other.example.org", replace=True)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_store_with_open_mode(home: Home, broker: EmbeddedBroker) -> None:
    add_credential("member", SECRET, broker.address)
    home.store.chmod(0o644)
    diagnosis = diagnose(profile_at(broker.address), timeout=1.0)
    assert [finding.name for finding in diagnosis.problems] == ["credentials"]
    assert diagnosis["credentials"].next_step.startswith(f"Close it: chmod 600 {home.store}")
    assert SECRET not in str(diagnosis)


# -- clocks, and what is shown ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stamped", "status", "said"),
    [
        (100.5, "ok", "agree within ± 0.501 s"),
        (99.1, "ok", "1.400 s ahead of"),  # it may be less than a second
        (90.0, "warning", "10.500 s ahead of"),
        (110.5, "warning", "10.000 s behind"),
        (None, "skipped", "bore no time"),
    ],
)
def test_clocks(stamped: float | None, status: str, said: str) -> None:
    """Sent at 100 s, back at 101 s: the middle is known to half a second; a second beyond that is told."""
    patient = Patient(None, None, 1.0, is_echo_wanted=True)
    patient.echo = Echo(100.0, 101.0, stamped)
    finding = look_at_clock(patient)
    assert (finding.status, bool(finding.next_step)) == (status, status == "warning")
    assert said in finding.detail


def test_what_is_shown_is_text() -> None:
    """Names and errors may come from the network."""
    hostile = Finding("TLS", "problem", "<script>alert(1)</script>", "<img src=x>")
    html = Diagnosis("<b>x</b>", (hostile,))._repr_html_()
    assert "<script" not in html
    assert "<img" not in html
    assert "<b>x" not in html
    assert "&lt;script&gt;" in html


# -- Apache Kafka ----------------------------------------------------------------------------------------------------

#: User -> what may be done, and what the doctor says about it.
MEMBER = [*may_write("member", TOPICS.observations), *may_read("member", TOPICS.alerts, TOPICS.connection)]
RIGHTS = [
    *MEMBER,
    *may_write("deaf", TOPICS.observations),
    Permission("deaf", TOPICS.alerts, ("DESCRIBE",)),
    *may_read("deaf", TOPICS.connection),
    *may_read("mute", TOPICS.alerts, TOPICS.connection, TOPICS.observations),
    *may_read("server", TOPICS.observations),
    *may_write("server", TOPICS.alerts, TOPICS.connection),
]


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    fetch.require_parts()
    users = ["member", "deaf", "mute", "stranger", "server"]
    with ApacheKafka(tmp_path_factory.mktemp("kafka"), users=users, acls=RIGHTS) as broker:
        broker.create_topics(TOPICS.names())
        yield broker


@pytest.fixture
def sign_up(kafka: ApacheKafka, home: Home) -> Callable[..., Profile]:
    """Return a function that keeps a user's credential, and gives the profile of that broker."""

    def keep(user: str, password: str | None = None) -> Profile:
        secret = password or kafka.password(user)
        add_credential(user, secret, kafka.address, kafka.ca_path, replace=True)
        return profile_at(kafka.address)

    return keep


@pytest.mark.kafka
def test_a_member_is_all_green_on_kafka(
    kafka: ApacheKafka, sign_up: Callable[..., Profile], tmp_path: Path
) -> None:
    """From the certificate to the drill server's echo and the clock; the password shows nowhere."""
    profile = sign_up("member")
    with drill_server(kafka.address, tmp_path, kafka.auth("server")):
        diagnosis = diagnose(profile)
    assert set(statuses(diagnosis).values()) == {"ok"}, str(diagnosis)
    assert "holds until" in diagnosis["TLS"].detail
    assert "as member" in diagnosis["sign-in"].detail
    assert "you may write" in diagnosis["topic for observations"].detail
    assert "you may read" in diagnosis["topic for alerts"].detail
    assert kafka.password("member") not in str(diagnosis.to_dict())
    assert test_credential(kafka.address).name == "member"


@pytest.mark.kafka
@pytest.mark.parametrize("user", ["member", "nobody"])
def test_a_wrong_password_or_an_unknown_user(sign_up: Callable[..., Profile], user: str) -> None:
    """Kafka does not tell them apart; the next step serves both."""
    began = time.monotonic()
    profile = sign_up(user, SECRET)
    finding = assert_stops_at(diagnose(profile), "sign-in")
    assert time.monotonic() - began < 5.0
    assert "does not accept your credentials" in finding.detail
    assert "snews-drill auth add" in finding.next_step
    with pytest.raises(NotAuthenticated):
        test_credential(profile.broker or "")


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("user", "missing"),
    [
        ("deaf", {"topic for alerts": "read"}),
        ("mute", {"topic for observations": "write"}),
        (
            "stranger",
            {
                "topic for observations": "write",
                "topic for alerts": "read",
                "topic for confirmations": "read",
            },
        ),
    ],
)
def test_a_right_that_is_missing(sign_up: Callable[..., Profile], user: str, missing: dict[str, str]) -> None:
    """The topic is named, and which right to ask for; nothing is written to find it out."""
    diagnosis = diagnose(sign_up(user), echo=False)
    assert {finding.name for finding in diagnosis.problems} == set(missing), str(diagnosis)
    for name, word in missing.items():
        assert f"the right to {word} doc." in diagnosis[name].next_step


@pytest.mark.kafka
def test_a_broker_that_wants_an_account_and_nobody_said_so(kafka: ApacheKafka, home: Home) -> None:
    """It hangs up without a word; the next step is the account."""
    finding = assert_stops_at(diagnose(f"kafka://{kafka.address}", timeout=1.0), "sign-in")
    assert f"snews-drill auth add --host {kafka.address}" in finding.next_step


@pytest.mark.kafka
def test_a_frozen_broker_is_bounded(kafka: ApacheKafka, sign_up: Callable[..., Profile]) -> None:
    """It takes connections, the system does that for it, and answers nothing."""
    profile = sign_up("member")
    kafka.freeze()
    try:
        began = time.monotonic()
        diagnosis = diagnose(profile, timeout=1.0)
        assert time.monotonic() - began < 6.0
    finally:
        kafka.thaw()
    assert "within 1 s" in assert_stops_at(diagnosis, "TLS").detail


@pytest.mark.kafka
@pytest.mark.parametrize(("kind", "said"), [("expired", "expired"), ("untrusted", "self-signed")])
def test_a_certificate_that_cannot_be_trusted(home: Home, tmp_path: Path, kind: str, said: str) -> None:
    """Which of the two, and no password is sent."""
    fetch.require_parts()
    with ApacheKafka(tmp_path / "kafka", users=["member"], certificate=kind) as broker:  # type: ignore[arg-type]
        add_credential("member", broker.password("member"), broker.address, broker.ca_path)
        finding = assert_stops_at(diagnose(profile_at(broker.address), timeout=3.0), "TLS")
    assert said in finding.detail
    assert ("clock" if kind == "expired" else "operator") in finding.next_step
