"""The drill's story: what happened, in order."""

from __future__ import annotations

from collections.abc import Iterator

from snews_drill.drill.after_action.entries import TimelineEntry
from snews_drill.drill.after_action.evidence import Evidence
from snews_drill.messages.commands import Command, CommandName
from snews_drill.messages.tiers import Retraction
from snews_drill.messages.times import iso_micro
from snews_drill.messages.visible import visible

#: Longest story that is told, lines; the first ones are kept.
MOST_ENTRIES = 10_000

_COMMAND_WORDS = {
    CommandName.TEST_CONNECTION.value: ("connection test", "The server answered its connection test."),
    CommandName.HARD_RESET.value: ("reset", "The cache was reset: all observations were dropped."),
    CommandName.DISPLAY_HEARTBEATS.value: ("request", "Heartbeats were shown."),
    CommandName.GET_FEEDBACK.value: ("request", "Feedback was asked for."),
    CommandName.DRILL_STATUS.value: ("request", "The state of the drill was asked for."),
    CommandName.ANNOUNCE.value: ("announcement", ""),
    CommandName.FREEZE_JOINING.value: (
        "joining",
        "Joining was frozen: no other detector could take part from then on.",
    ),
    CommandName.UNFREEZE_JOINING.value: ("joining", "Joining was opened again."),
}


def timeline(evidence: Evidence) -> tuple[TimelineEntry, ...]:
    """Return what happened, in order of the server's clock; of heartbeats only the first and each change of status."""
    entries = [
        *_heartbeats(evidence),
        *_commands(evidence),
        *_observations(evidence),
        *_retractions(evidence),
        *_alerts(evidence),
        *_problems(evidence),
    ]
    # Sorting is stable: of one moment, the cause comes before the alert.
    return tuple(sorted(entries, key=lambda entry: entry.time_ns)[:MOST_ENTRIES])


def _heartbeats(evidence: Evidence) -> Iterator[TimelineEntry]:
    for name, beats in evidence.beats.items():
        status: bool | None = None
        for beat in beats:
            if beat.is_on is not status:
                word = "ON" if beat.is_on else "OFF"
                text = f"First heartbeat: {word}." if status is None else f"Its heartbeats now say {word}."
                yield TimelineEntry(beat.received_time_ns, "heartbeat", name, text)
            status = beat.is_on


def _commands(evidence: Evidence) -> Iterator[TimelineEntry]:
    for record, message in evidence.commands:
        what, text = _COMMAND_WORDS.get(record.kind, (record.kind, ""))
        if not text:
            text = _announced(message) or f"The server did what was asked: {record.kind}."
        yield TimelineEntry(record.received_ns, what, visible(record.detector, 60), visible(text, 300))


def _announced(message: object) -> str:
    return f"“{message.text}”" if isinstance(message, Command) and message.text else ""


def _observations(evidence: Evidence) -> Iterator[TimelineEntry]:
    for observation in evidence.observations:
        text = f"Observation: first neutrino at {iso_micro(observation.neutrino_time_ns)} UTC"
        text += "" if observation.p_val is None else f", p-value {observation.p_val:g}"
        text += " (test)" if observation.is_test else ""
        text += f", played by the {visible(observation.played_by, 60)}" if observation.played_by else ""
        yield TimelineEntry(observation.received_ns, "observation", observation.detector, f"{text}.")


def _retractions(evidence: Evidence) -> Iterator[TimelineEntry]:
    for record, message in evidence.retractions:
        text = "Took observations back"
        if isinstance(message, Retraction):
            if message.retract_latest:
                text = f"Took its last {message.retract_latest} observations back"
                text = "Took its last observation back" if message.retract_latest == 1 else text
            text += f": {visible(message.retraction_reason, 300)}" if message.retraction_reason else ""
        yield TimelineEntry(record.received_ns, "retraction", record.detector, f"{text}.")


def _alerts(evidence: Evidence) -> Iterator[TimelineEntry]:
    for alert in evidence.alerts:
        count = len(alert.detector_names)
        plural = "" if count == 1 else "s"
        names = ", ".join(visible(name, 40) for name in alert.detector_names[:25])
        sent = "" if alert.acknowledged_ns is not None else " It has not gone out."
        text = (
            f"{visible(alert.alert_type, 40)} of {count} detector{plural}: {names or 'none is left'}.{sent}"
        )
        yield TimelineEntry(alert.decided_ns, "alert", alert.cause, text)


def _problems(evidence: Evidence) -> Iterator[TimelineEntry]:
    for problem in evidence.problems:
        if problem.first_ns is not None:
            more = f" ({problem.count} times)" if problem.count > 1 else ""
            yield TimelineEntry(problem.first_ns, "problem", problem.sender, f"{problem.text}{more}")
