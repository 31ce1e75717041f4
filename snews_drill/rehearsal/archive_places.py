"""Where the archives of this user lie: of rehearsals, which are kept for a week, and of servers on other brokers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from snews_drill.errors import ArchiveError
from snews_drill.settings import DrillSettings

ARCHIVE_NAME = "archive.sqlite3"


@dataclass(frozen=True, slots=True)
class ArchivePlace:
    """An archive of this machine.

    Attributes
    ----------
    path : Path
        The SQLite file.
    kind : str
        "rehearsal" or "server".
    name : str
        The rehearsal's name (the UTC time of its start and a random end), or the server's broker.
    changed_ns : int
        When something was last written into it, ns since 1970 (UTC).
    size_bytes : int
        Its size with the log beside it.
    """

    path: Path
    kind: str
    name: str
    changed_ns: int
    size_bytes: int


def server_archive(
    settings: DrillSettings, broker: str, profile_name: str, standby_group: str | None = None
) -> Path:
    """Return where the archive of a server on a broker lies unless it was put elsewhere.

    Parameters
    ----------
    settings
        Whose state folder.
    broker
        "host:port".
    profile_name
        The profile's name, which holds the topics' prefix.
    standby_group
        The group of servers that stand by for each other, if it is one of them.
    """
    group = f"-standby-{standby_group}" if standby_group is not None else ""
    own_topics = profile_name.partition("?")[2].removeprefix("topics_prefix=")
    name = re.sub(r"[^A-Za-z0-9.-]", "_", f"{broker}-{own_topics}{group}").strip("-")
    return settings.state_dir / "servers" / name / ARCHIVE_NAME


def list_archives(settings: DrillSettings) -> list[ArchivePlace]:
    """Return the archives below the user's state folder, the one that was last written to first.

    Those that were put elsewhere (`snews-drill serve --archive FILE`) are not known here.
    """
    found = []
    for kind, folder in (("rehearsal", "rehearsals"), ("server", "servers")):
        for path in (settings.state_dir / folder).glob(f"*/{ARCHIVE_NAME}"):
            parts = [part for part in (path, path.with_name(f"{ARCHIVE_NAME}-wal")) if part.is_file()]
            if parts and not path.is_symlink():
                stats = [part.stat() for part in parts]
                found.append(
                    ArchivePlace(
                        path,
                        kind,
                        path.parent.name,
                        max(stat.st_mtime_ns for stat in stats),
                        sum(stat.st_size for stat in stats),
                    )
                )
    return sorted(found, key=lambda place: (place.changed_ns, place.name), reverse=True)


def newest_archive(settings: DrillSettings, *, kind: str | None = None) -> Path:
    """Return the archive that was last written to.

    Parameters
    ----------
    settings
        Whose state folder to look into.
    kind
        "rehearsal" or "server"; either if None.

    Raises
    ------
    ArchiveError
        If there is none.
    """
    for place in list_archives(settings):
        if kind is None or place.kind == kind:
            return place.path
    raise ArchiveError(
        f"There is no archive of a {kind or 'drill'} below {settings.state_dir}.",
        next_step="Rehearse first (`snews-drill rehearse`), or give the file: a drill's archive lies with "
        "whoever ran its server; ask them for the report.",
    )
