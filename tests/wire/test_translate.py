"""Translation: both ways and back again, with nothing lost on the way."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snews_drill.errors import InvalidMessage, SettingsError
from snews_drill.messages.tiers import Tier
from snews_drill.messages.times import iso_micro, iso_nano
from snews_drill.wire import dialect_1_3, dialect_3
from snews_drill.wire.pickle_machine import DETECTION_CHANNELS
from snews_drill.wire.translate import translate
from snews_drill.wire.write_3 import TIER_WORDS

DETECTORS = {"XENONnT": 19, "JUNO": 13, "DS-20K": 18, "Super-K": 1}
_SECOND = 10**9
TIMES_NS = st.integers(0, 4_000_000_000 * _SECOND)
TIMES_US = TIMES_NS.map(lambda time_ns: time_ns // 1000 * 1000)
TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
# "is_test" and the two keys of translation itself have a meaning of their own in meta.
KEYS = TEXT.filter(lambda key: key not in ("is_test", "dialect_3", "dialect_1.3"))
META = st.dictionaries(
    KEYS, st.none() | st.booleans() | st.integers(-9, 2**60) | TEXT | st.lists(TEXT, max_size=3), max_size=4
)
OPEN = st.floats(0, 1, exclude_min=True, exclude_max=True)
CLOSED = st.sampled_from([0.0, 1.0]) | st.floats(0, 1)
UUIDS = st.uuids().map(str)
NONE = st.none()


def _fields(**strategies):
    return st.fixed_dictionaries(strategies)


_OWN_1_3 = {
    Tier.COINCIDENCE: _fields(neutrino_time=TIMES_NS.map(iso_micro), p_val=NONE | OPEN),
    Tier.SIGNIFICANCE: _fields(
        neutrino_time=TIMES_NS.map(iso_micro),
        p_values=st.lists(CLOSED, max_size=4),
        t_bin_width=st.floats(0, 1e9),
    ),
    Tier.TIMING: _fields(
        neutrino_time=TIMES_NS.map(iso_micro),
        timing_series=st.lists(
            TIMES_NS.map(iso_micro) | st.integers(-(2**60), 2**60) | st.integers(0, 2**50).map(float),
            min_size=1,
            max_size=4,
        ),
    ),
    Tier.RETRACTION: _fields(retract_latest=st.integers(1, 99), retraction_reason=NONE | TEXT.filter(bool)),
    Tier.HEARTBEAT: _fields(detector_status=st.sampled_from(["ON", "OFF", "on", "Off"])),
}
_OWN_3 = {
    Tier.COINCIDENCE: _fields(p_val=NONE | CLOSED, neutrino_time_utc=TIMES_NS.map(iso_nano)),
    Tier.SIGNIFICANCE: _fields(
        p_val=NONE | CLOSED, p_values=st.lists(CLOSED, max_size=4), t_bin_width_sec=st.floats(0, 1e9)
    ),
    Tier.TIMING: _fields(
        p_val=NONE | CLOSED,
        neutrino_time_utc=TIMES_NS.map(iso_nano),
        start_time_utc=TIMES_NS.map(iso_nano),
        timing_series=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=4),
        time_bin_width_ns=NONE | st.integers(1, 2**40),
        background_rate_Hz=NONE | st.floats(0, 1e9),
        detection_channel=NONE | st.sampled_from(DETECTION_CHANNELS),
    ),
    Tier.RETRACTION: st.one_of(
        _fields(
            retract_message_uuid=NONE,
            retract_latest_n=st.integers(1, 99),
            retraction_reason=NONE | TEXT.filter(bool),
        ),
        _fields(
            retract_message_uuid=UUIDS,
            retract_latest_n=st.just(0),
            retraction_reason=NONE | TEXT.filter(bool),
        ),
    ),
    Tier.HEARTBEAT: _fields(detector_status=st.sampled_from(["ON", "OFF"])),
}


@st.composite
def objects_1_3(draw, tier):
    name = draw(st.sampled_from(sorted(DETECTORS)))
    machine_time = iso_micro(draw(TIMES_US))
    pre_sn = draw(st.sampled_from(["", "PRE-SN_"]))
    meta = draw(META) | ({} if tier is Tier.HEARTBEAT else {"is_test": draw(st.booleans())})
    own = draw(_OWN_1_3[tier])
    return {
        "_id": f"{DETECTORS[name]}_{pre_sn}{tier.value}_{machine_time}",
        "detector_name": name,
        "machine_time": machine_time,
        **own,
        "meta": meta,
        "schema_version": "1.3.0",
        "sent_time": iso_micro(draw(TIMES_US)),
    }


@st.composite
def objects_3(draw, tier):
    return {
        "id": draw(TEXT.filter(bool)),
        "uuid": draw(UUIDS),
        "tier": TIER_WORDS[tier],
        "sent_time_utc": iso_nano(draw(TIMES_NS)),
        "machine_time_utc": draw(NONE | TIMES_NS.map(iso_nano)),
        "is_pre_sn": draw(st.booleans()),
        "is_test": draw(st.booleans()),
        "is_firedrill": draw(st.booleans()),
        "meta": draw(META | META.map(lambda meta: {**meta, "is_test": "mine", "dialect_3": ["mine"]})),
        "schema_version": "0.2",
        "detector_name": draw(st.sampled_from(sorted(DETECTORS))),
        **draw(_OWN_3[tier]),
    }


_PROPERTY = settings(deadline=None, max_examples=30)


@pytest.mark.parametrize("tier", Tier)
@_PROPERTY
@given(st.data())
def test_an_object_of_1_3_comes_back_from_dialect_3_as_it_was(tier, data):
    content = data.draw(objects_1_3(tier))
    before = copy.deepcopy(content)
    middle = translate(content, source="1.3", target="3")
    assert content == before, "the object itself is left alone"
    assert list(middle) == list(dialect_3.keys_of(tier))
    assert dialect_3.parse(middle, is_strict=True)[1] == []
    back = translate(middle, source="3", target="1.3")
    assert back == content
    assert list(back) == list(dialect_1_3.keys_of(tier))


@pytest.mark.parametrize("tier", Tier)
@_PROPERTY
@given(st.data())
def test_an_object_of_dialect_3_comes_back_from_1_3_as_it_was_to_the_nanosecond(tier, data):
    content = data.draw(objects_3(tier))
    before = copy.deepcopy(content)
    middle = translate(content, source="3", target="1.3")
    assert content == before, "the object itself is left alone"
    assert list(middle) == list(dialect_1_3.keys_of(tier))
    assert dialect_1_3.parse(middle, is_strict=True)[1] == []
    back = translate(middle, source="1.3", target="3")
    assert back == content
    assert list(back) == list(dialect_3.keys_of(tier))


@pytest.mark.parametrize("tier", Tier)
@_PROPERTY
@given(st.data())
def test_both_forms_mean_the_same(tier, data):
    content = data.draw(objects_3(tier))
    said = dialect_3.parse(content)[0]
    heard = dialect_1_3.parse(translate(content, source="3", target="1.3"))[0]
    same = ("detector_name", "sent_time_ns", "is_pre_sn", "is_test", "retract_latest", "retraction_reason", "p_values",
            "t_bin_width_sec", "detector_status")  # fmt: skip
    assert {name: getattr(heard, name, None) for name in same} == {
        name: getattr(said, name, None) for name in same
    }
    if tier in (Tier.COINCIDENCE, Tier.TIMING):
        assert heard.neutrino_time_ns == said.neutrino_time_ns


@pytest.mark.parametrize("tier", Tier)
@_PROPERTY
@given(st.data())
def test_the_same_dialect_twice_gives_the_object_itself(tier, data):
    content = data.draw(objects_3(tier))
    assert translate(content, source="3", target="3") == content


COINCIDENCE_1_3 = {
    "_id": "19_PRE-SN_CoincidenceTier_2023-02-07T12:00:00.026127",
    "detector_name": "XENONnT",
    "machine_time": "2023-02-07T12:00:00.026127",
    "neutrino_time": "2023-02-07T12:00:00.026127",
    "p_val": 0.05,
    "meta": {"is_test": True, "note": "x"},
    "schema_version": "1.3.0",
    "sent_time": "2023-02-07T12:00:01",
}


def test_an_observation_of_1_3_in_dialect_3():
    made = translate(COINCIDENCE_1_3, source="1.3", target="3")
    uuid = made.pop("uuid")
    assert made == {
        "id": "XENONnT_CoincidenceTier_2023-02-07T12:00:00.026127000Z",
        "tier": "CoincidenceTier",
        "sent_time_utc": "2023-02-07T12:00:01.000000000Z",
        "machine_time_utc": "2023-02-07T12:00:00.026127000Z",
        "is_pre_sn": True,
        "is_test": True,
        "is_firedrill": True,
        "meta": {"note": "x", "dialect_1.3": {"_id": "19_PRE-SN_CoincidenceTier_2023-02-07T12:00:00.026127"}},
        "schema_version": "0.2",
        "detector_name": "XENONnT",
        "p_val": 0.05,
        "neutrino_time_utc": "2023-02-07T12:00:00.026127000Z",
    }
    assert translate(COINCIDENCE_1_3, source="1.3", target="3")["uuid"] == uuid, (
        "the same message has the same uuid"
    )
    other = {**COINCIDENCE_1_3, "sent_time": "2023-02-07T12:00:02"}
    assert translate(other, source="1.3", target="3")["uuid"] != uuid


def test_a_light_curve_of_dialect_3_in_1_3():
    content = {
        "id": "mine",
        "uuid": "0b0e4e8e-6d5b-4a3e-8a6e-0d6a5a4f3c2b",
        "tier": "TimingTier",
        "sent_time_utc": "2023-02-07T12:00:01.000000000Z",
        "machine_time_utc": None,
        "is_firedrill": False,
        "meta": None,
        "detector_name": "JUNO",
        "p_val": 0,
        "neutrino_time_utc": "2023-02-07T12:00:00.026127001Z",
        "start_time_utc": "2023-02-07T12:00:00Z",
        "timing_series": [3, 1, 4],
        "time_bin_width_ns": 1000000,
        "detection_channel": "Other",
    }
    assert translate(content, source="3", target="1.3") == {
        "_id": "13_TimeTier_2023-02-07T12:00:01",
        "detector_name": "JUNO",
        "machine_time": "2023-02-07T12:00:01",
        "neutrino_time": "2023-02-07T12:00:00.026127001",
        "timing_series": [3, 1, 4],
        "meta": {
            "is_test": False,
            "dialect_3": {
                "id": "mine",
                "uuid": "0b0e4e8e-6d5b-4a3e-8a6e-0d6a5a4f3c2b",
                "machine_time_utc": None,
                "is_firedrill": False,
                "p_val": 0.0,
                "start_time_utc": "2023-02-07T12:00:00.000000000Z",
                "time_bin_width_ns": 1000000,
                "detection_channel": "Other",
            },
        },
        "schema_version": "1.3.0",
        "sent_time": "2023-02-07T12:00:01",
    }


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"_id": "19_TimeTier_x", "timing_series": ["when it was dark"]}, "timing_series"),
        ({"_id": "19_TimeTier_x", "timing_series": [0.5]}, "timing_series"),
        ({"_id": "19_TimeTier_x", "timing_series": []}, "timing_series"),
        ({"_id": "19_SigTier_x", "p_values": [2.0], "t_bin_width": 1.0}, "p_values"),
        ({"_id": "19_Retraction_x", "retract_latest": 0}, "retract_latest_n"),
        ({"neutrino_time": "noon"}, "neutrino_time"),
    ],
)
def test_what_dialect_3_cannot_say_is_an_error_that_names_the_field(changes, field):
    with pytest.raises(InvalidMessage) as caught:
        translate({**COINCIDENCE_1_3, **changes}, source="1.3", target="3")
    assert field in {problem.field for problem in caught.value.problems}


def test_a_message_without_any_time_cannot_be_said_in_1_3():
    content = {"id": "x", "tier": "Heartbeat", "detector_name": "JUNO", "detector_status": "ON"}
    with pytest.raises(InvalidMessage, match="machine_time"):
        translate(content, source="3", target="1.3")


@pytest.mark.parametrize(
    "junk",
    [
        None,
        5,
        "x",
        [],
        {"id": 5},
        {"_id": 5},
        {"id": "x", "uuid": 7},
        {"id": "x", "p_val": "y"},
        {"id": "x", "meta": 5},
        {"_id": "19_Heartbeat_x", "meta": 5},
        {"id": "x", "machine_time_utc": 5},
        {"id": "x", "is_firedrill": "y"},
        {"_id": "19_CoincidenceTier_" + "x" * 5000},
    ],
)
def test_junk_where_translation_keeps_things_gives_a_message_or_an_error(junk):
    for key in ("dialect_1.3", "dialect_3"):
        content = {**COINCIDENCE_1_3, "meta": {"is_test": True, key: junk}}
        try:
            made = translate(content, source="1.3", target="3")
            translate(made, source="3", target="1.3")
        except InvalidMessage as error:
            assert error.problems  # noqa: PT017 - either outcome is right, nothing else is


def test_an_unknown_dialect_is_named():
    with pytest.raises(SettingsError, match=r"'2\.0'"):
        translate(COINCIDENCE_1_3, source="1.3", target="2.0")
