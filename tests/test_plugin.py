"""The plug-in runner, with real scripts."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import psutil
import pytest
from waiting import AT_ONCE_SEC, is_gone, wait_for

from snews_drill import plugin
from snews_drill.errors import PluginError
from snews_drill.plugin import PluginRun, PluginRunner


def _script(folder: Path, text: str) -> Path:
    path = folder / "a 'quoted' $(script).py"
    path.write_text(text)
    return path


def _runs(runner: PluginRunner, count: int) -> list[PluginRun]:
    return wait_for(lambda: runner.runs if len(runner.runs) >= count else [], f"{count} runs")


def test_the_script_gets_the_file_and_no_shell_sees_it(tmp_path: Path) -> None:
    """Names with quotes, blanks and shell words arrive as they are, as the only argument."""
    script = _script(
        tmp_path, "import sys\nprint(sys.argv[1:], sys.stdin.read() == '')\nprint('!', file=sys.stderr)"
    )
    file = Path("/no where/$(touch x); 'alert'.json")
    with PluginRunner(script) as runner:
        runner.submit(file)
        (run,) = _runs(runner, 1)
    assert run.is_ok
    assert run.file == file
    assert run.stdout.strip() == f"{[str(file)]} True"
    assert run.stderr.strip() == "!"
    assert run.returncode == 0
    assert run.seconds > 0


def test_a_program_that_is_not_python_is_run_itself(tmp_path: Path) -> None:
    """An executable is started directly; one that may not be executed is refused with the remedy."""
    script = tmp_path / "follow_up"
    script.write_text('#!/bin/sh\necho "got $1"\n')
    with pytest.raises(PluginError, match=r"chmod \+x"):
        PluginRunner(script)
    script.chmod(0o755)
    with PluginRunner(script) as runner:
        runner.submit(Path("f.json"))
        (run,) = _runs(runner, 1)
    assert run.stdout == "got f.json\n"


def test_what_cannot_be_run_is_refused(tmp_path: Path) -> None:
    """Missing, or a folder: told before anything starts. Not a program: told as a failed run."""
    for path in (tmp_path / "missing.py", tmp_path):
        with pytest.raises(PluginError, match="no script"):
            PluginRunner(path)
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF nonsense")
    broken.chmod(0o755)
    with PluginRunner(broken) as runner:
        runner.submit(Path("f.json"))
        (run,) = _runs(runner, 1)
    assert not run.is_ok
    assert "could not be started" in run.error


def test_a_failure_is_told_with_the_last_line(tmp_path: Path) -> None:
    """Exit code and the end of standard error; the next file is still run."""
    script = _script(
        tmp_path, "import sys\nif sys.argv[1] == 'bad': raise ValueError('dome is shut')\nprint('fine')"
    )
    told: list[PluginRun] = []
    with PluginRunner(script, on_run=told.append) as runner:
        runner.submit(Path("bad"))
        runner.submit(Path("good"))
        first, second = _runs(runner, 2)
    assert first.returncode == 1
    assert "exit code 1: ValueError: dome is shut" in first.error
    assert second.is_ok
    assert told == [first, second]


def test_output_without_end_is_bounded_and_does_not_block(tmp_path: Path) -> None:
    """The last of it is kept, far more than a pipe holds is read."""
    script = _script(tmp_path, "print('x' * 1_000_000)\nprint('the end')")
    with PluginRunner(script) as runner:
        runner.submit(Path("f"))
        (run,) = _runs(runner, 1)
    assert run.is_ok
    assert len(run.stdout) == plugin.MAX_OUTPUT
    assert run.stdout.endswith("the end\n")


@pytest.mark.skipif(os.name != "posix", reason="process groups")
def test_a_run_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    """The time limit ends the script and what it started; what it printed is kept."""
    script = _script(
        tmp_path,
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n",
    )
    with PluginRunner(script, time_limit=1.0) as runner:
        runner.submit(Path("f"))
        (run,) = _runs(runner, 1)
    assert "longer than 1 s" in run.error
    child = int(run.stdout)
    wait_for(lambda: is_gone(child), "the child's end")


def test_what_a_good_script_leaves_running_is_left_alone(tmp_path: Path) -> None:
    """A viewer that the script opened in the background stays, and holds nobody up."""
    script = _script(
        tmp_path,
        "import subprocess, sys\n"
        "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid, flush=True)\n",
    )
    begun = time.monotonic()
    with PluginRunner(script) as runner:
        runner.submit(Path("f"))
        (run,) = _runs(runner, 1)
    assert run.is_ok
    assert psutil.pid_exists(int(run.stdout))
    assert time.monotonic() - begun < 30
    psutil.Process(int(run.stdout)).kill()
    wait_for(lambda: is_gone(int(run.stdout)), "the viewer's end")


def test_too_many_waiting_are_skipped_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """submit never waits and never forgets in silence."""
    monkeypatch.setattr(plugin, "MAX_WAITING", 2)
    script = _script(tmp_path, "import time\ntime.sleep(60)")
    with PluginRunner(script) as runner:
        begun = time.monotonic()
        for number in range(10):
            runner.submit(Path(str(number)))
        assert time.monotonic() - begun < AT_ONCE_SEC
        skipped = runner.runs
        assert len(skipped) >= 7
        assert all("were waiting" in run.error for run in skipped)
    assert len(runner.runs) == 10


def test_stop_lets_a_quick_script_finish(tmp_path: Path) -> None:
    """What can be done within the time is done; stop and start may be repeated."""
    marks = tmp_path / "marks"
    marks.mkdir()
    script = _script(tmp_path, f"import sys, pathlib\npathlib.Path({str(marks)!r}, sys.argv[1]).touch()")
    runner = PluginRunner(script)
    runner.stop()
    for name in ("a", "b"):
        runner.start()
        runner.start()
        runner.submit(Path(name))
        runner.stop(timeout=10)
        runner.stop()
        assert not runner.is_running
    assert sorted(mark.name for mark in marks.iterdir()) == ["a", "b"]
    assert runner.command == [sys.executable, str(script)]


def test_a_callback_that_raises_does_not_end_the_runner(tmp_path: Path) -> None:
    """The next file is still run."""

    def broken(run: PluginRun) -> None:
        raise RuntimeError("no bell")

    with PluginRunner(_script(tmp_path, ""), on_run=broken) as runner:
        runner.submit(Path("a"))
        runner.submit(Path("b"))
        assert len(_runs(runner, 2)) == 2
