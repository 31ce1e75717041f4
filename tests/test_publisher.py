"""The publisher: the tutorial's signature, attributes and words; every check; and what really arrives."""

from __future__ import annotations

import copy
import inspect
import itertools
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from alert_samples import Stage, open_stage
from waiting import wait_for

from snews_drill import publisher
from snews_drill.connection import Connection
from snews_drill.errors import DeliveryFailed, InvalidMessage, NameNotSet, UnknownDetector, UnreadableFile
from snews_drill.messages.times import NS_PER_SECOND, iso_micro, iso_nano, parse_utc_ns
from snews_drill.names import set_name
from snews_drill.profiles import get_profile
from snews_drill.publisher import SNEWSTiersPublisher, read_json_object
from snews_drill.rehearsal.broker import EmbeddedBroker
from snews_drill.settings import DrillSettings
from snews_drill.transport import Transport
from snews_drill.wire import dialect_3
from snews_drill.wire.dialects import get_dialect
from snews_drill.wire.pickle_reader import read_model_pickle

TIME = "2023-06-14T12:45:45.678999"
MACHINE = "2023-06-14T12:46:00.000001"
NOW = parse_utc_ns("2023-06-14T12:50:00.123456789")

#: The tutorial's full call.
FULL: dict[str, Any] = {
    "detector_name": "XENONnT",
    "machine_time": MACHINE,
    "neutrino_time": TIME,
    "p_val": 0.07,
    "p_values": [0.4, 0.5, 0.09, 0.04],
    "t_bin_width": 0.6,
    "timing_series": [TIME, "2023-06-14T12:45:46.004511"],
    "detector_status": "ON",
    "is_test": True,
    "comment": "a drill",
}


_numbers = itertools.count()


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's settings are this test's own."""
    monkeypatch.setenv("SNEWS_DRILL_HOME", str(tmp_path / "own"))
    for name in ("SNEWS_DRILL_NAME", "SNEWS_DRILL_PROFILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The publisher's clock, standing still; its one entry may be changed."""
    now = [NOW]
    monkeypatch.setattr(publisher, "time", SimpleNamespace(time_ns=lambda: now[0]))
    return now


