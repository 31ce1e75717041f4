"""The command line as processes: two that share a rehearsal, exit codes, Ctrl-C, a broker that is gone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from waiting import wait_for

from snews_drill.rehearsal.broker import EmbeddedBroker
from snews_drill.rehearsal.launcher import find_rehearsal
from snews_drill.settings import DrillSettings

Start = Callable[..., "subprocess.Popen[str]"]


def _line(process: subprocess.Popen[str], words: str, stream: str = "stderr") -> str:
    for line in getattr(process, stream):
        if words in line:
            return str(line)
    raise AssertionError(f"{words!r} was never said")


def _interrupt(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=15)
    return process.returncode, out, err


def test_subscribe_in_one_process_sees_what_another_publishes(
    start: Start, snews_drill: Callable[..., object], message_file: Callable[..., str], tmp_path: Path
) -> None:
    plugin = tmp_path / "plugin.py"
    plugin.write_text("import sys; print('got', sys.argv[1])")
    listening = start("subscribe", "--json", "-n", "1", "--timeout", "30", "-o", "alerts", "-p", "plugin.py")
    _line(listening, "Broker:")
    files = message_file("a.json"), message_file("b.json", detector_name="SK")
    assert snews_drill("publish", *files).code == 0
    out, err = listening.communicate(timeout=30)
    alert = json.loads(out)
    assert listening.returncode == 0, err
    assert set(alert["detector_names"]) == {"XENONnT", "Super-K"}
    saved = list((tmp_path / "alerts").glob("0-SNEWS_ALERT_*.json"))
    assert json.loads(saved[0].read_text()) == alert
    assert f"plug-in: got {saved[0]}" in err


def test_subscribe_shows_an_alert_to_people_and_ends_well_by_ctrl_c(
    start: Start, snews_drill: Callable[..., object], message_file: Callable[..., str]
) -> None:
    listening = start("subscribe")
    _line(listening, "Broker:", "stdout")
    assert (
        snews_drill("publish", message_file("a.json"), message_file("b.json", detector_name="SK")).code == 0
    )
    assert "COINC_MSG" in _line(listening, "SNEWS alert", "stdout")
    assert _interrupt(listening)[0] == 0


def test_failures_are_told_after_ctrl_c_too(
    start: Start, snews_drill: Callable[..., object], message_file: Callable[..., str], tmp_path: Path
) -> None:
    """It is the usual end of a subscriber without a count."""
    (tmp_path / "plugin.py").write_text("raise SystemExit('no')")
    listening = start("subscribe", "-n", "5", "--timeout", "60", "-p", "plugin.py")
    _line(listening, "Broker:", "stdout")
    assert (
        snews_drill("publish", message_file("a.json"), message_file("b.json", detector_name="SK")).code == 0
    )
    _line(listening, "The plug-in failed for")
    code, _, err = _interrupt(listening)
    assert code == 1
    assert "The plug-in failed for 1 alert." in err


def test_plugin_that_fails_is_a_failure(
    start: Start, snews_drill: Callable[..., object], message_file: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "plugin.py").write_text("raise SystemExit('\\x1b[2Jno')")
    listening = start("subscribe", "-n", "1", "--timeout", "30", "-p", "plugin.py")
    _line(listening, "Broker:", "stdout")
    assert (
        snews_drill("publish", message_file("a.json"), message_file("b.json", detector_name="SK")).code == 0
    )
    out, err = listening.communicate(timeout=30)
    assert listening.returncode == 1
    assert "\\x1b[2Jno" in err
    assert "\x1b" not in out + err


def test_rehearse_tells_people_and_programs(snews_drill: Callable[..., object]) -> None:
    shown = snews_drill("rehearse", "--detector", "JUNO")
    assert shown.code == 0, shown.err
    assert "JUNO" in shown.out
    found = snews_drill("rehearse", "--json")
    assert found.code == 0, found.err
    assert set(found.json) == {"ok", "steps", "alerts", "detectors", "alert_latency_ms"}
    assert len(found.json["detectors"]) == 19


def test_rehearse_that_is_interrupted_ends_with_130(start: Start, settings: DrillSettings) -> None:
    rehearsing = start("rehearse", "--json")
    wait_for(lambda: find_rehearsal(settings), "the rehearsal's start")
    code, out, err = _interrupt(rehearsing)
    assert code == 130, err
    assert json.loads(out)["ok"] is False


def test_heartbeats_end_well_by_ctrl_c(start: Start, snews_drill: Callable[..., object]) -> None:
    snews_drill("set-name", "SK")
    beating = start("heartbeat", "--every", "0.2", "--json")
    assert json.loads(_line(beating, "acknowledged", "stdout"))["acknowledged"] == 1
    assert _interrupt(beating)[0] == 0


def test_a_command_that_is_not_understood_ends_with_2(snews_drill: Callable[..., object]) -> None:
    found = snews_drill("nonsense", "--json")
    assert (found.code, found.json["error"]["kind"]) == (2, "UsageError")
    assert "nonsense" in found.err
    assert snews_drill("publish").code == 2


def test_a_broker_that_is_gone_is_said_clearly(
    snews_drill: Callable[..., object], message_file: Callable[..., str]
) -> None:
    found = snews_drill("publish", message_file(), "--profile", "kafka://127.0.0.1:1", "--json")
    assert (found.code, found.json["error"]["kind"]) == (1, "BrokerUnreachable")
    assert "Next step" in found.err


def test_serve_keeps_the_rehearsal_and_tells_what_happens(
    start: Start,
    snews_drill: Callable[..., object],
    message_file: Callable[..., str],
    settings: DrillSettings,
) -> None:
    serving = start("serve", "--json")
    first = json.loads(_line(serving, "listening", "stdout"))
    assert first["ok"] is True
    published = snews_drill("publish", message_file("a.json"), message_file("b.json", detector_name="SK"))
    assert published.code == 0, published.err
    status = json.loads(_line(serving, '"alert_type"', "stdout"))
    assert status["counts"]["CoincidenceTier"] == 2
    assert set(status["groups"][0]) == {"XENONnT", "Super-K"}
    assert find_rehearsal(settings) is not None
    assert _interrupt(serving)[0] == 0


@pytest.fixture
def archive_options(tmp_path: Path) -> tuple[str, ...]:
    """Return the options of a server with its own archive and a token."""
    token = tmp_path / "token"
    token.write_text("a secret that is long enough\n")
    token.chmod(0o600)
    return ("--archive", str(tmp_path / "drill" / "a.sqlite3"), "--admin-token-file", str(token))


def test_serve_on_any_broker(
    start: Start,
    snews_drill: Callable[..., object],
    message_file: Callable[..., str],
    broker: EmbeddedBroker,
    archive_options: tuple[str, ...],
) -> None:
    url = f"kafka://{broker.address}"
    serving = start("serve", "--broker", url, *archive_options)
    _line(serving, "listening", "stdout")
    second = snews_drill("serve", "--broker", url, *archive_options, "--json")
    assert "Another drill server" in second.json["error"]["reason"]
    snews_drill("set-name", "SK")
    assert snews_drill("test-connection", "--profile", url, "--json").json["ok"] is True
    assert snews_drill("reset-cache", "--profile", url, "--json").json["error"]["kind"] == "NotAuthorised"
    code, out, err = _interrupt(serving)
    assert code == 0, err
    assert "secret" not in out + err


def test_serve_does_not_close_a_folder_that_others_use(
    snews_drill: Callable[..., object], broker: EmbeddedBroker, tmp_path: Path
) -> None:
    folder = tmp_path / "public"
    folder.mkdir(mode=0o755)
    found = snews_drill(
        "serve", "--broker", f"kafka://{broker.address}", "--archive", str(folder / "a.sqlite3"), "--json"
    )
    assert found.json["error"]["kind"] == "SettingsError"
    assert folder.stat().st_mode & 0o777 == 0o755


def test_help_is_fast_and_loads_nothing_heavy(tmp_path: Path) -> None:
    script = (
        "import sys; from snews_drill.cli.application import run; code = run(['--help'])\n"
        "heavy = {'pandas', 'numpy', 'hop', 'confluent_kafka', 'pydantic', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=20
    )
    assert done.stderr.strip() == "[]"
    assert "rehearse" in done.stdout


def test_output_that_nobody_reads_any_more_ends_quietly(start: Start) -> None:
    process = start("message-schema", "all")
    assert process.stdout is not None
    process.stdout.close()
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    process.stdout = None
