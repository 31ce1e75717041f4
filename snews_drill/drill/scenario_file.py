"""Scenario files: TOML text to a scenario and back, with every problem at its line.

A file has `title`, `start`, optionally `description`, `is_test`, `keeps_sky` and `star`, and any number of
`[[observation]]`, `[[retraction]]` and `[[heartbeat]]`.
"""

from __future__ import annotations

import datetime
import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from snews_drill.drill.scenario import (
    EVENT_KINDS,
    HeartbeatEvent,
    ObservationEvent,
    RetractionEvent,
    Scenario,
    ScenarioEvent,
    Star,
)
from snews_drill.drill.schedule import Moment, find_misfits
from snews_drill.drill.toml_lines import Place, find_lines, line_of
from snews_drill.errors import FileProblem, ScenarioError
from snews_drill.messages.times import iso_micro, parse_utc_ns
from snews_drill.toml_text import read_toml
from snews_drill.wire.fields import is_number

#: The most events of one file.
MAX_EVENTS = 10_000

#: Years in which the Earth's orientation is known, as for `localize`.
_EARLIEST_NS, _LATEST_NS = parse_utc_ns("1900-01-01"), parse_utc_ns("2100-01-01")

_PLACE_IN_SYNTAX_ERROR = re.compile(r"\s*\(at line (\d+), column \d+\)")


class ScenarioFile(BaseModel):
    """What a scenario file holds.

    Attributes
    ----------
    title, description : str
        For people.
    start : str
        The zero of the neutrino times' offsets, ISO-8601 (UTC).
    is_test, keeps_sky : bool
        As in `Scenario`.
    star : Star or None
        What the times point to.
    observation, retraction, heartbeat : list
        The events.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, title="snews_drill scenario")

    title: str = Field(
        min_length=1, max_length=200, description="what it is called, a text of at most 200 characters"
    )
    description: str = Field(default="", max_length=5000, description="what it teaches, a text")
    start: str = Field(
        description='the zero of the neutrino times, ISO-8601 in UTC between 1900 and 2100, such as "2023-02-07T12:00:00"',
        json_schema_extra={"format": "date-time"},
    )
    is_test: bool = Field(
        default=False,
        description="true or false: whether its messages are tests, with times that are kept as they are",
    )
    keeps_sky: bool = Field(
        default=False,
        description="true or false: whether it is moved by whole sidereal days, so that it still points there",
    )
    star: Star | None = Field(
        default=None, description="what the times point to: a table of name, ra_deg and dec_deg"
    )
    observation: list[ObservationEvent] = Field(
        default_factory=list,
        max_length=MAX_EVENTS,
        description="what detectors saw, one table [[observation]] each",
    )
    retraction: list[RetractionEvent] = Field(
        default_factory=list,
        max_length=MAX_EVENTS,
        description="what they take back, one table [[retraction]] each",
    )
    heartbeat: list[HeartbeatEvent] = Field(
        default_factory=list, max_length=MAX_EVENTS, description="signs of life, one table [[heartbeat]] each"
    )

    @field_validator("start")
    @classmethod
    def _is_time(cls, text: str) -> str:
        try:
            start_ns = parse_utc_ns(text)
        except ValueError as error:
            raise ValueError(f"{text!r:.60} is no time.") from error
        if not _EARLIEST_NS <= start_ns < _LATEST_NS:
            raise ValueError(f"{text!r:.60} lies outside the years 1900 to 2100.")
        return text


def scenario_schema() -> dict[str, Any]:
    """Return the JSON schema of a scenario file, for editors and other programs."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **ScenarioFile.model_json_schema(),
    }


def parse_scenario(text: str, *, name: str, file: str) -> Scenario:
    """Return the scenario that a text describes.

    Parameters
    ----------
    text
        TOML.
    name
        What the scenario is called.
    file
        How errors call the text.

    Raises
    ------
    ScenarioError
        With every problem, each with its line, in `.problems`.
    """
    problems, scenario = _read(text, name, file)
    if scenario is None:
        raise _refusal(file, problems)
    return scenario


