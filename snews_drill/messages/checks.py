"""Checks that need the time at hand."""

from __future__ import annotations

from snews_drill.errors import Problem
from snews_drill.messages.tiers import CoincidenceTier, DetectorMessage
from snews_drill.messages.times import NS_PER_SECOND, iso_micro

#: An observation older than this is refused. Source: both the 1.3 and the 3 client.
MAX_AGE_NS = 48 * 3600 * NS_PER_SECOND

#: How long an observation counts after it was sent, in nanoseconds.
#: Source: the SNEWS coincidence server keeps its cache for 24 h.
OBSERVATION_LIFETIME_NS = 24 * 3600 * NS_PER_SECOND


def check_times(message: DetectorMessage, *, now_ns: int, tolerance_ns: int = 0) -> list[Problem]:
    """Return what is wrong with a message's times.

    Parameters
    ----------
    message
        Any detector message; tests and messages without a neutrino time pass.
    now_ns
        The time to judge by, ns since 1970 (UTC).
    tolerance_ns
        How far ahead the sender's clock may be, ns.

    Returns
    -------
    list of Problem
        Empty if the times are no more than 48 h old and not in the future.
    """
    if message.is_test:
        return []
    problems = []
    values = vars(message)  # not every tier has these times
    for field in ("neutrino_time", "start_time"):
        time_ns = values.get(f"{field}_ns")
        if time_ns is None:
            continue
        if time_ns > now_ns + tolerance_ns:
            reason, remedy = (
                "lies in the future",
                "Use the time of the first neutrino in UTC, or is_test=True.",
            )
        elif time_ns < now_ns - MAX_AGE_NS:
            reason, remedy = (
                "is more than 48 hours old",
                "Use a time within the last 48 hours, or is_test=True.",
            )
        else:
            continue
        problems.append(Problem(message.tier.value, field, f"{iso_micro(time_ns)} {reason}.", remedy))
    return problems


def check_sent_time(message: DetectorMessage, *, now_ns: int) -> list[Problem]:
    """Return what is wrong with the time at which an observation was sent, tests included.

    Parameters
    ----------
    message
        Any detector message; all but observations pass.
    now_ns
        The time to judge by, ns since 1970 (UTC).

    Returns
    -------
    list of Problem
        Empty if it was sent no more than 24 h ago, and so can still take part in a coincidence.
    """
    if not isinstance(message, CoincidenceTier):
        return []
    field = "sent_time" if message.sent_time_ns else "machine_time"
    sent_ns = message.sent_time_ns or message.machine_time_ns
    if not sent_ns or sent_ns >= now_ns - OBSERVATION_LIFETIME_NS:
        return []
    return [
        Problem(
            message.tier.value,
            field,
            f"It was sent at {iso_micro(sent_ns)} UTC, and an observation counts for 24 hours.",
            "Build and send it anew; if it was sent just now, set the clock of that machine.",
        )
    ]
