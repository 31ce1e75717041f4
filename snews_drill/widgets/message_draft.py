"""What is typed into the message form, and what it means; knows no widgets."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import Any

from snews_drill.connection import Connection, current_dialect
from snews_drill.detectors import find_detector
from snews_drill.errors import DrillError, Problem, UnknownDetector
from snews_drill.messages.choose import OTHER_SPELLINGS, choose_tiers
from snews_drill.messages.tiers import Tier
from snews_drill.messages.times import iso_micro
from snews_drill.publisher import SNEWSTiersPublisher
from snews_drill.widgets.form_fields import FIELDS, FLAGS, RESERVED, SYNONYMS, Field, fields_of
from snews_drill.widgets.form_reading import Reading, extra_text, read_extra, text_of
from snews_drill.wire.fields import is_truthy

#: Stands in for a value that is typed but cannot be read, where only its kind matters.
_STAND_INS: dict[str, Any] = {"p_values": [], "timing_series": [], "t_bin_width": 0.0, "retract_latest": 0}

_DEFAULT_FLAGS = {"firedrill_mode": True, "is_test": False, "is_pre_sn": False}


@dataclass(slots=True)
class Extra:
    """One extra entry, as typed."""

    key: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Built:
    """What a draft means at one moment.

    Attributes
    ----------
    dialect_name : str
        The dialect of the messages.
    publisher : SNEWSTiersPublisher or None
        What holds them; None when no message arises or nothing can be built.
    tiers : tuple of Tier
        Which tiers the filled fields mean, whether they are right or not.
    problems : tuple of Problem
        What is wrong, by the form's own field names.
    """

    dialect_name: str
    publisher: SNEWSTiersPublisher | None
    tiers: tuple[Tier, ...]
    problems: tuple[Problem, ...]

    @property
    def is_ready(self) -> bool:
        """Whether there is something to send and nothing stands against it."""
        has_messages = self.publisher is not None and bool(self.publisher.messages)
        return has_messages and not any(problem.is_fatal for problem in self.problems)


class MessageDraft:
    """Texts, ticks and extra entries, as typed.

    Parameters
    ----------
    connection
        Whose dialect the messages are written in; the current connection's by default.

    Attributes
    ----------
    texts : dict of str to str
        Field -> what stands in it; every field is there.
    flags : dict of str to bool
        `firedrill_mode`, `is_test`, `is_pre_sn`.
    extras : list of Extra
        What goes to meta.
    touched : set of str
        Fields that were filled or changed since the draft was empty.
    is_asked : bool
        Whether the user wanted to send what is here now: then nothing is merely unfinished any more.
    """

    def __init__(self, connection: Connection | None = None) -> None:
        self.connection = connection
        self.texts: dict[str, str] = dict.fromkeys(FIELDS, "")
        self.flags: dict[str, bool] = dict(_DEFAULT_FLAGS)
        self.extras: list[Extra] = []
        self.touched: set[str] = set()
        self.is_asked = False
        self._readings: dict[str, Reading] = {}
        self._dialect_name = "1.3"

    @property
    def dialect_name(self) -> str:
        """The dialect that messages are written in now; as before where the user's settings cannot be read any more."""
        # Who sends is told then that there is no destination; typing has to go on.
        with contextlib.suppress(DrillError):
            dialect = self.connection.dialect if self.connection is not None else current_dialect()
            self._dialect_name = dialect.NAME
        return self._dialect_name

    def type_text(self, name: str, text: str) -> None:
        """Put a text into a field, as a user types it; "now" in a time becomes the time."""
        field = FIELDS[name]
        if field.kind == "time" and text.strip().lower() == "now":
            text = iso_micro(time.time_ns() // 1000 * 1000)
        self.texts[name] = text
        self.touched.add(name)
        self.is_asked = False
        stripped = text.strip()
        if stripped:
            self._readings[name] = field.read(stripped)
        else:
            self._readings.pop(name, None)

    def put(self, name: str, value: Any) -> None:
        """Put a value from code or from a file where it belongs: field, tick, or extra entry; None empties it."""
        fields = self._fields()
        name = name if name in fields else OTHER_SPELLINGS.get(name, name)
        if name in FLAGS:
            self.flags[name] = is_truthy(value)
        elif name in fields:
            self.type_text(name, self._text(fields[name], value))
        else:
            self._put_extra(name, value)

    def _fields(self) -> dict[str, Field]:
        return fields_of(self.dialect_name)

    @staticmethod
    def _text(field: Field, value: Any) -> str:
        text = text_of(value, field.read)
        if field.name == "detector_name" and text:
            try:
                return find_detector(text).name
            except UnknownDetector:
                return text
        return text.upper() if text.upper() in field.choices else text

    def _put_extra(self, key: str, value: Any) -> None:
        found = [extra for extra in self.extras if extra.key == key]
        if value is None:
            self.extras = [extra for extra in self.extras if extra.key != key]
        elif found:
            found[0].text = extra_text(value)
        else:
            self.extras.append(Extra(key, extra_text(value)))

    def clear(self) -> None:
        """Empty everything but the detector, and forget what was touched."""
        name = self.texts["detector_name"]
        self.__init__(self.connection)  # type: ignore[misc]  # the same draft, as new
        if name:
            self.type_text("detector_name", name)
            self.touched.clear()

    def ask(self) -> None:
        """Count every field as touched and finished: the user wants to send."""
        self.touched.update(FIELDS)
        self.is_asked = True

    def reading(self, name: str) -> Reading | None:
        """Return what a field's text means; None if it is empty."""
        return self._readings.get(name)

    def given(self) -> set[str]:
        """Return the fields of this dialect that are not empty."""
        return {name for name in self._fields() if name in self._readings}

    def arguments(self) -> dict[str, Any]:
        """Return the publisher's arguments: every field that can be read, ticks that differ from their default, extras."""
        made = {
            name: reading.value
            for name in self._fields()
            if (reading := self._readings.get(name)) is not None and reading.value is not None
        }
        made |= {name: value for name, value in self.flags.items() if value is not _DEFAULT_FLAGS[name]}
        good = [extra for extra in self.extras if not self.extra_problem(extra)]
        return made | {extra.key.strip(): read_extra(extra.text) for extra in good}

    def tiers(self) -> tuple[Tier, ...]:
        """Return the tiers that the filled fields mean, whether what stands there is right or not."""
        values = {
            name: reading.value if reading.value is not None else _STAND_INS.get(name, "?")
            for name in self._fields()
            if (reading := self._readings.get(name)) is not None
        }
        return choose_tiers(values)

    def build(self) -> Built:
        """Return the messages that this means, and what is wrong with them; prints and sends nothing."""
        dialect_name, tiers = self.dialect_name, self.tiers()
        problems = self._own_problems(tiers)
        publisher = None
        # Without a detector there is nobody to speak for, and no message could be built.
        if tiers and self.arguments().get("detector_name"):
            try:
                publisher = SNEWSTiersPublisher(connection=self.connection, verbose=False, **self.arguments())
                problems += self._problems_of(publisher)
            except DrillError as error:
                problems.append(Problem("", "message", error.reason, error.next_step))
        return Built(dialect_name, publisher, tiers, tuple(dict.fromkeys(problems)))

    def _own_problems(self, tiers: tuple[Tier, ...]) -> list[Problem]:
        problems = self.unreadable()
        if tiers and not self.texts["detector_name"].strip():
            problems.append(Problem("", "detector_name", "is missing.", "Choose your detector."))
        return problems + self._misplaced(tiers)

    def unreadable(self) -> list[Problem]:
        """Return what is wrong with fields and extra pairs that mean nothing as they are."""
        fields = [
            Problem("", name, reading.reason, reading.remedy)
            for name in self._fields()
            if (reading := self._readings.get(name)) is not None and reading.value is None
        ]
        return fields + [problem for extra in self.extras if (problem := self.extra_problem(extra))]

    def _misplaced(self, tiers: tuple[Tier, ...]) -> list[Problem]:
        """Find fields of one dialect that have no place in the messages as they are now."""
        remarks = []
        fields = self._fields()
        for name in self._readings:
            if name not in fields:
                reason, remedy = f"has no place in dialect {self.dialect_name}.", "It is left out."
            elif "1.3" not in fields[name].dialects and not fields[name].tiers & set(tiers):
                (tier,) = fields[name].tiers
                reason, remedy = (
                    f"belongs to a {tier.value}, which is not made.",
                    "As it is, it goes to meta.",
                )
            else:
                continue
            remarks.append(Problem("", name, reason, remedy, is_fatal=False))
        return remarks

    def _problems_of(self, publisher: SNEWSTiersPublisher) -> list[Problem]:
        """Return the publisher's problems by the form's names, without what follows from a field that cannot be read."""
        bad = {name for name, reading in self._readings.items() if reading.value is None}
        problems = []
        for problem in publisher.problems:
            name = problem.field if problem.field in FIELDS else SYNONYMS.get(problem.field, problem.field)
            if name in bad or (bad and name in FIELDS and not problem.is_fatal):
                continue
            problems.append(Problem(problem.tier, name, problem.reason, problem.remedy, problem.is_fatal))
        return problems

    def extra_problem(self, extra: Extra) -> Problem | None:
        """Return why an extra pair cannot travel, with `meta.` before its key; None if it can or is empty."""
        key = extra.key.strip()
        where = f"meta.{key}"
        if not key:
            has_value = bool(extra.text.strip())
            return Problem("", where, "has no name.", "Give it one, or remove it.") if has_value else None
        if key in self._fields() or key in RESERVED:
            reason = f"'{key}' is a word of the form's own."
            return Problem("", where, reason, "Use its field, or another name.")
        if next(other for other in self.extras if other.key.strip() == key) is not extra:
            return Problem("", where, f"'{key}' is there twice.", "Rename or remove one of them.")
        return None
