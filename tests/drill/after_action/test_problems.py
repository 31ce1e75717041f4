"""What went wrong, in plain words; who sent it, as far as can be told; nothing that steers a terminal."""

from __future__ import annotations

import pytest

from snews_drill.drill.after_action import UNKNOWN_SENDER, AfterActionReport, DetectorReport
from snews_drill.drill.after_action.problems import gathered, record_problems, remarks, sender_of
from snews_drill.rehearsal.archive_rows import ArchivedRecord


def record(
    reason: str, kind: str = "", detector: str = "", value: bytes = b"", outcome: str = "refused"
) -> ArchivedRecord:
    return ArchivedRecord("", "t", 0, 0, 0, 5, outcome, kind, detector, "", reason, value)


@pytest.mark.parametrize(
    ("value", "sender", "claim"),
    [
        (b'{"detector_name": "sk"}', "Super-K", ""),
        (b'"{\\"detector_name\\": \\"JUNO\\"}"', "JUNO", ""),
        (b'{"detector_name": "Nobody"}', UNKNOWN_SENDER, "Nobody"),
        (b'{"detector_name": 7}', UNKNOWN_SENDER, ""),
        (b"[1]", UNKNOWN_SENDER, ""),
        (b"\x80\x04garbage", UNKNOWN_SENDER, ""),
        (b"", UNKNOWN_SENDER, ""),
    ],
)
def test_the_sender_is_looked_for_in_the_record(value: bytes, sender: str, claim: str) -> None:
    assert sender_of(record("x", value=value)) == (sender, claim)


def test_the_same_problem_is_told_once_with_its_number() -> None:
    first = record("The record is not JSON.", outcome="unreadable")
    (found,) = record_problems([first, first, first])
    assert (found.count, found.text) == (3, "A record could not be read: The record is not JSON.")
    assert len(record_problems([first, record("CoincidenceTier.p_val: is wrong.")])) == 2


def test_words_name_what_was_refused() -> None:
    texts = [
        problem.text
        for problem in record_problems(
            [
                record("CoincidenceTier.p_val: 7 is wrong.; CoincidenceTier.meta: too large."),
                record("It lies in the future.", kind="Retraction", detector="LVD"),
                record("You have no rights for that.", kind="hard-reset"),
                record("Odd.Reason: this is no tier."),
            ]
        )
    ]
    assert texts == [
        "An observation (CoincidenceTier) was refused: p_val: 7 is wrong; meta: too large.",
        "A retraction was refused: It lies in the future.",
        "A request to reset the cache was refused: You have no rights for that.",
        "A record was refused: Odd.Reason: this is no tier.",
    ]


def test_hostile_words_are_shown_not_obeyed() -> None:
    (found,) = record_problems([record("\x1b[2J\u202e" + "x" * 5000)])
    assert "\\x1b[2J\\u202e" in found.text
    assert "\x1b" not in found.text
    assert len(found.text) < 700


def said(**known: object) -> list[str]:
    row = DetectorReport("LVD", 5, **{"played_by": "person", "connection_tests": 1, "heartbeats": 9, **known})  # type: ignore[arg-type]
    return [
        p.text for p in remarks(row, is_expected=True, expects_observation=bool(known.get("observations", 1)))
    ]


@pytest.mark.parametrize(
    ("known", "word"),
    [
        ({"connection_tests": 0}, "did not test its connection"),
        ({"heartbeats": 0}, "sent no heartbeat"),
        ({"heartbeat_interval_sec": 1.0, "heartbeat_gap_sec": 60.0}, "paused for 60 s; 1 s is usual"),
        ({"heartbeat_latency_p50_ms": -250.0}, "250 ms ahead"),
        ({"heartbeat_latency_p50_ms": 9000.0}, "9.0 s after they were sent"),
        ({"observations": 1, "alerts": 0}, "in no alert"),
        ({"observations": 1, "alerts": 2, "is_in_alert": False}, "newest observation is in no alert"),
        ({"observations": 1, "alerts": 1, "is_in_alert": True, "offset_ms": -8.0}, "8 ms earlier"),
        ({"observations": 1, "alerts": 1, "is_in_alert": True, "on_share": 0.0}, "said OFF"),
    ],
)
def test_what_stands_out_is_remarked(known: dict[str, object], word: str) -> None:
    assert any(word in text for text in said(**known)), said(**known)


def test_a_detector_that_did_its_part_gets_no_remark() -> None:
    assert (
        said(
            observations=1, alerts=3, is_in_alert=True, offset_ms=0.4, on_share=1.0,
            heartbeat_interval_sec=10.0, heartbeat_gap_sec=11.0, heartbeat_latency_p50_ms=3.0,
        )
        == []
    )  # fmt: skip
    silent = DetectorReport("LVD", 5)
    assert [p.text for p in remarks(silent, is_expected=True, expects_observation=True)] == [
        "Nothing of it was accepted."
    ]
    assert remarks(silent, is_expected=False, expects_observation=False) == []


def test_nobody_asks_a_virtual_detector_for_a_connection_test() -> None:
    assert (
        said(played_by="virtual detector", connection_tests=0, heartbeats=0, observations=0, series=1) == []
    )
    assert said(played_by="virtual detector, person", connection_tests=0, heartbeats=9, observations=0)


def test_a_remark_on_many_is_told_once(example: AfterActionReport) -> None:
    lines = gathered(example)
    assert [problem.kind for _, problem in lines[:4]] == ["unreadable", "refused", "refused", "refused"]
    texts = [problem.text for _, problem in lines]
    assert len(texts) == len(set(texts))
