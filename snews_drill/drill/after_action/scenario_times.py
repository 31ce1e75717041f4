"""When the scenario has each detector see its first neutrino, as told by what was sent."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from snews_drill.drill.after_action.entries import ReportedObservation
from snews_drill.drill.scenario import ObservationEvent, Scenario
from snews_drill.drill.scenarios import list_scenarios, load_scenario

#: Without a player's word, so many detectors must have observed for their middle to be the scenario's time.
_LEAST_DETECTORS = 3


@dataclass(frozen=True)
class ScenarioTimes:
    """A scenario laid over what happened.

    Attributes
    ----------
    name : str
        The scenario's name; "" if none is known.
    scenario : Scenario or None
        The scenario itself, if it is at hand.
    zero_ns : int or None
        Where its start lies, ns since 1970 (UTC); None if that cannot be told.
    how : str
        How that is known, or why not, in a sentence.
    offsets_ms : Mapping of str to float
        Detector to the offset of its first observation from the start, ms.
    """

    name: str = ""
    scenario: Scenario | None = None
    zero_ns: int | None = None
    how: str = ""
    offsets_ms: Mapping[str, float] = field(default_factory=dict)

    def offset_ms(self, observation: ReportedObservation) -> float | None:
        """Return how much later than in the scenario an observation's neutrino time is, ms; None if unknown."""
        asked = observation.scenario_offset_ms
        if asked is None:
            asked = self.offsets_ms.get(observation.detector)
        zero_ns = self.zero_ns if observation.scenario_zero_ns is None else observation.scenario_zero_ns
        if asked is None or zero_ns is None:
            return None
        return round((observation.neutrino_time_ns - zero_ns) / 1e6 - asked, 6)


def scenario_times(
    observations: Sequence[ReportedObservation], given: str | Scenario | None
) -> ScenarioTimes:
    """Find the scenario that was played, and when it began.

    Parameters
    ----------
    observations
        The newest observation of each detector.
    given
        The scenario, its name or its file; what the observations say if None.

    Raises
    ------
    ScenarioError
        If the scenario that was given cannot be used.

    Notes
    -----
    A player writes into a message where it put the start. Without that, each observation implies one: its neutrino
    time less its offset in the scenario. The start is the median of those that were played for a scenario, else of all.
    """
    name, scenario = _which(observations, given)
    if not name:
        return ScenarioTimes(how="No observation says that it belongs to a scenario, and none was given.")
    offsets = _offsets(scenario)
    played = _implied(observations, offsets, is_played=True)
    implied = played or _implied(observations, offsets, is_played=False)
    if not implied or (not played and len(implied) < _LEAST_DETECTORS):
        how = f"Too few detectors of the scenario {name} observed anything to tell when it began."
        return ScenarioTimes(name, scenario, None, how, offsets)
    zero_ns = round(statistics.median_low(implied))
    source = "what was played for the scenario" if played else "the detectors' own times"
    how = f"The start of the scenario is the median of what {len(implied)} observations imply ({source})."
    return ScenarioTimes(name, scenario, zero_ns, how, offsets)


def _which(
    observations: Sequence[ReportedObservation], given: str | Scenario | None
) -> tuple[str, Scenario | None]:
    if isinstance(given, Scenario):
        return given.name, given
    if given is not None:
        found = load_scenario(given)
        return found.name, found
    said = Counter(observation.scenario for observation in observations if observation.scenario)
    if not said:
        return "", None
    name = said.most_common(1)[0][0]
    # A name from the network is looked up among those that come with the package, never opened as a file.
    return name, next((scenario for scenario in list_scenarios() if scenario.name == name), None)


def _offsets(scenario: Scenario | None) -> dict[str, float]:
    """Return the offset of each detector's last observation: that is the one that counts."""
    offsets = {}
    for event in scenario.events if scenario is not None else ():
        if isinstance(event, ObservationEvent):
            offsets[event.detector] = float(event.offset_ms)
    return offsets


def _implied(
    observations: Sequence[ReportedObservation], offsets: Mapping[str, float], *, is_played: bool
) -> list[int]:
    implied = []
    for observation in observations:
        if is_played and not observation.scenario:
            continue
        asked = observation.scenario_offset_ms
        asked = offsets.get(observation.detector) if asked is None else asked
        if observation.scenario_zero_ns is not None:
            implied.append(observation.scenario_zero_ns)
        elif asked is not None:
            implied.append(observation.neutrino_time_ns - round(asked * 1e6))
    return implied
