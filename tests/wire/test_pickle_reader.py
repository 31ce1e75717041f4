"""The pickle reader: real models become plain values, everything else is refused, and nothing is ever run."""

from __future__ import annotations

import json
import pickletools
import re
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snews_drill.errors import UnreadableRecord
from snews_drill.wire.json_text import MAX_BYTES
from snews_drill.wire.pickle_machine import MAX_ITEMS, Machine, RefusedPickle
from snews_drill.wire.pickle_reader import is_pickle, read_model_pickle
from snews_drill.wire.pickle_writer import write_model_pickle

DATA = Path(__file__).parents[1] / "data" / "wire"
REAL = sorted((DATA / "pickles" / "real").glob("*.pickle"))
HOSTILE = sorted((DATA / "hostile").glob("*.bin"))
EXPECTED = json.loads((DATA / "pickles" / "real" / "expected.json").read_text(encoding="utf-8"))
SMALL = [path.read_bytes() for path in REAL if path.stat().st_size < 2_000]

P4 = b"\x80\x04"
# Streams whose only fault is their size; made here because files of that size would teach nothing more.
BIG = {
    "marks": P4 + b"(" * 1_000_000,
    "lists": P4 + b"]" * 1_000_000,
    "dicts": P4 + b"}" * 1_000_000,
    "sets": P4 + b"\x8f" * 1_000_000,
    "tuples in tuples": P4 + b")" + b"\x85" * 1_000_000,
    "items": P4 + b"](" + b"N" * 1_000_000 + b"e.",
    "memoized": P4 + b"N" + b"\x94" * 1_000_000 + b".",
    "put": P4 + b"N" + b"".join(b"r" + struct.pack("<I", i) for i in range(200_000)) + b".",
    "appended one by one": P4 + b"]" + b"Na" * 500_000 + b".",
    "one long integer": P4 + b"\x8b" + struct.pack("<i", 1_000_000) + b"\x7f" * 1_000_000 + b".",
    "frames": P4 + (b"\x95" + b"\x00" * 8) * 100_000 + b".",
    "references to one list": P4 + b"](K\x01e\x94(" + b"h\x00" * 500_000 + b"t.",
}


def _case_of(path: Path) -> dict[str, object]:
    return EXPECTED[path.name.split(".")[0]]


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_a_real_model_reads_as_its_own_model_dump(path):
    read = read_model_pickle(path.read_bytes())
    assert read.class_name == _case_of(path)["class"]
    assert read.fields == _case_of(path)["fields"]
    assert list(read.fields) == list(_case_of(path)["fields"])


def test_the_stored_models_cover_all_five_classes_and_four_protocols():
    assert {case["class"] for case in EXPECTED.values()} == {
        "HeartbeatMessage",
        "RetractionMessage",
        "CoincidenceTierMessage",
        "SignificanceTierMessage",
        "TimingTierMessage",
    }
    assert {path.read_bytes()[1] for path in REAL} == {2, 3, 4, 5}


def test_every_value_read_is_plain():
    def check(value):
        assert type(value) in (str, int, float, bool, type(None), list, dict)
        for item in value.values() if type(value) is dict else value if type(value) is list else ():
            check(item)

    for path in REAL:
        check(read_model_pickle(path.read_bytes()).fields)


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: path.stem)
def test_a_hostile_stream_is_refused_and_its_bytes_are_kept(path):
    raw = path.read_bytes()
    with pytest.raises(UnreadableRecord) as caught:
        read_model_pickle(raw)
    assert caught.value.raw == raw
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("reduce_os_system", "'os' 'system'"),
        ("stack_global_os_system", "'os' 'system'"),
        ("os_system_inside_meta", "'os' 'system'"),
        ("build_with_setstate", "'os' 'system'"),
        ("getattr_chain", "'builtins' 'getattr'"),
        ("dotted_name", "'Tier.__class__.__subclasses__'"),
        ("import_by_name", "'antigravity' 'x'"),
        ("numpy_scalar", "'numpy.core.multiarray' 'scalar'"),
    ],
)
def test_a_strange_name_is_refused_where_it_stands_and_told(stem, name):
    # Not only where it would be used: nothing may come between a name and its refusal.
    with pytest.raises(UnreadableRecord, match="it names .*" + re.escape(name)):
        read_model_pickle((DATA / "hostile" / f"{stem}.bin").read_bytes())


