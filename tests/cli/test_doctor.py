"""`snews-drill doctor` and `snews-drill auth`, as users type them."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cli.conftest import Outcome, environment
from credential_home import SECRET

Invoke = Callable[..., Outcome]


#: getpass speaks to the controlling terminal: the first one that the leader of a session opens.
ON_TERMINAL = "import os; os.open(os.ttyname(0), os.O_RDWR); from snews_drill.cli import main; main()"


@pytest.fixture
def store(shared_home: Path, invoke: Invoke) -> Path:
    """hop's store of the user of `invoke`; none at the beginning."""
    path = shared_home / "xdg" / "hop" / "auth.toml"
    path.unlink(missing_ok=True)
    return path


@pytest.fixture
def password_file(tmp_path: Path) -> str:
    path = tmp_path / "password"
    path.touch(mode=0o600)
    path.write_text(SECRET + "\n")
    return str(path)


def test_the_rehearsal_is_all_green(invoke: Invoke) -> None:
    """A line for each thing, and exit code 0."""
    found = invoke("doctor")
    assert found.code == 0, found.out
    lines = found.out.splitlines()
    assert all(line.startswith("✓") for line in lines[:14]), found.out
    assert lines[14:] == ["Nothing is in the way."]


def test_json_and_exit_code(invoke: Invoke) -> None:
    """One object, and 1 for a problem."""
    found = invoke("doctor", "--profile", "kafka://127.0.0.1:1", "--json")
    assert found.code == 1
    assert found.json["ok"] is False
    wrong = [finding for finding in found.json["findings"] if finding["status"] == "problem"]
    assert [finding["name"] for finding in wrong] == ["TCP"]
    assert wrong[0]["next_step"]


def test_a_problem_and_its_next_step(invoke: Invoke) -> None:
    found = invoke("doctor", "--profile", "kafka://127.0.0.1:1", "--no-echo")
    assert found.code == 1
    assert "✗ TCP" in found.out
    assert "    Next step: " in found.out
    assert "1 problem; begin with TCP." in found.out
    assert "writes nothing" in found.out


def test_an_offline_machine(invoke: Invoke, store: Path) -> None:
    """Within seconds, with what to do first."""
    began = time.monotonic()
    found = invoke("doctor", "--profile", "kafka://broker.snews.invalid:9092", "--json")
    assert time.monotonic() - began < 8
    assert found.code == 1
    wrong = {f["name"]: f["detail"] for f in found.json["findings"] if f["status"] == "problem"}
    assert list(wrong)[-1] == "DNS"
    assert "broker.snews.invalid" in wrong["DNS"]


def test_a_name_that_would_steer_the_terminal_is_shown(invoke: Invoke) -> None:
    found = invoke("doctor", "--profile", "\x1b[31mred")
    assert found.code == 1
    assert "\x1b" not in found.out


def test_a_credential_from_beginning_to_end(invoke: Invoke, store: Path, password_file: str) -> None:
    """Add, list, replace, test, remove; the password is nowhere on the screen."""
    words = ("auth", "add", "--user", "member", "--host", "127.0.0.1:1", "--password-file", password_file)
    seen = [invoke(*words)]
    assert seen[-1].code == 0, seen[-1].err
    assert SECRET in store.read_text()
    seen.append(invoke("auth", "list"))
    assert seen[-1].out == "member for 127.0.0.1:1\n"
    seen.append(invoke(*words, "--json"))
    assert seen[-1].code == 1
    assert "--force" in seen[-1].json["error"]["next_step"]
    seen.append(invoke(*words, "--force", "--json"))
    assert seen[-1].json["credential"]["name"] == "member"
    seen.append(invoke("auth", "test", "127.0.0.1:1", "--timeout", "0.3"))
    assert seen[-1].code == 1
    assert "does not answer" in seen[-1].err
    seen.append(invoke("auth", "remove", "member@127.0.0.1:1", "--json"))
    assert seen[-1].json["credential"]["host"] == "127.0.0.1:1"
    seen.append(invoke("auth", "list", "--json"))
    assert seen[-1].json["credentials"] == []
    assert all(SECRET not in outcome.out + outcome.err for outcome in seen)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_password_file_that_others_may_read_is_refused(
    invoke: Invoke, store: Path, password_file: str
) -> None:
    """With the command that closes it; a missing one is told as well."""
    Path(password_file).chmod(0o640)
    found = invoke("auth", "add", "--user", "member", "--password-file", password_file)
    assert found.code == 1
    assert f"chmod 600 {password_file}" in found.err
    assert invoke("auth", "add", "--user", "m", "--password-file", password_file + "x").code == 1
    assert not store.exists()


def test_without_a_terminal_nothing_is_asked(invoke: Invoke, store: Path) -> None:
    """A password in a pipe would have been shown by whoever wrote it there."""
    assert "--user" in invoke("auth", "add").err
    assert "--password-file" in invoke("auth", "add", "--user", "member").err
    assert not store.exists()


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_on_a_terminal_the_password_is_asked_for_and_not_shown(tmp_path: Path) -> None:
    """As a person types it."""
    home = tmp_path / "home"
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", ON_TERMINAL, "auth", "add", "--host", "broker.example.org"],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environment(home),
        start_new_session=True,
    )
    os.close(terminal)
    seen = ""
    try:
        for question, answer in (("User name", "member"), ("Password", SECRET)):
            seen += read_until(controller, question)
            os.write(controller, f"{answer}\n".encode())
        seen += read_until(controller, "Added member")
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        os.close(controller)
    assert SECRET not in seen
    assert SECRET in (home / "xdg" / "hop" / "auth.toml").read_text()


def read_until(handle: int, words: str, timeout: float = 20) -> str:
    seen, deadline = "", time.monotonic() + timeout
    while words not in seen:
        ready, _, _ = select.select([handle], [], [], max(deadline - time.monotonic(), 0))
        assert ready, f"{words!r} did not come: {seen}"
        seen += os.read(handle, 4096).decode("utf-8", "replace")
    return seen


def test_hops_own_words_still_work(invoke: Invoke, store: Path, tmp_path: Path) -> None:
    """`locate`, and a CSV file as hop takes it."""
    assert invoke("auth", "locate", "--json").json["output"] == [str(store)]
    csv = tmp_path / "credential.csv"
    csv.write_text(f"username,password,hostname\nmember,{SECRET},broker.example.org\n")
    assert invoke("auth", "add", str(csv), "--json").code == 0
    assert invoke("auth", "list").out == "member for broker.example.org\n"
    assert invoke("auth", "--json", "nonsense").json["error"]["kind"] == "NotAuthenticated"
