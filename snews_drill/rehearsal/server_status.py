"""What a drill server shows of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SeenDetector:
    """What the server knows of one detector.

    Attributes
    ----------
    name : str
        Its registered name.
    heartbeats : int
        How many came since the server started or within the last 24 h before.
    is_on : bool or None
        Its last heartbeat's status; None without one.
    last_heartbeat_ns, last_message_ns : int or None
        When the server last heard from it, ns since 1970 (UTC).
    latency_ms : float or None
        Of the last heartbeat, received minus sent.
    observations, retractions : int
        How many were accepted since the server started.
    """

    name: str
    heartbeats: int = 0
    is_on: bool | None = None
    last_heartbeat_ns: int | None = None
    last_message_ns: int | None = None
    latency_ms: float | None = None
    observations: int = 0
    retractions: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that was not accepted, and why.

    Attributes
    ----------
    topic, partition, offset
        Its place.
    outcome : str
        "refused" or "unreadable".
    reason : str
        Why.
    """

    topic: str
    partition: int
    offset: int
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """A snapshot of a drill server.

    Attributes
    ----------
    state : str
        "starting", "listening", "waiting" (something outside is in the way, see `problem`) or "stopped".
    problem : str
        What is in the way; "" if nothing.
    role : str
        "joining", "active" or "standing by" for a server of a standby group; "" for one alone.
    started_ns : int
        ns since 1970 (UTC).
    counts : mapping of str to int
        Records by tier or command word, and "refused", "unreadable", "repeated", "alerts".
    detectors : tuple of SeenDetector
        Who was heard, by name.
    groups : tuple of tuple of str
        The detectors of each standing group, in order of neutrino time.
    refusals : tuple of Refusal
        The newest records that were not accepted, newest last.
    frozen : tuple of str
        The observation topics on which joining is frozen.
    """

    state: str = "starting"
    problem: str = ""
    role: str = ""
    started_ns: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    detectors: tuple[SeenDetector, ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()
    refusals: tuple[Refusal, ...] = ()
    frozen: tuple[str, ...] = ()
