"""Alerts to a file in the user's folder: as JSON exactly, as CSV for spreadsheets. No file is ever overwritten."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, Literal

from snews_drill.errors import SettingsError
from snews_drill.inbox import ReceivedAlert
from snews_drill.messages.times import iso_nano
from snews_drill.messages.visible import visible

_CSV_COLUMNS = (
    "number",
    "received_time",
    "sent_time",
    "latency_ms",
    "alert_type",
    "detector_names",
    "neutrino_times",
    "p_values",
    "p_values_average",
    "false_alarm_probability",
    "sub_list_number",
    "server_tag",
    "id",
)


def save_alerts(
    entries: Sequence[ReceivedAlert], kind: Literal["csv", "json"], folder: Path, now: datetime | None = None
) -> Path:
    """Write alerts to a new file and return its path.

    Parameters
    ----------
    entries
        What to write.
    kind
        "json": a list of objects with `number`, `received_time` and `alert`, the alert as it travelled. "csv": a line
        each, where lists are separated by `;` and no text can be taken for a formula.
    folder
        Where.
    now
        The time for the name, `alerts_YYYYMMDDTHHMMSSZ.csv`; a number is added when there is such a file.

    Raises
    ------
    SettingsError
        If there is no such kind, or the folder cannot be written.
    """
    writers = {"csv": _as_csv, "json": _as_json}
    if kind not in writers:
        raise SettingsError(f"There is no kind {kind!r:.40} of file.", next_step='Use "csv" or "json".')
    text = writers[kind](entries)
    stem = f"alerts_{(now or datetime.now(UTC)):%Y%m%dT%H%M%SZ}"
    for number in count():
        path = folder / f"{stem}{f'_{number}' if number else ''}.{kind}"
        try:
            with path.open("x", encoding="utf-8", newline="") as file:
                file.write(text)
        except FileExistsError:
            continue
        except OSError as error:
            raise SettingsError(
                f"{path} cannot be written: {error.strerror}.",
                next_step="Make the folder writable, or give save() another folder.",
            ) from error
        return path
    raise AssertionError("unreachable")


def _as_json(entries: Sequence[ReceivedAlert]) -> str:
    objects = [
        {
            "number": entry.number,
            "received_time": iso_nano(entry.received_time_ns),
            "alert": entry.alert.to_dict(),
        }
        for entry in entries
    ]
    return json.dumps(objects, indent=1, allow_nan=False) + "\n"


def _as_csv(entries: Sequence[ReceivedAlert]) -> str:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(_CSV_COLUMNS)
    for entry in entries:
        writer.writerow([_cell(value) for value in _values(entry)])
    return file.getvalue()


def _values(entry: ReceivedAlert) -> tuple[Any, ...]:
    alert = entry.alert
    sent_ns = alert.sent_time_ns
    return (
        entry.number,
        iso_nano(entry.received_time_ns),
        None if sent_ns is None else iso_nano(sent_ns),
        None if sent_ns is None else (entry.received_time_ns - sent_ns) / 1e6,
        alert.alert_type,
        ";".join(alert.detector_names),
        ";".join(iso_nano(time_ns) for time_ns in alert.neutrino_times_ns),
        ";".join("" if value is None else repr(value) for value in alert.p_values),
        alert.p_values_average,
        alert.false_alarm_probability,
        alert.sub_list_number,
        alert.server_tag,
        alert.id,
    )


def _cell(value: Any) -> Any:
    """Return text that a spreadsheet or terminal only shows: spelled out, and never the beginning of a formula."""
    if not isinstance(value, str):
        return value
    text = visible(value, 1_000_000)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