def find_problems(text: str, *, file: str) -> list[FileProblem]:
    """Return everything that is wrong with the text of a scenario file, in order of lines; `file` is what it is called."""
    return _read(text, "checked", file)[0]


def _refusal(file: str, problems: list[FileProblem]) -> ScenarioError:
    if len(problems) == 1:
        return ScenarioError(
            f"{problems[0].where}: {problems[0].reason}", next_step=problems[0].remedy, problems=problems
        )
    shown = "".join(f"\n  {problem}" for problem in problems[:20])
    more = f"\n  … and {len(problems) - 20} more" if len(problems) > 20 else ""
    return ScenarioError(
        f"{file} has {len(problems)} problems:{shown}{more}",
        next_step="Correct these lines; `snews-drill scenarios check FILE` reads it again.",
        problems=problems,
    )


def _read(text: str, name: str, file: str) -> tuple[list[FileProblem], Scenario | None]:
    try:
        content = read_toml(text)
    except (ValueError, RecursionError) as error:
        return [_syntax_problem(text, file, error)], None
    lines = find_lines(text)
    if isinstance(content.get("start"), datetime.date):  # TOML has times of its own
        content["start"] = content["start"].isoformat()
    read: ScenarioFile | None = None
    found: list[tuple[Place, str, str]] = []
    try:
        read = ScenarioFile.model_validate(content)
    except ValidationError as error:
        found += [_told(one) for one in error.errors(include_url=False)]
    told = {place for place, _, _ in found}
    found += [problem for problem in _schedule_problems(content, lines) if problem[0] not in told]
    if not any(content.get(kind) for kind in EVENT_KINDS):
        found.append(((), "there is no event.", "Write one [[observation]] or more."))
    if read is None or found:
        problems = [
            FileProblem(file, line_of(place, lines), _words(place), reason, remedy)
            for place, reason, remedy in found
        ]
        return sorted(problems, key=lambda problem: problem.line), None
    return [], Scenario(
        name=name,
        title=read.title,
        description=read.description,
        start_ns=parse_utc_ns(read.start),
        is_test=read.is_test,
        keeps_sky=read.keeps_sky,
        star=read.star,
        events=tuple(_in_order_of_file(read, lines)),
    )


def _syntax_problem(text: str, file: str, error: ValueError | RecursionError) -> FileProblem:
    if isinstance(error, RecursionError):
        return FileProblem(file, 1, "TOML", "it is nested too deeply.", "Write plain tables.")
    said = str(error)
    match = _PLACE_IN_SYNTAX_ERROR.search(said)
    line = int(match[1]) if match else max(text.rstrip("\n").count("\n"), 0) + 1
    reason = _PLACE_IN_SYNTAX_ERROR.sub("", said).replace(" (at end of document)", ", where the file ends")
    return FileProblem(
        file, line, "TOML", f"{reason:.200}.", "Correct that line; docs/scenarios.md shows a whole file."
    )


def _in_order_of_file(
    read: ScenarioFile, lines: Mapping[Place, int]
) -> Iterator[ObservationEvent | RetractionEvent | HeartbeatEvent]:
    tables: dict[str, list[Any]] = {
        "observation": read.observation,
        "retraction": read.retraction,
        "heartbeat": read.heartbeat,
    }
    places = [(kind, index) for kind, events in tables.items() for index in range(len(events))]
    for kind, index in sorted(places, key=lambda place: line_of(place, lines)):
        yield tables[kind][index]


