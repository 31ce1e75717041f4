"""Watching a drill, on a whole rehearsal and on a broker without a drill server."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from alert_samples import make_alert, open_stage
from waiting import AT_ONCE_SEC, wait_for
from widgets.panel_stage import rehearsal

from snews_drill.connection import Connection
from snews_drill.drill.evidence import DrillWatch
from snews_drill.drill.scenarios import load_scenario
from snews_drill.errors import NoAnswer, NotPermitted, ScenarioError, SettingsError, UnknownDetector
from snews_drill.heartbeats import send_heartbeat
from snews_drill.names import set_name
from snews_drill.profiles import LIVE_BROKER, get_profile
from snews_drill.publisher import SNEWSTiersPublisher
from snews_drill.rehearsal.broker import EmbeddedBroker
from snews_drill.remote import test_connection
from snews_drill.settings import DrillSettings
from snews_drill.subscriber import Subscriber
from snews_drill.transport import Transport
from snews_drill.wire.dialects import get_dialect
from snews_drill.wire.payload import Payload

SMALL = "three-out-of-order"


@pytest.fixture
def connection(settings: DrillSettings) -> Iterator[Connection]:
    with rehearsal(settings) as connection:
        yield connection


def publish(connection: Connection, **arguments: object) -> None:
    SNEWSTiersPublisher(connection=connection, verbose=False, **arguments).send_to_snews(verbose=False)  # type: ignore[arg-type]


def done(watch: DrillWatch) -> list[str]:
    return [step.name for step in watch.steps if step.is_done]


def test_a_whole_drill_ticks_every_step(connection: Connection) -> None:
    """Each step is ticked by what happens on the topics, in the order of the checklist; nobody clicks."""
    with DrillWatch("betelgeuse", connection=connection) as watch:
        assert done(watch) == ["name"]
        test_connection(connection=connection, verbose=False)
        watch.wait_for("connection")
        send_heartbeat(connection=connection)
        assert "counts 1 in" in watch.wait_for("heartbeats").detail
        publish(connection, neutrino_time=watch.neutrino_time, p_val=0.05)
        watch.wait_for("observation")
        assert "alert" not in done(watch)
        assert len(watch.play_others()) == 18
        watch.wait_for("alert")
        assert "retraction" not in done(watch)
        publish(connection, retract_latest=1)
        watch.wait_for("retraction")
        watch.wait_for("retraction_alert")
        assert repr(watch) == "DrillWatch(7 of 7 steps done)"
        times = [step.done_ns or 0 for step in watch.steps]
        assert times == sorted(times)
    assert not watch.is_running


def test_what_others_send_is_no_evidence(connection: Connection) -> None:
    """Everything of another detector goes by; then one's own heartbeat is seen, so it was looking."""
    with DrillWatch(SMALL, connection=connection) as watch:
        test_connection("JUNO", connection=connection, verbose=False)
        send_heartbeat(detector_name="JUNO", connection=connection)
        publish(connection, detector_name="JUNO", neutrino_time=watch.neutrino_time, is_test=True)
        publish(connection, detector_name="LVD", neutrino_time=watch.neutrino_time, is_test=True)
        send_heartbeat(connection=connection)
        watch.wait_for("heartbeats")
        assert done(watch) == ["name", "heartbeats"]


def test_a_step_that_stays_open_says_what_to_do(connection: Connection) -> None:
    """Waiting is bounded; the error names the step, what to look at and what to call."""
    watch = DrillWatch(SMALL, connection=connection)
    with pytest.raises(NoAnswer, match="not running"):
        watch.wait_for("alert", timeout=0.05)
    with watch:
        with pytest.raises(NoAnswer, match="An alert lists you") as caught:
            watch.wait_for("alert", timeout=0.1)
        assert "play_others" in caught.value.next_step
        with pytest.raises(SettingsError, match="no step"):
            watch.wait_for("party")


def test_it_follows_the_remembered_name(settings: DrillSettings) -> None:
    """A drill may begin before anybody said who it is for, and a new name begins it anew."""
    with rehearsal(settings, name=None) as connection, DrillWatch(SMALL, connection=connection) as watch:
        assert done(watch) == []
        assert watch.detector is None
        set_name("JUNO", verbose=False)
        watch.wait_for("name")
        assert watch.detector == "JUNO"
        test_connection(connection=connection, verbose=False)
        watch.wait_for("connection")
        set_name("LVD", verbose=False)
        wait_for(lambda: watch.detector == "LVD", "the other name")
        assert done(watch) == ["name"]


def test_start_and_stop_twice_and_again(connection: Connection) -> None:
    """One thread; ticks stay; a subscriber that was given is neither started nor stopped."""
    with Subscriber(connection=connection) as subscriber:
        watch = DrillWatch(SMALL, detector="JUNO", connection=connection, subscriber=subscriber)
        watch.stop()
        for _ in range(2):
            watch.start()
            watch.start()
            assert [t.name for t in threading.enumerate()].count("snews_drill guide") == 1
            test_connection("JUNO", connection=connection, verbose=False)
            watch.wait_for("connection")
            watch.stop()
            watch.stop()
            assert not watch.is_running
        assert done(watch) == ["name", "connection"]
        assert subscriber.is_running


