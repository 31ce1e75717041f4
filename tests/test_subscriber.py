"""The subscriber, on the embedded broker."""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
from alert_samples import DETECTORS, Stage, make_alert, open_stage, to_payload
from broker_stand import Stand, environment_for
from waiting import AT_ONCE_SEC, wait_for

import snews_drill.subscriber
from snews_drill.errors import (
    NoAnswer,
    NotPermitted,
    PluginError,
    SettingsError,
    TransportError,
    UnknownTopic,
)
from snews_drill.inbox import Phase, SubscriberState
from snews_drill.rehearsal.broker import EmbeddedBroker
from snews_drill.rehearsal.launcher import ensure_rehearsal
from snews_drill.settings import DrillSettings
from snews_drill.subscriber import Subscriber


@pytest.fixture
def stage(broker: EmbeddedBroker, settings: DrillSettings, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A connection on topics of this test's own."""
    label = request.node.name.translate(str.maketrans("[] ", "___"))[:60]
    with open_stage(broker.address, settings, label=label) as stage:
        yield stage


def test_an_alert_arrives_while_the_caller_is_free(stage: Stage) -> None:
    """start() returns at once, and an alert that is published right after it is not lost."""
    begun = time.monotonic()
    with Subscriber(connection=stage.connection) as subscriber:
        assert time.monotonic() - begun < AT_ONCE_SEC
        alert = make_alert()
        stage.publish(alert)
        (received,) = subscriber.wait_for(1, timeout=5)
        assert received.id == alert.id
        assert received.detector_names == DETECTORS
        assert received.neutrino_times_ns == alert.neutrino_times_ns
        assert subscriber.state.phase is Phase.LISTENING
    assert not subscriber.is_running
    assert subscriber.state.phase is Phase.STOPPED
    assert [a.id for a in subscriber.alerts] == [alert.id]


def test_subscribe_prints_the_tutorials_words_and_nothing_else(
    stage: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    """The two lines are printed by the caller; the thread prints nothing."""
    subscriber = Subscriber(connection=stage.connection).subscribe()
    assert subscriber is not None
    with subscriber:
        stage.publish(make_alert())
        subscriber.wait_for(1)
    printed = capfd.readouterr()
    address = f"kafka://{stage.connection.broker}/{stage.alert_topic}"
    assert printed.out == f"You are subscribing to ALERT\nBroker:{address}\n"
    assert printed.err == ""


def test_subscribing_twice_listens_once(stage: Stage) -> None:
    """The second call keeps the thread, nothing comes twice; another folder is refused while it listens."""
    with Subscriber(connection=stage.connection) as subscriber:
        threads = set(threading.enumerate())
        subscriber.subscribe()
        subscriber.start()
        assert set(threading.enumerate()) == threads
        stage.publish(make_alert())
        assert len(subscriber.wait_for(1)) == 1
        with pytest.raises(SettingsError, match="listens already"):
            subscriber.subscribe(outputfolder="elsewhere")


def test_views_are_shown_the_subscriber(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a notebook registers is called with the subscriber, by subscribe and not by start."""
    shown: list[Subscriber] = []
    monkeypatch.setattr(snews_drill.subscriber, "views", [shown.append])
    with Subscriber(connection=stage.connection) as subscriber:
        assert shown == []
        subscriber.subscribe()
        assert shown == [subscriber]


def test_an_alert_that_comes_again_is_shown_once(stage: Stage) -> None:
    """Same id and content: a repetition. Same id, other content: an alert."""
    first = make_alert()
    changed = first.model_copy(update={"alert_type": "UPDATE"})
    with Subscriber(connection=stage.connection) as subscriber:
        stage.publish(first, first, changed, first)
        wait_for(lambda: subscriber.state.received == 4, "four records")
        assert [alert.alert_type for alert in subscriber.alerts] == ["COINC_MSG", "UPDATE"]
        assert subscriber.state.duplicates == 2
        assert subscriber.state.shown == 2


def test_start_at_the_beginning_reads_what_is_there(stage: Stage) -> None:
    """ "now" leaves out what was published before, "beginning" does not."""
    old = make_alert()
    stage.publish(old)
    with (
        Subscriber(connection=stage.connection) as late,
        Subscriber(connection=stage.connection, start="beginning") as thorough,
    ):
        new = make_alert()
        stage.publish(new)
        assert [alert.id for alert in thorough.wait_for(2)] == [old.id, new.id]
        # The embedded broker may hand over the last batch again to a reader of what is new.
        assert new.id in [alert.id for alert in late.wait_for(1)]


def test_unreadable_records_are_kept_and_do_not_stop_the_stream(stage: Stage) -> None:
    """Garbage and wrong types are counted and kept with their bytes, and alerts behind them arrive."""
    garbage = [
        b"",
        b"\xff\xfe",
        b"[1, 2]",
        b'{"_id": 5}',
        b'{"_id": "x", "alert_type": "UPDATE"}',
        b"[" * 10_000,
    ]
    with Subscriber(connection=stage.connection) as subscriber:
        stage.publish_raw(*garbage)
        stage.publish(make_alert())
        subscriber.wait_for(1)
        assert [error.raw for error in subscriber.unreadable] == garbage
        assert subscriber.state.unreadable == len(garbage)
        assert subscriber.state.last_error


def test_a_callback_that_raises_is_reported_and_called_again(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """The stream and the other callbacks go on; each failure is in the log, the state and callback_errors."""
    calls: list[str] = []
    seen: list[str] = []

    def broken(alert: object) -> None:
        calls.append("broken")
        raise RuntimeError("no bell")

    with (
        caplog.at_level(logging.WARNING, "snews_drill"),
        Subscriber(connection=stage.connection) as subscriber,
    ):
        subscriber.on_alert(broken)
        end = subscriber.on_alert(lambda alert: seen.append(alert.id))
        alerts = [make_alert() for _ in range(3)]
        stage.publish(*alerts[:2])
        wait_for(lambda: len(seen) == 2, "two calls")
        end()
        end()
        stage.publish(alerts[2])
        wait_for(lambda: len(calls) == 3, "the third call of the callback that stays")
        wait_for(lambda: subscriber.state.callback_failures == 3, "three failures")
        assert seen == [alert.id for alert in alerts[:2]]
        assert "no bell" in subscriber.state.last_error
        assert len(subscriber.callback_errors) == 3
        assert "RuntimeError: no bell" in subscriber.callback_errors[0]
        assert "no bell" in caplog.text


def test_callbacks_run_in_the_subscribers_thread_and_may_stop_it(stage: Stage) -> None:
    """stop() from a callback does not wait for itself."""
    names: list[str] = []
    with Subscriber(connection=stage.connection) as subscriber:

        def once(alert: object) -> None:
            names.append(threading.current_thread().name)
            subscriber.stop()

        subscriber.on_alert(once)
        stage.publish(make_alert(), make_alert())
        wait_for(lambda: not subscriber.is_running, "the end of the thread")
        assert names == [f"snews_drill {stage.alert_topic}"]


def test_wait_for_says_what_it_waited_for(stage: Stage) -> None:
    """NoAnswer names how many, where, how long and what came; without a listener it does not wait at all."""
    idle = Subscriber(connection=stage.connection)
    begun = time.monotonic()
    with pytest.raises(NoAnswer, match="stopped"):
        idle.wait_for(1, timeout=30)
    assert time.monotonic() - begun < AT_ONCE_SEC
    with Subscriber(connection=stage.connection) as subscriber:
        stage.publish(make_alert())
        with pytest.raises(NoAnswer) as caught:
            subscriber.wait_for(3, timeout=0.3)
    assert "0.3 s for 3 alerts" in caught.value.reason
    assert subscriber.url in caught.value.reason
    assert "1 came" in caught.value.reason


def test_wait_for_is_woken_by_the_end(stage: Stage) -> None:
    """Whoever waits when the subscriber is stopped is told at once."""
    with Subscriber(connection=stage.connection) as subscriber:
        caught: list[BaseException] = []

        def wait() -> None:
            try:
                subscriber.wait_for(1, timeout=30)
            except NoAnswer as error:
                caught.append(error)

        waiter = threading.Thread(target=wait, name="waiter")
        waiter.start()
        subscriber.stop()
        waiter.join(5)
        assert not waiter.is_alive()
        assert len(caught) == 1


def test_stop_takes_less_than_a_second_and_start_goes_on(stage: Stage) -> None:
    """Stopped twice, started again: the alerts stay, new ones come, counters go on."""
    subscriber = Subscriber(connection=stage.connection)
    subscriber.stop()
    for count in (1, 2):
        subscriber.start()
        assert subscriber.is_running
        stage.publish(make_alert())
        assert len(subscriber.wait_for(count)) == count
        begun = time.monotonic()
        subscriber.stop()
        subscriber.stop()
        assert time.monotonic() - begun < AT_ONCE_SEC
        assert not subscriber.is_running


def test_several_subscribers_side_by_side(stage: Stage, tmp_path: Path) -> None:
    """Each gets everything, and two on one folder never overwrite each other's files."""
    alerts = [make_alert() for _ in range(50)]
    subscribers = [Subscriber(connection=stage.connection, outputfolder=tmp_path / "a") for _ in range(3)]
    for subscriber in subscribers:
        subscriber.start()
    stage.publish(*alerts)
    for subscriber in subscribers:
        assert [a.id for a in subscriber.wait_for(50)] == [a.id for a in alerts]
    for subscriber in subscribers:
        subscriber.stop()
    files = list((tmp_path / "a").iterdir())
    assert sorted(int(file.name.split("-")[0]) for file in files) == list(range(150))
    ids = [json.loads(file.read_text())["_id"] for file in files]
    assert sorted(ids) == sorted([alert.id for alert in alerts] * 3)
    assert {entry.file for s in subscribers for entry in s.snapshot()} == set(files)


def test_memory_is_bounded_and_what_left_is_counted(stage: Stage, tmp_path: Path) -> None:
    """The newest alerts stay in memory, all stay on disk, and wait_for counts all that came."""
    alerts = [make_alert() for _ in range(30)]
    folder = tmp_path / "alerts"
    with Subscriber(connection=stage.connection, max_alerts=10, outputfolder=folder) as subscriber:
        stage.publish(*alerts)
        assert [a.id for a in subscriber.wait_for(30)] == [a.id for a in alerts[-10:]]
        assert subscriber.state.dropped == 20
        assert len(list(folder.iterdir())) == 30


def test_clear_forgets_and_does_not_show_again(stage: Stage) -> None:
    """After clear, wait_for counts from nothing, and an old alert that comes again stays away."""
    old, new = make_alert(), make_alert()
    with Subscriber(connection=stage.connection) as subscriber:
        stage.publish(old)
        subscriber.wait_for(1)
        subscriber.clear()
        assert subscriber.alerts == []
        stage.publish(old, new)
        assert [alert.id for alert in subscriber.wait_for(1)] == [new.id]
        assert [entry.number for entry in subscriber.snapshot()] == [2]
        assert subscriber.state.duplicates == 1


def test_alerts_is_a_list_of_the_callers_own(stage: Stage) -> None:
    """Changing what was returned changes nothing."""
    with Subscriber(connection=stage.connection) as subscriber:
        stage.publish(make_alert())
        subscriber.wait_for(1).clear()
        assert len(subscriber.alerts) == 1


def test_a_folder_that_cannot_be_written_is_refused_before_anything_runs(
    stage: Stage, tmp_path: Path
) -> None:
    """SettingsError, and no thread was started."""
    (tmp_path / "file").write_text("")
    subscriber = Subscriber(connection=stage.connection)
    with pytest.raises(SettingsError, match="cannot be saved"):
        subscriber.subscribe(outputfolder=tmp_path / "file" / "below")
    assert not subscriber.is_running
    with pytest.raises(PluginError, match="no script"):
        Subscriber(connection=stage.connection).subscribe(plugin=tmp_path / "missing.py")
    with pytest.raises(SettingsError, match="start="):
        Subscriber(start="yesterday")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="max_alerts"):
        Subscriber(max_alerts=0)


def test_a_disk_that_goes_away_is_reported_and_the_stream_goes_on(stage: Stage, tmp_path: Path) -> None:
    """Alerts still arrive in memory; the state counts those that were not saved and says why."""
    folder = tmp_path / "alerts"
    with Subscriber(connection=stage.connection, outputfolder=folder) as subscriber:
        folder.rmdir()
        stage.publish(make_alert())
        subscriber.wait_for(1)
        assert subscriber.state.unsaved == 1
        assert str(folder) in subscriber.state.last_error
        assert subscriber.snapshot()[0].file is None
        folder.mkdir()
        stage.publish(make_alert())
        subscriber.wait_for(2)
        assert subscriber.snapshot(since=1)[0].file is not None


def test_a_plugin_gets_each_file_and_its_outcome_is_kept(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a folder the files go to SNEWS_ALERTS; output and exit code are kept, failures are counted."""
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "a script.py"
    script.write_text(
        "import json, sys\n"
        "alert = json.load(open(sys.argv[1]))\n"
        "print(alert['_id'])\n"
        "sys.exit('no telescope' if alert['alert_type'] == 'UPDATE' else 0)\n"
    )
    good = make_alert()
    bad = make_alert().model_copy(update={"alert_type": "UPDATE"})
    runs: list[object] = []
    with Subscriber(connection=stage.connection, plugin=script) as subscriber:
        subscriber.on_plugin(runs.append)
        stage.publish(good, bad)
        wait_for(lambda: len(runs) == 2, "two runs")
        first, second = subscriber.plugin_runs
        assert runs == [first, second]
        assert first.is_ok
        assert first.stdout.strip() == good.id
        assert first.file == subscriber.snapshot()[0].file
        assert first.file.parent == tmp_path / "SNEWS_ALERTS"
        assert second.returncode == 1
        assert "no telescope" in second.stderr
        assert subscriber.state.plugin_failures == 1
        assert "no telescope" in subscriber.state.last_error


def test_a_slow_plugin_delays_nothing_and_is_killed_at_the_end(stage: Stage, tmp_path: Path) -> None:
    """Alerts arrive while the script sleeps; stop kills it within a second and says so."""
    script = tmp_path / "slow.py"
    script.write_text("import time\nprint('begun', flush=True)\ntime.sleep(60)\n")
    subscriber = Subscriber(connection=stage.connection, plugin=script, outputfolder=tmp_path / "a")
    subscriber.start()
    stage.publish(make_alert(), make_alert())
    subscriber.wait_for(2, timeout=5)
    begun = time.monotonic()
    subscriber.stop()
    assert time.monotonic() - begun < AT_ONCE_SEC
    wait_for(lambda: len(subscriber.plugin_runs) == 2, "both runs to be told")
    assert all("stopped" in run.error for run in subscriber.plugin_runs)


def test_an_unknown_topic_is_told_at_once(broker: EmbeddedBroker, settings: DrillSettings) -> None:
    """It cannot heal: the start raises, the state keeps the error, wait_for raises it again, nothing runs."""
    with open_stage(broker.address, settings, label="other") as stage:
        topics = stage.connection.profile.firedrill.model_copy(update={"alerts": "never.made"})
        stage.connection.profile = stage.connection.profile.model_copy(update={"firedrill": topics})
        subscriber = Subscriber(connection=stage.connection)
        with pytest.raises(UnknownTopic, match=r"never\.made"):
            subscriber.start()
        assert not subscriber.is_running
        assert subscriber.state.phase is Phase.FAILED
        assert isinstance(subscriber.state.error, UnknownTopic)
        with pytest.raises(UnknownTopic):
            subscriber.wait_for(1)
        subscriber.stop()


def test_an_outage_is_told_and_survived(settings: DrillSettings) -> None:
    """The state says since when the broker is gone; when it is back, empty, no alert is skipped."""
    with (
        ensure_rehearsal(settings, server_command=()) as rehearsal,
        open_stage(rehearsal.broker, settings, rehearsal=rehearsal) as stage,
        Subscriber(connection=stage.connection) as subscriber,
    ):
        phases: list[SubscriberState] = []
        stage.publish(make_alert())
        subscriber.wait_for(1)
        before = rehearsal.current_state()
        assert before is not None
        os.kill(before.broker_process.pid, signal.SIGKILL)
        wait_for(
            lambda: phases.append(subscriber.state) or phases[-1].phase is Phase.RECONNECTING,
            "the outage",
        )
        assert abs(time.time_ns() - phases[-1].since_ns) < 10e9
        wait_for(
            lambda: (now := rehearsal.current_state()) and now.instance != before.instance, "a new broker"
        )
        stage.make_topics()
        # As many as there were before: read on from the old position, the first of them would be lost.
        alerts = [make_alert(), make_alert()]
        stage.publish(*alerts)
        assert [alert.id for alert in subscriber.wait_for(3, timeout=20)[1:]] == [
            alert.id for alert in alerts
        ]
        wait_for(lambda: subscriber.state.phase is Phase.LISTENING, "listening again")


def test_it_can_be_started_and_stopped_while_the_broker_is_away(settings: DrillSettings) -> None:
    """start returns after its patience, the subscriber tries on, stop takes less than a second even then."""
    with EmbeddedBroker() as broker, open_stage(broker.address, settings) as stage:
        broker.stop()
        subscriber = Subscriber(connection=stage.connection)
        begun = time.monotonic()
        subscriber.start()
        assert time.monotonic() - begun < 3
        assert subscriber.state.phase is Phase.CONNECTING
        begun = time.monotonic()
        subscriber.stop()
        assert time.monotonic() - begun < AT_ONCE_SEC
        assert not subscriber.is_running
        subscriber.start()
        broker.start()
        stage.make_topics()
        wait_for(lambda: subscriber.state.phase is Phase.LISTENING, "the broker found", timeout=20)
        stage.publish(make_alert())
        subscriber.wait_for(1)
        subscriber.stop()


def test_a_closed_connection_ends_it(stage: Stage) -> None:
    """Closing gives back everything: the thread ends and says why."""
    with Subscriber(connection=stage.connection) as subscriber:
        stage.connection.close()
        wait_for(lambda: not subscriber.is_running, "the end of the thread")
        assert "closed" in subscriber.state.last_error


def test_block_stays_until_stopped(stage: Stage) -> None:
    """block=True returns nothing, and only when the subscriber is stopped."""
    subscriber = Subscriber(connection=stage.connection)
    subscriber.on_alert(lambda _: subscriber.stop())
    publisher = threading.Thread(
        target=lambda: (
            wait_for(lambda: subscriber.state.phase is Phase.LISTENING, "listening"),
            stage.publish(make_alert()),
        ),
        name="publisher",
    )
    publisher.start()
    assert subscriber.subscribe(block=True) is None
    publisher.join(5)
    assert len(subscriber.alerts) == 1
    assert not subscriber.is_running


def test_a_failure_raises_at_stop_once(stage: Stage) -> None:
    """An error that nobody was told yet comes out of stop; a second stop is harmless."""
    subscriber = Subscriber(connection=stage.connection)
    subscriber.start()
    error = TransportError("The floor is lava.", next_step="Jump.")
    subscriber.stop()
    subscriber._inbox.enter(Phase.FAILED, error=error)
    with pytest.raises(TransportError, match="lava"):
        subscriber.stop()
    subscriber.stop()


def test_a_stopped_subscriber_is_not_kept_alive(stage: Stage) -> None:
    """Nothing of ours holds it after stop."""
    subscriber = Subscriber(connection=stage.connection)
    subscriber.on_alert(print)
    subscriber.start()
    subscriber.stop()
    gone = weakref.ref(subscriber)
    del subscriber
    gc.collect()
    assert gone() is None


def test_a_program_may_end_without_stopping_it(stage: Stage, broker: Stand, tmp_path: Path) -> None:
    """A script that forgets to stop ends with exit code 0 and silence."""
    address = stage.connection.broker
    script = f"""
from snews_drill.connection import connect
from snews_drill.subscriber import Subscriber
subscriber = Subscriber(connection=connect("kafka://{address}"))
subscriber._connection.profile = subscriber._connection.profile.model_copy(update=dict(
    firedrill=subscriber._connection.profile.firedrill.model_copy(update=dict(alerts="{stage.alert_topic}"))))
subscriber.start()
assert subscriber.is_running
"""
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env=environment_for(broker, tmp_path),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_to_dataframe_and_sizes(stage: Stage) -> None:
    """The table has a row per alert, and an entry knows the size of its record."""
    alert = make_alert()
    with Subscriber(connection=stage.connection) as subscriber:
        stage.publish(alert)
        subscriber.wait_for(1)
    table = subscriber.to_dataframe()
    assert list(table["id"]) == [alert.id]
    assert 0 <= table["latency_ms"].iloc[0] < 5000
    assert subscriber.snapshot()[0].size_bytes == len(to_payload(alert).content)
    assert "1 alert" in repr(subscriber)


def test_a_broker_that_needs_more_time_for_a_fetch_gets_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fetch whose time is too short brings nothing, for ever: the reader notices and asks for longer ones."""
    monkeypatch.setattr("snews_drill.transport.reading._LOOPBACK_FETCH_WAIT_MS", 0)
    alerts = [make_alert() for _ in range(20)]
    for alert in alerts:
        stage.publish(alert)
    with Subscriber(connection=stage.connection, start="beginning") as subscriber:
        assert [alert.id for alert in subscriber.wait_for(20, timeout=30)] == [alert.id for alert in alerts]
        stage.publish(make_alert())
        assert len(subscriber.wait_for(21, timeout=30)) == 21


def test_the_users_own_error_is_the_one_that_leaves_the_with_block(stage: Stage) -> None:
    """Although the subscriber failed meanwhile, which nobody was told yet."""
    subscriber = Subscriber(connection=stage.connection)

    def use() -> None:
        with subscriber:
            failure = NotPermitted("You may not read it.", next_step="Ask for it.")
            subscriber._inbox.enter(Phase.FAILED, error=failure)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        use()
