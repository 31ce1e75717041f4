"""Alerts on disk: one JSON file each, never overwritten, always whole."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from snews_drill.errors import SettingsError
from snews_drill.messages.times import NS_PER_SECOND
from snews_drill.settings import expanded

#: Where alerts go when a plug-in needs files and no folder was named. Source: ALERT_OUTPUT of the SNEWS
#: publishing tools 1.3.2.
DEFAULT_FOLDER = Path("SNEWS_ALERTS")

#: So many of the newest files are compared with alerts that come again after a restart. A drill server that was killed
#: repeats a thousand alerts at most, a subscriber reads five hundred at once.
RECALLED_FILES = 5_000


_MAX_RECALLED_BYTES = 32 << 20
_NAME = re.compile(r"([0-9]{1,15})-SNEWS_ALERT_([0-9]{4}-[0-9]{2}-[0-9]{2})\.json", re.ASCII)


class AlertFiles:
    """A folder of alerts `N-SNEWS_ALERT_YYYY-MM-DD.json`: the day of arrival (UTC), N counting up from 0.

    Several subscribers, in one process or in many, may share a folder: every file appears whole, under a
    name that nobody else took. For one thread.

    Parameters
    ----------
    folder
        Made if it is missing. `~` is the home folder; a relative one is taken from where the program is now.
    resumes
        Whether alerts that lie there already may come again, see `find`. Each file then reaches the disk, and
        not only the system's memory, before `save` returns.

    Raises
    ------
    SettingsError
        If it cannot be made or nothing can be written there.
    """

    def __init__(self, folder: str | Path, *, resumes: bool = False) -> None:
        self.folder = expanded(folder)
        self._day = ""
        self._next = 0
        self._resumes = resumes
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._write_aside(b"{}").unlink()
            self._recalled = self._recall() if resumes else {}
        except OSError as error:
            raise SettingsError(
                f"Alerts cannot be saved in {self.folder}: {error.strerror or error}.",
                next_step="Name a folder that you may write to as outputfolder.",
            ) from error

    def save(self, content: Mapping[str, Any], *, received_time_ns: int) -> Path:
        """Write one alert and return its file.

        Parameters
        ----------
        content
            The alert as plain data; written as JSON with its keys in their order.
        received_time_ns
            When it came, ns since 1970 (UTC); its day is in the file's name.

        Raises
        ------
        SettingsError
            If it cannot be written; nothing is left behind then.
        """
        try:
            return self._publish(_text(content), received_time_ns)
        except (OSError, ValueError, TypeError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise SettingsError(
                f"An alert could not be saved in {self.folder}: {reason[:200]}.",
                next_step="Make room there, or stop and subscribe with another outputfolder.",
            ) from error

    def find(self, content: Mapping[str, Any]) -> Path | None:
        """Return the file in which an alert was saved before this start, None if it is not among the newest.

        Parameters
        ----------
        content
            The alert as plain data.
        """
        if not self._recalled:
            return None
        try:
            return self._recalled.get(hashlib.sha256(_text(content)).digest())
        except (ValueError, TypeError):
            return None

    def _recall(self) -> dict[bytes, Path]:
        found = (_NAME.fullmatch(entry.name) for entry in os.scandir(self.folder))
        newest = sorted((match[2], int(match[1]), match[0]) for match in found if match)[-RECALLED_FILES:]
        recalled: dict[bytes, Path] = {}
        for *_, name in newest:
            path = self.folder / name
            with contextlib.suppress(OSError):  # somebody may take files away meanwhile
                if path.is_file() and path.stat().st_size <= _MAX_RECALLED_BYTES:
                    recalled.setdefault(hashlib.sha256(path.read_bytes()).digest(), path)
        return recalled

    def _publish(self, text: bytes, received_time_ns: int) -> Path:
        day = datetime.fromtimestamp(received_time_ns // NS_PER_SECOND, UTC).date().isoformat()
        if day != self._day:
            self._day, self._next = day, self._first_free(day)
        aside = self._write_aside(text)
        try:
            while True:
                path = self.folder / f"{self._next}-SNEWS_ALERT_{day}.json"
                self._next += 1
                with contextlib.suppress(FileExistsError):
                    _give_name(aside, path)
                    return path
        finally:
            aside.unlink(missing_ok=True)

    def _first_free(self, day: str) -> int:
        found = (_NAME.fullmatch(entry.name) for entry in os.scandir(self.folder))
        return max((int(match[1]) + 1 for match in found if match and match[2] == day), default=0)

    def _write_aside(self, text: bytes) -> Path:
        path = self.folder / f".{uuid.uuid4().hex}.tmp"
        try:
            with path.open("xb") as file:
                file.write(text)
                if self._resumes:
                    file.flush()
                    os.fsync(file.fileno())
        except OSError:
            path.unlink(missing_ok=True)
            raise
        return path


def _text(content: Mapping[str, Any]) -> bytes:
    # Python's own words for not-a-number are not JSON: refused here, whatever the source did.
    return json.dumps(content, indent=4, allow_nan=False).encode()


def _give_name(aside: Path, path: Path) -> None:
    """Let a whole file appear under a name that is free; raise FileExistsError if it is taken."""
    try:
        os.link(aside, path)
    except FileExistsError:
        raise
    except OSError:
        # No hard links on this file system: take the name first, then put the whole file there.
        path.touch(exist_ok=False)
        aside.replace(path)
