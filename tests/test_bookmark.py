"""A subscriber that is killed and started again: no alert missed, no file doubled."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alert_samples import Stage, make_alert, open_stage
from broker_stand import environment_for
from waiting import wait_for

from snews_drill.bookmark import Bookmark, Mark
from snews_drill.errors import SettingsError
from snews_drill.rehearsal.broker import EmbeddedBroker
from snews_drill.rehearsal.launcher import ensure_rehearsal
from snews_drill.settings import DrillSettings
from snews_drill.subscriber import Subscriber
from snews_drill.transport import Record


@pytest.fixture
def stage(broker: EmbeddedBroker, settings: DrillSettings, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A connection on topics of this test's own."""
    label = request.node.name.translate(str.maketrans("[] ", "___"))[:60]
    with open_stage(broker.address, settings, label=label) as stage:
        yield stage


def resuming(stage: Stage, folder: Path, **more: object) -> Subscriber:
    return Subscriber(connection=stage.connection, outputfolder=folder, resume=True, **more)  # type: ignore[arg-type]


def saved(folder: Path) -> list[str]:
    """Ids of the saved alerts in the order of their numbers."""
    files = sorted(folder.glob("*-SNEWS_ALERT_*.json"), key=lambda path: int(path.name.partition("-")[0]))
    return [json.loads(path.read_text())["_id"] for path in files]


def bookmark_of(folder: Path) -> Path:
    (path,) = folder.glob(".bookmark-*.json")
    return path


# --- the file ---


def record(offset: int, timestamp_ms: int = 5) -> Record:
    return Record("alerts", 0, offset, timestamp_ms, b"", None)


def test_it_says_where_to_go_on(tmp_path: Path) -> None:
    """What was written is read back; the file is private."""
    mark = Bookmark(tmp_path, "broker:9092", "alerts")
    assert mark.mark is None
    mark.begin({("alerts", 0): 7})
    mark.write(None)
    mark.pass_by(record(7), is_kept=True)
    mark.write("abcdef01")
    mark.close()
    assert stat.S_IMODE(mark.path.stat().st_mode) == 0o600
    again = Bookmark(tmp_path, "broker:9092", "alerts")
    assert again.mark == Mark("abcdef01", {("alerts", 0): 8}, {("alerts", 0): 5})
    again.close()


def test_it_stays_before_what_was_not_saved(tmp_path: Path) -> None:
    """The first alert that could not be saved, and all behind it, come again."""
    mark = Bookmark(tmp_path, "broker", "alerts")
    mark.begin({("alerts", 0): 0})
    for offset in range(4):
        mark.pass_by(record(offset), is_kept=offset != 2)
    mark.write(None)
    assert mark.mark is not None
    assert mark.mark.positions == {("alerts", 0): 2}
    mark.close()


def test_topics_and_brokers_have_their_own(tmp_path: Path) -> None:
    """Several topics may be saved in one folder."""
    marks = [Bookmark(tmp_path, *names) for names in (("a", "x"), ("a", "y"), ("b", "x"))]
    assert len({mark.path for mark in marks}) == 3
    for mark in marks:
        mark.close()


def test_one_at_a_time(tmp_path: Path) -> None:
    """Two subscribers would move each other's bookmark."""
    first = Bookmark(tmp_path, "broker", "alerts")
    with pytest.raises(SettingsError, match="Another subscriber"):
        Bookmark(tmp_path, "broker", "alerts")
    first.close()
    Bookmark(tmp_path, "broker", "alerts").close()