def _schedule_problems(
    content: Mapping[str, Any], lines: Mapping[Place, int]
) -> list[tuple[Place, str, str]]:
    """Find what keeps the events from being scheduled, whatever else is wrong with them."""
    places: list[Place] = []
    moments: list[Moment] = []
    for kind in EVENT_KINDS:
        tables = content.get(kind)
        for index, table in enumerate(tables if isinstance(tables, list) else ()):
            if isinstance(table, dict):
                places.append((kind, index))
                moments.append(_moment(table))
    order = sorted(range(len(places)), key=lambda i: line_of(places[i], lines))
    places = [places[i] for i in order]
    found = []
    for misfit in find_misfits([moments[i] for i in order]):
        also = (
            "" if misfit.other is None else f" (line {line_of((*places[misfit.other], misfit.field), lines)})"
        )
        reason = f"{misfit.reason.rstrip('.')}{also}."
        found.append(((*places[misfit.index], misfit.field), reason, misfit.remedy))
    return found


def _moment(table: Mapping[str, Any]) -> Moment:
    name, after, delay = table.get("name"), table.get("after"), table.get("send_after_sec", 0.0)
    return Moment(
        name if isinstance(name, str) else None,
        after if isinstance(after, str) else None,
        float(delay) if is_number(delay) else 0.0,
    )


def _told(error: Mapping[str, Any]) -> tuple[Place, str, str]:
    """Return the place, the reason and the remedy of one error of pydantic's."""
    place: Place = tuple(error["loc"])
    fields = _fields_around(place)
    key = str(place[-1])
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key[:64], fields, n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]}? " if near else ""
        return place, f"there is no such key {key!r:.80}.", f"{hint}Here stand {', '.join(fields)}."
    described = fields[key].description if key in fields else None
    remedy = f"Give {described or 'what docs/scenarios.md says'}."
    if error["type"] == "missing":
        return place, "it is missing.", remedy
    given = error["input"]
    if error["type"] == "value_error":
        return place, str(error["ctx"]["error"]), remedy
    if isinstance(given, list | dict):
        return place, f"{error['msg']}.", remedy
    return place, f"{_shown(given)} is not right: {error['msg']}.", remedy


def _shown(given: object) -> str:
    try:
        return f"{given!r:.60}"
    except ValueError:  # Python does not write down numbers of more than some thousand digits
        return "A number of thousands of digits"


def _fields_around(place: Place) -> dict[str, Any]:
    """Return the fields of the table that a place lies in."""
    if place[0] in EVENT_KINDS and len(place) > 2:
        return dict(EVENT_KINDS[str(place[0])].model_fields)
    if place[0] == "star" and len(place) > 1:
        return dict(Star.model_fields)
    return dict(ScenarioFile.model_fields)


def _words(place: Place) -> str:
    """Return a place as somebody who reads the file would name it: observation 3, p_val."""
    return (
        ", ".join(
            f"{place[0]} {part + 1}" if isinstance(part, int) else str(part)
            for number, part in enumerate(place)
            if not (number == 0 and len(place) > 1 and isinstance(place[1], int))
        )
        or "the file"
    )


def scenario_toml(scenario: Scenario) -> str:
    """Return the text of a scenario file that says what the scenario says; its name is the file's.

    Parameters
    ----------
    scenario
        Any scenario.
    """
    import tomli_w

    head: dict[str, Any] = {"title": scenario.title, "description": scenario.description}
    head["start"] = iso_micro(scenario.start_ns)
    head |= {key: True for key in ("is_test", "keeps_sky") if getattr(scenario, key)}
    parts = [tomli_w.dumps(head)]
    if scenario.star is not None:
        star = ", ".join(
            tomli_w.dumps({key: value}).strip() for key, value in scenario.star.model_dump().items()
        )
        parts[0] += f"star = {{ {star} }}\n"
    parts += [f"[[{event.kind}]]\n{tomli_w.dumps(_said(event))}" for event in scenario.events]
    return "\n".join(parts)


def _said(event: ScenarioEvent) -> dict[str, Any]:
    """Return what an event's table says: what is needed, and what is not the default."""
    fields = type(event).model_fields
    return {
        key: value
        for key, value in event.model_dump().items()
        if value is not None and (fields[key].is_required() or value != fields[key].default)
    }
