"""Everything that can go wrong, as one tree.

    DrillError
    ├── SettingsError           a setting or a folder of the user's cannot be used
    │   └── NameNotSet          nobody said which detector this is
    ├── UnknownDetector         a name that is not on the roster
    ├── InvalidMessage          a detector message that fails its checks
    ├── NotConfirmed            something to look at before it is sent
    ├── UnreadableFile          a file that is missing, not JSON, or not an object
    ├── UnwritableFile          a file that exists already or cannot be written
    ├── UnreadableRecord        bytes from a topic that mean nothing to us
    ├── ScenarioError           a scenario that cannot be played
    ├── LocalizationError       arrival times from which no direction can be had
    ├── NotAuthorised           rights that the user does not have
    ├── ArchiveError            the drill server's archive cannot be read or written
    ├── PluginError             the user's follow-up script failed
    ├── OutboxError             the outbox of undelivered messages cannot be read, written or used like that
    ├── MailError               a mail that could not be sent or written
    ├── RehearsalError          the rehearsal could not be started
    └── TransportError          between us and the broker
        ├── BrokerUnreachable   nobody answers at that address
        ├── NotAuthenticated    the broker does not accept the credentials
        ├── NotPermitted        the credentials do not allow it
        ├── UnknownTopic        the broker has no such topic
        ├── MessageTooLarge     the broker would refuse the size
        ├── NoAnswer            the broker is there, the drill server does not answer
        └── DeliveryFailed      a message that was not acknowledged

Every error ends with the next step: what the reader can do about it now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


class DrillError(Exception):
    """Base of every error that snews_drill raises on purpose.

    Parameters
    ----------
    reason
        What went wrong, as a sentence.
    next_step
        What the reader can do about it, as a sentence in the imperative.

    Attributes
    ----------
    reason, next_step : str
        The two sentences, for programs that show them apart.
    """

    def __init__(self, reason: str, *, next_step: str) -> None:
        super().__init__(reason, next_step)
        self.reason = reason
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.reason}\n  Next step: {self.next_step}"

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only arguments need help to survive pickling between processes.
        return (_rebuild, (type(self), self.__dict__.copy()))


def _rebuild(kind: type[DrillError], state: dict[str, Any]) -> DrillError:
    error = kind.__new__(kind)
    Exception.__init__(error, state["reason"], state["next_step"])
    error.__dict__.update(state)
    return error


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with one field of a message.

    Attributes
    ----------
    tier
        The tier word of the message it belongs to, or "" when it concerns them all.
    field
        The name of the argument or key.
    reason
        Why it was refused, with the value as the user gave it.
    remedy
        What would be right.
    is_fatal
        False for remarks about arguments that were set aside; the messages are valid without them.
    """

    tier: str
    field: str
    reason: str
    remedy: str
    is_fatal: bool = True

    def __str__(self) -> str:
        where = f"{self.tier}.{self.field}" if self.tier else self.field
        return f"{where}: {self.reason} {self.remedy}"


@dataclass(frozen=True, slots=True)
class FileProblem:
    """One thing that is wrong at one line of a file.

    Attributes
    ----------
    file
        What the file is called.
    line
        Which line, from 1.
    field
        The key or the table, as somebody who reads the file would name it.
    reason
        Why it was refused, with the value as it stands there.
    remedy
        What would be right.
    """

    file: str
    line: int
    field: str
    reason: str
    remedy: str

    @property
    def where(self) -> str:
        """File, line and field."""
        return f"{self.file}, line {self.line}: {self.field}"

    def __str__(self) -> str:
        return f"{self.where}: {self.reason} {self.remedy}"


class SettingsError(DrillError):
    """A setting, or a folder the settings name, cannot be used."""


class NameNotSet(SettingsError):
    """No detector name was given and none is remembered."""

    def __init__(self) -> None:
        super().__init__(
            "You have not said which detector you are.",
            next_step='Call set_name("XENONnT") with your detector, or run: snews-drill set-name XENONnT',
        )


