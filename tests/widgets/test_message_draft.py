"""What the form's texts mean: tiers with their reasons, problems by field, arguments, and Python that does the same."""

from __future__ import annotations

import inspect
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snews_drill.connection import Connection
from snews_drill.errors import Problem
from snews_drill.messages.choose import TIER_ARGUMENTS
from snews_drill.messages.tiers import TIER_CLASSES, Tier
from snews_drill.messages.times import iso_micro
from snews_drill.profiles import get_profile
from snews_drill.publisher import SNEWSTiersPublisher
from snews_drill.settings import DrillSettings
from snews_drill.transport import Transport
from snews_drill.widgets.form_fields import FIELDS, FLAGS, RESERVED, fields_of
from snews_drill.widgets.form_remarks import extra_remark, field_remark, other_remarks, summary, tier_remarks
from snews_drill.widgets.message_draft import Extra, MessageDraft
from snews_drill.widgets.python_line import python_line
from snews_drill.wire.dialects import get_dialect

_NOWHERE = DrillSettings(
    config_dir=Path("/nowhere"), state_dir=Path("/nowhere"), runtime_dir=Path("/nowhere")
)


def speaker(dialect_name: str) -> Connection:
    """Return a connection that speaks a dialect; building messages asks it for no more, and no broker is needed."""
    return Connection(
        get_profile("kafka://127.0.0.1:9"),
        Transport("127.0.0.1:9"),
        get_dialect(dialect_name),
        settings=_NOWHERE,
    )


@pytest.fixture(params=["1.3", "3"])
def connection(request: pytest.FixtureRequest) -> Connection:
    return speaker(request.param)


@pytest.fixture
def tutorial() -> Connection:
    return speaker("1.3")


@pytest.fixture
def today() -> Connection:
    return speaker("3")


