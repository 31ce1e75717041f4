"""Dialect 1.3: key order, identifiers, checks, commands."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snews_drill.detectors import find_detector, roster
from snews_drill.errors import InvalidMessage, UnreadableRecord
from snews_drill.messages.commands import Command, CommandName
from snews_drill.messages.tiers import TIER_CLASSES, Tier
from snews_drill.messages.times import iso_micro, parse_utc_ns
from snews_drill.wire import dialect_1_3
from snews_drill.wire.json_text import load_json

TIME = "2023-06-14T12:45:45.678999"
NOW = parse_utc_ns("2023-06-14T12:46:00.123456789")
ARGUMENTS: dict[str, Any] = {
    "neutrino_time": TIME,
    "p_val": 0.05,
    "p_values": [0.4, 0.5],
    "t_bin_width": 0.6,
    "timing_series": [TIME],
    "retract_latest": 1,
    "retraction_reason": "noise",
    "detector_status": "ON",
}
META = {"is_test": False, "comment": "x"}
XENON = find_detector("XENONnT")

ORDER = {
    Tier.COINCIDENCE: "_id detector_name machine_time neutrino_time p_val meta schema_version sent_time",
    Tier.SIGNIFICANCE: "_id detector_name machine_time neutrino_time p_values t_bin_width meta schema_version sent_time",
    Tier.TIMING: "_id detector_name machine_time neutrino_time timing_series meta schema_version sent_time",
    Tier.RETRACTION: "_id detector_name machine_time retract_latest retraction_reason meta schema_version sent_time",
    Tier.HEARTBEAT: "_id detector_name machine_time detector_status meta schema_version sent_time",
}


def make(tier: Tier, **changes: Any) -> dict[str, Any]:
    return dialect_1_3.build(tier, {**ARGUMENTS, **changes}, META, detector=XENON, now_ns=NOW)


def problems(content: Any, *, is_strict: bool = True) -> dict[str, str]:
    message, found = dialect_1_3.parse(content, is_strict=is_strict)
    assert (message is None) == bool(found)
    return {problem.field: problem.reason for problem in found}


@pytest.mark.parametrize("tier", Tier)
def test_keys_come_in_the_order_of_the_published_schema(tier: Tier) -> None:
    """Readers compare texts."""
    content = make(tier)
    assert list(content) == ORDER[tier].split() == list(dialect_1_3.keys_of(tier))
    assert list(json.loads(dialect_1_3.encode_message(content).content)) == ORDER[tier].split()
    assert content["schema_version"] == "1.3.0"
    assert content["meta"] == ({} if tier is Tier.HEARTBEAT else META)
    assert problems(content) == {}


@pytest.mark.parametrize("tier", Tier)
def test_times_have_microseconds(tier: Tier) -> None:
    """Both times of creation are the same, and have no more digits than the dialect."""
    content = make(tier)
    assert content["machine_time"] == content["sent_time"] == "2023-06-14T12:46:00.123456"
    dialect_1_3.restamp(content, NOW + 10**9)
    assert content["sent_time"] == "2023-06-14T12:46:01.123456"
    assert content["machine_time"] == "2023-06-14T12:46:00.123456"


@pytest.mark.parametrize("detector", roster(), ids=lambda detector: detector.name)
@pytest.mark.parametrize("is_pre_sn", [False, True])
def test_identifiers(detector: Any, is_pre_sn: bool) -> None:
    """Number, tier word and machine time; PRE-SN between; and the tier is found in it again."""
    for tier in Tier:
        arguments = {**ARGUMENTS, "is_pre_sn": is_pre_sn, "machine_time": TIME}
        content = dialect_1_3.build(tier, arguments, META, detector=detector, now_ns=NOW)
        word = "PRE-SN_" if is_pre_sn else ""
        assert content["_id"] == f"{detector.number}_{word}{tier.value}_{TIME}"
        assert dialect_1_3.tier_of(content) is tier
        message, _ = dialect_1_3.parse(content)
        assert message is not None
        assert (message.is_pre_sn, message.detector_name, message.tier) == (is_pre_sn, detector.name, tier)


@pytest.mark.parametrize("flag", ["False", "", None, 0])
def test_a_text_that_says_no_is_no_pre_supernova(flag: Any) -> None:
    """Files write flags as texts."""
    assert "PRE-SN" not in make(Tier.COINCIDENCE, is_pre_sn=flag)["_id"]


@pytest.mark.parametrize(
    "identifier",
    [None, "", 5, "x", "19", "19_", "19_Tier_x", "19_PRE-SN", "_", "__", {"a_SigTier_": 1},
     "19_PRE-SN_PRE-SN_SigTier", "19_sigtier_x", ["19_SigTier_x"]],
)  # fmt: skip
def test_identifiers_that_name_no_tier(identifier: Any) -> None:
    """They are refused with the form that is right, or as no text; nothing is raised."""
    assert "_id" in problems({"_id": identifier})


@pytest.mark.parametrize("tier", Tier)
def test_what_is_built_encoded_and_read_is_the_same(tier: Tier) -> None:
    """Build, encode, read the bytes, parse: the value of the first object."""
    content = make(tier)
    again = load_json(dialect_1_3.encode_message(content).content)
    assert again == content
    assert dialect_1_3.parse(again) == dialect_1_3.parse(content)
    message, _ = dialect_1_3.parse(again)
    assert type(message) is TIER_CLASSES[tier]


@given(
    st.sampled_from(list(Tier)),
    st.integers(0, 4 * 10**18),
    st.none() | st.floats(0, 1, exclude_min=True, exclude_max=True),
    st.lists(st.floats(0, 1), max_size=5),
    st.integers(0, 2**62),
    st.text(max_size=50).filter(lambda text: text.isascii()),
    st.booleans(),
    st.dictionaries(
        st.text(max_size=5).filter(str.isascii), st.integers() | st.booleans() | st.none(), max_size=3
    ),
)
def test_any_valid_arguments_survive_the_wire(
    tier: Tier,
    time_ns: int,
    p_val: float | None,
    p_values: list[float],
    count: int,
    reason: str,
    is_pre_sn: bool,
    meta: dict[str, Any],
) -> None:
    """What a detector means is what a reader gets, to the nanosecond and the last digit."""
    arguments = {
        **ARGUMENTS,
        "neutrino_time": iso_micro(time_ns),
        "p_val": p_val,
        "p_values": p_values,
        "retract_latest": count,
        "retraction_reason": reason,
        "is_pre_sn": is_pre_sn,
    }
    content = dialect_1_3.build(tier, arguments, meta, detector=XENON, now_ns=NOW)
    message, found = dialect_1_3.parse(load_json(dialect_1_3.encode_message(content).content), is_strict=True)
    assert not found
    assert message is not None
    said = vars(message)
    assert said.get("neutrino_time_ns", time_ns) == time_ns
    assert said.get("p_values", tuple(p_values)) == tuple(p_values)
    assert said.get("retract_latest", count) == count
    if tier is Tier.COINCIDENCE:
        assert message.p_val == p_val  # type: ignore[attr-defined]
    if tier is not Tier.HEARTBEAT:
        assert message.meta == meta


@pytest.mark.parametrize("tier", [Tier.COINCIDENCE, Tier.SIGNIFICANCE, Tier.TIMING])
@pytest.mark.parametrize("time", [None, 123, "yesterday", "", "2023-06-14T25:00", ["2023-06-14"]])
def test_observations_need_a_neutrino_time(tier: Tier, time: Any) -> None:
    """Present, a text, and a time: for each of the three."""
    assert list(problems(make(tier, neutrino_time=time))) == ["neutrino_time"]


@pytest.mark.parametrize("tier", [Tier.RETRACTION, Tier.HEARTBEAT])
def test_the_other_tiers_do_not_look_at_it(tier: Tier) -> None:
    """Heartbeats and retractions have no neutrino time."""
    assert problems(make(tier, neutrino_time="yesterday")) == {}


@pytest.mark.parametrize(
    ("p_val", "is_right"),
    [
        (None, True),
        (1e-300, True),
        (0.5, True),
        (0.0, False),
        (1.0, False),
        (1, False),
        (True, False),
        (math.nan, False),
    ],
)
def test_p_val(p_val: Any, is_right: bool) -> None:
    """None or a float strictly between 0 and 1."""
    assert list(problems(make(Tier.COINCIDENCE, p_val=p_val))) == ([] if is_right else ["p_val"])


@pytest.mark.parametrize(
    ("status", "is_right"),
    [("ON", True), ("off", True), ("On", True), ("", False), ("maybe", False), ("ON ", False)],
)
def test_status(status: str, is_right: bool) -> None:
    """ON or OFF in any case, kept as typed."""
    content = make(Tier.HEARTBEAT, detector_status=status)
    assert list(problems(content)) == ([] if is_right else ["detector_status"])
    assert content["detector_status"] == status


@pytest.mark.parametrize(
    ("count", "is_right"), [(0, True), (1, True), (10**6, True), (-1, False), (None, False)]
)
def test_a_retraction_says_how_many(count: Any, is_right: bool) -> None:
    """A whole number; without one there is nothing to take back, so it is not sent."""
    assert list(problems(make(Tier.RETRACTION, retract_latest=count))) == (
        [] if is_right else ["retract_latest"]
    )


def test_a_received_retraction_without_a_number_is_read() -> None:
    """Other senders are taken as they are."""
    assert problems(make(Tier.RETRACTION, retract_latest=None), is_strict=False) == {}


@pytest.mark.parametrize("tier", Tier)
def test_what_we_send_has_exactly_the_keys(tier: Tier) -> None:
    """A missing or an extra key is refused before sending; of what others send only what is needed is asked."""
    content = make(tier)
    for key in dialect_1_3.keys_of(tier):
        without = {name: value for name, value in content.items() if name != key}
        wanted = set() if key == "sent_time" else {key}
        assert set(problems(without)) == wanted, key
    assert set(problems({**content, "pvalue": 1})) == {"pvalue"}
    assert problems({**content, "pvalue": 1}, is_strict=False) == {}


@pytest.mark.parametrize(
    ("meta", "is_test"),
    [({"is_test": True}, True), ({"is_test": "True"}, True), ({"is_test": "False"}, False), ({}, False)],
)
def test_whether_it_is_a_test_stands_in_meta(meta: dict[str, Any], is_test: bool) -> None:
    """Also as a text, as the examples of the older tools have it."""
    message, _ = dialect_1_3.parse({**make(Tier.COINCIDENCE), "meta": meta})
    assert message is not None
    assert message.is_test is is_test


@given(
    st.dictionaries(
        st.sampled_from(sorted({key for tier in Tier for key in dialect_1_3.keys_of(tier)})),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text()
        | st.lists(st.integers() | st.text()),
    ),
    st.sampled_from(list(Tier)),
    st.booleans(),
)
def test_any_object_is_a_message_or_has_problems(
    changes: dict[str, Any], tier: Tier, is_strict: bool
) -> None:
    """Nothing is raised, whatever stands in the fields."""
    message, found = dialect_1_3.parse({**make(tier), **changes}, is_strict=is_strict)
    assert (message is None) == bool(found)


@pytest.mark.parametrize("value", [object(), math.nan, {1, 2}, b"x", {("a",): 1}])
def test_what_json_cannot_say_is_refused_before_it_travels(value: Any) -> None:
    """The error names meta and keeps the reason."""
    content = dialect_1_3.build(Tier.COINCIDENCE, ARGUMENTS, {"odd": value}, detector=XENON, now_ns=NOW)
    with pytest.raises(InvalidMessage, match="cannot be written as JSON") as caught:
        dialect_1_3.encode_message(content)
    assert caught.value.problems[0].field == "meta"


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        (CommandName.TEST_CONNECTION, ["_id", "detector_name", "time", "status", "meta"]),
        (CommandName.HARD_RESET, ["_id", "pass", "detector_name", "meta"]),
        (CommandName.DISPLAY_HEARTBEATS, ["_id", "pass", "detector_name", "meta"]),
        (CommandName.GET_FEEDBACK, ["_id", "email", "detector_name", "meta"]),
    ],
)
def test_commands_have_the_published_keys_and_come_back_the_same(name: CommandName, keys: list[str]) -> None:
    """The password field stays empty; what the dialect has no key for travels in meta."""
    command = Command(
        name=name,
        detector_name="XENONnT",
        time=TIME,
        status="received",
        email="a@example.org;b@example.org" if name is CommandName.GET_FEEDBACK else "",
        request_id="r1",
        reason="done",
        meta={"note": 1},
    ).with_proof("a-token", "a.topic")
    content = dialect_1_3.command_to_object(command)
    assert list(content) == keys
    assert content["_id"] == f"0_{name.value}"
    assert content.get("pass", "") == ""
    raw = dialect_1_3.encode_command(command).content
    assert dialect_1_3.is_command(content)
    again = dialect_1_3.command_from_object(load_json(raw), raw)
    assert again == command
    assert again.is_proved("a-token", "a.topic")


def test_a_strangers_password_is_forgotten() -> None:
    """The older client sends one in clear; it is in nothing that is kept or shown."""
    content = {"_id": "0_hard-reset", "pass": "very-secret", "detector_name": "TEST", "meta": {}}
    command = dialect_1_3.command_from_object(content, b"")
    assert "very-secret" not in command.model_dump_json()


def test_the_tutorials_connection_test_is_read() -> None:
    """As the older client sends it, without any of our additions."""
    content = {
        "_id": "0_test-connection",
        "detector_name": "XENONnT",
        "time": TIME,
        "status": "sending",
        "meta": {},
    }
    assert dialect_1_3.command_from_object(content, b"") == Command(
        name=CommandName.TEST_CONNECTION, detector_name="XENONnT", time=TIME
    )
    assert dialect_1_3.command_to_object(dialect_1_3.command_from_object(content, b"")) == content


@pytest.mark.parametrize(
    "changes", [{"detector_name": 5}, {"meta": []}, {"time": {}}, {"status": 1}, {"email": ["x"]}]
)
def test_commands_with_wrong_fields_are_unreadable(changes: dict[str, Any]) -> None:
    """The bytes are kept and the field is named."""
    content = {"_id": "0_test-connection", "detector_name": "XENONnT", **changes}
    with pytest.raises(UnreadableRecord, match=next(iter(changes))):
        dialect_1_3.command_from_object(content, b"raw")


@pytest.mark.parametrize(
    "identifier", [None, 5, "", "0_", "0_make-coffee", "19_CoincidenceTier_x", ["0_hard-reset"]]
)
def test_what_is_no_command(identifier: Any) -> None:
    """Only the known words are commands."""
    assert not dialect_1_3.is_command({"_id": identifier})
