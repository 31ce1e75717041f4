"""Write the streams that the pickle reader must refuse: `python tests/data/wire/hostile/make_hostile.py`.

They are written opcode by opcode, because most of them no pickler would produce. The commands in them do
nothing.
"""

from __future__ import annotations

import struct
from pathlib import Path

P2, P4 = b"\x80\x02", b"\x80\x04"
COMMAND = "exit 3"


def text(value: str) -> bytes:
    """Return the opcode that pushes a text."""
    raw = value.encode()
    return b"\x8c" + bytes([len(raw)]) + raw if len(raw) < 256 else b"X" + struct.pack("<I", len(raw)) + raw


def named(module: str, name: str) -> bytes:
    """Return the opcodes that name something, as protocol 4 does."""
    return text(module) + text(name) + b"\x93"


MODEL = named("snews.models.messages", "HeartbeatMessage") + b")\x81"
TIER = named("snews.models.messages", "Tier")
HEARTBEAT = TIER + text("Heartbeat") + b"\x85R"


def model(fields: bytes, *, extra: bytes = b"N", private: bytes = b"N", fields_set: bytes = b"\x8f") -> bytes:
    """Return a heartbeat with these fields (opcodes of keys and values)."""
    state = text("__dict__") + b"}(" + fields + b"u"
    state += text("__pydantic_extra__") + extra + text("__pydantic_fields_set__") + fields_set
    state += text("__pydantic_private__") + private
    return P4 + MODEL + b"}(" + state + b"ub."


def with_meta(meta: bytes, before: bytes = b"") -> bytes:
    """Return a heartbeat whose meta these opcodes make; `before` makes one more value."""
    spare = text("spare") + before if before else b""
    return model(text("tier") + HEARTBEAT + spare + text("meta") + meta)


def shared_lists(levels: int, width: int) -> bytes:
    """Return opcodes of a tuple of lists in which each list holds `width` references to the one before."""
    made = b"(" + b"]q\x00(" + b"K\x01" * width + b"e"
    for level in range(1, levels):
        made += b"]q" + bytes([level]) + b"(" + (b"h" + bytes([level - 1])) * width + b"e"
    return made + b"t"


