"""Their pickled models and ours: (d)."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from interop.conftest import Stage
from interop.peers import CLIENT_3
from snews_drill.publisher import SNEWSTiersPublisher
from snews_drill.wire.pickle_reader import read_model_pickle
from snews_drill.wire.pickle_writer import write_model_pickle

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120, func_only=True)]

Moment = Callable[[float], str]
Note = Callable[[str, str, str], None]

_COMMON = {
    "detector_name": "XENONnT",
    "meta": {"run": 7, "notes": ["a", None, 0.5], "ü": True},
    "is_firedrill": True,
}


def _models(moment: Moment) -> list[tuple[str, dict[str, Any]]]:
    times = {"neutrino_time_utc": moment(0), "machine_time_utc": moment(1)}
    series = {**times, "start_time_utc": moment(0), "timing_series": [0, 12, 5_000_000_000]}
    return [
        ("HeartbeatMessage", {"detector_status": "OFF", "machine_time_utc": moment(0)}),
        ("RetractionMessage", {"retract_latest_n": 2, "retraction_reason": "noise"}),
        ("RetractionMessage", {"retract_message_uuid": "7f5d5a3e-8c1b-4d0e-9f64-0a3c5a6f2b11"}),
        ("CoincidenceTierMessage", {**times, "p_val": 0.05}),
        ("CoincidenceTierMessage", {"neutrino_time_utc": moment(0), "is_test": True, "is_pre_sn": True}),
        ("SignificanceTierMessage", {"p_values": [0.4, 0.5, 1.0], "t_bin_width_sec": 0.8}),
        (
            "TimingTierMessage",
            {**series, "detection_channel": "Electron Antineutrino", "background_rate_Hz": 0.1},
        ),
        ("TimingTierMessage", {**series, "time_bin_width_ns": 1_000_000, "p_val": 0.3}),
    ]


def test_d_their_pickles_are_read_without_unpickling(stage: Stage, moment: Moment, note: Note) -> None:
    """The restricted reader gives what their own model_dump gives, field for field and in order."""
    asked = [(name, {**_COMMON, **fields}) for name, fields in _models(moment)]
    made = stage.troupe.run(CLIENT_3, "make_models", models=asked)["models"]
    assert len({model["class"] for model in made}) == 5
    for model in made:
        read = read_model_pickle(base64.b64decode(model["pickle"]))
        assert read.class_name == model["class"]
        assert read.fields == model["dump"]
        assert list(read.fields) == list(model["dump"])
    note(
        "d",
        "pickles of snews-data-formats 1.1.1 read here",
        f"{len(made)} of {len(made)}, five kinds, equal to model_dump",
    )


def test_d_our_pickles_are_loaded_by_their_models(stage: Stage, moment: Moment, note: Note) -> None:
    """What we write without the formats package is a valid model for it, equal to what we meant."""
    connection = stage.connect("3")
    arguments: list[dict[str, Any]] = [
        {"detector_status": "ON"},
        {"retract_latest": 1, "retraction_reason": "noise"},
        {"neutrino_time": moment(0), "p_val": 0.05, "run": 7},
        {"p_values": [0.4, 0.5], "t_bin_width": 0.8},
        {"neutrino_time": moment(0), "timing_series": [moment(0), moment(0.001)]},
    ]
    ours: list[dict[str, Any]] = []
    for keywords in arguments:
        publisher = SNEWSTiersPublisher(
            detector_name="XENONnT", connection=connection, verbose=False, **keywords
        )
        assert publisher.problems == []
        ours += publisher.messages
    pickles = [base64.b64encode(write_model_pickle(content)).decode() for content in ours]
    loaded = stage.troupe.run(CLIENT_3, "load_models", pickles=pickles)["models"]
    assert len({model["class"] for model in loaded}) == 5
    for content, model in zip(ours, loaded, strict=True):
        assert model["dump"] == content
        assert list(model["dump"]) == list(content)
        assert model["checked"] == content, "their own validation changes it"
    note(
        "d",
        "our pickles loaded by snews-data-formats 1.1.1",
        f"{len(loaded)} of {len(loaded)}, five kinds, equal and valid",
    )