def test_on_a_shared_broker_the_acknowledgement_is_the_evidence(
    broker: EmbeddedBroker, settings: DrillSettings
) -> None:
    """There nobody tells the count, and the step says so; garbage on the topic does no harm; a given subscriber is used."""
    named = settings.model_copy(update={"detector_name": "XENONnT"})
    with (
        open_stage(broker.address, named, label="shared") as stage,
        Subscriber(connection=stage.connection) as subscriber,
        DrillWatch(SMALL, connection=stage.connection, subscriber=subscriber) as watch,
    ):
        stage.transport.send(
            stage.observation_topic, [Payload(b"\x80\x04garbage"), Payload(b'{"_id": 5}'), Payload(b"")]
        )
        send_heartbeat(connection=stage.connection)
        assert "does not tell" in watch.wait_for("heartbeats").detail
        publish(stage.connection, neutrino_time=watch.neutrino_time, is_test=True)
        watch.wait_for("observation")
        alert = make_alert(names=("JUNO", "XENONnT"))
        stage.publish(alert)
        subscriber.wait_for(1)
        assert "alert" not in done(watch)  # another neutrino time
        own_ns = watch._guide.neutrino_time_ns
        stage.publish(alert.model_copy(update={"id": "mine", "neutrino_times_ns": (own_ns, own_ns)}))
        watch.wait_for("alert")


def test_an_outage_is_told_and_survived(settings: DrillSettings) -> None:
    """While the broker is away it says so; afterwards it goes on ticking."""
    named = settings.model_copy(update={"detector_name": "XENONnT"})
    with (
        EmbeddedBroker() as broker,
        open_stage(broker.address, named) as stage,
        DrillWatch(SMALL, connection=stage.connection) as watch,
    ):
        broker.stop()
        wait_for(lambda: watch.problem, "a word about the outage")
        broker.start()
        stage.make_topics()
        wait_for(lambda: not watch.problem, "the end of the outage")

        def is_seen() -> bool:
            # The broker comes back empty: what is sent before the reader has found it again may be passed over.
            send_heartbeat(connection=stage.connection)
            return "heartbeats" in done(watch)

        wait_for(is_seen, "the heartbeat")


def test_a_closed_connection_ends_it(broker: EmbeddedBroker, settings: DrillSettings) -> None:
    """It says why."""
    with open_stage(broker.address, settings, label="ends") as stage:
        watch = DrillWatch(SMALL, detector="JUNO", connection=stage.connection)
        watch.start()
        stage.connection.close()
        wait_for(lambda: not watch.is_running, "the end of the thread")
        assert "closed" in watch.problem


def test_stop_is_quick_while_nobody_answers(broker: EmbeddedBroker, settings: DrillSettings) -> None:
    """Within two seconds whatever it waits for."""
    with open_stage(broker.address, settings, label="quick") as stage:
        watch = DrillWatch(SMALL, detector="JUNO", connection=stage.connection)
        watch.start()
        begun = time.monotonic()
        watch.stop()
        assert time.monotonic() - begun < AT_ONCE_SEC


def test_nobody_speaks_for_others_on_a_live_broker(settings: DrillSettings) -> None:
    """Nothing is sent there."""
    transport = Transport(LIVE_BROKER)
    with (
        Connection(get_profile("firedrill"), transport, get_dialect("3"), settings=settings) as live,
        pytest.raises(NotPermitted, match="live broker"),
    ):
        DrillWatch(SMALL, detector="JUNO", connection=live).play_others()


def test_wrong_arguments_are_refused(broker: EmbeddedBroker, settings: DrillSettings, tmp_path: Path) -> None:
    """Scenario and detector at once, others when they are to be played."""
    with pytest.raises(ScenarioError):
        DrillWatch("nothing like this")
    with pytest.raises(UnknownDetector):
        DrillWatch(SMALL, detector="Telescope")
    alone = tmp_path / "alone.toml"
    alone.write_text(
        'title = "alone"\nstart = "2023-02-07T12:00:00"\n[[observation]]\ndetector = "JUNO"\noffset_ms = 0.0\np_val = 0.05\n'
    )
    with (
        open_stage(broker.address, settings, label="alone") as stage,
        pytest.raises(ScenarioError, match="no other"),
    ):
        DrillWatch(str(alone), detector="JUNO", connection=stage.connection).play_others()


def test_a_guide_that_was_left_open_for_days_begins_anew(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its neutrino times would be refused as too old."""
    now_ns = time.time_ns()
    with monkeypatch.context() as patch:
        patch.setattr("snews_drill.drill.evidence.time.time_ns", lambda: now_ns - 3 * 86_400 * 10**9)
        watch = DrillWatch(detector="JUNO", connection=connection)
    old = watch.neutrino_time
    with watch:
        assert watch.neutrino_time > old
        publish(connection, detector_name="JUNO", neutrino_time=watch.neutrino_time, p_val=0.05)
        watch.wait_for("observation")
        watch.play_others()
        watch.wait_for("alert")


def test_a_scenario_of_tests_keeps_its_ticks_however_old_its_times_are(connection: Connection) -> None:
    """Nobody compares them with the clock, and a new start would give the same ones."""
    old = load_scenario(SMALL).model_copy(update={"start_ns": 1_339_255_868_109_876_000})
    assert old.is_test
    with DrillWatch(old, detector="JUNO", connection=connection) as watch:
        publish(connection, detector_name="JUNO", neutrino_time=watch.neutrino_time, p_val=0.05, is_test=True)
        watch.wait_for("observation")
    with watch:
        assert "observation" in done(watch)
