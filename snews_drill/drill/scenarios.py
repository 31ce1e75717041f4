"""Scenarios: named lists of observations with relative times, as plain TOML files, and playing them.

A file has `title`, `description`, `start` (ISO text, UTC), optionally `is_test`, `keeps_sky` and `star`, and one
`[[observation]]` after another: `detector`, `offset_ms` from the start, `p_val`. They are sent in the order of the file.
"""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from snews_drill.connection import Connection
from snews_drill.detectors import find_detector
from snews_drill.errors import ScenarioError, UnknownDetector
from snews_drill.messages.checks import check_times
from snews_drill.messages.tiers import Tier
from snews_drill.messages.times import NS_PER_SECOND, iso_micro, parse_utc_ns
from snews_drill.transport import Receipt, raise_undelivered

#: The Earth stands the same way to the stars after this long, ns. Source: mean sidereal day, 86,164.0905 s.
SIDEREAL_DAY_NS = 86_164_090_500_000

MAX_FILE_BYTES = 1 << 20

_FILE_KEYS = frozenset({"title", "description", "is_test", "keeps_sky", "star", "observation"})


class Star(BaseModel):
    """A place in the sky (ICRS).

    Attributes
    ----------
    name : str
        What it is called.
    ra_deg, dec_deg : float
        Right ascension and declination in degrees.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    ra_deg: float = Field(ge=0, lt=360)
    dec_deg: float = Field(ge=-90, le=90)


class ScenarioEvent(BaseModel):
    """One observation of a scenario.

    Attributes
    ----------
    detector : str
        Registered name.
    offset_ms : float
        Neutrino time after the scenario's start, ms.
    p_val : float or None
        What the detector gives as p-value, strictly between 0 and 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    detector: str
    offset_ms: float = Field(ge=-86_400_000, le=86_400_000, allow_inf_nan=False)
    p_val: float | None = Field(default=None, gt=0, lt=1)

    @field_validator("detector")
    @classmethod
    def _registered(cls, name: str) -> str:
        try:
            return find_detector(name).name
        except UnknownDetector as error:
            raise ValueError(error.reason) from error


class Scenario(BaseModel):
    """A scenario.

    Attributes
    ----------
    name : str
        What the user types.
    title, description : str
        For people.
    start_ns : int
        The zero of the offsets, ns since 1970 (UTC).
    is_test : bool
        Whether its messages are marked as tests; their times are then kept as they are.
    keeps_sky : bool
        Whether moving it in time must keep where it points: it is then moved by whole sidereal days.
    star : Star or None
        What it points to.
    events : tuple of ScenarioEvent
        In the order in which they are sent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    description: str = ""
    start_ns: int
    is_test: bool = False
    keeps_sky: bool = False
    star: Star | None = None
    events: tuple[ScenarioEvent, ...] = Field(min_length=1, max_length=10_000)

    @property
    def detectors(self) -> tuple[str, ...]:
        """The detectors that take part, each once, in order of their first message."""
        return tuple(dict.fromkeys(event.detector for event in self.events))

    def zero_ns(self, now_ns: int) -> int:
        """Return where the start lies when the scenario is played now, ns since 1970 (UTC).

        A test keeps its times. Others are moved so that everything lies in the past, by at most a day where the sky matters
        and else to a minute ago at the most.
        """
        if self.is_test:
            return self.start_ns
        last_ns = max(round(event.offset_ms * 1e6) for event in self.events)
        latest = now_ns - NS_PER_SECOND - max(last_ns, 0)
        if not self.keeps_sky:
            return latest // NS_PER_SECOND * NS_PER_SECOND
        return self.start_ns + (latest - self.start_ns) // SIDEREAL_DAY_NS * SIDEREAL_DAY_NS


@dataclass(frozen=True, slots=True)
class PlayedEvent:
    """One message that was sent.

    Attributes
    ----------
    detector : str
        Who.
    neutrino_time_ns, sent_ns : int
        ns since 1970 (UTC).
    receipt : Receipt
        The broker's acknowledgement.
    """

    detector: str
    neutrino_time_ns: int
    sent_ns: int
    receipt: Receipt


def list_scenarios() -> tuple[Scenario, ...]:
    """Return the scenarios that come with the package, by name, the tutorial's first."""
    folder = resources.files("snews_drill").joinpath("data/scenarios")
    names = sorted(
        entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")
    )
    names.sort(key=lambda name: name != "betelgeuse")
    return tuple(load_scenario(name) for name in names)


def load_scenario(name_or_path: str | Path) -> Scenario:
    """Return a scenario by name, or from a file.

    Raises
    ------
    ScenarioError
        If there is none of that name, or the file is not a scenario; it names the field and what would be right.
    """
    text = str(name_or_path)
    packaged = resources.files("snews_drill").joinpath("data/scenarios", f"{Path(text).name}.toml")
    if text == Path(text).name and packaged.is_file():
        return _parse(text, packaged.read_text(encoding="utf-8"))
    path = Path(text)
    if path.suffix != ".toml":
        known = ", ".join(s.removesuffix(".toml") for s in _packaged_names())
        raise ScenarioError(
            f"There is no scenario {text!r:.100}.", next_step=f"Use one of {known}, or a .toml file."
        )
    try:
        if path.exists() and not path.is_file():
            raise ScenarioError(f"{path} is no file.", next_step="Give a .toml file.")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ScenarioError(f"{path} is larger than {MAX_FILE_BYTES:,} bytes.", next_step="Split it.")
        return _parse(path.stem, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(
            f"{path} cannot be read: {error}.", next_step="Check the name and the folder."
        ) from error


def _packaged_names() -> list[str]:
    folder = resources.files("snews_drill").joinpath("data/scenarios")
    return sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".toml"))


