"""The messages of a storm, the faults that strike meanwhile, and what a reader counts at the end: all from one seed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from snews_drill.detectors import roster
from snews_drill.messages.times import NS_PER_SECOND, iso_micro

#: Messages of one storm, and detectors that write them.
MESSAGES = 1000
DETECTORS = tuple(detector.name for detector in roster())[:19]

#: Share of each kind.
_SHARES = {"observation": 0.65, "heartbeat": 0.22, "retraction": 0.13}


#: Observations of one burst lie this far apart, µs: a little more than the window, so that groups overlap and part.
_SPREAD_US = 10_300_000


def make_messages(seed: int, zero_ns: int, count: int = MESSAGES) -> list[dict[str, Any]]:
    """Return the arguments of a storm's messages, as a publisher takes them.

    Parameters
    ----------
    seed
        Makes all choices.
    zero_ns
        The newest neutrino time, ns since 1970 (UTC); the bursts lie up to two minutes before it.
    count
        How many.
    """
    chance = random.Random(f"messages {seed}")
    messages = []
    for number in range(count):
        said = _say(chance, zero_ns // 1000 * 1000)
        # No two messages are of the same microsecond, so each has an identifier of its own, the same in every run.
        machine_time = iso_micro(zero_ns // 1000 * 1000 - (count - number) * 1000)
        messages.append({"detector_name": chance.choice(DETECTORS), "machine_time": machine_time, **said})
    return messages


def _say(chance: random.Random, zero_ns: int) -> dict[str, Any]:
    (kind,) = chance.choices(list(_SHARES), list(_SHARES.values()))
    burst_ns = zero_ns - chance.randrange(4) * 30 * NS_PER_SECOND - chance.randrange(_SPREAD_US) * 1000
    if kind == "observation":
        return {"neutrino_time": iso_micro(burst_ns), "p_val": round(chance.uniform(0.001, 0.999), 6)}
    if kind == "heartbeat":
        return {"detector_status": chance.choice(("ON", "ON", "ON", "OFF"))}
    return {"retract_latest": chance.randint(1, 3), "retraction_reason": "a storm"}


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    Attributes
    ----------
    at : int
        Once so many messages are acknowledged.
    delay : float
        So many seconds later.
    kind : str
        What happens.
    """

    at: int
    delay: float
    kind: str


def make_faults(seed: int, kinds: Iterable[str], count: int = MESSAGES) -> list[Fault]:
    """Return when each of these faults strikes, in order of time."""
    chance = random.Random(f"faults {seed}")
    faults = [Fault(chance.randrange(10, count - 10), chance.uniform(0, 0.05), kind) for kind in kinds]
    return sorted(faults, key=lambda fault: fault.at)


Told = tuple[Any, ...]


def told(alerts: Iterable[dict[str, Any]]) -> list[Told]:
    """Return what a reader counts: each id once, in order, and all it says but for the times of sending."""
    seen: set[str] = set()
    counted = []
    for alert in alerts:
        if alert["_id"] not in seen:
            seen.add(alert["_id"])
            rest = {key: value for key, value in alert.items() if key not in ("_id", "sent_time")}
            counted.append(tuple((key, _frozen(value)) for key, value in rest.items()))
    return counted


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


@dataclass
class Tally:
    """What one storm came to; the summary shows it.

    Attributes
    ----------
    suite : str
        Which part of the issue.
    seed : int
        Makes it again.
    faults : Counter of str
        How many of each kind.
    messages, written : int
        Messages to send, and records that lie on the topic: more if some were sent twice.
    alerts, copies : int
        Alerts of the unbroken run, and alert records that repeat one.
    lost, doubled : int
        Alerts that a reader missed, or counted twice.
    seconds : float
        The storm, without the unbroken run.
    lost_with_broker : int
        Messages that the embedded broker had acknowledged and took with it before the server had read them.
    note : str
        Anything else.
    """

    suite: str
    seed: int
    faults: Counter[str] = field(default_factory=Counter)
    messages: int = 0
    written: int = 0
    alerts: int = 0
    copies: int = 0
    lost: int = 0
    doubled: int = 0
    seconds: float = 0.0
    lost_with_broker: int = 0
    note: str = ""

    def compare(self, expected: list[Told], found: list[Told]) -> None:
        """Count what was lost and what was doubled; a difference in order alone is told by the assertion after it."""
        wanted, had = Counter(expected), Counter(found)
        self.alerts = len(expected)
        self.lost = sum((wanted - had).values())
        self.doubled = sum((had - wanted).values())


def first_difference(expected: list[Told], found: list[Told]) -> str:
    """Say where two sequences of alerts part."""
    for number, (wanted, had) in enumerate(zip(expected, found, strict=False)):
        if wanted != had:
            return f"alert {number} of {len(expected)}:\n  unbroken {dict(wanted)}\n  found    {dict(had)}"
    return f"{len(expected)} alerts in the unbroken run, {len(found)} found; the first ones agree"
