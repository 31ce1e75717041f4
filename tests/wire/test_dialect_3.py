"""Dialect 3: what the publisher builds, what is refused, and how it travels."""

from __future__ import annotations

import json
import uuid

import pytest

from snews_drill.detectors import find_detector
from snews_drill.errors import InvalidMessage, UnreadableRecord
from snews_drill.messages.alert import Alert
from snews_drill.messages.choose import choose_tiers, harmonised
from snews_drill.messages.commands import Command, CommandName
from snews_drill.messages.tiers import Tier
from snews_drill.messages.times import parse_utc_ns
from snews_drill.wire import dialect_3
from snews_drill.wire.alerts import decode_alert
from snews_drill.wire.dialects import decode_record
from snews_drill.wire.json_text import dump_json
from snews_drill.wire.payload import Payload
from snews_drill.wire.pickle_reader import is_pickle, read_model_pickle

NOW = "2026-11-22T21:16:36.988607123Z"
NOW_NS = parse_utc_ns(NOW)
XENON = find_detector("XENONnT")
T1, T2 = "2026-11-22T12:00:00.100000000Z", "2026-11-22T12:00:00.123456000Z"
FULL = {
    "neutrino_time": "2026-11-22 12:00:00.1",
    "p_val": 0.05,
    "p_values": [0.1, 0.2],
    "t_bin_width": 0.5,
    "timing_series": ["2026-11-22T12:00:00.1", "2026-11-22T12:00:00.123456"],
    "detector_status": "ON",
    "is_firedrill": True,
    "is_test": False,
    "is_pre_sn": False,
}
COMMON = [
    "id", "uuid", "tier", "sent_time_utc", "machine_time_utc", "is_pre_sn", "is_test", "is_firedrill", "meta",
    "schema_version", "detector_name",
]  # fmt: skip
OWN = {
    Tier.HEARTBEAT: ["detector_status"],
    Tier.RETRACTION: ["retract_message_uuid", "retract_latest_n", "retraction_reason"],
    Tier.COINCIDENCE: ["p_val", "neutrino_time_utc"],
    Tier.SIGNIFICANCE: ["p_val", "p_values", "t_bin_width_sec"],
    Tier.TIMING: [
        "p_val", "neutrino_time_utc", "start_time_utc", "timing_series", "time_bin_width_ns", "background_rate_Hz",
        "detection_channel",
    ],
}  # fmt: skip


def build(tier, /, **arguments):
    """Build as the publisher does."""
    made = harmonised({"is_firedrill": True, "is_test": False, **arguments})
    known = {*FULL, "machine_time", "retract_latest", "retraction_reason"} - {"is_firedrill", "is_test"}
    meta = {key: value for key, value in made.items() if key not in known}
    return dialect_3.build(tier, made, meta, detector=XENON, now_ns=NOW_NS)


def checked(tier, /, **arguments):
    """Build, check and canonicalise as the publisher does."""
    content = build(tier, **arguments)
    message, problems = dialect_3.parse(content, is_strict=True)
    assert problems == []
    dialect_3.canonicalise(content, message)
    return content


def problems_of(tier, /, **arguments):
    message, problems = dialect_3.parse(build(tier, **arguments), is_strict=True)
    assert (message is None) == bool(problems)
    return {problem.field for problem in problems}


def everything(tier):
    extra = {"retract_latest": 2, "retraction_reason": "a mistake"} if tier is Tier.RETRACTION else {}
    return checked(tier, **FULL, **extra)


# -- building


@pytest.mark.parametrize("tier", Tier)
def test_keys_stand_in_the_order_of_the_published_models(tier):
    assert list(everything(tier)) == COMMON + OWN[tier] == list(dialect_3.keys_of(tier))


def test_an_observation_has_the_published_form():
    content = checked(Tier.COINCIDENCE, neutrino_time="2026-11-22T12:00:00.1", p_val=0.05, note="x")
    assert uuid.UUID(content.pop("uuid")).version == 4
    assert content == {
        "id": f"XENONnT_CoincidenceTier_{NOW}",
        "tier": "CoincidenceTier",
        "sent_time_utc": NOW,
        "machine_time_utc": NOW,
        "is_pre_sn": False,
        "is_test": False,
        "is_firedrill": True,
        "meta": {"note": "x"},
        "schema_version": "0.2",
        "detector_name": "XENONnT",
        "p_val": 0.05,
        "neutrino_time_utc": T1,
    }


