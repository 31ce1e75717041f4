"""Reading the pickled models of dialect 3 without unpickling them.

A pickle is a program. The published client sends its observations as pickles, and the standard library
would run whatever such a program names. This reader runs nothing: it knows the opcodes that write plain
values, and the names of seven classes, for which plain values stand in. Every other name or opcode ends the
reading before anything is looked up. Nothing is imported, no attribute is fetched, no class is instantiated.

Time and memory are linear in the length of the record: each byte is read once, each item is moved once,
references are expanded against a budget.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from snews_drill.errors import UnreadableRecord
from snews_drill.wire.json_text import MAX_BYTES, MAX_DEPTH
from snews_drill.wire.pickle_machine import MODEL_TIERS, Machine, Model, RefusedPickle, UniqueItems

#: Items and characters of what is read, beyond twice and four times the bytes of the record. What is referred to
#: again is copied, so it counts each time; honest messages hardly do that.
SPARE_ITEMS = 1_000
SPARE_CHARACTERS = 65_536


@dataclass(frozen=True, slots=True)
class PickledModel:
    """What a model pickle says, as plain values.

    Attributes
    ----------
    class_name : str
        One of `MODEL_TIERS`.
    fields : dict
        Field name -> texts, numbers, booleans, None, lists and dicts; enums are their values, not-a-number
        is None.
    """

    class_name: str
    fields: dict[str, Any]


def is_pickle(raw: bytes) -> bool:
    """Tell whether bytes begin as a pickle of protocol 2 or later does; no JSON text begins so."""
    return raw[:1] == b"\x80"


def read_model_pickle(raw: bytes) -> PickledModel:
    """Return the message model that a pickle describes.

    Parameters
    ----------
    raw
        The record's value; protocols 2 to 5.

    Raises
    ------
    UnreadableRecord
        If it is anything else than one of the five message models with plain values, is truncated, or is
        larger, deeper or longer than the bounds.
    """
    if len(raw) > MAX_BYTES:
        raise UnreadableRecord(f"The record has {len(raw):,} bytes, more than {MAX_BYTES:,}.", raw)
    machine = Machine(raw)
    try:
        return _as_model(machine.run(), _Expansion(len(raw)))
    except RefusedPickle as refused:
        raise UnreadableRecord(
            f"The pickle is refused at byte {machine.position:,}: {refused}.", raw
        ) from None


def _as_model(value: Any, expansion: _Expansion) -> PickledModel:
    if not isinstance(value, Model):
        raise RefusedPickle("it holds no message model")
    state = value.state
    if state is None:
        raise RefusedPickle("the model has no state")
    if state.get("__pydantic_extra__") is not None or state.get("__pydantic_private__") is not None:
        raise RefusedPickle("the model has extra or private state")
    if not isinstance(state.get("__pydantic_fields_set__"), UniqueItems) or not isinstance(
        state.get("__dict__"), dict
    ):
        raise RefusedPickle("the model's state has not the form that pydantic gives it")
    fields = expansion.plain(state["__dict__"], 0)
    if fields.get("tier") != MODEL_TIERS[value.class_name]:
        raise RefusedPickle(f"a {value.class_name} says that its tier is {fields.get('tier')!r:.60}")
    return PickledModel(value.class_name, fields)


class _Expansion:
    """Turns what the machine made into plain values; what is referred to twice counts twice."""

    def __init__(self, size: int) -> None:
        self._items = SPARE_ITEMS + 2 * size
        self._characters = SPARE_CHARACTERS + 4 * size

    def plain(self, value: Any, depth: int) -> Any:
        self._items -= 1
        if self._items < 0:
            raise RefusedPickle("it expands to many more items than it has")
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, float):
            return value if math.isfinite(value) else None
        if value is None or isinstance(value, (bool, int)):
            return value
        if depth >= MAX_DEPTH:
            raise RefusedPickle(f"it is nested more than {MAX_DEPTH} deep")
        if isinstance(value, dict):
            return {self._text(key): self.plain(item, depth + 1) for key, item in value.items()}
        if isinstance(value, UniqueItems):
            value = value.items
        if isinstance(value, (list, tuple)):
            return [self.plain(item, depth + 1) for item in value]
        raise RefusedPickle("it holds something else than plain values where a value should be")

    def _text(self, text: str) -> str:
        self._characters -= len(text)
        if self._characters < 0:
            raise RefusedPickle("its texts expand to many more characters than it has")
        return text