def minutes_ago(minutes: float) -> str:
    return iso_micro((time.time_ns() - int(minutes * 60e9)) // 1000 * 1000)


def draft_of(connection: Connection, **values: Any) -> MessageDraft:
    draft = MessageDraft(connection)
    for name, value in {"detector_name": "XENONnT", **values}.items():
        draft.put(name, value)
    return draft


def remark_of(draft: MessageDraft, name: str) -> tuple[str, str] | None:
    remark = field_remark(FIELDS[name], draft, draft.build())
    return (remark.kind, remark.text) if remark else None


# The table ---------------------------------------------------------------------------------------------------------


def test_every_field_of_the_message_models_has_a_field_in_the_form() -> None:
    attributes = {name for kind in TIER_CLASSES.values() for name in kind.model_fields}
    made_on_sending = {"id", "uuid", "sent_time_ns", "meta", "is_firedrill"}
    assert {field.attribute for field in FIELDS.values()} | set(FLAGS) - {
        "firedrill_mode"
    } == attributes - made_on_sending


def test_each_field_goes_into_the_tiers_that_have_its_attribute() -> None:
    for field in FIELDS.values():
        tiers = {tier for tier, kind in TIER_CLASSES.items() if field.attribute in kind.model_fields}
        assert field.tiers <= tiers, field.name


def test_every_argument_of_the_publisher_is_in_the_form_or_reserved() -> None:
    parameters = set(inspect.signature(SNEWSTiersPublisher.__init__).parameters) - {"meta"}
    assert parameters == {name for name in FIELDS if name in parameters} | (RESERVED & parameters)
    assert set(TIER_ARGUMENTS) <= set(FIELDS)


# Tiers and reasons -------------------------------------------------------------------------------------------------


def reasons_of(draft: MessageDraft) -> dict[str, str]:
    return {
        remark.text.split(" — ")[0]: f"{remark.kind}: {remark.text.split(' — ')[1]}"
        for remark in tier_remarks(draft, draft.build()).values()
    }


def test_an_empty_draft_says_what_each_tier_needs(connection: Connection) -> None:
    draft = draft_of(connection)
    assert reasons_of(draft) == {
        "CoincidenceTier": "quiet: needs neutrino_time",
        "SigTier": "quiet: needs p_values and t_bin_width",
        "TimeTier": "quiet: needs timing_series",
        "Retraction": "quiet: needs retract_latest",
        "Heartbeat": "quiet: needs detector_status",
    }
    built = draft.build()
    assert built.problems == ()
    assert built.publisher is None
    assert summary(built).kind == "quiet"


def test_filled_fields_say_which_tiers_arise_and_why(connection: Connection) -> None:
    draft = draft_of(
        connection,
        neutrino_time=minutes_ago(1),
        p_values=[0.4, 0.5],
        t_bin_width=1,
        timing_series=[minutes_ago(1)],
        detector_status="on",
    )
    assert reasons_of(draft) == {
        "CoincidenceTier": "ok: because neutrino_time is given",
        "SigTier": "ok: because p_values and t_bin_width are given",
        "TimeTier": "ok: because timing_series is given",
        "Retraction": "quiet: needs retract_latest",
        "Heartbeat": "ok: because detector_status is given",
    }
    built = draft.build()
    assert built.is_ready
    assert built.publisher is not None
    assert built.publisher.tiernames == ["CoincidenceTier", "SigTier", "TimeTier", "Heartbeat"]


def test_a_retraction_takes_the_coincidence_away_and_says_so(connection: Connection) -> None:
    draft = draft_of(connection, neutrino_time=minutes_ago(1), retract_latest=1)
    assert reasons_of(draft)["CoincidenceTier"] == "quiet: not beside a retraction"
    assert reasons_of(draft)["Retraction"] == "ok: because retract_latest is given"
    kind, text = remark_of(draft, "neutrino_time") or ("", "")
    assert kind == "warning"
    assert "set aside" in text


def test_a_tier_that_arises_from_a_wrong_field_names_what_to_mend(connection: Connection) -> None:
    draft = draft_of(connection, neutrino_time="yesterday", p_val=0.05)
    assert (
        reasons_of(draft)["CoincidenceTier"]
        == "warning: because neutrino_time is given; to mend: neutrino_time"
    )
    assert draft.build().tiers == (Tier.COINCIDENCE,)
    assert not draft.build().is_ready
    assert remark_of(draft, "p_val") is None  # what follows from the wrong time is not told as well


# Problems ----------------------------------------------------------------------------------------------------------


def test_what_is_half_typed_is_told_calmly_until_the_user_wants_to_send(connection: Connection) -> None:
    draft = draft_of(connection)
    for text in ("2", "2026-", "2026-11-2"):
        draft.type_text("neutrino_time", text)
        assert (remark_of(draft, "neutrino_time") or ("",))[0] == "quiet"
    draft.ask()
    assert (remark_of(draft, "neutrino_time") or ("",))[0] == "error"
    draft.type_text("neutrino_time", "2026-11-23")
    draft.type_text("neutrino_time", "2026-11-2")
    assert (remark_of(draft, "neutrino_time") or ("",))[0] == "quiet"
    assert not draft.build().is_ready


def test_a_p_value_is_not_shouted_at_while_it_is_still_zero(tutorial: Connection) -> None:
    draft = draft_of(tutorial, neutrino_time=minutes_ago(1))
    seen = []
    for text in ("0", "0.", "0.0", "0.05"):
        draft.type_text("p_val", text)
        seen.append((remark_of(draft, "p_val") or ("fine",))[0])
    assert seen == ["quiet", "quiet", "quiet", "fine"]
    draft.type_text("p_val", "2")
    assert remark_of(draft, "p_val") == (
        "error",
        "2.0 is not a float strictly between 0 and 1. Give a float such as 0.05, or None.",
    )


def test_fields_nobody_touched_are_silent_unless_a_message_needs_them(tutorial: Connection) -> None:
    draft = draft_of(tutorial, p_values=[0.4, 0.5])
    assert remark_of(draft, "t_bin_width") == ("info", "Needed for a SigTier, because p_values is given.")
    assert remark_of(draft, "neutrino_time") is None
    draft.put("t_bin_width", 0.5)
    kind, text = remark_of(draft, "neutrino_time") or ("", "")
    assert kind == "warning"
    assert text.startswith("neutrino_time is missing.")
    draft.type_text("neutrino_time", "")
    assert (remark_of(draft, "neutrino_time") or ("",))[0] == "error"


@pytest.mark.parametrize(
    ("text", "word"), [("2020-01-01T00:00:00", "48 hours old"), ("2999-01-01T00:00:00", "in the future")]
)
def test_a_time_outside_the_last_two_days_is_refused_unless_it_is_a_test(
    connection: Connection, text: str, word: str
) -> None:
    draft = draft_of(connection, neutrino_time=text)
    assert word in (remark_of(draft, "neutrino_time") or ("", ""))[1]
    draft.put("is_test", True)
    assert remark_of(draft, "neutrino_time") is None
    assert draft.build().is_ready


def test_a_detector_must_be_chosen_and_known(connection: Connection) -> None:
    draft = draft_of(connection, detector_name=None, detector_status="ON")
    assert (remark_of(draft, "detector_name") or ("", ""))[
        1
    ] == "detector_name is missing. Choose your detector."
    draft.put("detector_name", "XENONT")
    assert "Did you mean XENONnT" in (remark_of(draft, "detector_name") or ("", ""))[1]
    assert draft.build().publisher is None
    draft.put("detector_name", "sk")
    assert draft.texts["detector_name"] == "Super-K"
    assert draft.build().is_ready


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("p_val", "a lot", "is not a number"),
        ("p_values", "0.4, x", "entry 2: 'x'"),
        ("t_bin_width", -1, "below 0"),
        ("timing_series", "soon", "entry 1: 'soon'"),
        ("retract_latest", 1.5, "is not a whole number"),
        ("retract_latest", True, "is not a whole number"),
        ("retract_latest", -1, "at least 0"),
        ("detector_status", "maybe", "neither"),
        ("machine_time", "noon", "is not a time"),
    ],
)
def test_every_wrong_field_is_told_at_its_own_place_and_blocks_sending(
    connection: Connection, name: str, value: object, word: str
) -> None:
    fine = {"neutrino_time": minutes_ago(1), "p_values": [0.5], "t_bin_width": 0.5}
    draft = draft_of(connection, **{**fine, name: value})
    kind, text = remark_of(draft, name) or ("", "")
    assert (kind, word in text) == ("error", True), text
    assert not draft.build().is_ready
    draft.put(name, fine.get(name))
    assert draft.build().is_ready