def test_every_message_has_a_uuid_and_an_id_of_its_own():
    made = [
        build(tier, **FULL, id="mine", uuid="00000000-0000-4000-8000-000000000000")
        for tier in choose_tiers(FULL)
    ]
    assert len({content["uuid"] for content in made}) == len({content["id"] for content in made}) == 4
    assert made[0]["meta"]["uuid"] == "00000000-0000-4000-8000-000000000000", "kept, not dropped"


def test_a_single_message_takes_the_identifiers_it_is_given():
    content = checked(
        Tier.HEARTBEAT, detector_status="ON", id="mine", uuid="00000000-0000-4000-8000-000000000000"
    )
    assert (content["id"], content["uuid"]) == ("mine", "00000000-0000-4000-8000-000000000000")
    assert content["meta"] == {}


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("2026-11-22", "2026-11-22T00:00:00.000000000Z"),
        ("20261122T124545", "2026-11-22T12:45:45.000000000Z"),
        ("2026-11-22T12:00:00.123456789", "2026-11-22T12:00:00.123456789Z"),
        ("2026-11-22T14:00:00+02:00", "2026-11-22T12:00:00.000000000Z"),
    ],
)
def test_times_are_written_with_nanoseconds_and_z(given, written):
    content = checked(Tier.COINCIDENCE, neutrino_time=given, machine_time=given)
    assert content["neutrino_time_utc"] == content["machine_time_utc"] == written
    assert content["id"].endswith(written)


def test_iso_texts_of_a_series_become_offsets_from_the_first():
    content = checked(Tier.TIMING, **FULL)
    assert (content["start_time_utc"], content["timing_series"]) == (T1, [0, 23_456_000])


def test_iso_texts_are_counted_from_a_start_that_is_given():
    content = checked(Tier.TIMING, **{**FULL, "start_time_utc": "2026-11-22T12:00:00"})
    assert content["start_time_utc"] == "2026-11-22T12:00:00.000000000Z"
    assert content["timing_series"] == [100_000_000, 123_456_000]
    assert "start_time_utc" not in content["meta"]


def test_numbers_of_a_series_are_nanoseconds_after_the_neutrino_time():
    content = checked(Tier.TIMING, neutrino_time=T1, timing_series=[0, 5.0, 10**15])
    assert (content["start_time_utc"], content["timing_series"]) == (T1, [0, 5, 10**15])


def test_the_extras_of_a_light_curve_become_fields():
    content = checked(
        Tier.TIMING,
        neutrino_time=T1,
        timing_series=[3, 1, 4],
        time_bin_width_ns=1_000_000,
        background_rate_Hz=2,
        detection_channel="Neutral Current",
    )
    assert content["time_bin_width_ns"] == 1_000_000
    assert content["background_rate_Hz"] == 2.0
    assert content["detection_channel"] == "Neutral Current"
    assert content["meta"] == {}


def test_an_extra_that_no_tier_uses_stays_in_meta():
    assert checked(Tier.HEARTBEAT, detector_status="ON", background_rate_Hz=2)["meta"] == {
        "background_rate_Hz": 2
    }


@pytest.mark.parametrize("status", ["ON", "on", "On"])
def test_a_status_is_written_in_capitals(status):
    assert checked(Tier.HEARTBEAT, detector_status=status)["detector_status"] == "ON"


def test_a_retraction_may_name_one_message():
    named = "0b0e4e8e-6d5b-4a3e-8a6e-0d6a5a4f3c2b"
    content = checked(Tier.RETRACTION, retract_message_uuid=named, retraction_reason="why")
    assert (content["retract_message_uuid"], content["retract_latest_n"]) == (named, 0)


@pytest.mark.parametrize("p_val", [0, 0.0, 1, 1.0, 0.5, None])
def test_the_interval_of_p_values_is_closed_and_they_are_written_as_floats(p_val):
    written = checked(Tier.COINCIDENCE, neutrino_time=T1, p_val=p_val)["p_val"]
    assert written == p_val
    assert written is None or type(written) is float


