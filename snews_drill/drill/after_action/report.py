"""The report itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snews_drill.drill.after_action.entries import (
    UNKNOWN_SENDER,
    DetectorReport,
    ReportedAlert,
    ReportedProblem,
    TimelineEntry,
)
from snews_drill.drill.after_action.scenario_times import ScenarioTimes
from snews_drill.errors import LocalizationError, UnknownDetector, UnwritableFile
from snews_drill.rehearsal.heartbeat_statistics import Distribution, distribution
from snews_drill.settings import expanded, write_private_file

if TYPE_CHECKING:
    import pandas

    from snews_drill.sky import Localization

#: A map of fewer detectors is a ring at best.
_LEAST_FOR_MAP = 3


@dataclass(frozen=True, eq=False, repr=False)
class AfterActionReport:
    """What a drill's archive tells. Times are ns since 1970 (UTC).

    Attributes
    ----------
    archive : str
        The archive's folder and file name.
    made_ns : int
        When the report was made.
    detectors : tuple of DetectorReport
        One row per detector, in order of the roster.
    alerts : tuple of ReportedAlert
        In order of decision.
    timeline : tuple of TimelineEntry
        What happened, in order; at most 10,000 lines.
    problems : tuple of ReportedProblem
        Records that were refused or could not be read, of all senders, unknown ones among them.
    scenario : ScenarioTimes
        What was played, and when it began.
    counts : Mapping of (str, str, str) to int
        Records by outcome, kind and detector.
    topics : tuple of str
        The topics that took part.
    first_ns, last_ns : int or None
        When the first and the last thing happened, by the server's clock; None if nothing did.

    Notes
    -----
    It tells what every detector did and quotes what strangers wrote. Whoever runs the server decides who gets it;
    the files it writes are for its owner alone (0600) until shared.
    """

    archive: str
    made_ns: int
    detectors: tuple[DetectorReport, ...] = ()
    alerts: tuple[ReportedAlert, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()
    problems: tuple[ReportedProblem, ...] = ()
    scenario: ScenarioTimes = field(default_factory=ScenarioTimes)
    counts: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    topics: tuple[str, ...] = ()
    first_ns: int | None = None
    last_ns: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was received."""
        return self.first_ns is None

    @property
    def unknown_senders(self) -> tuple[ReportedProblem, ...]:
        """The problems of records whose sender cannot be told."""
        return tuple(problem for problem in self.problems if problem.sender == UNKNOWN_SENDER)

    @cached_property
    def alert_latency_ms(self) -> Distribution | None:
        """How long alerts took: from the sending of the cause to the broker's acknowledgement, ms; None without any."""
        return distribution([alert.latency_ms for alert in self.alerts if alert.latency_ms is not None])

    @cached_property
    def map_alert(self) -> ReportedAlert | None:
        """The alert that the map is made from: the last one of at least three detectors.

        If its group was given up later, one detector after another, the last alert before that began.
        """
        large = [alert for alert in self.alerts if len(alert.detector_names) >= _LEAST_FOR_MAP]
        if not large:
            return None
        last = large[-1]
        group = [alert for alert in self.alerts if (alert.topic, alert.group) == (last.topic, last.group)]
        if len(group[-1].detector_names) >= 2:
            return last
        joined = [alert for alert in large if alert in group and not alert.is_withdrawal]
        return joined[-1] if joined else last

    @cached_property
    def _located(self) -> tuple[Localization | None, str]:
        alert = self.map_alert
        if alert is None:
            return None, "There is no map: no alert names three detectors or more."
        from snews_drill.sky import localize

        try:
            return localize(dict(zip(alert.detector_names, alert.neutrino_times_ns, strict=False))), ""
        except (LocalizationError, UnknownDetector) as error:
            return None, f"There is no map: {error.reason} {error.next_step}"

    @property
    def localization(self) -> Localization | None:
        """Where `map_alert` points; None if there is no map, and `map_remark` says why."""
        return self._located[0]

    @property
    def map_remark(self) -> str:
        """Why there is no map; "" if there is one."""
        return self._located[1]

    @property
    def separation_deg(self) -> float | None:
        """Angle between the map's best fit and the scenario's star, degrees; None without one of them."""
        star = self.scenario.scenario.star if self.scenario.scenario is not None else None
        if star is None or self.localization is None:
            return None
        return self.localization.separation_deg(star.ra_deg, star.dec_deg)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data, ready for JSON; docs/after_action.md tells the fields."""
        from snews_drill.drill.after_action.tables import report_to_dict

        return report_to_dict(self)

    def to_dataframe(self) -> pandas.DataFrame:
        """Return one row per detector, indexed by its name; the same columns with the same types, whatever there is."""
        from snews_drill.drill.after_action.tables import report_to_dataframe

        return report_to_dataframe(self)

    def to_csv(self, path: str | Path) -> Path:
        """Write the rows of `to_dataframe` as CSV (UTF-8), replacing a file of that name; return its path.

        Raises
        ------
        UnwritableFile
            If it cannot be written.
        """
        from snews_drill.drill.after_action.tables import report_to_csv

        return _written(path, report_to_csv(self))

    def to_json(self, path: str | Path) -> Path:
        """Write `to_dict` as JSON, replacing a file of that name; return its path.

        Raises
        ------
        UnwritableFile
            If it cannot be written.
        """
        from snews_drill.drill.after_action.tables import report_to_json

        return _written(path, report_to_json(self))

    def to_html(self, path: str | Path) -> Path:
        """Write the report as one HTML file that needs nothing else, replacing a file of that name; return its path.

        Raises
        ------
        UnwritableFile
            If it cannot be written.
        """
        from snews_drill.drill.after_action.page import report_page

        return _written(path, report_page(self))

    def _repr_html_(self) -> str:
        from snews_drill.drill.after_action.page import report_fragment

        return report_fragment(self)

    def __repr__(self) -> str:
        heard = sum(row.was_heard for row in self.detectors)
        return (
            f"AfterActionReport({self.scenario.name or 'no scenario'}: {heard} detectors heard, "
            f"{len(self.alerts)} alerts, {len(self.problems)} problems with records)"
        )


def _written(path: str | Path, text: str) -> Path:
    target = expanded(path)
    try:
        write_private_file(target, text.encode("utf-8", "replace"))
    except OSError as error:
        raise UnwritableFile(
            f"{target} cannot be written: {error.strerror or error}.",
            next_step="Choose a folder that exists and that you may write to.",
        ) from error
    return target
