"""From a record to everybody who wants it: memory, disk, callbacks, plug-in."""

from __future__ import annotations

import logging
import threading
import traceback
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from snews_drill.alert_files import DEFAULT_FOLDER, AlertFiles
from snews_drill.errors import SettingsError, UnreadableRecord
from snews_drill.inbox import Inbox
from snews_drill.messages.alert import Alert
from snews_drill.plugin import PluginRun, PluginRunner
from snews_drill.transport import Record
from snews_drill.wire.alerts import decode_alert

_log = logging.getLogger("snews_drill")

#: Errors of callbacks that are kept, and how much of each, characters.
_MAX_CALLBACK_ERRORS = 100
_MAX_CALLBACK_ERROR = 4_000


class Callbacks:
    """Functions that want to be called; one that raises is reported and called again the next time.

    Parameters
    ----------
    report
        Called with a sentence and the traceback of each failure.
    """

    def __init__(self, report: Callable[[str, str], None]) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._entries: tuple[tuple[object, Callable[[Any], Any]], ...] = ()

    def add(self, callback: Callable[[Any], Any]) -> Callable[[], None]:
        """Add a function and return the function that takes it away again."""
        mark = object()  # the same function may be given twice
        with self._lock:
            self._entries = (*self._entries, (mark, callback))

        def remove() -> None:
            with self._lock:
                self._entries = tuple(entry for entry in self._entries if entry[0] is not mark)

        return remove

    def __call__(self, value: Any) -> None:
        """Call them all, in the order they came."""
        for _, callback in self._entries:
            try:
                callback(value)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's code must not end the stream
                name = getattr(callback, "__qualname__", type(callback).__name__)
                trace = "".join(traceback.format_exception(error, limit=-5))[-_MAX_CALLBACK_ERROR:]
                self._report(f"The callback {name} failed: {type(error).__name__}: {str(error)[:300]}", trace)


class AlertDelivery:
    """Decodes records and hands new alerts on, in this order: disk, memory, callbacks, plug-in.

    Parameters
    ----------
    inbox
        Keeps and counts.

    Attributes
    ----------
    on_start, on_alert, on_plugin : Callbacks
        Called when listening begins, with each new `Alert`, and with each `PluginRun`.
    callback_errors : deque of str
        The newest tracebacks of callbacks.
    runner : PluginRunner or None
        The plug-in now in use.
    """

    def __init__(self, inbox: Inbox) -> None:
        self.callback_errors: deque[str] = deque(maxlen=_MAX_CALLBACK_ERRORS)
        self.on_start = Callbacks(self._note_callback)
        self.on_alert = Callbacks(self._note_callback)
        self.on_plugin = Callbacks(self._note_callback)
        self.runner: PluginRunner | None = None
        self._files: AlertFiles | None = None
        self._inbox = inbox

    @property
    def folder(self) -> Path | None:
        """Where alerts are saved, as a whole path; None if none is."""
        return self._files.folder if self._files is not None else None

    def prepare(self, folder: str | Path | None, plugin: str | Path | None, *, resumes: bool = False) -> None:
        """Check the folder and the script; raise SettingsError or PluginError before anything runs.

        A plug-in needs files: without a folder they go to `DEFAULT_FOLDER`. With `resumes` an alert that lies in the
        folder already is handed on with that file, and not saved again.
        """
        runner = PluginRunner(plugin, on_run=self._note_run) if plugin is not None else None
        if folder is None and plugin is not None:
            folder = DEFAULT_FOLDER
        self._files = AlertFiles(folder, resumes=resumes) if folder is not None else None
        self.runner = runner
        if runner is not None:
            runner.start()

    def take(self, record: Record, received_time_ns: int) -> bool:
        """Hand on what a record says; never raises. Return False if it should have been saved and was not."""
        self._inbox.count("received")
        try:
            alert = decode_alert(record.value)
        except UnreadableRecord as error:
            self._note_unreadable(record, error)
            return True
        except ValueError as error:
            self._note_unreadable(record, UnreadableRecord(f"No alert: {str(error)[:200]}", record.value))
            return True
        if not self._inbox.is_new(record.value):
            self._inbox.count("duplicates")
            return True
        file = self._save(alert, received_time_ns)
        size = len(record.value)
        self._inbox.put(alert, received_time_ns=received_time_ns, size_bytes=size, file=file)
        self.on_alert(alert)
        if self.runner is not None and file is not None:
            self.runner.submit(file)
        return self._files is None or file is not None

    def finish(self) -> None:
        """Nothing more will come: let the plug-in end when it has done what waits. Returns at once."""
        if self.runner is not None:
            self.runner.finish()

    def stop(self, timeout: float) -> None:
        """End the plug-in within `timeout` seconds."""
        if self.runner is not None:
            self.runner.stop(timeout)

    def _save(self, alert: Alert, received_time_ns: int) -> Path | None:
        if self._files is None:
            return None
        try:
            # Saved by a subscriber that was killed before its bookmark moved on.
            if (file := self._files.find(alert.content)) is not None:
                return file
            return self._files.save(alert.content, received_time_ns=received_time_ns)
        except SettingsError as error:
            self._inbox.count("unsaved", error.reason)
            _log.warning("%s", error)
            return None

    def _note_unreadable(self, record: Record, error: UnreadableRecord) -> None:
        # Two senders may write the same nonsense; only the very same record is a repetition.
        where = f"{record.topic} {record.partition} {record.offset} {record.timestamp_ms} ".encode()
        if self._inbox.is_new(where + record.value):
            self._inbox.put_unreadable(error)
            _log.info("An unreadable record: %s", error.reason)
        else:
            self._inbox.count("duplicates")

    def _note_callback(self, reason: str, trace: str) -> None:
        self.callback_errors.append(trace)
        self._inbox.count("callback_failures", reason)
        _log.warning("%s", reason)

    def _note_run(self, run: PluginRun) -> None:
        if not run.is_ok:
            self._inbox.count("plugin_failures", f"The plug-in failed for {run.file.name}: {run.error}")
        self.on_plugin(run)
