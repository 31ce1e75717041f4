"""What a scenario should give: the coincidence rule, played without a broker."""

from __future__ import annotations

from dataclasses import dataclass

from snews_drill.drill.scenario import ObservationEvent, RetractionEvent, Scenario
from snews_drill.rehearsal.coincidence import Coincidence, Decision, Observation


@dataclass(frozen=True, slots=True)
class Expected:
    """The alerts of a scenario, and of the retraction by one of its detectors.

    Attributes
    ----------
    alerts, after_retraction : tuple of (str, tuple of str)
        Alert type and detectors in order of neutrino time, in the order in which they are due.
    """

    alerts: tuple[tuple[str, tuple[str, ...]], ...]
    after_retraction: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def largest(self) -> frozenset[str]:
        """The detectors of the largest alert; empty if there is none."""
        largest: tuple[str, ...] = ()
        for _, names in self.alerts:
            largest = max(largest, names, key=len)
        return frozenset(largest)


def expected_alerts(scenario: Scenario, detector: str) -> Expected:
    """Return what an empty drill server should say to a scenario, and then to one retraction.

    Parameters
    ----------
    scenario
        Played in its order of sending.
    detector
        Who takes the latest observation back.
    """
    rule = Coincidence()
    decisions: list[Decision] = []
    for number, event in enumerate(scenario.events):
        if isinstance(event, RetractionEvent):
            decisions += rule.retract(event.detector, event.retract_latest)[0]
        if not isinstance(event, ObservationEvent):
            continue
        time_ns = scenario.start_ns + round(event.offset_ms * 1e6)
        decisions += rule.add(
            Observation(event.detector, time_ns // 1000 * 1000, event.p_val, number, f"{number:06}")
        )
    return Expected(_said(decisions), _said(rule.retract(detector, 1)[0]))


def _said(decisions: list[Decision]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((d.alert_type.value, tuple(member.detector for member in d.members)) for d in decisions)