@pytest.fixture
def stage(broker: EmbeddedBroker, settings: DrillSettings, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A connection on topics of this test's own."""
    label = f"{''.join(c if c.isalnum() else '_' for c in request.node.name)[:60]}_{next(_numbers)}"
    with open_stage(broker.address, settings, label=label) as stage:
        yield stage


def make(**arguments: Any) -> SNEWSTiersPublisher:
    return SNEWSTiersPublisher(**{"detector_name": "XENONnT", **arguments})


def arrived(stage: Stage) -> list[dict[str, Any]]:
    """Return what stands on the observation topic, in order."""
    reader = stage.connection.open_reader([stage.observation_topic], start="beginning")
    try:
        found, deadline = [], time.monotonic() + 5
        while not found and time.monotonic() < deadline:
            found = reader.read(timeout=0.5)
    finally:
        reader.close()
    assert all(record.content_format == "json" for record in found)
    unique = {record.offset: record for record in found}  # the embedded broker may hand over a batch again
    return [json.loads(record.value) for record in unique.values()]


# -- the tutorial's outputs


def test_the_tutorials_full_call(clock: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    """Four messages in order, one printed line each, and exactly these objects with keys in this order."""
    made = make(**FULL)
    assert capsys.readouterr().out == (
        "Message Generated for CoincidenceTier\n"
        "Message Generated for SigTier\n"
        "Message Generated for TimeTier\n"
        "Message Generated for Heartbeat\n"
    )
    assert made.tiernames == ["CoincidenceTier", "SigTier", "TimeTier", "Heartbeat"]
    end = {"schema_version": "1.3.0", "sent_time": "2023-06-14T12:50:00.123456"}
    meta = {"meta": {"is_test": True, "comment": "a drill"}}
    common = {"detector_name": "XENONnT", "machine_time": MACHINE}
    expected = [
        {
            "_id": f"19_CoincidenceTier_{MACHINE}",
            **common,
            "neutrino_time": TIME,
            "p_val": 0.07,
            **meta,
            **end,
        },
        {
            "_id": f"19_SigTier_{MACHINE}",
            **common,
            "neutrino_time": TIME,
            "p_values": [0.4, 0.5, 0.09, 0.04],
            "t_bin_width": 0.6,
            **meta,
            **end,
        },
        {
            "_id": f"19_TimeTier_{MACHINE}",
            **common,
            "neutrino_time": TIME,
            "timing_series": FULL["timing_series"],
            **meta,
            **end,
        },
        {"_id": f"19_Heartbeat_{MACHINE}", **common, "detector_status": "ON", "meta": {}, **end},
    ]
    assert made.messages == expected
    assert [list(message) for message in made.messages] == [list(message) for message in expected]
    assert made.invalid_messages == []
    assert made.problems == []


def test_no_tier_is_said_in_the_tutorials_words(capsys: pytest.CaptureFixture[str]) -> None:
    """A detector name alone makes nothing."""
    made = make()
    assert capsys.readouterr().out == "No valid message is created! Check your input and try again!\n"
    assert (made.messages, made.invalid_messages, made.tiernames) == ([], [], [])


def test_tiers_are_said_even_if_their_message_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """The decision and the checks are two things."""
    made = make(neutrino_time="yesterday")
    assert capsys.readouterr().out == "Message Generated for CoincidenceTier\n"
    assert made.tiernames == ["CoincidenceTier"]
    assert made.messages == []
    assert [message["neutrino_time"] for message in made.invalid_messages] == ["yesterday"]


def test_message_data_is_the_arguments_in_order() -> None:
    """Detector first, then as documented, then the extras; as they were given."""
    made = make(**{**FULL, "timing_series": (1, 2), "t_bin_width": 1})
    assert list(made.message_data) == [
        "detector_name", "machine_time", "neutrino_time", "p_val", "p_values", "t_bin_width", "timing_series",
        "retract_latest", "retraction_reason", "detector_status", "is_pre_sn", "is_test", "comment",
    ]  # fmt: skip
    assert made.message_data["timing_series"] == (1, 2)
    assert made.message_data["t_bin_width"] == 1
    assert made.meta == {"comment": "a drill"}


def test_the_signature_is_that_of_the_older_tools() -> None:
    """Names, order and defaults; ours comes by keyword only."""
    parameters = inspect.signature(SNEWSTiersPublisher).parameters
    assert {name: p.default for name, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD} == {
        "env_file": None, "detector_name": "TEST", "machine_time": None, "neutrino_time": None, "p_val": None,
        "p_values": None, "t_bin_width": None, "timing_series": None, "retract_latest": None,
        "retraction_reason": None, "detector_status": None, "is_pre_sn": False, "firedrill_mode": True, "is_test": False,
    }  # fmt: skip
    assert [n for n, p in parameters.items() if p.kind is p.KEYWORD_ONLY] == ["connection", "verbose"]
    assert list(parameters)[-1] == "meta"


def test_the_print_out_on_sending(stage: Stage, clock: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    """As in the tutorial: rule, tier and topic, keys padded, meta indented; quiet when asked."""
    made = make(
        detector_status="ON", retract_latest=1, retraction_reason="noise", connection=stage.connection
    )
    capsys.readouterr()
    clock[0] += NS_PER_SECOND
    made.send_to_snews()
    url = f"kafka://{stage.connection.broker}/{stage.observation_topic}"
    assert capsys.readouterr().out == (
        "----------------------------------------------------------------\n"
        f"Sending message to Retraction on {url}\n"
        "IT'S OKAY, WE ALL MAKE MISTAKES\n"
        "_id                :19_Retraction_2023-06-14T12:50:00.123456\n"
        "detector_name      :XENONnT\n"
        "machine_time       :2023-06-14T12:50:00.123456\n"
        "retract_latest     :1\n"
        "retraction_reason  :noise\n"
        "meta               :\n"
        "\tis_test            :False\n"
        "schema_version     :1.3.0\n"
        "sent_time          :2023-06-14T12:50:01.123456\n"
        "----------------------------------------------------------------\n"
        f"Sending message to Heartbeat on {url}\n"
        "_id                :19_Heartbeat_2023-06-14T12:50:00.123456\n"
        "detector_name      :XENONnT\n"
        "machine_time       :2023-06-14T12:50:00.123456\n"
        "detector_status    :ON\n"
        "meta               :\n"
        "schema_version     :1.3.0\n"
        "sent_time          :2023-06-14T12:50:01.123456\n"
    )
    made.send_to_snews(verbose=False)
    assert capsys.readouterr().out == ""


# -- checks


@pytest.mark.parametrize("tier", [{}, {"p_values": [0.5], "t_bin_width": 1}, {"timing_series": [TIME]}])
@pytest.mark.parametrize(
    ("offset_ns", "is_valid"),
    [(0, True), (1, False), (-1, True), (-48 * 3600 * 10**9, True), (-48 * 3600 * 10**9 - 1, False)],
)
def test_age_to_the_nanosecond(
    clock: list[int], tier: dict[str, Any], offset_ns: int, is_valid: bool
) -> None:
    """Between 48 h ago and now, both included, for every observation tier; tests may be from any time."""
    text = iso_micro(NOW + offset_ns)
    made = make(neutrino_time=text, **tier)
    assert len(made.messages if is_valid else made.invalid_messages) == 1 + bool(tier)
    assert (not made.problems) is is_valid
    assert {problem.field for problem in made.problems} == (set() if is_valid else {"neutrino_time"})
    assert make(neutrino_time=text, is_test=True, **tier).problems == []


@pytest.mark.parametrize(
    ("p_val", "is_valid"),
    [
        (None, True), (0.05, True), (1e-300, True), (np.float64(0.5), True), (np.float32(0.5), True),
        (0.0, False), (1.0, False), (0, False), (1, False), (True, False), (float("nan"), False), (-0.1, False),
        ("0.5", False), (10**400, False), ([0.5], False),
    ],
)  # fmt: skip
def test_p_val(clock: list[int], p_val: Any, is_valid: bool) -> None:
    """None or a float strictly between 0 and 1; an integer is none, a number of numpy is one."""
    made = make(neutrino_time=TIME, p_val=p_val)
    assert bool(made.messages) is is_valid
    assert [problem.field for problem in made.problems] == ([] if is_valid else ["p_val"])
    if is_valid and p_val is not None:
        assert type(made.messages[0]["p_val"]) is float


@pytest.mark.parametrize("status", ["ON", "OFF", "on", "Off"])
def test_heartbeats_keep_the_status_as_typed(status: str) -> None:
    """Any case is right."""
    assert make(detector_status=status).messages[0]["detector_status"] == status


@pytest.mark.parametrize("status", ["", "maybe", "ON!"])
def test_other_words_are_no_status(status: str) -> None:
    """The problem names the field and what would be right."""
    made = make(detector_status=status)
    assert [message["detector_status"] for message in made.invalid_messages] == [status]
    assert made.problems[0].field == "detector_status"


@pytest.mark.parametrize("arguments", [{"p_values": [0.5], "t_bin_width": 0.5}, {"timing_series": [TIME]}])
def test_observations_need_a_neutrino_time(arguments: dict[str, Any]) -> None:
    """The tier arises and fails, with the field named."""
    made = make(**arguments)
    assert len(made.tiernames) == len(made.invalid_messages) == 1
    assert [problem.field for problem in made.problems] == ["neutrino_time"]


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"retract_latest": True}, "retract_latest"),
        ({"retract_latest": "1"}, "retract_latest"),
        ({"detector_status": 1}, "detector_status"),
        ({"neutrino_time": 123}, "neutrino_time"),
        ({"p_values": [0.5]}, "p_values"),
    ],
)
def test_what_was_dropped_in_silence_is_reported(arguments: dict[str, Any], field: str) -> None:
    """A remark, no refusal: nothing was made of it."""
    made = make(**arguments)
    assert made.tiernames == []
    assert [(problem.field, problem.is_fatal) for problem in made.problems] == [(field, False)]


