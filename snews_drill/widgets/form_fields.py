"""The fields of the message form: one table, made of what the five tiers have.

Which argument a field fills, what it is called, its unit and help, how its text is read, and which attribute of the message
models it becomes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from snews_drill.detectors import find_detector, roster
from snews_drill.errors import UnknownDetector
from snews_drill.messages.choose import OTHER_SPELLINGS
from snews_drill.messages.tiers import OBSERVATION_TIERS, Tier
from snews_drill.widgets.form_reading import (
    Read,
    Reading,
    read_count,
    read_number,
    read_probabilities,
    read_series,
    read_status,
    read_text,
    read_time,
)
from snews_drill.wire.pickle_machine import DETECTION_CHANNELS

Kind = Literal["time", "line", "list", "choice"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the form.

    Attributes
    ----------
    name : str
        The publisher's argument.
    label : str
        What the reader sees, with the unit.
    help : str
        What belongs there, in a few words.
    attribute : str
        The attribute of the message models that it becomes.
    read : callable
        Text -> Reading.
    kind : {"time", "line", "list", "choice"}
        How it is typed.
    tiers : frozenset of Tier
        Which messages it goes into; all if empty.
    choices : tuple of str
        The values to choose from.
    dialects : tuple of str
        The dialects that have it.
    """

    name: str
    label: str
    help: str
    attribute: str
    read: Read
    kind: Kind = "line"
    tiers: frozenset[Tier] = frozenset()
    choices: tuple[str, ...] = ()
    dialects: tuple[str, ...] = ("1.3", "3")


@dataclass(frozen=True, slots=True)
class Group:
    """Fields that stand together.

    Attributes
    ----------
    title : str
        Their headline.
    tier : Tier or None
        The message that they make, if they make one.
    fields : tuple of Field
        From top to bottom.
    """

    title: str
    tier: Tier | None
    fields: tuple[Field, ...]


def _read_detector(text: str) -> Reading:
    try:
        return Reading(find_detector(text).name)
    except UnknownDetector as error:
        return Reading(reason=error.reason, remedy="Choose one of the list.")


def _only(*tiers: Tier) -> frozenset[Tier]:
    return frozenset(tiers)


_ONLY_3 = ("3",)

#: The form from top to bottom. Source of the arguments: `SNEWSTiersPublisher`; of the units: the message models.
GROUPS: tuple[Group, ...] = (
    Group(
        "Who",
        None,
        (
            Field(
                "detector_name",
                "Detector",
                "which detector sends",
                "detector_name",
                _read_detector,
                "choice",
                choices=tuple(detector.name for detector in roster()),
            ),
            Field(
                "machine_time",
                "Machine time (UTC)",
                "when your machine made it; empty for the time of building",
                "machine_time_ns",
                read_time,
                "time",
            ),
        ),
    ),
    Group(
        "Coincidence",
        Tier.COINCIDENCE,
        (
            Field(
                "neutrino_time",
                "Neutrino time (UTC)",
                "first neutrino, ISO, e.g. 2026-11-23T12:45:45.678999",
                "neutrino_time_ns",
                read_time,
                "time",
                OBSERVATION_TIERS,
            ),
            Field(
                "p_val",
                "p-value (0 to 1)",
                "probability that background alone looks like this",
                "p_val",
                read_number,
                tiers=_only(Tier.COINCIDENCE),
            ),
        ),
    ),
    Group(
        "Significance",
        Tier.SIGNIFICANCE,
        (
            Field(
                "p_values",
                "p-values (0 to 1)",
                "one per bin: 0.4, 0.5, 0.6",
                "p_values",
                read_probabilities,
                "list",
                _only(Tier.SIGNIFICANCE),
            ),
            Field(
                "t_bin_width",
                "Bin width (s)",
                "width of a bin in seconds",
                "t_bin_width_sec",
                read_number,
                tiers=_only(Tier.SIGNIFICANCE),
            ),
        ),
    ),
    Group(
        "Timing",
        Tier.TIMING,
        (
            Field(
                "timing_series",
                "Timing series",
                "times of single neutrinos (ISO, UTC), or offsets in ns; one a line",
                "timing_series",
                read_series,
                "list",
                _only(Tier.TIMING),
            ),
            Field(
                "start_time_utc",
                "Start time (UTC)",
                "zero of the offsets; empty for the first time",
                "start_time_ns",
                read_time,
                "time",
                tiers=_only(Tier.TIMING),
                dialects=_ONLY_3,
            ),
            Field(
                "time_bin_width_ns",
                "Bin width (ns)",
                "only where the series holds counts per bin",
                "time_bin_width_ns",
                read_count,
                tiers=_only(Tier.TIMING),
                dialects=_ONLY_3,
            ),
            Field(
                "background_rate_Hz",
                "Background rate (Hz)",
                "events per second without a supernova",
                "background_rate_hz",
                read_number,
                tiers=_only(Tier.TIMING),
                dialects=_ONLY_3,
            ),
            Field(
                "detection_channel",
                "Detection channel",
                "which reaction was seen",
                "detection_channel",
                read_text,
                "choice",
                choices=tuple(DETECTION_CHANNELS),
                tiers=_only(Tier.TIMING),
                dialects=_ONLY_3,
            ),
        ),
    ),
    Group(
        "Retraction",
        Tier.RETRACTION,
        (
            Field(
                "retract_latest",
                "Retract latest (number)",
                "how many of your latest observations to take back",
                "retract_latest",
                read_count,
                tiers=_only(Tier.RETRACTION),
            ),
            Field(
                "retract_message_uuid",
                "Retract message (uuid)",
                "the one observation to take back, instead of a number",
                "retract_message_uuid",
                read_text,
                tiers=_only(Tier.RETRACTION),
                dialects=("3",),
            ),
            Field(
                "retraction_reason",
                "Retraction reason",
                "why",
                "retraction_reason",
                read_text,
                tiers=_only(Tier.RETRACTION),
            ),
        ),
    ),
    Group(
        "Heartbeat",
        Tier.HEARTBEAT,
        (
            Field(
                "detector_status",
                "Detector status",
                "is the detector taking data?",
                "detector_status",
                read_status,
                "choice",
                _only(Tier.HEARTBEAT),
                ("ON", "OFF"),
            ),
        ),
    ),
)

FIELDS: dict[str, Field] = {field.name: field for group in GROUPS for field in group.fields}

#: Ticks: argument -> label. They hold for all messages.
FLAGS: dict[str, str] = {
    "firedrill_mode": "Fire drill (else the test topics)",
    "is_test": "Test message (times are not compared with the clock)",
    "is_pre_sn": "Pre-supernova signal",
}

#: The publisher's other words: no extra entry may be called so.
RESERVED = frozenset({"self", "env_file", "connection", "verbose", *FLAGS, *OTHER_SPELLINGS})

#: Other words for a field: dialect 3's, and those that checks use.
SYNONYMS: dict[str, str] = {**OTHER_SPELLINGS, "start_time": "start_time_utc"}


def fields_of(dialect_name: str) -> dict[str, Field]:
    """Return the fields that a dialect has, by name."""
    return {name: field for name, field in FIELDS.items() if dialect_name in field.dialects}
