"""Mails take seconds: a thread of their own makes and sends them, one after another."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from snews_drill.background import Background
from snews_drill.messages.commands import Command

_LOG = logging.getLogger("snews_drill.server")

#: Mails that may wait for the mail server; further requests are refused.
MAX_WAITING_MAILS = 10


@dataclass(frozen=True, slots=True)
class MailTask:
    """A mail to be sent, and where the answer goes.

    Attributes
    ----------
    request : Command
        Who asked.
    work : callable
        Sends the mail and returns the answer; may take seconds.
    topic, dialect_name : str
        Where the answer goes, and how it is written.
    """

    request: Command
    work: Callable[[], Command]
    topic: str
    dialect_name: str


class MailRoom(Background):
    """Does mail tasks in a thread of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._tasks: queue.Queue[MailTask] = queue.Queue(MAX_WAITING_MAILS)
        self._answers: queue.SimpleQueue[tuple[Command, MailTask]] = queue.SimpleQueue()
        self._one_at_a_time = threading.Lock()

    def start(self) -> None:
        """Begin; harmless when it runs."""
        with self._lifecycle:
            if not self._is_at_work:
                self._stop = threading.Event()
                self._launch(self._work, self._stop, name="mail")

    def stop(self, timeout: float = 1.0) -> None:
        """End after the mail in hand, but wait no longer than `timeout` seconds; what waits is dropped."""
        super().stop(timeout)
        if self.is_running:
            _LOG.warning("a mail is still on its way to the mail server; it is not waited for")

    def submit(self, task: MailTask) -> bool:
        """Take a task; return False if too many wait."""
        try:
            self._tasks.put_nowait(task)
        except queue.Full:
            return False
        return True

    def answers(self) -> list[tuple[Command, MailTask]]:
        """Return the answers that have come since the last call."""
        found = []
        while True:
            try:
                found.append(self._answers.get_nowait())
            except queue.Empty:
                return found

    def _work(self, stop: threading.Event) -> None:
        with self._one_at_a_time:  # one that was stopped may have a mail in hand still
            self._work_alone(stop)

    def _work_alone(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                task = self._tasks.get(timeout=0.1)
            except queue.Empty:
                continue
            try:
                answer = task.work()
            except Exception:  # noqa: BLE001 - the thread goes on; the error is logged and answered
                _LOG.exception("a feedback mail failed")
                answer = task.request.model_copy(
                    update={
                        "status": "refused",
                        "reason": "The mail could not be made.",
                        "proof": "",
                        "email": "",
                    }
                )
            self._answers.put((answer, task))