def test_harmless_variants_are_accepted_and_sent_as_what_they_mean(clock: list[int]) -> None:
    """An integer width, a tuple, an array: the messages hold plain JSON."""
    made = make(neutrino_time=TIME, p_values=np.array([0.5, 0.25]), t_bin_width=1, timing_series=(TIME,))
    assert made.tiernames == ["CoincidenceTier", "SigTier", "TimeTier"]
    assert made.problems == []
    assert made.messages[1]["p_values"] == [0.5, 0.25]
    assert type(made.messages[1]["t_bin_width"]) is float
    assert made.messages[2]["timing_series"] == [TIME]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("2023-06-14", "2023-06-14T00:00:00"),
        ("2023-06-14 12:45:45.678999", TIME),
        ("20230614T124545", "2023-06-14T12:45:45"),
        ("2023-06-14T12:45:45.1", "2023-06-14T12:45:45.100000"),
        ("2023-06-14T12:45:45.123456789", "2023-06-14T12:45:45.123456789"),
        ("2023-06-14T14:45:45+02:00", "2023-06-14T12:45:45"),
    ],
)
def test_neutrino_times_are_sent_in_canonical_form(clock: list[int], given: str, sent: str) -> None:
    """However it was written."""
    assert make(neutrino_time=given).messages[0]["neutrino_time"] == sent


