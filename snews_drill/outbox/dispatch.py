"""Sending what waits: each message only where it was meant to go, and gone from the outbox only when acknowledged."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from snews_drill.connection import Connection, open_connection, open_profile
from snews_drill.errors import DrillError, OutboxError, TransportError
from snews_drill.html_views import dispatch_html
from snews_drill.messages.visible import visible
from snews_drill.outbox.entry import OutboxEntry
from snews_drill.outbox.folder import OutboxFolder
from snews_drill.rehearsal.launcher import find_rehearsal
from snews_drill.settings import DrillSettings
from snews_drill.transport import Receipt

Kept = tuple[Path, OutboxEntry]


@dataclass(frozen=True, slots=True)
class Dispatched:
    """What became of one message.

    Attributes
    ----------
    entry : OutboxEntry
        The message.
    receipt : Receipt or None
        The broker's acknowledgement; without one it is still in the outbox.
    reason, next_step : str
        Why it is, and what helps; "" with a receipt.
    """

    entry: OutboxEntry
    receipt: Receipt | None = None
    reason: str = ""
    next_step: str = ""

    @property
    def is_sent(self) -> bool:
        """Whether the broker has it."""
        return self.receipt is not None


class DispatchReport(tuple[Dispatched, ...]):
    """What became of the messages that were to be sent; true if all were."""

    __slots__ = ()

    @property
    def sent(self) -> tuple[Dispatched, ...]:
        """Those that the broker has."""
        return tuple(one for one in self if one.is_sent)

    @property
    def kept(self) -> tuple[Dispatched, ...]:
        """Those that are still in the outbox."""
        return tuple(one for one in self if not one.is_sent)

    def __bool__(self) -> bool:
        return not self.kept

    def __repr__(self) -> str:
        lines = [f"{len(self.sent)} sent and acknowledged, {len(self.kept)} still in the outbox"]
        lines += [f"  {one.entry.id} {one.entry.tier}: {visible(one.reason, 300)}" for one in self.kept]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return dispatch_html(self)


def dispatch(
    kept: Sequence[Kept],
    folder: OutboxFolder,
    settings: DrillSettings,
    *,
    connection: Connection | None = None,
    timeout: float = 10.0,
) -> DispatchReport:
    """Send kept messages, in the order in which they were first sent; call it with the folder's lock held.

    Parameters
    ----------
    kept
        Files and entries.
    folder
        Where they lie.
    settings
        The user's, for finding each place.
    connection
        Used for the messages that were meant for its broker; without it, the current one.
    timeout
        Seconds to wait for each place.
    """
    outcomes: dict[str, Dispatched] = {}
    ready: dict[tuple[str, str, str, str], list[Kept]] = {}
    for path, entry in kept:
        refusal = _refusal(entry)
        if refusal is not None:
            outcomes[entry.id] = refusal
        else:
            place = (entry.profile, entry.broker, entry.rehearsal_id, entry.topic)
            ready.setdefault(place, []).append((path, entry))
    for group in ready.values():
        for one in _send_to_one_place(group, folder, settings, connection, timeout):
            outcomes[one.entry.id] = one
    return DispatchReport(outcomes[entry.id] for _, entry in kept)


def _refusal(entry: OutboxEntry) -> Dispatched | None:
    if entry.is_being_sent:
        return Dispatched(entry, None, entry.reason, "Look again when that program has its answer.")
    problems = entry.problems(now_ns=time.time_ns())
    if not problems:
        return None
    said = "; ".join(map(str, problems))
    return Dispatched(entry, None, f"Not sent: {said}", f"Drop it with: snews-drill outbox drop {entry.id}")


def _send_to_one_place(
    group: list[Kept],
    folder: OutboxFolder,
    settings: DrillSettings,
    connection: Connection | None,
    timeout: float,
) -> list[Dispatched]:
    first = group[0][1]
    payloads = [entry.payload for _, entry in group]
    outcomes: Sequence[Receipt | TransportError]
    try:
        with _connection_to(first, settings, connection, timeout) as there:
            outcomes = there.send(first.topic, payloads, timeout=timeout)
    except DrillError as error:
        outcomes = [TransportError(error.reason, next_step=error.next_step)] * len(group)
    return [_conclude(*kept, outcome, folder) for kept, outcome in zip(group, outcomes, strict=True)]


def _conclude(
    path: Path, entry: OutboxEntry, outcome: Receipt | TransportError, folder: OutboxFolder
) -> Dispatched:
    if isinstance(outcome, Receipt):
        folder.remove_up_to(path)
        return Dispatched(entry, outcome)
    failed = entry.model_copy(
        update={
            "failure": outcome.reason[:20_000],
            "next_step": outcome.next_step[:20_000],
            "tried_ns": time.time_ns(),
            "attempts": entry.attempts + 1,
            "sender": None,
        }
    )
    # A disk that is full leaves the entry as it was; that is no reason to tell less of the rest.
    with contextlib.suppress(OutboxError):
        folder.settle(path, failed)
    return Dispatched(failed, None, outcome.reason, outcome.next_step)


@contextlib.contextmanager
def _connection_to(
    entry: OutboxEntry, settings: DrillSettings, given: Connection | None, timeout: float
) -> Iterator[Connection]:
    """Connect to the place that a message was meant for, and to no other.

    Raises
    ------
    DrillError
        If it is gone, cannot be reached, or the profile now leads elsewhere.
    """
    for there in (given, open_connection()):
        if there is not None and there.is_open and _is_that_place(there, entry):
            yield there
            return
    if entry.profile == "rehearsal":
        state = find_rehearsal(settings)
        if state is None or state.rehearsal_id != entry.rehearsal_id:
            raise _gone(entry)
    there = open_profile(
        entry.profile,
        dialect=entry.dialect,
        # What the settings say now must not change where an old message goes.
        topics_prefix=None if "?" in entry.profile else "",
        settings=settings,
        timeout=timeout,
    )
    # The current connection stays what it is; this one is ours.
    with there:
        if not _is_that_place(there, entry):
            if entry.profile == "rehearsal":
                raise _gone(entry)
            raise OutboxError(
                f"{entry.profile} no longer leads to {entry.topic} on {entry.broker}.",
                next_step=f"Publish the message anew, then: snews-drill outbox drop {entry.id}",
            )
        yield there


def _is_that_place(connection: Connection, entry: OutboxEntry) -> bool:
    rehearsal_id = connection.rehearsal.rehearsal_id if connection.rehearsal is not None else ""
    topics = {connection.topics(firedrill_mode=mode).observations for mode in (True, False)}
    return (connection.broker, rehearsal_id) == (entry.broker, entry.rehearsal_id) and entry.topic in topics


def _gone(entry: OutboxEntry) -> OutboxError:
    return OutboxError(
        "The rehearsal that it was meant for is over.",
        next_step=f"Drop it: snews-drill outbox drop {entry.id}; its content: snews-drill outbox show {entry.id}",
    )
