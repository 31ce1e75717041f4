"""Which alerts are out already, whoever sent them: what a server that takes over need not send again."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence

from snews_drill.errors import UnreadableRecord
from snews_drill.rehearsal.archive import Archive
from snews_drill.transport import Record
from snews_drill.wire.alerts import decode_alert

#: Alerts that are remembered though they were not decided here yet.
_MAX_EARLY = 100_000

#: Seconds between two notes of how far the alert topics were read.
_NOTE_SECONDS = 5.0

_NOTE = "standby alerts"


class AlertsSeen:
    """Notes alerts of the archive as sent that are seen on their topic, whichever comes first, alert or decision.

    Parameters
    ----------
    archive
        What was decided here.
    topics
        The alert topics.
    """

    def __init__(self, archive: Archive, topics: Sequence[str]) -> None:
        self._archive = archive
        self._topics = topics
        self._early: dict[tuple[str, str], None] = {}
        self._next_note = 0.0

    def begin(self) -> dict[tuple[str, int], int]:
        """Forget what was not decided yet; return where to read the alert topics from."""
        self._early.clear()
        noted = self._archive.noted(_NOTE)
        places = json.loads(noted) if noted else ()
        return {(topic, partition): offset for topic, partition, offset in places}

    def hear(self, records: Iterable[Record]) -> None:
        """Note what the records of the alert topics say."""
        found = [(r.topic, name) for r in records if (name := _alert_id(r)) is not None]
        if found:
            self._early.update(dict.fromkeys(self._archive.note_out(found, now_ns=time.time_ns())))
        while len(self._early) > _MAX_EARLY:
            del self._early[next(iter(self._early))]

    def settle(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Note alerts as sent that were seen before they were decided here.

        Parameters
        ----------
        positions
            How far the topics were read.
        """
        while self._early:
            waiting = [(o.topic, o.message_id) for o in self._archive.waiting() if o.kind == "alert"]
            seen = [alert for alert in waiting if alert in self._early]
            if not seen:
                break
            self._archive.note_out(seen, now_ns=time.time_ns())
            for alert in seen:
                del self._early[alert]
        # What is seen and not decided must be read again after a restart.
        if not self._early and time.monotonic() >= self._next_note:
            self._next_note = time.monotonic() + _NOTE_SECONDS
            places = [(*place, offset) for place, offset in positions.items() if place[0] in self._topics]
            with self._archive.transaction():
                self._archive.note(_NOTE, json.dumps(places))


def _alert_id(record: Record) -> str | None:
    try:
        return decode_alert(record.value).id
    except (UnreadableRecord, ValueError):
        return None
