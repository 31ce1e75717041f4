"""What the drill server does when it is asked: echo, reset, show heartbeats, mail feedback."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from snews_drill.detectors import is_registered
from snews_drill.errors import DrillError
from snews_drill.messages.commands import NEEDS_RIGHTS, Command, CommandName
from snews_drill.messages.times import NS_PER_DAY, NS_PER_SECOND, parse_utc_ns
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.contacts import registered
from snews_drill.rehearsal.exercise import Exercise
from snews_drill.rehearsal.feedback import Delivery, compose, deliver
from snews_drill.rehearsal.heartbeat_statistics import Beat, heartbeat_statistics
from snews_drill.settings import DrillSettings

_LOG = logging.getLogger("snews_drill.server")

#: A request with rights counts this long after it was made, ns; a copy sent later is refused.
PROOF_LIFETIME_NS = 300 * NS_PER_SECOND


@dataclass(frozen=True, slots=True)
class CommandDesk:
    """Answers commands.

    Attributes
    ----------
    archive : Archive
        Where heartbeats are.
    settings : DrillSettings
        Mail server, contacts and folders.
    admin_token : str
        Who knows it has rights; empty means that nobody has.
    is_private : bool
        Whether only this user can read the topics (a rehearsal): then replies may carry other detectors' heartbeats.
    """

    archive: Archive
    settings: DrillSettings
    admin_token: str
    is_private: bool

    def __repr__(self) -> str:
        return f"CommandDesk({self.archive!r})"

    def answer(
        self, command: Command, exercise: Exercise, *, now_ns: int
    ) -> tuple[Command, Callable[[], Command] | None]:
        """Return the reply to a request, and what is left to do outside the server's loop.

        Parameters
        ----------
        command
            A request; one that was answered before must not come here again.
        exercise
            The topics it came through.
        now_ns
            The time, ns since 1970 (UTC).

        Returns
        -------
        reply : Command
            Goes out at once, unless there is more to do.
        later : callable or None
            Work that may take seconds (mail); it returns the reply instead.
        """
        refusal = self._refusal(command, now_ns)
        if refusal:
            return _reply(command, "refused", refusal), None
        if command.name is CommandName.TEST_CONNECTION:
            return command.model_copy(update={"status": "received"}), None
        if command.name is CommandName.HARD_RESET:
            return _reply(command, "done", f"{exercise.reset()} observations dropped."), None
        if command.name is CommandName.DISPLAY_HEARTBEATS:
            return self._show_heartbeats(command, now_ns), None
        if command.name is CommandName.GET_FEEDBACK:
            return _reply(command, "done", "On its way."), lambda: self._mail(command, now_ns)
        return _reply(command, "refused", "This server does not change brokers."), None

    def _refusal(self, command: Command, now_ns: int) -> str:
        if command.name not in NEEDS_RIGHTS:
            return ""
        if not self.admin_token or not command.is_proved(self.admin_token):
            return "You have no rights for that."
        if not command.request_id:
            return "The request has no identifier, so it could be repeated by anybody."
        try:
            age_ns = abs(now_ns - parse_utc_ns(command.time))
        except ValueError:
            return "The request does not say when it was made."
        if age_ns > PROOF_LIFETIME_NS:
            return "The request is older than five minutes, or the clocks differ by that much."
        return ""

    def _beats(self, now_ns: int, detector: str) -> list[Beat]:
        rows = self.archive.heartbeats(since_ns=now_ns - NS_PER_DAY, detector=detector)
        return [Beat(*row) for row in rows]

    def _show_heartbeats(self, command: Command, now_ns: int) -> Command:
        rows = self.archive.heartbeats_per_detector(since_ns=now_ns - NS_PER_DAY)
        lines: list[dict[str, Any]] = []
        for name, count, is_on, sent_ns, received_ns in sorted(rows):
            status = "ON" if is_on else "OFF"
            lines.append(
                {
                    "detector_name": name,
                    "heartbeats": count,
                    "status": status,
                    "seconds_ago": round((now_ns - received_ns) / 1e9, 1),
                    "latency_ms": round((received_ns - sent_ns) / 1e6, 3),
                }
            )
            _LOG.info("heartbeats of %s: %d in 24 h, last %s", name, count, status)
        total = sum(row[1] for row in rows)
        reply = _reply(command, "done", f"{total} heartbeats of {len(lines)} detectors in the last 24 hours.")
        return (
            reply.model_copy(update={"meta": {**reply.meta, "heartbeats": lines}})
            if self.is_private
            else reply
        )

    def _mail(self, command: Command, now_ns: int) -> Command:
        detector = command.detector_name
        try:
            if not is_registered(detector):
                return _reply(command, "refused", "That detector is not on the roster.")
            recipients = registered(detector, command.email, self.settings)
            beats = self._beats(now_ns, detector)
            statistics = heartbeat_statistics(beats, now_ns=now_ns)
            delivery = deliver(compose(detector, statistics, beats, now_ns), recipients, self.settings)
        except DrillError as error:
            return _reply(command, "refused", f"{error.reason} {error.next_step}")
        return _reply(command, "done", self._said(delivery))

    def _said(self, delivery: Delivery) -> str:
        count = f"{len(delivery.recipients)} address{'es' if len(delivery.recipients) > 1 else ''}"
        if delivery.how == "mailed":
            return f"Mailed to {count}."
        # Everybody on a shared broker reads the reply: the folder's name is for the rehearsal's own user only.
        where = f" to {delivery.where}" if self.is_private else " on the server"
        return f"No mail server is set (SNEWS_DRILL_SMTP_HOST): the mail to {count} was written{where}."


def _reply(command: Command, status: str, reason: str) -> Command:
    # Proof and address stay out: a reply is for everybody to read.
    return command.model_copy(update={"status": status, "reason": reason[:1000], "proof": "", "email": ""})
