"""The stack machine behind the pickle reader: a few opcodes, seven names, and bounds.

It makes plain values and stand-ins. Whatever it does not know ends in `RefusedPickle` before it has any
effect.
"""

from __future__ import annotations

import json
import pickletools
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from snews_drill.wire.json_text import without_surrogates

#: Values a record may put on the stack. The longest series that is read has 100,000 entries.
MAX_ITEMS = 250_000
#: Values it may remember for later use.
MAX_MEMO = 50_000
#: Bytes of one integer.
MAX_INTEGER_BYTES = 64

_MESSAGES = "snews.models.messages"
#: Class of the formats package -> its tier word. Source: snews-data-formats 1.1.1, `snews.models.messages`.
MODEL_TIERS = {
    "HeartbeatMessage": "Heartbeat",
    "RetractionMessage": "Retraction",
    "CoincidenceTierMessage": "CoincidenceTier",
    "SignificanceTierMessage": "SignificanceTier",
    "TimingTierMessage": "TimingTier",
}
#: Values of `snews.models.detectors.DetectionChannel`.
DETECTION_CHANNELS = ("Electron Neutrino", "Electron Antineutrino", "Neutral Current", "Other")

_MODELS = frozenset((_MESSAGES, name) for name in MODEL_TIERS)
_ENUMS = {
    (_MESSAGES, "Tier"): frozenset(MODEL_TIERS.values()),
    ("snews.models.detectors", "DetectionChannel"): frozenset(DETECTION_CHANNELS),
}
# Protocols 2 and 3 have no opcode for sets and name the builtin.
_SETS = frozenset((module, name) for module in ("builtins", "__builtin__") for name in ("set", "frozenset"))
_KNOWN = _MODELS | _ENUMS.keys() | _SETS

_STATE_KEYS = frozenset({"__dict__", "__pydantic_extra__", "__pydantic_fields_set__", "__pydantic_private__"})


class RefusedPickle(Exception):
    """The stream asks for something that is not done here."""


@dataclass(frozen=True, slots=True)
class _Name:
    module: str
    name: str

    @property
    def key(self) -> tuple[str, str]:
        return self.module, self.name


@dataclass(slots=True)
class UniqueItems:
    """Stands for a set.

    Attributes
    ----------
    items : list
        In the order of the stream. A list on purpose: nothing of the sender's is ever hashed as a number.
    """

    items: list[Any]


@dataclass(slots=True)
class Model:
    """Stands for an object of one of the five message models.

    Attributes
    ----------
    class_name : str
        Which.
    state : dict or None
        What the stream gives it, None until it does.
    """

    class_name: str
    state: dict[str, Any] | None = None


