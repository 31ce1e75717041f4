"""`subscribe`: alerts as they come."""

from __future__ import annotations

import time
from collections import deque
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from snews_drill.cli.options import FiredrillOption, JsonOption, ProfileOption
from snews_drill.cli.screen import Screen, command, connected
from snews_drill.errors import NoAnswer, PluginError, SettingsError
from snews_drill.messages.visible import counted

if TYPE_CHECKING:
    import threading

    from snews_drill.announcements import AnnouncementListener
    from snews_drill.inbox import SubscriberState
    from snews_drill.messages.announcement import Announcement
    from snews_drill.plugin import PluginRun
    from snews_drill.subscriber import Subscriber

#: How often the screen is brought up to date, seconds.
_SLICE_SEC = 0.05


class StartPlace(StrEnum):
    """Where to begin."""

    NOW = "now"
    BEGINNING = "beginning"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("subscribe")(subscribe)


def subscribe(  # noqa: PLR0913 - an option each
    script: Annotated[
        Path | None,
        typer.Option("--plugin", "-p", metavar="SCRIPT", help="Run this for every alert, with its file."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--outputfolder", "-o", metavar="FOLDER", help="Save every alert there, as JSON."),
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", "-n", min=1, help="End after so many alerts.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option("--timeout", metavar="SECONDS", min=0.0, help="End after this time.")
    ] = None,
    start: Annotated[
        StartPlace, typer.Option("--start", help="Begin with new alerts, or with all there are.")
    ] = StartPlace.NOW,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on after the last alert saved in FOLDER, even if killed since."),
    ] = False,
    profile: ProfileOption = None,
    firedrill: FiredrillOption = True,
    is_json: JsonOption = False,
) -> None:
    """Show alerts as they come, until Ctrl-C. With --json each is one line.

    With --count and --timeout together, fewer alerts than asked for are a failure.
    """
    from snews_drill.cli.interruption import until_interrupted

    with command(is_json) as screen, connected(screen, profile) as connection:
        from snews_drill.announcements import AnnouncementListener
        from snews_drill.subscriber import Subscriber

        subscriber = Subscriber(
            firedrill_mode=firedrill,
            outputfolder=folder,
            plugin=script,
            connection=connection,
            start="now" if start is StartPlace.NOW else "beginning",
            resume=resume,
        )
        with until_interrupted() as asked:
            announcements = AnnouncementListener(connection, firedrill_mode=firedrill)
            _Stream(screen, subscriber, announcements, asked).run(count, timeout)


class _Stream:
    """Shows what a subscriber receives, in the main thread."""

    def __init__(
        self,
        screen: Screen,
        subscriber: Subscriber,
        announcements: AnnouncementListener,
        asked: threading.Event,
    ) -> None:
        self._announcements = announcements
        self._announced: set[Announcement] = set()
        self._screen = screen
        self._subscriber = subscriber
        self._asked = asked
        self._runs: deque[PluginRun] = deque()
        self._runs_seen = 0
        self._shown = 0
        self._told = ("", 0, 0)
        subscriber.on_plugin(self._runs.append)

    def run(self, count: int | None, timeout: float | None) -> None:
        """Show alerts until there are `count`, `timeout` seconds are over, or somebody ends it."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._subscriber, self._announcements:
            self._greet()
            while self._subscriber.is_running and not self._asked.is_set():
                self._show_news(count)
                if count is not None and self._shown >= count:
                    break
                if deadline is not None and time.monotonic() >= deadline:
                    break
                self._asked.wait(_SLICE_SEC)
            self._show_news(count)
            self._await_plugin()
        self._conclude(None if self._asked.is_set() else count, timeout)

    def _greet(self) -> None:
        words = f"You are subscribing to ALERT\nBroker:{self._subscriber.url}"
        if self._screen.is_json:
            self._screen.note(words)
        else:
            self._screen.say(words)

    def _show_news(self, count: int | None) -> None:
        for entry in self._subscriber.snapshot(self._shown):
            if count is not None and self._shown >= count:
                break
            self._shown = entry.number
            if self._screen.is_json:
                self._screen.emit(entry.alert.content)
            else:
                from snews_drill.cli.alert_panel import alert_panel

                self._screen.show(alert_panel(entry.alert))
            if entry.file is not None:
                self._screen.note(f"Saved as {entry.file}")
        while self._runs:
            self._tell_run(self._runs.popleft())
        for said in self._announcements.announcements:
            if said not in self._announced:
                from snews_drill.announcements import announcement_text

                self._announced.add(said)
                self._screen.note(announcement_text(said), style="bold")
        self._tell_state(self._subscriber.state)

    def _tell_run(self, run: PluginRun) -> None:
        self._runs_seen += 1
        for name, output in (("", run.stdout), (" (errors)", run.stderr)):
            for line in output.splitlines():
                self._screen.note(f"plug-in{name}: {line}", style="")
        if not run.is_ok:
            self._screen.note(f"The plug-in failed for {run.file.name}: {run.error}", style="bold red")

    def _tell_state(self, state: SubscriberState) -> None:
        told, self._told = self._told, (state.phase.value, state.unreadable, state.unsaved)
        if self._told == told:
            return
        if state.phase.value == "reconnecting" != told[0]:
            self._screen.note(
                f"{state.last_error or 'The broker does not answer.'} Waiting for it …", style="yellow"
            )
        if told[0] == "reconnecting" and state.phase.value == "listening":
            self._screen.note("Listening again.", style="green")
        if state.unreadable > told[1]:
            self._screen.note(
                f"{counted(state.unreadable, 'record')} that cannot be read: {state.last_error}",
                style="yellow",
            )
        if state.unsaved > told[2]:
            self._screen.note(
                f"{counted(state.unsaved, 'alert')} not saved: {state.last_error}", style="bold red"
            )

    def _await_plugin(self) -> None:
        if self._subscriber.plugin is None:
            return
        from snews_drill.plugin import TIME_LIMIT_SEC

        deadline = time.monotonic() + TIME_LIMIT_SEC
        while not self._asked.is_set() and time.monotonic() < deadline:
            while self._runs:
                self._tell_run(self._runs.popleft())
            if self._runs_seen + self._subscriber.state.unsaved >= self._shown:
                return
            self._asked.wait(_SLICE_SEC)

    def _conclude(self, count: int | None, timeout: float | None) -> None:
        state = self._subscriber.state
        if count is not None and self._shown < count:
            raise NoAnswer(
                f"Waited {timeout:g} s for {counted(count, 'alert')} from {self._subscriber.url}: {self._shown} came.",
                next_step="Check with `snews-drill test-connection` that a drill server answers, and wait longer.",
            )
        if state.unsaved:
            raise SettingsError(
                f"{counted(state.unsaved, 'alert')} could not be saved: {state.last_error}",
                next_step="Make room or make the folder writable; --start beginning (or --resume, if you used it) brings "
                "the alerts again.",
            )
        if state.plugin_failures:
            raise PluginError(
                f"The plug-in failed for {counted(state.plugin_failures, 'alert')}.",
                next_step="Its output stands above; mend the script and run it with an alert's file.",
            )
