"""The checklist: which evidence ticks which step, in whatever order it comes."""

from __future__ import annotations

import itertools

import pytest

from snews_drill.drill.guide import (
    STEP_NAMES,
    AlertSeen,
    EchoSeen,
    Event,
    Guide,
    HeartbeatsCounted,
    HeartbeatSeen,
    NameKnown,
    ObservationSeen,
    RetractionSeen,
)
from snews_drill.drill.scenarios import load_scenario
from snews_drill.messages.alert import Alert

BETELGEUSE = load_scenario("betelgeuse")
ME, OTHER = "XENONnT", "JUNO"
ZERO = 1_700_000_000_000_000_000


def make_guide(**options: object) -> Guide:
    return Guide(BETELGEUSE, zero_ns=ZERO, **options)  # type: ignore[arg-type]


def make_alert(
    *names: str, kind: str = "COINC_MSG", time_ns: int = ZERO, group: int | None = 0, with_times: bool = True
) -> AlertSeen:
    times = (time_ns,) * len(names) if with_times else ()
    return AlertSeen(
        Alert(
            id=f"a {kind} {names} {group}",
            alert_type=kind,
            detector_names=names,
            neutrino_times_ns=times,
            sub_list_number=group,
        )
    )


def done(guide: Guide) -> set[str]:
    return {step.name for step in guide.steps if step.is_done}


WHOLE: list[Event] = [
    EchoSeen(ME),
    HeartbeatSeen(ME),
    HeartbeatsCounted(ME, 3),
    ObservationSeen(ME, ZERO),
    make_alert(OTHER, ME),
    RetractionSeen(ME),
    make_alert(OTHER, kind="RETRACTION"),
]


def test_a_whole_drill_ticks_every_step_once_in_order() -> None:
    """Each event ticks its own step with its time; a later one of the same kind changes nothing."""
    guide = make_guide()
    assert tuple(step.name for step in guide.steps) == STEP_NAMES
    assert done(guide) == set()
    assert guide.observe(NameKnown(ME), 1)
    counts = []
    for now, event in enumerate(WHOLE, start=2):
        guide.observe(event, now)
        counts.append(len(done(guide)))
    assert counts == [2, 2, 3, 4, 5, 6, 7]
    steps = {step.name: step for step in guide.steps}
    assert steps["name"].done_ns == 1
    assert steps["retraction_alert"].done_ns == 8
    assert "counts 3" in steps["heartbeats"].detail
    for event in WHOLE:
        assert not guide.observe(event, 99)


def test_the_order_in_which_evidence_arrives_does_not_matter() -> None:
    """Alerts and messages are read by different readers: any order but that of the alerts ends with all steps done."""
    for order in itertools.permutations(range(len(WHOLE))):
        if order.index(4) < order.index(6):
            guide = make_guide()
            guide.observe(NameKnown(ME), 1)
            for place in order:
                guide.observe(WHOLE[place], 2)
            assert len(done(guide)) == 7, order


def test_what_others_do_ticks_nothing() -> None:
    """Echoes, heartbeats, observations, retractions and alerts of others are no evidence."""
    guide = make_guide()
    guide.observe(NameKnown(ME), 1)
    for event in (
        EchoSeen(OTHER),
        HeartbeatSeen(OTHER),
        HeartbeatsCounted(OTHER, 5),
        ObservationSeen(OTHER, ZERO),
        RetractionSeen(OTHER),
        make_alert(OTHER, "LVD"),
        make_alert(OTHER, kind="RETRACTION"),
    ):
        assert not guide.observe(event, 2)
    assert done(guide) == {"name"}


def test_an_alert_about_an_older_observation_is_no_evidence() -> None:
    """The server may still hold what this detector sent an hour ago."""
    guide = make_guide()
    guide.observe(NameKnown(ME), 1)
    guide.observe(ObservationSeen(ME, ZERO), 2)
    guide.observe(make_alert(OTHER, ME, time_ns=ZERO - 3_600_000_000_000), 3)
    assert "alert" not in done(guide)
    guide.observe(make_alert(OTHER, ME, time_ns=ZERO + 999), 4)  # the same microsecond
    assert "alert" in done(guide)


