"""Scenario files: each problem at its line, all of them at once, and what is written is read back."""

from __future__ import annotations

import json
import tomllib

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snews_drill.detectors import roster
from snews_drill.drill.scenario import (
    HeartbeatEvent,
    ObservationEvent,
    RetractionEvent,
    Scenario,
    ScenarioEvent,
    Star,
)
from snews_drill.drill.scenario_file import find_problems, parse_scenario, scenario_schema, scenario_toml
from snews_drill.drill.scenarios import list_scenarios
from snews_drill.errors import FileProblem, ScenarioError

WHOLE = """# line 1
title = "Whole"
description = "Every key once."
start = "2026-01-01T00:00:00"
is_test = true
keeps_sky = false
star = { name = "Alf Ori", ra_deg = 88.8, dec_deg = 7.4 }

[[heartbeat]]
detector = "sk"
status = "OFF"

[[observation]]
name = "first"
detector = "JUNO"
offset_ms = 1.5
p_val = 0.05
send_after_sec = 1

[[retraction]]
detector = "JUNO"
retract_latest = 2
reason = "noise"
after = "first"
send_after_sec = 2.5
"""


def problems_of(text: str) -> list[FileProblem]:
    return find_problems(text, file="mine.toml")


def with_line(number: int, line: str) -> str:
    """Return the whole file with one line changed."""
    lines = WHOLE.split("\n")
    lines[number - 1] = line
    return "\n".join(lines)


def test_a_whole_file_is_read() -> None:
    scenario = parse_scenario(WHOLE, name="whole", file="mine.toml")
    assert scenario.detectors == ("Super-K", "JUNO")
    assert [(entry.due_sec, entry.event.kind) for entry in scenario.schedule] == [
        (0, "heartbeat"),
        (1, "observation"),
        (3.5, "retraction"),
    ]
    retraction = scenario.events[2]
    assert isinstance(retraction, RetractionEvent)
    assert (retraction.retract_latest, retraction.reason, retraction.after) == (2, "noise", "first")
    assert scenario.duration_sec == 3.5
    assert scenario.star is not None


@pytest.mark.parametrize(
    ("number", "line", "field", "says"),
    [
        (2, "title = 5", "title", "Give what it is called"),
        (2, 'title = ""', "title", "Give what it is called"),
        (2, 'titel = "x"', "titel", "Did you mean title?"),
        (4, 'start = "soon"', "start", "'soon' is no time"),
        (4, 'start = "1850-01-01"', "start", "outside the years 1900 to 2100"),
        (4, "start = 12:30:00", "start", "Give the zero"),
        (4, "start = 2026-13-01", "TOML", "docs/scenarios.md"),
        (5, 'is_test = "yes"', "is_test", "true or false"),
        (7, 'star = { name = "x", ra_deg = 400, dec_deg = 7.4 }', "star, ra_deg", "from 0 to below 360"),
        (7, 'star = { name = "x", ra = 4, dec_deg = 7.4 }', "star, ra", "Did you mean ra_deg?"),
        (9, "[[heartbeats]]", "heartbeats", "Did you mean heartbeat?"),
        (10, 'detector = "Super-X"', "heartbeat 1, detector", "Did you mean Super-K"),
        (10, "detector = 1", "heartbeat 1, detector", "a detector of the roster"),
        (11, 'status = "on"', "heartbeat 1, status", '"ON" or "OFF"'),
        (14, "name = 7", "observation 1, name", "a name of at most 64"),
        (16, "offset_ms = true", "observation 1, offset_ms", "in milliseconds"),
        (16, "offset_ms = 1e12", "observation 1, offset_ms", "within a day"),
        (16, "offset_ms = inf", "observation 1, offset_ms", "within a day"),
        (16, "offset = 3", "observation 1, offset", "Did you mean offset_ms?"),
        (17, "p_val = 0", "observation 1, p_val", "between 0 and 1"),
        (18, "send_after_sec = -1", "observation 1, send_after_sec", "at most 86400"),
        (18, "send_after_sec = 86401", "observation 1, send_after_sec", "at most 86400"),
        (18, 'after = "first"', "observation 1, after", "first → first"),
        (22, "retract_latest = 0", "retraction 1, retract_latest", "a whole number from 1"),
        (22, "retract_latest = 1.5", "retraction 1, retract_latest", "a whole number from 1"),
        (22, "status = 'ON'", "retraction 1, status", "Here stand detector"),
        (24, 'after = "frist"', "retraction 1, after", "Name one of first"),
        (24, "after = first", "TOML", "Invalid value"),
        (25, "send_after_sec = 86400", "retraction 1, send_after_sec", "86,401 s after the start"),
        (25, 'name = "first"', "retraction 1, name", "(line 14)"),
        (25, "send_after_sec = 1\nsend_after_sec = 2", "TOML", "Cannot overwrite a value"),
        (25, "[broken", "TOML", "docs/scenarios.md"),
    ],
)
def test_a_problem_names_file_line_field_reason_and_remedy(
    number: int, line: str, field: str, says: str
) -> None:
    found = [p for p in problems_of(with_line(number, line)) if p.field == field]
    assert len(found) == 1, problems_of(with_line(number, line))
    expected = number + line.count("\n")
    assert (found[0].file, found[0].line) == ("mine.toml", expected)
    assert says in str(found[0])
    assert found[0].reason.endswith((".", "?"))
    assert found[0].remedy


