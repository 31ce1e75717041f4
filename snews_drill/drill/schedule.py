"""When the events of a scenario are due: some after the start, some after another event."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

#: A drill is over in a day, s.
LONGEST_SEC = 86_400.0


@dataclass(frozen=True, slots=True)
class Moment:
    """When one event wants to be sent.

    Attributes
    ----------
    name : str or None
        What other events call it.
    after : str or None
        The event it follows; None for the start.
    delay_sec : float
        Seconds after that.
    """

    name: str | None
    after: str | None
    delay_sec: float


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why an event cannot be scheduled.

    Attributes
    ----------
    index : int
        Which one, from 0.
    field : str
        "name", "after" or "send_after_sec".
    reason, remedy : str
        What is wrong, and what would be right.
    other : int or None
        Another event that has to do with it.
    """

    index: int
    field: str
    reason: str
    remedy: str
    other: int | None = None


def find_misfits(moments: Sequence[Moment]) -> list[Misfit]:
    """Return everything that keeps events from being scheduled: names given twice, unknown names, circles."""
    first: dict[str, int] = {}
    misfits = []
    for index, moment in enumerate(moments):
        if moment.name is not None and first.setdefault(moment.name, index) != index:
            misfits.append(
                Misfit(
                    index,
                    "name",
                    f"{moment.name!r:.80} is another event's name already.",
                    "Give each event a name of its own.",
                    first[moment.name],
                )
            )
    for index, moment in enumerate(moments):
        if moment.after is not None and moment.after not in first:
            known = ", ".join(list(first)[:10])
            remedy = f"Name one of {known}." if known else "Give the event that it follows a name."
            misfits.append(Misfit(index, "after", f"no event is called {moment.after!r:.80}.", remedy))
    misfits += _circles(moments, first)
    return misfits or _too_late(moments)


def _circles(moments: Sequence[Moment], first: dict[str, int]) -> list[Misfit]:
    """Find each circle once, at the first of its events, and name its whole chain."""
    is_settled = [False] * len(moments)
    found = []
    for start in range(len(moments)):
        path: list[int] = []
        places: dict[int, int] = {}
        index: int | None = start
        while index is not None and not is_settled[index] and index not in places:
            places[index] = len(path)
            path.append(index)
            after = moments[index].after
            index = first.get(after) if after is not None else None
        if index is not None and index in places:
            circle = path[places[index] :]
            head = min(circle)
            turned = circle[circle.index(head) :] + circle[: circle.index(head)]
            names = [str(moments[i].name) for i in (*turned, head)]
            shown = names if len(names) <= 12 else [*names[:6], "…", *names[-5:]]
            reason = f"these events wait for each other: {' → '.join(f'{n:.40}' for n in shown)}."
            found.append(
                Misfit(head, "after", reason, "Let one of them follow the start: leave its `after` out.")
            )
        for passed in path:
            is_settled[passed] = True
    return found


def _too_late(moments: Sequence[Moment]) -> list[Misfit]:
    return [
        Misfit(
            index,
            "send_after_sec",
            f"with what it follows it would be sent {due_sec:,.0f} s after the start.",
            f"Keep a drill within a day, {LONGEST_SEC:,.0f} s.",
        )
        for due_sec, index in scheduled(moments)
        if due_sec > LONGEST_SEC
    ]


def scheduled(moments: Sequence[Moment]) -> list[tuple[float, int]]:
    """Return when each event is due, s after the start, and its index, in order of sending.

    Events that are due at the same time keep their order, but for one that follows another.

    Parameters
    ----------
    moments
        Without misfits.
    """
    followers: dict[str, list[int]] = {}
    ready: list[tuple[float, int]] = []
    for index, moment in enumerate(moments):
        if moment.after is None:
            heapq.heappush(ready, (moment.delay_sec, index))
        else:
            followers.setdefault(moment.after, []).append(index)
    order = []
    while ready:
        due_sec, index = heapq.heappop(ready)
        order.append((due_sec, index))
        name = moments[index].name
        for follower in followers.pop(name, ()) if name is not None else ():
            heapq.heappush(ready, (due_sec + moments[follower].delay_sec, follower))
    return order
