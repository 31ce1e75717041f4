"""Heartbeats, on the embedded broker."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from alert_samples import Stage, open_stage
from waiting import AT_ONCE_SEC, wait_for

from snews_drill.errors import DeliveryFailed, InvalidMessage, NameNotSet, SettingsError, UnknownDetector
from snews_drill.heartbeats import HeartbeatSender, send_heartbeat
from snews_drill.messages.tiers import Heartbeat
from snews_drill.rehearsal.broker import EmbeddedBroker
from snews_drill.settings import DrillSettings
from snews_drill.transport import Reader, Receipt
from snews_drill.wire.dialects import decode_record


@pytest.fixture
def stage(broker: EmbeddedBroker, settings: DrillSettings, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A connection on topics of this test's own, for a user who is XENONnT."""
    label = re.sub(r"\W", "_", request.node.name)[:60]
    named = settings.model_copy(update={"detector_name": "XENONnT"})
    with open_stage(broker.address, named, label=label) as stage:
        yield stage


@pytest.fixture
def beats(stage: Stage) -> Iterator[Beats]:
    """What arrives on the observation topic."""
    reader = stage.connection.open_reader([stage.observation_topic])
    yield Beats(reader)
    reader.close()


class Beats:
    """Heartbeats as a server reads them."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.read: list[Heartbeat] = []

    def wait_for(self, count: int) -> list[Heartbeat]:
        def enough() -> bool:
            for record in self._reader.read(timeout=0.05):
                message = decode_record(record.value, record.content_format).value
                assert isinstance(message, Heartbeat)
                self.read.append(message)
            return len(self.read) >= count

        wait_for(enough, f"{count} heartbeats")
        return self.read


def test_one_heartbeat_is_acknowledged_and_arrives(
    stage: Stage, beats: Beats, capfd: pytest.CaptureFixture[str]
) -> None:
    """The remembered name, any case of the status, the time that was given; nothing is printed."""
    receipt = send_heartbeat("off", "2023-05-08T14:19:52", connection=stage.connection)
    assert isinstance(receipt, Receipt)
    assert receipt.topic == stage.observation_topic
    (beat,) = beats.wait_for(1)
    assert beat.detector_name == "XENONnT"
    assert beat.detector_status == "OFF"
    assert beat.machine_time_ns == 1683555592_000000000
    assert abs(time.time_ns() - (beat.sent_time_ns or 0)) < 60e9
    assert capfd.readouterr().out == ""


def test_a_wrong_heartbeat_is_not_sent(stage: Stage, settings: DrillSettings) -> None:
    """Status, time, name: each is refused with its reason before anything is sent."""
    with pytest.raises(InvalidMessage, match="neither ON nor OFF"):
        send_heartbeat("MAYBE", connection=stage.connection)
    with pytest.raises(InvalidMessage, match="machine_time"):
        send_heartbeat("ON", "yesterday", connection=stage.connection)
    with pytest.raises(UnknownDetector):
        send_heartbeat("ON", detector_name="Telescope", connection=stage.connection)
    stage.connection._settings = settings
    with pytest.raises(NameNotSet):
        send_heartbeat("ON", connection=stage.connection)
    with pytest.raises(NameNotSet):
        HeartbeatSender(connection=stage.connection).start()


@pytest.mark.parametrize("every", [0, -1, float("nan"), float("inf"), 10**400, "60", None, True])
def test_every_must_be_a_time(every: object) -> None:
    """Anything but a positive number of seconds is refused at once."""
    with pytest.raises(SettingsError, match="every="):
        HeartbeatSender("XENONnT", every=every)  # type: ignore[arg-type]


def test_the_first_comes_at_once_and_the_rest_at_a_steady_pace(stage: Stage, beats: Beats) -> None:
    """Sending times do not drift: ten intervals take no longer than ten intervals."""
    every = 0.1
    begun = time.time_ns()
    with HeartbeatSender("SK", every=every, connection=stage.connection) as sender:
        assert sender.is_running
        arrived = list(beats.wait_for(11))
    assert not sender.is_running
    assert {beat.detector_name for beat in arrived} == {"Super-K"}
    times = [(beat.sent_time_ns or 0) - begun for beat in arrived]
    assert times[0] < 1e9
    drift = (times[10] - times[0]) / 1e9 - 10 * every
    assert abs(drift) < 0.09
    state = sender.state
    assert state.sent == state.acknowledged >= 11
    assert (state.failed, state.missed, state.last_error) == (0, 0, "")
    assert sender.missed == []
    assert state.last_latency_ms is not None
    assert 0 < state.last_latency_ms < 1000
    assert state.last_acknowledged_ns is not None


def test_a_new_status_is_sent_at_once(stage: Stage, beats: Beats) -> None:
    """Long before the next one is due; a wrong one is refused and changes nothing."""
    with HeartbeatSender(every=3600, connection=stage.connection) as sender:
        beats.wait_for(1)
        with pytest.raises(InvalidMessage):
            sender.status = "BROKEN"
        assert sender.status == "ON"
        sender.status = "off"
        assert [beat.detector_status for beat in beats.wait_for(2)] == ["ON", "OFF"]
        assert sender.state.status == "OFF"


def test_start_and_stop_may_be_repeated(stage: Stage, beats: Beats) -> None:
    """Twice is harmless, stop takes less than a second between two heartbeats, and it starts again."""
    sender = HeartbeatSender(every=3600, connection=stage.connection)
    sender.stop()
    for count in (1, 2):
        sender.start()
        sender.start()
        wait_for(lambda expected=count: sender.state.acknowledged == expected, "a heartbeat")
        beats.wait_for(count)
        begun = time.monotonic()
        sender.stop()
        sender.stop()
        assert time.monotonic() - begun < AT_ONCE_SEC
        assert not sender.is_running
    assert sender.state.sent == 2


def test_an_outage_is_survived_and_told(settings: DrillSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Heartbeats that were not acknowledged are counted as a gap that ends with the first that is."""
    monkeypatch.setattr("snews_drill.heartbeats._PATIENCE_SEC", 0.3)
    with (
        EmbeddedBroker() as broker,
        open_stage(broker.address, settings) as stage,
        HeartbeatSender("JUNO", every=0.1, connection=stage.connection) as sender,
    ):
        wait_for(lambda: sender.state.acknowledged >= 2, "two heartbeats")
        broker.stop()
        lost_ns = time.time_ns()
        wait_for(lambda: sender.state.failed >= 2, "two failed heartbeats")
        (gap,) = sender.missed
        assert gap.until_ns is None
        assert abs(gap.since_ns - lost_ns) < 1e9
        assert gap.count >= 2
        assert " heartbeats missed since 20" in repr(sender)
        assert sender.is_running
        assert sender.state.last_error
        before = sender.state.acknowledged
        broker.start()
        stage.make_topics()
        wait_for(lambda: sender.state.acknowledged > before + 2, "heartbeats again")
        assert sender.missed[0].until_ns is not None
        assert sender.missed[0].since_ns < sender.missed[0].until_ns
        assert f"; {sender.missed[-1]})" in repr(sender)
        assert re.match(r"\d+ heartbeats missed from 20\S+ UTC to 20\S+ UTC$", str(sender.missed[0]))
        assert sum(gap.count for gap in sender.missed) == sender.state.missed
        # Those that fell due while one waited in vain are counted too.
        assert sender.state.missed > sender.state.failed


