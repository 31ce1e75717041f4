"""One exercise: from an observation to the alerts that wait to be sent, and back after a restart."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from snews_drill.messages.tiers import CoincidenceTier, Retraction
from snews_drill.messages.times import NS_PER_DAY, NS_PER_SECOND
from snews_drill.profiles import get_profile
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.exercise import Exercise, restore_all
from snews_drill.wire.dialects import get_dialect

NOW_NS = 1_900_000_000 * NS_PER_SECOND
TOPICS = get_profile("rehearsal").firedrill


def new_exercise(archive: Archive) -> Exercise:
    return Exercise(TOPICS, archive, get_dialect("1.3"), "test")


@pytest.fixture
def exercise(archive: Archive) -> Iterator[Exercise]:
    with archive.transaction():
        yield new_exercise(archive)


def observe(
    exercise: Exercise,
    detector: str,
    second: float,
    *,
    p_val: float | None = 0.1,
    is_test: bool = False,
    timestamp_ms: int | None = None,
    received_ns: int = NOW_NS,
) -> int:
    key = f"{detector} {second} {1 - (p_val or 0):.6f}"
    message = CoincidenceTier(
        id=key,
        detector_name=detector,
        neutrino_time_ns=NOW_NS + round(second * 1e9),
        p_val=p_val,
        is_test=is_test,
        sent_time_ns=received_ns,
    )
    return exercise.observe(
        message,
        key=key,
        received_ns=received_ns,
        timestamp_ms=received_ns // 10**6 if timestamp_ms is None else timestamp_ms,
        false_alarm=lambda count: f"{count} by chance",
    )


def retract(exercise: Exercise, detector: str, count: int = 1) -> tuple[int, int]:
    message = Retraction(id=uuid.uuid4().hex, detector_name=detector, retract_latest=count)
    return exercise.retract(
        message, received_ns=NOW_NS, timestamp_ms=NOW_NS // 10**6, false_alarm=lambda count: ""
    )


def test_an_alert_says_what_the_group_is(exercise: Exercise, archive: Archive) -> None:
    assert observe(exercise, "LVD", 1, p_val=None) == 0
    assert observe(exercise, "JUNO", 0, p_val=0.2) == 1
    (alert,) = archive.alerts(topic=TOPICS.alerts)
    assert alert["detector_names"] == ["JUNO", "LVD"]
    assert alert["p_values"] == [0.2, None]
    assert alert["p_values average"] == 0.2
    assert alert["False Alarm Prob"] == "2 by chance"
    assert exercise.held_count == 2


def test_without_any_p_value_the_average_is_null(exercise: Exercise, archive: Archive) -> None:
    """Never not-a-number, which is no JSON."""
    observe(exercise, "LVD", 1, p_val=None)
    observe(exercise, "JUNO", 0, p_val=None)
    assert archive.alerts()[0]["p_values average"] is None


def test_retracting_says_how_much_was_withdrawn(exercise: Exercise) -> None:
    observe(exercise, "LVD", 0)
    observe(exercise, "LVD", 100)
    observe(exercise, "JUNO", 100)
    assert retract(exercise, "LZ") == (0, 0)
    assert retract(exercise, "LVD", 5) == (2, 1)
    assert retract(exercise, "LVD") == (0, 0)


def test_alert_time_is_that_of_the_record_unless_its_clock_is_wrong(
    exercise: Exercise, archive: Archive
) -> None:
    observe(exercise, "LVD", 0)
    observe(exercise, "JUNO", 0, timestamp_ms=NOW_NS // 10**6 - 500)
    observe(exercise, "LZ", 0, timestamp_ms=12345)
    near, far = archive.alerts()
    assert near["sent_time"].startswith("2030-03-17T17:46:39.500")
    assert far["sent_time"].startswith("2030-03-17T17:46:40.000")


def test_a_full_millisecond_is_followed_by_the_next(exercise: Exercise, archive: Archive) -> None:
    """Senders choose the time of a record: thousands with the same one must not lose an alert."""
    observe(exercise, "JUNO", 0)
    alerts = sum(
        observe(exercise, "LVD", 0, p_val=0.9 - n * 1e-4, timestamp_ms=NOW_NS // 10**6) for n in range(2500)
    )
    assert alerts == 2500
    assert len({alert["_id"] for alert in archive.alerts()}) == 2500


def test_deciding_again_after_a_lost_transaction_gives_the_same_ids(archive: Archive) -> None:
    """A crash before the commit: the records are read again, and readers are told the same."""
    told = []
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), archive.transaction():  # noqa: PT012 - the whole of it is undone
            exercise = new_exercise(archive)
            for detector in ("LVD", "JUNO", "LZ"):
                observe(exercise, detector, 0)
            told.append(archive.alerts())
            raise KeyboardInterrupt
    assert told[0] == told[1]
    assert len(told[0]) == 2


def test_reset_drops_everything_without_an_alert_and_never_reuses_a_number(archive: Archive) -> None:
    with archive.transaction():
        exercise = new_exercise(archive)
        observe(exercise, "LVD", 0)
        observe(exercise, "JUNO", 0, is_test=True)
        observe(exercise, "LZ", 0)
        assert exercise.reset() == 3
        assert exercise.held_count == 0
    again = new_exercise(archive)
    restore_all({TOPICS.observations: again}, archive, now_ns=NOW_NS)
    assert again.held_count == 0
    with archive.transaction():
        observe(again, "LVD", 0)
        observe(again, "LZ", 0)
    assert [alert["sub list number"] for alert in archive.alerts()] == [0, 1]


def test_restored_exercise_goes_on_as_if_nothing_had_happened(archive: Archive) -> None:
    """Same groups, same numbers; what was withdrawn stays so, tests stay apart."""
    with archive.transaction():
        exercise = new_exercise(archive)
        for second, detectors in ((0, ("LVD", "JUNO")), (100, ("LZ", "HALO", "SNO+"))):
            for detector in detectors:
                observe(exercise, detector, second)
        retract(exercise, "SNO+")
        observe(exercise, "JUNO", 100, is_test=True)
    again = new_exercise(archive)
    restore_all({TOPICS.observations: again}, archive, now_ns=NOW_NS + 1)
    assert again.groups == exercise.groups
    for one in (exercise, again):
        with pytest.raises(KeyboardInterrupt), archive.transaction():  # noqa: PT012 - the whole of it is undone
            observe(one, "NOvA", 100)
            told = archive.alerts()[-1]
            assert (told["sub list number"], told["detector_names"]) == (1, ["HALO", "LZ", "NOvA"])
            raise KeyboardInterrupt


def test_what_is_a_day_old_expires_and_the_rest_keeps_its_number(archive: Archive) -> None:
    with archive.transaction():
        exercise = new_exercise(archive)
        observe(exercise, "LVD", 0, received_ns=NOW_NS - 1000)
        observe(exercise, "JUNO", 1, received_ns=NOW_NS + 1000)
        observe(exercise, "LZ", 2, received_ns=NOW_NS + 1000)
    later_ns = NOW_NS + NS_PER_DAY
    with archive.transaction():
        exercise.note_expired(later_ns)
    assert [[o.detector for o in group] for group in exercise.groups] == [["JUNO", "LZ"]]
    again = new_exercise(archive)
    restore_all({TOPICS.observations: again}, archive, now_ns=later_ns)
    assert again.groups == exercise.groups
    with archive.transaction():
        observe(again, "HALO", 1.5, received_ns=later_ns)
    assert archive.alerts()[-1]["sub list number"] == 0
    assert archive.alert_count() == 3  # expiry is no alert
