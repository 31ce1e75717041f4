"""The server as a process of its own: killed with -9 in the middle, it loses nothing and doubles nothing."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from broker_stand import open_connection_on, own_profile
from messages_to_send import Alerts, observation, retraction, send_observations
from waiting import wait_for

from snews_drill.connection import Connection, open_profile
from snews_drill.detectors import roster
from snews_drill.messages.times import NS_PER_SECOND
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.broker import EmbeddedBroker
from snews_drill.rehearsal.launcher import find_rehearsal
from snews_drill.rehearsal.server import DrillServer
from snews_drill.rehearsal.server_process import ARCHIVE_NAME, main
from snews_drill.remote import reset_cache
from snews_drill.remote import test_connection as ask_for_echo
from snews_drill.settings import DrillSettings

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def named(settings: DrillSettings) -> DrillSettings:
    return settings.model_copy(update={"detector_name": "XENONnT"})


def server_pid(settings: DrillSettings) -> int | None:
    state = find_rehearsal(settings)
    return state.server_process.pid if state is not None and state.server_process is not None else None


def test_rehearsal_with_settings_of_its_own_has_a_server(named: DrillSettings) -> None:
    """The server looks where the settings say, not where the environment does; the local user has rights."""
    with open_profile("rehearsal", settings=named) as connection:
        assert ask_for_echo(connection=connection, verbose=False)
        assert reset_cache(connection=connection, verbose=False)
        assert connection.rehearsal is not None
        assert (connection.rehearsal.archive_dir / ARCHIVE_NAME).is_file()
        assert connection.server_problem == ""


def test_killed_server_comes_back_and_goes_on(named: DrillSettings) -> None:
    """What it had acknowledged into its archive before is still there."""
    import os

    with open_profile("rehearsal", settings=named) as connection:
        ask_for_echo(connection=connection, verbose=False)
        zero = time.time_ns() - NS_PER_SECOND
        send_observations(connection, observation("LVD", zero), observation("JUNO", zero))
        alerts = Alerts(connection)
        alerts.wait_for(1)
        pid = wait_for(lambda: server_pid(named), "the server's process")
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: server_pid(named) not in (None, pid), "another server")
        send_observations(connection, observation("LZ", zero))
        # Killed before it had noted that the alert was sent, it sends it once more; whoever reads counts it once.
        wait_for(lambda: len(told(alerts.look())) >= 2, "the second alert", timeout=20)
        assert [(entry[0], entry[2]) for entry in told(alerts.look(0.2))] == [
            ("COINC_MSG", ("JUNO", "LVD")),
            ("COINC_MSG", ("JUNO", "LVD", "LZ")),
        ]
        alerts.close()


def test_killed_broker_comes_back_empty_and_the_drill_goes_on(named: DrillSettings) -> None:
    """What the server had taken before is still there, though the broker has forgotten it."""
    import os

    with open_profile("rehearsal", settings=named) as connection:
        ask_for_echo(connection=connection, verbose=False)
        zero = time.time_ns() - NS_PER_SECOND
        alerts = Alerts(connection)
        send_observations(connection, observation("LVD", zero), observation("JUNO", zero))
        alerts.wait_for(1)
        state = find_rehearsal(named)
        assert state is not None
        os.kill(state.broker_process.pid, signal.SIGKILL)
        wait_for(
            lambda: (now := find_rehearsal(named)) is not None and now.instance != state.instance,
            "a new life",
        )
        assert ask_for_echo(connection=connection, verbose=False, wait=20)
        send_observations(connection, observation("LZ", zero))
        # The broker lost the first alert too: it is sent again, and whoever had read it counts it once.
        wait_for(lambda: len(told(alerts.look())) >= 2, "the second alert", timeout=20)
        assert alerts.said.count(("COINC_MSG", ("JUNO", "LVD"))) == 2
        assert told(alerts.read)[1][2] == ("JUNO", "LVD", "LZ")
        alerts.close()


def test_without_a_rehearsal_it_ends_with_the_reason(
    broker: EmbeddedBroker, settings: DrillSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1 and one sentence, no traceback."""
    done = subprocess.run(
        [
            *(sys.executable, "-P", "-m", "snews_drill.rehearsal.server_process"),
            *("--broker", broker.address, "--rehearsal-dir", str(tmp_path / "drill")),
            *("--config-dir", str(settings.config_dir), "--state-dir", str(settings.state_dir)),
            *("--runtime-dir", str(settings.runtime_dir)),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert f"No rehearsal of this user has the broker {broker.address}" in done.stderr
    assert "Next step" in done.stderr
    assert "Traceback" not in done.stderr


def test_arguments_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 2
    assert "--broker" in capsys.readouterr().err


# --- a storm, with kill -9 at random moments ---

_SERVER = """
import sys, time
from pathlib import Path
from snews_drill.connection import Connection
from snews_drill.profiles import Profile
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.server import DrillServer
from snews_drill.settings import load_settings
from snews_drill.transport import Transport
from snews_drill.wire.dialects import get_dialect
address, profile, path = sys.argv[1:]
transport = Transport(address)
connection = Connection(Profile.model_validate_json(profile), transport, get_dialect("1.3"), settings=load_settings({}))
with Archive(Path(path)) as archive, DrillServer(connection, archive):
    print("serving", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def start_server() -> Iterator[Callable[[Connection, Path], subprocess.Popen[str]]]:
    running: list[subprocess.Popen[str]] = []

    def start(connection: Connection, path: Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                _SERVER,
                connection.broker,
                connection.profile.model_dump_json(),
                str(path),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "serving\n"
        return process

    yield start
    for process in running:
        process.kill()
        process.wait(10)
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


def storm(seed: int, count: int, zero: int) -> list[bytes]:
    """Observations and retractions of all detectors around a few bursts."""
    chance = random.Random(seed)
    names = [detector.name for detector in roster()]
    messages = []
    for _ in range(count):
        name = chance.choice(names)
        if chance.random() < 0.2:
            messages.append(retraction(name))
        else:
            when = zero - chance.randrange(3) * 30 * NS_PER_SECOND + chance.randrange(12_000) * 1_000_000
            messages.append(observation(name, when, p_val=chance.random() * 0.9 + 0.05))
    return messages


def told(alerts: list[dict[str, object]]) -> list[tuple[object, ...]]:
    """What a reader counts: each id once, without the times, which differ from run to run."""
    first = {str(alert["_id"]): alert for alert in reversed(alerts)}
    ordered = [alert for alert in alerts if first.pop(str(alert["_id"]), None) is not None]
    return [
        (
            alert["alert_type"],
            alert["sub list number"],
            tuple(alert["detector_names"]),  # type: ignore[arg-type]
            tuple(alert["p_values"]),  # type: ignore[arg-type]
            tuple(alert["neutrino_times"]),  # type: ignore[arg-type]
        )
        for alert in ordered
    ]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_alerts_are_those_of_an_unbroken_run(
    seed: int,
    settings: DrillSettings,
    tmp_path: Path,
    start_server: Callable[[Connection, Path], subprocess.Popen[str]],
) -> None:
    """0 lost, 0 doubled, group numbers as before, though the server is killed with -9 four times."""
    zero = (time.time_ns() - 20 * NS_PER_SECOND) // 1000 * 1000
    messages = storm(seed, 400, zero)
    chance = random.Random(seed)
    with EmbeddedBroker() as broker:
        with (
            open_connection_on(broker, settings, own_profile()) as calm,
            Archive(tmp_path / "calm" / "archive.sqlite3") as archive,
            DrillServer(calm, archive) as server,
        ):
            send_observations(calm, *messages)
            wait_for(lambda: sum(n for w, n in server.status.counts.items() if w != "alerts") >= 400, "all")
            unbroken = Alerts(calm)
            expected = told(unbroken.wait_for(server.status.counts["alerts"], timeout=20))
            unbroken.close()
        with open_connection_on(broker, settings, own_profile()) as connection:
            path = tmp_path / "stormy" / "archive.sqlite3"
            alerts = Alerts(connection)
            process = start_server(connection, path)
            for part in range(4):
                for message in messages[part * 100 : (part + 1) * 100]:
                    send_observations(connection, message)
                time.sleep(chance.random() * 0.05)
                process.kill()
                process.wait(10)
                process = start_server(connection, path)
            wait_for(lambda: len(told(alerts.look())) >= len(expected), f"{len(expected)} alerts", timeout=30)
            alerts.look(0.3)
            assert told(alerts.read) == expected
            alerts.close()
    assert len(expected) > 20