def test_stop_does_not_wait_for_a_broker_that_is_away(settings: DrillSettings) -> None:
    """In the middle of a heartbeat that nobody acknowledges, stop takes less than a second."""
    with EmbeddedBroker() as broker, open_stage(broker.address, settings) as stage:
        sender = HeartbeatSender("JUNO", every=3600, connection=stage.connection)
        broker.stop()
        sender.start()
        begun = time.monotonic()
        sender.stop()
        assert time.monotonic() - begun < AT_ONCE_SEC
        wait_for(lambda: not sender.is_running, "the end of the thread", timeout=2)
        with pytest.raises(DeliveryFailed):
            send_heartbeat(detector_name="JUNO", connection=stage.connection, timeout=0.2)


def test_a_closed_connection_ends_it(stage: Stage) -> None:
    """It says why it no longer sends."""
    with HeartbeatSender(every=0.05, connection=stage.connection) as sender:
        wait_for(lambda: sender.state.acknowledged, "a heartbeat")
        stage.connection.close()
        wait_for(lambda: not sender.is_running, "the end of the thread")
        assert "closed" in sender.state.last_error


@pytest.mark.parametrize("every", [0, -1, 1e10, float("nan"), "60", True])
def test_an_impossible_pace_is_refused_also_later(stage: Stage, every: object) -> None:
    with pytest.raises(SettingsError, match="at most a day"):
        HeartbeatSender(every=every, connection=stage.connection)  # type: ignore[arg-type]
    sender = HeartbeatSender(connection=stage.connection)
    with pytest.raises(SettingsError, match="at most a day"):
        sender.every = every  # type: ignore[assignment]


def test_a_new_pace_is_counted_from_its_beginning(stage: Stage) -> None:
    """Nothing is missed that was never due."""
    with HeartbeatSender(every=3600, connection=stage.connection) as sender:
        wait_for(lambda: sender.state.acknowledged == 1, "the first")
        begun = time.monotonic()
        wait_for(lambda: time.monotonic() - begun > 0.5, "half a second to pass")
        sender.every = 0.1
        wait_for(lambda: sender.state.acknowledged >= 4, "some more")
        assert sender.state.missed <= 1  # a busy machine may leave one out, not the five of the time before


def test_it_says_where_and_for_whom_it_sends(stage: Stage, settings: DrillSettings) -> None:
    sender = HeartbeatSender("sk", every=3600)
    assert (sender.connection, sender.sends_as) == (None, None)
    sender = HeartbeatSender("sk", every=3600, connection=stage.connection)
    with sender:
        assert (sender.connection, sender.sends_as) == (stage.connection, "Super-K")