_GOOD = {
    "version": 1,
    "broker": "broker",
    "topic": "alerts",
    "life": None,
    "partitions": [{"partition": 0, "next_offset": 3, "timestamp_ms": None}],
}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"[" * 50_000,
        json.dumps({**_GOOD, "version": 2}).encode(),
        json.dumps({**_GOOD, "topic": "others"}).encode(),
        json.dumps({**_GOOD, "life": "../.."}).encode(),
        json.dumps({**_GOOD, "partitions": [{"partition": 0, "next_offset": -1}]}).encode(),
        json.dumps({**_GOOD, "partitions": [{**_GOOD["partitions"][0], "next_offset": True}]}).encode(),  # type: ignore[index]
        json.dumps({key: value for key, value in _GOOD.items() if key != "life"}).encode(),
    ],
)
def test_a_damaged_one_is_told(tmp_path: Path, content: bytes) -> None:
    """It is neither believed nor ignored: ignoring it could miss alerts. The lock is free again."""
    mark = Bookmark(tmp_path, "broker", "alerts")
    mark.close()
    mark.path.touch(mode=0o600)
    mark.path.write_bytes(content)
    for _ in range(2):
        with pytest.raises(SettingsError, match="damaged") as caught:
            Bookmark(tmp_path, "broker", "alerts")
        assert "Remove it" in caught.value.next_step
    mark.path.write_text(json.dumps(_GOOD))
    Bookmark(tmp_path, "broker", "alerts").close()


def test_a_link_is_refused(tmp_path: Path) -> None:
    """A folder that others may write to must not make us read or replace another file."""
    mark = Bookmark(tmp_path, "broker", "alerts")
    mark.close()
    mark.path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SettingsError):
        Bookmark(tmp_path, "broker", "alerts")


# --- the subscriber that uses it ---


def test_what_was_published_while_nobody_listened_is_there(stage: Stage, tmp_path: Path) -> None:
    """The first start begins now; the next one where the last one was."""
    stage.publish(make_alert())  # before anybody subscribed
    alerts = [make_alert() for _ in range(5)]
    with resuming(stage, tmp_path) as first:
        stage.publish(*alerts[:2])
        first.wait_for(2)
    stage.publish(*alerts[2:4])
    with resuming(stage, tmp_path) as second:
        assert [alert.id for alert in second.wait_for(2)] == [alert.id for alert in alerts[2:4]]
        stage.publish(alerts[4])
        second.wait_for(3)
    assert saved(tmp_path) == [alert.id for alert in alerts]


def test_a_start_without_an_alert_counts(stage: Stage, tmp_path: Path) -> None:
    """Where it began is kept at once, not with the first alert."""
    with resuming(stage, tmp_path):
        pass
    alert = make_alert()
    stage.publish(alert)
    with resuming(stage, tmp_path) as again:
        again.wait_for(1)
    assert saved(tmp_path) == [alert.id]


def test_an_alert_saved_just_before_the_end_is_not_saved_again(stage: Stage, tmp_path: Path) -> None:
    """The bookmark is behind the files, as a kill between the two leaves it: handed on again, with the file it has."""
    alerts = [make_alert() for _ in range(3)]
    with resuming(stage, tmp_path) as first:
        stage.publish(alerts[0])
        first.wait_for(1)
        wait_for(lambda: json.loads(bookmark_of(tmp_path).read_text())["partitions"][0]["timestamp_ms"], "it")
        before = bookmark_of(tmp_path).read_bytes()
        stage.publish(*alerts[1:])
        first.wait_for(3)
    bookmark_of(tmp_path).write_bytes(before)
    with resuming(stage, tmp_path) as second:
        second.wait_for(2)
        files = [entry.file for entry in second.snapshot()]
    assert saved(tmp_path) == [alert.id for alert in alerts]
    assert all(file is not None and file.is_file() for file in files)


