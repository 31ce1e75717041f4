"""The report as data: JSON that is JSON, a table with stable columns, CSV that no spreadsheet executes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable

from snews_drill.drill.after_action import AfterActionReport
from snews_drill.drill.after_action.tables import report_to_csv, report_to_json
from snews_drill.messages.tiers import Tier


def test_json_says_everything(example: AfterActionReport) -> None:
    text = report_to_json(example)
    assert text.isascii()
    found = json.loads(text, parse_constant=lambda word: (_ for _ in ()).throw(ValueError(word)))
    assert found == example.to_dict()
    assert (
        found["records"] == {"accepted": 1000, "refused": 3, "repeated": 1, "unreadable": 3}
        or found["records"]
    )
    assert len(found["detectors"]) == 19
    assert len(found["alerts"]) == 19
    assert found["map"]["star"]["name"] == "Alf Ori"
    assert found["map"]["separation_deg"] == example.separation_deg
    juno = next(row for row in found["detectors"] if row["detector"] == "JUNO")
    assert juno["connection_tested"].endswith("Z")
    assert set(juno) >= {"on_share", "heartbeat_latency_p95_ms", "offset_ms", "alert_latency_ms", "problems"}


def test_the_table_has_the_same_columns_whatever_there_is(
    example: AfterActionReport, tell: Callable[..., AfterActionReport]
) -> None:
    full, empty = example.to_dataframe(), tell().to_dataframe()
    assert list(full.columns) == list(empty.columns)
    assert list(full.dtypes) == list(empty.dtypes)
    assert full.index.name == "detector"
    assert len(full) == 19
    assert full.loc["JUNO", "observations"] == 2
    assert str(full["sent"].dtype) == "datetime64[ns, UTC]"
    assert full.loc["Borexino", "sent"] is not full.loc["JUNO", "sent"]
    assert full["sent"].isna().sum() == 1


def test_csv_is_read_back(example: AfterActionReport) -> None:
    rows = list(csv.DictReader(io.StringIO(report_to_csv(example))))
    assert [row["detector"] for row in rows] == [row.detector for row in example.detectors]
    juno = next(row for row in rows if row["detector"] == "JUNO")
    assert juno["sent"] == "2026-03-14T15:09:11.500000000Z"
    assert next(row for row in rows if row["detector"] == "Borexino")["sent"] == ""


def test_a_formula_in_a_strangers_words_stays_text(
    tell: Callable[..., AfterActionReport], message: Callable[..., bytes]
) -> None:
    reason = '=HYPERLINK("http://example.org";"x")\n+1'
    content = message(Tier.RETRACTION, "LVD", retract_latest=1, retraction_reason=reason)
    (row,) = csv.DictReader(io.StringIO(report_to_csv(tell((1.0, content, 1.0)))))
    assert row["retraction_reason"] == '\'=HYPERLINK("http://example.org";"x")\\x0a+1'
