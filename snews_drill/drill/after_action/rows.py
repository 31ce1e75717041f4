"""One row per detector."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from snews_drill.detectors import find_detector, is_registered, roster
from snews_drill.drill.after_action.entries import (
    PERSON,
    DetectorReport,
    ReportedAlert,
    ReportedObservation,
    ReportedProblem,
)
from snews_drill.drill.after_action.evidence import Evidence, Said
from snews_drill.drill.after_action.problems import remarks
from snews_drill.drill.after_action.scenario_times import ScenarioTimes
from snews_drill.messages.commands import CommandName
from snews_drill.messages.tiers import Retraction, Tier
from snews_drill.messages.visible import visible
from snews_drill.rehearsal.heartbeat_statistics import Beat, heartbeat_statistics


def detector_reports(evidence: Evidence, times: ScenarioTimes) -> tuple[DetectorReport, ...]:
    """Return the row of every detector that was heard, named in an alert, or has a part in the scenario.

    In order of the roster.
    """
    parts = _Parts(evidence)
    expected = set(times.scenario.detectors) if times.scenario is not None else set()
    observing = set(times.offsets_ms)
    rows = []
    for detector in roster():
        if detector.name not in parts.names | expected:
            continue
        row = _row(detector.name, parts, times)
        said = [
            *parts.problems[row.detector],
            *_repeated(evidence, row.detector),
            *remarks(
                row, is_expected=row.detector in expected, expects_observation=row.detector in observing
            ),
        ]
        rows.append(replace(row, problems=tuple(said)))
    return tuple(rows)


class _Parts:
    """The evidence by detector."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.tests: dict[str, list[int]] = defaultdict(list)
        self.observations: dict[str, list[ReportedObservation]] = defaultdict(list)
        self.retractions: dict[str, list[Said]] = defaultdict(list)
        self.alerts: dict[str, list[ReportedAlert]] = defaultdict(list)
        self.problems: dict[str, list[ReportedProblem]] = defaultdict(list)
        for record, _ in evidence.commands:
            if record.kind == CommandName.TEST_CONNECTION.value and is_registered(record.detector):
                self.tests[find_detector(record.detector).name].append(record.received_ns)
        for observation in evidence.observations:
            self.observations[observation.detector].append(observation)
        for record, message in evidence.retractions:
            self.retractions[record.detector].append((record, message))
        for alert in evidence.alerts:
            for name in set(alert.detector_names):
                self.alerts[name].append(alert)
        for problem in evidence.problems:
            self.problems[problem.sender].append(problem)
        self.names = {
            *self.tests,
            *self.observations,
            *self.retractions,
            *self.alerts,
            *self.problems,
            *evidence.beats,
            *(name for (outcome, _, name) in evidence.counts if outcome == "accepted"),
        }


def _row(name: str, parts: _Parts, times: ScenarioTimes) -> DetectorReport:
    tests, observations, retractions = parts.tests[name], parts.observations[name], parts.retractions[name]
    row = DetectorReport(
        name,
        find_detector(name).number,
        played_by=_played_by(name, parts),
        connection_tests=len(tests),
        connection_tested_ns=tests[0] if tests else None,
        observations=len(observations),
        alerts=len(parts.alerts[name]),
        first_alert_id=parts.alerts[name][0].id if parts.alerts[name] else "",
        retractions=len(retractions),
        series=sum(
            parts.evidence.counts.get(("accepted", tier.value, name), 0)
            for tier in (Tier.SIGNIFICANCE, Tier.TIMING)
        ),
    )
    row = _with_heartbeats(row, parts.evidence.beats.get(name, []))
    if retractions:
        record, message = retractions[-1]
        reason = message.retraction_reason if isinstance(message, Retraction) else ""
        row = replace(row, retracted_ns=record.received_ns, retraction_reason=visible(reason or "", 300))
    return _with_observation(row, observations[-1], parts.alerts[name], times) if observations else row


def _with_heartbeats(row: DetectorReport, beats: Sequence[Beat]) -> DetectorReport:
    if not beats:
        return row
    first_ns, last_ns = beats[0].received_time_ns, beats[-1].received_time_ns
    found = heartbeat_statistics(beats, now_ns=last_ns, period_ns=last_ns - first_ns)
    interval, latency = found.interval_sec, found.latency_ms
    return replace(
        row,
        heartbeats=found.count,
        first_heartbeat_ns=first_ns,
        last_heartbeat_ns=last_ns,
        on_share=found.on_share,
        heartbeat_interval_sec=interval.p50 if interval else None,
        heartbeat_gap_sec=interval.maximum if interval else None,
        heartbeat_latency_p50_ms=latency.p50 if latency else None,
        heartbeat_latency_p95_ms=latency.p95 if latency else None,
    )


def _with_observation(
    row: DetectorReport, newest: ReportedObservation, alerts: Sequence[ReportedAlert], times: ScenarioTimes
) -> DetectorReport:
    answer = next((alert for alert in alerts if alert.decided_ns >= newest.received_ns), None)
    latency = None
    if answer is not None and answer.acknowledged_ns is not None:
        latency = (answer.acknowledged_ns - newest.sent_ns) / 1e6
    return replace(
        row,
        neutrino_time_ns=newest.neutrino_time_ns,
        sent_ns=newest.sent_ns,
        received_ns=newest.received_ns,
        p_val=newest.p_val,
        observation_latency_ms=(newest.received_ns - newest.sent_ns) / 1e6,
        offset_ms=times.offset_ms(newest),
        alert_latency_ms=latency,
        is_in_alert=answer is not None,
        caused_alert=answer is not None and answer.decided_ns == newest.received_ns,
    )


def _played_by(name: str, parts: _Parts) -> str:
    players = [o.played_by or PERSON for o in parts.observations[name]]
    if name in parts.evidence.heartbeat_players:
        players.append(parts.evidence.heartbeat_players[name] or PERSON)
    if not players and (parts.tests[name] or parts.retractions[name]):
        players.append(PERSON)
    return visible(", ".join(dict.fromkeys(players)), 120)


def _repeated(evidence: Evidence, name: str) -> list[ReportedProblem]:
    count = sum(
        number
        for (outcome, _, sender), number in evidence.counts.items()
        if (outcome, sender) == ("repeated", name)
    )
    if not count:
        return []
    text = "Came again, byte for byte or under the same identifier; counted once."
    return [ReportedProblem(name, "repeated", text, count=count)]
