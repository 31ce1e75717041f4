"""The report as HTML: one file that needs nothing else, and a fragment for notebooks.

No scripts, nothing remote; what strangers wrote is escaped and every character of it can be seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from snews_drill.drill.after_action.chart import drill_svg
from snews_drill.drill.after_action.entries import DetectorReport, ReportedAlert, ReportedProblem
from snews_drill.drill.after_action.look import (
    DEFINITIONS,
    STYLE,
    clock,
    milliseconds,
    moment,
    number,
    plain,
    short_clock,
    signed,
)
from snews_drill.drill.after_action.problems import gathered
from snews_drill.drill.after_action.report import AfterActionReport
from snews_drill.html_views import as_text

#: Lines of a table that are shown; CSV and JSON hold all.
_MOST_LINES = 300

_NOTHING = '<span class="none">–</span>'


def report_page(report: AfterActionReport) -> str:
    """Return a whole HTML document."""
    title = f"After-action report: {_title(report)}"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{as_text(title)}</title><style>{STYLE}</style></head><body><main>"
        f'<header><h1>{as_text(_title(report))}</h1><p class="sub">{_subtitle(report)}</p></header>'
        f"{_tiles(report)}{_body(report, is_whole=True)}"
        f"<footer>{_footer(report)}</footer></main></body></html>\n"
    )


def report_fragment(report: AfterActionReport) -> str:
    """Return what a notebook shows: the same, with the long lists closed."""
    return (
        f'<div class="tex2jax_ignore mathjax_ignore"><h3>{as_text(_title(report))}</h3>'
        f"<p>{_subtitle(report)}</p>{_tiles(report)}{_body(report, is_whole=False)}</div>"
    )


def _title(report: AfterActionReport) -> str:
    scenario = report.scenario.scenario
    if scenario is not None:
        return scenario.title
    return report.scenario.name or "A SNEWS drill"


def _subtitle(report: AfterActionReport) -> str:
    if report.first_ns is None or report.last_ns is None:
        return "Nothing was received: the archive is empty, or nothing in it is of that time."
    return f"{moment(report.first_ns)} to {moment(report.last_ns)} UTC, by the server's clock"


def _tiles(report: AfterActionReport) -> str:
    heard = sum(row.was_heard for row in report.detectors)
    scenario = report.scenario.scenario
    silent = (
        sum(not row.was_heard and row.detector in scenario.detectors for row in report.detectors)
        if scenario
        else 0
    )
    largest = max((len(alert.detector_names) for alert in report.alerts), default=0)
    latency = report.alert_latency_ms
    wrong = sum(problem.count for problem in report.problems)
    tiles = [
        (f"{heard}", "detectors heard", f"{silent} of the scenario silent" if silent else ""),
        (f"{len(report.alerts)}", "alerts", f"largest: {largest} detectors" if largest else ""),
        (
            milliseconds(latency.p50) if latency else "–",
            "alert latency, median",
            f"p95 {milliseconds(latency.p95)}, longest {milliseconds(latency.maximum)}" if latency else "",
        ),
        (f"{wrong}", "records not accepted", "refused or unreadable" if wrong else ""),
    ]
    if report.separation_deg is not None and report.scenario.scenario and report.scenario.scenario.star:
        name = report.scenario.scenario.star.name
        tiles.append((f"{report.separation_deg:.2f}°", f"from {name}", "best fit of the map"))
    cells = "".join(
        f'<div class="tile"><b>{as_text(value)}</b> <span>{as_text(what)}</span> <small>{as_text(more)}</small></div>'
        for value, what, more in tiles
    )
    return f'<div class="tiles">{cells}</div>'


def _body(report: AfterActionReport, *, is_whole: bool) -> str:
    parts = [
        _section("Detectors", _detector_table(report), is_open=True),
        _section("What to look at", _problem_list(report), is_open=True),
    ]
    if report.is_empty:
        return "".join(parts[:1] if report.detectors else [])
    parts += [
        _section("The drill over time", drill_svg(report), is_open=True),
        _section("Where it pointed", _map(report), is_open=True),
        _section(f"Alerts ({len(report.alerts)})", _alert_table(report.alerts), is_open=is_whole),
        _section(f"Timeline ({len(report.timeline)} entries)", _timeline_table(report), is_open=is_whole),
    ]
    if is_whole:
        parts.append(_section("How to read it", DEFINITIONS, is_open=True))
    return "".join(parts)


def _section(title: str, content: str, *, is_open: bool) -> str:
    if is_open:
        return f"<section><h2>{as_text(title)}</h2>{content}</section>"
    return f"<details><summary>{as_text(title)}</summary>{content}</details>"


def _detector_table(report: AfterActionReport) -> str:
    if not report.detectors:
        return "<p>No detector was heard.</p>"
    groups = (
        '<tr><th rowspan="2" class="text">Detector</th><th rowspan="2" class="text">Played by</th>'
        '<th rowspan="2">Connection<br>tested</th><th colspan="4">Heartbeats</th><th colspan="4">Observation</th>'
        '<th colspan="2">Alerts</th><th rowspan="2">Retracted</th><th rowspan="2">To look at</th></tr>'
        "<tr><th>count</th><th>ON</th><th>every<br>s</th><th>latency p50 / p95<br>ms</th>"
        "<th>sent</th><th>received<br>after ms</th><th>p-value</th><th>off scenario<br>ms</th>"
        "<th>in</th><th>first after<br>ms</th></tr>"
    )
    rows = "".join(_detector_row(row) for row in report.detectors)
    return f'<div class="wide"><table class="detectors"><thead>{groups}</thead><tbody>{rows}</tbody></table></div>'


def _detector_row(row: DetectorReport) -> str:
    far = (
        " far"
        if any("scenario's" in p.text and p.kind == "remark" for p in row.problems) and row.offset_ms
        else ""
    )
    latency = (
        f"{plain(row.heartbeat_latency_p50_ms)} / {plain(row.heartbeat_latency_p95_ms)}"
        if row.heartbeat_latency_p50_ms is not None
        else _NOTHING
    )
    after = plain(row.alert_latency_ms)
    cells = [
        ("text", f"<b>{as_text(row.detector)}</b>"),
        ("text", as_text(row.played_by) or _NOTHING),
        (
            "",
            short_clock(row.connection_tested_ns) or ("" if row.is_played else '<span class="bad">no</span>'),
        ),
        ("", number(row.heartbeats)),
        ("", f"{row.on_share:.0%}" if row.on_share is not None else _NOTHING),
        ("", plain(row.heartbeat_interval_sec)),
        ("", latency),
        ("", clock(row.sent_ns) + (f" <small>×{row.observations}</small>" if row.observations > 1 else "")),
        ("", plain(row.observation_latency_ms)),
        ("", "" if row.p_val is None else f"{row.p_val:g}"),
        (far, signed(row.offset_ms)),
        ("", number(row.alerts)),
        ("", after + (" <small>waited</small>" if after and not row.caused_alert else "")),
        ("", short_clock(row.retracted_ns)),
        ("", f'<span class="{_severity(row.problems)}">{len(row.problems)}</span>' if row.problems else "0"),
    ]
    shown = "".join(f'<td class="{kind.strip()}">{value or _NOTHING}</td>' for kind, value in cells)
    return f'<tr class="{"" if row.was_heard else "silent"}">{shown}</tr>'


def _severity(problems: Sequence[ReportedProblem]) -> str:
    return "bad" if any(p.kind in ("refused", "unreadable") for p in problems) else "warn"


def _problem_list(report: AfterActionReport) -> str:
    found = gathered(report)
    if not found:
        return "<p>Nothing: every record was accepted, and every detector did its part.</p>"
    rows = "".join(_problem_row(who, problem) for who, problem in found[:_MOST_LINES])
    return f'<table class="problems"><tbody>{rows}</tbody></table>{_left_out(found, "p")}'


def _problem_row(who: str, problem: ReportedProblem) -> str:
    is_bad = problem.kind in ("refused", "unreadable")
    times = f" <small>{problem.count:,} times</small>" if problem.count > 1 else ""
    since = f"<small>{clock(problem.first_ns)}</small>" if problem.first_ns is not None else ""
    return (
        f'<tr><td class="mark {"bad" if is_bad else "warn"}">▲</td><th scope="row" class="text">{as_text(who, 400)}</th>'
        f'<td class="text">{as_text(problem.text, 600)}{times}</td><td>{since}</td></tr>'
    )


def _left_out(lines: Sequence[object], element: str) -> str:
    left = len(lines) - _MOST_LINES
    return f"<{element}>… and {left:,} more, in the JSON file.</{element}>" if left > 0 else ""


def _map(report: AfterActionReport) -> str:
    found, alert = report.localization, report.map_alert
    if found is None or alert is None:
        return f"<p>{as_text(report.map_remark, 600)}</p>"
    star = report.scenario.scenario.star if report.scenario.scenario is not None else None
    picture = found.to_svg(None if star is None else (star.ra_deg, star.dec_deg, star.name))
    lines = found.summary.splitlines()
    if star is not None:
        lines.append(
            f"{star.name} is {found.separation_deg(star.ra_deg, star.dec_deg):.2f}° from the best fit."
        )
    text = "".join(f"<p>{as_text(line, 600)}</p>" for line in lines)
    return (
        f"<figure>{picture}<figcaption>Made from the alert {as_text(alert.id)}.</figcaption></figure>{text}"
    )


def _alert_table(alerts: Sequence[ReportedAlert]) -> str:
    rows = (
        (
            clock(alert.decided_ns),
            as_text(alert.alert_type, 40),
            number(len(alert.detector_names)),
            as_text(alert.cause, 40),
            milliseconds(alert.latency_ms)
            or ("" if alert.acknowledged_ns else '<span class="bad">not sent</span>'),
            f'<span class="names">{as_text(", ".join(alert.detector_names), 400)}</span>',
        )
        for alert in alerts[:_MOST_LINES]
    )
    heads = ("Decided (UTC)", "Type", "Detectors", "Caused by", "Latency", "Who")
    return _table(heads, rows, left={0, 1, 3, 5}) + _left_out(alerts, "p")


def _timeline_table(report: AfterActionReport) -> str:
    rows = (
        (clock(time_ns), as_text(what, 40), as_text(who, 60), as_text(text, 600))
        for time_ns, what, who, text in report.timeline[:_MOST_LINES]
    )
    return _table(("UTC", "What", "Who", ""), rows, left={0, 1, 2, 3}) + _left_out(report.timeline, "p")


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, left: set[int]) -> str:
    def cells(values: Sequence[str], element: str) -> str:
        kinds = (' class="text"' if place in left else "" for place in range(len(values)))
        return "".join(
            f"<{element}{kind}>{value or _NOTHING}</{element}>"
            for kind, value in zip(kinds, values, strict=True)
        )

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return f'<table class="events"><thead><tr>{cells(heads, "th")}</tr></thead><tbody>{body}</tbody></table>'


def _footer(report: AfterActionReport) -> str:
    return (
        f"Made {moment(report.made_ns)} UTC by snews_drill from the archive {as_text(report.archive, 200)}. "
        "It tells what every detector did and quotes what was received: pass it on to those who took part, not further."
    )
