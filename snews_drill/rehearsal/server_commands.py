"""What the drill server does when it is asked: echo, reset, show heartbeats, mail feedback."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from snews_drill.detectors import is_registered
from snews_drill.errors import DrillError
from snews_drill.messages.commands import MAX_ANNOUNCEMENT, NEEDS_RIGHTS, Command, CommandName
from snews_drill.messages.times import NS_PER_DAY, NS_PER_SECOND, iso_micro, parse_utc_ns
from snews_drill.messages.visible import counted
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.contacts import registered
from snews_drill.rehearsal.exercise import Exercise
from snews_drill.rehearsal.feedback import Delivery, compose, deliver
from snews_drill.rehearsal.heartbeat_statistics import Beat, heartbeat_statistics
from snews_drill.rehearsal.joining import Joining
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
    joining : Joining
        Who may take part.
    settings : DrillSettings
        Mail server, contacts and folders.
    admin_token : str
        Who knows it has rights; empty means that nobody has.
    is_private : bool
        Whether only this user can read the topics (a rehearsal): then replies may carry other detectors' heartbeats.
    """

    archive: Archive
    joining: Joining
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
        refusal = self._refusal(command, exercise.topics.observations, now_ns)
        if refusal:
            return _reply(command, "refused", refusal), None
        if command.name is CommandName.TEST_CONNECTION:
            return command.model_copy(update={"status": "received"}), None
        if command.name is CommandName.GET_FEEDBACK:
            return _reply(command, "done", "On its way."), lambda: self._mail(command, now_ns)
        return self._obey(command, exercise, now_ns), None

    def _obey(self, command: Command, exercise: Exercise, now_ns: int) -> Command:
        """Do what is done at once; the reply of an announcement or a freeze is what everybody is told."""
        do = {
            CommandName.HARD_RESET: lambda: _reply(
                command, "done", f"{counted(exercise.reset(), 'observation')} dropped."
            ),
            CommandName.DISPLAY_HEARTBEATS: lambda: self._show_heartbeats(command, now_ns),
            CommandName.DRILL_STATUS: lambda: self._tell_status(command, exercise),
            CommandName.ANNOUNCE: lambda: _announced(command),
            CommandName.FREEZE_JOINING: lambda: self._freeze(command, exercise, now_ns),
            CommandName.UNFREEZE_JOINING: lambda: self._unfreeze(command, exercise),
            CommandName.BROKER_CHANGE: lambda: _reply(
                command, "refused", "This server does not change brokers."
            ),
        }.get(command.name)
        return do() if do else _reply(command, "refused", f"{command.name.value} is no request.")

    def _freeze(self, command: Command, exercise: Exercise, now_ns: int) -> Command:
        is_new = self.joining.frozen(exercise.name) is None
        frozen = self.joining.freeze(exercise.name, now_ns=now_ns)
        since = "" if is_new else f" already, since {iso_micro(frozen.since_ns)[:19]} UTC"
        count = len(frozen.detectors)
        return _reply(
            command, "done", f"Joining is frozen{since}: {count} detector{'s' * (count != 1)} can take part."
        )

    def _unfreeze(self, command: Command, exercise: Exercise) -> Command:
        before = "" if self.joining.unfreeze(exercise.name) else ", as it was"
        return _reply(command, "done", f"Joining is open{before}: every detector may join.")

    def _tell_status(self, command: Command, exercise: Exercise) -> Command:
        frozen = self.joining.frozen(exercise.name)
        joining = "open" if frozen is None else f"frozen since {iso_micro(frozen.since_ns)[:19]} UTC"
        held, groups = exercise.held_count, len(exercise.groups)
        reply = _reply(command, "done", f"Joining is {joining}; {held} observations held, {groups} groups.")
        # Nothing about single detectors: everybody reads the reply.
        told = {"is_joining_frozen": frozen is not None, "observations": held, "groups": groups}
        return reply.model_copy(update={"meta": {**reply.meta, "status_of_drill": told}})

    def _refusal(self, command: Command, topic: str, now_ns: int) -> str:
        if command.name not in NEEDS_RIGHTS:
            return ""
        if not self.admin_token or not command.is_proved(self.admin_token, topic):
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
        reply = _reply(
            command,
            "done",
            f"{counted(total, 'heartbeat')} of {counted(len(lines), 'detector')} in the last 24 hours.",
        )
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


def _announced(command: Command) -> Command:
    length = len(command.text)
    if not command.text.strip():
        return _reply(command, "refused", "The announcement is empty.")
    if length > MAX_ANNOUNCEMENT:
        return _reply(
            command, "refused", f"The announcement has {length:,} characters, more than {MAX_ANNOUNCEMENT:,}."
        )
    return _reply(command, "done", "Announced.")


def _reply(command: Command, status: str, reason: str) -> Command:
    # Proof and address stay out, and what was not announced: a reply is for everybody to read.
    text = command.text if status == "done" else ""
    return command.model_copy(
        update={"status": status, "reason": reason[:1000], "proof": "", "email": "", "text": text}
    )
