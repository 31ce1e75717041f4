"""Inputs that are nearly right: valid samples of every kind, and seeded ways to spoil them.

The same seed and number give the same bytes on every machine.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import pickletools
import random
import re
import string
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from snews_drill.detectors import find_detector
from snews_drill.messages.commands import Command, CommandName
from snews_drill.messages.tiers import CoincidenceTier, Tier
from snews_drill.outbox.entry import OutboxEntry, identify
from snews_drill.rehearsal.processes import ProcessMark
from snews_drill.rehearsal.state import RehearsalState
from snews_drill.wire.dialects import DIALECTS, decode_record

DATA = Path(__file__).parents[1] / "data"

_NOW_NS = 1_675_771_200_000_000_000

#: What a person may see and a machine may obey, in any text.
STEERING = (
    "[red]JUNO[/red]",
    "[link=file:///etc/passwd]JUNO[/link]",
    "\x1b[2J\x1b[31mJUNO",
    "\x1b]8;;http://example.org\x1b\\JUNO\x1b]8;;\x1b\\",
    "\x9b31m",
    "\u202eONUJ",
    "\u2066JUNO\u2069",
    "JU\u200bNO",
    "JU\u00adNO\ufeff",
    "JUNO\x00",
    "JUNO\r\nBcc: everybody@example.org",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "'\"><svg/onload=alert(1)>",
    "</pre></div><!--",
    "$$\\href{javascript:alert(1)}{x}$$",
    "../../../../etc/passwd",
    "/dev/zero",
    "con.json",
    "; rm -rf ~; $(id) `id`",
    "--help",
    "-o/tmp/x",
    '=HYPERLINK("http://example.org")',
    "@SUM(1)",
    "%s%n%x{0}{detector}{0.__class__}",
    "\ud800",
    "\U0001f4a5" * 100,
    "e\u0301" * 200,
    "K" * 4097,
    " ",
    "",
)

#: Times at the edges of what can be written, kept and calculated with.
TIMES = (
    "0000-01-01T00:00:00",
    "0001-01-01T00:00:00",
    "0001-01-01T00:00:00+23:59",
    "1677-09-21T00:12:43.145224192Z",
    "1677-09-21T00:12:43.145224191Z",
    "1969-12-31T23:59:59.999999999Z",
    "2016-12-31T23:59:60Z",
    "2262-04-11T23:47:16.854775807Z",
    "2262-04-11T23:47:16.854775808Z",
    "9999-12-31T23:59:59.999999999Z",
    "9999-12-31T23:59:59-23:59",
    "10000-01-01T00:00:00",
    "2023-02-07T24:00:00",
    "2023-02-30T00:00:00",
    "2023-W06-2",
    "20230207T120000.1234567890123",
    "2023-02-07T12:00:00+99:99",
    "2023-02-07T12:00:00,5",
    "２０２３-02-07T12:00:00",
    "2023-02-07 12:00",
    "now",
    "1675771200",
    "P1D",
)

#: JSON texts of values, among them some that are not JSON.
NUMBERS = (
    "0",
    "-0",
    "-0.0",
    "1",
    "-1",
    "1e400",
    "-1e400",
    "1e-400",
    "1E+999999999999",
    "0.1e-9999999",
    "4.9e-324",
    "1.7976931348623157e308",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "9" * 400,
    "9" * 4300,
    "9" * 4301,
    "-" + "9" * 20_000,
    "0." + "3" * 20_000,
    "NaN",
    "Infinity",
    "-Infinity",
    "nan",
    "0x10",
    "1_000",
    "01",
    "+1",
    ".5",
    "٣",
    "true",
    "false",
    "null",
    "True",
    "None",
)


@dataclass(frozen=True, slots=True)
class Raw:
    """A text that stands for itself in JSON that is written by hand."""

    text: str


def written(value: Any) -> str:
    """Return JSON, in which `Raw` stands as it is and a list of pairs (`Pairs`) may repeat keys."""
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, Pairs):
        return "{" + ", ".join(f"{json.dumps(key)}: {written(item)}" for key, item in value.items) + "}"
    if isinstance(value, dict):
        return (
            "{" + ", ".join(f"{json.dumps(str(key))}: {written(item)}" for key, item in value.items()) + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return json.dumps(value)


@dataclass(frozen=True, slots=True)
class Pairs:
    """An object that may have a key twice."""

    items: tuple[tuple[str, Any], ...]


# -- valid samples


def _messages() -> Iterator[tuple[str, dict[str, Any], bytes]]:
    """Yield dialect, object and bytes of every tier and command in both dialects."""
    arguments: dict[Tier, dict[str, Any]] = {
        Tier.COINCIDENCE: {"neutrino_time": "2023-02-07T11:59:00.026127", "p_val": 0.05},
        Tier.SIGNIFICANCE: {
            "neutrino_time": "2023-02-07T11:59:00",
            "p_val": 0.5,
            "p_values": [0.4, 0.5],
            "t_bin_width": 0.8,
        },
        Tier.TIMING: {
            "neutrino_time": "2023-02-07T11:59:00",
            "timing_series": ["2023-02-07T11:59:00.1", "2023-02-07T11:59:00.2"],
        },
        Tier.RETRACTION: {"retract_latest": 1, "retraction_reason": "a test"},
        Tier.HEARTBEAT: {"detector_status": "ON"},
    }
    for name, dialect in DIALECTS.items():
        for tier, given in arguments.items():
            meta = {} if tier is Tier.HEARTBEAT else {"is_test": False, "comment": "a test"}
            content = dialect.build(
                tier,
                {**given, "is_firedrill": True},
                meta,
                detector=find_detector("XENONnT"),
                now_ns=_NOW_NS,
            )
            if "uuid" in content:
                content["uuid"] = "00000000-0000-4000-8000-000000000000"
            yield name, content, dialect.encode_message(content).content
        for word in CommandName:
            command = Command(
                name=word,
                detector_name="XENONnT",
                time="2023-02-07T12:00:00.000001",
                email="somebody@lab.example" if word is CommandName.GET_FEEDBACK else "",
                request_id="0123456789abcdef",
                proof="0" * 64,
                meta={"comment": "a test"},
            )
            yield name, dialect.command_to_object(command), dialect.encode_command(command).content


def _alerts() -> list[dict[str, Any]]:
    common = {
        "alert_type": "COINC_MSG",
        "server_tag": "vm",
        "False Alarm Prob": "1.00%",
        "detector_names": ["JUNO", "XENONnT"],
        "sent_time": "2023-02-07T12:00:00.450410",
        "p_values": [0.07, None],
        "neutrino_times": ["2023-02-07T11:59:00.962607000Z", "2023-02-07T11:59:00.988607"],
        "p_values average": 0.06,
        "sub list number": 0,
    }
    return [
        {"_id": "SNEWS_Coincidence_ALERT 2023-02-07T12:00:00.450410", **common},
        {"id": "SNEWS_Coincidence_ALERT-UPDATE 2023-02-07T12:00:00.450410", **common, "alert_type": "UPDATE"},
        {"id": "x", "alert_type": "TEST RETRACTION", "detector_names": [], "neutrino_times": []},
    ]


def _state() -> dict[str, Any]:
    mark = ProcessMark(4242, 1675771200.5)
    state = RehearsalState(
        rehearsal_id="20230207T120000Z-0123abcd",
        broker="127.0.0.1:9092",
        instance="0123abcd",
        started_utc="2023-02-07T12:00:00+00:00",
        archive_dir=Path("/tmp/rehearsals/20230207T120000Z-0123abcd"),
        admin_token="0" * 43,
        supervisor=mark,
        broker_process=mark,
    )
    return json.loads(state.to_json())


def _entry() -> dict[str, Any]:
    dialect, _, raw = next(_messages())
    message = decode_record(raw, "json").value
    assert isinstance(message, CoincidenceTier)
    entry = OutboxEntry(
        id=identify("127.0.0.1:9092", "snews.experiments-firedrill", message),
        profile="rehearsal",
        broker="127.0.0.1:9092",
        topic="snews.experiments-firedrill",
        dialect=dialect,
        is_live=False,
        content=raw,
        content_format="json",
        kept_ns=_NOW_NS,
        tried_ns=_NOW_NS,
        attempts=1,
        failure="The broker did not answer.",
    )
    return json.loads(entry.model_dump_json())


_BOOKMARK: dict[str, Any] = {
    "version": 1,
    "broker": "rehearsal",
    "topic": "alerts",
    "life": "0123abcd",
    "partitions": [{"partition": 0, "next_offset": 7, "timestamp_ms": 1675771200000}],
}
_SETTINGS = """detector_name = "XENONnT"
profile = "rehearsal"
topics_prefix = "drill."
state_dir = "/tmp/state"
smtp_host = "localhost"
smtp_port = 2525
"""
_CONTACTS = """[contacts]
XENONnT = ["somebody@lab.example", "somebody.else@lab.example"]
JUNO = []
"""
_TOPICS = """[firedrill]
observations = "a.observations"
alerts = "a.alerts"
connection = "a.connection"
[test]
observations = "b.observations"
alerts = "b.alerts"
connection = "a.connection"
"""
_CREDENTIALS = """[[auth]]
username = "somebody"
password = "a password"
hostname = "kafka.example.org:9092"
mechanism = "SCRAM_SHA_512"
protocol = "SASL_SSL"
"""
_FORM = (
    "2023-02-07T12:00:00.026127",
    "0.05",
    "17",
    "ON",
    "0.4, 0.5; 0.6",
    '[0.4, 0.5, "x"]',
    "2023-02-07T12:00:00\n2023-02-07T12:00:01",
    '{"a": [1, null]}',
)


@lru_cache(maxsize=1)
def samples() -> dict[str, tuple[Any, ...]]:
    """Return what each decoder accepts: JSON objects to be spoiled before they are written, else bytes."""
    messages = list(_messages())
    objects = [content for _, content, _ in messages]
    pickles = [raw for _, _, raw in messages if raw[:1] == b"\x80"]
    pickles += [path.read_bytes() for path in sorted((DATA / "wire/pickles").glob("*/*.bin"))]
    stored = [path.read_bytes() for path in sorted((DATA / "wire/records").glob("*.json"))]
    hostile = [path.read_bytes() for path in sorted((DATA / "wire/hostile").glob("*.bin"))]
    folder = resources.files("snews_drill").joinpath("data/scenarios")
    scenarios = [entry.read_bytes() for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)]
    plain = [content for dialect, content, _ in messages if "tier" in content or dialect == "1.3"]
    arguments = [
        {"detector_name": "XENONnT", "neutrino_time": "2023-02-07T11:59:00", "p_val": 0.05, "comment": "x"},
        {"detector_name": "JUNO", "detector_status": "on", "retract_latest": 1, "is_test": "True"},
        {"p_values": [0.4], "t_bin_width": 0.8, "timing_series": [1, 2], "neutrino_time": "20230207T115900"},
    ]
    return {
        "record": (*objects, *pickles, *stored, *hostile),
        "pickle": (*pickles, *hostile),
        "json": (*objects, *_alerts(), *stored),
        "alert": tuple(_alerts()),
        "alert table": tuple(_alerts()),
        "control room": (*objects, *_alerts(), *_alerts(), *pickles),
        "report": (*objects, *pickles, *stored),
        "outbox": (_entry(),),
        "saved alert": (*_alerts(), {"JUNO": "2023-02-07T12:00:00", "LVD": "2023-02-07T12:00:00.1"}),
        "scenario": tuple(scenarios),
        "state": (_state(),),
        "state file": (_state(),),
        "bookmark": (_BOOKMARK,),
        "settings": (_SETTINGS.encode(),),
        "contacts": (_CONTACTS.encode(),),
        "topics": (_TOPICS.encode(),),
        "arguments": (*arguments, *plain),
        "credentials": (_CREDENTIALS.encode(),),
        "form": tuple(text.encode() for text in _FORM),
    }


def as_bytes(sample: Any) -> bytes:
    """Return a sample as it lies in a file or travels in a record."""
    return sample if isinstance(sample, bytes) else json.dumps(sample).encode()


# -- spoiling


def hostile_input(kind: str, seed: int, number: int) -> bytes:
    """Return the input of that number: a sample of the kind, spoiled once to four times."""
    chance = random.Random(f"{kind} {seed} {number}")
    return spoiled(kind, chance.choice(samples()[kind]), chance)


def spoiled(kind: str, sample: Any, chance: random.Random) -> bytes:
    """Return a sample, spoiled."""
    if chance.random() < 0.0005:
        return chance.choice(_ENORMOUS)(chance)
    if isinstance(sample, dict):
        raw = _write_object(kind, _spoiled_object(sample, chance), chance)
    elif sample[:1] == b"\x80":
        raw = _spoiled_pickle(sample, chance)
    elif kind in _TOML_KINDS and chance.random() < 0.9:
        raw = _spoiled_toml(sample, chance)
    else:
        raw = sample
    while chance.random() < (0.25 if raw != sample else 0.9):
        raw = chance.choice(_BYTE_STEPS)(raw, chance)
    return raw


_TOML_KINDS = frozenset({"scenario", "settings", "contacts", "topics", "credentials"})


def nasty(chance: random.Random, depth: int = 0) -> Any:  # noqa: PLR0911 - one way out per kind
    """Return a value that nobody expects."""
    step = chance.randrange(9)
    if step <= 1:
        return chance.choice(STEERING)
    if step == 2:
        return chance.choice(TIMES)
    if step <= 4:
        return Raw(chance.choice(NUMBERS))
    if step == 5 and depth < 3:
        return [nasty(chance, depth + 1) for _ in range(chance.choice((0, 1, 2, 40)))]
    if step == 6 and depth < 3:
        return {
            str(chance.choice(STEERING)): nasty(chance, depth + 1) for _ in range(chance.choice((0, 1, 3)))
        }
    if step == 7:
        levels = chance.choice((30, 31, 32, 33, 100, 10_000))
        return Raw(
            "[" * levels + "]" * levels if chance.random() < 0.5 else '{"a":' * levels + "0" + "}" * levels
        )
    return Raw(f'"{chance.choice(_BAD_ESCAPES)}"')


#: Ends of texts as JSON spells them, right and wrong.
_BAD_ESCAPES = (
    "\\ud800",
    "\\udc00\\ud800",
    "\\ud83d\\udca5",
    "\\u0000",
    "\\u202e",
    "\\x41",
    "\\",
    "\\u12",
    "\x00",
    "\x1f",
    "\t",
)


def _spoiled_object(content: dict[str, Any], chance: random.Random) -> Any:
    made: Any = dict(content)
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3))):
        key = chance.choice(list(made)) if made else "x"
        step = chance.randrange(7)
        if step <= 2:
            made[key] = nasty(chance)
        elif step == 3:
            made.pop(key, None)
        elif step == 4:
            made[str(chance.choice((*STEERING, *_KEYS)))] = nasty(chance)
        elif step == 5 and isinstance(made.get(key), (list, dict)) and made[key]:
            made[key] = _spoiled_inside(made[key], chance)
        else:
            pairs = [*made.items(), (key, nasty(chance))]
            chance.shuffle(pairs)
            return Pairs(tuple(pairs))
    return made


#: Names that mean something somewhere.
_KEYS = (
    "id",
    "_id",
    "tier",
    "uuid",
    "meta",
    "self",
    "cls",
    "connection",
    "env_file",
    "verbose",
    "firedrill_mode",
    "is_firedrill",
    "is_test",
    "pass",
    "proof",
    "status",
    "reason",
    "request_id",
    "email",
    "detector_name",
    "__class__",
    "__dict__",
    "message_fields",
    "time",
    "from_1.3",
    "dialect_3",
    "dialect_1_3",
    "neutrino_time_utc",
    "p_val",
    "is_pre_sn",
    "machine_time",
    "timing_series",
    "start_time_utc",
)


#: Characters that a list is made long to, at most.
_LONGEST = 10_000_000


def _spoiled_inside(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        return _spoiled_object(value, chance)
    made = list(value)
    place = chance.randrange(len(made))
    step = chance.randrange(4)
    if step == 0:
        made[place] = nasty(chance)
    elif step == 1:
        del made[place]
    elif step == 2:
        made.insert(place, nasty(chance))
    else:
        # Not without end: a list of lists of texts would come to hundreds of megabytes, which nobody can send.
        made *= min(chance.choice((2, 100, 5_000)), max(_LONGEST // (len(written(made)) + 1), 1))
    return made


def _write_object(kind: str, content: Any, chance: random.Random) -> bytes:
    text = written(content)
    if kind == "record" and chance.random() < 0.3:
        text = json.dumps(text)
    step = chance.randrange(40)
    if step == 0:
        return b"\xef\xbb\xbf" + text.encode("utf-8", "surrogatepass")
    if step == 1:
        return text.encode(chance.choice(("utf-16", "utf-16-le", "utf-32", "utf-8-sig")), "surrogatepass")
    if step == 2:
        return b"\x00" + text.encode("utf-8", "surrogatepass")
    if step == 3:
        return (" " * chance.choice((1, 1_000_000)) + text).encode("utf-8", "surrogatepass")
    return text.encode("utf-8", "surrogatepass")


def _spoiled_pickle(raw: bytes, chance: random.Random) -> bytes:
    """Take a pickle apart into its opcodes and put it together with a few lost, doubled, moved or from another one."""
    parts = _opcodes(raw)
    others = _opcodes(chance.choice([p for p in samples()["pickle"] if p[:1] == b"\x80"]))
    for _ in range(chance.choice((1, 1, 2, 4))):
        place = chance.randrange(len(parts) + 1)
        step = chance.randrange(9)
        if step >= 5:
            _change_operand(parts, chance)
        elif step == 0 and place < len(parts):
            del parts[place]
        elif step == 1 and place < len(parts):
            parts[place:place] = [parts[place]] * chance.choice((1, 2, 1_000))
        elif step == 2:
            parts.insert(place, chance.choice(others))
        elif step == 3:
            parts.insert(place, chance.choice(_OPCODE_PIECES))
        elif len(parts) > 1:
            other = chance.randrange(len(parts))
            place = min(place, len(parts) - 1)
            parts[place], parts[other] = parts[other], parts[place]
    return b"".join(parts)


def _change_operand(parts: list[bytes], chance: random.Random) -> None:
    """Let an opcode that pushes a text or a number push another one."""
    values = [number for number, part in enumerate(parts) if part[:1] in (b"\x8c", b"X", b"G", b"K", b"N")]
    if not values:
        return
    if chance.random() < 0.7:
        text = chance.choice((*STEERING, *TIMES)).encode("utf-8", "surrogatepass")
        parts[chance.choice(values)] = b"X" + struct.pack("<I", len(text)) + text
    else:
        numbers = (0.0, -0.0, 0.5, 1.0, 5e-324, 1.7e308, float("inf"), float("nan"))
        parts[chance.choice(values)] = b"G" + struct.pack(">d", chance.choice(numbers))


_OPCODE_PIECES = (
    b"(",
    b")",
    b"]",
    b"}",
    b"N",
    b"\x85",
    b"\x94",
    b"R",
    b"\x81",
    b"b",
    b"e",
    b"u",
    b"\x8f",
    b"\x90",
    b"h\x00",
    b"G\x7f\xf0\x00\x00\x00\x00\x00\x00",
    b"G\x7f\xf8\x00\x00\x00\x00\x00\x00",
    b"\x8a\x09" + b"\xff" * 8 + b"\x7f",
    b"\x8a\x40" + b"\x7f" * 64,
    b"\x8c\x03\xed\xa0\x80",
    b"X\x04\x00\x00\x00\x1b[2J",
    b"cos\nsystem\n",
    b"\x8c\x08builtins\x8c\x04eval\x93",
)


@lru_cache(maxsize=512)
def _opcodes_of(raw: bytes) -> tuple[bytes, ...]:
    cuts = []
    with contextlib.suppress(Exception):  # a sample may be no whole pickle: what was cut so far is enough
        for _, _, position in pickletools.genops(raw):
            cuts.append(position)
    cuts.append(len(raw))
    return tuple(raw[begin:end] for begin, end in itertools.pairwise(cuts)) or (raw,)


def _opcodes(raw: bytes) -> list[bytes]:
    return list(_opcodes_of(raw))


#: TOML texts of values, right and wrong.
_TOML_VALUES = (
    *NUMBERS,
    "inf",
    "-nan",
    "0x" + "f" * 5_000,
    "0b" + "1" * 20_000,
    "0o17",
    "1979-05-27T07:32:00Z",
    "1979-05-27T07:32:00.999999999999-23:59",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59.999999999Z",
    "0000-01-01",
    "1979-05-27",
    "07:32:00",
    "[]",
    "{}",
    "{a = 1, a = 2}",
    "[" * 10_000,
    "[" * 100 + "]" * 100,
    "{a=" * 5_000,
    '"""\n' + "x\n" * 1_000 + '"""',
    "'",
    '"\\ud800"',
    '"\\U00110000"',
    '"\\u0000\\u001b[31m"',
)


def _spoiled_toml(raw: bytes, chance: random.Random) -> bytes:
    lines = raw.decode("utf-8", "replace").splitlines()
    for _ in range(chance.choice((0, 1, 1, 2, 3))):
        place = chance.randrange(len(lines) + 1)
        step = chance.randrange(6)
        if step <= 2:
            assigned = [n for n, line in enumerate(lines) if "=" in line and not line.startswith("#")]
            if assigned:
                place = chance.choice(assigned)
                lines[place] = f"{lines[place].partition('=')[0]}= {_toml_value(chance)}"
        elif step == 3 and place < len(lines):
            del lines[place]
        elif step == 4 and place < len(lines):
            lines.insert(place, lines[place])
        else:
            lines.insert(place, _toml_line(chance))
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def _toml_value(chance: random.Random) -> str:
    if chance.random() < 0.5:
        return chance.choice(_TOML_VALUES)
    return json.dumps(chance.choice((*STEERING, *TIMES)), ensure_ascii=chance.random() < 0.5)


def _toml_line(chance: random.Random) -> str:
    key = chance.choice(
        (*_KEYS, "observation", "start", "star", "title", "smtp_password", "admin_token", "a.b.c")
    )
    step = chance.randrange(5)
    if step == 0:
        return f"[{key}]"
    if step == 1:
        return f"[[{key}]]"
    if step == 2:
        return f"{json.dumps(chance.choice(STEERING))} = {_toml_value(chance)}"
    if step == 3:
        return ".".join("a" * chance.choice((1, 2, 2_000))) + " = 1"
    return f"{key} = {_toml_value(chance)}"


def _flip(raw: bytes, chance: random.Random) -> bytes:
    if not raw:
        return b"\x00"
    made = bytearray(raw)
    for _ in range(chance.choice((1, 1, 2, 8))):
        made[chance.randrange(len(made))] ^= 1 << chance.randrange(8)
    return bytes(made)


def _cut(raw: bytes, chance: random.Random) -> bytes:
    return raw[: chance.randrange(len(raw) + 1)]


def _drop(raw: bytes, chance: random.Random) -> bytes:
    begin = chance.randrange(len(raw) + 1)
    return raw[:begin] + raw[begin + chance.choice((1, 2, 16)) :]


def _double(raw: bytes, chance: random.Random) -> bytes:
    begin = chance.randrange(len(raw) + 1)
    piece = raw[begin : begin + chance.choice((1, 16, 400))]
    return raw[:begin] + piece * chance.choice((2, 3, 200)) + raw[begin:]


def _insert(raw: bytes, chance: random.Random) -> bytes:
    begin = chance.randrange(len(raw) + 1)
    piece = chance.choice(
        (
            *(text.encode("utf-8", "surrogatepass") for text in (*STEERING, *TIMES)),
            *(text.encode() for text in NUMBERS),
            b"\xff\xfe",
            b"\xc0\x80",
            b"\xf5\x80\x80\x80",
            b"\x00",
            bytes(chance.randrange(256) for _ in range(8)),
        )
    )
    return raw[:begin] + piece + raw[begin:]


def _replace_number(raw: bytes, chance: random.Random) -> bytes:
    found = list(re.finditer(rb"-?\d+(?:\.\d+)?", raw))
    if not found:
        return raw + b"0"
    match = chance.choice(found)
    return raw[: match.start()] + chance.choice(NUMBERS).encode() + raw[match.end() :]


_BYTE_STEPS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flip,
    _cut,
    _drop,
    _double,
    _insert,
    _replace_number,
)


#: Things around or far beyond the largest record, and forms that are dear to read.
_ENORMOUS: tuple[Callable[[random.Random], bytes], ...] = (
    lambda _: b'{"_id": "' + b"x" * 10_000_000 + b'"}',
    lambda _: b"[" * 10_000 + b"]" * 10_000,
    lambda _: b'{"a":' * 200_000,
    lambda _: b"[" + b"1," * 500_000 + b"1]",
    lambda _: b'{"_id": "5_Heartbeat_x", ' + b'"a": 1, ' * 120_000 + b'"b": 2}',
    lambda _: b'"' + b"\\u0041" * 170_000 + b'"',
    lambda _: b"\x80\x04" + b"(" * 1_000_000,
    lambda _: b"\x80\x04" + b"]" * 240_000 + b".",
    lambda _: _many_keys(60_000),
    lambda _: b"1" * 1_000_000,
    lambda _: b"0" * 1_000_000 + b"x",
    lambda chance: "".join(chance.choices(string.printable, k=1_000_000)).encode(),
)


def _many_keys(count: int) -> bytes:
    keys = ", ".join(f'"{n:x}": {n}' for n in range(count))
    return f'{{"id": "x", "tier": "Heartbeat", "detector_name": "JUNO", "meta": {{{keys}}}}}'.encode()