def _parse(name: str, text: str) -> Scenario:
    try:
        content: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(
            f"The scenario {name} is not TOML: {error}.", next_step="Correct that place."
        ) from error
    try:
        start = content.pop("start", None)
        start_ns = parse_utc_ns(start if isinstance(start, str) else start.isoformat())
    except (ValueError, AttributeError, TypeError) as error:
        raise ScenarioError(
            f"The scenario {name} has no valid start.", next_step='Write start = "2023-02-07T12:00:00".'
        ) from error
    unknown = content.keys() - _FILE_KEYS
    if unknown:
        raise ScenarioError(
            f"The scenario {name} has no use for {sorted(unknown)[0]!r:.80}.",
            next_step=f"A scenario has start, observation and {', '.join(sorted(_FILE_KEYS - {'observation'}))}.",
        )
    try:
        return Scenario(name=name, start_ns=start_ns, events=content.pop("observation", ()), **content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = _place(first["loc"])
        raise ScenarioError(
            f"The scenario {name} cannot be used: {where}: {first['msg']}.", next_step=f"Correct {where}."
        ) from error


def _place(location: tuple[int | str, ...]) -> str:
    """Return a place as somebody who reads the file would name it: observation 3, p_val."""
    parts = list(location)
    if parts[:1] == ["events"]:
        parts[:2] = [f"observation {int(parts[1]) + 1}" if len(parts) > 1 else "observation"]
    return ", ".join(str(part) for part in parts)


def play(
    scenario: Scenario,
    connection: Connection,
    *,
    detectors: Iterable[str] | None = None,
    when: int | Literal["now"] = "now",
    on_sent: Callable[[PlayedEvent], None] | None = None,
    timeout: float = 10.0,
) -> list[PlayedEvent]:
    """Send a scenario's observations, one after another, each acknowledged.

    Parameters
    ----------
    scenario
        What to play.
    connection
        Where.
    detectors
        Play these only; all by default.
    when
        Where the start lies, ns since 1970 (UTC); "now" moves it as `Scenario.zero_ns` says.
    on_sent
        Called after each acknowledgement.
    timeout
        Seconds to wait for each acknowledgement.

    Raises
    ------
    ScenarioError
        If a message would fail its checks or a detector has no part, before anything is sent.
    DeliveryFailed
        If the broker does not acknowledge; what was sent before stays sent.
    """
    chosen = None if detectors is None else {find_detector(name).name for name in detectors}
    strangers = sorted((chosen or set()) - set(scenario.detectors))
    if strangers:
        raise ScenarioError(
            f"{strangers[0]} has no part in the scenario {scenario.name}.",
            next_step=f"Choose among {', '.join(scenario.detectors)}.",
        )
    now_ns = time.time_ns()
    zero_ns = scenario.zero_ns(now_ns) if when == "now" else when
    events = [event for event in scenario.events if chosen is None or event.detector in chosen]
    # Each message is made a microsecond after the one before, so that no two have the same id.
    contents = [_content(scenario, e, zero_ns, connection, now_ns + i * 1000) for i, e in enumerate(events)]
    topic = connection.topics().observations
    played = []
    for event, content in zip(events, contents, strict=True):
        sent_ns = time.time_ns()
        connection.dialect.restamp(content, sent_ns)
        payload = connection.dialect.encode_message(content)
        receipts = raise_undelivered(connection.send(topic, [payload], timeout=timeout), [content])
        done = PlayedEvent(event.detector, zero_ns + round(event.offset_ms * 1e6), sent_ns, receipts[0])
        played.append(done)
        if on_sent is not None:
            on_sent(done)
    return played


def _content(
    scenario: Scenario, event: ScenarioEvent, zero_ns: int, connection: Connection, now_ns: int
) -> dict[str, Any]:
    dialect = connection.dialect
    neutrino_time_ns = zero_ns + round(event.offset_ms * 1e6)
    meta = {"is_test": scenario.is_test, "scenario": scenario.name}
    arguments = {
        "neutrino_time": iso_micro(neutrino_time_ns),
        "p_val": event.p_val,
        "is_test": scenario.is_test,
        "is_firedrill": True,
    }
    content = dialect.build(
        Tier.COINCIDENCE, arguments, meta, detector=find_detector(event.detector), now_ns=now_ns
    )
    message, problems = dialect.parse(content)
    if message is not None:
        problems = check_times(message, now_ns=now_ns)
    if problems:
        raise ScenarioError(
            f"{scenario.name}: the message of {event.detector} fails its checks: {problems[0]}",
            next_step="Choose a time within the last 48 hours, or set is_test = true in the scenario.",
        )
    return content
