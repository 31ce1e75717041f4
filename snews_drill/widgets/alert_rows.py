"""Received alerts as the rows of the live table, and as the text that is shown of one. Pure: no widgets."""

from __future__ import annotations

from typing import Any

from snews_drill.inbox import Phase, ReceivedAlert, SubscriberState
from snews_drill.messages.alert_html import AS_TEXT, alert_to_html, type_in_words
from snews_drill.messages.times import iso_micro
from snews_drill.messages.visible import visible, visible_json
from snews_drill.widgets.look import Kind, escaped

#: The table's columns: headline, and whether its cells are numbers (set to the right).
COLUMNS: tuple[tuple[str, bool], ...] = (
    ("No.", True),
    ("Received (UTC)", False),
    ("Type", False),
    ("Detectors", False),
    ("First neutrino (UTC)", False),
    ("Latency", True),
    ("p-value", True),
)

#: Names that are shown in a row, and the characters of each; the rest is in the details.
_MAX_NAMES = 20
_LONGEST_NAME = 40

#: Characters of JSON that are shown; an alert of the protocol's own kind has less than three thousand.
_LONGEST_JSON = 100_000

_TONES = {"COINC_MSG": "new", "COINC_MSG_STAGGERED": "new", "UPDATE": "update", "RETRACTION": "retraction"}

#: Milliseconds -> unit, for durations that are longer than ten seconds.
_UNITS = ((86_400_000.0, "d"), (3_600_000.0, "h"), (60_000.0, "min"), (1_000.0, "s"))


def alert_to_row(entry: ReceivedAlert) -> dict[str, Any]:
    """Return an alert as a row of the table.

    Returns
    -------
    dict
        `number`: of its arrival; `tone`: how to colour it ("new", "update", "retraction", "other"); `is_test`;
        `cells`: what each column shows; `keys`: what each column is sorted by, null for nothing.
    """
    alert = entry.alert
    first_ns = min(alert.neutrino_times_ns, default=None)
    latency_ms = None if alert.sent_time_ns is None else (entry.received_time_ns - alert.sent_time_ns) / 1e6
    names = _names(alert.detector_names)
    words = type_in_words(alert)
    neutrino = "–" if first_ns is None else _time_text(first_ns)
    p_value = alert.p_values_average
    received = _time_text(entry.received_time_ns - entry.received_time_ns % 1_000_000_000)
    return {
        "number": entry.number,
        "tone": _TONES.get(alert.kind or "", "other"),
        "is_test": alert.is_test,
        "cells": [
            str(entry.number),
            received,
            words,
            f"{len(alert.detector_names)}: {names}",
            neutrino,
            "–" if latency_ms is None else duration_text(latency_ms),
            "–" if p_value is None else f"{p_value:.3g}",
        ],
        "keys": [
            entry.number,
            entry.number,
            words,
            len(alert.detector_names),
            None if first_ns is None else neutrino,
            latency_ms,
            p_value,
        ],
    }


def alert_details(entry: ReceivedAlert) -> str:
    """Return everything about an alert as escaped HTML: its facts, and its JSON as it travelled."""
    arrival = f"Received (UTC): {_time_text(entry.received_time_ns)}, {entry.size_bytes:,} bytes"
    saved = f", saved as {entry.file}" if entry.file is not None else ""
    content = escaped(visible_json(entry.alert.to_dict(), _LONGEST_JSON))
    return (
        f'<div class="sd-details {AS_TEXT}"><div><b>No. {entry.number}</b>{alert_to_html(entry.alert)}'
        f"<div>{escaped(visible(arrival + saved, 400))}</div></div>"
        f'<div><b>JSON</b><pre class="{AS_TEXT}">{content}</pre></div></div>'
    )


def duration_text(milliseconds: float) -> str:
    """Return a duration for people.

    Examples
    --------
    >>> duration_text(132.4), duration_text(12_345.0), duration_text(-0.6)
    ('132 ms', '12.3 s', '−1 ms')
    """
    sign = "−" if milliseconds <= -0.5 else ""
    size = abs(milliseconds)
    if size < 10_000:
        return f"{sign}{size:.0f} ms"
    for length, unit in _UNITS:
        if size >= length:
            return f"{sign}{size / length:.1f} {unit}"
    raise AssertionError("every duration above ten seconds has a unit")


def state_text(state: SubscriberState, url: str) -> tuple[Kind, str, str]:
    """Return how a subscriber is: the kind of news, one word, and what else is to be said.

    Parameters
    ----------
    state
        The subscriber's state.
    url
        What it listens to, "" if nothing.
    """
    since = _time_text(state.since_ns)[11:19]
    reason = visible(state.last_error, 300)
    if state.phase is Phase.LISTENING:
        return "ok", "listening", url
    if state.phase is Phase.CONNECTING:
        return "info", "connecting", f"to {url}{f': {reason}' if reason else ''}"
    if state.phase is Phase.RECONNECTING:
        return (
            "warning",
            "reconnecting",
            f"since {since} UTC: {reason} It goes on by itself once the broker answers.",
        )
    if state.phase is Phase.FAILED:
        step = visible(state.error.next_step, 300) if state.error is not None else "Press Start to try again."
        return (
            "error",
            "failed",
            f"{visible(state.error.reason if state.error else reason, 300)} Next step: {step}",
        )
    return "quiet", "stopped", "Press Start to listen." if not url else f"It was listening to {url}"


def counters_text(state: SubscriberState, max_rows: int) -> str:
    """Return the counters as a line; those that are nothing to worry about stay unsaid while they are zero.

    Parameters
    ----------
    state
        The subscriber's state.
    max_rows
        The most rows in the table.
    """
    parts = [f"{state.shown:,} alert{'' if state.shown == 1 else 's'}"]
    if state.shown > max_rows:
        parts.append(f"the newest {max_rows:,} below, all in memory in to_dataframe()")
    counted = {
        "came twice": state.duplicates,
        "unreadable": state.unreadable,
        "dropped from memory": state.dropped,
        "not saved": state.unsaved,
        "callback failures": state.callback_failures,
        "plug-in failures": state.plugin_failures,
    }
    parts += [f"{count:,} {what}" for what, count in counted.items() if count]
    return " · ".join(parts)


def _names(names: tuple[str, ...]) -> str:
    shown = ", ".join(visible(name, _LONGEST_NAME) for name in names[:_MAX_NAMES])
    return f"{shown}, …" if len(names) > _MAX_NAMES else shown


def _time_text(time_ns: int) -> str:
    return iso_micro(time_ns).replace("T", " ")