CORPUS: dict[str, bytes] = {
    # names
    "reduce_os_system": P2 + b"cos\nsystem\n" + text(COMMAND) + b"\x85R.",
    "reduce_posix_system": P2 + b"cposix\nsystem\n" + text(COMMAND) + b"\x85R.",
    "stack_global_os_system": P4 + named("os", "system") + text(COMMAND) + b"\x85R.",
    "stack_global_memo_os_system": P4
    + text("os")
    + b"\x94"
    + text("system")
    + b"\x94\x93"
    + text(COMMAND)
    + b"\x85R.",
    "os_system_inside_meta": with_meta(named("os", "system") + text(COMMAND) + b"\x85R"),
    "os_system_as_state": P4 + MODEL + named("os", "system") + text(COMMAND) + b"\x85Rb.",
    "os_system_as_tier": model(text("tier") + named("os", "system") + text(COMMAND) + b"\x85R"),
    "eval": P4 + named("builtins", "eval") + text("1+1") + b"\x85R.",
    "exec": P4 + named("builtins", "exec") + text("pass") + b"\x85R.",
    "getattr_chain": P4 + named("builtins", "getattr") + TIER + text("__class__") + b"\x86R.",
    "getattr_enum_member": model(
        text("tier") + named("builtins", "getattr") + TIER + text("HEART_BEAT") + b"\x86R"
    ),
    "dotted_name": P4 + named("snews.models.messages", "Tier.__class__.__subclasses__") + b")R.",
    "dotted_module": P4 + named("snews.models.messages.np.os", "system") + text(COMMAND) + b"\x85R.",
    "neighbour_of_the_models": P4 + named("snews.models.messages", "create_messages") + b")R.",
    "base_of_the_models": P4 + named("snews.models.messages", "MessageBase") + b")\x81.",
    "models_elsewhere": P4 + named("snews.models.messages2", "HeartbeatMessage") + b")\x81.",
    "import_by_name": P4 + named("antigravity", "x") + b".",
    "reconstructor": P2
    + b"ccopyreg\n_reconstructor\n"
    + named("snews.models.messages", "HeartbeatMessage")
    + b"\x85R.",
    "newobj_function": P4
    + named("copyreg", "__newobj__")
    + named("snews.models.messages", "Tier")
    + b"\x85R.",
    "partial": P4 + named("functools", "partial") + named("os", "system") + b"\x85R.",
    "numpy_scalar": with_meta(named("numpy.core.multiarray", "scalar") + b")R"),
    "name_is_no_text": P4 + b"K\x01K\x02\x93.",
    "name_without_end": P2 + b"cos" + b"x" * 5000,
    "only_a_name": P4 + TIER + b".",
    "name_as_value": with_meta(TIER),
    # opcodes
    "inst": P2 + b"(" + text(COMMAND) + b"ios\nsystem\n.",
    "obj": P2 + b"(" + b"cos\nsystem\n" + text(COMMAND) + b"o.",
    "newobj_ex": P4 + named("snews.models.messages", "HeartbeatMessage") + b")}\x92.",
    "newobj_ex_os": P4 + named("subprocess", "Popen") + text(COMMAND) + b"\x85}\x92.",
    "newobj_stranger": P4 + named("subprocess", "Popen") + text(COMMAND) + b"\x85\x81.",
    "newobj_with_arguments": model(text("tier") + HEARTBEAT).replace(b")\x81", b"K\x01\x85\x81", 1),
    "newobj_of_the_enum": P4 + TIER + b")\x81.",
    "newobj_of_a_text": P4 + text("x") + b")\x81.",
    "persid": P2 + b"Pos.system\n.",
    "binpersid": P2 + text("os.system") + b"Q.",
    "ext1": P2 + b"\x82\x01.",
    "ext2": P2 + b"\x83\x01\x00.",
    "ext4": P2 + b"\x84\x01\x00\x00\x00.",
    "text_integer": P2 + b"I" + b"9" * 5000 + b"\n.",
    "text_long": P2 + b"L" + b"9" * 5000 + b"L\n.",
    "text_float": P2 + b"F1e5\n.",
    "text_string": P2 + b"S'x'\n.",
    "text_unicode": P2 + b"Vx\n.",
    "bytes": with_meta(b"C\x01x"),
    "bytearray": with_meta(b"\x96\x01\x00\x00\x00\x00\x00\x00\x00x"),
    "next_buffer": b"\x80\x05\x97.",
    "readonly_buffer": b"\x80\x05\x97\x98.",
    "pop": with_meta(b"K\x010}"),
    "dup": with_meta(b"K\x012"),
    "unknown_opcode": P4 + b"\xff.",
    "second_protocol": P4 + P4 + b"N.",
    # calls of what may be named
    "tier_of_a_list": model(text("tier") + TIER + b"]\x85R"),
    "tier_of_a_stranger": model(text("tier") + TIER + text("Supernova") + b"\x85R"),
    "tier_of_two": model(text("tier") + TIER + text("Heartbeat") + text("x") + b"\x86R"),
    "channel_as_tier": model(
        text("tier") + named("snews.models.detectors", "DetectionChannel") + text("Heartbeat") + b"\x85R"
    ),
    "set_of_a_text": with_meta(named("builtins", "set") + text("abc") + b"\x85R"),
    "set_of_a_set": with_meta(named("builtins", "set") + b"\x8f\x85R"),
    "model_called": P4 + named("snews.models.messages", "HeartbeatMessage") + b")R.",
    "reduce_of_a_text": P4 + text("x") + b")R.",
    "reduce_of_a_list": P4 + TIER + text("Heartbeat") + b"](" + text("Heartbeat") + b"eR.",
    # state
    "build_on_stranger": P2 + b"ccollections\nOrderedDict\n)R}b.",
    "build_with_setstate": P4
    + named("snews.models.messages", "Tier")
    + b"}("
    + text("__setstate__")
    + named("os", "system")
    + b"ub"
    + text(COMMAND)
    + b"b.",
    "build_on_dict": P4 + b"}}b.",
    "build_on_a_name": P4 + TIER + b"}(" + text("__dict__") + b"}ub.",
    "build_twice": model(text("tier") + HEARTBEAT)[:-1] + model(text("tier") + HEARTBEAT)[len(P4 + MODEL) :],
    "build_with_tuple": P4 + MODEL + b"}}\x86b.",
    "build_with_text": P4 + MODEL + text("x") + b"b.",
    "build_with_class": P4 + MODEL + b"}(" + text("__class__") + text("x") + b"ub.",
    "no_state": P4 + MODEL + b".",
    "empty_state": P4 + MODEL + b"}b.",
    "extra_state": model(text("tier") + HEARTBEAT, extra=b"}"),
    "private_state": model(text("tier") + HEARTBEAT, private=b"}"),
    "fields_set_is_a_list": model(text("tier") + HEARTBEAT, fields_set=b"]"),
    "class_and_tier_differ": model(text("tier") + TIER + text("CoincidenceTier") + b"\x85R"),
    "no_tier": model(text("id") + text("x")),
    "model_in_meta": with_meta(MODEL),
    "model_in_itself": P4
    + MODEL
    + b"\x94}("
    + text("__dict__")
    + b"}("
    + text("tier")
    + HEARTBEAT
    + text("meta")
    + b"h\x00u"
    + text("__pydantic_extra__")
    + b"N"
    + text("__pydantic_fields_set__")
    + b"\x8f"
    + text("__pydantic_private__")
    + b"Nub.",
    "plain_dict": P4 + b"}(" + text("tier") + text("Heartbeat") + b"u.",
    "plain_text": P4 + text("x") + b".",
    # growth
    "billion_laughs": with_meta(b"N", before=shared_lists(30, 10)),
    "billion_texts": with_meta(b"(" + text("x" * 20_000) + b"q\x00" + b"h\x00" * 5_000 + b"t"),
    "list_in_itself": with_meta(b"]q\x00(h\x00e"),
    "dict_in_itself": with_meta(b"}q\x00(" + text("x") + b"h\x00u"),
    "deep_lists": with_meta(b"](" * 2_000 + b"e" * 2_000),
    "deep_tuples": with_meta(b")" + b"\x85" * 5_000),
    "deep_dicts": with_meta((b"}(" + text("x")) * 1_000 + b"N" + b"u" * 1_000),
    "marks_only": P4 + b"(" * 5_000,
    "binunicode_huge": P4 + b"X\xff\xff\xff\xff" + b"x" * 100 + b".",
    "binunicode8_huge": P4 + b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff" + b"x" * 100 + b".",
    "binunicode8_4gb": P4 + b"\x8d\x00\x00\x00\x00\x01\x00\x00\x00" + b"x" * 100 + b".",
    "binbytes8_huge": P4 + b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
    "bytearray8_huge": b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x7f.",
    "frame_huge": P4 + b"\x95\xff\xff\xff\xff\xff\xff\xff\xff" + b"N.",
    "long4_huge": with_meta(b"\x8b\xff\xff\xff\x7f" + b"\xff" * 1_000),
    "long4_negative": with_meta(b"\x8b\xff\xff\xff\xff"),
    "long1_255": with_meta(b"\x8a\xff" + b"\x7f" * 255),
    "binput_huge_index": with_meta(b"Nr\xff\xff\xff\xffj\xfe\xff\xff\xff"),
    # nonsense
    "protocol_0": b"(lp0\n.",
    "protocol_1": b"]q\x00.",
    "protocol_6": b"\x80\x06N.",
    "only_protocol": P4,
    "only_first_byte": b"\x80",
    "no_stop": P4 + b"N",
    "nothing_on_the_stack": P4 + b".",
    "two_values": P4 + b"NN.",
    "mark_left": P4 + b"(N.",
    "trailing": model(text("tier") + HEARTBEAT) + b"x",
    "two_pickles": model(text("tier") + HEARTBEAT) * 2,
    "mark_missing": P4 + b"NNu.",
    "pop_below_mark": with_meta(b"N(R"),
    "append_below_mark": with_meta(b"](N(Ne"),
    "odd_items": with_meta(b"}(" + text("x") + b"u"),
    "append_to_dict": with_meta(b"}Na"),
    "set_item_of_list": with_meta(b"]" + text("x") + b"Ns"),
    "add_to_list": with_meta(b"](N\x90"),
    "key_is_a_list": with_meta(b"}(]Nu"),
    "memo_missing": with_meta(b"h\x63"),
    "text_is_no_utf8": with_meta(b"\x8c\x02\xff\xfe"),
}


def main() -> None:
    """Write one file per stream."""
    for name, raw in CORPUS.items():
        (Path(__file__).parent / f"{name}.bin").write_bytes(raw)


if __name__ == "__main__":
    main()
