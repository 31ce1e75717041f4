"""The pickle writer: the same bytes always, equal to what the published package makes of them."""

from __future__ import annotations

import itertools
import json
import pickletools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snews_drill.wire.json_text import MAX_DEPTH
from snews_drill.wire.pickle_machine import MODEL_TIERS
from snews_drill.wire.pickle_reader import read_model_pickle
from snews_drill.wire.pickle_writer import write_model_pickle

PICKLES = Path(__file__).parents[1] / "data" / "wire" / "pickles"
EXPECTED = json.loads((PICKLES / "real" / "expected.json").read_text(encoding="utf-8"))
HEARTBEAT = EXPECTED["heartbeat"]["fields"]

_PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**500), 2**500)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=300),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=15,
)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_model_is_written_as_the_bytes_that_the_published_package_was_seen_to_read(name):
    # `check_written.py` unpickled these very files with snews-data-formats 1.1.1 and found equal models.
    assert (
        write_model_pickle(EXPECTED[name]["fields"]) == (PICKLES / "written" / f"{name}.pickle").read_bytes()
    )


@pytest.mark.parametrize("name", EXPECTED)
def test_a_written_model_reads_back(name):
    read = read_model_pickle(write_model_pickle(EXPECTED[name]["fields"]))
    assert read.fields == EXPECTED[name]["fields"]
    assert read.class_name == EXPECTED[name]["class"]


@pytest.mark.parametrize("name", EXPECTED)
def test_a_written_stream_names_only_the_models_and_enums(name):
    texts = [
        argument
        for opcode, argument, _ in pickletools.genops(write_model_pickle(EXPECTED[name]["fields"]))
        if opcode.name in ("SHORT_BINUNICODE", "PROTO")
    ]
    assert texts[0] == 4
    assert texts[1:3] == ["snews.models.messages", EXPECTED[name]["class"]]
    named = [
        b for a, b in itertools.pairwise(texts) if a in ("snews.models.messages", "snews.models.detectors")
    ]
    assert set(named) <= {*MODEL_TIERS, "Tier", "DetectionChannel"}


@settings(deadline=None)
@given(st.dictionaries(st.text(st.characters(codec="utf-8")), _PLAIN, max_size=5))
def test_whatever_plain_data_meta_holds_reads_back(meta):
    assert read_model_pickle(write_model_pickle({**HEARTBEAT, "meta": meta})).fields["meta"] == meta


def test_the_deepest_meta_that_is_written_is_read_and_one_level_more_is_refused():
    meta: object = None
    for _ in range(MAX_DEPTH - 1):
        meta = [meta]
    assert read_model_pickle(write_model_pickle({**HEARTBEAT, "meta": meta})).fields["meta"] == meta
    with pytest.raises(ValueError, match="deep"):
        write_model_pickle({**HEARTBEAT, "meta": [meta]})


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("tier", "Supernova", ValueError),
        ("tier", None, ValueError),
        ("meta", {"x": float("nan")}, ValueError),
        ("meta", {"x": float("inf")}, ValueError),
        ("meta", {"x": 2**600}, ValueError),
        ("meta", {"x": b"bytes"}, TypeError),
        ("meta", {"x": {1, 2}}, TypeError),
        ("meta", {1: "x"}, TypeError),
        ("detection_channel", "Sound", ValueError),
    ],
)
def test_what_cannot_be_written_faithfully_is_refused(field, value, error):
    with pytest.raises(error):
        write_model_pickle({**HEARTBEAT, field: value})


def test_half_a_surrogate_pair_does_not_stop_the_message():
    assert read_model_pickle(write_model_pickle({**HEARTBEAT, "meta": {"x": "a\ud800"}})).fields["meta"] == {
        "x": "a?"
    }