class UnknownDetector(DrillError):
    """A detector name that is not on the roster.

    Attributes
    ----------
    name : str
        What was asked for.
    nearest : tuple of str
        Registered names that look like it, best first; may be empty.
    """

    def __init__(self, name: str, nearest: Sequence[str]) -> None:
        self.name = name
        self.nearest = tuple(nearest)
        hint = f"Did you mean {' or '.join(self.nearest)}?" if self.nearest else "No name looks like it."
        super().__init__(
            f"{name!r:.80} is not a detector on the roster. {hint}",
            next_step="Use a registered name; `snews-drill set-name --list` shows all of them.",
        )


class InvalidMessage(DrillError, ValueError):
    """A detector message fails its checks.

    Attributes
    ----------
    problems : tuple of Problem
        Each field that is wrong, why, and what would be right.
    """

    def __init__(self, problems: Sequence[Problem], *, next_step: str | None = None) -> None:
        self.problems = tuple(problems)
        super().__init__(
            "; ".join(f"{p.tier + '.' if p.tier else ''}{p.field}: {p.reason}" for p in self.problems),
            next_step=next_step or " ".join(dict.fromkeys(p.remedy for p in self.problems)),
        )


class UnreadableFile(DrillError):
    """A file that cannot be read, is not JSON, or holds something else than an object."""


class UnwritableFile(DrillError):
    """A file that exists already, or cannot be written."""


class NotConfirmed(DrillError):
    """Nothing was sent yet: the user has to look at what would go where, and say yes."""


class UnreadableRecord(DrillError):
    """Bytes from a topic that mean nothing to us.

    Attributes
    ----------
    raw : bytes
        The record as it came; nothing is thrown away.
    """

    def __init__(self, reason: str, raw: bytes) -> None:
        super().__init__(
            reason, next_step="Ask its sender which program wrote it; the bytes are kept in `.raw`."
        )
        self.raw = raw


class ScenarioError(DrillError):
    """A scenario that cannot be played as written.

    Attributes
    ----------
    problems : tuple of FileProblem
        What is wrong in a scenario file, in order of lines; empty where no file is to blame.
    """

    def __init__(self, reason: str, *, next_step: str, problems: Sequence[FileProblem] = ()) -> None:
        super().__init__(reason, next_step=next_step)
        self.problems = tuple(problems)


class LocalizationError(DrillError):
    """No direction can be had from these arrival times."""


class NotAuthorised(DrillError):
    """The drill server refused: the user has no rights for that."""


class ArchiveError(DrillError):
    """The drill server's archive cannot be read or written.

    Attributes
    ----------
    is_passing : bool
        Whether it may heal without help, as a full disk does when there is room again.
    """

    def __init__(self, reason: str, *, next_step: str, is_passing: bool = False) -> None:
        super().__init__(reason, next_step=next_step)
        self.is_passing = is_passing


class PluginError(DrillError):
    """The user's follow-up script could not be started or failed."""


class OutboxError(DrillError):
    """The outbox of undelivered messages cannot be read or written, or holds no such message."""


class MailError(DrillError):
    """A mail could not be handed to the mail server, or written to the folder of mails."""


class RehearsalError(DrillError):
    """The rehearsal could not be started or has gone."""


class TransportError(DrillError):
    """Something between us and the broker."""


class BrokerUnreachable(TransportError):
    """Nobody answers at the broker's address."""


class NotAuthenticated(TransportError):
    """The broker does not accept the credentials."""


class NotPermitted(TransportError):
    """The credentials do not allow reading or writing there."""


class UnknownTopic(TransportError):
    """The broker has no topic of that name, or hides it."""


class MessageTooLarge(TransportError):
    """The message is larger than the broker takes."""


class NoAnswer(TransportError):
    """The broker took the request, but no drill server answered in time."""


class DeliveryFailed(TransportError):
    """One or more messages were not acknowledged by the broker.

    Attributes
    ----------
    undelivered : tuple of dict
        The messages that are not known to have arrived, as they would have been sent.
    kept : tuple of str
        The entries of the outbox that hold them; heartbeats are never kept.
    """

    def __init__(
        self,
        reason: str,
        *,
        next_step: str,
        undelivered: Sequence[Mapping[str, Any]] = (),
        kept: Sequence[str] = (),
    ) -> None:
        super().__init__(reason, next_step=next_step)
        self.undelivered = tuple(dict(message) for message in undelivered)
        self.kept = tuple(kept)
