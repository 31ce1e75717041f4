"""The report as an object: its map, its files, its words."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from snews_drill.drill.after_action import AfterActionReport, ReportedAlert
from snews_drill.errors import UnwritableFile

NAMES = ("JUNO", "Super-K", "XENONnT", "IceCube")


def alert(
    names: tuple[str, ...], kind: str = "COINC_MSG", group: int = 0, spread_ms: float = 1.0
) -> ReportedAlert:
    times = tuple(1_773_500_000_000_000_000 + round(place * spread_ms * 1e6) for place in range(len(names)))
    return ReportedAlert(f"{kind} {len(names)}", kind, "alerts", names, times, group, 1, 2)


def report(*alerts: ReportedAlert) -> AfterActionReport:
    return AfterActionReport("a/archive.sqlite3", 0, alerts=alerts)


def test_the_map_is_of_the_last_alert_of_three() -> None:
    three, four = alert(NAMES[:3]), alert(NAMES)
    assert report(three, four).map_alert is four
    assert report(four, alert(NAMES[:3], "RETRACTION")).map_alert.alert_type == "RETRACTION"  # type: ignore[union-attr]
    assert report(alert(NAMES[:2])).map_alert is None


def test_a_group_that_was_given_up_is_shown_as_it_was() -> None:
    """When everybody retracts in the end, the map is that of the drill, not of the last three."""
    four = alert(NAMES)
    leaving = [alert(NAMES[:count], "RETRACTION") for count in (3, 2, 1)]
    assert report(alert(NAMES[:3]), four, *leaving).map_alert is four
    other = alert(NAMES[:3], group=1)
    assert report(four, *leaving, other).map_alert is other


def test_times_that_point_nowhere_are_told_instead_of_a_map() -> None:
    impossible = report(alert(NAMES, spread_ms=500.0))
    assert impossible.localization is None
    assert "light crosses the Earth" in impossible.map_remark
    unknown = report(alert(("JUNO", "Super-K", "Nowhere")))
    assert unknown.localization is None
    assert "Nowhere" in unknown.map_remark


def test_files_are_private_and_replace_what_was_there(example: AfterActionReport, tmp_path: Path) -> None:
    for write in (example.to_html, example.to_csv, example.to_json):
        path = tmp_path / "file"
        path.write_text("old")
        path.chmod(0o644)
        assert write(path) == path
        assert path.stat().st_mode & 0o777 == 0o600
        assert "old" not in path.read_text()[:10]
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_is_not_there_is_told(example: AfterActionReport, tmp_path: Path) -> None:
    with pytest.raises(UnwritableFile, match="cannot be written"):
        example.to_csv(tmp_path / "none" / "file.csv")


def test_it_says_what_it_is(example: AfterActionReport) -> None:
    assert repr(example) == (
        "AfterActionReport(betelgeuse: 18 detectors heard, 19 alerts, 4 problems with records)"
    )
    latency = example.alert_latency_ms
    assert latency is not None
    assert latency.count == 19
    assert latency.p50 <= latency.p95 <= latency.maximum
    assert dataclasses.replace(example, alerts=()).alert_latency_ms is None