def test_pre_supernova_identifiers(clock: list[int]) -> None:
    """Every message of such a call says it."""
    made = make(**FULL, is_pre_sn=True)
    assert [message["_id"] for message in made.messages] == [
        f"19_PRE-SN_{tier}_{MACHINE}" for tier in ("CoincidenceTier", "SigTier", "TimeTier", "Heartbeat")
    ]
    assert "is_pre_sn" not in made.messages[0]["meta"]


# -- meta


def test_meta_holds_the_extras_but_for_heartbeats(clock: list[int]) -> None:
    """is_test first, then what was given, as given; retractions have it too."""
    made = make(neutrino_time=TIME, detector_status="ON", note="x", nested={"a": [1]}, is_test="True")
    assert made.messages[0]["meta"] == {"is_test": "True", "note": "x", "nested": {"a": [1]}}
    assert made.messages[1]["meta"] == {}
    assert make(retract_latest=1, note="x").messages[0]["meta"] == {"is_test": False, "note": "x"}


def test_large_extras_are_left_out_aloud(clock: list[int]) -> None:
    """The limit is that of the older tools, to the byte; they said nothing."""
    overhead = len("x") - 1 + 49  # what an ASCII text takes beyond its characters
    fits, too_large = "x" * (2047 - overhead), "x" * (2048 - overhead)
    made = make(neutrino_time=TIME, fits=fits, too_large=too_large)
    assert made.messages[0]["meta"] == {"is_test": False, "fits": fits}
    assert [(problem.field, problem.is_fatal) for problem in made.problems] == [("too_large", False)]
    assert "2,048 bytes" in str(made.problems[0])


@pytest.mark.parametrize("value", [object(), float("nan"), {1}, b"x", [float("inf")]])
def test_extras_that_json_cannot_say_are_found_when_built(clock: list[int], value: Any) -> None:
    """Not first when the drill is on."""
    made = make(neutrino_time=TIME, detector_status="ON", odd=value)
    assert [problem.field for problem in made.problems] == ["meta"]
    assert [message["_id"].split("_")[1] for message in made.messages] == ["Heartbeat"]


def test_numbers_of_numpy_are_numbers_in_meta_too(clock: list[int]) -> None:
    """They travel as JSON numbers."""
    made = make(neutrino_time=TIME, energy=np.float32(2.5), count=np.int64(3), counts=np.array([1, 2]))
    assert made.problems == []
    assert (
        json.dumps(made.messages[0]["meta"])
        == '{"is_test": false, "energy": 2.5, "count": 3, "counts": [1, 2]}'
    )


# -- names and dialects


def test_the_remembered_name_stands_for_test(settings: DrillSettings) -> None:
    """ "TEST", the default, means you."""
    with pytest.raises(NameNotSet):
        SNEWSTiersPublisher(detector_status="ON")
    set_name("LZ", verbose=False)
    assert SNEWSTiersPublisher(detector_status="ON").messages[0]["detector_name"] == "LZ"
    assert (
        SNEWSTiersPublisher(detector_name="TEST", detector_status="ON").message_data["detector_name"] == "LZ"
    )


