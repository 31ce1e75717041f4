"""One detector's observations, and which of them are in force.

A detector may speak again about the same burst: what it sent last counts, what it sent before is superseded,
and a retraction brings the superseded word back. The rule reads "from the latest to the earliest: an
observation is in force unless a later version of it exists, or an observation in force, sent later, lies
within the window of it". It looks only at what is held, so the outcome does not depend on the order of
arrival.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

#: The coincidence window in nanoseconds, closed at both ends.
#: Source: the SNEWS coincidence server (10 s from a group's earliest neutrino time).
WINDOW_NS = 10_000_000_000

neutrino_time = attrgetter("neutrino_time_ns")


@dataclass(frozen=True, slots=True)
class Observation:
    """What one detector says about one burst.

    Attributes
    ----------
    detector : str
        Its registered name.
    neutrino_time_ns : int
        The first neutrino, ns since 1970-01-01 (UTC).
    p_val : float or None
        The background's p-value, 0 to 1, if the detector gave one.
    sent_time_ns : int
        When it was sent, ns since 1970-01-01 (UTC); decides which of two observations is the later word.
    id : str
        The sender's identifier; two messages with the same one are versions of each other.
    """

    detector: str
    neutrino_time_ns: int
    p_val: float | None
    sent_time_ns: int
    id: str


Rank = tuple[int, str, int, float]


def rank(observation: Observation) -> Rank:
    """Return what orders a detector's observations by sending; ties are broken by content."""
    p_val = -1.0 if observation.p_val is None else observation.p_val
    return observation.sent_time_ns, observation.id, observation.neutrino_time_ns, p_val


class Change(NamedTuple):
    """What came into force and what went out of it, each in order of neutrino time."""

    gone: list[Observation]
    come: list[Observation]


class _Versions:
    """Two or more observations with one identifier.

    Nearly every identifier has one observation only, which then stands for itself: this is made for the others.
    """

    __slots__ = ("by_content", "in_order")

    def __init__(self) -> None:
        self.by_content: dict[tuple[int, float | None], Observation] = {}
        self.in_order: list[Observation] = []

    def add(self, observation: Observation) -> None:
        self.by_content[observation.neutrino_time_ns, observation.p_val] = observation
        insort(self.in_order, observation, key=rank)

    def remove(self, observation: Observation) -> None:
        del self.by_content[observation.neutrino_time_ns, observation.p_val]
        del self.in_order[bisect_left(self.in_order, rank(observation), key=rank)]