def test_an_alert_that_could_not_be_saved_comes_again(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder was full: shown and counted as unsaved; the next start saves it, and doubles nothing."""
    import resource

    alerts = [make_alert() for _ in range(3)]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with resuming(stage, tmp_path) as first:
        stage.publish(alerts[0])
        first.wait_for(1)
        wait_for(lambda: json.loads(bookmark_of(tmp_path).read_text())["partitions"][0]["timestamp_ms"], "it")
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))  # no file may grow: as on a full disk
        try:
            stage.publish(alerts[1])
            first.wait_for(2)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, before)
        stage.publish(alerts[2])
        first.wait_for(3)
        assert first.state.unsaved == 1
    assert set(saved(tmp_path)) == {alerts[0].id, alerts[2].id}
    with resuming(stage, tmp_path) as second:
        second.wait_for(2)
    assert sorted(saved(tmp_path)) == sorted(alert.id for alert in alerts)


def test_a_topic_that_was_made_anew_is_read_from_its_beginning(stage: Stage, tmp_path: Path) -> None:
    """The record before the bookmark is another one: the offsets mean nothing any more."""
    with resuming(stage, tmp_path) as first:
        stage.publish(make_alert(), make_alert())
        first.wait_for(2)
    said = json.loads(bookmark_of(tmp_path).read_text())
    said["partitions"][0]["timestamp_ms"] -= 1000
    bookmark_of(tmp_path).write_text(json.dumps(said))
    alert = make_alert()
    stage.publish(alert)
    with resuming(stage, tmp_path) as second:
        assert second.wait_for(3)[-1].id == alert.id  # the two before it are found in the folder
    assert len(saved(tmp_path)) == 3


def test_resuming_needs_a_folder(stage: Stage) -> None:
    """Without files nobody knows what was received."""
    with pytest.raises(SettingsError, match="saved") as caught:
        Subscriber(connection=stage.connection, resume=True).start()
    assert "outputfolder" in caught.value.next_step


def test_the_same_subscriber_stops_and_starts(stage: Stage, tmp_path: Path) -> None:
    """The bookmark is free when it has stopped; meanwhile another one is refused."""
    subscriber = resuming(stage, tmp_path)
    for count in (1, 2):
        with subscriber:
            with pytest.raises(SettingsError, match="Another subscriber"):
                resuming(stage, tmp_path).start()
            stage.publish(make_alert())
            subscriber.wait_for(count)
    assert len(saved(tmp_path)) == 2


_PROCESS = """
import sys
from pathlib import Path
from snews_drill.connection import Connection
from snews_drill.profiles import Profile
from snews_drill.settings import load_settings
from snews_drill.subscriber import Subscriber
from snews_drill.transport import Transport, credentials_for
from snews_drill.wire.dialects import get_dialect
address, profile, folder = sys.argv[1:]
transport = Transport(address, auth=credentials_for(address, is_required=False))
connection = Connection(Profile.model_validate_json(profile), transport, get_dialect("1.3"), settings=load_settings({}))
with Subscriber(connection=connection, outputfolder=folder, resume=True):
    print("listening", flush=True)
    sys.stdin.read()
"""


@pytest.mark.timeout(120)
def test_killed_with_9_it_misses_and_doubles_nothing(
    stage: Stage, broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """A real process, killed in the middle of a stream three times."""
    folder, alerts = tmp_path / "alerts", [make_alert() for _ in range(300)]
    profile = stage.connection.profile.model_dump_json()
    for part in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", _PROCESS, broker.address, profile, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**environment_for(broker, tmp_path), "PYTHONPATH": str(Path(__file__).parent)},
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "listening\n"
            for alert in alerts[part * 75 : (part + 1) * 75]:
                stage.publish(alert)
            if part == 3:
                wait_for(lambda: len(set(saved(folder))) == 300, "all alerts", timeout=20)
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
    assert saved(folder) == [alert.id for alert in alerts]


def test_a_rehearsal_that_came_back_empty_is_read_from_its_beginning(
    settings: DrillSettings, tmp_path: Path
) -> None:
    """Its broker has another life, and its offsets start anew."""
    with ensure_rehearsal(settings, server_command=()) as rehearsal:
        before = rehearsal.current_state()
        assert before is not None
        with open_stage(rehearsal.broker, settings, rehearsal=rehearsal) as stage:
            alerts = [make_alert() for _ in range(4)]
            with resuming(stage, tmp_path / "alerts") as first:
                stage.publish(*alerts[:2])
                first.wait_for(2)
            os.kill(before.broker_process.pid, signal.SIGKILL)
            wait_for(
                lambda: (now := rehearsal.current_state()) and now.instance != before.instance, "a new broker"
            )
            stage.make_topics()
            stage.publish(*alerts[2:])
            with resuming(stage, tmp_path / "alerts") as second:
                assert [alert.id for alert in second.wait_for(2)] == [alert.id for alert in alerts[2:]]
    assert saved(tmp_path / "alerts") == [alert.id for alert in alerts]
