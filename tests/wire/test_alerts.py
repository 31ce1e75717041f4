"""Alerts of both eras, and hostile ones."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snews_drill.errors import UnreadableRecord
from snews_drill.messages.alert import AlertType
from snews_drill.messages.times import parse_utc_ns
from snews_drill.wire.alerts import MAX_DETECTORS, decode_alert
from snews_drill.wire.dialects import DIALECTS
from snews_drill.wire.fields import MAX_TEXT

TIMES = ["2026-11-22T21:16:36.962607000Z", "2026-11-22T21:16:36.988607000Z"]
#: As a server of version 3.0.1 writes it.
SEEN = {
    "id": "SNEWS_Coincidence_ALERT 2026-11-22T21:21:37.450410",
    "alert_type": "COINC_MSG",
    "server_tag": "vm",
    "False Alarm Prob": "(couldn't compute)",
    "detector_names": ["JUNO", "XENONnT"],
    "sent_time": "2026-11-22T21:21:37.450410",
    "p_values": [0.07, 0.05],
    "neutrino_times": TIMES,
    "p_values average": 0.06,
    "sub list number": 0,
}
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def encode(content: Any) -> bytes:
    return json.dumps(content).encode()


def changed(**changes: Any) -> bytes:
    return encode({**SEEN, **{key.replace("_0_", " "): value for key, value in changes.items()}})


def test_an_alert_of_version_3() -> None:
    """Every key is read, times in nanoseconds."""
    alert = decode_alert(encode(SEEN))
    assert alert.id == SEEN["id"]
    assert alert.kind is AlertType.COINC_MSG
    assert alert.server_tag == "vm"
    assert alert.false_alarm_probability == "(couldn't compute)"
    assert alert.detector_names == ("JUNO", "XENONnT")
    assert alert.p_values == (0.07, 0.05)
    assert alert.p_values_average == 0.06
    assert alert.sub_list_number == 0
    assert alert.neutrino_times_ns == tuple(parse_utc_ns(text) for text in TIMES)
    assert alert.sent_time_ns == parse_utc_ns(str(SEEN["sent_time"]))
    assert alert.to_dict() == SEEN


def test_an_alert_of_the_tutorials_era() -> None:
    """The same with `_id`; not-a-number as the average, which is no JSON, becomes null."""
    content = {"_id" if key == "id" else key: value for key, value in SEEN.items()} | {
        "p_values average": float("nan")
    }
    alert = decode_alert(encode(content))
    assert alert.id == SEEN["id"]
    assert alert.p_values_average is None
    assert alert.to_dict()["p_values average"] is None


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_what_we_write_we_read(dialect: Any) -> None:
    """An alert survives both dialects, and the object has the keys in the order of its era."""
    alert = decode_alert(encode(SEEN))
    written = dialect.alert_to_object(alert)
    assert list(written)[1:] == list(SEEN)[1:]
    again = decode_alert(encode(written))
    assert again.model_copy(update={"content": {}}) == alert.model_copy(update={"content": {}})


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        (b"", "not JSON"),
        (b"[]", "a list"),
        (b'"text"', "a str"),
        (b"null", "NoneType"),
        (changed(id=None), "_id"),
        (changed(id=""), "_id"),
        (changed(id="x" * (MAX_TEXT + 1)), "_id"),
        (changed(id=["x"]), "_id"),
        (changed(_id=7), "_id"),
        (changed(alert_type=None), "alert_type"),
        (changed(alert_type=5), "alert_type"),
        (changed(detector_names=None), "detector_names"),
        (changed(detector_names="JUNO"), "detector_names"),
        (changed(detector_names={"JUNO": 1}), "detector_names"),
        (changed(detector_names=["JUNO", 5]), "detector_names"),
        (changed(detector_names=["J"] * (MAX_DETECTORS + 1)), "detector_names"),
        (changed(p_values=[0.1]), "p_values"),
        (changed(p_values="ab"), "p_values"),
        (changed(neutrino_times=TIMES[:1]), "neutrino_times"),
        (changed(neutrino_times=None), "neutrino_times"),
        (changed(neutrino_times=["yesterday", TIMES[1]]), "neutrino_times"),
        (changed(neutrino_times=[1, 2]), "neutrino_times"),
    ],
)
def test_what_makes_no_alert_is_unreadable(raw: bytes, word: str) -> None:
    """The reason names what is wrong, and the bytes are kept."""
    with pytest.raises(UnreadableRecord, match=word) as caught:
        decode_alert(raw)
    assert caught.value.raw == raw


@pytest.mark.parametrize(
    ("changes", "attribute", "value"),
    [
        ({"p_values": None}, "p_values", (None, None)),
        ({"p_values": [None, "x"]}, "p_values", (None, None)),
        ({"p_values": [True, 10**400]}, "p_values", (None, None)),
        ({"p_values": [1, 0.5]}, "p_values", (1.0, 0.5)),
        ({"p_values_0_average": "x"}, "p_values_average", None),
        ({"sub_0_list_0_number": "x"}, "sub_list_number", None),
        ({"sub_0_list_0_number": 2**64}, "sub_list_number", None),
        ({"sub_0_list_0_number": True}, "sub_list_number", None),
        ({"sent_time": "soon"}, "sent_time_ns", None),
        ({"sent_time": 5}, "sent_time_ns", None),
        ({"server_tag": None}, "server_tag", ""),
        ({"server_tag": ["x"]}, "server_tag", ""),
        ({"server_tag": 7}, "server_tag", "7"),
        ({"server_tag": "x" * 10_000}, "server_tag", "x" * MAX_TEXT),
        ({"alert_type": "x" * 10_000}, "alert_type", "x" * MAX_TEXT),
    ],
)
def test_doubtful_details_do_not_lose_an_alert(changes: dict[str, Any], attribute: str, value: Any) -> None:
    """What an alert can do without becomes empty."""
    assert getattr(decode_alert(changed(**changes)), attribute) == value


@given(st.dictionaries(st.sampled_from([*SEEN, "_id", "more"]), ODD))
def test_any_object_is_an_alert_or_unreadable(changes: dict[str, Any]) -> None:
    """Nothing else is raised, and an alert's lists fit together and can be written and shown."""
    try:
        alert = decode_alert(encode({**SEEN, **changes}))
    except UnreadableRecord:
        return
    assert len(alert.p_values) == len(alert.neutrino_times_ns) == len(alert.detector_names)
    assert repr(alert)
    for dialect in DIALECTS.values():
        json.dumps(dialect.alert_to_object(alert), allow_nan=False)
    json.dumps(alert.to_dict(), allow_nan=False)
