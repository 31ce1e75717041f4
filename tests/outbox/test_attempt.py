"""A message is on disk before it leaves, and gone when the broker has it."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from broker_stand import Stand, environment_for, freeze, thaw
from outbox.conftest import recently
from waiting import wait_for

from snews_drill.connection import Connection
from snews_drill.errors import DeliveryFailed, MessageTooLarge, OutboxError
from snews_drill.outbox import Attempt, Outbox
from snews_drill.publisher import SNEWSTiersPublisher
from snews_drill.settings import DrillSettings


def test_what_was_acknowledged_leaves_nothing(link: Connection, outbox: Outbox) -> None:
    """The usual case: kept, sent, let go."""
    SNEWSTiersPublisher(neutrino_time=recently(), connection=link, verbose=False).send_to_snews(verbose=False)
    assert outbox.entries == []
    assert list(outbox.folder.iterdir()) == []


@pytest.mark.usefixtures("spoken")
def test_what_was_not_acknowledged_is_kept_and_told(
    fail: Callable[..., SNEWSTiersPublisher], outbox: Outbox, link: Connection
) -> None:
    """Private, byte for byte, with its place and the reason."""
    publisher = fail(neutrino_time=recently(), p_val=0.05)
    (entry,) = outbox.entries
    assert entry.payload == link.dialect.encode_message(publisher.messages[0])
    assert (entry.broker, entry.profile, entry.dialect) == (link.broker, "rehearsal", link.dialect.NAME)
    assert entry.topic == link.topics().observations
    assert (entry.detector_name, entry.tier, entry.attempts) == ("XENONnT", "CoincidenceTier", 1)
    assert "did not acknowledge within 0.4 s" in entry.reason
    (file,) = outbox.folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(outbox.folder.stat().st_mode) == 0o700


def test_the_error_says_where_the_message_is(stand: Stand, link: Connection, outbox: Outbox) -> None:
    """And carries the entry's name."""
    publisher = SNEWSTiersPublisher(neutrino_time=recently(), connection=link, verbose=False)
    freeze(stand)
    with pytest.raises(DeliveryFailed, match="snews-drill outbox send") as caught:
        publisher.send_to_snews(verbose=False, timeout=0.3)
    thaw(stand)
    assert [entry.id for entry in outbox.entries] == list(caught.value.kept)


def test_heartbeats_are_not_kept(fail: Callable[..., SNEWSTiersPublisher], outbox: Outbox) -> None:
    """A late one tells of a time that is over; what came with it is kept."""
    fail(detector_status="ON", neutrino_time=recently())
    assert [entry.tier for entry in outbox.entries] == ["CoincidenceTier"]


@pytest.mark.usefixtures("spoken")
def test_sending_from_messages_again_clears_the_entry(
    fail: Callable[..., SNEWSTiersPublisher], outbox: Outbox
) -> None:
    """Every earlier attempt at the same message goes, also of a message that was mended in between."""
    publisher = fail(neutrino_time=recently(), p_val=0.05)
    publisher.messages[0]["p_val"] = 0.07
    publisher.send_to_snews(verbose=False)
    assert outbox.entries == []
    assert list(outbox.folder.iterdir()) == []


def test_failing_again_keeps_one_entry(
    fail: Callable[..., SNEWSTiersPublisher], stand: Stand, outbox: Outbox
) -> None:
    """With the newest content, the first time, and the number of attempts."""
    publisher = fail(neutrino_time=recently(), p_val=0.05)
    (first,) = outbox.entries
    publisher.messages[0]["p_val"] = 0.07
    freeze(stand)
    with pytest.raises(DeliveryFailed):
        publisher.send_to_snews(verbose=False, timeout=0.3)
    thaw(stand)
    (entry,) = outbox.entries
    assert (entry.id, entry.kept_ns, entry.attempts) == (first.id, first.kept_ns, 2)
    assert entry.fields["p_val"] == 0.07
    assert len(list(outbox.folder.iterdir())) == 1