def test_values_typed_stay_whatever_is_wrong(connection: Connection) -> None:
    draft = draft_of(connection, neutrino_time="half pa", p_val="0.0.5", extra=1)
    draft.build()
    assert (draft.texts["neutrino_time"], draft.texts["p_val"]) == ("half pa", "0.0.5")


# Extra pairs -------------------------------------------------------------------------------------------------------


def test_extra_pairs_go_to_meta_as_json_or_text(connection: Connection) -> None:
    draft = draft_of(
        connection, neutrino_time=minutes_ago(1), run=17, site="LNGS", flags=[True, None], odd="1"
    )
    publisher = draft.build().publisher
    assert publisher is not None
    meta = publisher.messages[0]["meta"]
    assert {key: meta[key] for key in ("run", "site", "flags", "odd")} == {
        "run": 17,
        "site": "LNGS",
        "flags": [True, None],
        "odd": "1",
    }
    draft.put("run", None)
    assert "run" not in draft.arguments()


@pytest.mark.parametrize(
    ("extra", "word"),
    [
        (Extra("neutrino_time", "x"), "a word of the form's own"),
        (Extra("self", "x"), "a word of the form's own"),
        (Extra("verbose", "x"), "a word of the form's own"),
        (Extra("neutrino_time_utc", "x"), "a word of the form's own"),
        (Extra("run", "2"), "is there twice"),
        (Extra("", "x"), "has no name"),
        (Extra("big", "x" * 3000), "left out of meta"),
    ],
)
def test_extra_pairs_that_cannot_travel_are_told(connection: Connection, extra: Extra, word: str) -> None:
    draft = draft_of(connection, neutrino_time=minutes_ago(1), run=1)
    draft.extras.append(extra)
    built = draft.build()
    remark = extra_remark(extra, draft, built)
    assert remark is not None
    assert word in remark.text
    assert other_remarks(draft, built) == []
    assert remark_of(draft, "neutrino_time") is None
    assert built.is_ready == (extra.key == "big")


def test_an_empty_pair_is_no_problem(connection: Connection) -> None:
    draft = draft_of(connection, detector_status="ON")
    draft.extras.append(Extra())
    assert draft.build().is_ready


# Dialects ----------------------------------------------------------------------------------------------------------


def test_each_dialect_shows_its_own_fields(tutorial: Connection, today: Connection) -> None:
    assert "start_time_utc" not in fields_of("1.3")
    assert "start_time_utc" in fields_of("3")
    for connection in (tutorial, today):
        draft = draft_of(connection, start_time_utc="2026-11-23", detector_status="ON")
        assert [extra.key for extra in draft.extras] == (["start_time_utc"] if connection is tutorial else [])


def test_a_field_whose_tier_is_not_made_is_remarked_on(today: Connection) -> None:
    draft = draft_of(today, neutrino_time=minutes_ago(1), background_rate_Hz=1.5)
    assert (remark_of(draft, "background_rate_Hz") or ("", ""))[0] == "warning"
    assert draft.build().is_ready
    draft.put("timing_series", [1, 2])
    assert remark_of(draft, "background_rate_Hz") is None


def test_todays_spellings_fill_the_same_fields(today: Connection) -> None:
    draft = draft_of(today, neutrino_time_utc=minutes_ago(1), retract_latest_n=None, t_bin_width_sec=1)
    assert set(draft.arguments()) == {"detector_name", "neutrino_time", "t_bin_width"}


