"""`Outbox`: look at what waits, send it, drop it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from snews_drill.connection import Connection
from snews_drill.errors import OutboxError
from snews_drill.html_views import outbox_html
from snews_drill.messages.visible import visible
from snews_drill.outbox.dispatch import DispatchReport, Kept, dispatch
from snews_drill.outbox.entry import OutboxEntry
from snews_drill.outbox.folder import OutboxFolder
from snews_drill.settings import DrillSettings, load_settings


class Outbox:
    """The messages of this user's that no broker acknowledged.

    A publisher puts them here before it sends, and takes them out when the broker has them. Heartbeats are never kept.

    Parameters
    ----------
    settings
        The user's settings; read from file and environment by default.

    Examples
    --------
    >>> Outbox()  # doctest: +SKIP
    Outbox: nothing waits
    """

    def __init__(self, *, settings: DrillSettings | None = None) -> None:
        self._settings = settings

    @property
    def entries(self) -> list[OutboxEntry]:
        """What waits now, the oldest first.

        Raises
        ------
        OutboxError
            If the folder cannot be read.
        """
        return [entry for _, entry in self._folder.read_all()]

    @property
    def damaged(self) -> list[Path]:
        """Files that could not be read, kept aside."""
        return self._folder.damaged_files()

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return self._folder.path

    def find(self, entry_id: str) -> OutboxEntry:
        """Return the entry of that name, or of the only name that begins like that.

        Raises
        ------
        OutboxError
            If there is none, or several.
        """
        return _chosen(self._folder.read_all(), (entry_id,))[0][1]

    def send(
        self,
        *entry_ids: str,
        profile: str | None = None,
        connection: Connection | None = None,
        timeout: float = 10.0,
    ) -> DispatchReport:
        """Send what waits, each message where it was first meant to go, and nowhere else.

        A message is checked again (one that is too old by now stays), travels byte for byte as it did at first, so that a
        receiver recognises one that had arrived, and leaves the outbox when the broker has acknowledged it.

        Parameters
        ----------
        *entry_ids
            Which; all by default.
        profile
            Only those for this profile.
        connection
            Used for the messages that were meant for its broker; without it, the current one or one made for the time.
        timeout
            Seconds to wait for each place.

        Returns
        -------
        DispatchReport
            What became of each; true if all were acknowledged.

        Raises
        ------
        OutboxError
            If there is no such entry, or another program is sending from the outbox.
        """
        with self._folder.held():
            self._folder.drop_leftovers()
            chosen = _chosen(self._folder.read_all(), entry_ids)
            if profile is not None:
                chosen = [kept for kept in chosen if kept[1].profile == profile]
            return dispatch(
                chosen, self._folder, self._current_settings, connection=connection, timeout=timeout
            )

    def drop(self, *entry_ids: str) -> list[OutboxEntry]:
        """Remove entries for good and return them.

        Raises
        ------
        OutboxError
            If none is named, there is no such entry, or another program is sending from the outbox.
        """
        if not entry_ids:
            raise OutboxError(
                "Nothing was named.", next_step="Say which: outbox.drop(entry.id), or drop_all()."
            )
        return self._drop(entry_ids)

    def drop_all(self) -> list[OutboxEntry]:
        """Remove all entries for good and return them; what is being sent at this moment stays."""
        return self._drop(())

    def _drop(self, entry_ids: tuple[str, ...]) -> list[OutboxEntry]:
        with self._folder.held():
            chosen = _chosen(self._folder.read_all(), entry_ids)
            busy = [entry for _, entry in chosen if entry.is_being_sent]
            if busy and entry_ids:
                raise OutboxError(
                    f"{busy[0].id} is being sent at this moment.", next_step="Look again in some seconds."
                )
            dropped = [kept for kept in chosen if kept[1] not in busy]
            for path, _ in dropped:
                self._folder.remove_up_to(path)
            return [entry for _, entry in dropped]

    @property
    def _current_settings(self) -> DrillSettings:
        return self._settings or load_settings()

    @property
    def _folder(self) -> OutboxFolder:
        return OutboxFolder(self._current_settings.state_dir)

    def __len__(self) -> int:
        return len(self.entries)

    def __bool__(self) -> bool:
        return True  # an empty outbox is an outbox

    def __iter__(self) -> Iterator[OutboxEntry]:
        return iter(self.entries)

    def __repr__(self) -> str:
        entries = self.entries
        lines = [f"Outbox: {_waiting(len(entries))}"]
        lines += [f"  {entry.id}  {_summary(entry)}" for entry in entries]
        if self.damaged:
            lines.append(f"  {len(self.damaged)} could not be read, kept in {self._folder.damaged}")
        if entries:
            lines.append("  outbox.send(), outbox.drop(id), or: snews-drill outbox")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return outbox_html(self)


def _summary(entry: OutboxEntry) -> str:
    where = f"{entry.topic} on {entry.broker}"
    return f"{entry.detector_name} {entry.tier} for {where}: {visible(entry.reason, 300)}"


def _waiting(count: int) -> str:
    return f"{count} message{'s wait' if count != 1 else ' waits'}" if count else "nothing waits"


def _chosen(kept: list[Kept], entry_ids: tuple[str, ...]) -> list[Kept]:
    if not entry_ids:
        return kept
    chosen: dict[str, Kept] = {}
    for entry_id in entry_ids:
        found = [one for one in kept if entry_id and one[1].id.startswith(entry_id)]
        if len(found) != 1:
            count = "no entry" if not found else f"{len(found)} entries"
            raise OutboxError(
                f"The outbox holds {count} {entry_id!r:.60}.",
                next_step="snews-drill outbox list shows what it holds; give as many digits as it takes.",
            )
        chosen[found[0][1].id] = found[0]
    return [one for one in kept if one[1].id in chosen]
