"""A whole drill of a school: `snews-drill serve` on its broker, clients of both dialects, alerts as asked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from snews_drill import SNEWSTiersPublisher, Subscriber, connect, display_heartbeats, reset_cache
from snews_drill import test_connection as ask_for_echo
from snews_drill.errors import NotAuthorised
from snews_drill.messages.times import iso_micro

TOKEN = "a-token-of-the-instructor"


def environment(place: Any, home: Path) -> dict[str, str]:
    return {**os.environ, "SNEWS_DRILL_HOME": str(home), "XDG_CONFIG_HOME": str(place.store.parents[1])}


@pytest.fixture(params=["1.3", "3"])
def alert_dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def instructor(bare_place: Any, alert_dialect: str, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """`snews-drill serve` as an instructor runs it."""
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text(TOKEN)
    bare_place.sign_in("server")
    words = ["serve", "--broker", bare_place.url, "--topics-prefix", bare_place.prefix, "--json"]
    words += ["--admin-token-file", str(token), "--dialect", alert_dialect]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [sys.executable, "-m", "snews_drill", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(bare_place, tmp_path / "instructor"),
    )
    signal.signal(signal.SIGINT, before)
    try:
        assert process.stdout is not None
        for line in process.stdout:  # ends with the process
            if json.loads(line).get("state") == "listening":
                break
        else:
            pytest.fail(process.communicate()[1])
        bare_place.kafka.allow(bare_place.member_rights())
        yield process
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=15)
        assert process.returncode == 0, errors
        assert TOKEN not in errors
    finally:
        process.kill()
        process.communicate(timeout=10)


def test_mixed_drill(
    bare_place: Any, instructor: object, alert_dialect: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both get the same alerts, whoever retracts in whatever words; rights need the instructor's token."""
    place = bare_place
    old = place.connect(detector="XENONnT", dialect="1.3")
    new = place.connect(detector="JUNO", dialect="3")
    assert ask_for_echo(connection=old, verbose=False)
    assert ask_for_echo(connection=new, verbose=False)
    with Subscriber(connection=old) as by_old, Subscriber(connection=new) as by_new:
        time_said = iso_micro(time.time_ns() - 5 * 10**9)
        for connection in (old, new):
            assert SNEWSTiersPublisher(detector_status="ON", connection=connection).send_to_snews(
                verbose=False
            )
            publisher = SNEWSTiersPublisher(neutrino_time=time_said, p_val=0.05, connection=connection)
            assert publisher.send_to_snews(verbose=False)
        (first,) = by_old.wait_for(1, timeout=15)
        assert set(first.detector_names) == {"XENONnT", "JUNO"}
        assert first.alert_type == "COINC_MSG"
        assert [alert.id for alert in by_new.wait_for(1)] == [first.id]
        spelling = {"1.3": "_id", "3": "id"}[alert_dialect]
        assert first.content[spelling] == first.id
        assert {"_id", "id"} & set(first.content) == {spelling}

        SNEWSTiersPublisher(retract_latest=1, retraction_reason="old words", connection=old).send_to_snews(
            verbose=False
        )
        assert by_new.wait_for(2, timeout=15)[-1].alert_type == "RETRACTION"
        SNEWSTiersPublisher(neutrino_time=time_said, p_val=0.05, connection=old).send_to_snews(verbose=False)
        assert set(by_new.wait_for(3, timeout=15)[-1].detector_names) == {"XENONnT", "JUNO"}
        SNEWSTiersPublisher(retract_latest=1, retraction_reason="new words", connection=new).send_to_snews(
            verbose=False
        )
        assert by_old.wait_for(4, timeout=15)[-1].alert_type == "RETRACTION"
        assert [alert.id for alert in by_new.wait_for(4)] == [alert.id for alert in by_old.alerts]

    with pytest.raises(NotAuthorised):
        reset_cache(connection=new, verbose=False)
    assert reset_cache(connection=new, verbose=False, admin_pass=TOKEN)
    display_heartbeats(connection=old, admin_pass=TOKEN)
    assert "2 heartbeats of 2 detectors" in capsys.readouterr().out


def test_participant_needs_the_address_the_prefix_and_an_account(
    place: Any, server: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In Python, by the environment, and on the command line it is the same place."""
    place.sign_in("member")
    with connect(place.url, topics_prefix=place.prefix, settings=place.settings) as connection:
        assert connection.topics() == place.topics
        place.sign_in("member")
        assert "as member" in repr(connection)
        assert place.kafka.password("member") not in repr(connection) + connection._repr_html_()
        assert "member" in connection._repr_html_()
    listed = [sys.executable, "-m", "snews_drill", "test-connection", "--json"]
    home = {**environment(place, tmp_path / "participant"), "SNEWS_DRILL_NAME": "JUNO"}
    by_option = ["--profile", place.url, "--topics-prefix", place.prefix]
    by_environment = {"SNEWS_DRILL_PROFILE": place.url, "SNEWS_DRILL_TOPICS_PREFIX": place.prefix}
    for words, variables in ((by_option, {}), ([], by_environment)):
        done = subprocess.run(
            [*listed, *words],
            env={**home, **variables},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["sent_to"].endswith(f"/{place.topics.observations}")
        assert "as member" in done.stderr
        assert place.kafka.password("member") not in done.stdout + done.stderr


def test_live_place_is_named_before_anything_is_written(
    place: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever writes, once for each topic; a publisher that prints says it itself, and elsewhere nothing is said."""
    connection = place.connect()
    SNEWSTiersPublisher(detector_status="ON", connection=connection).send_to_snews(verbose=False)
    assert capsys.readouterr().err == ""
    connection.profile = connection.profile.model_copy(update={"is_live": True})
    for _ in range(2):
        SNEWSTiersPublisher(detector_status="ON", connection=connection).send_to_snews(verbose=False)
    url = connection.url(connection.topics().observations)
    assert capsys.readouterr().err == f"LIVE, others read it: writing to {url} (as member)\n"
    assert "LIVE" in repr(connection)
    other = place.connect()
    other.profile = connection.profile
    SNEWSTiersPublisher(detector_status="ON", connection=other).send_to_snews()
    said = capsys.readouterr()
    assert url in said.out
    assert said.err == ""
