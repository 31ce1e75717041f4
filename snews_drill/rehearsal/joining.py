"""Who may join a drill: everybody, until the instructor freezes joining; then those who were heard before.

The state is part of the archive, so that a server that was killed knows it again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from snews_drill.detectors import is_registered
from snews_drill.messages.times import NS_PER_DAY, iso_micro
from snews_drill.rehearsal.archive import Archive


@dataclass(frozen=True, slots=True)
class Frozen:
    """A freeze of one exercise.

    Attributes
    ----------
    since_ns : int
        Since when, ns since 1970 (UTC).
    detectors : frozenset of str
        Who is in.
    """

    since_ns: int
    detectors: frozenset[str]


@dataclass
class Joining:
    """Whether joining is frozen, for each exercise.

    Changes are made inside a transaction of the archive; after a failed one, `restore` brings back what stands.

    Attributes
    ----------
    archive : Archive
        Where the state is kept.
    """

    archive: Archive
    _frozen: dict[str, Frozen] = field(default_factory=dict)
    _told: set[tuple[str, str]] = field(default_factory=set)

    def restore(self, exercises: Iterable[str]) -> None:
        """Take the state of these exercises (observation topics) from the archive."""
        self._told.clear()
        found = {name: _read(self.archive.noted(_key(name))) for name in exercises}
        self._frozen = {name: frozen for name, frozen in found.items() if frozen is not None}

    def frozen(self, exercise: str) -> Frozen | None:
        """Return the freeze of an exercise; None while everybody may join."""
        return self._frozen.get(exercise)

    def freeze(self, exercise: str, *, now_ns: int) -> Frozen:
        """Let nobody in from now on but those who were heard within the last day; a freeze that stands stays as it is.

        Parameters
        ----------
        exercise
            The observation topic.
        now_ns
            The time, ns since 1970 (UTC).
        """
        standing = self._frozen.get(exercise)
        if standing is not None:
            return standing
        heard = self.archive.heard(exercise, since_ns=now_ns - NS_PER_DAY)
        # Anybody may test the connection under any name.
        made = Frozen(now_ns, frozenset(name for name in heard if is_registered(name)))
        said = {"since_ns": made.since_ns, "detectors": sorted(made.detectors)}
        self.archive.note(_key(exercise), json.dumps(said))
        self._frozen[exercise] = made
        self._told = {told for told in self._told if told[0] != exercise}
        return made

    def unfreeze(self, exercise: str) -> bool:
        """Let everybody in again; return whether joining was frozen."""
        self.archive.note(_key(exercise), "")
        return self._frozen.pop(exercise, None) is not None

    def refusal(self, exercise: str, detector: str) -> str:
        """Return why a detector's message is not taken; "" if it is."""
        frozen = self._frozen.get(exercise)
        if frozen is None or detector in frozen.detectors:
            return ""
        return (
            f"Joining is frozen since {iso_micro(frozen.since_ns)[:19]} UTC, and {detector} had not been heard in this "
            "drill before. Ask the instructor to let you in (unfreeze-joining), then send it again."
        )

    def is_first_refusal(self, exercise: str, detector: str) -> bool:
        """Tell whether a detector is refused for the first time since the freeze or the server's start, and note it."""
        is_first = (exercise, detector) not in self._told
        self._told.add((exercise, detector))
        return is_first


def _key(exercise: str) -> str:
    return f"joining of {exercise}"


def _read(text: str) -> Frozen | None:
    if not text:
        return None
    said = json.loads(text)
    return Frozen(int(said["since_ns"]), frozenset(said["detectors"]))
