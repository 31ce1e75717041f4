"""The after-action report: what each detector did in a drill, what became of it, and what went wrong."""

from snews_drill.drill.after_action.entries import (
    UNKNOWN_SENDER,
    DetectorReport,
    ReportedAlert,
    ReportedObservation,
    ReportedProblem,
    TimelineEntry,
)
from snews_drill.drill.after_action.reading import after_action
from snews_drill.drill.after_action.report import AfterActionReport

__all__ = [
    "UNKNOWN_SENDER",
    "AfterActionReport",
    "DetectorReport",
    "ReportedAlert",
    "ReportedObservation",
    "ReportedProblem",
    "TimelineEntry",
    "after_action",
]
