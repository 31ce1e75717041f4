"""The coincidence rule: which detectors agree, and which alert each new word of a detector gives rise to.

The rule is pure: it knows no Kafka, no clock and no files. A group is a maximal set of detectors whose
observations in force lie within the window (closed) of the group's earliest; docs/coincidence.md states it
with examples. Only the neighbourhood of what changed is looked at, so the cost of a message does not grow
with what is held.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter

from sortedcontainers import SortedDict, SortedKeyList

from snews_drill.messages.alert import AlertType
from snews_drill.messages.checks import OBSERVATION_LIFETIME_NS
from snews_drill.rehearsal.groups import Group, Kept, Members, common, compare, match, place
from snews_drill.rehearsal.observations import (
    WINDOW_NS,
    Change,
    DetectorObservations,
    Observation,
    neutrino_time,
    rank,
)

__all__ = ["LIFETIME_NS", "WINDOW_NS", "AlertType", "Coincidence", "Decision", "Observation"]

LIFETIME_NS = OBSERVATION_LIFETIME_NS


@dataclass(frozen=True, slots=True)
class Decision:
    """One alert to send.

    Attributes
    ----------
    alert_type : AlertType
        Why.
    members : tuple of Observation
        The group as it is now, in order of neutrino time (equal times: of detector name). In a RETRACTION
        those that remain; a single one means that no coincidence is left.
    group_number : int
        The group's number, from 0 in order of forming; kept while the group lives, never used again.
    """

    alert_type: AlertType
    members: Members
    group_number: int


class Coincidence:
    """The state of one drill: every observation that counts, and the groups they form.

    Test and real observations never mix: use one of these for each.

    Parameters
    ----------
    window_ns
        The coincidence window in nanoseconds, closed.
    lifetime_ns
        How long after sending an observation counts, in nanoseconds.

    Notes
    -----
    `sent_time_ns` orders a detector's words and starts their lifetime. It comes from the sender's clock: a
    caller that reads from a network should hand in the earlier of sending and reception, or a clock that runs
    ahead would have the last word for ever.
    """

    def __init__(self, window_ns: int = WINDOW_NS, lifetime_ns: int = LIFETIME_NS) -> None:
        self._window_ns = window_ns
        self._lifetime_ns = lifetime_ns
        self._next_number = 0
        self._clear()

    def _clear(self) -> None:
        self._detectors: dict[str, DetectorObservations] = {}
        self._in_force = SortedKeyList(key=place)
        self._published = SortedDict()  # place of a group's earliest member -> Group
        self._deadlines: list[tuple[int, str]] = []  # heap of (sent_time_ns, detector)
        self._horizon_ns: int | None = None

    @property
    def groups(self) -> tuple[Members, ...]:
        """The groups of two or more detectors, in order of their earliest neutrino time."""
        return tuple(group.members for group in self._published.values())

    @property
    def numbers(self) -> dict[tuple[int, str], int]:
        """The number of each group by its earliest member's (neutrino time in ns, detector)."""
        return {key: group.number for key, group in self._published.items()}

    def number_at(self, neutrino_time_ns: int, detector: str) -> int | None:
        """Return the number of the group whose earliest member that is, or None."""
        group = self._published.get((neutrino_time_ns, detector))
        return None if group is None else int(group.number)

    @property
    def observations(self) -> Members:
        """Everything held, superseded observations included, in order of sending."""
        everything = (o for detector in self._detectors.values() for o in detector.held)
        return tuple(sorted(everything, key=lambda o: (rank(o), o.detector)))

    def add(self, observation: Observation) -> list[Decision]:
        """Take in one observation and return the alerts it gives rise to, retractions first."""
        return self._regroup(self._hold(observation))

    def _hold(self, observation: Observation) -> Change:
        """Take in one observation and return what it changes for its detector."""
        if self._horizon_ns is not None and observation.sent_time_ns < self._horizon_ns:
            return Change([], [])  # its time was over before it came
        name = observation.detector
        detector = self._detectors.get(name)
        if detector is None:
            detector = self._detectors[name] = DetectorObservations(self._window_ns)
        heapq.heappush(self._deadlines, (observation.sent_time_ns, name))
        return detector.add(observation)

    def restore(self, observations: Iterable[Observation]) -> None:
        """Take in what was held before a restart, without alerts: the groups are found once, at the end.

        What stands afterwards is what `add` of each would have left; follow it with `renumber`.
        """
        for observation in observations:
            self._hold(observation)
        everything = (o for detector in self._detectors.values() for o in detector.in_force)
        self._in_force = SortedKeyList(everything, key=place)
        self._published.clear()
        if self._in_force:
            first, last = self._in_force[0].neutrino_time_ns, self._in_force[-1].neutrino_time_ns
            for members in self._maximal_sets(first, last):
                self._publish(members)

    def retract(self, detector: str, count: int) -> tuple[list[Decision], Members]:
        """Withdraw the last observations that a detector sent; what they superseded counts again.

        Parameters
        ----------
        detector
            Its registered name.
        count
            How many; more than there are withdraws all, 0 or less none.

        Returns
        -------
        list of Decision
            The alerts, retractions first.
        tuple of Observation
            What was withdrawn, in order of sending.
        """
        held = self._detectors.get(detector)
        if held is None or count <= 0:
            return [], ()
        return self._withdraw(detector, tuple(held.held[-count:]))

    def retract_by_id(self, detector: str, message_id: str) -> tuple[list[Decision], Members]:
        """Withdraw one message of a detector, with all its versions; returns what `retract` returns."""
        held = self._detectors.get(detector)
        return self._withdraw(detector, held.versions(message_id)) if held else ([], ())

    def expire(self, now_ns: int) -> None:
        """Let go, without an alert, of what was sent longer ago than the lifetime.

        Parameters
        ----------
        now_ns
            The time, ns since 1970 (UTC). From then on an observation sent before `now_ns - lifetime_ns` that
            comes late is not taken in either.
        """
        horizon = now_ns - self._lifetime_ns
        self._horizon_ns = horizon if self._horizon_ns is None else max(self._horizon_ns, horizon)
        due: set[str] = set()
        while self._deadlines and self._deadlines[0][0] < self._horizon_ns:
            due.add(heapq.heappop(self._deadlines)[1])
        for name in sorted(due):
            held = self._detectors.get(name)
            if held:
                self._withdraw(name, tuple(held.sent_before(self._horizon_ns)))

    def reset(self) -> int:
        """Forget every observation and group, without an alert; return how many observations there were.

        Numbering goes on, so that no group of this drill is taken for another.
        """
        count = sum(len(held) for held in self._detectors.values())
        self._clear()
        return count

    def renumber(self, numbers: Mapping[tuple[int, str], int]) -> None:
        """Give groups the numbers that they had before a restart.

        Parameters
        ----------
        numbers
            Group number by the earliest member's (neutrino time in ns, detector). Groups it does not name
            and later ones get numbers above all of these.
        """
        self._next_number = max(self._next_number, max(numbers.values(), default=-1) + 1)
        for key, group in self._published.items():
            if key in numbers:
                group.number = numbers[key]
            else:
                group.number = self._next_number
                self._next_number += 1

    def _withdraw(self, name: str, observations: Members) -> tuple[list[Decision], Members]:
        held = self._detectors[name]
        decisions = self._regroup(held.remove(observations))
        if not held:
            del self._detectors[name]
        return decisions, observations

    def _regroup(self, change: Change) -> list[Decision]:
        """Bring the groups up to date with one detector's change and say what happened to them.

        A set that the change can touch lies within one window of a changed time: only such sets are compared,
        before and after.
        """
        if not change.gone and not change.come:
            return []
        spans = self._spans(change)
        before: list[Group] = []
        for low, high in spans:
            for key in self._published.irange((low,), (high + 1,), inclusive=(True, False)):
                group = self._published[key]
                if group.members[-1].neutrino_time_ns <= high:
                    before.append(group)
        for observation in change.gone:
            self._in_force.remove(observation)
        for observation in change.come:
            self._in_force.add(observation)
        after = [members for low, high in spans for members in self._maximal_sets(low, high)]
        return self._decide(*match(change, before, after))

    def _spans(self, change: Change) -> list[tuple[int, int]]:
        """Return the stretches of time within one window of the changed times, joined where they overlap."""
        window = self._window_ns
        spans: list[tuple[int, int]] = []
        times = [o.neutrino_time_ns for o in (*change.gone, *change.come)]
        for time in sorted(times) if len(times) > 1 else times:
            if spans and time - window <= spans[-1][1]:
                spans[-1] = spans[-1][0], time + window
            else:
                spans.append((time - window, time + window))
        return spans

    def _maximal_sets(self, low: int, high: int) -> Iterator[Members]:
        """Yield the groups of two or more that lie wholly between two times (ns), in order of time.

        The step from one maximal set to the next is a bisection: the next one must hold the first observation
        that this one does not reach. One observation on either side tells whether a set is maximal and
        whether it ends.
        """
        start = max(self._in_force.bisect_key_left((low,)) - 1, 0)
        stop = self._in_force.bisect_key_left((high + 1,))
        near: list[Observation] = self._in_force[start : stop + 1]
        bound, first = stop - start, 0
        while first < bound:
            end = bisect_right(near, near[first].neutrino_time_ns + self._window_ns, first, key=neutrino_time)
            if end > bound:
                return
            if end - first > 1 and near[first].neutrino_time_ns >= low:
                yield tuple(near[first:end])
            if end == len(near):
                return
            beyond = near[end].neutrino_time_ns
            first = bisect_left(near, beyond - self._window_ns, first, end, key=neutrino_time)

    def _decide(self, kept: list[Kept], ended: list[Kept], formed: list[Members]) -> list[Decision]:
        """Publish the groups as they are now, and return the alerts that say so."""
        retractions: list[Decision] = []
        others: list[Decision] = []
        for group, left_over, *_ in ended:
            del self._published[place(group.members[0])]
            retractions.append(Decision(AlertType.RETRACTION, left_over, group.number))
        moved = [pair for pair in kept if place(pair.group.members[0]) != place(pair.members[0])]
        for pair in moved:
            del self._published[place(pair.group.members[0])]
        for pair in moved:
            self._published[place(pair.members[0])] = pair.group
        for pair in kept:
            has_lost, alert_type = compare(pair)
            if has_lost:
                remaining = pair.members if alert_type is None else common(pair.members, pair.group.members)
                retractions.append(Decision(AlertType.RETRACTION, remaining, pair.group.number))
            if alert_type is not None:
                others.append(Decision(alert_type, pair.members, pair.group.number))
            pair.group.members = pair.members
        others += [self._publish(members) for members in formed]
        if len(retractions) > 1:
            retractions.sort(key=attrgetter("group_number"))
        return retractions + others

    def _publish(self, members: Members) -> Decision:
        """Give a new group its number."""
        alert_type = AlertType.COINC_MSG_STAGGERED if self._overlaps(members) else AlertType.COINC_MSG
        group = self._published[place(members[0])] = Group(self._next_number, members)
        self._next_number += 1
        return Decision(alert_type, members, group.number)

    def _overlaps(self, members: Members) -> bool:
        """Return whether a published group shares a member with a new one.

        Groups follow each other with earliest and latest member both rising, so the neighbours suffice.
        """
        index = self._published.bisect_left(place(members[0]))
        if index > 0:
            earlier: Group = self._published.peekitem(index - 1)[1]
            if place(earlier.members[-1]) >= place(members[0]):
                return True
        if index < len(self._published):
            later: Group = self._published.peekitem(index)[1]
            return bool(place(later.members[0]) <= place(members[-1]))
        return False