def test_the_connections_settings_name_you(stage: Stage, settings: DrillSettings) -> None:
    """Not those of the process."""
    set_name("LVD", settings=settings, verbose=False)
    connection = stage.connection
    known = Connection(
        connection.profile,
        connection._transport,
        connection.dialect,
        settings=settings.model_copy(update={"detector_name": "LVD"}),
    )
    assert SNEWSTiersPublisher(detector_status="ON", connection=known).messages[0]["detector_name"] == "LVD"


@pytest.mark.parametrize("name", ["XENON1T", "", None, ["LZ"]])
def test_an_unknown_detector_is_refused_at_once(name: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is said to be generated."""
    with pytest.raises(UnknownDetector):
        make(detector_name=name, detector_status="ON")
    assert capsys.readouterr().out == ""


def test_spellings_are_sent_as_registered_names() -> None:
    """With the number of that detector."""
    message = make(detector_name="km3", detector_status="ON", machine_time=MACHINE).messages[0]
    assert (message["_id"], message["detector_name"]) == (f"11_Heartbeat_{MACHINE}", "KM3NeT")


def test_the_other_dialects_spellings_are_understood(clock: list[int]) -> None:
    """A call written for the newer client makes the same messages."""
    ours = make(**FULL)
    theirs = {
        "machine_time_utc": FULL["machine_time"],
        "neutrino_time_utc": FULL["neutrino_time"],
        "t_bin_width_sec": FULL["t_bin_width"],
    }
    left = {key: v for key, v in FULL.items() if key not in ("machine_time", "neutrino_time", "t_bin_width")}
    assert make(**left, **theirs).messages == ours.messages
    assert make(retract_latest_n=2).messages[0]["retract_latest"] == 2


def test_messages_of_another_dialect_are_not_sent(stage: Stage, clock: list[int]) -> None:
    """Built before connecting to a broker that speaks otherwise: said, not sent garbled."""
    connection = stage.connection
    made = make(neutrino_time=TIME, connection=connection)
    connection.dialect = get_dialect("3")
    with pytest.raises(InvalidMessage, match=r"built in dialect 1\.3, the connection speaks 3"):
        made.send_to_snews(verbose=False)
    again = make(neutrino_time=TIME, connection=connection)
    assert list(again.messages[0])[:3] == ["id", "uuid", "tier"]
    connection.dialect = get_dialect("1.3")


def test_in_dialect_3_what_is_shown_travels_edited_and_sent_again(stage: Stage) -> None:
    """With values of numpy and pandas, too: equal in content and keys to what readers get, restamped each time."""
    connection, now_ns = stage.connection, time.time_ns()
    connection.dialect = get_dialect("3")
    made = make(
        neutrino_time=iso_nano(now_ns - NS_PER_SECOND),
        p_val=np.float32(0.25),
        p_values=pd.Series([0.5, 0.25]),
        t_bin_width=np.int64(1),
        timing_series=np.array([0, 7], dtype=np.int64),
        detector_status="ON",
        comment=np.float64(2.5),
        connection=connection,
    )
    assert [message["tier"] for message in made.messages] == [
        "CoincidenceTier", "SignificanceTier", "TimingTier", "Heartbeat",
    ]  # fmt: skip
    for message in made.messages:
        assert tuple(message) == dialect_3.keys_of(dialect_3.tier_of(message))
        assert json.loads(json.dumps(message)) == message
    made.messages[0]["p_val"] = np.float64(0.125)
    made.messages[0]["neutrino_time_utc"] = iso_micro(now_ns // 1000 * 1000 - 2 * NS_PER_SECOND)
    made.messages[1]["meta"]["shift"] = "night"
    sent = []
    for _ in range(2):
        made.send_to_snews(verbose=False)
        sent += copy.deepcopy(made.messages)
    read: list[Any] = []
    reader = connection.open_reader([stage.observation_topic], start="beginning")
    wait_for(lambda: read.extend(reader.read(timeout=0.2)) or len({r.offset for r in read}) == 8, "8 records")
    reader.close()
    records = {record.offset: record for record in read}.values()
    as_objects = [
        read_model_pickle(r.value).fields if r.content_format == "blob" else json.loads(json.loads(r.value))
        for r in records
    ]
    assert as_objects == sent
    assert [list(content) for content in as_objects] == [list(content) for content in sent]
    assert sent[0]["p_val"] == 0.125
    assert sent[0]["neutrino_time_utc"].endswith("000Z")
    assert sent[1]["meta"]["shift"] == "night"
    assert sent[0]["uuid"] == sent[4]["uuid"]
    assert sent[0]["sent_time_utc"] < sent[4]["sent_time_utc"]


# -- sending


def test_what_is_sent_arrives_with_receipts(stage: Stage, clock: list[int]) -> None:
    """Every message once, in order, byte for byte what `.messages` shows, restamped when sent."""
    made = make(**FULL, connection=stage.connection)
    clock[0] += 5 * NS_PER_SECOND
    receipts = made.send_to_snews(verbose=False)
    assert [receipt.topic for receipt in receipts] == [stage.observation_topic] * 4
    assert [receipt.offset for receipt in receipts] == [0, 1, 2, 3]
    assert all(receipt.milliseconds > 0 for receipt in receipts)
    assert arrived(stage) == made.messages
    assert {message["sent_time"] for message in made.messages} == {"2023-06-14T12:50:05.123456"}
    assert {message["machine_time"] for message in made.messages} == {MACHINE}


def test_what_was_edited_rightly_is_sent_as_edited(stage: Stage, clock: list[int]) -> None:
    """Checked again, in canonical form."""
    made = make(neutrino_time=TIME, detector_status="ON", connection=stage.connection)
    made.messages[0]["neutrino_time"] = "2023-06-14 12:00"
    made.messages[0]["p_val"] = 0.01
    made.messages[0]["meta"]["shift"] = "night"
    del made.messages[1]
    made.send_to_snews(verbose=False)
    (content,) = arrived(stage)
    assert content["neutrino_time"] == "2023-06-14T12:00:00"
    assert (content["p_val"], content["meta"]["shift"]) == (0.01, "night")


@pytest.mark.parametrize(
    ("edit", "field"),
    [
        (lambda m: m[0].update(p_val=2.0), "p_val"),
        (lambda m: m[0].update(p_val=1), "p_val"),
        (lambda m: m[0].update(neutrino_time="2099-01-01"), "neutrino_time"),
        (lambda m: m[0].update(neutrino_time=None), "neutrino_time"),
        (lambda m: m[0].update(detector_name="XENON1T"), "detector_name"),
        (lambda m: m[0].update(_id="nothing"), "_id"),
        (lambda m: m[0].update(pval=0.5), "pval"),
        (lambda m: m[0].pop("p_val"), "p_val"),
        (lambda m: m[0].pop("meta"), "meta"),
        (lambda m: m[0]["meta"].update(odd=object()), "meta"),
        (lambda m: m[0].update(meta=None) or m[0].update(machine_time=5), "machine_time"),
        (lambda m: m[1].update(detector_status="BROKEN"), "detector_status"),
        (lambda m: m.append("text"), "messages"),
        (lambda m: m.append({}), "_id"),
    ],
)
def test_what_was_edited_wrongly_is_named_and_nothing_is_sent(
    stage: Stage, clock: list[int], edit: Any, field: str
) -> None:
    """Not even the messages that are right."""
    made = make(neutrino_time=TIME, detector_status="ON", connection=stage.connection)
    edit(made.messages)
    with pytest.raises(InvalidMessage) as caught:
        made.send_to_snews(verbose=False)
    assert field in {problem.field for problem in caught.value.problems}
    other = make(detector_status="OFF", connection=stage.connection)
    other.send_to_snews(verbose=False)
    assert [content.get("detector_status") for content in arrived(stage)] == ["OFF"]


@pytest.mark.parametrize("arguments", [{}, {"detector_status": "maybe"}, {"retract_latest": True}])
def test_nothing_to_send_is_an_error_that_says_why(stage: Stage, arguments: dict[str, Any]) -> None:
    """With the field that was wrong, if there was one."""
    made = make(**arguments, connection=stage.connection)
    with pytest.raises(InvalidMessage) as caught:
        made.send_to_snews()
    assert {problem.field for problem in caught.value.problems} == (set(arguments) or {"messages"})


def test_only_the_valid_ones_are_sent(stage: Stage, clock: list[int]) -> None:
    """An invalid message does not keep the others back, and stays where it can be seen."""
    made = make(neutrino_time="yesterday", detector_status="ON", connection=stage.connection)
    made.send_to_snews(verbose=False)
    assert [content["_id"].split("_")[1] for content in arrived(stage)] == ["Heartbeat"]
    assert len(made.invalid_messages) == 1


def test_sending_twice_sends_twice(stage: Stage, clock: list[int]) -> None:
    """Duplicates are the user's choice; each carries its own time of sending."""
    made = make(neutrino_time=TIME, connection=stage.connection)
    made.messages.append(dict(made.messages[0]))
    made.send_to_snews(verbose=False)
    clock[0] += NS_PER_SECOND
    made.send_to_snews(verbose=False)
    found = arrived(stage)
    assert [content["sent_time"][17:19] for content in found] == ["00", "00", "01", "01"]
    assert len({content["_id"] for content in found}) == 1


def test_a_message_that_became_too_old_is_not_sent(stage: Stage, clock: list[int]) -> None:
    """Checks are made again with the time of sending."""
    made = make(neutrino_time=TIME, connection=stage.connection)
    clock[0] += 49 * 3600 * NS_PER_SECOND
    with pytest.raises(InvalidMessage, match="48 hours"):
        made.send_to_snews(verbose=False)


def test_firedrill_mode_selects_the_topic(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """False means the test topics, also when a file says it as a text."""
    test_topics = stage.connection.topics(firedrill_mode=False)
    stage.transport.create_topics(test_topics.names())
    for no in (False, "False"):
        made = make(detector_status="ON", firedrill_mode=no, connection=stage.connection)
        assert made.send_to_snews()[0].topic == test_topics.observations == "snews.experiments-test"
    assert "/snews.experiments-test\n" in capsys.readouterr().out


def test_a_broker_that_is_gone_loses_nothing(settings: DrillSettings) -> None:
    """DeliveryFailed within the given time, with the messages; they stay in place and can be sent later."""
    profile = get_profile("kafka://127.0.0.1:1")
    with Connection(profile, Transport("127.0.0.1:1"), get_dialect("1.3"), settings=settings) as nowhere:
        made = make(detector_status="ON", connection=nowhere)
        begun = time.monotonic()
        with pytest.raises(DeliveryFailed) as caught:
            made.send_to_snews(verbose=False, timeout=1.0)
        assert time.monotonic() - begun < 5
    assert list(caught.value.undelivered) == made.messages
    assert ".messages" in caught.value.next_step


def test_the_older_notebooks_calls_are_accepted(stage: Stage) -> None:
    """`auth` comes first there; an env_file names nothing that is read."""
    made = SNEWSTiersPublisher("nowhere.env", "XENONnT", detector_status="ON", connection=stage.connection)
    assert made.env_file == "nowhere.env"
    assert len(made.send_to_snews(False, False)) == 1


# -- files


def write(path: Path, content: Any) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def test_from_json_with_overrides(tmp_path: Path, clock: list[int]) -> None:
    """The file's arguments, completed and replaced by those of the call; is_test as the examples have it, a text."""
    path = write(
        tmp_path / "message.json", {**FULL, "is_test": "True", "neutrino_time": "2022-06-14T14:50:12"}
    )
    made = SNEWSTiersPublisher.from_json(str(path), detector_name="IceCube", p_val=0.5, more="x")
    assert len(made.messages) == 4
    assert made.messages[0]["detector_name"] == "IceCube"
    assert made.messages[0]["p_val"] == 0.5
    assert made.messages[0]["meta"] == {"is_test": "True", "comment": "a drill", "more": "x"}


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "not JSON"),
        (b"{'detector_name': 'LZ'}", "not JSON"),
        (b"\x00\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"9" * 10_000, "not JSON"),
        ([{"detector_name": "LZ"}], "holds a list"),
        ("text", "holds a str"),
        (None, "holds a NoneType"),
        (b" " * ((1 << 20) + 1), "larger than 1 MiB"),
        ({"detector_status": "ON", "connection": "kafka://host"}, "holds a connection"),
    ],
)
def test_bad_files_are_clear_errors(tmp_path: Path, content: Any, word: str) -> None:
    """The file and the reason are named, with the next step."""
    path = write(tmp_path / "bad.json", content)
    with pytest.raises(UnreadableFile, match=word) as caught:
        SNEWSTiersPublisher.from_json(path, detector_name="LZ")
    assert str(path) in str(caught.value)
    assert caught.value.next_step


