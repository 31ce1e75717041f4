"""The processes of a storm: drill server, subscriber and publisher as users start them, to be killed and started again."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from broker_stand import Stand, environment_for, open_transport
from messages_to_send import Alerts
from waiting import wait_for

from faults.storm import DETECTORS
from snews_drill.connection import Connection
from snews_drill.profiles import get_profile
from snews_drill.settings import ENVIRONMENT, DrillSettings
from snews_drill.wire.dialects import get_dialect

_INSIDE = Path(__file__).parent / "inside"


class Member:
    """One process that should run.

    Parameters
    ----------
    name
        What it is.
    command
        How it is started.
    environment
        Its whole environment.
    folder
        Where it runs; its output goes there too.
    """

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path
    ) -> None:
        self.name = name
        self.environment = dict(environment)
        self._command = [*command]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.out, self.err = folder / f"{name}.out", folder / f"{name}.err"

    def start(self) -> None:
        with self.out.open("ab") as out, self.err.open("ab") as err:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=self._folder,
                env=self.environment,
            )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs, and before it was started."""
        return self._process.poll() if self._process is not None else None

    def kill(self) -> None:
        """End it as a power cut would; harmless if it has ended."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)

    def kill_and_start(self) -> None:
        self.kill()
        self.start()

    def stop(self) -> None:
        """End it in order."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()
                raise

    def last_words(self, characters: int = 1500) -> str:
        """Return the end of what it said."""
        texts = (
            path.read_text(errors="replace")[-characters:] for path in (self.err, self.out) if path.exists()
        )
        return f"--- {self.name}\n" + "\n".join(texts)

    def statuses(self) -> list[dict[str, Any]]:
        """Return what a drill server has written of itself, oldest first."""
        lines = self.out.read_bytes().split(b"\n")[:-1] if self.out.exists() else []
        return [found for line in lines if "state" in (found := json.loads(line))]

    def status(self) -> dict[str, Any]:
        """Return the newest status that a drill server has written."""
        lines = self.out.read_bytes().rsplit(b"\n", 3)[:-1] if self.out.exists() else []
        found = [json.loads(line) for line in lines[-1:] if line]
        return found[0] if found and "state" in found[0] else {}