def test_the_hostile_corpus_is_complete():
    assert len(HOSTILE) >= 100
    names = {path.stem for path in HOSTILE}
    assert {"reduce_os_system", "inst", "obj", "newobj_ex", "persid", "ext1", "billion_laughs"} <= names


_WATCHED = """
import sys, pickle
from pathlib import Path
from snews_drill.errors import UnreadableRecord
from snews_drill.wire.pickle_reader import read_model_pickle

def names_in_reason(raw):
    try:
        read_model_pickle(raw)
    except UnreadableRecord:
        return
    raise SystemExit("a hostile stream was read")

streams = [path.read_bytes() for path in sorted(Path(sys.argv[1]).glob("*.bin"))]
names_in_reason(streams[0])
seen = []
sys.addaudithook(lambda event, arguments: seen.append((event, arguments)))
modules = set(sys.modules)
for raw in streams:
    names_in_reason(raw)
if seen or set(sys.modules) != modules:
    raise SystemExit(f"something happened: {seen[:5]} {set(sys.modules) - modules}")
try:
    pickle.loads((Path(sys.argv[1]) / "import_by_name.bin").read_bytes().replace(b"antigravity", b"nonexistent"))
except ImportError:
    pass
if not any(event == "pickle.find_class" for event, _ in seen):
    raise SystemExit("the watch sees nothing")
print(len(streams), "refused")
"""


def test_no_hostile_stream_makes_the_reader_import_open_or_run_anything():
    # The interpreter's own audit events: import, open, exec, os.system, pickle.find_class and all others.
    # The last lines show that the same watch does see the standard library look up a name.
    done = subprocess.run(
        [sys.executable, "-c", _WATCHED, str(DATA / "hostile")],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{len(HOSTILE)} refused"


@pytest.mark.parametrize(
    "path", [path for path in REAL if "timing_binned" not in path.name], ids=lambda p: p.stem
)
def test_every_truncation_of_a_real_model_is_refused(path):
    raw = path.read_bytes()
    for end in range(len(raw)):
        with pytest.raises(UnreadableRecord):
            read_model_pickle(raw[:end])


def _outcome(raw: bytes) -> str:
    """Read; anything else than a value or UnreadableRecord fails the test, as does work beyond the bounds."""
    modules = len(sys.modules)
    machine = Machine(raw)
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        machine.run()
    except RefusedPickle:
        pass
    finally:
        sys.setprofile(None)
    assert machine.position <= len(raw)
    assert machine.pushed <= MAX_ITEMS + 1
    assert calls <= 10 * len(raw) + 20, "work grows faster than the record"
    try:
        fields = read_model_pickle(raw).fields
    except UnreadableRecord as error:
        kept, fields = error.raw, None
    assert len(sys.modules) == modules
    if fields is None:
        assert kept == raw
        return "refused"
    json.dumps(fields, allow_nan=False)
    return "read"


_SOUP = settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])


@_SOUP
@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_refused(raw):
    assert _outcome(raw) == "refused"


@_SOUP
@given(st.sampled_from([2, 3, 4, 5]), st.binary(max_size=400))
def test_arbitrary_bytes_after_a_protocol_are_refused(protocol, raw):
    assert _outcome(bytes([0x80, protocol]) + raw) == "refused"


@_SOUP
@given(st.sampled_from(SMALL), st.data())
def test_a_mutated_model_is_read_or_refused(raw, data):
    mutated = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(mutated) - 1))
        how = data.draw(st.sampled_from(["change", "insert", "delete", "double"]))
        if how == "change":
            mutated[at] = data.draw(st.integers(0, 255))
        elif how == "insert":
            mutated[at:at] = data.draw(st.binary(min_size=1, max_size=9))
        elif how == "delete" and len(mutated) > 20:
            del mutated[at : at + data.draw(st.integers(1, 12))]
        else:
            mutated[at:at] = mutated[at : at + data.draw(st.integers(1, 60))]
    _outcome(bytes(mutated))


