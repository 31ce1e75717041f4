"""An alert as HTML, for notebooks: escaped, without scripts, styles that follow the theme, or formulas."""

from __future__ import annotations

import html
from collections.abc import Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING

from snews_drill.messages.times import iso_micro
from snews_drill.messages.visible import visible

if TYPE_CHECKING:
    from snews_drill.messages.alert import Alert

#: Detectors with a line of their own; the tutorial's drill has nineteen.
MAX_LINES = 50

#: Characters of a name; whole it is in the alert itself.
_LONGEST_NAME = 48

#: Notebooks typeset what stands between dollar signs, unless an element says no.
AS_TEXT = "tex2jax_ignore mathjax_ignore"

#: Alert type -> the word that people read.
WORDS = {
    "COINC_MSG": "new",
    "COINC_MSG_STAGGERED": "new, overlapping",
    "UPDATE": "update",
    "RETRACTION": "retraction",
}


def type_in_words(alert: Alert) -> str:
    """Return what an alert is, in a word or two; the word on the wire if it is none of `AlertType`."""
    word = WORDS[alert.kind] if alert.kind is not None else visible(alert.alert_type, 30)
    return f"test: {word}" if alert.is_test and alert.kind is not None else word


def alert_to_html(alert: Alert) -> str:
    """Return an alert as HTML: a headline, its detectors in order of neutrino time, and the rest."""
    count = len(alert.detector_names)
    plural = "" if count == 1 else "s"
    facts = "".join(f"<div>{_text(name)}: {_text(value)}</div>" for name, value in _facts(alert))
    return (
        f'<div class="snews-drill-alert {AS_TEXT}">'
        f"<div><b>Alert: {_text(type_in_words(alert))}</b>, {count} detector{plural}</div>"
        f"{_detectors(alert)}{facts}</div>"
    )


def _detectors(alert: Alert) -> str:
    first_ns = min(alert.neutrino_times_ns, default=0)
    columns = (alert.detector_names, alert.neutrino_times_ns, alert.p_values)
    lines = list(zip_longest(*columns))[:MAX_LINES]
    body = "".join(
        _line(
            "td",
            (
                _text(name or "–", _LONGEST_NAME),
                _time(time_ns),
                _offset(time_ns, first_ns),
                "–" if p_value is None else format(p_value, ".4g"),
            ),
        )
        for name, time_ns, p_value in lines
    )
    left = len(alert.detector_names) - len(lines)
    more = f"<div>… and {left} more</div>" if left > 0 else ""
    head = _line("th", ("Detector", "Neutrino time (UTC)", "After the first", "p-value"))
    return f'<table class="sd-table"><thead>{head}</thead><tbody>{body}</tbody></table>{more}'


def _line(tag: str, cells: tuple[str, ...]) -> str:
    """Return a line of a table: names may be broken, numbers not; notebooks would set all to the right."""
    first, *others = cells
    rest = "".join(f'<{tag} style="text-align:left;white-space:nowrap">{cell}</{tag}>' for cell in others)
    return f'<tr><{tag} style="text-align:left;overflow-wrap:anywhere">{first}</{tag}>{rest}</tr>'


def _facts(alert: Alert) -> Iterator[tuple[str, str]]:
    if alert.p_values_average is not None:
        yield "Mean p-value", f"{alert.p_values_average:.4g}"
    if alert.false_alarm_probability:
        yield "False-alarm probability", alert.false_alarm_probability
    if alert.sent_time_ns is not None:
        server = f" by {visible(alert.server_tag, 60)}" if alert.server_tag else ""
        yield "Sent (UTC)", iso_micro(alert.sent_time_ns).replace("T", " ") + server
    yield "Id", alert.id


def _time(time_ns: int | None) -> str:
    return "–" if time_ns is None else iso_micro(time_ns).replace("T", " ")


def _offset(time_ns: int | None, first_ns: int) -> str:
    return "–" if time_ns is None else f"{(time_ns - first_ns) / 1e9:.6f} s"


def _text(text: str, longest: int = 120) -> str:
    return html.escape(visible(text, longest), quote=True)