# -- checking


@pytest.mark.parametrize(
    ("tier", "arguments", "field"),
    [
        (Tier.COINCIDENCE, {"neutrino_time": "yesterday"}, "neutrino_time_utc"),
        (Tier.COINCIDENCE, {}, "neutrino_time_utc"),
        (Tier.COINCIDENCE, {"neutrino_time": T1, "p_val": 1.1}, "p_val"),
        (Tier.COINCIDENCE, {"neutrino_time": T1, "p_val": -0.1}, "p_val"),
        (Tier.COINCIDENCE, {"neutrino_time": T1, "p_val": "0.1"}, "p_val"),
        (Tier.COINCIDENCE, {"neutrino_time": T1, "p_val": float("nan")}, "p_val"),
        (Tier.COINCIDENCE, {"neutrino_time": T1, "machine_time": "noon"}, "machine_time_utc"),
        (Tier.SIGNIFICANCE, {"p_values": [0.1, 1.2], "t_bin_width": 0.5}, "p_values"),
        (Tier.SIGNIFICANCE, {"p_values": ["x"], "t_bin_width": 0.5}, "p_values"),
        (Tier.SIGNIFICANCE, {"p_values": [0.1], "t_bin_width": -1.0}, "t_bin_width_sec"),
        (Tier.TIMING, {"neutrino_time": T1, "timing_series": []}, "timing_series"),
        (Tier.TIMING, {"neutrino_time": T1, "timing_series": [1.5]}, "timing_series"),
        (Tier.TIMING, {"neutrino_time": T1, "timing_series": ["noon"]}, "timing_series"),
        (Tier.TIMING, {"neutrino_time": T1, "timing_series": [2**63]}, "timing_series"),
        (Tier.TIMING, {"timing_series": [1]}, "neutrino_time_utc"),
        (
            Tier.TIMING,
            {"neutrino_time": T1, "timing_series": [1], "start_time_utc": "noon"},
            "start_time_utc",
        ),
        (
            Tier.TIMING,
            {"neutrino_time": T1, "timing_series": [1], "time_bin_width_ns": 0},
            "time_bin_width_ns",
        ),
        (
            Tier.TIMING,
            {"neutrino_time": T1, "timing_series": [1], "background_rate_Hz": -1},
            "background_rate_Hz",
        ),
        (
            Tier.TIMING,
            {"neutrino_time": T1, "timing_series": [1], "detection_channel": "Sound"},
            "detection_channel",
        ),
        (Tier.RETRACTION, {"retract_latest": 0}, "retract_latest_n"),
        (Tier.RETRACTION, {"retract_latest": -1}, "retract_latest_n"),
        (Tier.RETRACTION, {"retract_latest": 1, "retract_message_uuid": "x"}, "retract_latest_n"),
        (Tier.HEARTBEAT, {"detector_status": "MAYBE"}, "detector_status"),
        (Tier.HEARTBEAT, {"detector_status": "ON", "uuid": "mine"}, "uuid"),
    ],
)
def test_a_wrong_field_is_named(tier, arguments, field):
    assert field in problems_of(tier, **arguments)


def test_a_key_of_another_tier_is_refused_before_sending_and_ignored_on_reading():
    content = {**checked(Tier.HEARTBEAT, detector_status="ON"), "p_val": 0.5}
    assert dialect_3.parse(content)[1] == []
    assert [problem.field for problem in dialect_3.parse(content, is_strict=True)[1]] == ["p_val"]


def test_a_flag_that_is_no_boolean_is_refused_before_sending():
    content = {**checked(Tier.HEARTBEAT, detector_status="ON"), "is_test": "perhaps"}
    assert [problem.field for problem in dialect_3.parse(content, is_strict=True)[1]] == ["is_test"]


@pytest.mark.parametrize("word", ["SigTier", "TimeTier", "", None, 1, ["Heartbeat"]])
def test_a_tier_of_no_known_word_is_refused(word):
    message, problems = dialect_3.parse({"tier": word, "detector_name": "XENONnT"})
    assert message is None
    assert [problem.field for problem in problems] == ["tier"]