def test_an_interrupted_sender_leaves_the_message(
    link: Connection, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while it waits: kept, and told why."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt  # not a signal: a test run in the background ignores it

    publisher = SNEWSTiersPublisher(neutrino_time=recently(), connection=link, verbose=False)
    monkeypatch.setattr(link, "send", interrupted)
    with pytest.raises(KeyboardInterrupt):
        publisher.send_to_snews(verbose=False)
    (entry,) = outbox.entries
    assert entry.reason == "Sending was interrupted."


def test_a_message_that_no_broker_takes_is_not_kept(link: Connection, outbox: Outbox) -> None:
    """It would never leave the outbox; the sender has it still."""
    publisher = SNEWSTiersPublisher(neutrino_time=recently(), connection=link, verbose=False)
    publisher.messages[0]["meta"] = {"note": "x" * 1_100_000}
    with pytest.raises(DeliveryFailed) as caught:
        publisher.send_to_snews(verbose=False)
    assert isinstance(caught.value.__cause__, MessageTooLarge)
    assert outbox.entries == []
    assert "outbox" not in caught.value.next_step


_SENDER = """
import sys
from broker_stand import open_transport
from snews_drill.connection import Connection
from snews_drill.profiles import Profile
from snews_drill.publisher import SNEWSTiersPublisher
from snews_drill.settings import load_settings
from snews_drill.transport import Transport
from snews_drill.wire.dialects import get_dialect

profile = Profile.model_validate_json(sys.argv[1])
there = Connection(profile, Transport(sys.argv[2]), get_dialect("1.3"), settings=load_settings())
SNEWSTiersPublisher(detector_name="XENONnT", detector_status="ON", connection=there).send_to_snews()
msg = SNEWSTiersPublisher(detector_name="XENONnT", neutrino_time=sys.argv[3], p_val=0.05, connection=there)
print("ready", flush=True)
sys.stdin.readline()
msg.send_to_snews(timeout=60)
"""


def test_a_killed_sender_leaves_the_message(
    stand: Stand, link: Connection, user: DrillSettings, outbox: Outbox, tmp_path: Path
) -> None:
    """kill -9 in the middle of sending: the message is there, told for what it is, and can be sent."""
    if stand.keeps_content:
        pytest.skip("the child has no account on Apache Kafka; the embedded broker shows it")
    command = [sys.executable, "-c", _SENDER, link.profile.model_dump_json(), link.broker, recently()]
    environment = {
        **environment_for(stand, tmp_path),
        "SNEWS_DRILL_HOME": str(user.state_dir.parent),
        "PYTHONPATH": str(Path(__file__).parent.parent),
    }
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as sender:
        assert sender.stdin is not None
        assert sender.stdout is not None
        wait_for(lambda: "ready" in (sender.stdout.readline() if sender.stdout else ""), "the sender")
        freeze(stand)
        sender.stdin.write("\n")
        sender.stdin.flush()
        (entry,) = wait_for(lambda: outbox.entries, "the message in the outbox")
        assert entry.is_being_sent
        with pytest.raises(OutboxError, match="being sent"):
            outbox.drop(entry.id)
        os.kill(sender.pid, signal.SIGKILL)
        sender.wait(5)
    thaw(stand)
    (entry,) = outbox.entries
    assert not entry.is_being_sent
    assert "ended before the broker answered" in entry.reason
    report = outbox.send(connection=link)
    assert report
    assert outbox.entries == []


@contextmanager
def no_room() -> Iterator[None]:
    """No file may grow, as on a full disk. Not for longer than needed: the test run's own output may be a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_stops_no_message(link: Connection, outbox: Outbox) -> None:
    """It is sent all the same, and acknowledged."""
    publisher = SNEWSTiersPublisher(neutrino_time=recently(), connection=link, verbose=False)
    with no_room():
        assert len(publisher.send_to_snews(verbose=False)) == 1
        assert outbox.entries == []


def test_a_full_disk_is_told_when_the_message_is_not_delivered(
    stand: Stand, link: Connection, outbox: Outbox
) -> None:
    """Reason and next step; the messages are still with the sender."""
    publisher = SNEWSTiersPublisher(neutrino_time=recently(), connection=link, verbose=False)
    freeze(stand)
    with no_room(), pytest.raises(DeliveryFailed, match="the disk is full") as caught:
        publisher.send_to_snews(verbose=False, timeout=0.3)
    thaw(stand)
    assert "Not safely kept in the outbox" in caught.value.next_step
    assert caught.value.kept == ()
    assert len(publisher.messages) == 1
    assert list(outbox.folder.iterdir()) == []


def test_a_folder_that_is_a_link_is_never_used(link: Connection, outbox: Outbox, tmp_path: Path) -> None:
    """Sending goes on, nothing is written through it."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    outbox.folder.parent.mkdir(parents=True)
    outbox.folder.symlink_to(elsewhere)
    publisher = SNEWSTiersPublisher(neutrino_time=recently(), connection=link, verbose=False)
    with Attempt(
        link,
        link.topics().observations,
        publisher.messages,
        [link.dialect.encode_message(publisher.messages[0])],
        timeout=1,
    ) as attempt:
        pass
    assert attempt.trouble is not None
    assert attempt.kept == ()
    assert len(publisher.send_to_snews(verbose=False)) == 1
    assert list(elsewhere.iterdir()) == []
