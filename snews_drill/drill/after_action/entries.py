"""What an after-action report consists of: a row per detector, alerts, problems, a timeline."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

PERSON = "person"
"""A person, or a person's program, as opposed to who speaks for a detector on behalf of the exercise."""

UNKNOWN_SENDER = "unknown sender"
"""Who sent what does not say, or does not credibly say, who sent it."""


@dataclass(frozen=True, slots=True)
class ReportedProblem:
    """Something that went wrong, or that is worth a word.

    Attributes
    ----------
    sender : str
        A registered detector, or `UNKNOWN_SENDER`. It is what the record says; anybody who may write can say it.
    kind : str
        "refused" or "unreadable" (a record), "repeated" (known already), or "remark" (seen in the whole).
    text : str
        In plain words; it may quote what a stranger wrote.
    first_ns, last_ns : int or None
        When such records were received, ns since 1970 (UTC); None for a remark.
    count : int
        How many records there were of it.
    """

    sender: str
    kind: str
    text: str
    first_ns: int | None = None
    last_ns: int | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class ReportedObservation:
    """One observation as the archive has it.

    Attributes
    ----------
    detector : str
        Who.
    neutrino_time_ns, sent_ns, received_ns : int
        ns since 1970 (UTC); sent by the sender's clock, received by the server's.
    p_val : float or None
        As given.
    is_test : bool
        Whether it is marked as a test.
    is_held : bool
        False once it was retracted or dropped by a reset.
    played_by : str
        "" for a person or a person's program, else who spoke for the detector.
    scenario : str
        The scenario it says it belongs to; "" if none.
    scenario_offset_ms : float or None
        The offset from the scenario's start that its player wanted, ms.
    scenario_zero_ns : int or None
        Where its player put the scenario's start, ns since 1970 (UTC).
    """

    detector: str
    neutrino_time_ns: int
    sent_ns: int
    received_ns: int
    p_val: float | None = None
    is_test: bool = False
    is_held: bool = True
    played_by: str = ""
    scenario: str = ""
    scenario_offset_ms: float | None = None
    scenario_zero_ns: int | None = None


@dataclass(frozen=True, slots=True)
class ReportedAlert:
    """One alert of the drill.

    Attributes
    ----------
    id, alert_type, topic : str
        As it travelled, and where.
    detector_names : tuple of str
        In order of neutrino time.
    neutrino_times_ns : tuple of int
        One per detector, ns since 1970 (UTC).
    group : int or None
        The number of the group it speaks of.
    decided_ns : int
        When the server decided it, ns since 1970 (UTC).
    acknowledged_ns : int or None
        When the broker had it; None if it did not go out.
    cause : str
        The detector whose message caused it; "" if it cannot be told.
    latency_ms : float or None
        From the sending of its cause (the sender's clock) to the broker's acknowledgement, ms.
    """

    id: str
    alert_type: str
    topic: str
    detector_names: tuple[str, ...]
    neutrino_times_ns: tuple[int, ...]
    group: int | None
    decided_ns: int
    acknowledged_ns: int | None
    cause: str = ""
    latency_ms: float | None = None

    @property
    def is_withdrawal(self) -> bool:
        """Whether it says that a detector left the group."""
        return self.alert_type.endswith("RETRACTION")


class TimelineEntry(NamedTuple):
    """One line of the drill's story: when (ns since 1970, UTC, the server's clock), what, who, and in words."""

    time_ns: int
    what: str
    who: str
    text: str


@dataclass(frozen=True, slots=True)
class DetectorReport:
    """What one detector did, and what became of it. Times are ns since 1970 (UTC).

    Attributes
    ----------
    detector : str
        Registered name.
    number : int
        Its number on the roster.
    played_by : str
        "person" (or a person's program), "virtual detector", "control room", several of them, or "" if nothing tells.
    connection_tests : int
        Tests that the server answered.
    connection_tested_ns : int or None
        When the first of them was received.
    heartbeats : int
        Those received.
    first_heartbeat_ns, last_heartbeat_ns : int or None
        When the first and the last of them were received.
    on_share : float or None
        Share of ON among them, 0 to 1.
    heartbeat_interval_sec, heartbeat_gap_sec : float or None
        Median and longest time from one arrival to the next, seconds; None with fewer than two.
    heartbeat_latency_p50_ms, heartbeat_latency_p95_ms : float or None
        Received less sent, ms: median and 95th percentile; negative where the detector's clock is ahead.
    observations : int
        Observations accepted.
    neutrino_time_ns, sent_ns, received_ns : int or None
        Of the newest one.
    p_val : float or None
        Of the newest one.
    observation_latency_ms : float or None
        Of the newest one: received less sent, ms.
    offset_ms : float or None
        Its neutrino time less the scenario's for this detector, ms; None where no scenario gives one.
    alerts : int
        Alerts that name the detector.
    first_alert_id : str
        The first alert that names it; "" if none.
    alert_latency_ms : float or None
        From the sending of the observation to the first alert after it that names the detector, ms.
    is_in_alert : bool
        Whether an alert names the detector after its newest observation.
    caused_alert : bool
        Whether that alert came because of it; if not, it waited for another detector.
    retractions : int
        Retractions accepted.
    retracted_ns : int or None
        When the last of them was received.
    retraction_reason : str
        The reason it gave; a stranger's text.
    series : int
        Observations of the SigTier and the TimeTier, which cause no alerts.
    problems : tuple of ReportedProblem
        What went wrong.
    """

    detector: str
    number: int
    played_by: str = ""
    connection_tests: int = 0
    connection_tested_ns: int | None = None
    heartbeats: int = 0
    first_heartbeat_ns: int | None = None
    last_heartbeat_ns: int | None = None
    on_share: float | None = None
    heartbeat_interval_sec: float | None = None
    heartbeat_gap_sec: float | None = None
    heartbeat_latency_p50_ms: float | None = None
    heartbeat_latency_p95_ms: float | None = None
    observations: int = 0
    neutrino_time_ns: int | None = None
    sent_ns: int | None = None
    received_ns: int | None = None
    p_val: float | None = None
    observation_latency_ms: float | None = None
    offset_ms: float | None = None
    alerts: int = 0
    first_alert_id: str = ""
    alert_latency_ms: float | None = None
    is_in_alert: bool = False
    caused_alert: bool = False
    retractions: int = 0
    retracted_ns: int | None = None
    retraction_reason: str = ""
    series: int = 0
    problems: tuple[ReportedProblem, ...] = field(default=())

    @property
    def is_played(self) -> bool:
        """Whether only the exercise spoke for it, no person."""
        return bool(self.played_by) and PERSON not in self.played_by.split(", ")

    @property
    def was_heard(self) -> bool:
        """Whether the server accepted anything of it."""
        return any((self.connection_tests, self.heartbeats, self.observations, self.retractions, self.series))
