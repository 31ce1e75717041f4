"""Reading records of either dialect in every encoding that senders use, and refusing all others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snews_drill.errors import InvalidMessage, SettingsError, UnreadableRecord
from snews_drill.messages.commands import Command, CommandName
from snews_drill.messages.tiers import CoincidenceTier, Heartbeat, Tier
from snews_drill.wire.dialects import DIALECTS, Decoded, decode_record, get_dialect

DATA = Path(__file__).parents[1] / "data" / "wire"
RECORDS = DATA / "records"
REAL = sorted((DATA / "pickles" / "real").glob("*.pickle"))
HOSTILE = sorted((DATA / "hostile").glob("*.bin"))
FORMATS = ["json", "blob", "JSON", None]


def record(name: str) -> bytes:
    return (RECORDS / f"{name}.json").read_bytes()


@pytest.mark.parametrize("content_format", FORMATS)
@pytest.mark.parametrize("name", ["3_heartbeat.string", "3_heartbeat.object"])
def test_a_heartbeat_of_dialect_3_is_read_in_either_json_form_whatever_the_header_says(name, content_format):
    decoded = decode_record(record(name), content_format)
    assert decoded.dialect_name == "3"
    assert isinstance(decoded.value, Heartbeat)
    assert decoded.value.is_on
    assert decoded.value.sent_time_ns == 1_675_771_201_000_000_001
    assert decoded.value.meta == {}


@pytest.mark.parametrize("content_format", FORMATS)
@pytest.mark.parametrize("name", ["1.3_coincidence.string", "1.3_coincidence.object"])
def test_an_observation_of_1_3_is_read_in_either_json_form(name, content_format):
    decoded = decode_record(record(name), content_format)
    assert decoded.dialect_name == "1.3"
    assert isinstance(decoded.value, CoincidenceTier)
    assert decoded.value.neutrino_time_ns == 1_675_771_200_026_127_000
    assert decoded.value.is_test


@pytest.mark.parametrize("content_format", FORMATS)
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_a_pickled_model_is_a_message_of_dialect_3(path, content_format):
    decoded = decode_record(path.read_bytes(), content_format)
    said = json.loads((REAL[0].parent / "expected.json").read_text(encoding="utf-8"))[
        path.name.split(".")[0]
    ]["fields"]
    assert decoded.dialect_name == "3"
    assert decoded.value == get_dialect("3").parse(said)[0]
    assert decoded.value.uuid == said["uuid"]


@pytest.mark.parametrize(
    ("name", "dialect", "command", "status"),
    [
        ("3_test_connection_request.string", "3", CommandName.TEST_CONNECTION, "sending"),
        ("3_test_connection_reply.object", "3", CommandName.TEST_CONNECTION, "received"),
        ("1.3_test_connection.object", "1.3", CommandName.TEST_CONNECTION, "sending"),
        ("3_client_hard_reset.object", "1.3", CommandName.HARD_RESET, "sending"),
    ],
)
def test_commands_of_both_clients_are_read_and_tell_the_dialect_of_the_answer(name, dialect, command, status):
    decoded = decode_record(record(name), "json")
    assert decoded.dialect_name == dialect
    assert isinstance(decoded.value, Command)
    assert (decoded.value.name, decoded.value.status) == (command, status)
    assert decoded.value.detector_name == "XENONnT"


def test_mixtures_are_read_in_one_dialect_only():
    old, new = json.loads(record("1.3_coincidence.object")), json.loads(record("3_heartbeat.object"))
    assert decode_record(json.dumps({**new, "_id": "x"}).encode(), "json").dialect_name == "3"
    assert decode_record(json.dumps({**old, "id": "x", "uuid": "y"}).encode(), "json").dialect_name == "1.3"
    with pytest.raises(InvalidMessage):
        decode_record(json.dumps({**old, "id": "x", "tier": "CoincidenceTier"}).encode(), "json")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b"5",
        b'"text"',
        b'"{"',
        b'"[]"',
        b'"\\"{}\\""',
        b"{}",
        b'{"detector_name": "JUNO"}',
        b"{",
        b"\xff\xfe",
        b'{"id": {"$ne": null}}'[:-2],
        b"[" * 100_000,
        b'"' + b"[" * 100_000 + b'"',
        b'"' + b"x" * 1_100_000 + b'"',
    ],
)
def test_what_is_in_no_dialect_is_unreadable_and_its_bytes_are_kept(raw):
    with pytest.raises(UnreadableRecord) as caught:
        decode_record(raw, "json")
    assert caught.value.raw == raw


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: path.stem)
def test_a_hostile_pickle_is_unreadable_here_too(path):
    with pytest.raises(UnreadableRecord) as caught:
        decode_record(path.read_bytes(), "blob")
    assert caught.value.raw == path.read_bytes()


def test_an_unknown_format_is_not_guessed():
    with pytest.raises(UnreadableRecord, match="avro"):
        decode_record(record("3_heartbeat.object"), "avro")


def test_a_readable_message_with_a_wrong_field_is_invalid_and_says_which():
    content = {
        **json.loads(record("3_heartbeat.object")),
        "detector_status": "MAYBE",
        "detector_name": "Nobody",
    }
    with pytest.raises(InvalidMessage) as caught:
        decode_record(json.dumps(content).encode(), "json")
    assert {problem.field for problem in caught.value.problems} == {"detector_status", "detector_name"}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_KEYS = sorted(
    {key for name in DIALECTS for tier in Tier for key in DIALECTS[name].keys_of(tier)} | {"status", "pass"}
)
_WORDS = st.sampled_from(
    [
        "0_test-connection",
        "0_hard-reset",
        "19_CoincidenceTier_x",
        "19_TimeTier_x",
        *[tier.value for tier in Tier],
        "TimingTier",
        "SignificanceTier",
        "XENONnT",
        "ON",
        "2023-02-07",
        "9999-12-31T23:59:59.999999999Z",
        "0001-01-01",
    ]
)


@settings(deadline=None, max_examples=300)
@given(st.dictionaries(st.sampled_from(_KEYS), _WORDS | _JSON, max_size=16), st.booleans())
def test_an_object_with_any_values_is_decoded_or_refused(content, is_string):
    text = json.dumps(content)
    raw = json.dumps(text).encode() if is_string else text.encode()
    try:
        assert isinstance(decode_record(raw, "json"), Decoded)
    except InvalidMessage as error:
        assert error.problems  # noqa: PT017 - one of three outcomes
    except UnreadableRecord as error:
        assert error.raw == raw  # noqa: PT017 - one of three outcomes


def test_ten_thousand_hostile_records_leave_good_ones_readable():
    good = [path.read_bytes() for path in REAL] + [
        record("3_heartbeat.string"),
        record("1.3_coincidence.object"),
    ]
    hostile = [path.read_bytes() for path in HOSTILE if path.stat().st_size < 2_000]
    refused = read = 0
    for turn in range(10_000):
        try:
            decode_record(hostile[turn % len(hostile)], "blob")
        except UnreadableRecord:
            refused += 1
        if turn % 100 == 0:
            read += isinstance(decode_record(good[turn // 100 % len(good)], None), Decoded)
    assert (refused, read) == (10_000, 100)


def test_the_dialects_have_their_names():
    assert {name: get_dialect(name).NAME for name in DIALECTS} == {"1.3": "1.3", "3": "3"}
    with pytest.raises(SettingsError, match=r"'1\.3', '3'"):
        get_dialect("4")
