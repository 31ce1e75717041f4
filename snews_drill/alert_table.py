"""Received alerts as a pandas table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from snews_drill.inbox import ReceivedAlert

if TYPE_CHECKING:
    import pandas

#: pandas keeps ns since 1970 in 64 bits with the lowest value set aside for "no time".
_LARGEST_TIME_NS = 2**63 - 1

_TIME = "datetime64[ns, UTC]"


def _time(time_ns: int | None) -> int | None:
    return time_ns if time_ns is not None and abs(time_ns) <= _LARGEST_TIME_NS else None


def _latency_ms(entry: ReceivedAlert) -> float | None:
    sent = entry.alert.sent_time_ns
    return None if sent is None else (entry.received_time_ns - sent) / 1e6


#: Column -> (dtype, how to get it from an entry). The order is the order of the columns.
_COLUMNS: dict[str, tuple[str, Callable[[ReceivedAlert], Any]]] = {
    "received_time": (_TIME, lambda entry: _time(entry.received_time_ns)),
    "sent_time": (_TIME, lambda entry: _time(entry.alert.sent_time_ns)),
    "latency_ms": ("float64", _latency_ms),
    "alert_type": ("string", lambda entry: entry.alert.alert_type),
    "is_test": ("bool", lambda entry: entry.alert.is_test),
    "detector_count": ("int64", lambda entry: len(entry.alert.detector_names)),
    "detector_names": ("object", lambda entry: entry.alert.detector_names),
    "first_neutrino_time": (_TIME, lambda entry: _time(min(entry.alert.neutrino_times_ns, default=None))),
    "neutrino_times_ns": ("object", lambda entry: entry.alert.neutrino_times_ns),
    "p_values": ("object", lambda entry: entry.alert.p_values),
    "p_values_average": ("float64", lambda entry: entry.alert.p_values_average),
    "false_alarm_probability": ("string", lambda entry: entry.alert.false_alarm_probability),
    "sub_list_number": ("Int64", lambda entry: entry.alert.sub_list_number),
    "server_tag": ("string", lambda entry: entry.alert.server_tag),
    "id": ("string", lambda entry: entry.alert.id),
    "file": ("string", lambda entry: None if entry.file is None else str(entry.file)),
}


def alerts_to_dataframe(entries: Sequence[ReceivedAlert]) -> pandas.DataFrame:
    """Return one row per alert, indexed by the number of its arrival.

    Parameters
    ----------
    entries
        What a subscriber received.

    Returns
    -------
    pandas.DataFrame
        The same columns with the same types whatever there is, also when there is nothing:

        - `received_time`, `sent_time`, `first_neutrino_time`: UTC timestamps; NaT if unknown or beyond the
          year 2262;
        - `latency_ms`: received − sent, NaN if it is not known when the alert was sent;
        - `alert_type`, `is_test`, `server_tag`, `id`, `false_alarm_probability`: as sent;
        - `detector_count`, and as tuples `detector_names`, `neutrino_times_ns` (ns since 1970, UTC),
          `p_values`;
        - `p_values_average`, `sub_list_number`: NaN and NA where the server gave none;
        - `file`: where it was saved, NA if it was not.
    """
    import pandas

    columns = {
        name: _column([read(entry) for entry in entries], dtype) for name, (dtype, read) in _COLUMNS.items()
    }
    return pandas.DataFrame(
        columns, index=pandas.Index([entry.number for entry in entries], dtype="int64", name="number")
    )


def _column(values: list[Any], dtype: str) -> Any:
    import numpy
    import pandas

    if dtype == _TIME:
        # numpy's own "no time" keeps every nanosecond; a column with None in it would pass through floats.
        whole = numpy.array(
            [numpy.iinfo("int64").min if value is None else value for value in values], dtype="int64"
        )
        return pandas.DatetimeIndex(whole.view("datetime64[ns]"), tz="UTC").array
    if dtype == "object":
        cells = numpy.empty(len(values), dtype=object)
        for row, value in enumerate(values):  # assigned at once, tuples of one length would become a matrix
            cells[row] = value
        return cells
    make: Any = pandas.array if dtype in ("string", "Int64") else numpy.array
    return make(values, dtype=dtype)