def test_a_received_status_must_be_in_capitals():
    content = {**checked(Tier.HEARTBEAT, detector_status="ON"), "detector_status": "on"}
    assert [problem.field for problem in dialect_3.parse(content)[1]] == ["detector_status"]


def test_a_message_without_id_is_known_by_what_the_published_model_would_call_it():
    content = checked(Tier.HEARTBEAT, detector_status="ON")
    content |= {"id": None, "machine_time_utc": None}
    assert dialect_3.parse(content)[0].id == "XENONnT_Heartbeat_None"


def test_an_edited_time_is_rewritten_and_restamping_touches_only_the_time_of_sending():
    content = checked(Tier.COINCIDENCE, neutrino_time=T1)
    content["neutrino_time_utc"] = "2026-11-22 12:00:00.123456"
    dialect_3.canonicalise(content, dialect_3.parse(content, is_strict=True)[0])
    before = dict(content)
    dialect_3.restamp(content, NOW_NS + 1)
    assert content["neutrino_time_utc"] == T2
    assert content == {**before, "sent_time_utc": "2026-11-22T21:16:36.988607124Z"}


# -- bytes


@pytest.mark.parametrize("tier", Tier)
def test_what_is_sent_reads_back_as_the_same_value(tier):
    content = everything(tier)
    payload = dialect_3.encode_message(content)
    decoded = decode_record(payload.content, payload.content_format)
    assert decoded.dialect_name == "3"
    assert decoded.value == dialect_3.parse(content)[0]
    assert dialect_3.to_object(decoded.value) == content


@pytest.mark.parametrize("tier", [Tier.COINCIDENCE, Tier.SIGNIFICANCE, Tier.TIMING])
def test_observations_travel_as_model_pickles(tier):
    payload = dialect_3.encode_message(everything(tier))
    assert payload.content_format == "blob"
    assert is_pickle(payload.content)
    assert read_model_pickle(payload.content).fields == everything(tier) | {
        "uuid": read_model_pickle(payload.content).fields["uuid"]
    }


@pytest.mark.parametrize("tier", [Tier.HEARTBEAT, Tier.RETRACTION])
def test_the_rest_travels_as_an_object_inside_a_json_string(tier):
    content = everything(tier)
    payload = dialect_3.encode_message(content)
    assert payload.content_format == "json"
    text = json.loads(payload.content)
    assert isinstance(text, str)
    assert json.loads(text) == content


@pytest.mark.parametrize("tier", [Tier.COINCIDENCE, Tier.HEARTBEAT])
@pytest.mark.parametrize("value", [{1, 2}, float("nan"), b"x", object()])
def test_meta_that_cannot_be_written_is_named(tier, value):
    content = everything(tier)
    content["meta"] = {"x": value}
    with pytest.raises(InvalidMessage) as caught:
        dialect_3.encode_message(content)
    assert caught.value.problems[0].field == "meta"


def test_a_deleted_key_travels_as_null_so_that_the_model_is_whole():
    content = everything(Tier.COINCIDENCE)
    del content["meta"]
    fields = read_model_pickle(dialect_3.encode_message(content).content).fields
    assert list(fields) == COMMON + OWN[Tier.COINCIDENCE]
    assert fields["meta"] is None


# -- commands and alerts

ECHO = {
    "id": "0_test-connection",
    "uuid": "fbaf7ae2-5be4-4a60-8f65-161e5facbf90",
    "tier": "Heartbeat",
    "sent_time_utc": "2023-02-07T12:00:00.000000000Z",
    "machine_time_utc": None,
    "is_pre_sn": False,
    "is_test": False,
    "is_firedrill": False,
    "meta": {"status": "received"},
    "schema_version": "0.2",
    "detector_name": "XENONnT",
}


