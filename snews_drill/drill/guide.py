"""The steps of a drill, and what ticks them: evidence that was seen, never a click.

Pure: no clock, no broker, no thread. `evidence.DrillWatch` collects what happens and hands it over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from snews_drill.drill.scenarios import Scenario
from snews_drill.messages.alert import Alert, AlertType
from snews_drill.messages.times import iso_micro


@dataclass(frozen=True, slots=True)
class GuideStep:
    """One step of a drill at one moment.

    Attributes
    ----------
    name : str
        One word, for `wait_for`.
    title : str
        What is true once it is done.
    hint : str
        The line of Python that does it.
    if_open : str
        What to look at when it stays open.
    done_ns : int or None
        When its evidence came, ns since 1970 (UTC); None while it is open.
    detail : str
        What was seen.
    """

    name: str
    title: str
    hint: str
    if_open: str
    done_ns: int | None = None
    detail: str = ""

    @property
    def is_done(self) -> bool:
        """Whether its evidence came."""
        return self.done_ns is not None

    def __repr__(self) -> str:
        return f"GuideStep({self.name}: {'done' if self.is_done else 'open'})"


@dataclass(frozen=True, slots=True)
class NameKnown:
    """The user said which detector this is, or another one than before."""

    detector: str


@dataclass(frozen=True, slots=True)
class EchoSeen:
    """The drill server confirmed a connection test of a detector."""

    detector: str


@dataclass(frozen=True, slots=True)
class HeartbeatSeen:
    """The broker has a heartbeat of a detector."""

    detector: str


@dataclass(frozen=True, slots=True)
class HeartbeatsCounted:
    """The drill server told how many heartbeats of a detector it has, those just sent included."""

    detector: str
    count: int


@dataclass(frozen=True, slots=True)
class ObservationSeen:
    """The broker has a coincidence observation of a detector; the time is ns since 1970 (UTC)."""

    detector: str
    neutrino_time_ns: int


@dataclass(frozen=True, slots=True)
class RetractionSeen:
    """The broker has a retraction of a detector."""

    detector: str


@dataclass(frozen=True, slots=True)
class AlertSeen:
    """An alert came."""

    alert: Alert


Event = (
    NameKnown | EchoSeen | HeartbeatSeen | HeartbeatsCounted | ObservationSeen | RetractionSeen | AlertSeen
)

#: The names of the steps, in order.
STEP_NAMES = ("name", "connection", "heartbeats", "observation", "alert", "retraction", "retraction_alert")

#: The newest alerts that are kept to be looked at again when a later record explains them.
_MAX_KEPT = 1_000


class Guide:
    """The checklist of one detector in one drill.

    Parameters
    ----------
    scenario
        What is played.
    zero_ns
        Where the scenario's start lies, ns since 1970 (UTC).
    server_counts
        Whether the drill server tells how many heartbeats it has (a rehearsal's does). If not, that the broker has one is
        taken as evidence, and the step says so.
    is_live
        Whether the other detectors are other people.
    names_detector
        Whether hints must name the detector, because another one is remembered.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        zero_ns: int,
        server_counts: bool = True,
        is_live: bool = False,
        names_detector: bool = False,
    ) -> None:
        self._scenario = scenario
        self._zero_ns = zero_ns
        self._server_counts = server_counts
        self._is_live = is_live
        self._names_detector = names_detector
        self._begin(None)

    def _begin(self, detector: str | None) -> None:
        self.detector = detector
        self._own_times_us: set[int] = set()
        self._has_retracted = False
        self._alerts: deque[Alert] = deque(maxlen=_MAX_KEPT)
        self._steps = {step.name: step for step in self._texts()}

    @property
    def steps(self) -> tuple[GuideStep, ...]:
        """The steps as they are now, in order."""
        return tuple(self._steps.values())

    @property
    def neutrino_time_ns(self) -> int:
        """When the scenario has the user's detector see its first neutrino, ns since 1970 (UTC).

        For a detector without a part in it: when the scenario's first detector does.
        """
        observations = self._scenario.observations
        own = [event for event in observations if event.detector == self.detector]
        first = next(iter(own or observations), None)
        return self._zero_ns + (round(first.offset_ms * 1e6) if first is not None else 0)

    @property
    def others(self) -> tuple[str, ...]:
        """The scenario's detectors but the user's."""
        return tuple(name for name in self._scenario.detectors if name != self.detector)

    def observe(self, event: Event, now_ns: int) -> bool:
        """Take a piece of evidence into account.

        The order does not matter: an alert that comes before the observation that explains it is looked at again.

        Parameters
        ----------
        event
            What was seen.
        now_ns
            When, ns since 1970 (UTC).

        Returns
        -------
        bool
            Whether anything on the checklist changed.
        """
        before = self.steps
        if isinstance(event, NameKnown):
            if event.detector != self.detector:
                self._begin(event.detector)
                self._tick("name", now_ns, f"you are {event.detector}")
        elif isinstance(event, AlertSeen):
            self._alerts.append(event.alert)
        elif event.detector == self.detector:
            self._observe_own(event, now_ns)
        self._look_at_alerts(now_ns)
        return self.steps != before

    def _observe_own(
        self,
        event: EchoSeen | HeartbeatSeen | HeartbeatsCounted | ObservationSeen | RetractionSeen,
        now_ns: int,
    ) -> None:
        if isinstance(event, EchoSeen):
            self._tick("connection", now_ns, "the drill server sent the echo")
        elif isinstance(event, HeartbeatsCounted):
            self._tick("heartbeats", now_ns, f"the drill server counts {event.count} in 24 hours")
        elif isinstance(event, HeartbeatSeen):
            if not self._server_counts:
                self._tick(
                    "heartbeats",
                    now_ns,
                    "the broker has it; a server on a shared broker does not tell its count",
                )
        elif isinstance(event, ObservationSeen):
            self._own_times_us.add(event.neutrino_time_ns // 1000)
            seen = iso_micro(event.neutrino_time_ns)
            self._tick("observation", now_ns, f"the broker has it: first neutrino at {seen}")
        else:
            self._has_retracted = True
            self._tick("retraction", now_ns, "the broker has it")

    def _look_at_alerts(self, now_ns: int) -> None:
        """Find the first alert that lists the user with a time sent now, and the later one that takes it back."""
        if self._steps["alert"].is_done and self._steps["retraction_alert"].is_done:
            return
        if not (self._own_times_us or self._has_retracted):
            return  # nothing of the user's that an alert could tell of
        groups: set[int | None] = set()
        for alert in self._alerts:
            if self._lists_user(alert):
                groups.add(alert.sub_list_number)
                self._tick(
                    "alert",
                    now_ns,
                    f"{alert.alert_type} of {len(alert.detector_names)} detectors, you among them",
                )
            elif (
                self._has_retracted
                and alert.kind is AlertType.RETRACTION
                and alert.sub_list_number in groups
                and self.detector not in alert.detector_names
            ):
                left = len(alert.detector_names)
                self._tick(
                    "retraction_alert", now_ns, f"{alert.alert_type} without you, {left} detectors remain"
                )

    def _lists_user(self, alert: Alert) -> bool:
        if alert.kind is AlertType.RETRACTION or self.detector not in alert.detector_names:
            return False
        if len(alert.neutrino_times_ns) != len(alert.detector_names):
            return bool(self._own_times_us)  # a server that gives no times
        times = zip(alert.detector_names, alert.neutrino_times_ns, strict=True)
        # Dialect 1.3 carries microseconds only.
        return any(name == self.detector and time_ns // 1000 in self._own_times_us for name, time_ns in times)

    def _tick(self, name: str, now_ns: int, detail: str) -> None:
        step = self._steps[name]
        if not step.is_done:
            self._steps[name] = replace(step, done_ns=now_ns, detail=detail)

    def _call(self, call: Callable[[str], str]) -> str:
        return call(f'detector_name="{self.detector}", ' if self._names_detector and self.detector else "")

    def _texts(self) -> tuple[GuideStep, ...]:
        time = iso_micro(self.neutrino_time_ns)
        test = ", is_test=True" if self._scenario.is_test else ""
        observe = self._call(
            lambda who: f'SNEWSTiersPublisher({who}neutrino_time="{time}", p_val=0.05{test}).send_to_snews()'
        )
        retract = self._call(
            lambda who: (
                f"SNEWSTiersPublisher({who}retract_latest=1, "
                f'retraction_reason="this was a drill"{test}).send_to_snews()'
            )
        )
        named = f'"{self.detector}"' if self._names_detector and self.detector else ""
        others = "Subscriber().subscribe()" if self._is_live else "guide.play_others()"
        return (
            GuideStep(
                "name",
                "You said which detector you are",
                f'set_name("{self.detector or "XENONnT"}")',
                "Choose your detector: NameChooser() shows all of them.",
            ),
            GuideStep(
                "connection",
                "The drill server answers your connection test",
                f"test_connection({named})",
                "The test's error says what is missing: broker, credentials, or a drill server.",
            ),
            GuideStep(
                "heartbeats",
                "The drill server counts your heartbeats"
                if self._server_counts
                else "The broker has your heartbeat",
                f"HeartbeatPanel({named})",
                "Press Start sending in the panel: is a heartbeat acknowledged? It must go to the fire-drill topic.",
            ),
            GuideStep(
                "observation",
                "Your observation is on the topic",
                observe,
                "Send it with the form, from Python or the terminal; the problems tell what is wrong with a message.",
            ),
            GuideStep(
                "alert",
                "An alert lists you",
                others,
                "It takes two detectors within 10 s: the others are missing, or your neutrino time is another one.",
            ),
            GuideStep(
                "retraction",
                "Your retraction is on the topic",
                retract,
                "Retract once the alert has come; retract_latest counts your newest observations.",
            ),
            GuideStep(
                "retraction_alert",
                "A retraction alert came without you",
                'guide.wait_for("retraction_alert", timeout=10)',
                "It follows the retraction of an observation that an alert had listed; send both, in this order.",
            ),
        )
