"""Subscriber: alerts as they come, in the background."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from snews_drill.background import Startable
from snews_drill.bookmark import Bookmark
from snews_drill.connection import Connection, current_connection
from snews_drill.delivery import AlertDelivery
from snews_drill.errors import NoAnswer, SettingsError, UnreadableRecord
from snews_drill.inbox import Inbox, Phase, ReceivedAlert, SubscriberState
from snews_drill.listener import Listener
from snews_drill.messages.alert import Alert
from snews_drill.plugin import PluginRun
from snews_drill.waiting import waiting

if TYPE_CHECKING:
    import pandas

_log = logging.getLogger("snews_drill")

#: Called by `Subscriber.subscribe` with the subscriber; the widgets put their live table here.
views: list[Callable[[Subscriber], None]] = []

#: Seconds that `start` waits for the broker before it leaves the rest to the thread.
_START_PATIENCE_SEC = 2.0


class Subscriber(Startable):
    """Receives alerts in a thread of its own, and goes on until it is stopped.

    An alert that comes twice is shown once. After an outage it goes on where it was.

    Parameters
    ----------
    env_path
        Accepted for the sake of older notebooks; settings come from `connect` and the user's configuration.
    firedrill_mode
        True for the fire-drill topic, False for the test topic.
    outputfolder
        Where to save each alert as `N-SNEWS_ALERT_YYYY-MM-DD.json`; by default none is saved, unless a
        plug-in needs the files: then they go to `SNEWS_ALERTS`.
    plugin
        A script that is run for every alert with its file as the only argument; a Python script, or a
        program.
    connection
        Where to listen; the current connection by default.
    start
        "now" for alerts published from `start` on, "beginning" for everything the broker still has.
    max_alerts
        The most alerts to keep in memory. Very large alerts are kept fewer.
    resume
        Go on where the last subscriber that saved in `outputfolder` was, even if it was killed: none of the alerts
        published since is missed, and none is saved twice. The place is kept in that folder, in a private file. The
        first time, `start` says where to begin.

    Examples
    --------
    >>> with Subscriber(outputfolder="alerts") as subscriber:  # doctest: +SKIP
    ...     print(subscriber.wait_for(1, timeout=60))
    """

    def __init__(
        self,
        env_path: str | None = None,
        firedrill_mode: bool = True,  # noqa: FBT001, FBT002 - the signature of the SNEWS publishing tools
        outputfolder: str | Path | None = None,
        *,
        plugin: str | Path | None = None,
        connection: Connection | None = None,
        start: Literal["now", "beginning"] = "now",
        max_alerts: int = 100_000,
        resume: bool = False,
    ) -> None:
        if start not in ("now", "beginning"):
            raise SettingsError(
                f"start={start!r:.40} is no place to start.", next_step='Use "now" or "beginning".'
            )
        if max_alerts < 1:
            raise SettingsError(f"max_alerts={max_alerts} keeps nothing.", next_step="Give 1 or more.")
        self.env_path = env_path
        self.firedrill_mode = firedrill_mode
        self.outputfolder = outputfolder
        self.plugin = plugin
        self.resume = resume
        self._connection = connection
        self._used: Connection | None = None
        self._start = start
        self._inbox = Inbox(max_alerts)
        self._delivery = AlertDelivery(self._inbox)
        self._lock = threading.Lock()
        self._listener: Listener | None = None
        self._url = ""
        self._is_error_told = True

    def subscribe(
        self,
        outputfolder: str | Path | None = None,
        auth: bool | None = None,  # noqa: ARG002, FBT001 - older notebooks pass it
        *,
        block: bool = False,
        plugin: str | Path | None = None,
    ) -> Subscriber | None:
        """Start listening and return at once; in a notebook, show what comes.

        Parameters
        ----------
        outputfolder, plugin
            Replace those given to the class.
        auth
            Accepted for the sake of older notebooks.
        block
            Stay here until interrupted (Ctrl-C) or stopped, for scripts.

        Returns
        -------
        Subscriber or None
            Itself; nothing when `block`.

        Raises
        ------
        SettingsError
            If the folder cannot be written, or it listens already with another folder or plug-in.
        PluginError
            If the script is missing or cannot be executed.
        TransportError
            If the broker refuses, or has no such topic.
        """
        asked = {"outputfolder": outputfolder, "plugin": plugin}
        for name, value in asked.items():
            if value is not None and self.is_running and str(getattr(self, name)) != str(value):
                raise SettingsError(
                    f"This subscriber listens already, with {name}={getattr(self, name)!r}.",
                    next_step="Call stop() first, or make another Subscriber.",
                )
            if value is not None:
                setattr(self, name, value)
        self.start()
        print(f"You are subscribing to ALERT\nBroker:{self.url}")  # noqa: T201 - the tutorial's words
        for show in views:
            show(self)
        if block:
            self._block()
            return None
        return self

    def start(self) -> None:
        """Start listening without a word; harmless when it does already. Raises as `subscribe` does."""
        with self._lock:
            if self._listener is not None:
                self._listener.join_if_ending(_START_PATIENCE_SEC)
            if self.is_running:
                return
            connection = self._used = self._connection or current_connection()
            topic = connection.topics(firedrill_mode=self.firedrill_mode).alerts
            bookmark = self._prepare(connection, topic)
            self._url = connection.url(topic)
            self._is_error_told = False
            self._listener = Listener(
                connection,
                topic,
                self._start,
                inbox=self._inbox,
                take=self._delivery.take,
                at_end=self._delivery.finish,
                bookmark=bookmark,
            )
            self._listener.start(_START_PATIENCE_SEC)
        self._delivery.on_start(self)
        self._raise_failure()

    def _prepare(self, connection: Connection, topic: str) -> Bookmark | None:
        """Make folder and plug-in ready; return the bookmark if there is to be one."""
        if self.resume and self.outputfolder is None and self.plugin is None:
            raise SettingsError(
                "Only alerts that are saved can tell where to resume, and none is saved.",
                next_step="Give an outputfolder.",
            )
        self._delivery.prepare(self.outputfolder, self.plugin, resumes=self.resume)
        folder = self._delivery.folder
        if not self.resume or folder is None:
            return None
        try:
            return Bookmark(folder, "rehearsal" if connection.rehearsal else connection.broker, topic)
        except SettingsError:
            self._delivery.finish()
            self._delivery.stop(_START_PATIENCE_SEC)
            raise

    def stop(self, timeout: float = 1.0) -> None:
        """Stop listening; harmless when it does not. The alerts stay.

        Parameters
        ----------
        timeout
            Seconds to wait for the threads. A plug-in that still runs then is killed.

        Raises
        ------
        TransportError
            If listening had failed for good and nobody was told yet.
        """
        listener = self._listener
        if listener is None:
            return
        listener.ask_to_end()
        if listener.is_this_thread:
            return
        deadline = time.monotonic() + timeout
        listener.join(timeout)
        if listener.is_running:
            _log.warning("%s was asked to stop, but a callback has not returned yet.", self)
        self._delivery.stop(max(deadline - time.monotonic(), 0.0))
        self._raise_failure()

    @property
    def is_running(self) -> bool:
        """Whether it listens, or tries to."""
        return self._listener is not None and self._listener.is_running

    @property
    def connection(self) -> Connection | None:
        """Where it listens, or will: the connection it was given, else the one that was current at its start."""
        return self._connection or self._used

    @property
    def url(self) -> str:
        """What it listens to, `kafka://host:port/topic`; "" before it was started."""
        return self._url

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._is_error_told = True  # the error that is on its way matters more
        super().__exit__(kind, error, trace)

    def __repr__(self) -> str:
        state = self.state
        where = f" on {self.url}" if self.url else ""
        return f"Subscriber({state.phase}{where}: {state.shown} alert{'' if state.shown == 1 else 's'})"

    @property
    def alerts(self) -> list[Alert]:
        """The alerts in memory, oldest first; a list of your own."""
        return [entry.alert for entry in self._inbox.snapshot()]

    @property
    def state(self) -> SubscriberState:
        """What it does and what it counted, at this moment."""
        return self._inbox.state

    @property
    def unreadable(self) -> list[UnreadableRecord]:
        """The newest records that were no alerts; each keeps its bytes in `.raw`."""
        return self._inbox.unreadable

    @property
    def plugin_runs(self) -> list[PluginRun]:
        """What became of the plug-in for each alert, newest last."""
        return self._delivery.runner.runs if self._delivery.runner is not None else []

    @property
    def callback_errors(self) -> list[str]:
        """The newest tracebacks of callbacks that raised, newest last."""
        return list(self._delivery.callback_errors)

    def snapshot(self, since: int = 0) -> list[ReceivedAlert]:
        """Return the alerts whose `number` is larger than `since`, with time of arrival and file."""
        return self._inbox.snapshot(since)

    def to_dataframe(self) -> pandas.DataFrame:
        """Return the alerts in memory as a table, one row each; `alerts_to_dataframe` tells the columns."""
        from snews_drill.alert_table import alerts_to_dataframe

        return alerts_to_dataframe(self._inbox.snapshot())

    def wait_for(self, n: int = 1, timeout: float = 10.0) -> list[Alert]:
        """Wait until `n` alerts have come since the last `clear`, and return all that are in memory.

        Parameters
        ----------
        n
            How many alerts.
        timeout
            Seconds to wait at most.

        Raises
        ------
        NoAnswer
            If they did not come in time, or nothing listens.
        TransportError
            If listening failed for good.
        """
        begun = time.monotonic()
        with waiting(f"{n} alert{'s' * (n > 1)}", timeout):
            count = self._inbox.wait_for(n, timeout)
        if count >= n:
            return self.alerts
        state = self.state
        if state.error is not None:
            self._is_error_told = True
            raise state.error
        waited = f"{min(time.monotonic() - begun, timeout):.3g} s"
        raise NoAnswer(
            f"Waited {waited} for {n} alert{'s' * (n > 1)} from {self.url or 'nowhere'}: {count} came. "
            f"The subscriber is {state.phase}{f'; {state.last_error}' if state.last_error else '.'}",
            next_step="Call subscribe() first."
            if state.phase is Phase.STOPPED
            else "Check with test_connection() that a drill server answers, and wait longer.",
        )

    def clear(self) -> None:
        """Forget the alerts in memory; the saved ones stay on disk, and the counters go on."""
        self._inbox.clear()

    def on_start(self, callback: Callable[[Subscriber], Any]) -> Callable[[], None]:
        """Call a function with this subscriber each time it begins to listen; see `on_alert`."""
        return self._delivery.on_start.add(callback)

    def on_alert(self, callback: Callable[[Alert], Any]) -> Callable[[], None]:
        """Call a function with every new alert, in the subscriber's thread.

        One that raises is reported in `.callback_errors`, `.state` and the log "snews_drill", and called
        again with the next alert. One that takes long delays those behind it.

        Returns
        -------
        callable
            Ends it when called.
        """
        return self._delivery.on_alert.add(callback)

    def on_plugin(self, callback: Callable[[PluginRun], Any]) -> Callable[[], None]:
        """Call a function with the outcome of every run of the plug-in, in its thread; see `on_alert`."""
        return self._delivery.on_plugin.add(callback)

    def _raise_failure(self) -> None:
        error = self.state.error
        if error is not None and not self._is_error_told:
            self._is_error_told = True
            raise error

    def _block(self) -> None:
        try:
            while self._listener is not None and self._listener.is_running:
                self._listener.join(0.5)  # in slices: an interruption is noticed between them
        except KeyboardInterrupt:
            _log.info("%s was interrupted.", self)
        self.stop()
