"""From typed text to values: what is read, what is refused and why, and what is merely unfinished."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snews_drill.widgets.form_fields import FIELDS
from snews_drill.widgets.form_reading import (
    extra_text,
    read_count,
    read_extra,
    read_number,
    read_probabilities,
    read_series,
    read_time,
    text_of,
)

TIME = "2026-11-23T12:45:45.678999"


@pytest.mark.parametrize(
    "text", [TIME[:length] for length in range(1, len(TIME))] + ["n", "no", "2026112", TIME + "+0"]
)
def test_a_time_that_is_being_typed_is_never_called_wrong(text: str) -> None:
    reading = read_time(text)
    assert reading.value is not None or reading.is_unfinished


@pytest.mark.parametrize(
    "text", ["2026-13-01", "2026-02-3", "tomorrow", "2026-11-23T25", "12:00", "2026-11-23 12:61", "-1"]
)
def test_a_text_that_can_become_no_time_is_refused_with_a_remedy(text: str) -> None:
    reading = read_time(text)
    assert reading.value is None
    assert not reading.is_unfinished
    assert "is not a time" in reading.reason
    assert "UTC" in reading.remedy


def test_a_time_is_kept_as_typed() -> None:
    assert read_time("20261123T124545").value == "20261123T124545"


@pytest.mark.parametrize(
    ("text", "value", "is_unfinished"),
    [
        ("0.05", 0.05, False),
        ("1", 1.0, False),
        (".5", 0.5, False),
        ("5e-3", 0.005, False),
        ("0", 0.0, True),
        ("0.", 0.0, True),
        ("0.00", 0.0, True),
        (".", None, True),
        ("-", None, True),
        ("5e", None, True),
        ("5e-", None, True),
        ("0,05", None, False),
        ("nan", None, False),
        ("inf", None, False),
        ("1_000", None, False),
        ("1e999", None, False),
        ("\u0661", None, False),
    ],
)
def test_numbers(text: str, value: float | None, is_unfinished: bool) -> None:
    reading = read_number(text)
    assert (reading.value, reading.is_unfinished) == (value, is_unfinished)
    assert (reading.value is None) == bool(reading.reason)


@pytest.mark.parametrize("text", ["1.5", "True", "one", "1" * 30])
def test_a_count_that_is_no_whole_number_is_refused(text: str) -> None:
    assert "is not a whole number" in read_count(text).reason


@pytest.mark.parametrize("text", ["0.4, 0.5", "0.4\n0.5", "0.4 0.5,", "[0.4, 0.5]", "0.4;0.5"])
def test_probabilities_are_separated_by_what_people_type(text: str) -> None:
    assert read_probabilities(text).value == [0.4, 0.5]


def test_an_entry_that_is_no_number_is_named_with_its_place() -> None:
    reading = read_probabilities("0.4, abc, 0.6")
    assert reading.reason == "entry 2: 'abc' is not a number."
    assert not reading.is_unfinished
    assert read_probabilities('[0.4, "x", null]').reason == "entry 2: '\"x\"' is not a number."


def test_the_last_entry_may_be_half_typed_and_a_bracket_open() -> None:
    assert read_probabilities("0.4, 5e").is_unfinished
    assert not read_probabilities("5e, 0.4").is_unfinished
    assert read_probabilities("[0.4, 0.").is_unfinished
    assert not read_probabilities("[0.4, 0.]").is_unfinished
    assert read_probabilities(",").is_unfinished


def test_a_series_holds_times_and_numbers_as_typed() -> None:
    assert read_series(f"{TIME}\n2026-11-23 12:46:00, 12, 1.5").value == [
        TIME,
        "2026-11-23 12:46:00",
        12,
        1.5,
    ]
    assert read_series(f'["{TIME}", 12]').value == [TIME, 12]
    assert read_series("12, abc").reason.startswith("entry 2: 'abc' is not a time.")


def test_absurd_lists_are_refused_and_end_soon() -> None:
    assert read_series("1," * 600_000).reason == "has 1,200,000 characters."
    assert read_series("[" * 50_000 + "]").value is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("true", True),
        ('{"a": [1, null]}', {"a": [1, None]}),
        ("run 17", "run 17"),
        ('"1"', "1"),
        ("NaN", "NaN"),
        ("", ""),
        ("[" * 5_000, "[" * 5_000),
    ],
)
def test_an_extra_value_is_json_if_it_is_json_else_text(text: str, value: object) -> None:
    assert read_extra(text) == value


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=5,
    )
)
def test_every_extra_value_survives_being_shown(value: object) -> None:
    read = read_extra(extra_text(value))
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("p_val", 0.05, 0.05),
        ("p_val", np.float64(0.05), 0.05),
        ("p_values", np.array([0.4, 0.5]), [0.4, 0.5]),
        ("p_values", (0.4, 1e-12), [0.4, 1e-12]),
        ("timing_series", ["2026-11-23 12:00", 5], ["2026-11-23 12:00", 5]),
        ("timing_series", ["20261123", 5], ["20261123", 5]),
        ("retract_latest", np.int64(2), 2),
        ("neutrino_time", dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC), "2026-11-23T12:00:00+00:00"),
    ],
)
def test_values_from_code_survive_being_shown(name: str, value: object, read: object) -> None:
    field = FIELDS[name]
    assert field.read(text_of(value, field.read)).value == read


@given(st.sampled_from(sorted(FIELDS)), st.text(max_size=40))
def test_no_text_makes_a_reader_fail(name: str, text: str) -> None:
    reading = FIELDS[name].read(text)
    assert (reading.value is None) == bool(reading.reason)
    assert bool(reading.reason) == bool(reading.remedy)
