"""What is seen of a drill from its topics: who is here, what was said, which alerts came. Pure: no clock, no broker.

`monitor.DrillMonitor` reads the topics and hands over what it decoded; everything here is bounded.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

from snews_drill.detectors import is_registered
from snews_drill.drill.marks import speaker
from snews_drill.messages.alert import Alert
from snews_drill.messages.announcement import Announcement, announcement_in
from snews_drill.messages.commands import Command, CommandName
from snews_drill.messages.tiers import CoincidenceTier, DetectorMessage, Heartbeat, Retraction
from snews_drill.messages.times import iso_micro

#: The most that is kept of each: entries of the timeline, alerts, announcements, and heartbeats of one detector.
MAX_TIMELINE, MAX_ALERTS, MAX_ANNOUNCEMENTS, MAX_BEATS = 1_000, 500, 50, 100


@dataclass(frozen=True, slots=True)
class Participant:
    """One detector, as the topics show it.

    Attributes
    ----------
    detector : str
        Its registered name.
    played_by : str or None
        Who spoke for it last: "virtual detector" or "control room"; None for a person, or a person's program.
    is_on : bool or None
        The status in its last heartbeat; None without one.
    first_heard_ns, last_heard_ns : int
        When something of it came, ns since 1970 (UTC).
    last_message : str
        What came last, in a few words.
    heartbeats : int
        How many came.
    beats_ns : tuple of int
        When the newest of them came, oldest first, ns since 1970 (UTC).
    latency_ms : float or None
        Of its last message: from its time of sending until it was read.
    tested_ns : int or None
        When the drill server last confirmed its connection test.
    observations, retractions : int
        How many came.
    neutrino_time_ns : int or None
        Of its last observation, ns since 1970 (UTC).
    is_refused : bool
        Whether the drill server said that it does not take its messages, because joining is frozen.
    """

    detector: str
    first_heard_ns: int
    last_heard_ns: int
    played_by: str | None = None
    is_on: bool | None = None
    last_message: str = ""
    heartbeats: int = 0
    beats_ns: tuple[int, ...] = ()
    latency_ms: float | None = None
    tested_ns: int | None = None
    observations: int = 0
    retractions: int = 0
    neutrino_time_ns: int | None = None
    is_refused: bool = False

    @property
    def is_virtual(self) -> bool:
        """Whether only the exercise spoke for it so far."""
        return self.played_by is not None

    @property
    def interval_sec(self) -> float | None:
        """The mean time between its newest heartbeats, seconds; None with fewer than two."""
        if len(self.beats_ns) < 2:
            return None
        return (self.beats_ns[-1] - self.beats_ns[0]) / 1e9 / (len(self.beats_ns) - 1)


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """Something that happened.

    Attributes
    ----------
    time_ns : int
        When it was written to its topic or read, ns since 1970 (UTC).
    kind : str
        "heartbeat" (the first one, and changes of status), "observation", "retraction", "connection test", "alert",
        "announcement", "joining", "reset" or "problem".
    detector : str
        Whose; "" for what concerns all.
    text : str
        What, in a few words: hostile text.
    played_by : str or None
        Who spoke for the detector, as in `Participant`.
    members : tuple of str
        The detectors of an alert.
    """

    time_ns: int
    kind: str
    detector: str
    text: str
    played_by: str | None = None
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DrillPicture:
    """A drill at one moment.

    Attributes
    ----------
    participants : tuple of Participant
        By name.
    alerts : tuple of Alert
        The newest, oldest first.
    timeline : tuple of TimelineEntry
        The newest, in the order they came.
    announcements : tuple of Announcement
        The newest, oldest first.
    is_joining_frozen : bool or None
        As the drill server last said; None while it said nothing.
    unreadable : int
        How many records meant nothing.
    problem : str
        What is in the way of seeing everything, with the next step; "" if nothing.
    """

    participants: tuple[Participant, ...] = ()
    alerts: tuple[Alert, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()
    announcements: tuple[Announcement, ...] = ()
    is_joining_frozen: bool | None = None
    unreadable: int = 0
    problem: str = ""

    def participant(self, detector: str) -> Participant | None:
        """Return one of them by name; None if it was not heard."""
        return next((one for one in self.participants if one.detector == detector), None)

    @property
    def people(self) -> tuple[str, ...]:
        """The detectors that spoke for themselves."""
        return tuple(one.detector for one in self.participants if not one.is_virtual)


@dataclass
class PictureMaker:
    """Takes what was read, one thing after the other, and makes pictures of it. For one thread."""

    _participants: dict[str, Participant] = field(default_factory=dict)
    _alerts: deque[Alert] = field(default_factory=lambda: deque(maxlen=MAX_ALERTS))
    _timeline: deque[TimelineEntry] = field(default_factory=lambda: deque(maxlen=MAX_TIMELINE))
    _announcements: deque[Announcement] = field(default_factory=lambda: deque(maxlen=MAX_ANNOUNCEMENTS))
    _people: set[str] = field(default_factory=set)
    _is_frozen: bool | None = None
    _unreadable: int = 0

    def picture(self, problem: str = "") -> DrillPicture:
        """Return what is known now."""
        return DrillPicture(
            tuple(self._participants[name] for name in sorted(self._participants, key=str.lower)),
            tuple(self._alerts),
            tuple(self._timeline),
            tuple(self._announcements),
            self._is_frozen,
            self._unreadable,
            problem,
        )

    def take_message(self, message: DetectorMessage, heard_ns: int) -> None:
        """Take a detector's message; `heard_ns` is when, ns since 1970 (UTC)."""
        name, voice = message.detector_name, speaker(message)
        before = self._participant(name, heard_ns)
        if voice is None:
            self._people.add(name)
        sent_ns = message.sent_time_ns or message.machine_time_ns
        now = replace(
            before,
            last_heard_ns=heard_ns,
            played_by=None if name in self._people else voice,
            latency_ms=None if sent_ns is None else (heard_ns - sent_ns) / 1e6,
        )
        if isinstance(message, Heartbeat):
            status = "ON" if message.is_on else "OFF"
            if before.is_on is not message.is_on:
                self._note(heard_ns, "heartbeat", name, f"Heartbeat {status}", voice)
            now = replace(
                now,
                is_on=message.is_on,
                heartbeats=before.heartbeats + 1,
                beats_ns=(*before.beats_ns, heard_ns)[-MAX_BEATS:],
                last_message=f"Heartbeat {status}",
            )
        elif isinstance(message, Retraction):
            reason = f": {message.retraction_reason}" if message.retraction_reason else ""
            self._note(heard_ns, "retraction", name, f"Retraction{reason}", voice)
            now = replace(now, retractions=before.retractions + 1, last_message="Retraction")
        else:
            word, time_ns = message.tier.value, getattr(message, "neutrino_time_ns", None)
            when = f" at {iso_micro(time_ns)[11:]}" if time_ns is not None else ""
            self._note(heard_ns, "observation", name, f"{word}{when}", voice)
            own_time = time_ns if isinstance(message, CoincidenceTier) else before.neutrino_time_ns
            now = replace(
                now, observations=before.observations + 1, last_message=word, neutrino_time_ns=own_time
            )
        self._participants[name] = now

    def take_reply(self, reply: Command, heard_ns: int) -> None:
        """Take what the drill server said on the connection topic."""
        name = reply.detector_name
        if reply.name is CommandName.TEST_CONNECTION and reply.status == "received" and is_registered(name):
            self._note(heard_ns, "connection test", name, "Connection test confirmed")
            self._people.add(name)  # nobody else tests a connection
            self._participants[name] = replace(
                self._participant(name, heard_ns),
                played_by=None,
                last_heard_ns=heard_ns,
                tested_ns=heard_ns,
                last_message="Connection test",
            )
        elif reply.name is CommandName.HARD_RESET and reply.status == "done":
            self._note(heard_ns, "reset", "", f"Cache reset: {reply.reason}")
        elif reply.name is CommandName.DRILL_STATUS and reply.status == "done":
            told = reply.meta.get("status_of_drill")
            if isinstance(told, dict) and isinstance(told.get("is_joining_frozen"), bool):
                self._is_frozen = told["is_joining_frozen"]
        self._take_announcement(reply, heard_ns)

    def _take_announcement(self, reply: Command, heard_ns: int) -> None:
        said = announcement_in(reply)
        if said is None:
            return
        if said.kind == "not joined":
            if is_registered(said.detector):
                self._participants[said.detector] = replace(
                    self._participant(said.detector, heard_ns), is_refused=True
                )
                self._note(heard_ns, "joining", said.detector, "Not let in: joining is frozen")
            return
        if said.kind == "joining":
            self._is_frozen = reply.name is CommandName.FREEZE_JOINING
            for name, one in self._participants.items():
                if one.is_refused and not self._is_frozen:
                    self._participants[name] = replace(one, is_refused=False)
        self._announcements.append(said)
        self._note(heard_ns, said.kind, "", said.text)

    def take_alert(self, alert: Alert, heard_ns: int) -> None:
        """Take an alert."""
        names = alert.detector_names[:100]
        before = self._alerts[-1].detector_names if self._alerts else ()
        self._alerts.append(alert)
        count = f"{len(alert.detector_names)} detector{'' if len(names) == 1 else 's'}"
        text = f"{alert.alert_type}, {count}{_change(before, names)}"
        self._timeline.append(TimelineEntry(heard_ns, "alert", "", text[:500], members=names))

    def take_unreadable(self, reason: str, heard_ns: int) -> None:
        """Take note of a record that means nothing; the same again and again is one entry."""
        self._unreadable += 1
        last = self._timeline[-1] if self._timeline else None
        if last is None or (last.kind, last.text) != ("problem", reason):
            self._note(heard_ns, "problem", "", reason)

    def _participant(self, name: str, heard_ns: int) -> Participant:
        return self._participants.get(name) or Participant(name, heard_ns, heard_ns)

    def _note(self, time_ns: int, kind: str, detector: str, text: str, played_by: str | None = None) -> None:
        self._timeline.append(TimelineEntry(time_ns, kind, detector, text[:500], played_by))


def _change(before: tuple[str, ...], now: tuple[str, ...]) -> str:
    """Return in words what changed from one alert to the next; all names where they have too little in common."""
    joined, left = [n for n in now if n not in before], [n for n in before if n not in now]
    if before and now and len(joined) + len(left) <= 3:
        words = [f"+ {', '.join(joined)}"] * bool(joined) + [f"- {', '.join(left)}"] * bool(left)
        return f": {'; '.join(words) or 'new times or p-values'}"
    return f": {', '.join(now)}" if now else ""