def test_an_alert_without_times_counts_once_the_observation_was_seen() -> None:
    """Not every server gives them."""
    guide = make_guide()
    guide.observe(NameKnown(ME), 1)
    guide.observe(make_alert(OTHER, ME, with_times=False), 2)
    assert "alert" not in done(guide)
    guide.observe(ObservationSeen(ME, ZERO), 3)
    assert "alert" in done(guide)


@pytest.mark.parametrize(
    ("alert", "why"),
    [
        (make_alert(OTHER, ME, kind="RETRACTION"), "it still lists you"),
        (make_alert(OTHER, kind="RETRACTION", group=7), "it is about a group that you were never in"),
        (make_alert(OTHER, kind="UPDATE"), "it takes nothing back"),
    ],
)
def test_what_is_no_retraction_alert_of_yours(alert: AlertSeen, why: str) -> None:
    """Only a RETRACTION of a group that listed you, without you, after your retraction."""
    guide = make_guide()
    guide.observe(NameKnown(ME), 1)
    for event in WHOLE[:-1]:
        guide.observe(event, 2)
    guide.observe(alert, 3)
    assert "retraction_alert" not in done(guide), why


def test_test_messages_count_too() -> None:
    """Scenarios may be marked as tests; the alert types then begin with TEST."""
    guide = make_guide()
    guide.observe(NameKnown(ME), 1)
    for event in (
        ObservationSeen(ME, ZERO),
        RetractionSeen(ME),
        make_alert(OTHER, ME, kind="TEST COINC_MSG"),
        make_alert(OTHER, kind="TEST RETRACTION"),
    ):
        guide.observe(event, 2)
    assert {"alert", "retraction_alert"} <= done(guide)


def test_heartbeats_on_a_shared_broker_say_what_the_evidence_is() -> None:
    """Its server does not tell its count: the broker's acknowledgement ticks the step, and the step says so."""
    guide = make_guide(server_counts=False)
    guide.observe(NameKnown(ME), 1)
    guide.observe(HeartbeatSeen(ME), 2)
    step = guide.steps[2]
    assert step.is_done
    assert "broker" in step.title
    assert "does not tell" in step.detail


def test_another_name_begins_again() -> None:
    """What was seen of one detector is no evidence for another; the same name again changes nothing."""
    guide = make_guide()
    guide.observe(NameKnown(OTHER), 1)
    guide.observe(EchoSeen(OTHER), 1)
    assert not guide.observe(NameKnown(OTHER), 2)
    guide.observe(NameKnown(ME), 2)
    assert done(guide) == {"name"}
    guide.observe(ObservationSeen(OTHER, ZERO), 3)
    assert done(guide) == {"name"}


def test_hints_give_the_scenario_s_time_and_the_name_where_it_is_needed() -> None:
    """The observation's line can be run as it stands: it falls together with the other detectors."""
    guide = make_guide(names_detector=True)
    guide.observe(NameKnown(ME), 1)
    hints = {step.name: step.hint for step in guide.steps}
    assert guide.neutrino_time_ns == ZERO + 26_127_000
    assert 'detector_name="XENONnT"' in hints["observation"]
    assert 'neutrino_time="2023-11-14T22:13:20.026127"' in hints["observation"]
    assert hints["connection"] == 'test_connection("XENONnT")'
    assert ME not in guide.others
    assert len(guide.others) == 18
    for step in guide.steps:
        assert step.hint
        assert step.if_open
        if step.name != "alert":
            compile(step.hint, step.name, "eval")


def test_a_detector_without_a_part_observes_with_the_first() -> None:
    """Its time is then that of the scenario's first detector, so that the two agree."""
    guide = Guide(load_scenario("simple-coincidence"), zero_ns=ZERO)
    guide.observe(NameKnown("SBND"), 1)
    assert "SBND" not in guide.others
    first = load_scenario("simple-coincidence").events[0]
    assert guide.neutrino_time_ns == ZERO + round(first.offset_ms * 1e6)


def test_the_others_are_not_played_on_a_live_broker() -> None:
    """The hint of the alert is then to listen."""
    guide = make_guide(is_live=True, server_counts=False)
    assert "play_others" not in guide.steps[4].hint
    assert repr(guide.steps[4]) == "GuideStep(alert: open)"