@pytest.mark.parametrize("name", ["missing.json", "", "missing/x.json", "x" * 300])
def test_missing_files_and_folders_are_clear_errors(tmp_path: Path, name: str) -> None:
    """A folder in a file's place too."""
    with pytest.raises(UnreadableFile, match="cannot be read"):
        read_json_object(tmp_path / name)


def test_a_mark_at_the_beginning_is_no_fault(tmp_path: Path) -> None:
    """Some editors write one."""
    path = write(tmp_path / "marked.json", b"\xef\xbb\xbf" + json.dumps({"detector_name": "LZ"}).encode())
    assert read_json_object(path) == {"detector_name": "LZ"}


def test_odd_keys_of_a_file_are_extras(tmp_path: Path, clock: list[int]) -> None:
    """Whatever a key is called, it does not break the call."""
    path = write(
        tmp_path / "odd.json", {"self": 1, "env_file": "x", "": 2, "_id": 3, "detector_status": "ON"}
    )
    made = SNEWSTiersPublisher.from_json(path, detector_name="LZ", neutrino_time=TIME)
    assert made.messages[0]["meta"] == {"is_test": False, "self": 1, "": 2, "_id": 3}
    assert made.env_file is None


# -- showing


def test_reprs_are_short_and_escaped() -> None:
    """A notebook shows the messages as tables; nothing a user typed becomes HTML."""
    made = make(neutrino_time=TIME, detector_status="ON", note="<b>bold</b>", is_test=True)
    assert repr(made) == "SNEWSTiersPublisher(XENONnT: CoincidenceTier, Heartbeat; 2 to send)"
    assert repr(make(detector_status="x")) == "SNEWSTiersPublisher(XENONnT: Heartbeat; 0 to send, 1 invalid)"
    assert repr(make()) == "SNEWSTiersPublisher(XENONnT: no tier; 0 to send)"
    shown = made._repr_html_()
    assert "<b>bold" not in shown
    assert "&lt;b&gt;bold" in shown


