"""Sending from the form: only what was shown, only where it was said; knows no widgets."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from snews_drill.connection import Connection, current_connection, open_connection
from snews_drill.errors import DrillError, InvalidMessage, NotConfirmed, Problem
from snews_drill.profiles import chosen_profile
from snews_drill.settings import load_settings
from snews_drill.transport import Receipt
from snews_drill.widgets.message_draft import Built, MessageDraft
from snews_drill.wire.dialects import get_dialect


@dataclass(frozen=True, slots=True)
class Destination:
    """Where messages would go.

    Attributes
    ----------
    profile_name : str
        The profile.
    broker : str or None
        "host:port"; None while the rehearsal has not been started.
    topic : str
        The observation topic.
    dialect_name : str
        How messages are written there.
    is_live : bool
        Whether other people read it.
    """

    profile_name: str
    broker: str | None
    topic: str
    dialect_name: str
    is_live: bool

    def is_same_as(self, other: Destination) -> bool:
        """Tell whether both are one place; a broker that is not known yet may be any."""
        brokers = {self.broker, other.broker} - {None}
        return len(brokers) <= 1 and (self.profile_name, self.topic, self.dialect_name, self.is_live) == (
            other.profile_name,
            other.topic,
            other.dialect_name,
            other.is_live,
        )

    def __str__(self) -> str:
        return f"{self.topic} on {self.broker or 'the rehearsal, which starts on first use'}"


@dataclass(frozen=True, slots=True)
class Shown:
    """What was on the screen: the messages, and where they would go.

    Attributes
    ----------
    built : Built
        The draft's meaning.
    contents : list of dict
        The messages as they were drawn.
    destination : Destination or None
        None if it cannot be told; `trouble` says why.
    trouble : DrillError or None
        Why there is no destination.
    """

    built: Built
    contents: list[dict[str, Any]]
    destination: Destination | None
    trouble: DrillError | None = None


class FormSender:
    """Shows a draft and sends exactly that.

    Parameters
    ----------
    draft
        What is typed.
    connection
        Where to send; the current connection by default.
    """

    def __init__(self, draft: MessageDraft, connection: Connection | None = None) -> None:
        self.draft = draft
        self.connection = connection
        self.receipts: list[Receipt] = []
        self.is_sent = False
        self.shown = self.rebuild()

    def rebuild(self) -> Shown:
        """Build the messages from the draft anew and return what is to be shown."""
        self.is_sent = False
        self.receipts = []
        return self._show(self.draft.build())

    def _show(self, built: Built) -> Shown:
        contents = copy.deepcopy(built.publisher.messages) if built.publisher is not None else []
        try:
            self.shown = Shown(built, contents, self.destination())
        except DrillError as error:
            self.shown = Shown(built, contents, None, error)
        return self.shown

    def destination(self) -> Destination:
        """Return where messages would go now; connects to nothing.

        Raises
        ------
        SettingsError
            If the user's settings name no known profile.
        """
        connection = self.connection or open_connection()
        is_firedrill = self.draft.flags["firedrill_mode"]
        if connection is not None:
            profile = connection.profile
            topic = profile.topics(firedrill_mode=is_firedrill).observations
            return Destination(
                profile.name, connection.broker, topic, connection.dialect.NAME, profile.is_live
            )
        profile = chosen_profile(None, load_settings())
        topic = profile.topics(firedrill_mode=is_firedrill).observations
        return Destination(profile.name, profile.broker, topic, profile.dialect, profile.is_live)

    def is_current(self, shown: Shown) -> bool:
        """Tell whether what was shown is still what would be sent, and still goes to the same place."""
        publisher = shown.built.publisher
        if publisher is None or shown is not self.shown or shown.destination is None:
            return False
        stamp = get_dialect(shown.destination.dialect_name).SENT_TIME_KEY
        return shown.destination.is_same_as(self.destination()) and _without(
            publisher.messages, stamp
        ) == _without(shown.contents, stamp)

    def check(self) -> Shown:
        """Return what is shown if it may be sent as far as the messages go.

        Raises
        ------
        InvalidMessage
            If a field is wrong or no message arises.
        NotConfirmed
            If messages or destination changed since they were shown; the new ones are shown from now on.
        DrillError
            If there is no destination.
        """
        if self.is_sent:
            self.rebuild()
        shown = self.shown
        if shown.built.publisher is not None and not self.is_current(shown):
            self.show_changes()
            raise NotConfirmed(
                "Nothing was sent: the messages or their destination changed since they were shown.",
                next_step="Look at the preview, then send again.",
            )
        _refuse_unready(shown)
        return shown

    def show_changes(self) -> Shown:
        """Show what would be sent now: messages that were edited as they are, another destination's built anew."""
        publisher = self.shown.built.publisher
        was = self.shown.destination
        if publisher is None or was is None or self.is_sent or not was.is_same_as(self.destination()):
            return self.rebuild()
        return self._show(self.shown.built)

    def send(self, shown: Shown, *, timeout: float = 10.0) -> list[Receipt]:
        """Send what was shown; only the time of sending is set anew.

        Parameters
        ----------
        shown
            What the user saw and agreed to.
        timeout
            Seconds to wait for the broker.

        Returns
        -------
        list of Receipt
            One per message.

        Raises
        ------
        NotConfirmed
            If something changed since; nothing is sent.
        DrillError
            Whatever connecting and sending raise.
        """
        publisher = shown.built.publisher
        if self.connection is None:
            current_connection()  # may start the rehearsal, so that the destination is known for certain
        if publisher is None or not self.is_current(shown):
            self.show_changes()
            raise NotConfirmed(
                "Nothing was sent: the messages or their destination changed since they were shown.",
                next_step="Look at the preview, then send again.",
            )
        try:
            self.receipts = publisher.send_to_snews(verbose=False, timeout=timeout)
            self.is_sent = True
        finally:
            self._show(shown.built)  # with the time of sending that the messages now have
        return list(self.receipts)


def _without(contents: list[dict[str, Any]], key: str) -> list[list[tuple[str, Any]]]:
    # As lists of pairs: the order of the keys is part of the message.
    return [[item for item in content.items() if item[0] != key] for content in contents]


def _refuse_unready(shown: Shown) -> None:
    if shown.trouble is not None:
        raise shown.trouble
    fatal = [problem for problem in shown.built.problems if problem.is_fatal]
    if fatal:
        raise InvalidMessage(fatal)
    if not shown.contents:
        nothing = Problem(
            "",
            "message",
            "No message arises from what is filled in.",
            "Fill in a neutrino time, a timing series, a retraction or a detector status.",
        )
        raise InvalidMessage([nothing])
