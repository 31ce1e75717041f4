"""A scenario as a value: what detectors say, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from snews_drill.detectors import find_detector
from snews_drill.drill.schedule import LONGEST_SEC, Moment, find_misfits, scheduled
from snews_drill.errors import UnknownDetector
from snews_drill.messages.times import NS_PER_SECOND

#: The Earth stands the same way to the stars after this long, ns. Source: mean sidereal day, 86,164.0905 s.
SIDEREAL_DAY_NS = 86_164_090_500_000

#: The farthest a neutrino time may lie from the start, ms: a day.
_FARTHEST_MS = 86_400_000

_VALUE = ConfigDict(frozen=True, extra="forbid", strict=True)
_Name = Annotated[str, Field(min_length=1, max_length=64)]


class Star(BaseModel):
    """A place in the sky (ICRS).

    Attributes
    ----------
    name : str
        What it is called.
    ra_deg, dec_deg : float
        Right ascension and declination in degrees.
    """

    model_config = _VALUE

    name: str = Field(max_length=200, description="what the star is called, a text")
    ra_deg: float = Field(ge=0, lt=360, description="the right ascension in degrees, from 0 to below 360")
    dec_deg: float = Field(ge=-90, le=90, description="the declination in degrees, from -90 to 90")


class ScenarioEvent(BaseModel):
    """What one detector says once; the base of the three kinds.

    Attributes
    ----------
    kind : str
        "observation", "retraction" or "heartbeat": the table's name in a file.
    detector : str
        Registered name.
    name, after : str or None
        What other events call it, and the event that it follows.
    send_after_sec : float
        When it is sent: seconds after the event that it follows, else after the start of the play.
    """

    model_config = _VALUE
    kind: ClassVar[str]

    detector: str = Field(description="a detector of the roster, such as XENONnT")
    name: _Name | None = Field(
        default=None, description="a name of at most 64 characters, for events that follow this one"
    )
    after: _Name | None = Field(default=None, description="the name of the event that this one follows")
    send_after_sec: float = Field(
        default=0.0,
        ge=0,
        le=LONGEST_SEC,
        allow_inf_nan=False,
        description="when it is sent: seconds after the start of the play or after the event it follows, at most 86400",
    )

    @field_validator("detector")
    @classmethod
    def _registered(cls, name: str) -> str:
        try:
            return find_detector(name).name
        except UnknownDetector as error:
            raise ValueError(error.reason) from error

    @property
    def moment(self) -> Moment:
        """When it wants to be sent."""
        return Moment(self.name, self.after, self.send_after_sec)


class ObservationEvent(ScenarioEvent):
    """A detector saw something.

    Attributes
    ----------
    offset_ms : float
        Neutrino time after the scenario's start, ms.
    p_val : float or None
        What the detector gives as p-value, strictly between 0 and 1.
    """

    kind: ClassVar[str] = "observation"

    offset_ms: float = Field(
        ge=-_FARTHEST_MS,
        le=_FARTHEST_MS,
        allow_inf_nan=False,
        description="the neutrino time in milliseconds after the scenario's start, within a day (86400000) of it",
    )
    p_val: float | None = Field(
        default=None, gt=0, lt=1, description="the p-value, a number between 0 and 1, both excluded"
    )


class RetractionEvent(ScenarioEvent):
    """A detector takes its latest observations back.

    Attributes
    ----------
    retract_latest : int
        How many.
    reason : str or None
        Why.
    """

    kind: ClassVar[str] = "retraction"

    retract_latest: int = Field(
        default=1,
        ge=1,
        le=1000,
        description="how many of its latest observations, a whole number from 1 to 1000",
    )
    reason: str | None = Field(
        default=None, max_length=500, description="why, a text of at most 500 characters"
    )


class HeartbeatEvent(ScenarioEvent):
    """A detector says whether it takes data.

    Attributes
    ----------
    status : {"ON", "OFF"}
        Which.
    """

    kind: ClassVar[str] = "heartbeat"

    status: Literal["ON", "OFF"] = Field(default="ON", description='"ON" or "OFF"')


#: The kinds, by the name of their table in a file.
EVENT_KINDS: dict[str, type[ScenarioEvent]] = {
    kind.kind: kind for kind in (ObservationEvent, RetractionEvent, HeartbeatEvent)
}


@dataclass(frozen=True, slots=True)
class ScheduledEvent:
    """An event, and when it is sent.

    Attributes
    ----------
    due_sec : float
        Seconds after the start of the play.
    event : ScenarioEvent
        What is said.
    """

    due_sec: float
    event: ScenarioEvent


class Scenario(BaseModel):
    """A scenario.

    Attributes
    ----------
    name : str
        What the user types.
    title, description : str
        For people.
    start_ns : int
        The zero of the neutrino times' offsets, ns since 1970 (UTC).
    is_test : bool
        Whether its messages are marked as tests; their times are then kept as they are.
    keeps_sky : bool
        Whether moving it in time must keep where it points: it is then moved by whole sidereal days.
    star : Star or None
        What it points to.
    events : tuple of ObservationEvent, RetractionEvent or HeartbeatEvent
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
    events: tuple[ObservationEvent | RetractionEvent | HeartbeatEvent, ...] = Field(
        min_length=1, max_length=10_000
    )

    @field_validator("events")
    @classmethod
    def _in_order_of_sending(
        cls, events: tuple[ObservationEvent | RetractionEvent | HeartbeatEvent, ...]
    ) -> tuple[ObservationEvent | RetractionEvent | HeartbeatEvent, ...]:
        moments = [event.moment for event in events]
        for misfit in find_misfits(moments):
            raise ValueError(f"event {misfit.index + 1}, {misfit.field}: {misfit.reason} {misfit.remedy}")
        return tuple(events[index] for _, index in scheduled(moments))

    @cached_property
    def schedule(self) -> tuple[ScheduledEvent, ...]:
        """The events and when each is sent, in that order."""
        return tuple(
            ScheduledEvent(due_sec, self.events[index])
            for due_sec, index in scheduled([event.moment for event in self.events])
        )

    @property
    def observations(self) -> tuple[ObservationEvent, ...]:
        """The observations alone, in order of sending."""
        return tuple(event for event in self.events if isinstance(event, ObservationEvent))

    @property
    def detectors(self) -> tuple[str, ...]:
        """The detectors that take part, each once, in order of their first message."""
        return names_of(self.events)

    @property
    def duration_sec(self) -> float:
        """Seconds from the start of the play to its last message."""
        return self.schedule[-1].due_sec

    def zero_ns(self, now_ns: int) -> int:
        """Return where the start lies when the scenario is played now, ns since 1970 (UTC).

        A test keeps its times. Others are moved so that every neutrino time lies in the past, by at most a day where the sky
        matters and else to a minute ago at the most.
        """
        if self.is_test:
            return self.start_ns
        last_ns = max((round(event.offset_ms * 1e6) for event in self.observations), default=0)
        latest = now_ns - NS_PER_SECOND - max(last_ns, 0)
        if not self.keeps_sky:
            return latest // NS_PER_SECOND * NS_PER_SECOND
        return self.start_ns + (latest - self.start_ns) // SIDEREAL_DAY_NS * SIDEREAL_DAY_NS


def names_of(events: Sequence[ScenarioEvent]) -> tuple[str, ...]:
    """Return the detectors of events, each once, in order."""
    return tuple(dict.fromkeys(event.detector for event in events))