def test_building_quietly(capsys: pytest.CaptureFixture[str]) -> None:
    """A form that builds with every keystroke prints nothing, and is no extra."""
    made = make(detector_status="ON", retract_latest=1, verbose=False)
    assert capsys.readouterr().out == ""
    assert made.messages[0]["meta"] == {"is_test": False}


def test_a_wrong_time_is_told_beside_a_wrong_p_value() -> None:
    """Both at once, so that nobody mends one and is sent back for the other."""
    msg = SNEWSTiersPublisher(detector_name="LZ", neutrino_time="2025-01-01T00:00:00", p_val=5, verbose=False)
    assert [problem.field for problem in msg.problems] == ["p_val", "neutrino_time"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_read_and_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`snews-drill publish <(…)` works; a pipe that nobody writes to ends with an error that says so."""
    monkeypatch.setattr(publisher, "_PIPE_SECONDS", 0.2)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(UnreadableFile, match="nothing came through this pipe"):
        publisher.read_json_object(pipe)
    monkeypatch.setattr(publisher, "_PIPE_SECONDS", 10.0)
    writer = threading.Thread(target=pipe.write_text, args=('{"detector_status": "ON"}',))
    writer.start()
    assert publisher.read_json_object(pipe) == {"detector_status": "ON"}
    writer.join(10)
