"""What is wrong with a detector's message, what identifies it, and whether it was taken before."""

from __future__ import annotations

import hashlib

from snews_drill.messages.checks import check_sent_time, check_times
from snews_drill.messages.tiers import DetectorMessage, Retraction, Tier
from snews_drill.messages.times import NS_PER_DAY, NS_PER_SECOND
from snews_drill.rehearsal.archive import Archive
from snews_drill.transport import Record

#: How far a sender's clock may be ahead of ours, ns.
CLOCK_TOLERANCE_NS = 10 * NS_PER_SECOND

#: Longest name that is kept, characters.
_MAX_NAME = 200

#: Times beyond these many ns from 1970 (1678 to 2262) do not fit the archive's 64-bit integers.
_MAX_TIME_NS = 2**63 - 1


def is_repeated(archive: Archive, message: DetectorMessage, record: Record, key: str) -> bool:
    """Tell whether a message is one that was taken before.

    The very same bytes are a repetition. Who sends other bytes under the same identifier, which a given machine time
    makes, says something new; but a retraction that was sent twice in a row must not take back a second observation.
    """
    kind, detector, topic = message.tier.value, message.detector_name, record.topic
    if archive.is_known(topic, kind, detector, key, value=record.value):
        return True
    if not isinstance(message, Retraction):
        return False
    return archive.is_last_of(topic, kind, detector, key, since=Tier.COINCIDENCE.value)


def message_key(message: DetectorMessage) -> str:
    """Return what identifies a message of a detector; a test and the real thing may share their id."""
    key = message.uuid or message.id
    return f"{key} (test)" if message.is_test and isinstance(message, Retraction) else key


def wrong_time(message: DetectorMessage, timestamp_ns: int, received_ns: int) -> str:
    """Return what is wrong with a message's times, "" if nothing."""
    for name in ("neutrino_time_ns", "sent_time_ns", "machine_time_ns"):
        if abs(getattr(message, name, None) or 0) > _MAX_TIME_NS:
            return f"{message.tier.value}.{name.removesuffix('_ns')}: lies outside the years 1678 to 2262."
    # A record that waited for the server is judged by the time it was written, not by the time it is read.
    written_ns = min(timestamp_ns, received_ns)
    now_ns = written_ns if 0 < received_ns - written_ns < NS_PER_DAY else received_ns
    problems = check_times(message, now_ns=now_ns, tolerance_ns=CLOCK_TOLERANCE_NS)
    problems += check_sent_time(message, now_ns=now_ns)
    return "; ".join(map(str, problems))


def readable(text: str) -> str:
    """Return a text that a file takes: JSON can spell half a surrogate pair."""
    return text.encode("utf-8", "backslashreplace").decode()


def bounded(text: str) -> str:
    """Return a name of bounded length that differs where the names differ."""
    text = readable(text)
    if len(text) <= _MAX_NAME:
        return text
    return f"{text[: _MAX_NAME - 65]}~{hashlib.sha256(text.encode()).hexdigest()}"
