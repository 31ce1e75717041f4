"""The five tiers of detector messages, as frozen values.

A value knows no clock and no wire format: times are integer nanoseconds since 1970-01-01T00:00:00 UTC, and whether a
message is too old is asked elsewhere, with the time at hand. Class names are the tier words of dialect 1.3.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field


class Tier(StrEnum):
    """Which analysis a detector message feeds; the value is the word that is printed and sent."""

    COINCIDENCE = "CoincidenceTier"
    SIGNIFICANCE = "SigTier"
    TIMING = "TimeTier"
    RETRACTION = "Retraction"
    HEARTBEAT = "Heartbeat"


#: The tiers that carry an observation.
OBSERVATION_TIERS = frozenset({Tier.COINCIDENCE, Tier.SIGNIFICANCE, Tier.TIMING})


class DetectorMessage(BaseModel):
    """What every message of a detector has.

    Attributes
    ----------
    id : str
        The identifier as the sender wrote it.
    uuid : str or None
        The random identifier that dialect 3 adds.
    detector_name : str
        The registered name of the sender.
    machine_time_ns, sent_time_ns : int or None
        When the detector made it and when it was sent, in ns since 1970 (UTC).
    is_pre_sn, is_test, is_firedrill : bool
        Whether it reports a pre-supernova signal, is a test (time checks do not apply), belongs to a fire drill.
    meta : dict
        Whatever else the sender wanted to say.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    tier: ClassVar[Tier]

    id: str
    uuid: str | None = None
    detector_name: str
    machine_time_ns: int | None = None
    sent_time_ns: int | None = None
    is_pre_sn: bool = False
    is_test: bool = False
    is_firedrill: bool = True
    meta: dict[str, Any] = Field(default_factory=dict)


class CoincidenceTier(DetectorMessage):
    """A detector saw something at a time.

    Attributes
    ----------
    neutrino_time_ns : int
        Time of the first neutrino, ns since 1970 (UTC).
    p_val : float or None
        Probability that background alone would look like this.
    """

    tier: ClassVar[Tier] = Tier.COINCIDENCE

    neutrino_time_ns: int
    p_val: float | None = None


class SigTier(DetectorMessage):
    """The significance over time.

    Attributes
    ----------
    neutrino_time_ns : int or None
        Start of the series, ns since 1970 (UTC); dialect 3 has none.
    p_val : float or None
        Probability of the whole.
    p_values : tuple of float
        One probability per bin.
    t_bin_width_sec : float
        Width of a bin in seconds.
    """

    tier: ClassVar[Tier] = Tier.SIGNIFICANCE

    neutrino_time_ns: int | None = None
    p_val: float | None = None
    p_values: tuple[float, ...]
    t_bin_width_sec: float


class TimeTier(DetectorMessage):
    """The times of single neutrinos, or a light curve.

    Attributes
    ----------
    neutrino_time_ns : int or None
        Time of the first neutrino, ns since 1970 (UTC).
    p_val : float or None
        Probability that background alone would look like this.
    timing_series : tuple of str, int or float
        As the sender wrote it: ISO texts, or offsets in ns from `start_time_ns`, or counts per bin where
        `time_bin_width_ns` is given.
    start_time_ns : int or None
        Zero of the offsets, ns since 1970 (UTC).
    time_bin_width_ns : int or None
        Width of a bin in ns.
    background_rate_hz : float or None
        Events per second without a supernova.
    detection_channel : str or None
        Which reaction was seen.
    """

    tier: ClassVar[Tier] = Tier.TIMING

    neutrino_time_ns: int | None = None
    p_val: float | None = None
    timing_series: tuple[str | int | float, ...]
    start_time_ns: int | None = None
    time_bin_width_ns: int | None = None
    background_rate_hz: float | None = None
    detection_channel: str | None = None


class Retraction(DetectorMessage):
    """A detector takes observations back.

    Attributes
    ----------
    retract_latest : int
        How many of its latest observations; 0 where one is named instead.
    retract_message_uuid : str or None
        The `uuid` of the one observation that is meant (dialect 3).
    retraction_reason : str or None
        Why.
    """

    tier: ClassVar[Tier] = Tier.RETRACTION

    retract_latest: int = 0
    retract_message_uuid: str | None = None
    retraction_reason: str | None = None


class Heartbeat(DetectorMessage):
    """A detector says whether it is taking data.

    Attributes
    ----------
    detector_status : str
        "ON" or "OFF", in the case the sender typed.
    """

    tier: ClassVar[Tier] = Tier.HEARTBEAT

    detector_status: str

    @property
    def is_on(self) -> bool:
        """Whether the detector takes data."""
        return self.detector_status.upper() == "ON"


#: Tier word -> class.
TIER_CLASSES: dict[Tier, type[DetectorMessage]] = {
    kind.tier: kind for kind in (CoincidenceTier, SigTier, TimeTier, Retraction, Heartbeat)
}