@pytest.mark.parametrize(
    "change",
    [{}, {"is_test": True}, {"is_firedrill": True, "machine_time_utc": "2023-02-07"}, {"meta": {"status": "sending"}},
     {"meta": {"status": "received", "mine": [1, {"x": None}]}}, {"schema_version": "0.3"}],
)  # fmt: skip
def test_the_echo_equals_the_published_clients_request_in_every_field(change):
    # That client compares the whole object; and by a slip of its own, "received" already stands in its request.
    request = {**ECHO, **change}
    decoded = decode_record(dump_json(dump_json(request).decode()), "json")
    assert decoded.dialect_name == "3"
    assert decoded.value.status == "sending"
    echo = dialect_3.encode_command(decoded.value.model_copy(update={"status": "received"}))
    assert echo.content_format == "json"
    assert json.loads(echo.content) == {**request, "meta": {**request["meta"], "status": "received"}}


def test_a_reply_is_read_as_a_reply():
    assert decode_record(dump_json(ECHO), "json").value.status == "received"


@pytest.mark.parametrize("name", CommandName)
def test_a_command_reads_back_and_its_proof_still_holds(name):
    command = Command(
        name=name,
        detector_name="XENONnT",
        time="2023-02-07T12:00:00.000001",
        email="a@b.org;c@d.org" if name is CommandName.GET_FEEDBACK else "",
        request_id="12ab",
        meta={"x": 1},
    ).with_proof("secret", "a.topic")
    payload = dialect_3.encode_command(command)
    assert isinstance(json.loads(payload.content), str), "the published server reads strings only"
    assert b"secret" not in payload.content
    read = decode_record(payload.content, payload.content_format).value
    assert read == command
    assert read.is_proved("secret", "a.topic")
    reply = command.model_copy(update={"status": "refused", "reason": "No."})
    sent = dialect_3.encode_command(reply)
    assert isinstance(json.loads(sent.content), dict)
    assert decode_record(sent.content, sent.content_format).value == reply


def test_a_command_without_request_id_has_no_uuid():
    command = Command(name=CommandName.TEST_CONNECTION, detector_name="XENONnT", time="2023-02-07T12:00:00")
    payload = dialect_3.encode_command(command)
    assert json.loads(json.loads(payload.content))["uuid"] is None
    assert decode_record(payload.content, payload.content_format).value == command


@pytest.mark.parametrize(
    "change", [{"meta": 1}, {"uuid": 5}, {"is_test": [1]}, {"detector_name": "x" * 5000}]
)
def test_a_command_with_a_wrong_field_is_unreadable(change):
    raw = dump_json({**ECHO, **change})
    with pytest.raises(UnreadableRecord) as caught:
        decode_record(raw, "json")
    assert caught.value.raw == raw


def test_a_password_in_a_command_is_not_kept():
    read = decode_record(dump_json({**ECHO, "id": "0_hard-reset", "pass": "hunter2"}), "json").value
    assert "hunter2" not in repr(read.model_dump())


def test_an_alert_has_the_spelling_of_todays_server():
    alert = Alert(
        id="SNEWS_Coincidence_ALERT 2026-11-22T21:21:37.450410",
        alert_type="COINC_MSG",
        server_tag="vm",
        false_alarm_probability="(couldn't compute)",
        detector_names=("JUNO", "XENONnT"),
        sent_time_ns=parse_utc_ns("2026-11-22T21:21:37.450410"),
        p_values=(0.07, 0.05),
        neutrino_times_ns=(
            parse_utc_ns("2026-11-22T21:16:36.962607001"),
            parse_utc_ns("2026-11-22T21:16:36.988607"),
        ),
        p_values_average=0.06,
        sub_list_number=0,
    )
    content = dialect_3.alert_to_object(alert)
    assert list(content) == [
        "id", "alert_type", "server_tag", "False Alarm Prob", "detector_names", "sent_time", "p_values",
        "neutrino_times", "p_values average", "sub list number",
    ]  # fmt: skip
    assert content["sent_time"] == "2026-11-22T21:21:37.450410"
    assert content["neutrino_times"] == ["2026-11-22T21:16:36.962607001Z", "2026-11-22T21:16:36.988607000Z"]
    read = decode_alert(dump_json(content))
    assert read.model_copy(update={"content": {}}) == alert


def test_the_two_formats_of_a_payload_are_hops():
    assert {dialect_3.encode_message(everything(tier)).content_format for tier in Tier} == {"blob", "json"}
    assert Payload(b"").content_format == "json"