def test_a_problem_of_todays_spelling_stands_beside_the_field(today: Connection) -> None:
    draft = draft_of(today, retract_latest=0)
    assert "is 0" in (remark_of(draft, "retract_latest") or ("", ""))[1]
    draft = draft_of(
        today, timing_series=[1], start_time_utc="2999-01-01T00:00:00", neutrino_time=minutes_ago(1)
    )
    assert "in the future" in (remark_of(draft, "start_time_utc") or ("", ""))[1]


def test_a_field_of_another_dialect_is_said_to_be_left_out(today: Connection, tutorial: Connection) -> None:
    draft = draft_of(today, timing_series=[1], neutrino_time=minutes_ago(1), start_time_utc=minutes_ago(2))
    draft.connection = tutorial
    built = draft.build()
    assert [remark.text for remark in other_remarks(draft, built)] == [
        "start_time_utc has no place in dialect 1.3. It is left out."
    ]
    assert built.publisher is not None
    assert "start_time_utc" not in str(built.publisher.messages)


# The same in Python ------------------------------------------------------------------------------------------------

STAMPS = {"_id", "id", "uuid", "sent_time", "sent_time_utc"}


def without_stamps(messages: list[dict[str, Any]], *, has_machine_time: bool) -> list[list[tuple[str, Any]]]:
    stamps = STAMPS if has_machine_time else STAMPS | {"machine_time", "machine_time_utc"}
    return [[(key, value) for key, value in message.items() if key not in stamps] for message in messages]


texts = st.text(max_size=8)
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts


@given(
    values=st.fixed_dictionaries(
        {},
        optional={
            "machine_time": st.just("2026-11-23T00:00:00"),
            "neutrino_time": st.sampled_from(["2026-11-23 10:00", "20261123T101112", "nonsense"]),
            "p_val": st.floats(0.001, 0.999) | st.integers(),
            "p_values": st.lists(st.floats(0, 1), min_size=1, max_size=3),
            "t_bin_width": st.floats(0, 9) | st.integers(0, 9),
            "timing_series": st.lists(
                st.just("2026-11-23T10:00:00") | st.integers(0, 10**9), min_size=1, max_size=3
            ),
            "retract_latest": st.integers(0, 3),
            "retraction_reason": texts,
            "detector_status": st.sampled_from(["ON", "off", "?"]),
            "is_pre_sn": st.booleans(),
            "firedrill_mode": st.booleans(),
        },
    ),
    extras=st.dictionaries(
        texts.filter(lambda key: key not in FIELDS and key not in RESERVED), plain, max_size=3
    ),
    dialect=st.sampled_from(["1.3", "3"]),
)
def test_the_line_of_python_makes_the_same_messages(
    values: dict[str, Any], extras: dict[str, Any], dialect: str
) -> None:
    connection = speaker(dialect)
    draft = draft_of(connection, is_test=True, **values)
    for key, value in extras.items():
        draft.put(key, value)
    built = draft.build()
    if built.publisher is None:
        assert not built.tiers
        return
    names: dict[str, Any] = {"SNEWSTiersPublisher": _Quiet, "connection": connection}
    exec(python_line(draft.arguments(), has_connection=True), names)
    has_machine_time = "machine_time" in values
    for made, shown in (
        (names["msg"].messages, built.publisher.messages),
        (names["msg"].invalid_messages, built.publisher.invalid_messages),
    ):
        assert without_stamps(made, has_machine_time=has_machine_time) == without_stamps(
            shown, has_machine_time=has_machine_time
        )
    assert names["msg"].firedrill_mode == built.publisher.firedrill_mode


class _Quiet(SNEWSTiersPublisher):
    """The publisher without its printed lines, which would flood a test with many examples."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, verbose=False, **kwargs)


@given(
    texts=st.dictionaries(
        st.sampled_from(sorted(FIELDS)),
        st.text(max_size=30) | st.sampled_from(["9999-12-31", "0001-01-01", "[]", "1e308", "-0"]),
    ),
    key=st.text(max_size=10),
    text=st.text(max_size=20),
    dialect=st.sampled_from(["1.3", "3"]),
)
def test_nothing_that_can_be_typed_makes_the_draft_fail(
    texts: dict[str, str], key: str, text: str, dialect: str
) -> None:
    draft = MessageDraft(speaker(dialect))
    for name, typed in texts.items():
        draft.type_text(name, typed)
    draft.extras.append(Extra(key, text))
    built = draft.build()
    tier_remarks(draft, built)
    summary(built)
    for field in FIELDS.values():
        field_remark(field, draft, built)
    assert all(isinstance(problem, Problem) and problem.reason for problem in built.problems)
    assert not built.is_ready or built.publisher is not None
