"""Where a subscriber is in its topic, kept beside the alerts that it saved: one that was killed goes on from there.

    FOLDER/.bookmark-HASH.json   broker, topic, next offset and time of the last record of each partition (0600)
    FOLDER/.bookmark-HASH.lock   held by the subscriber that uses it

A bookmark moves on after the alerts before it lie in the folder, never ahead of them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from snews_drill.errors import SettingsError
from snews_drill.settings import read_private_file, write_private_file
from snews_drill.transport import Record

#: Partition of a topic.
Place = tuple[str, int]

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Mark:
    """What a bookmark says.

    Attributes
    ----------
    life : str or None
        Which life of the broker the offsets are of; None for a broker that keeps its content.
    positions : mapping of (topic, partition) to int
        The next offset to read.
    timestamps_ms : mapping of (topic, partition) to int
        When the record before it was written, ms since 1970 (UTC); absent if none was read.
    """

    life: str | None
    positions: Mapping[Place, int]
    timestamps_ms: Mapping[Place, int]


class Bookmark:
    """The bookmark of one topic in one folder of alerts. For one thread at a time.

    Parameters
    ----------
    folder
        Where the alerts are saved; it must exist.
    broker
        Whose topic; "rehearsal" for any rehearsal of this user.
    topic
        Which topic.

    Raises
    ------
    SettingsError
        If another subscriber uses it now, or it does not say what it should.
    """

    def __init__(self, folder: Path, broker: str, topic: str) -> None:
        self._broker, self._topic = broker, topic
        name = hashlib.sha256(f"{broker} {topic}".encode()).hexdigest()[:16]
        self.path = folder / f".bookmark-{name}.json"
        self._lock = FileLock(folder / f".bookmark-{name}.lock", mode=0o600, thread_local=False)
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise SettingsError(
                f"Another subscriber that resumes saves the alerts of {topic} in {folder}.",
                next_step="Stop that one, or give another outputfolder.",
            ) from error
        except OSError as error:
            raise SettingsError(
                f"No bookmark can be kept in {folder}: {error.strerror or error}.",
                next_step="Name a folder that you may write to as outputfolder.",
            ) from error
        try:
            self._mark = self._read()
        except BaseException:
            self.close()
            raise
        self._positions = dict(self._mark.positions) if self._mark else {}
        self._timestamps = dict(self._mark.timestamps_ms) if self._mark else {}
        self._is_held_up = False

    @property
    def mark(self) -> Mark | None:
        """What it said when it was last written; None if it never was."""
        return self._mark

    def begin(self, positions: Mapping[Place, int]) -> None:
        """Note where reading begins."""
        known = self._mark.positions if self._mark else {}
        self._positions = dict(positions)
        self._timestamps = {
            place: time_ms
            for place, time_ms in self._timestamps.items()
            if known.get(place) == positions.get(place)
        }

    def pass_by(self, record: Record, *, is_kept: bool) -> None:
        """Move on behind a record; not behind one that could not be saved, nor beyond it."""
        self._is_held_up = self._is_held_up or not is_kept
        if not self._is_held_up:
            self._positions[record.topic, record.partition] = record.offset + 1
            self._timestamps[record.topic, record.partition] = record.timestamp_ms

    def write(self, life: str | None) -> None:
        """Put it on disk, if it says something new.

        Raises
        ------
        OSError
            If that is not possible now; the old one is untouched.
        """
        mark = Mark(life, dict(self._positions), dict(self._timestamps))
        if mark == self._mark:
            return
        partitions = [
            {
                "partition": number,
                "next_offset": offset,
                "timestamp_ms": mark.timestamps_ms.get((topic, number)),
            }
            for (topic, number), offset in sorted(mark.positions.items())
        ]
        document = {
            "version": _VERSION,
            "broker": self._broker,
            "topic": self._topic,
            "life": life,
            "partitions": partitions,
        }
        write_private_file(self.path, json.dumps(document, indent=1).encode())
        self._mark = mark

    def close(self) -> None:
        """Let another subscriber have it. May be called twice."""
        self._lock.release()

    def _read(self) -> Mark | None:
        content = read_private_file(self.path, max_bytes=1 << 20)
        if content is None:
            return None
        try:
            return self._parse(json.loads(content))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise SettingsError(
                f"{self.path} is damaged and does not say where to go on.",
                next_step='Remove it; then start="beginning" brings all alerts that the broker has, "now" new ones.',
            ) from error

    def _parse(self, document: Any) -> Mark:
        """Check every word; raise ValueError, TypeError or KeyError if any is not what it should be."""
        if document["version"] != _VERSION:
            raise ValueError("another version")
        if (document["broker"], document["topic"]) != (self._broker, self._topic):
            raise ValueError("another topic")
        life = document["life"]
        if life is not None and not re.fullmatch(r"[0-9a-f]{8,64}", life):
            raise ValueError("no life")
        positions: dict[Place, int] = {}
        timestamps: dict[Place, int] = {}
        for line in document["partitions"]:
            place = self._topic, _whole(line["partition"])
            positions[place] = _whole(line["next_offset"])
            if line["timestamp_ms"] is not None:
                timestamps[place] = _whole(line["timestamp_ms"])
        return Mark(life, positions, timestamps)


def _whole(number: Any) -> int:
    if type(number) is not int or not 0 <= number < 2**63:
        raise TypeError("no whole number")
    return number
