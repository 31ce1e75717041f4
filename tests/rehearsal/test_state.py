"""The state file: private, checked word by word, never believed when it is not ours."""

from __future__ import annotations

import json
import os
import stat
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import AT_ONCE_SEC

from snews_drill.errors import DrillError, RehearsalError, SettingsError
from snews_drill.rehearsal.processes import ProcessMark
from snews_drill.rehearsal.state import (
    RehearsalFolders,
    RehearsalState,
    drop_old_folders,
    new_rehearsal_id,
    read_state,
    remove_state,
    write_state,
)

posix_only = pytest.mark.skipif(os.name != "posix", reason="modes and owners are POSIX")

STATE = RehearsalState(
    rehearsal_id="20261123T010203Z-0123abcd",
    broker="127.0.0.1:20123",
    instance="00112233aabbccdd",
    started_utc="2026-11-23T01:02:03.000004+00:00",
    archive_dir=Path("/somewhere/20261123T010203Z-0123abcd").absolute(),
    admin_token="a-secret-that-is-long-enough-to-be-one",
    supervisor=ProcessMark(1001, 1795397573.75),
    broker_process=ProcessMark(1002, 1795397573.78),
    server_process=ProcessMark(1003, 1795397573.79),
)


@pytest.mark.parametrize("state", [STATE, replace(STATE, server_process=None, problem="it died: «why»")])
def test_what_is_written_is_read_again(tmp_path, state):
    write_state(tmp_path / "state.json", state)
    assert read_state(tmp_path / "state.json") == state


def test_no_file_is_no_state(tmp_path):
    assert read_state(tmp_path / "state.json") is None


@posix_only
def test_the_file_is_private_whatever_the_umask(tmp_path):
    old = os.umask(0)
    try:
        write_state(tmp_path / "state.json", STATE)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "state.json").stat().st_mode) == 0o600


def test_the_token_is_in_no_repr_and_no_error():
    assert STATE.admin_token not in repr(STATE)
    damaged = STATE.to_json().replace(b"20123", b"x")
    with pytest.raises(RehearsalError) as caught:
        RehearsalState.from_json(damaged)
    assert STATE.admin_token not in str(caught.value)
    assert caught.value.__cause__ is None


def document(**changes: object) -> bytes:
    return json.dumps({**json.loads(STATE.to_json()), **changes}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b"[" * 60000,
        STATE.to_json()[:-10],
        document(version=2),
        document(more=1),
        document(broker="10.0.0.1:9092"),
        document(broker="127.0.0.1:99999"),
        document(broker="127.0.0.1:0"),
        document(broker="127.0.0.1:20123\n"),
        document(broker="127.0.0.1:２０１２３"),
        document(broker=None),
        document(rehearsal_id="../../etc"),
        document(archive_dir="relative/20261123T010203Z-0123abcd"),
        document(archive_dir="/etc"),
        document(archive_dir=["/"]),
        document(archive_dir=None),
        document(admin_token=""),
        document(admin_token=12),
        document(instance="not hexadecimal"),
        document(started_utc="yesterday"),
        document(started_utc="2026-11-23T01:02:03"),
        document(started_utc=5),
        document(supervisor=None),
        document(supervisor=[1001, 1.0]),
        document(supervisor={"pid": 1, "created": 1.0}),
        document(supervisor={"pid": 0, "created": 1.0}),
        document(supervisor={"pid": -1001, "created": 1.0}),
        document(supervisor={"pid": True, "created": 1.0}),
        document(supervisor={"pid": "1001", "created": 1.0}),
        document(supervisor={"pid": 1001, "created": float("nan")}),
        document(supervisor={"pid": 1001, "created": float("inf")}),
        document(supervisor={"pid": 1001, "created": 1}),
        document(supervisor={"pid": 2**70, "created": 1.0}),
        document(server_process=False),
        document(problem=None),
    ],
)
def test_what_does_not_say_exactly_what_it_should_is_refused(content):
    with pytest.raises(RehearsalError, match="damaged"):
        RehearsalState.from_json(content)


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
@given(
    st.binary(max_size=200)
    | st.sampled_from(sorted(json.loads(STATE.to_json()))).flatmap(
        lambda name: _values.map(lambda value: document(**{name: value}))
    )
)
def test_any_content_is_a_state_or_a_drill_error(content):
    try:
        state = RehearsalState.from_json(content)
    except DrillError:
        return
    assert state.broker.startswith("127.0.0.1:")
    assert state.supervisor.pid > 1


