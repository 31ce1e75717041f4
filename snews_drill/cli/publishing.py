"""`publish` and `heartbeat`: what a detector says."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snews_drill.cli.options import FiredrillOption, JsonOption, ProfileOption
from snews_drill.cli.screen import Screen, command, connected, error_to_dict, problem_to_dict
from snews_drill.cli.text import clock, visible
from snews_drill.errors import DrillError, InvalidMessage, MessageTooLarge, Problem, TransportError
from snews_drill.messages.visible import counted

if TYPE_CHECKING:
    from snews_drill.connection import Connection
    from snews_drill.heartbeat_log import HeartbeatGap, HeartbeatState
    from snews_drill.heartbeats import HeartbeatSender
    from snews_drill.publisher import SNEWSTiersPublisher


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("publish")(publish)
    app.command("heartbeat")(heartbeat)


def publish(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="JSON files, one message's arguments each.")
    ],
    partial: Annotated[
        bool,
        typer.Option("--partial", help="Send the valid messages of a file even if others in it are not."),
    ] = False,
    profile: ProfileOption = None,
    firedrill: FiredrillOption = True,
    is_json: JsonOption = False,
) -> None:
    """Send the messages that files describe; each file is reported.

    From a file with problems nothing is sent. `snews-drill message-schema` shows what a file may hold.
    """
    with command(is_json) as screen:
        work = _Publication(screen, firedrill, partial)
        readable = work.read(files)
        if readable:
            with connected(screen, profile) as connection:
                for path, arguments in readable.items():
                    work.send(path, arguments, connection)
        work.conclude(files)


class _Publication:
    """Sends one file after the other and keeps what became of each."""

    def __init__(self, screen: Screen, firedrill: bool, partial: bool) -> None:
        self._screen = screen
        self._firedrill = firedrill
        self._partial = partial
        self._outcomes: dict[Path, dict[str, Any]] = {}
        self._gone: TransportError | None = None

    def read(self, files: list[Path]) -> dict[Path, dict[str, Any]]:
        """Return the arguments in each file that can be read."""
        from snews_drill.cli.arguments_file import read_arguments

        readable = {}
        for path in files:
            try:
                readable[path] = read_arguments(path)
            except DrillError as error:
                self._fail(path, error)
        return readable

    def send(self, path: Path, arguments: dict[str, Any], connection: Connection) -> None:
        """Build and send what one file says."""
        self._screen.say(f"{path}:", style="bold")
        if self._gone is not None:
            self._fail(
                path, TransportError("Not tried: the broker had gone.", next_step=self._gone.next_step)
            )
            return
        from snews_drill.publisher import SNEWSTiersPublisher

        publisher = None
        try:
            with self._screen.printing():
                publisher = SNEWSTiersPublisher(
                    **{**arguments, "firedrill_mode": self._firedrill, "connection": connection}
                )
            self._send(path, publisher)
        except DrillError as error:
            if isinstance(error, TransportError) and not isinstance(error, MessageTooLarge):
                self._gone = _trouble(connection)
            self._fail(path, error, publisher.problems if publisher is not None else ())

    def _send(self, path: Path, publisher: SNEWSTiersPublisher) -> None:
        fatal = [problem for problem in publisher.problems if problem.is_fatal]
        if fatal and not (self._partial and publisher.messages):
            raise InvalidMessage(fatal, next_step="Mend the file; nothing of it was sent.")
        with self._screen.printing(), self._screen.progress("Sending …"):
            receipts = publisher.send_to_snews()
        sent = []
        for content, receipt in zip(publisher.messages, receipts, strict=True):
            place = {"topic": receipt.topic, "partition": receipt.partition, "offset": receipt.offset}
            sent.append({**place, "ms": round(receipt.milliseconds, 3), "message": content})
            self._screen.say(
                f"  sent to {receipt.topic}, acknowledged in {receipt.milliseconds:.1f} ms", style="green"
            )
        if fatal:
            self._outcomes[path] = {"sent": sent}
            raise InvalidMessage(fatal, next_step="Mend the file; only its valid messages were sent.")
        self._tell_problems(publisher.problems)
        problems = [problem_to_dict(problem) for problem in publisher.problems]
        self._outcomes[path] = {"file": str(path), "ok": True, "sent": sent, "problems": problems}

    def _fail(self, path: Path, error: DrillError, problems: Any = ()) -> None:
        found = list(problems) or list(getattr(error, "problems", ()))
        if found and isinstance(error, InvalidMessage):
            self._screen.note(f"{path}: not valid", style="bold red")
            self._tell_problems(found)
        else:
            self._screen.note(f"{path}: {error.reason}", style="bold red")
        self._screen.note(f"  Next step: {error.next_step}", style="")
        self._outcomes[path] = {
            "file": str(path),
            "ok": False,
            "sent": self._outcomes.get(path, {}).get("sent", []),
            "problems": [problem_to_dict(problem) for problem in found],
            "error": error_to_dict(error),
        }

    def _tell_problems(self, problems: list[Problem]) -> None:
        for problem in problems:
            style = "red" if problem.is_fatal else "yellow"
            where = f"{problem.tier}.{problem.field}" if problem.tier else problem.field
            self._screen.note(f"  {visible(where)}: {problem.reason} {problem.remedy}", style=style)

    def conclude(self, files: list[Path]) -> None:
        """Say how it went; raise if a file failed."""
        failed = [path for path, outcome in self._outcomes.items() if not outcome["ok"]]
        self._screen.result["files"] = [self._outcomes[path] for path in dict.fromkeys(files)]
        if failed:
            raise DrillError(
                f"{len(failed)} of {counted(len(self._outcomes), 'file')} failed: {', '.join(map(str, failed))}",
                next_step="Mend what is said above for each and publish those again.",
            )
        self._screen.emit({"ok": True, **self._screen.result})


def _trouble(connection: Connection) -> TransportError | None:
    try:
        connection.check(timeout=2.0)
    except TransportError as error:
        return error
    return None


def heartbeat(
    status: Annotated[
        str, typer.Option("--status", "-s", metavar="ON|OFF", help="Whether the detector takes data.")
    ] = "ON",
    machine_time: Annotated[
        str | None, typer.Option("--time", "-t", metavar="TIME", help="When, ISO text, UTC; now by default.")
    ] = None,
    every: Annotated[
        float | None, typer.Option("--every", metavar="SECONDS", help="Go on at this pace until Ctrl-C.")
    ] = None,
    count: Annotated[
        int | None,
        typer.Option("--count", "-n", min=1, help="With --every: end after so many were acknowledged."),
    ] = None,
    profile: ProfileOption = None,
    firedrill: FiredrillOption = True,
    is_json: JsonOption = False,
) -> None:
    """Say that your detector is on, or off: once, or again and again."""
    if every is not None and machine_time is not None:
        raise typer.BadParameter("--time makes no sense with --every: each heartbeat has its own time.")
    with command(is_json) as screen, connected(screen, profile) as connection:
        if every is None:
            _send_once(screen, connection, status, machine_time, firedrill)
            return
        from snews_drill.heartbeats import HeartbeatSender

        sender = HeartbeatSender(status=status, every=every, connection=connection, firedrill_mode=firedrill)
        _send_on(screen, sender, count)


def _send_once(
    screen: Screen, connection: Connection, status: str, machine_time: str | None, firedrill: bool
) -> None:
    from snews_drill.heartbeats import send_heartbeat

    with screen.progress("Sending …"):
        receipt = send_heartbeat(status, machine_time, connection=connection, firedrill_mode=firedrill)
    name, said = connection.detector_name, status.strip().upper()
    screen.say(
        f"{name} is {said}: sent to {connection.url(receipt.topic)}, acknowledged in {receipt.milliseconds:.1f} ms"
    )
    screen.emit(
        {
            "ok": True,
            "detector_name": name,
            "status": said,
            "topic": receipt.topic,
            "partition": receipt.partition,
            "offset": receipt.offset,
            "ms": round(receipt.milliseconds, 3),
        }
    )


def _send_on(screen: Screen, sender: HeartbeatSender, count: int | None) -> None:
    from snews_drill.cli.interruption import until_interrupted

    told = (0, 0)
    with until_interrupted() as asked, sender:
        while True:
            state = sender.state
            if (state.acknowledged, state.missed) != told:
                told = (state.acknowledged, state.missed)
                _tell_beat(screen, state, sender.missed)
            if asked.wait(0.05) or (count is not None and state.acknowledged >= count):
                return
            if not state.is_running:
                raise TransportError(
                    f"No more heartbeats are sent: {state.last_error or 'the sender ended'}.",
                    next_step="Start it again.",
                )


def _tell_beat(screen: Screen, state: HeartbeatState, gaps: list[HeartbeatGap]) -> None:
    problem = f"; {state.last_error}" if state.missed and state.last_error else ""
    latency = "" if state.last_latency_ms is None else f", the last in {state.last_latency_ms:.1f} ms"
    screen.say(
        f"{clock(time.time_ns())} {state.status}: {state.acknowledged} acknowledged{latency}; {state.missed} missed{problem}"
    )
    if gaps and gaps[-1].until_ns is not None and gaps[-1].until_ns == state.last_acknowledged_ns:
        screen.say(f"The heartbeats are back: {gaps[-1]}.", style="yellow")
    screen.emit(
        {
            "status": state.status,
            "acknowledged": state.acknowledged,
            "missed": state.missed,
            "ms": state.last_latency_ms,
            "last_error": state.last_error,
            "gaps": [{"since_ns": g.since_ns, "until_ns": g.until_ns, "missed": g.count} for g in gaps],
        }
    )