def test_all_problems_are_told_in_order_of_lines() -> None:
    text = with_line(10, 'detector = "Nobody"').replace('"first"\nsend', '"frist"\nsend')
    text = text.replace("0.05", "5").replace("is_test = true", "is_test = 1")
    found = problems_of(text)
    assert [problem.line for problem in found] == [5, 10, 17, 24]
    with pytest.raises(ScenarioError, match=r"mine\.toml has 4 problems") as caught:
        parse_scenario(text, name="x", file="mine.toml")
    assert caught.value.problems == tuple(found)
    assert all(str(problem) in caught.value.reason for problem in found)


def test_a_key_that_is_missing_is_told_at_its_table() -> None:
    found = problems_of(WHOLE.replace("offset_ms = 1.5\n", ""))
    assert [(problem.line, problem.field) for problem in found] == [(13, "observation 1, offset_ms")]
    assert found[0].reason == "it is missing."


def test_a_circle_through_all_kinds_is_told_with_its_chain() -> None:
    text = (
        'title = "x"\nstart = "2026-01-01"\n'
        '[[observation]]\nname = "a"\nafter = "c"\ndetector = "JUNO"\noffset_ms = 0\n'
        '[[retraction]]\nname = "b"\nafter = "a"\ndetector = "JUNO"\n'
        '[[heartbeat]]\nname = "c"\nafter = "b"\ndetector = "JUNO"\n'
    )
    found = problems_of(text)
    assert [(problem.line, problem.field) for problem in found] == [(5, "observation 1, after")]
    assert "a → c → b → a" in found[0].reason


def test_events_keep_the_order_of_the_file_across_kinds() -> None:
    text = 'title = "x"\nstart = "2026-01-01"\n' + "".join(
        f'[[{kind}]]\ndetector = "JUNO"\n' + ("offset_ms = 0\n" if kind == "observation" else "")
        for kind in ("retraction", "observation", "heartbeat", "observation", "retraction")
    )
    kinds = [event.kind for event in parse_scenario(text, name="x", file="x").events]
    assert kinds == ["retraction", "observation", "heartbeat", "observation", "retraction"]


@pytest.mark.parametrize(
    "text", ["", "\x00", "a" * 5000, "[" * 5000, "x = " + "[" * 3000, "x = 1" + "0" * 9000]
)
def test_what_is_no_scenario_at_all_has_problems_and_no_crash(text: str) -> None:
    assert problems_of(text)


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    assert problems_of(text)


@given(st.integers(0, len(WHOLE) - 1), st.text(max_size=4))
def test_no_slip_of_the_pen_breaks_the_reader(at: int, written: str) -> None:
    """One place of a good file is overwritten: every problem lies on a line that is there."""
    text = WHOLE[:at] + written + WHOLE[at + 1 :]
    for problem in problems_of(text):
        assert 1 <= problem.line <= text.count("\n") + 1
        assert problem.reason
        assert problem.remedy


names = st.none() | st.text(min_size=1, max_size=10)
common = {
    "detector": st.sampled_from([detector.name for detector in roster()]),
    "send_after_sec": st.sampled_from([0.0, 0.25, 3.0]),
}
events: st.SearchStrategy[ScenarioEvent] = st.one_of(
    st.builds(
        ObservationEvent,
        **common,
        offset_ms=st.floats(-1e6, 1e6),
        p_val=st.none() | st.floats(0.001, 0.999),
    ),
    st.builds(
        RetractionEvent, **common, retract_latest=st.integers(1, 9), reason=st.none() | st.text(max_size=20)
    ),
    st.builds(HeartbeatEvent, **common, status=st.sampled_from(["ON", "OFF"])),
)


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    made = draw(st.lists(events, min_size=1, max_size=8))
    named = []
    for number, event in enumerate(made):
        after = draw(st.none() | st.integers(0, number - 1)) if number else None
        named.append(
            event.model_copy(update={"name": f"e{number}", "after": None if after is None else f"e{after}"})
        )
    return Scenario(
        name="made",
        title=draw(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)),
        description=draw(st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=20)),
        start_ns=draw(st.integers(0, 4 * 10**18)),
        is_test=draw(st.booleans()),
        keeps_sky=draw(st.booleans()),
        star=draw(st.none() | st.just(Star(name='A "star"\n', ra_deg=1.25, dec_deg=-2.5))),
        events=tuple(named),
    )


@given(scenarios())
def test_what_is_written_is_read_back(scenario: Scenario) -> None:
    text = scenario_toml(scenario)
    assert parse_scenario(text, name="made", file="made.toml") == scenario


@pytest.mark.parametrize("scenario", list_scenarios(), ids=lambda scenario: scenario.name)
def test_the_schema_accepts_every_file_that_we_accept(scenario: Scenario) -> None:
    jsonschema.Draft202012Validator(scenario_schema()).validate(tomllib.loads(scenario_toml(scenario)))


def test_the_schema_refuses_what_we_refuse_and_explains_every_key() -> None:
    schema = scenario_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(tomllib.loads(WHOLE))
    for line, text in [(11, 'status = "on"'), (16, "offset = 1"), (17, "p_val = 1"), (2, "titel = 1")]:
        assert not validator.is_valid(tomllib.loads(with_line(line, text)))
    tables = [schema, *schema["$defs"].values()]
    assert len(tables) == 5
    for table in tables:
        assert table["additionalProperties"] is False
        assert all(key.get("description") for key in table["properties"].values())
    assert json.dumps(schema)
