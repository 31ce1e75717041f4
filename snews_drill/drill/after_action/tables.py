"""The report as plain data: JSON, a table, CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from snews_drill.drill.after_action.entries import DetectorReport, ReportedAlert, ReportedProblem
from snews_drill.messages.times import iso_nano
from snews_drill.messages.visible import visible

if TYPE_CHECKING:
    import pandas

    from snews_drill.drill.after_action.report import AfterActionReport

#: Changes when a field of the JSON is renamed or means something else.
FORMAT_VERSION = 1

_TIME = "datetime64[ns, UTC]"

#: A spreadsheet takes a cell that begins like this for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def _problem_text(row: DetectorReport) -> str:
    return "; ".join(f"{p.text}{f' ({p.count} times)' if p.count > 1 else ''}" for p in row.problems)


#: Column -> (dtype, how to get it from a row). The order is the order of the columns.
_COLUMNS: dict[str, tuple[str, Callable[[DetectorReport], Any]]] = {
    "number": ("int64", lambda row: row.number),
    "played_by": ("string", lambda row: row.played_by),
    "connection_tests": ("int64", lambda row: row.connection_tests),
    "connection_tested": (_TIME, lambda row: row.connection_tested_ns),
    "heartbeats": ("int64", lambda row: row.heartbeats),
    "first_heartbeat": (_TIME, lambda row: row.first_heartbeat_ns),
    "last_heartbeat": (_TIME, lambda row: row.last_heartbeat_ns),
    "on_share": ("float64", lambda row: row.on_share),
    "heartbeat_interval_sec": ("float64", lambda row: row.heartbeat_interval_sec),
    "heartbeat_gap_sec": ("float64", lambda row: row.heartbeat_gap_sec),
    "heartbeat_latency_p50_ms": ("float64", lambda row: row.heartbeat_latency_p50_ms),
    "heartbeat_latency_p95_ms": ("float64", lambda row: row.heartbeat_latency_p95_ms),
    "observations": ("int64", lambda row: row.observations),
    "neutrino_time": (_TIME, lambda row: row.neutrino_time_ns),
    "sent": (_TIME, lambda row: row.sent_ns),
    "received": (_TIME, lambda row: row.received_ns),
    "p_val": ("float64", lambda row: row.p_val),
    "observation_latency_ms": ("float64", lambda row: row.observation_latency_ms),
    "offset_ms": ("float64", lambda row: row.offset_ms),
    "alerts": ("int64", lambda row: row.alerts),
    "first_alert_id": ("string", lambda row: row.first_alert_id),
    "alert_latency_ms": ("float64", lambda row: row.alert_latency_ms),
    "caused_alert": ("bool", lambda row: row.caused_alert),
    "retractions": ("int64", lambda row: row.retractions),
    "retracted": (_TIME, lambda row: row.retracted_ns),
    "retraction_reason": ("string", lambda row: row.retraction_reason),
    "series": ("int64", lambda row: row.series),
    "problem_count": ("int64", lambda row: len(row.problems)),
    "problems": ("string", _problem_text),
}


def report_to_dataframe(report: AfterActionReport) -> pandas.DataFrame:
    """Return one row per detector; see `AfterActionReport.to_dataframe`."""
    import pandas

    index = pandas.Index([row.detector for row in report.detectors], name="detector", dtype="string")
    columns = {}
    for name, (kind, get) in _COLUMNS.items():
        values = [get(row) for row in report.detectors]
        if kind == _TIME:
            columns[name] = pandas.Series(
                pandas.to_datetime(values, unit="ns", utc=True), index=index, dtype=kind
            )
        else:
            filled = [math.nan if value is None and kind == "float64" else value for value in values]
            columns[name] = pandas.Series(filled, index=index, dtype=kind)
    return pandas.DataFrame(columns, index=index)


def report_to_csv(report: AfterActionReport) -> str:
    """Return the rows as CSV; times as ISO texts with nanoseconds and Z, nothing where nothing is known."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["detector", *_COLUMNS])
    for row in report.detectors:
        cells = [_cell(get(row), kind) for kind, get in _COLUMNS.values()]
        writer.writerow([row.detector, *cells])
    return file.getvalue()


