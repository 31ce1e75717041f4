"""When events are due: after the start, after one another, never in circles."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from snews_drill.drill.schedule import Moment, find_misfits, scheduled


def test_events_follow_their_times_and_else_their_order() -> None:
    moments = [Moment(None, None, 5), Moment(None, None, 0), Moment(None, None, 0), Moment(None, None, 1)]
    assert scheduled(moments) == [(0, 1), (0, 2), (1, 3), (5, 0)]


def test_delays_add_up_along_a_chain() -> None:
    moments = [Moment("c", "b", 3), Moment("b", "a", 2), Moment("a", None, 1)]
    assert scheduled(moments) == [(1, 2), (3, 1), (6, 0)]


def test_one_that_follows_at_once_comes_after_the_one_it_follows() -> None:
    """Even if it stands before it in the file."""
    moments = [Moment(None, "a", 0), Moment("a", None, 0), Moment(None, None, 0)]
    assert scheduled(moments) == [(0, 1), (0, 0), (0, 2)]


def test_names_given_twice_and_names_of_nothing_are_told() -> None:
    misfits = find_misfits([Moment("a", None, 0), Moment("a", None, 0), Moment(None, "b", 0)])
    assert [(m.index, m.field, m.other) for m in misfits] == [(1, "name", 0), (2, "after", None)]
    assert "'b'" in misfits[1].reason
    assert "Name one of a" in misfits[1].remedy


def test_a_circle_is_told_once_with_its_chain() -> None:
    misfits = find_misfits(
        [Moment("x", "a", 0), Moment("a", "b", 0), Moment("b", "c", 0), Moment("c", "a", 0)]
    )
    assert [misfit.index for misfit in misfits] == [1]
    assert "a → b → c → a" in misfits[0].reason
    alone = find_misfits([Moment("me", "me", 0)])
    assert "me → me" in alone[0].reason


def test_a_long_circle_is_told_in_short() -> None:
    """Ten thousand events in one circle: no recursion, and a sentence that can be read."""
    size = 10_000
    misfits = find_misfits([Moment(str(i), str((i + 1) % size), 0) for i in range(size)])
    assert len(misfits) == 1
    assert len(misfits[0].reason) < 300


def test_what_would_come_after_a_day_is_told() -> None:
    misfits = find_misfits([Moment("a", None, 80_000), Moment(None, "a", 80_000)])
    assert [(m.index, m.field) for m in misfits] == [(1, "send_after_sec")]
    assert "160,000" in misfits[0].reason


@st.composite
def forests(draw: st.DrawFn) -> list[Moment]:
    """Events of which each may follow an earlier-drawn one, in any order of the file."""
    count = draw(st.integers(1, 12))
    made = []
    for number in range(count):
        after = draw(st.none() | st.integers(0, number - 1)) if number else None
        delay = draw(st.sampled_from([0.0, 0.5, 1.0, 3.0]))
        made.append(Moment(str(number), None if after is None else str(after), delay))
    return draw(st.permutations(made))


@given(forests())
def test_every_event_comes_once_in_time_and_after_the_one_it_follows(moments: list[Moment]) -> None:
    assert find_misfits(moments) == []
    order = scheduled(moments)
    assert sorted(index for _, index in order) == list(range(len(moments)))
    assert [due for due, _ in order] == sorted(due for due, _ in order)
    places = {moments[index].name: number for number, (_, index) in enumerate(order)}
    due = {moments[index].name: due_sec for due_sec, index in order}
    for moment in moments:
        if moment.after is not None:
            assert places[moment.after] < places[moment.name]
            assert due[moment.name] == due[moment.after] + moment.delay_sec
    again = scheduled([moments[index] for _, index in order])
    assert [index for _, index in again] == list(range(len(moments)))
