"""Received alerts as a pandas table."""

from __future__ import annotations

from pathlib import Path

import pandas
from alert_samples import make_alert

from snews_drill.alert_table import alerts_to_dataframe
from snews_drill.inbox import ReceivedAlert

NOW_NS = 1_700_000_000_123_456_789


def _entry(number: int, **changes: object) -> ReceivedAlert:
    alert = make_alert(number).model_copy(update={"sent_time_ns": NOW_NS - 2_500_000, **changes})
    return ReceivedAlert(number, alert, NOW_NS, 100, Path("/a/0.json") if number == 1 else None)


def test_types_do_not_depend_on_what_there_is() -> None:
    """An empty table, a full one, and one of nothing but gaps have the same columns of the same types."""
    empty = alerts_to_dataframe([])
    full = alerts_to_dataframe([_entry(1), _entry(2)])
    gaps = {"sent_time_ns": None, "p_values_average": None, "sub_list_number": None}
    holes = alerts_to_dataframe([_entry(1, detector_names=(), neutrino_times_ns=(), p_values=(), **gaps)])
    assert len(empty) == 0
    assert list(empty.dtypes.items()) == list(full.dtypes.items()) == list(holes.dtypes.items())
    assert str(full["received_time"].dtype) == "datetime64[ns, UTC]"
    assert holes["sent_time"].isna().all()
    assert holes["latency_ms"].isna().all()
    assert holes["first_neutrino_time"].isna().all()
    assert holes["sub_list_number"].isna().all()
    assert list(holes["detector_names"]) == [()]


def test_values_are_those_of_the_alert() -> None:
    """Every nanosecond survives; latency is received minus sent; detectors stay a tuple in each cell."""
    entries = [_entry(1), _entry(2, neutrino_times_ns=(NOW_NS + 1, NOW_NS))]
    table = alerts_to_dataframe(entries)
    assert list(table.index) == [1, 2]
    assert table.index.name == "number"
    first, second = table.iloc[0], table.iloc[1]
    assert first["received_time"] == pandas.Timestamp(NOW_NS, tz="UTC")
    assert first["received_time"].value == NOW_NS
    assert first["latency_ms"] == 2.5
    assert first["detector_names"] == ("JUNO", "XENONnT")
    assert first["detector_count"] == 2
    assert first["id"] == entries[0].alert.id
    assert first["file"] == str(Path("/a/0.json"))
    assert second["file"] is pandas.NA
    assert second["first_neutrino_time"].value == NOW_NS
    assert second["neutrino_times_ns"] == (NOW_NS + 1, NOW_NS)


def test_times_beyond_what_pandas_knows_are_no_times() -> None:
    """Year 9999 is a valid time on the wire: NaT in the table, whole in the tuple, and no overflow."""
    far_ns = 253_402_300_799 * 10**9
    table = alerts_to_dataframe([_entry(1, sent_time_ns=far_ns, neutrino_times_ns=(far_ns, far_ns))])
    assert table["sent_time"].isna().all()
    assert table["first_neutrino_time"].isna().all()
    assert table["neutrino_times_ns"].iloc[0] == (far_ns, far_ns)