def _with_argument(opcode: pickletools.OpcodeInfo) -> st.SearchStrategy[bytes]:
    code = opcode.code.encode("latin-1")
    if opcode.arg is None:
        return st.just(code)
    if opcode.arg.n >= 0:
        return st.binary(min_size=opcode.arg.n, max_size=opcode.arg.n).map(lambda argument: code + argument)
    if opcode.arg.n == pickletools.UP_TO_NEWLINE:
        return st.sampled_from([b"os\nsystem\n", b"snews.models.messages\nTier\n", b"1\n", b"\n"]).map(
            lambda argument: code + argument
        )
    width = {"1": 1, "4": 4, "8": 8}.get(opcode.arg.name[-1], 4)
    sizes = st.one_of(st.integers(0, 4), st.sampled_from([255, 2 ** (8 * width) - 1, 2 ** (8 * width - 1)]))
    return sizes.map(
        lambda size: code + (size % 2 ** (8 * width)).to_bytes(width, "little") + b"x" * min(size, 4)
    )


_KNOWN_PARTS = [
    b"\x8c\x15snews.models.messages\x8c\x10HeartbeatMessage\x93",
    b"\x8c\x15snews.models.messages\x8c\x04Tier\x93\x8c\x09Heartbeat\x85R",
    b"cbuiltins\nset\n](\x8c\x01xe\x85R",
    b"\x8c\x08__dict__",
    b")\x81",
    b"}(",
    b"u",
    b"b",
]


@_SOUP
@given(
    st.lists(
        st.one_of(
            st.sampled_from(pickletools.opcodes).flatmap(_with_argument),
            st.sampled_from(_KNOWN_PARTS),
            st.sampled_from(
                [b"N", b"]", b"}", b"(", b")", b"\x94", b"h\x00", b"e", b"u", b"s", b"a", b"t", b"\x85"]
            ),
        ),
        max_size=40,
    )
)
def test_a_soup_of_opcodes_is_read_or_refused(parts):
    _outcome(P4 + b"".join(parts) + b".")


@pytest.mark.parametrize("name", BIG)
def test_a_stream_that_grows_stops_within_its_memory(name):
    raw = BIG[name]
    assert len(raw) <= MAX_BYTES
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableRecord):
            read_model_pickle(raw)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 80_000_000, f"{peak:,} bytes for a record of {len(raw):,}"


def test_a_list_that_is_referred_to_twice_is_read_twice():
    shared = b"}(\x8c\x01a](K\x01K\x02e\x94\x8c\x01bh\x00u"
    raw = write_model_pickle({**EXPECTED["heartbeat"]["fields"], "meta": "HERE"}).replace(
        b"\x8c\x04HERE", shared
    )
    assert read_model_pickle(raw[:2] + raw[11:]).fields["meta"] == {"a": [1, 2], "b": [1, 2]}


def test_a_record_over_one_megabyte_is_not_looked_into():
    with pytest.raises(UnreadableRecord, match="bytes, more than"):
        read_model_pickle(P4 + b"N" * MAX_BYTES)


def test_the_longest_series_that_is_accepted_anywhere_is_read():
    fields = {**EXPECTED["timing"]["fields"], "timing_series": [10**9 + i for i in range(100_000)]}
    raw = write_model_pickle(fields)
    assert read_model_pickle(raw).fields == fields


def test_chosen_numbers_as_keys_cannot_slow_the_reader_down():
    # Integers that differ by multiples of 2**61 - 1 have equal hashes in CPython; as texts they have not.
    keys = [i * (2**61 - 1) for i in range(2_000)]
    meta = b"}(" + b"".join(b"\x8a\x0a" + key.to_bytes(10, "little") + b"N" for key in keys) + b"u"
    raw = write_model_pickle({**EXPECTED["heartbeat"]["fields"], "meta": "HERE"}).replace(
        b"\x8c\x04HERE", meta
    )
    raw = raw[:2] + raw[11:]  # the frame's length is no longer right
    assert list(read_model_pickle(raw).fields["meta"]) == [str(key) for key in keys]


def test_not_a_number_becomes_null_and_half_a_surrogate_a_replacement_character():
    fields = {**EXPECTED["heartbeat"]["fields"], "meta": ["PI", "half"]}
    raw = write_model_pickle(fields).replace(b"\x8c\x02PI", b"G" + struct.pack(">d", float("nan")))
    raw = raw.replace(b"\x8c\x04half", b"\x8c\x03\xed\xa0\x80")
    assert read_model_pickle(raw[:2] + raw[11:]).fields["meta"] == [None, "\ufffd"]


def test_only_pickles_begin_like_pickles():
    assert is_pickle(SMALL[0])
    assert not is_pickle(b'{"_id": "0_test-connection"}')
    assert not is_pickle(b"")
