"""A drill server that only says that it was started, and other users: real processes for real ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

_STAND_IN = """
import json, os, signal, sys, time
place = sys.argv[sys.argv.index("--rehearsal-dir") + 1]
text = json.dumps({"arguments": sys.argv[1:], "token": os.environ.get("SNEWS_DRILL_ADMIN_TOKEN")})
signal.signal(signal.SIGTERM, lambda *_: (open(os.path.join(place, "stopped"), "a").close(), sys.exit(0)))
with open(os.path.join(place, f"server-{os.getpid()}.partial"), "w") as file:
    file.write(text)
os.rename(file.name, file.name.replace(".partial", ".json"))
while True:
    time.sleep(60)
"""

# Joins the rehearsal, says so, and waits for its input to end; then it leaves in order.
_USER = """
import sys
from pathlib import Path
from snews_drill.rehearsal.launcher import ensure_rehearsal
from snews_drill.settings import DrillSettings
home = Path(sys.argv[1])
settings = DrillSettings(config_dir=home / "config", state_dir=home / "state", runtime_dir=home / "run")
rehearsal = ensure_rehearsal(settings, server_command=(), grace=float(sys.argv[2]))
print(rehearsal.broker, rehearsal.rehearsal_id, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def stand_in(tmp_path: Path) -> tuple[str, ...]:
    """Return the command of a drill server that writes down how it was started and waits for its end."""
    script = tmp_path / "stand_in.py"
    script.write_text(_STAND_IN)
    return (sys.executable, "-I", "-S", str(script))


@pytest.fixture
def start_user(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return a function that starts another process which uses the same rehearsal."""
    users: list[subprocess.Popen[str]] = []

    def start(grace: float = 0.3) -> subprocess.Popen[str]:
        user = subprocess.Popen(
            [sys.executable, "-c", _USER, str(tmp_path / "home"), str(grace)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        users.append(user)
        return user

    yield start
    for user in users:
        user.kill()
        user.stdin.close()
        user.stdout.close()
        user.wait(10)
