"""The harness itself: the broker lets in, refuses, restarts, freezes and ends as other tests assume."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import confluent_kafka
import psutil
import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType
from cryptography import x509
from hop import Stream
from hop.auth import load_auth, select_matching_auth
from hop.io import StartPosition
from waiting import wait_for

from kafka_broker import fetch
from kafka_broker.apache import ApacheKafka
from kafka_broker.certificates import CertificateKind, make_certificates
from kafka_broker.permissions import Permission, may_read, may_write

# The first test of the first run also downloads the broker.
pytestmark = pytest.mark.timeout(300)

OBSERVATIONS, ALERTS, UNREADABLE = "test.observations", "test.alerts", "test.unreadable"


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    """One broker with a detector, a server, a user without rights and one without a group right."""
    fetch.require_parts()
    rights = [
        *may_write("detector", OBSERVATIONS),
        *may_read("detector", OBSERVATIONS, ALERTS),
        *may_write("server", ALERTS),
        Permission("ungrouped", ALERTS, ("READ",)),
    ]
    folder = tmp_path_factory.mktemp("kafka")
    with ApacheKafka(folder, users=["detector", "server", "stranger", "ungrouped"], acls=rights) as broker:
        broker.create_topics([OBSERVATIONS, ALERTS, UNREADABLE])
        yield broker


class Errors:
    """What a client's error callback was told."""

    def __init__(self) -> None:
        self.codes: list[int] = []

    def __call__(self, error: KafkaError) -> None:
        self.codes.append(error.code())


def deliver(
    settings: dict[str, Any], topic: str, value: bytes = b"x", timeout: float = 10, **more: Any
) -> KafkaError | None:
    """Write one record; return what the delivery callback was told."""
    reports: list[KafkaError | None] = []
    producer = confluent_kafka.Producer(
        {**settings, "log_level": 0, "message.timeout.ms": int(timeout * 1000), **more}
    )
    producer.produce(topic, value, on_delivery=lambda error, message: reports.append(error))
    producer.flush(timeout + 5)
    assert len(reports) == 1
    return reports[0]


def open_consumer(settings: dict[str, Any], topic: str, group: str, **more: Any) -> confluent_kafka.Consumer:
    consumer = confluent_kafka.Consumer(
        {**settings, "log_level": 0, "group.id": group, "auto.offset.reset": "earliest", **more}
    )
    consumer.assign([TopicPartition(topic, 0)])
    return consumer


def first_error(consumer: confluent_kafka.Consumer, timeout: float = 10) -> int:
    try:
        message = consumer.poll(timeout)
        assert message is not None, "neither a record nor an error"
        assert message.error() is not None, "a record came where an error was due"
        return int(message.error().code())
    finally:
        consumer.close()


# -- bringing it ---------------------------------------------------------------------------------------------