def _cell(value: Any, kind: str) -> str:
    if value is None:
        return ""
    if kind == _TIME:
        return iso_nano(value)
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < 1e6 else f"{value:.3f}"
    text = visible(value, 4000)
    # What a stranger wrote must not become a formula.
    return f"'{text}" if kind == "string" and text.startswith(_FORMULA) else text


def report_to_json(report: AfterActionReport) -> str:
    """Return the report as indented JSON in ASCII."""
    return json.dumps(report_to_dict(report), indent=1, allow_nan=False) + "\n"


def report_to_dict(report: AfterActionReport) -> dict[str, Any]:
    """Return the report as plain data; see `AfterActionReport.to_dict`."""
    latency = report.alert_latency_ms
    return {
        "format_version": FORMAT_VERSION,
        "archive": report.archive,
        "made": iso_nano(report.made_ns),
        "first": _time(report.first_ns),
        "last": _time(report.last_ns),
        "topics": list(report.topics),
        "scenario": _scenario(report),
        "records": _counts(report),
        "alert_latency_ms": None
        if latency is None
        else {"count": latency.count, "p50": latency.p50, "p95": latency.p95, "max": latency.maximum},
        "map": _map(report),
        "detectors": [_detector(row) for row in report.detectors],
        "alerts": [_alert(alert) for alert in report.alerts],
        "problems": [_problem(problem) for problem in report.problems],
        "timeline": [
            {"time": iso_nano(time_ns), "what": what, "who": who, "text": text}
            for time_ns, what, who, text in report.timeline
        ],
    }


def _scenario(report: AfterActionReport) -> dict[str, Any]:
    times = report.scenario
    return {
        "name": times.name or None,
        "start": _time(times.zero_ns),
        "how": times.how,
    }


def _counts(report: AfterActionReport) -> dict[str, int]:
    found: Counter[str] = Counter()
    for (outcome, _, _), number in report.counts.items():
        found[outcome] += number
    return dict(sorted(found.items()))


def _map(report: AfterActionReport) -> dict[str, Any]:
    found, alert = report.localization, report.map_alert
    if found is None or alert is None:
        return {"alert_id": None if alert is None else alert.id, "remark": report.map_remark}
    star = report.scenario.scenario.star if report.scenario.scenario is not None else None
    return {
        "alert_id": alert.id,
        **found.to_dict(),
        "star": None if star is None else {"name": star.name, "ra_deg": star.ra_deg, "dec_deg": star.dec_deg},
        "separation_deg": report.separation_deg,
    }


def _detector(row: DetectorReport) -> dict[str, Any]:
    return {
        "detector": row.detector,
        **{
            name: _time(get(row)) if kind == _TIME else get(row)
            for name, (kind, get) in _COLUMNS.items()
            if name not in ("problem_count", "problems")
        },
        "problems": [_problem(problem) for problem in row.problems],
    }


def _alert(alert: ReportedAlert) -> dict[str, Any]:
    return {
        "id": alert.id,
        "alert_type": alert.alert_type,
        "topic": alert.topic,
        "group": alert.group,
        "decided": iso_nano(alert.decided_ns),
        "acknowledged": _time(alert.acknowledged_ns),
        "cause": alert.cause or None,
        "latency_ms": alert.latency_ms,
        "detector_names": list(alert.detector_names),
        "neutrino_times": _times(alert.neutrino_times_ns),
    }


def _problem(problem: ReportedProblem) -> dict[str, Any]:
    return {
        "sender": problem.sender,
        "kind": problem.kind,
        "text": problem.text,
        "count": problem.count,
        "first": _time(problem.first_ns),
        "last": _time(problem.last_ns),
    }


def _times(times_ns: Sequence[int]) -> list[str]:
    return [iso_nano(time_ns) for time_ns in times_ns]


def _time(time_ns: int | None) -> str | None:
    return None if time_ns is None else iso_nano(time_ns)
