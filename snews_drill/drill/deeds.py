"""What a virtual detector does: deeds, and its part in a scenario as a list of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from snews_drill.drill.behaviour import Behaviour, Fate, Intention
from snews_drill.drill.marks import scenario_marks
from snews_drill.drill.scenario import (
    HeartbeatEvent,
    ObservationEvent,
    RetractionEvent,
    Scenario,
    ScenarioEvent,
)


@dataclass(frozen=True, slots=True)
class Deed:
    """A message that a virtual detector sends, or what befalls it.

    Attributes
    ----------
    words : str
        How to tell it.
    event : ScenarioEvent or None
        What it says; None if it says nothing.
    fate : str or None
        What befalls it.
    neutrino_time_ns : int or None
        Of an observation, ns since 1970 (UTC).
    is_test : bool
        Whether the message is marked as a test.
    meta : mapping
        What the message says beside.
    """

    words: str
    event: ScenarioEvent | None = None
    fate: Fate | None = None
    neutrino_time_ns: int | None = None
    is_test: bool = False
    meta: Mapping[str, Any] = field(default_factory=dict)


def part_in(
    scenario: Scenario, detector: str, zero_ns: int, intention: Intention, behaviour: Behaviour
) -> list[tuple[float, Deed]]:
    """Return what a virtual detector does in a scenario and when, s of the drill from now.

    A scenario's own times are kept among each other: all messages of a detector are late by the same reaction. Who does not
    observe has nothing to take back either.

    Parameters
    ----------
    scenario
        What happens.
    detector
        Whose part.
    zero_ns
        Where the scenario's start lies, ns since 1970 (UTC).
    intention, behaviour
        What it means to do, and how it does things.
    """
    late = intention.reaction_sec
    part: list[tuple[float, Deed]] = []
    own = [entry for entry in scenario.schedule if entry.event.detector == detector]
    first = next((e.due_sec for e in own if isinstance(e.event, ObservationEvent)), None)
    if first is not None and intention.fate != "observes":
        own = [entry for entry in own if isinstance(entry.event, HeartbeatEvent)]
        part.append((first + late, Deed(intention.fate, fate=intention.fate)))
    for entry in own:
        event = entry.event
        time_ns, offset_ms = None, None
        if isinstance(event, ObservationEvent):
            offset_ms = event.offset_ms
            time_ns = zero_ns + round(offset_ms * 1e6) + intention.jitter_ns
        meta = scenario_marks(scenario.name, zero_ns, offset_ms)
        deed = Deed(f"the {event.kind} of {scenario.name}", event, None, time_ns, scenario.is_test, meta)
        part.append((entry.due_sec + late, deed))
        if isinstance(event, ObservationEvent) and intention.retracts:
            back = RetractionEvent(detector=detector, reason="noise, says the virtual detector")
            meta = scenario_marks(scenario.name, zero_ns)
            deed = Deed("a retraction", back, is_test=scenario.is_test, meta=meta)
            part.append((entry.due_sec + late + behaviour.retract_after_sec, deed))
    return part
