"""Reading fields: everything that is wrong is collected, nothing is raised."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snews_drill.wire.fields import MAX_SERIES, MAX_TEXT, FieldReader, is_truthy

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=8,
)


def read(method: str, value: Any, **options: Any) -> tuple[Any, list[str]]:
    reader = FieldReader({"field": value}, "SigTier")
    found = getattr(reader, method)("field", **options)
    assert all((p.tier, p.field) == ("SigTier", "field") and p.remedy and p.is_fatal for p in reader.problems)
    return found, [problem.reason for problem in reader.problems]


@pytest.mark.parametrize("value", [5e-324, 1e-300, 0.05, 1 - 2**-53])
def test_open_probability_takes_floats_inside(value: float) -> None:
    """The smallest and the largest double between 0 and 1 pass."""
    assert read("open_probability", value) == (value, [])


@pytest.mark.parametrize(
    "value",
    [0.0, -0.0, 1.0, 0, 1, True, False, -1e-300, 1.0000000000000002, math.nan, math.inf, "0.5", [0.5], {}],
)
def test_open_probability_refuses_the_rest(value: Any) -> None:
    """Both ends, integers, booleans, texts and not-a-number are refused by name."""
    found, reasons = read("open_probability", value)
    assert found is None
    assert reasons == [f"{value!r} is not a float strictly between 0 and 1."]


def test_open_probability_may_be_absent() -> None:
    """No p-value is no fault."""
    assert read("open_probability", None) == (None, [])


@pytest.mark.parametrize(
    ("value", "options", "found", "word"),
    [
        ("x", {}, "x", None),
        ("", {}, "", "empty"),
        ("", {"is_required": False}, "", None),
        (None, {}, "", "missing"),
        (None, {"is_required": False}, "", None),
        ("x" * MAX_TEXT, {}, "x" * MAX_TEXT, None),
        ("x" * (MAX_TEXT + 1), {}, "", "characters"),
        (5, {}, "", "of type int"),
        (["x"], {"is_required": False}, "", "of type list"),
    ],
)
def test_text(value: Any, options: dict[str, Any], found: str, word: str | None) -> None:
    """Texts up to the limit, and nothing else."""
    value_read, reasons = read("text", value, **options)
    assert value_read == found
    assert [word in reason for reason in reasons] == ([] if word is None else [True])


@pytest.mark.parametrize(
    ("value", "options", "found", "word"),
    [
        (1, {}, 1.0, None),
        (0.5, {}, 0.5, None),
        (0, {"at_least": 0}, 0.0, None),
        (-1e-300, {"at_least": 0}, None, "below 0"),
        (None, {}, None, None),
        (None, {"is_required": True}, None, "not a number"),
        (True, {}, None, "not a number"),
        (math.nan, {}, None, "not a number"),
        (math.inf, {}, None, "not a number"),
        (10**400, {}, None, "not a number"),
        ("1", {}, None, "not a number"),
    ],
)
def test_number(value: Any, options: dict[str, Any], found: float | None, word: str | None) -> None:
    """Finite numbers only; an integer that no double holds is none."""
    value_read, reasons = read("number", value, **options)
    assert value_read == found
    assert [word in reason for reason in reasons] == ([] if word is None else [True])


@pytest.mark.parametrize(
    ("value", "found", "word"),
    [
        (0, 0, None),
        (3, 3, None),
        (2**63 - 1, 2**63 - 1, None),
        (2**63, None, "whole number"),
        (-1, None, "at least 0"),
        (True, None, "whole number"),
        (1.0, None, "whole number"),
        ("1", None, "whole number"),
        (None, None, None),
    ],
)
def test_integer(value: Any, found: int | None, word: str | None) -> None:
    """Whole numbers that a database can keep; a boolean is none."""
    value_read, reasons = read("integer", value, at_least=0)
    assert value_read == found
    assert [word in reason for reason in reasons] == ([] if word is None else [True])


def test_lists_are_bounded_and_name_what_is_wrong() -> None:
    """Length and contents of series are checked; the first wrong entry is shown."""
    assert read("numbers", [1, 0.5]) == ((1.0, 0.5), [])
    assert read("numbers", [])[1] == []
    assert "'x'" in read("numbers", [1, "x", None])[1][0]
    assert "nan" in read("numbers", [math.nan])[1][0]
    assert "of type tuple" in read("numbers", (1, 2))[1][0]
    assert read("numbers", [0.0] * MAX_SERIES)[1] == []
    assert "more than" in read("numbers", [0.0] * (MAX_SERIES + 1))[1][0]
    assert read("series", ["x", 1, 0.5]) == (("x", 1, 0.5), [])
    assert "None" in read("series", ["x", None])[1][0]
    assert "neither" in read("series", ["x" * (MAX_TEXT + 1)])[1][0]


@pytest.mark.parametrize("value", ["2023-06-14", "2023-06-14T12:00:00Z"])
def test_times(value: str) -> None:
    """Times in ISO format are read; others are shown with an example of a right one."""
    assert read("time_ns", value, is_required=True)[1] == []
    reader = FieldReader({"field": "yesterday"}, "")
    assert reader.time_ns("field", is_required=True) is None
    assert "'yesterday'" in reader.problems[0].reason
    assert "2023-06-14T12:45:45" in reader.problems[0].remedy
    assert "missing" in read("time_ns", None, is_required=True)[1][0]
    assert read("time_ns", None, is_required=False) == (None, [])
    assert "of type int" in read("time_ns", 123, is_required=False)[1][0]


def test_detector_names_are_registered_ones() -> None:
    """A spelling is not a name on the wire."""
    for name, count in (("XENONnT", 0), ("xenonnt", 1), ("SK", 1), ("", 1), (None, 1), (5, 1)):
        reader = FieldReader({"detector_name": name}, "")
        reader.detector_name()
        assert len(reader.problems) == count, name


def test_mappings_have_texts_as_keys_and_come_as_copies() -> None:
    """The object that was read stays as it was."""
    inner = {"a": 1}
    reader = FieldReader({"meta": inner}, "")
    reader.mapping("meta")["a"] = 2
    assert inner == {"a": 1}
    assert read("mapping", {1: 2})[1]
    assert read("mapping", [])[1]
    assert read("mapping", None) == ({}, [])


@given(anything)
def test_nothing_raises(value: Any) -> None:
    """Whatever a field holds, each reader gives a value of its type or a problem of bounded length."""
    reader = FieldReader({"field": value, "detector_name": value}, "Heartbeat")
    reader.text("field")
    reader.detector_name()
    reader.time_ns("field", is_required=True)
    reader.number("field", at_least=0, is_required=True)
    reader.open_probability("field")
    reader.numbers("field")
    reader.series("field")
    reader.integer("field", at_least=0)
    reader.mapping("field")
    assert all(len(str(problem)) < 400 for problem in reader.problems)


@pytest.mark.parametrize("value", [True, "True", "true", " TRUE ", "1", "yes", "on", 1, 1.0, np.bool_(True)])
def test_set_flags(value: object) -> None:
    """Files of the older tools write the text "True"."""
    assert is_truthy(value)


@pytest.mark.parametrize(
    "value", [False, "False", "", "0", "no", "nonsense", 0, None, 2, [], [True], {}, math.nan]
)
def test_unset_flags(value: object) -> None:
    """Whatever is not clearly set is not set."""
    assert not is_truthy(value)
