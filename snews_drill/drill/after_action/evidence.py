"""What an archive tells about a drill, read once, before it is sorted by detector and by time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain

from snews_drill.drill.after_action.entries import ReportedAlert, ReportedObservation, ReportedProblem
from snews_drill.messages.commands import Command
from snews_drill.messages.tiers import DetectorMessage
from snews_drill.rehearsal.archive_rows import ArchivedRecord
from snews_drill.rehearsal.heartbeat_statistics import Beat

#: A record and what it says; None if it can no longer be understood.
Said = tuple[ArchivedRecord, DetectorMessage | Command | None]


@dataclass(frozen=True)
class Evidence:
    """What was found in an archive.

    Attributes
    ----------
    observations : tuple of ReportedObservation
        In order of arrival.
    beats : Mapping of str to list of Beat
        Heartbeats by detector, in order of arrival.
    heartbeat_players : Mapping of str to str
        Who sends a detector's heartbeats; "" for a person.
    commands, retractions : tuple of Said
        Accepted commands and retractions, in order of arrival.
    alerts : tuple of ReportedAlert
        In order of decision.
    problems : tuple of ReportedProblem
        Refused and unreadable records.
    counts : Mapping of (str, str, str) to int
        Records by outcome, kind and detector.
    """

    observations: tuple[ReportedObservation, ...] = ()
    beats: Mapping[str, list[Beat]] = field(default_factory=dict)
    heartbeat_players: Mapping[str, str] = field(default_factory=dict)
    commands: tuple[Said, ...] = ()
    retractions: tuple[Said, ...] = ()
    alerts: tuple[ReportedAlert, ...] = ()
    problems: tuple[ReportedProblem, ...] = ()
    counts: Mapping[tuple[str, str, str], int] = field(default_factory=dict)

    @cached_property
    def newest_observations(self) -> tuple[ReportedObservation, ...]:
        """The observation of each detector that arrived last."""
        return tuple({o.detector: o for o in self.observations}.values())

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics that commands and retractions came through and alerts went to."""
        return tuple(
            sorted({a.topic for a in self.alerts} | {r.topic for r, _ in self.commands + self.retractions})
        )

    @cached_property
    def moments(self) -> tuple[int, ...]:
        """When something happened, ns since 1970 (UTC), in no order."""
        return tuple(
            chain(
                (o.received_ns for o in self.observations),
                (beat.received_time_ns for beats in self.beats.values() for beat in (beats[0], beats[-1])),
                (record.received_ns for record, _ in self.commands + self.retractions),
                (alert.decided_ns for alert in self.alerts),
                (time for p in self.problems for time in (p.first_ns, p.last_ns) if time is not None),
            )
        )