class DetectorObservations:
    """All observations held of one detector.

    Parameters
    ----------
    window_ns
        The coincidence window in nanoseconds.
    """

    __slots__ = ("_by_sending", "_by_time", "_in_force", "_versions", "_window_ns")

    def __init__(self, window_ns: int = WINDOW_NS) -> None:
        self._window_ns = window_ns
        self._by_sending: list[Observation] = []
        self._by_time: list[Observation] = []
        self._in_force: list[Observation] = []
        self._versions: dict[str, Observation | _Versions] = {}

    def __len__(self) -> int:
        return len(self._by_sending)

    @property
    def held(self) -> Sequence[Observation]:
        """Everything held, superseded observations included, in order of sending."""
        return self._by_sending

    @property
    def in_force(self) -> Sequence[Observation]:
        """What counts, in order of neutrino time."""
        return self._in_force

    def versions(self, message_id: str) -> tuple[Observation, ...]:
        """Return every version held of one message, in order of sending."""
        held = self._versions.get(message_id)
        if held is None:
            return ()
        return tuple(held.in_order) if isinstance(held, _Versions) else (held,)

    def add(self, observation: Observation) -> Change:
        """Take in one observation; the same content again only moves its sending time forward."""
        known = self._same(observation)
        if known is not None and known.sent_time_ns >= observation.sent_time_ns:
            return Change([], [])
        gone: list[Observation] = []
        doubtful = [observation]
        if known is not None:
            gone, revived = self._drop(known)
            doubtful += revived
        if not self._by_sending or rank(self._by_sending[-1]) < rank(observation):
            self._by_sending.append(observation)  # as a rule messages come in the order of sending
        else:
            insort(self._by_sending, observation, key=rank)
        insort(self._by_time, observation, key=neutrino_time)
        versions = self._add_version(observation)
        if versions is None and not gone and not doubtful[1:] and not self._near(observation):
            insort(self._in_force, observation, key=neutrino_time)
            return Change([], [observation])
        if versions is not None:
            doubtful += versions.in_order[-2:-1]  # if this is the newest version, that one was until now
        return self._settle(doubtful, gone)

    def remove(self, observations: Iterable[Observation]) -> Change:
        """Withdraw observations that are held; what they superseded comes back into force."""
        gone: list[Observation] = []
        doubtful: list[Observation] = []
        for observation in tuple(observations):
            left, revived = self._drop(observation)
            gone += left
            doubtful += revived
        return self._settle([o for o in doubtful if self._same(o) is o], gone)

    def sent_before(self, time_ns: int) -> list[Observation]:
        """Return the observations sent before a time (ns since 1970, UTC), earliest first."""
        return self._by_sending[: bisect_left(self._by_sending, time_ns, key=attrgetter("sent_time_ns"))]

    def _drop(self, observation: Observation) -> tuple[list[Observation], list[Observation]]:
        """Forget one observation; return it if it was in force, and those whose standing is now in doubt."""
        del self._by_sending[bisect_left(self._by_sending, rank(observation), key=rank)]
        _delete(self._by_time, observation)
        doubtful = self._drop_version(observation)
        if not self._is_listed(observation):
            return [], doubtful
        _delete(self._in_force, observation)
        return [observation], doubtful + self._freed_by(observation)

    def _same(self, observation: Observation) -> Observation | None:
        """Return what is held with the identifier and the content of an observation, whenever it was sent."""
        held = self._versions.get(observation.id)
        if isinstance(held, _Versions):
            return held.by_content.get((observation.neutrino_time_ns, observation.p_val))
        if held is None or held.neutrino_time_ns != observation.neutrino_time_ns:
            return None
        return held if held.p_val == observation.p_val else None

    def _add_version(self, observation: Observation) -> _Versions | None:
        """Hold it under its identifier; return the versions if it is not the only one."""
        held = self._versions.get(observation.id)
        if held is None:
            self._versions[observation.id] = observation
            return None
        if not isinstance(held, _Versions):
            only, held = held, _Versions()
            held.add(only)
            self._versions[observation.id] = held
        held.add(observation)
        return held

    def _drop_version(self, observation: Observation) -> list[Observation]:
        """Hold it no longer under its identifier; return the newest version that is left, if there is one."""
        held = self._versions[observation.id]
        if isinstance(held, _Versions):
            held.remove(observation)
            if len(held.in_order) > 1:
                return held.in_order[-1:]
            self._versions[observation.id] = held.in_order[0]
            return held.in_order
        del self._versions[observation.id]
        return []

    def _newest(self, message_id: str) -> Observation:
        held = self._versions[message_id]
        return held.in_order[-1] if isinstance(held, _Versions) else held

    def _settle(self, doubtful: list[Observation], gone: list[Observation]) -> Change:
        """Decide again about the doubtful, from the latest sent to the earliest, and about whom that touches.

        An observation's standing depends on later-sent ones only, so each is decided once and for good.
        """
        come: list[Observation] = []
        doubtful.sort(key=rank)
        while doubtful:
            observation = doubtful.pop()
            is_listed = self._is_listed(observation)
            if is_listed == self._is_in_force(observation):
                continue
            if is_listed:
                _delete(self._in_force, observation)
                gone.append(observation)
                touched = self._freed_by(observation)
            else:
                insort(self._in_force, observation, key=neutrino_time)
                come.append(observation)
                touched = [o for o in self._near(observation) if rank(o) < rank(observation)]
            for other in touched:
                insort(doubtful, other, key=rank)
        if len(gone) > 1:
            gone.sort(key=neutrino_time)
        if len(come) > 1:
            come.sort(key=neutrino_time)
        return Change(gone, come)

    def _near(self, observation: Observation) -> list[Observation]:
        """Return those listed as in force within the window of it (itself included if it is listed)."""
        time, listed = observation.neutrino_time_ns, self._in_force
        start = bisect_left(listed, time - self._window_ns, key=neutrino_time)
        return listed[start : bisect_right(listed, time + self._window_ns, start, key=neutrino_time)]

    def _is_listed(self, observation: Observation) -> bool:
        return any(o is observation for o in self._near(observation))

    def _is_in_force(self, observation: Observation) -> bool:
        if self._newest(observation.id) is not observation:
            return False
        own = rank(observation)
        return all(rank(o) <= own for o in self._near(observation))

    def _freed_by(self, observation: Observation) -> list[Observation]:
        """Return the earlier-sent ones that an observation, now out of force, no longer supersedes.

        What a later-sent one in force covers stays superseded and is not looked at: a detector that updates
        without end costs no more with each update.
        """
        time, window, own = observation.neutrino_time_ns, self._window_ns, rank(observation)
        first, last = time - window, time + window
        start = bisect_left(self._in_force, first - window, key=neutrino_time)
        stop = bisect_right(self._in_force, last + window, start, key=neutrino_time)
        for other in self._in_force[start:stop]:
            if rank(other) > own:
                if other.neutrino_time_ns <= time:
                    first = max(first, other.neutrino_time_ns + window + 1)
                else:
                    last = min(last, other.neutrino_time_ns - window - 1)
        start = bisect_left(self._by_time, first, key=neutrino_time)
        stop = bisect_right(self._by_time, last, start, key=neutrino_time)
        return [o for o in self._by_time[start:stop] if rank(o) < own]


def _delete(ordered: list[Observation], observation: Observation) -> None:
    """Delete one observation from a list that is ordered by neutrino time."""
    index = bisect_left(ordered, observation.neutrino_time_ns, key=neutrino_time)
    while ordered[index] is not observation:
        index += 1
    del ordered[index]