@posix_only
def test_a_link_is_not_followed(tmp_path):
    write_state(tmp_path / "elsewhere", STATE)
    (tmp_path / "state.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_state(tmp_path / "state.json")


@posix_only
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666])
def test_a_file_that_is_open_to_others_is_refused(tmp_path, mode):
    write_state(tmp_path / "state.json", STATE)
    (tmp_path / "state.json").chmod(mode)
    with pytest.raises(SettingsError, match="not a private file"):
        read_state(tmp_path / "state.json")


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can give a file away")
def test_somebody_elses_file_is_refused(tmp_path):
    write_state(tmp_path / "state.json", STATE)
    os.chown(tmp_path / "state.json", 65534, 65534)
    with pytest.raises(SettingsError, match="not a private file"):
        read_state(tmp_path / "state.json")


def test_a_huge_file_is_refused_unread(tmp_path):
    write_state(tmp_path / "state.json", STATE)
    with (tmp_path / "state.json").open("ab") as file:
        file.truncate(10**11)
    began = time.monotonic()
    with pytest.raises(SettingsError, match="not a private file"):
        read_state(tmp_path / "state.json")
    assert time.monotonic() - began < AT_ONCE_SEC


@posix_only
@pytest.mark.timeout(10)
def test_a_pipe_in_its_place_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "state.json", 0o600)
    with pytest.raises(SettingsError, match="not a private file"):
        read_state(tmp_path / "state.json")


@posix_only
def test_removing_takes_the_link_and_leaves_what_it_points_to(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    (tmp_path / "state.json").symlink_to(tmp_path / "precious")
    remove_state(tmp_path / "state.json")
    remove_state(tmp_path / "state.json")
    assert not (tmp_path / "state.json").is_symlink()
    assert (tmp_path / "precious" / "file").exists()


@posix_only
def test_all_folders_are_private(tmp_path):
    (tmp_path / "run").mkdir(mode=0o755)
    folders = RehearsalFolders(tmp_path / "run", tmp_path / "state")
    folders.prepare()
    for folder in (folders.runtime_dir, folders.users, folders.archives):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@posix_only
@pytest.mark.parametrize("name", ["run", "run/users", "state/rehearsals"])
def test_a_link_in_a_folders_place_is_refused(tmp_path, name):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SettingsError):
        RehearsalFolders(tmp_path / "run", tmp_path / "state").prepare()


def test_names_of_rehearsals_tell_their_utc_start_and_differ():
    now = datetime(2026, 11, 23, 3, 2, 3, tzinfo=UTC)
    assert new_rehearsal_id(now).startswith("20261123T030203Z-")
    assert len({new_rehearsal_id(now) for _ in range(100)}) == 100


def test_folders_are_dropped_after_a_week_and_nothing_else_is(tmp_path):
    now = datetime(2026, 11, 23, tzinfo=UTC)
    old = tmp_path / new_rehearsal_id(now - timedelta(days=7, seconds=1))
    young = tmp_path / new_rehearsal_id(now - timedelta(days=7))
    other = tmp_path / "20200101T000000Z-of-mine"
    for folder in (old, young, other):
        folder.mkdir()
        (folder / "file").touch()
    linked = tmp_path / "20200101T000000Z-0123abcd"
    if os.name == "posix":
        linked.symlink_to(other)
    assert drop_old_folders(tmp_path, now) == [old]
    assert not old.exists()
    assert (young / "file").exists()
    assert (other / "file").exists()
    assert linked.is_symlink() or os.name != "posix"


def test_a_mark_knows_its_process_and_no_other():
    me = ProcessMark.of(os.getpid())
    words = [sys.argv[0]] if sys.argv[0] in _own_words() else _own_words()[:1]
    assert me.is_running(words)
    assert not me.is_running([*words, "another word"])
    assert not replace(me, created=me.created - 60).is_running(words)
    assert replace(me, created=me.created - 60).is_running(words, at_that_time=False)


def _own_words() -> list[str]:
    import psutil

    return psutil.Process().cmdline()