def test_jars_are_fetched_once_and_found_without_maven(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second session must not need Maven, nor wait for it."""
    fetch.require_parts()
    folder = fetch.fetch_jars()
    assert (folder / f"kafka_2.13-{fetch.KAFKA_VERSION}.jar").is_file()
    monkeypatch.setenv("PATH", "")
    assert fetch.fetch_jars() == folder


def test_missing_parts_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(fetch.CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setenv("PATH", "")
    assert [part.split("`")[1] for part in fetch.missing_parts()] == ["java", "mvn"]
    with pytest.raises(RuntimeError, match="mvn"):
        fetch.fetch_jars()


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_missing_parts_fail_in_ci_and_skip_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ci: str, outcome: type[BaseException]
) -> None:
    """A suite that skips in CI would be green without having run."""
    monkeypatch.setenv(fetch.CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="install"):
        fetch.require_parts()


def test_certificates_differ_in_what_their_kind_says(tmp_path: Path) -> None:
    def server_and_ca(kind: CertificateKind) -> tuple[x509.Certificate, x509.Certificate]:
        folder = tmp_path / kind
        folder.mkdir()
        files = make_certificates(folder, kind)
        assert stat.S_IMODE(files.server.stat().st_mode) == 0o600
        chain = x509.load_pem_x509_certificates(files.server.read_bytes())
        return chain[0], x509.load_pem_x509_certificate(files.ca.read_bytes())

    now = datetime.now(UTC)
    good, ca = server_and_ca("good")
    good.verify_directly_issued_by(ca)
    assert good.not_valid_after_utc > now
    expired, ca = server_and_ca("expired")
    expired.verify_directly_issued_by(ca)
    assert expired.not_valid_after_utc < now
    untrusted, ca = server_and_ca("untrusted")
    assert untrusted.not_valid_after_utc > now
    with pytest.raises(ValueError, match="does not match"):
        untrusted.verify_directly_issued_by(ca)


# -- who may do what -----------------------------------------------------------------------------------------


def test_hop_writes_and_reads_as_the_detector(kafka: ApacheKafka) -> None:
    """What a member's client does passes through TLS, SCRAM and permissions."""
    credential = kafka.auth("detector")
    with Stream(auth=credential).open(
        kafka.url(OBSERVATIONS), "w", produce_timeout=timedelta(seconds=10)
    ) as out:
        out.write({"detector_name": "XENONnT"})
    reader = Stream(auth=credential, start_at=StartPosition.EARLIEST, until_eos=True)
    with reader.open(kafka.url(OBSERVATIONS), "r") as records:
        contents = [record.content for record in records.read(batch_size=1)]
    assert {"detector_name": "XENONnT"} in contents


def test_hop_finds_the_credential_in_the_file_written_for_it(kafka: ApacheKafka, tmp_path: Path) -> None:
    path = kafka.write_hop_auth_file(tmp_path / "hop" / "auth.toml", "detector")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert select_matching_auth(load_auth(str(path)), kafka.address) == kafka.auth("detector")


@pytest.mark.parametrize("user", ["detector", "nobody"])
def test_a_wrong_password_is_an_authentication_error(kafka: ApacheKafka, user: str) -> None:
    """Kafka does not tell a wrong password from an unknown name."""
    errors = Errors()
    settings = kafka.client_settings(user, password="not the password")
    producer = confluent_kafka.Producer({**settings, "log_level": 0, "error_cb": errors})
    wait_for(
        lambda: producer.poll(0.05) or KafkaError._AUTHENTICATION in errors.codes, "the refusal", timeout=10
    )


def test_a_user_without_rights_can_neither_write_nor_read_nor_ask(kafka: ApacheKafka) -> None:
    settings = kafka.client_settings("stranger")
    report = deliver(settings, OBSERVATIONS)
    assert report is not None
    assert report.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
    assert (
        first_error(open_consumer(settings, OBSERVATIONS, "stranger-1"))
        == KafkaError.GROUP_AUTHORIZATION_FAILED
    )

    client = AdminClient({**settings, "log_level": 0})
    assert OBSERVATIONS not in client.list_topics(timeout=10).topics
    question = client.describe_configs([ConfigResource(ResourceType.TOPIC, OBSERVATIONS)])
    with pytest.raises(KafkaException) as refusal:
        next(iter(question.values())).result(10)
    assert refusal.value.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED


def test_each_right_stands_alone(kafka: ApacheKafka) -> None:
    """Reading is not writing, a group right is no topic right, a topic right is no group right."""
    detector = kafka.client_settings("detector")
    report = deliver(detector, ALERTS)
    assert report is not None
    assert report.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
    assert (
        first_error(open_consumer(detector, UNREADABLE, "detector-1"))
        == KafkaError.TOPIC_AUTHORIZATION_FAILED
    )
    consumer = open_consumer(kafka.client_settings("ungrouped"), ALERTS, "ungrouped-1")
    assert first_error(consumer) == KafkaError.GROUP_AUTHORIZATION_FAILED


def test_a_right_can_be_given_and_taken_while_running(kafka: ApacheKafka) -> None:
    settings, rights = kafka.client_settings("stranger"), may_write("stranger", UNREADABLE)
    kafka.allow(rights)
    assert deliver(settings, UNREADABLE) is None
    kafka.revoke(rights)
    report = deliver(settings, UNREADABLE)
    assert report is not None
    assert report.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED


@pytest.mark.parametrize("kind", ["expired", "untrusted"])
def test_a_bad_certificate_is_a_tls_error(tmp_path: Path, kind: CertificateKind) -> None:
    fetch.require_parts()
    errors = Errors()
    with ApacheKafka(tmp_path, users=["detector"], certificate=kind) as broker:
        settings = {**broker.client_settings("detector"), "log_level": 0, "error_cb": errors}
        producer = confluent_kafka.Producer(settings)
        wait_for(lambda: producer.poll(0.05) or KafkaError._SSL in errors.codes, "the TLS error", timeout=10)


def test_a_record_over_the_topics_limit_is_refused(kafka: ApacheKafka) -> None:
    kafka.create_topics(["test.small"], max_message_bytes=5000)
    rights = may_write("detector", "test.small")
    kafka.allow(rights)
    settings = kafka.client_settings("detector")
    assert deliver(settings, "test.small", b"x" * 4000) is None
    report = deliver(settings, "test.small", b"x" * 6000)
    assert report is not None
    assert report.code() == KafkaError.MSG_SIZE_TOO_LARGE


# -- how it lives and ends -----------------------------------------------------------------------------------


def test_clients_go_on_over_a_restart_with_nothing_lost_or_doubled(tmp_path: Path) -> None:
    """Port, data, users and permissions come back, also when a passing thread restarts the broker."""
    fetch.require_parts()
    rights = [*may_write("detector", ALERTS), *may_read("detector", ALERTS)]
    with ApacheKafka(tmp_path, users=["detector"], acls=rights) as broker:
        broker.create_topics([ALERTS])
        settings = broker.client_settings("detector")
        producer = confluent_kafka.Producer({**settings, "enable.idempotence": True, "log_level": 0})
        consumer = open_consumer(settings, ALERTS, "detector-restart")
        received: list[int] = []
        reports: list[KafkaError | None] = []

        def read_until(count: int) -> None:
            def has_all() -> bool:
                received.extend(int(record.value()) for record in consumer.consume(200, 0.1))
                return len(received) >= count

            wait_for(has_all, f"{count} records", timeout=30)

        def write(number: int) -> None:
            producer.produce(ALERTS, str(number), on_delivery=lambda error, message: reports.append(error))
            producer.poll(0.02)

        address = broker.address
        write(0)
        read_until(1)
        restarting = threading.Thread(target=broker.restart)
        restarting.start()
        for number in range(1, 200):
            write(number)
        restarting.join()
        assert producer.flush(30) == 0
        assert reports == [None] * 200
        read_until(200)
        consumer.close()
        assert received == list(range(200))
        assert broker.address == address


def test_a_frozen_broker_answers_nobody_until_it_thaws(kafka: ApacheKafka) -> None:
    settings = kafka.client_settings("detector")
    kafka.freeze()
    try:
        report = deliver(settings, OBSERVATIONS, timeout=2)
        assert kafka.is_running
    finally:
        kafka.thaw()
    assert report is not None
    assert report.code() == KafkaError._MSG_TIMED_OUT
    assert deliver(settings, OBSERVATIONS) is None


def test_calls_may_be_repeated_and_a_frozen_broker_ends_too(tmp_path: Path) -> None:
    """A test that fails while the broker is frozen must not leave it behind."""
    fetch.require_parts()
    broker = ApacheKafka(tmp_path, users=["detector"], acls=may_write("detector", ALERTS))
    broker.stop()
    for end in (broker.kill, broker.stop):
        broker.start()
        broker.start()
        broker.create_topics([ALERTS])
        assert deliver(broker.client_settings("detector"), ALERTS) is None
        process = psutil.Process(broker.pid)
        broker.freeze()
        end()
        end()
        assert not process.is_running()
        assert not broker.is_running
        with pytest.raises(RuntimeError, match="start"):
            broker.freeze()


def test_passwords_are_new_each_time_and_not_in_the_repr(kafka: ApacheKafka, tmp_path: Path) -> None:
    other = ApacheKafka(tmp_path, users=["detector"])
    assert other.password("detector") != kafka.password("detector")
    assert kafka.password("detector") not in repr(kafka)
    assert stat.S_IMODE((kafka.directory / "server.properties").stat().st_mode) == 0o600


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends a child with its parent")
def test_a_killed_test_run_leaves_no_broker(tmp_path: Path) -> None:
    fetch.require_parts()
    program = f"""
        import sys, time
        sys.path.insert(0, {str(Path(__file__).parents[1])!r})
        from pathlib import Path
        from kafka_broker.apache import ApacheKafka
        broker = ApacheKafka(Path({str(tmp_path)!r}), users=[])
        broker.start()
        print(broker.pid, flush=True)
        time.sleep(600)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        broker = psutil.Process(int(parent.stdout.readline()))
        assert "kafka.Kafka" in broker.cmdline()
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait(10)
    wait_for(
        lambda: not broker.is_running() or broker.status() == psutil.STATUS_ZOMBIE, "its end", timeout=10
    )