class Crew:
    """Server, subscriber and publisher on topics of their own.

    Parameters
    ----------
    stand
        The broker.
    folder
        For everything they write.
    prefix
        Of the topics.
    patience
        Seconds that the publisher waits for an acknowledgement before it sends again.
    archive_dir
        The archive's folder, made by the server.
    """

    def __init__(
        self,
        stand: Stand,
        folder: Path,
        prefix: str,
        *,
        patience: float = 10.0,
        archive_dir: Path | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.prefix, self.url = folder, prefix, f"kafka://{stand.address}"
        self.alerts_dir = folder / "alerts"
        self.archive_path = (archive_dir or folder / "archive") / "archive.sqlite3"
        self.messages, self.journal = folder / "messages.jsonl", folder / "journal"
        clean = {k: v for k, v in environment_for(stand, folder).items() if k not in ENVIRONMENT}
        environment = {**clean, "SNEWS_DRILL_HOME": str(folder / "home"), "NO_COLOR": "1"}
        where = ("--topics-prefix", prefix)
        drill = (sys.executable, "-m", "snews_drill")
        self.server = Member(
            "server",
            [*drill, "serve", "--broker", self.url, *where, "--archive", str(self.archive_path), "--json"],
            environment,
            folder,
        )
        self.subscriber = Member(
            "subscriber",
            [
                *drill,
                "subscribe",
                "--profile",
                self.url,
                *where,
                "-o",
                str(self.alerts_dir),
                "--resume",
                "--json",
            ],
            environment,
            folder,
        )
        script = str(_INSIDE / "publisher.py")
        self.publisher = Member(
            "publisher",
            [sys.executable, script, str(self.messages), str(self.journal), self.url, prefix, str(patience)],
            environment,
            folder,
        )
        self.members = (self.server, self.subscriber, self.publisher)
        self.connection = connect(stand, prefix, folder)

    def begin(self, messages: list[dict[str, Any]]) -> None:
        """Start everybody: first who listens, then who speaks."""
        self.messages.write_text("".join(json.dumps(message) + "\n" for message in messages))
        self.server.start()
        self.subscriber.start()
        self.wait(lambda: list(self.alerts_dir.glob(".bookmark-*.json")), "the subscriber to listen")
        self.wait(lambda: self.server.status().get("state") == "listening", "the server to listen")
        self.publisher.start()

    def member(self, name: str) -> Member:
        """Return the server, the subscriber or the publisher."""
        (found,) = (member for member in self.members if member.name == name)
        return found

    def look_after(self) -> None:
        """Start again who ended because the broker was away, as a service manager does."""
        for member in self.members:
            if member.exit_code not in (None, 0):
                member.start()

    @property
    def acknowledged(self) -> int:
        """How many messages the publisher knows to be acknowledged."""
        return self.journal.read_bytes().count(b"\n") if self.journal.exists() else 0

    def wait(self, condition: Any, what: str, timeout: float = 60.0) -> Any:
        """Wait for a condition; a failure tells what everybody said last."""
        try:
            return wait_for(lambda: self.look_after() or condition(), what, timeout=timeout)
        except AssertionError as error:
            words = "\n".join(member.last_words() for member in self.members)
            raise AssertionError(f"{error}\n{words}") from error

    def saved(self) -> list[dict[str, Any]]:
        """Return the alerts that the subscriber saved, in the order of their days and numbers."""
        files = []
        for path in self.alerts_dir.glob("*-SNEWS_ALERT_*.json"):
            number, _, day = path.stem.partition("-SNEWS_ALERT_")
            files.append((day, int(number), path))
        return [json.loads(path.read_bytes()) for *_, path in sorted(files)]

    @property
    def saved_count(self) -> int:
        return sum(1 for _ in self.alerts_dir.glob("*-SNEWS_ALERT_*.json"))

    def rest(self, timeout: float = 60.0) -> list[dict[str, Any]]:
        """Wait until nothing moves any more, and return every alert record on the topic."""
        self.wait(lambda: self.publisher.exit_code == 0, "the publisher to finish", timeout)
        alerts = Alerts(self.connection)
        try:
            observations = self.connection.topics().observations
            written = end_of(self.connection, observations)
            self.wait(
                lambda: self._position(observations) >= written, "the server to read everything", timeout
            )
            self.wait(
                lambda: self._query("SELECT COUNT(*) FROM outgoing WHERE sent_ns IS NULL") == 0,
                "no alert to wait",
            )
            total = self._query("SELECT COUNT(*) FROM outgoing WHERE kind = 'alert'")
            self.wait(
                lambda: len({a["_id"] for a in alerts.look()}) >= total, "all alerts on the topic", timeout
            )
            alerts.look(0.3)
            end = end_of(self.connection, self.connection.topics().alerts)
            self.wait(lambda: self._bookmark() >= end, "the subscriber to read everything", timeout)
            return list(alerts.read)
        finally:
            alerts.close()

    def _position(self, topic: str) -> int:
        return self._query("SELECT COALESCE(MAX(next_offset), 0) FROM positions WHERE topic = ?", topic)

    def _bookmark(self) -> int:
        (path,) = self.alerts_dir.glob(".bookmark-*.json")
        return int(json.loads(path.read_text())["partitions"][0]["next_offset"])

    def _query(self, statement: str, *values: object) -> int:
        with contextlib.closing(sqlite3.connect(self.archive_path, timeout=10)) as database:
            return int(database.execute(statement, values).fetchone()[0])

    def integrity(self) -> str:
        """Return what SQLite says of the archive: "ok"."""
        with contextlib.closing(sqlite3.connect(self.archive_path, timeout=10)) as database:
            return str(database.execute("PRAGMA integrity_check").fetchone()[0])

    def end(self) -> None:
        """End everybody."""
        for member in self.members:
            member.kill()
        self.connection.close()


@contextlib.contextmanager
def crew_on(stand: Stand, folder: Path, prefix: str, **more: Any) -> Iterator[Crew]:
    """A crew whose processes end with the block."""
    crew = Crew(stand, folder, prefix, **more)
    try:
        yield crew
    finally:
        crew.end()


def connect(stand: Stand, prefix: str, folder: Path) -> Connection:
    """Return a connection on these topics, made."""
    profile = get_profile(f"kafka://{stand.address}", topics_prefix=prefix)
    transport = open_transport(stand)
    transport.create_topics((*profile.firedrill.names(), *profile.test.names()))
    home = folder / "home"
    settings = DrillSettings(
        config_dir=home / "config",
        state_dir=home / "state",
        runtime_dir=home / "run",
        detector_name=DETECTORS[0],
    )
    return Connection(profile, transport, get_dialect(profile.dialect), settings=settings)


def end_of(connection: Connection, topic: str) -> int:
    """Return the offset behind the last record of a topic."""
    reader = connection.open_reader([topic], start="beginning")
    try:
        while reader.read(timeout=0.5):
            pass
        return reader.positions[topic, 0]
    finally:
        reader.close()
