"""`snews-drill localize` as users type it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from alert_samples import make_alert

from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.archive_rows import Outgoing
from snews_drill.sky import arrival_times_ns
from snews_drill.wire.dialects import get_dialect
from snews_drill.wire.json_text import dump_json

Invoke = Callable[..., "object"]
NETWORK = ("JUNO", "XENONnT", "IceCube", "SNO+")
NS = 1_675_771_200 * 10**9
STAR = "88.79292,7.40706,Alf Ori"


def content(names: tuple[str, ...] = NETWORK) -> bytes:
    times = arrival_times_ns(88.79292, 7.40706, NS, names)
    alert = make_alert(1, names).model_copy(update={"neutrino_times_ns": tuple(times.values())})
    return dump_json(get_dialect("1.3").alert_to_object(alert))


@pytest.fixture
def alert_file(tmp_path: Path) -> str:
    path = tmp_path / "0-SNEWS_ALERT_2026-11-27.json"
    path.write_bytes(content())
    return str(path)


@pytest.fixture
def archive_file(tmp_path: Path) -> str:
    with Archive(tmp_path / "copy" / "archive.sqlite3") as archive, archive.transaction():
        for number, names in enumerate((NETWORK[:3], NETWORK, NETWORK[:1])):
            archive.queue(Outgoing("alerts", "alert", str(number), content(names), "json", NS + number))
    return str(archive.path)


def test_a_saved_alert_is_located(invoke: Invoke, alert_file: str) -> None:
    shown = invoke("localize", alert_file, "--star", STAR)
    assert shown.code == 0
    assert "Alf Ori is 0.00° from the nearest place that fits, inside the 90 % region." in shown.out
    assert "IceCube" in shown.out
    found = invoke("localize", alert_file, "--star", STAR, "--json").json
    assert found["ok"] is True
    assert found["separation_deg"] == pytest.approx(0.0, abs=0.01)
    assert found["detector_names"] == list(NETWORK)
    assert len(found["places"]) == 1
    assert found["ring"] is None


def test_the_latest_alert_of_an_archive_is_located(invoke: Invoke, archive_file: str) -> None:
    """The newest one of two detectors or more; one that says that only one is left points nowhere."""
    found = invoke("localize", "latest", "--archive", archive_file, "--json").json
    assert found["detector_names"] == list(NETWORK)
    assert invoke("localize", "--archive", archive_file, "--json").json == found


def test_map_picture_and_notice_are_written(invoke: Invoke, alert_file: str, tmp_path: Path) -> None:
    from astropy.io import fits

    picture, table, notice = tmp_path / "sky.svg", tmp_path / "sky.fits", tmp_path / "notice.json"
    shown = invoke(
        "localize",
        alert_file,
        "--plot",
        str(picture),
        "--horizon",
        "JUNO",
        "--fits",
        str(table),
        "--gcn",
        str(notice),
    )
    assert shown.code == 0, shown.err
    assert shown.err.count("Written: ") == 3
    assert "<svg" in picture.read_text()[:1000]
    with fits.open(table) as opened:
        assert opened[1].header["NSIDE"] == 64
    said = json.loads(notice.read_text())
    assert said["alert_tense"] == "test"
    assert list(said["detector_status"]) == list(NETWORK)


def test_times_are_enough_but_make_no_notice(invoke: Invoke, tmp_path: Path) -> None:
    path = tmp_path / "times.json"
    path.write_text('{"JUNO": "2023-02-07T12:00:00", "sk": "2023-02-07T12:00:00.001"}')
    found = invoke("localize", str(path), "--sigma-ms", "2", "--sigma-ms", "SK=0.5", "--json").json
    assert found["sigmas_ms"] == {"JUNO": 2.0, "Super-K": 0.5}
    assert "one line" in found["summary"][1] or "disc" in found["summary"][1]
    refused = invoke("localize", str(path), "--gcn", str(tmp_path / "n.json"), "--json")
    assert refused.json["error"]["reason"] == "Times alone make no notice."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"JUNO": "2023-02-07T12:00:00"}', "only JUNO"),
        ('{"LVD": 1675771200000000000, "XENONnT": 1675771200000000000}', "same site"),
        ('{"LVD": "2023-02-07T12:00:00", "JUNO": "2023-02-07T12:00:01"}', "light crosses the Earth"),
        ('{"LVD": "2023-02-07T12:00:00", "JUNO": "tomorrow"}', "no time"),
        ('{"LVD": "2023-02-07T12:00:00", "JUNX": "2023-02-07T12:00:00"}', "JUNX"),
        ('{"detector_names": ["LVD"], "id": "x"}', "holds no alert"),
        ("[1]", "object"),
        ("not JSON", "JSON"),
        ("{}", "no detector"),
    ],
)
def test_what_cannot_be_known_is_said(invoke: Invoke, tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "times.json"
    path.write_text(text)
    found = invoke("localize", str(path), "--json")
    assert found.code == 1
    assert said in found.json["error"]["reason"]
    assert found.json["error"]["next_step"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--star", "Alf Ori"), "no RA and DEC"),
        (("--star", "88,x"), "no RA and DEC"),
        (("--star", "88,100"), "no direction"),
        (("--sigma-ms", "fast"), "no timing error"),
        (("--sigma-ms", "0"), "makes no sense"),
        (("--sigma-ms", "LVD=1"), "not among the detectors"),
        (("--nside", "63"), "power of two"),
        (("--geometry", "flat"), "no geometry"),
        (("--plot", "sky.nothing"), "cannot be drawn"),
        (("--fits", "/nowhere/sky.fits"), "cannot be written"),
        (("--gcn", "/nowhere/notice.json"), "cannot be written"),
        (("--horizon", "nobody", "--plot", "sky.png"), "nobody"),
        (("--archive", "x"), "two sources"),
    ],
)
def test_choices_that_make_no_sense_are_told(
    invoke: Invoke,
    alert_file: str,
    words: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    found = invoke("localize", alert_file, *words, "--json")
    assert found.code == 1
    assert said in found.json["error"]["reason"]
    assert found.json["error"]["next_step"]


def test_without_any_alert_the_next_step_is_told(invoke: Invoke, tmp_path: Path) -> None:
    Archive(tmp_path / "empty" / "archive.sqlite3").close()
    found = invoke("localize", "--archive", str(tmp_path / "empty"), "--json")
    assert "no alert" in found.json["error"]["reason"]
    missing = invoke("localize", str(tmp_path / "missing.json"), "--json")
    assert missing.json["error"]["kind"] == "UnreadableFile"
