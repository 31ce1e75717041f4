"""The coincidence rule: edge cases, published scenarios, and properties against a brute-force oracle."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snews_drill.rehearsal.coincidence import WINDOW_NS, Coincidence, Decision, Observation

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
BASE = 1_900_000_000 * SECOND


class Desk:
    """A drill with a running clock for sending times."""

    def __init__(self) -> None:
        self.rule = Coincidence()
        self.sent = 0

    def add(self, detector, seconds, p_val=0.01, message_id=None, sent=None):
        self.sent += 1
        sent = self.sent if sent is None else sent
        time_ns = BASE + round(seconds * SECOND)
        message_id = message_id or f"{detector}-{self.sent}"
        return told(self.rule.add(Observation(detector, time_ns, p_val, sent, message_id)))

    def retract(self, detector, count=1):
        decisions, withdrawn = self.rule.retract(detector, count)
        return told(decisions), len(withdrawn)

    @property
    def groups(self):
        return [names(members) for members in self.rule.groups]


def names(members):
    return " ".join(o.detector for o in members)


def told(decisions: list[Decision]):
    return [(str(d.alert_type), names(d.members), d.group_number) for d in decisions]


@pytest.mark.parametrize(
    ("gap_ns", "agree"),
    [(0, True), (9_999_999_999, True), (10_000_000_000, True), (10_000_000_001, False)],
)
@pytest.mark.parametrize("is_reversed", [False, True])
def test_the_window_is_closed_and_exact_to_the_nanosecond(gap_ns, agree, is_reversed):
    rule = Coincidence()
    pair = [Observation("A", BASE, None, 1, "a"), Observation("B", BASE + gap_ns, None, 2, "b")]
    decisions = [d for o in (pair[::-1] if is_reversed else pair) for d in rule.add(o)]
    assert told(decisions) == ([("COINC_MSG", "A B", 0)] if agree else [])
    assert [names(g) for g in rule.groups] == (["A B"] if agree else [])


def test_equal_times_are_one_group_in_order_of_name():
    desk = Desk()
    desk.add("C", 0)
    desk.add("A", 0)
    assert desk.add("B", 0) == [("COINC_MSG", "A B C", 0)]


PUBLISHED = {
    "two seconds apart": ([("XENONnT", 45), ("DS-20K", 47)], [[], [("COINC_MSG", "XENONnT DS-20K", 0)]]),
    "exactly ten seconds": ([("XENONnT", 45), ("DUNE", 55)], [[], [("COINC_MSG", "XENONnT DUNE", 0)]]),
    "two coincidences": (
        [("XENONnT", 285), ("DS-20K", 287), ("JUNO", 55), ("Baksan", 52)],
        [[], [("COINC_MSG", "XENONnT DS-20K", 0)], [], [("COINC_MSG", "Baksan JUNO", 1)]],
    ),
    "same message twice": ([("XENONnT", 45), ("XENONnT", 45)], [[], []]),
    "same detector within one second": ([("JUNO", 55), ("JUNO", 56)], [[], []]),
    "three out of order": (
        [("DUNE", 55), ("DS-20K", 47), ("XENONnT", 45)],
        [[], [("COINC_MSG", "DS-20K DUNE", 0)], [("COINC_MSG", "XENONnT DS-20K DUNE", 0)]],
    ),
    "seconds 10 19 21 22 20 29 18": (
        list(zip("ABCDEFG", (10, 19, 21, 22, 20, 29, 18), strict=True)),
        [
            [],
            [("COINC_MSG", "A B", 0)],
            [("COINC_MSG_STAGGERED", "B C", 1)],
            [("COINC_MSG", "B C D", 1)],
            [("COINC_MSG", "A B E", 0), ("COINC_MSG", "B E C D", 1)],
            [("COINC_MSG", "B E C D F", 1)],
            [("COINC_MSG", "A G B E", 0), ("COINC_MSG_STAGGERED", "G B E C D", 2)],
        ],
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_scenarios(name):
    messages, expected = PUBLISHED[name]
    desk = Desk()
    assert [desk.add(detector, second) for detector, second in messages] == expected


def test_two_groups_formed_at_once_are_a_coincidence_and_a_staggered_one():
    desk = Desk()
    desk.add("A", 0)
    desk.add("C", 15)
    assert desk.add("B", 8) == [("COINC_MSG", "A B", 0), ("COINC_MSG_STAGGERED", "B C", 1)]


def test_the_very_same_message_again_changes_nothing():
    desk = Desk()
    desk.add("A", 0)
    desk.add("B", 1, message_id="b", sent=5)
    before = desk.rule.observations
    assert desk.add("B", 1, message_id="b", sent=5) == []
    assert desk.rule.observations == before


def test_the_same_content_resent_later_alerts_nothing_and_is_one_observation():
    desk = Desk()
    desk.add("A", 0)
    desk.add("B", 1, message_id="b")
    assert desk.add("B", 1, message_id="b") == []
    assert desk.retract("B") == ([("RETRACTION", "A", 0)], 1)


@pytest.mark.parametrize("change", [{"seconds": 2}, {"p_val": 0.5}, {"p_val": None}])
def test_a_member_that_changes_time_or_p_value_is_an_update(change):
    desk = Desk()
    desk.add("A", 0)
    desk.add("B", 1)
    assert desk.add("B", **{"seconds": 1, **change}) == [("UPDATE", "A B", 0)]
    assert desk.groups == ["A B"]


def test_the_later_sent_counts_though_it_arrives_first():
    desk = Desk()
    desk.add("A", 0)
    desk.add("B", 3, sent=9)
    assert desk.add("B", 1, sent=2) == []
    assert desk.rule.groups[0][1].neutrino_time_ns == BASE + 3 * SECOND


def test_an_observation_more_than_ten_seconds_away_stays_beside_the_other():
    desk = Desk()
    desk.add("A", 0)
    desk.add("B", 1)
    assert desk.add("B", 11.1) == []
    assert desk.add("C", 10) == [("COINC_MSG", "A B C", 0), ("COINC_MSG_STAGGERED", "C B", 1)]


def test_a_new_version_of_a_message_replaces_it_however_far_away():
    desk = Desk()
    desk.add("A", 0)
    desk.add("B", 1, message_id="b")
    desk.add("C", 1000)
    assert desk.add("B", 1001, message_id="b") == [("RETRACTION", "A", 0), ("COINC_MSG", "C B", 1)]


def test_an_older_version_that_comes_late_changes_nothing():
    desk = Desk()
    desk.add("A", 0)
    desk.add("B", 1000, message_id="b", sent=9)
    assert desk.add("B", 1, message_id="b", sent=3) == []


def test_a_member_moving_to_another_group_leaves_one_and_joins_the_other():
    desk = Desk()
    for detector, second in (("A", 0), ("X", 4), ("B", 12), ("C", 13)):
        desk.add(detector, second)
    assert desk.groups == ["A X", "X B C"]
    assert desk.add("X", 14) == [("RETRACTION", "A", 0), ("UPDATE", "B C X", 1)]


def test_a_moving_member_retracts_here_and_joins_there():
    desk = Desk()
    for detector, second in (("A", 0), ("B", 0.5), ("X", 1), ("C", 11.2), ("D", 11.3)):
        desk.add(detector, second)
    assert desk.groups == ["A B X", "C D"]
    assert desk.add("X", 10.9) == [("RETRACTION", "A B", 0), ("COINC_MSG", "X C D", 1)]


def test_a_group_that_loses_and_gains_at_once_is_told_both():
    desk = Desk()
    for detector, second in (("A", 22), ("B", 21), ("C", 18), ("D", 11)):
        desk.add(detector, second, message_id=detector)
    assert desk.groups == ["D C B", "C B A"]
    assert desk.add("A", 8, message_id="A") == [("RETRACTION", "A C", 0), ("COINC_MSG", "A D C", 0)]
    assert desk.groups == ["A D C", "D C B"]


def test_a_group_of_equal_times_at_the_very_end_of_the_window_is_joined():
    desk = Desk()
    desk.add("B", 10)
    desk.add("C", 10)
    assert desk.add("A", 0) == [("COINC_MSG", "A B C", 0)]
    assert desk.groups == ["A B C"]


def test_retracting_a_version_brings_back_the_one_before_however_far_away():
    desk = Desk()
    desk.add("A", 0)
    desk.add("B", 1, message_id="b")
    desk.add("B", 1000, message_id="b")
    assert desk.groups == []
    assert desk.retract("B") == ([("COINC_MSG", "A B", 1)], 1)


def test_retraction_of_the_first_member_keeps_the_group_and_its_number():
    desk = Desk()
    for detector, second in (("A", 0), ("B", 1), ("C", 2)):
        desk.add(detector, second)
    assert desk.retract("A") == ([("RETRACTION", "B C", 0)], 1)
    assert desk.add("D", 3) == [("COINC_MSG", "B C D", 0)]


def test_a_group_that_lost_its_second_detector_is_withdrawn_and_its_number_not_used_again():
    desk = Desk()
    desk.add("A", 0)
    desk.add("B", 1)
    assert desk.retract("B") == ([("RETRACTION", "A", 0)], 1)
    assert desk.groups == []
    assert desk.retract("A") == ([], 1)
    desk.add("A", 0)
    assert desk.add("B", 1) == [("COINC_MSG", "A B", 1)]


def test_a_group_that_becomes_part_of_another_is_retracted_once_and_is_gone():
    desk = Desk()
    for detector, second in (("A", 0), ("B", 5), ("C", 6), ("D", 14)):
        desk.add(detector, second)
    assert desk.groups == ["A B C", "B C D"]
    assert desk.retract("A") == ([("RETRACTION", "B C", 0)], 1)
    assert desk.groups == ["B C D"]


def test_retracting_a_member_of_two_groups_tells_both():
    desk = Desk()
    for detector, second in (("A", 0), ("B", 1), ("C", 9), ("D", 11.5), ("E", 12)):
        desk.add(detector, second)
    assert desk.groups == ["A B C", "C D E"]
    assert desk.retract("C") == ([("RETRACTION", "A B", 0), ("RETRACTION", "D E", 1)], 1)
    assert desk.groups == ["A B", "D E"]


def test_more_than_there_is_withdraws_all_and_none_withdraws_nothing():
    desk = Desk()
    desk.add("A", 0)
    desk.add("B", 1)
    desk.add("B", 500)
    assert desk.retract("B", 0) == ([], 0)
    assert desk.retract("B", -1) == ([], 0)
    assert desk.retract("nobody", 3) == ([], 0)
    assert desk.retract("B", 99) == ([("RETRACTION", "A", 0)], 2)
    assert [o.detector for o in desk.rule.observations] == ["A"]


def test_retraction_takes_the_last_sent_and_brings_back_what_it_superseded():
    desk = Desk()
    desk.add("A", 0)
    desk.add("B", 1)
    desk.add("B", 4)
    assert desk.retract("B") == ([("UPDATE", "A B", 0)], 1)
    assert desk.rule.groups[0][1].neutrino_time_ns == BASE + SECOND


def test_a_chain_of_superseded_observations_is_decided_from_the_latest():
    """With 16 s sent, 8 s is out and 0 s back in; with 24 s sent, 16 s is out and 8 s back in, 0 s out."""
    desk = Desk()
    in_force = []
    for detector in ("P", "Q", "R", "S"):
        desk.add(detector, {"P": 0, "Q": 8, "R": 16, "S": 24}[detector], sent=1)
    for second in (0, 8, 16, 24):
        desk.add("X", second)
        times = {
            (o.neutrino_time_ns - BASE) // SECOND for g in desk.rule.groups for o in g if o.detector == "X"
        }
        in_force.append(times)
    assert in_force == [{0}, {8}, {0, 16}, {8, 24}]
    desk.retract("X", 2)
    times = {(o.neutrino_time_ns - BASE) // SECOND for g in desk.rule.groups for o in g if o.detector == "X"}
    assert times == {8}


def test_one_message_is_withdrawn_by_its_identifier_with_all_versions():
    desk = Desk()
    desk.add("A", 0)
    desk.add("B", 1, message_id="first")
    desk.add("B", 2, message_id="first")
    desk.add("B", 300, message_id="second")
    decisions, withdrawn = desk.rule.retract_by_id("B", "first")
    assert told(decisions) == [("RETRACTION", "A", 0)]
    assert [o.id for o in withdrawn] == ["first", "first"]
    assert desk.rule.retract_by_id("B", "first") == ([], ())
    assert desk.rule.retract_by_id("nobody", "x") == ([], ())


def test_observations_expire_24_hours_after_sending_without_an_alert():
    desk = Desk()
    desk.add("A", 0, sent=0)
    desk.add("B", 1, sent=HOUR)
    desk.add("C", 2, sent=2 * HOUR)
    desk.rule.expire(24 * HOUR)
    assert desk.groups == ["A B C"]
    desk.rule.expire(24 * HOUR + 1)
    assert desk.groups == ["B C"]
    assert desk.add("D", 3, sent=3 * HOUR) == [("COINC_MSG", "B C D", 0)]
    desk.rule.expire(28 * HOUR)
    assert desk.rule.observations == ()
    assert desk.groups == []


def test_what_comes_after_its_time_is_over_is_not_taken_in():
    desk = Desk()
    desk.rule.expire(48 * HOUR)
    desk.add("A", 0, sent=24 * HOUR - 1)
    assert desk.rule.observations == ()
    desk.rule.expire(0)  # a clock that jumps back does not revive the past
    desk.add("A", 0, sent=24 * HOUR - 1)
    assert desk.rule.observations == ()


def test_reset_forgets_all_but_goes_on_numbering():
    desk = Desk()
    desk.add("A", 0)
    desk.add("B", 1)
    desk.add("B", 2)
    assert desk.rule.reset() == 3
    assert desk.rule.observations == ()
    assert desk.rule.reset() == 0
    desk.add("A", 0)
    assert desk.add("B", 1) == [("COINC_MSG", "A B", 1)]


def test_groups_rebuilt_after_a_restart_can_have_the_numbers_that_readers_know():
    desk = Desk()
    for detector, second in (("A", 0), ("B", 1), ("C", 100), ("D", 101)):
        desk.add(detector, second)
    desk.rule.renumber({(BASE, "A"): 7})
    assert desk.add("E", 2) == [("COINC_MSG", "A B E", 7)]
    assert desk.add("F", 102) == [("COINC_MSG", "C D F", 8)]
    desk.add("G", 500)
    assert desk.add("H", 501) == [("COINC_MSG", "G H", 9)]


# The oracle: written from the words of docs/coincidence.md, without a thought for speed.


def oracle_in_force(observations):
    contents = {}
    for o in observations:
        key = (o.detector, o.id, o.neutrino_time_ns, o.p_val)
        contents[key] = max(contents.get(key, o), o, key=lambda x: x.sent_time_ns)
    in_force = []
    for o in sorted(
        contents.values(),
        key=lambda x: (x.sent_time_ns, x.id, x.neutrino_time_ns, x.p_val is not None, x.p_val or 0),
        reverse=True,
    ):
        newer = [x for x in contents.values() if (x.detector, x.id) == (o.detector, o.id) and is_later(x, o)]
        close = [
            x
            for x in in_force
            if x.detector == o.detector and abs(x.neutrino_time_ns - o.neutrino_time_ns) <= WINDOW_NS
        ]
        if not newer and not close:
            in_force.append(o)
    return in_force


def is_later(x, o):
    def order(y):
        return (y.sent_time_ns, y.neutrino_time_ns, y.p_val is not None, y.p_val or 0)

    return order(x) > order(o)


def oracle_groups(observations):
    in_force = oracle_in_force(observations)
    sets = {
        frozenset(o for o in in_force if 0 <= o.neutrino_time_ns - first.neutrino_time_ns <= WINDOW_NS)
        for first in in_force
    }
    maximal = [s for s in sets if len(s) > 1 and not any(s < other for other in sets)]
    ordered = [tuple(sorted(s, key=lambda o: (o.neutrino_time_ns, o.detector))) for s in maximal]
    return tuple(sorted(ordered, key=lambda g: (g[0].neutrino_time_ns, g[0].detector)))


tenths = st.sampled_from([0, 1, 50, 99, 100, 101, 120, 199, 200, 201, 240, 300])
observations = st.builds(
    Observation,
    detector=st.sampled_from("ABCDE"),
    neutrino_time_ns=st.one_of(tenths, st.integers(0, 450)).map(lambda t: BASE + t * SECOND // 10),
    p_val=st.sampled_from([None, 0.1]),
    sent_time_ns=st.integers(0, 12),
    id=st.one_of(st.sampled_from("uvw"), st.uuids().map(str)),
)
many = st.lists(observations, max_size=25)


def filled(items):
    rule = Coincidence()
    for o in items:
        rule.add(o)
    return rule


@settings(max_examples=300, deadline=None)
@given(items=many, data=st.data())
def test_groups_equal_the_oracle_and_do_not_depend_on_the_order_of_arrival(items, data):
    other = data.draw(st.permutations(items))
    assert filled(items).groups == filled(other).groups == oracle_groups(items)


@settings(max_examples=200, deadline=None)
@given(items=many, more=many)
def test_restoring_at_once_leaves_what_adding_one_by_one_leaves(items, more):
    """Also what is decided afterwards is the same, once the groups have the numbers that readers know."""
    one_by_one, at_once = filled(items), Coincidence()
    at_once.restore(items)
    assert at_once.groups == one_by_one.groups
    assert at_once.observations == one_by_one.observations
    for rule in (one_by_one, at_once):
        rule.renumber({(-1, ""): 100, **one_by_one.numbers})
    assert [told(at_once.add(o)) for o in more] == [told(one_by_one.add(o)) for o in more]
    at_once.expire(24 * HOUR + 6)
    one_by_one.expire(24 * HOUR + 6)
    assert at_once.groups == one_by_one.groups


def test_every_group_is_within_the_window_maximal_and_has_each_detector_once():
    rule = filled(
        Observation(
            "ABCDEFGHIJ"[i * 7 % 10], BASE + i * i * 977 * SECOND // 500 % (60 * SECOND), None, i, str(i)
        )
        for i in range(200)
    )
    assert len(rule.groups) > 2
    for group in rule.groups:
        assert group[-1].neutrino_time_ns - group[0].neutrino_time_ns <= WINDOW_NS
        assert len({o.detector for o in group}) == len(group) > 1
        assert not any(set(group) < set(other) for other in rule.groups)


@settings(max_examples=200, deadline=None)
@given(items=many, extra=observations)
def test_retracting_undoes_publishing(items, extra):
    latest = replace(extra, p_val=0.7, sent_time_ns=99)  # the p-value makes it new, whatever its id
    rule = filled(items)
    groups, held = rule.groups, rule.observations
    rule.add(latest)
    _, withdrawn = rule.retract(latest.detector, 1)
    assert withdrawn == (latest,)
    assert (rule.groups, rule.observations) == (groups, held)


actions = st.lists(
    st.one_of(
        observations,
        st.tuples(st.just("retract"), st.sampled_from("ABCDE"), st.integers(0, 4)),
        st.tuples(st.just("withdraw"), st.sampled_from("ABCDE"), st.sampled_from("uvw")),
        st.tuples(st.just("expire"), st.integers(0, 6), st.none()),
    ),
    max_size=40,
)


def act(rule, action):
    if isinstance(action, Observation):
        return rule.add(action)
    verb, subject, value = action
    if verb == "retract":
        return rule.retract(subject, value)[0]
    if verb == "withdraw":
        return rule.retract_by_id(subject, value)[0]
    return rule.expire(subject + 24 * HOUR)


@settings(max_examples=300, deadline=None)
@given(history=actions)
def test_alerts_tell_a_reader_exactly_the_groups(history):
    """Whatever happens, groups equal the oracle of what is held, and each is what an alert said last."""
    rule = Coincidence()
    last = {}
    for action in history:
        before = rule.groups
        decisions = act(rule, action)
        assert rule.groups == oracle_groups(rule.observations)
        assert len(rule.observations) == len(set(rule.observations))
        if decisions is None:  # expiry is silent: the reader's groups are those that are left
            last = {}
            continue
        content = [(d.alert_type, d.group_number) for d in decisions]
        assert len(set(content)) == len(content)
        for d in decisions:
            assert len(d.members) >= (1 if d.alert_type == "RETRACTION" else 2)
            last[d.group_number] = said(d.members)
        new = [said(g) for g in rule.groups if g not in before]
        untold = [g for g in new if g not in last.values() and g not in map(said, before)]
        assert untold == []


def said(members):
    return tuple((o.detector, o.neutrino_time_ns, o.p_val) for o in members)


@settings(max_examples=150, deadline=None)
@given(items=many)
def test_a_number_belongs_to_one_line_of_groups(items):
    """As long as nothing moves away, a group's number is first told as a new group and then only grows."""
    unique = [
        Observation(f"{o.detector}{i}", o.neutrino_time_ns, None, i, str(i)) for i, o in enumerate(items)
    ]
    rule, known = Coincidence(), {}
    for o in unique:
        for d in rule.add(o):
            assert d.alert_type in ("COINC_MSG", "COINC_MSG_STAGGERED")
            if d.group_number in known:
                assert d.alert_type == "COINC_MSG"
                assert set(known[d.group_number]) == set(d.members) - {o}
            else:
                assert d.group_number == len(known)
            known[d.group_number] = d.members
    assert sorted(known.values(), key=said) == sorted(rule.groups, key=said)


def test_the_same_history_gives_the_same_decisions():
    """A drill server that replays its archive tells the same alerts again."""
    history = [
        Observation("ABCDEFG"[i * 5 % 7], BASE + i * 3001 % 40 * SECOND, i % 3 / 10 or None, i, str(i % 60))
        for i in range(150)
    ]
    first, second = Coincidence(), Coincidence()
    assert [told(first.add(o)) for o in history] == [told(second.add(o)) for o in history]
    assert told(first.retract("A", 3)[0]) == told(second.retract("A", 3)[0])
