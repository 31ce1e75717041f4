"""What every key of a message means, for people. Which keys a tier has is the dialect's to say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from snews_drill.messages.tiers import Tier
from snews_drill.wire.dialects import Dialect


@dataclass(frozen=True, slots=True)
class FieldHelp:
    """One key.

    Attributes
    ----------
    type, unit, help : str
        For people.
    is_required : bool
        Whether you must give it; what is made for you is not required.
    """

    type: str
    unit: str
    help: str
    is_required: bool = False


_ISO = "ISO 8601, UTC"
_MADE = "made for you"

_SHARED = {
    "_id": FieldHelp("text", "", f"number of the detector, tier and machine_time; {_MADE}"),
    "id": FieldHelp("text", "", f"detector, tier and machine_time_utc; {_MADE}"),
    "uuid": FieldHelp("text", "", f"a random identifier; {_MADE}"),
    "tier": FieldHelp("text", "", f"the tier's word; {_MADE}"),
    "detector_name": FieldHelp("text", "", "a name on the roster; the remembered one if you give none"),
    "machine_time": FieldHelp("text", _ISO, "when your detector made the message; now if you give none"),
    "sent_time": FieldHelp("text", _ISO, f"when it was sent; {_MADE}"),
    "meta": FieldHelp("object", "", "everything else you want to say; other keywords end up here"),
    "schema_version": FieldHelp("text", "", f"version of this format; {_MADE}"),
    "is_pre_sn": FieldHelp("true or false", "", "whether this is a pre-supernova signal"),
    "is_test": FieldHelp(
        "true or false", "", "whether this is a test; its times are not compared with the clock"
    ),
    "is_firedrill": FieldHelp("true or false", "", f"whether it belongs to a fire drill; {_MADE}"),
    "neutrino_time": FieldHelp(
        "text", _ISO, "first neutrino; within the last 48 h and not in the future", True
    ),
    "p_val": FieldHelp("number", "0 to 1", "probability that background alone looks like this"),
    "p_values": FieldHelp("list of numbers", "0 to 1", "one probability per bin", True),
    "t_bin_width": FieldHelp("number", "s", "width of a bin", True),
    "timing_series": FieldHelp("list of texts", _ISO, "times of single neutrinos", True),
    "start_time": FieldHelp("text", _ISO, "zero of the offsets in timing_series", True),
    "time_bin_width_ns": FieldHelp(
        "whole number", "ns", "width of a bin where timing_series holds counts; null for times"
    ),
    "background_rate_Hz": FieldHelp("number", "Hz", "events per second without a supernova"),
    "detection_channel": FieldHelp(
        "text", "", "Electron Neutrino, Electron Antineutrino, Neutral Current or Other"
    ),
    "retract_latest": FieldHelp(
        "whole number", "messages", "how many of your latest observations to take back", True
    ),
    "retract_message_uuid": FieldHelp(
        "text", "", "the uuid of the one message to take back, instead of a number"
    ),
    "retraction_reason": FieldHelp("text", "", "why"),
    "detector_status": FieldHelp("text", "ON or OFF", "whether the detector takes data", True),
}

#: Where the same key means something else in dialect 3.
_DIALECT_3 = {
    "timing_series": FieldHelp(
        "list of whole numbers", "ns", "offsets from start_time_utc, or counts per bin", True
    ),
    "retract_latest_n": FieldHelp(
        "whole number", "messages", "how many to take back; 0 where retract_message_uuid says which"
    ),
}


def fields_of(tier: Tier, dialect: Dialect) -> list[dict[str, Any]]:
    """Return the keys of a tier's message in the order in which they travel, each with what it means.

    Source: message formats of the SNEWS publishing tools 1.3.2 and of snews-data-formats 1.1.1.

    Returns
    -------
    list of dict
        With "name", "type", "unit", "required" and "help".
    """
    return [
        {
            "name": key,
            "type": known.type,
            "unit": known.unit,
            "required": known.is_required,
            "help": known.help,
        }
        for key in dialect.keys_of(tier)
        for known in [_find(key, dialect.NAME)]
    ]


def _find(key: str, dialect_name: str) -> FieldHelp:
    if dialect_name == "3" and key in _DIALECT_3:
        return _DIALECT_3[key]
    # Dialect 3 writes the unit or the time scale into the name.
    plain = key.removesuffix("_utc").removesuffix("_sec").removesuffix("_n")
    return _SHARED.get(key) or _SHARED[plain]
