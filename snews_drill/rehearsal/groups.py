"""Which group became which: old and new groups side by side after one detector has spoken.

A group is a stretch of the observations in force, ordered by neutrino time, so its ends tell all in between.
That makes the comparison cheap even for large groups.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

from snews_drill.messages.alert import AlertType
from snews_drill.rehearsal.observations import Change, Observation

Members = tuple[Observation, ...]
Place = tuple[int, str]

#: What orders the observations in force: (neutrino time in ns, detector).
place = attrgetter("neutrino_time_ns", "detector")


@dataclass(slots=True)
class Group:
    """A published group; it goes on under its number while its members come and go."""

    number: int
    members: Members


class Kept(NamedTuple):
    """A group that goes on with other members, and what the detector that spoke has to do with it."""

    group: Group
    members: Members
    left: Observation | None
    joined: Observation | None
    is_same_but_for_one: bool


def _within(changed: Sequence[Observation], members: Members) -> Observation | None:
    """Return the one of a detector's changed observations (in order of time) that is in a group."""
    index = bisect_left(changed, place(members[0]), key=place) if changed else 0
    if index < len(changed) and place(changed[index]) <= place(members[-1]):
        return changed[index]
    return None


def _unchanged_ends(members: Members, changed: Observation | None) -> tuple[Place, Place]:
    """Return the places of the first and last member that the change left alone: they tell all in between."""
    first = members[1] if members[0] is changed else members[0]
    last = members[-2] if members[-1] is changed else members[-1]
    return place(first), place(last)


def match(
    change: Change, before: list[Group], after: list[Members]
) -> tuple[list[Kept], list[Kept], list[Members]]:
    """Tell which group became which: (kept, ended with what is left of them, formed).

    A set goes on as the one that has the same members but for the detector that spoke. What then remains on
    both sides is paired by the number of observations in common, the lower group number first; without one
    nothing goes on. Groups that are just as they were are in none of the three.
    """
    if len(before) == 1 == len(after):
        # By far the most frequent: one group that a detector joins, or speaks in again.
        group, members = before[0], after[0]
        left, joined = _within(change.gone, group.members), _within(change.come, members)
        if _unchanged_ends(group.members, left) == _unchanged_ends(members, joined):
            pair = Kept(group, members, left, joined, is_same_but_for_one=True)
            return [pair] if left or joined else [], [], []
    waiting: defaultdict[tuple[Place, Place], list[tuple[Group, Observation | None]]] = defaultdict(list)
    for group in reversed(before):
        left = _within(change.gone, group.members)
        waiting[_unchanged_ends(group.members, left)].append((group, left))
    kept: list[Kept] = []
    unpaired: dict[int, tuple[Members, Observation | None]] = {}
    for index, members in enumerate(after):
        joined = _within(change.come, members)
        same = waiting.get(_unchanged_ends(members, joined))
        if not same:
            unpaired[index] = members, joined
            continue
        group, left = same.pop()
        if left or joined:
            kept.append(Kept(group, members, left, joined, is_same_but_for_one=True))
    leftover = {group.number: (group, left) for groups in waiting.values() for group, left in groups}
    if leftover and unpaired:
        kept += _pair(leftover, unpaired)
        kept.sort(key=lambda pair: place(pair.members[0]))
    ended = [
        Kept(group, tuple(o for o in group.members if o is not left), left, None, is_same_but_for_one=True)
        for group, left in leftover.values()
    ]
    return kept, ended, [members for members, _ in unpaired.values()]


def _pair(
    leftover: dict[int, tuple[Group, Observation | None]],
    unpaired: dict[int, tuple[Members, Observation | None]],
) -> Iterator[Kept]:
    """Take out of both, and yield, the old and new sets that have most observations in common."""
    candidates = sorted(
        (-len(set(members) & set(group.members)), number, index)
        for number, (group, _) in leftover.items()
        for index, (members, _) in unpaired.items()
    )
    for minus_common, number, index in candidates:
        if minus_common and number in leftover and index in unpaired:
            group, left = leftover.pop(number)
            members, joined = unpaired.pop(index)
            yield Kept(group, members, left, joined, is_same_but_for_one=False)


def common(members: Members, others: Members) -> Members:
    """Return the members whose detector is also among the others."""
    names = {o.detector for o in others}
    return tuple(o for o in members if o.detector in names)


def compare(pair: Kept) -> tuple[bool, AlertType | None]:
    """Return whether a group lost a detector, and the alert for what else happened to it."""
    left, joined = pair.left, pair.joined
    if pair.is_same_but_for_one:
        has_lost, has_gained = joined is None, left is None
    else:
        stayed = len(common(pair.members, pair.group.members))
        has_lost, has_gained = stayed < len(pair.group.members), stayed < len(pair.members)
    if has_gained:
        return has_lost, AlertType.COINC_MSG
    if has_lost or left is None or joined is None:
        return has_lost, None
    is_same = (left.neutrino_time_ns, left.p_val) == (joined.neutrino_time_ns, joined.p_val)
    return False, None if is_same else AlertType.UPDATE
