"""How a virtual detector behaves: its pace, how long its people take to react, and what may go wrong with it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from snews_drill.heartbeats import DEFAULT_EVERY_SEC

Fate = Literal["observes", "misses", "falls silent", "switches off"]


class Behaviour(BaseModel):
    """How a virtual detector behaves. All times are those of the drill: a speed factor shortens them.

    Attributes
    ----------
    heartbeat_every_sec : float
        Seconds from one heartbeat to the next.
    reaction_sec, reaction_spread_sec : float
        From the moment the scenario asks for a message until it is sent: mean and standard deviation of a normal
        distribution, s; never below 0. Drawn once per burst, so that the order of a detector's messages stays.
    time_jitter_ms : float
        Standard deviation of the error of its neutrino times, ms.
    chance_to_miss, chance_to_fall_silent, chance_to_switch_off : float
        That it does not see the burst; that it breaks down before it can tell, heartbeats and all; that it says OFF instead.
        Together 1 at most.
    chance_to_retract : float
        That it takes its observation back.
    retract_after_sec : float
        Seconds from its observation to that.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    heartbeat_every_sec: float = Field(default=DEFAULT_EVERY_SEC, ge=0.1, le=86_400)
    reaction_sec: float = Field(default=10.0, ge=0, le=86_400)
    reaction_spread_sec: float = Field(default=4.0, ge=0, le=86_400)
    time_jitter_ms: float = Field(default=0.0, ge=0, le=100)
    chance_to_miss: float = Field(default=0.0, ge=0, le=1)
    chance_to_fall_silent: float = Field(default=0.0, ge=0, le=1)
    chance_to_switch_off: float = Field(default=0.0, ge=0, le=1)
    chance_to_retract: float = Field(default=0.0, ge=0, le=1)
    retract_after_sec: float = Field(default=30.0, ge=0, le=86_400)

    @model_validator(mode="after")
    def _is_possible(self) -> Behaviour:
        if self.chance_to_miss + self.chance_to_fall_silent + self.chance_to_switch_off > 1 + 1e-9:
            raise ValueError("the chances to miss, to fall silent and to switch off are more than 1 together")
        return self


@dataclass(frozen=True, slots=True)
class Intention:
    """What a virtual detector will do about one burst.

    Attributes
    ----------
    fate : str
        "observes", "misses", "falls silent" or "switches off".
    reaction_sec : float
        How late its messages are, s of the drill.
    jitter_ns : int
        The error of its neutrino time, ns, in whole microseconds: dialect 1.3 has no finer times.
    retracts : bool
        Whether it takes its observation back.
    """

    fate: Fate
    reaction_sec: float
    jitter_ns: int
    retracts: bool


class Chance:
    """The dice of one virtual detector: with the same seed it always does the same, whoever else takes part.

    Parameters
    ----------
    seed
        Of the drill.
    detector
        The detector's name.
    """

    def __init__(self, seed: int, detector: str) -> None:
        self._random = random.Random(f"{seed}/{detector}")  # noqa: S311 - dice of an exercise, no secret

    def phase(self) -> float:
        """Return when in its pace the first heartbeat after the first one comes, 0 to 1."""
        return self._random.random()

    def intention(self, behaviour: Behaviour) -> Intention:
        """Return what the detector does about the next burst. Every call throws the same number of dice."""
        reaction, jitter = self._random.gauss(), self._random.gauss()
        fate, retraction = self._random.random(), self._random.random()
        return Intention(
            fate=_fate(behaviour, fate),
            reaction_sec=max(behaviour.reaction_sec + behaviour.reaction_spread_sec * reaction, 0.0),
            jitter_ns=round(behaviour.time_jitter_ms * jitter * 1e3) * 1000,
            retracts=retraction < behaviour.chance_to_retract,
        )


def _fate(behaviour: Behaviour, dice: float) -> Fate:
    steps: tuple[tuple[Fate, float], ...] = (
        ("misses", behaviour.chance_to_miss),
        ("falls silent", behaviour.chance_to_fall_silent),
        ("switches off", behaviour.chance_to_switch_off),
    )
    for fate, chance in steps:
        if dice < chance:
            return fate
        dice -= chance
    return "observes"