class Machine:
    """A stack machine for the few opcodes that plain values need.

    Parameters
    ----------
    raw
        The stream.

    Attributes
    ----------
    position : int
        How many bytes were read.
    pushed : int
        How many values and marks were put on the stack; at most `MAX_ITEMS`.
    """

    def __init__(self, raw: bytes) -> None:
        self.position = 0
        self._raw = raw
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self.pushed = 0

    def run(self) -> Any:
        """Return the one value that the stream makes; raise RefusedPickle for all that is not allowed."""
        if self._take(1) != b"\x80" or not 2 <= self._take(1)[0] <= 5:
            raise RefusedPickle("it does not begin with protocol 2, 3, 4 or 5")
        raw = self._raw
        # The loop reads the opcode itself: a record of nothing but opcodes is the slowest there is.
        while (code := raw[self.position : self.position + 1]) != b".":
            if not code:
                raise RefusedPickle("it is cut off")
            self.position += 1
            action = _ACTIONS.get(code)
            if action is None:
                raise RefusedPickle(f"opcode {_opcode_name(code)} is not allowed")
            action(self)
        self.position += 1
        if self.position != len(raw):
            raise RefusedPickle("something follows its end")
        value = self._pop()
        if self._stack or self._marks:
            raise RefusedPickle("values are left over")
        return value

    def _take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self._raw):
            raise RefusedPickle("it is cut off")
        taken = self._raw[self.position : end]
        self.position = end
        return taken

    def _read(self, form: str) -> Any:
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _line(self) -> str:
        end = self._raw.find(b"\n", self.position, self.position + 100)
        if end < 0:
            raise RefusedPickle("a name is cut off or too long")
        line = self._take(end - self.position)
        self.position += 1
        return line.decode("utf-8", "replace")

    def _push(self, value: Any) -> None:
        self.pushed += 1
        if self.pushed > MAX_ITEMS:
            raise RefusedPickle(f"it has more than {MAX_ITEMS:,} items")
        self._stack.append(value)

    def _floor(self) -> int:
        return self._marks[-1] if self._marks else 0

    def _pop(self) -> Any:
        if len(self._stack) <= self._floor():
            raise RefusedPickle("it takes a value that is not there")
        return self._stack.pop()

    def _top(self) -> Any:
        if len(self._stack) <= self._floor():
            raise RefusedPickle("it looks at a value that is not there")
        return self._stack[-1]

    def _mark(self) -> None:
        self.pushed += 1
        if self.pushed > MAX_ITEMS:
            raise RefusedPickle(f"it has more than {MAX_ITEMS:,} items")
        self._marks.append(len(self._stack))

    def _pop_to_mark(self) -> list[Any]:
        if not self._marks:
            raise RefusedPickle("a mark is missing")
        start = self._marks.pop()
        items = self._stack[start:]
        del self._stack[start:]
        return items

    def _frame(self) -> None:
        if self._read("<Q") > len(self._raw) - self.position:
            raise RefusedPickle("a frame is cut off")

    def _number(self, form: str) -> None:
        self._push(self._read(form))

    def _integer(self, form: str) -> None:
        count = self._read(form)
        if not 0 <= count <= MAX_INTEGER_BYTES:
            raise RefusedPickle(f"an integer has {count:,} bytes, more than {MAX_INTEGER_BYTES}")
        self._push(int.from_bytes(self._take(count), "little", signed=True))

    def _text(self, form: str) -> None:
        raw = self._take(self._read(form))
        try:
            text = raw.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise RefusedPickle("a text is not UTF-8") from None
        self._push(text if text.isascii() else without_surrogates(text))

    def _tuple_of(self, count: int) -> None:
        start = len(self._stack) - count
        if start < self._floor():
            raise RefusedPickle("it takes a value that is not there")
        items = tuple(self._stack[start:])
        del self._stack[start:]
        self._push(items)

    def _tuple_to_mark(self) -> None:
        self._push(tuple(self._pop_to_mark()))

    def _frozenset_to_mark(self) -> None:
        self._push(UniqueItems(self._pop_to_mark()))

    def _append(self) -> None:
        self._extend([self._pop()])

    def _appends(self) -> None:
        self._extend(self._pop_to_mark())

    def _extend(self, items: list[Any]) -> None:
        target = self._top()
        if not isinstance(target, list):
            raise RefusedPickle("it appends to something that is no list")
        target.extend(items)

    def _add_items(self) -> None:
        items = self._pop_to_mark()
        target = self._top()
        if not isinstance(target, UniqueItems):
            raise RefusedPickle("it adds to something that is no set")
        target.items.extend(items)

    def _set_item(self) -> None:
        value, key = self._pop(), self._pop()
        target = self._top()
        if not isinstance(target, dict):
            raise RefusedPickle("it sets items of something that is no dict")
        target[_key(key)] = value

    def _set_items(self) -> None:
        self._update(self._pop_to_mark())

    def _update(self, items: list[Any]) -> None:
        target = self._top()
        if not isinstance(target, dict) or len(items) % 2:
            raise RefusedPickle("it sets items of something that is no dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[_key(key)] = value

    def _memoize(self) -> None:
        self._remember(len(self._memo))

    def _put(self, form: str) -> None:
        self._remember(self._read(form))

    def _remember(self, index: int) -> None:
        self._memo[index] = self._top()
        if len(self._memo) > MAX_MEMO:
            raise RefusedPickle(f"it remembers more than {MAX_MEMO:,} values")

    def _get(self, form: str) -> None:
        index = self._read(form)
        if index not in self._memo:
            raise RefusedPickle("it refers to a value that it never remembered")
        self._push(self._memo[index])

    def _global_name(self) -> None:
        module = self._line()
        self._push_name(module, self._line())

    def _stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise RefusedPickle("a name is no text")
        self._push_name(module, name)

    def _push_name(self, module: str, name: str) -> None:
        if (module, name) not in _KNOWN:
            raise RefusedPickle(
                f"it names {module[:60]!r} {name[:60]!r}, which is none of the message models"
            )
        self._push(_Name(module, name))

    def _new_object(self) -> None:
        arguments, named = self._pop(), self._pop()
        if not isinstance(named, _Name) or named.key not in _MODELS or arguments != ():
            raise RefusedPickle("it makes an object that is no message model")
        self._push(Model(named.name))

    def _reduce(self) -> None:
        arguments, named = self._pop(), self._pop()
        if not isinstance(named, _Name) or not isinstance(arguments, tuple) or len(arguments) != 1:
            raise RefusedPickle("it calls something")
        argument = arguments[0]
        if named.key in _SETS and isinstance(argument, list):
            self._push(UniqueItems(argument))
        elif isinstance(argument, str) and argument in _ENUMS.get(named.key, ()):
            self._push(argument)
        else:
            raise RefusedPickle(f"it calls {named.name} with something else than one of its values")

    def _build(self) -> None:
        state, target = self._pop(), self._top()
        if not isinstance(target, Model) or target.state is not None:
            raise RefusedPickle("it gives a state to something that is no fresh message model")
        if not isinstance(state, dict) or not state.keys() <= _STATE_KEYS:
            raise RefusedPickle("the model's state has not the form that pydantic gives it")
        target.state = state


def _key(value: Any) -> str:
    # Other keys than texts become the text that JSON would make of them: equal hashes of chosen numbers
    # cannot make a dict slow, and the result is the same in either encoding.
    if isinstance(value, str):
        return value
    if type(value) is int:
        return str(value)
    if value is None or isinstance(value, (bool, float)):
        return json.dumps(value)
    raise RefusedPickle("a key is no text")


def _opcode_name(code: bytes) -> str:
    for opcode in pickletools.opcodes:
        if opcode.code.encode("latin-1") == code:
            return opcode.name
    return f"0x{code[0]:02x}"


_ACTIONS: dict[bytes, Callable[[Machine], None]] = {
    b"\x95": Machine._frame,
    b"N": lambda m: m._push(None),
    b"\x88": lambda m: m._push(True),
    b"\x89": lambda m: m._push(False),
    b"K": lambda m: m._number("<B"),
    b"M": lambda m: m._number("<H"),
    b"J": lambda m: m._number("<i"),
    b"G": lambda m: m._number(">d"),
    b"\x8a": lambda m: m._integer("<B"),
    b"\x8b": lambda m: m._integer("<i"),
    b"\x8c": lambda m: m._text("<B"),
    b"X": lambda m: m._text("<I"),
    b"\x8d": lambda m: m._text("<Q"),
    b"(": Machine._mark,
    b")": lambda m: m._push(()),
    b"\x85": lambda m: m._push((m._pop(),)),
    b"\x86": lambda m: m._tuple_of(2),
    b"\x87": lambda m: m._tuple_of(3),
    b"t": Machine._tuple_to_mark,
    b"]": lambda m: m._push([]),
    b"a": Machine._append,
    b"e": Machine._appends,
    b"}": lambda m: m._push({}),
    b"s": Machine._set_item,
    b"u": Machine._set_items,
    b"\x8f": lambda m: m._push(UniqueItems([])),
    b"\x90": Machine._add_items,
    b"\x91": Machine._frozenset_to_mark,
    b"\x94": Machine._memoize,
    b"q": lambda m: m._put("<B"),
    b"r": lambda m: m._put("<I"),
    b"h": lambda m: m._get("<B"),
    b"j": lambda m: m._get("<I"),
    b"c": Machine._global_name,
    b"\x93": Machine._stack_global,
    b"\x81": Machine._new_object,
    b"R": Machine._reduce,
    b"b": Machine._build,
}
