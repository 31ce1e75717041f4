"""Write `real/`: message models pickled by the package they come from.

Run by hand where snews-data-formats 1.1.1 is installed (it needs numpy < 2, so not where snews_drill is):

    python -m venv formats && formats/bin/pip install snews-data-formats==1.1.1
    formats/bin/python tests/data/wire/pickles/make_real.py

Every model is written in the protocols 2 to 5; `expected.json` holds what its own `model_dump` says. Values
that differ from run to run are fixed.
"""

from __future__ import annotations

import json
import pickle
from pathlib import Path

from snews.models import messages

HERE = Path(__file__).parent
COMMON = {
    "detector_name": "XENONnT",
    "machine_time_utc": "2023-02-07T12:00:00.026127",
    "sent_time_utc": "2023-02-07T12:00:01.000000001",
    "is_test": True,
    "is_firedrill": True,
    "meta": {"analysis": "naïve ν", "nested": {"list": [1, 2.5, None, True, "x", 12345678901234567890]}},
}
CASES = {
    "heartbeat": (messages.HeartbeatMessage, {"detector_status": "ON"}),
    "heartbeat_bare": (messages.HeartbeatMessage, {"detector_status": "OFF"}),
    "retraction_latest": (
        messages.RetractionMessage,
        {"retract_latest_n": 2, "retraction_reason": "a mistake"},
    ),
    "retraction_uuid": (
        messages.RetractionMessage,
        {"retract_message_uuid": "0b0e4e8e-6d5b-4a3e-8a6e-0d6a5a4f3c2b", "is_pre_sn": True},
    ),
    "coincidence": (
        messages.CoincidenceTierMessage,
        {"neutrino_time_utc": "2023-02-07T12:00:00.026127001", "p_val": 0.05},
    ),
    "coincidence_bare": (messages.CoincidenceTierMessage, {"neutrino_time_utc": "2023-02-07"}),
    "significance": (messages.SignificanceTierMessage, {"p_values": [0, 0.25, 1], "t_bin_width_sec": 0.5}),
    "timing": (
        messages.TimingTierMessage,
        {
            "neutrino_time_utc": "2023-02-07T12:00:00.026127",
            "start_time_utc": "2023-02-07T12:00:00",
            "timing_series": [26127000, 26128001, 3000000000, 10**15],
            "background_rate_Hz": 0.1,
            "detection_channel": "Electron Antineutrino",
            "p_val": 0.01,
        },
    ),
    "timing_binned": (
        messages.TimingTierMessage,
        {
            "neutrino_time_utc": "2023-02-07T12:00:00.026127",
            "start_time_utc": "2023-02-07T12:00:00",
            "timing_series": [0, 3, 300] * 400,
            "time_bin_width_ns": 1000000,
        },
    ),
}


def main() -> None:
    """Write the pickles and what they say."""
    expected = {}
    for number, (name, (model, fields)) in enumerate(CASES.items()):
        common = {"detector_name": "JUNO", "is_test": True} if name.endswith("_bare") else COMMON
        message = model(uuid=f"00000000-0000-4000-8000-{number:012d}", **common, **fields)
        expected[name] = {"class": model.__name__, "fields": message.model_dump(mode="json")}
        for protocol in (2, 3, 4, 5):
            (HERE / "real" / f"{name}.protocol{protocol}.pickle").write_bytes(pickle.dumps(message, protocol))
    text = json.dumps(expected, indent=1, ensure_ascii=False)
    (HERE / "real" / "expected.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
