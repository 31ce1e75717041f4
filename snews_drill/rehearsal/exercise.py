"""One exercise: the coincidences of one pair of topics, and the alerts they give rise to.

Test messages and real ones never mix, so an exercise holds two coincidences. Everything here happens inside a
transaction of the archive; after a failure the exercise is built anew from there.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable
from statistics import fmean

from snews_drill.messages.alert import Alert
from snews_drill.messages.tiers import CoincidenceTier, Retraction
from snews_drill.messages.times import iso_micro
from snews_drill.profiles import Topics
from snews_drill.rehearsal.archive import Archive, HeldObservation, Outgoing
from snews_drill.rehearsal.coincidence import LIFETIME_NS, Coincidence, Decision, Observation
from snews_drill.wire.dialects import Dialect
from snews_drill.wire.json_text import dump_json

#: A record's own timestamp is trusted this far, ns; senders' clocks can be anything.
_CLOCK_TRUST_NS = 60_000_000_000

#: Number of detectors in the group -> the text of "False Alarm Prob".
FalseAlarmText = Callable[[int], str]


class Exercise:
    """The coincidences behind one observation topic.

    Parameters
    ----------
    topics
        Where observations come from and alerts go to.
    archive
        Where everything is kept.
    dialect
        How alerts are written.
    server_tag
        Which server says so.
    """

    def __init__(self, topics: Topics, archive: Archive, dialect: Dialect, server_tag: str) -> None:
        self.topics = topics
        self._archive = archive
        self._dialect = dialect
        self._server_tag = server_tag
        self._coincidences = {False: Coincidence(), True: Coincidence()}
        self._crowded: dict[str, tuple[int, int]] = {}

    @property
    def name(self) -> str:
        """The observation topic."""
        return self.topics.observations

    @property
    def held_count(self) -> int:
        """How many observations are held."""
        return sum(len(coincidence.observations) for coincidence in self._coincidences.values())

    @property
    def groups(self) -> tuple[tuple[Observation, ...], ...]:
        """The groups that stand now, real ones first."""
        return self._coincidences[False].groups + self._coincidences[True].groups

    def forget(self) -> None:
        """Forget everything, as before the first `restore`."""
        self._coincidences = {False: Coincidence(), True: Coincidence()}
        self._crowded = {}

    def restore(self, kept: Iterable[HeldObservation]) -> None:
        """Take back observations from the archive; their alerts were decided before."""
        found: dict[bool, list[Observation]] = {False: [], True: []}
        for held in kept:
            found[held.is_test].append(_observation(held))
        for is_test, observations in found.items():
            self._coincidences[is_test].restore(observations)

    def renumber(self) -> None:
        """Give restored groups the numbers that readers know them by."""
        for is_test, coincidence in self._coincidences.items():
            coincidence.renumber(self._archive.group_numbers(self.name, is_test=is_test))

    def expire(self, now_ns: int) -> None:
        """Let observations go that are older than 24 h (`now_ns` is ns since 1970, UTC)."""
        for coincidence in self._coincidences.values():
            coincidence.expire(now_ns)

    def note_expired(self, now_ns: int) -> None:
        """Expire, and keep the numbers of the groups whose earliest member went."""
        before = {is_test: coincidence.numbers for is_test, coincidence in self._coincidences.items()}
        self.expire(now_ns)
        for is_test, coincidence in self._coincidences.items():
            now = coincidence.numbers
            for number in set(before[is_test].values()) - set(now.values()):
                self._archive.end_group(self.name, number, is_test=is_test)
            for (time_ns, detector), number in now.items():
                if before[is_test].get((time_ns, detector)) != number:
                    self._archive.set_group(self.name, number, detector, time_ns, is_test=is_test)

    def is_late_copy(self, message: CoincidenceTier, *, key: str, received_ns: int) -> bool:
        """Tell whether the same observation, sent again later, came before this one: a broker that was frozen wrote it late.

        It says nothing new, and it must not bring back what was taken back since. The arguments are those of `observe`.
        """
        return self._archive.has_later_copy(self._held(message, key, received_ns))

    def _held(self, message: CoincidenceTier, key: str, received_ns: int) -> HeldObservation:
        sent_ns = message.sent_time_ns or message.machine_time_ns or received_ns
        return HeldObservation(
            self.name,
            message.is_test,
            key,
            message.detector_name,
            message.neutrino_time_ns,
            message.p_val,
            min(sent_ns, received_ns),
            received_ns,
        )

    def observe(
        self,
        message: CoincidenceTier,
        *,
        key: str,
        received_ns: int,
        timestamp_ms: int,
        false_alarm: FalseAlarmText,
    ) -> int:
        """Take an observation and queue the alerts that follow; return how many.

        Parameters
        ----------
        message
            A checked observation.
        key
            What identifies it, of bounded length.
        received_ns, timestamp_ms
            When it was read (ns) and written to the topic (ms), since 1970 (UTC).
        false_alarm
            Gives the false-alarm text for a number of detectors.
        """
        held = self._held(message, key, received_ns)
        decisions = self._coincidences[message.is_test].add(_observation(held))
        self._archive.add_observation(held)
        return self._queue(
            decisions,
            is_test=message.is_test,
            received_ns=received_ns,
            timestamp_ms=timestamp_ms,
            false_alarm=false_alarm,
        )

    def retract(
        self, message: Retraction, *, received_ns: int, timestamp_ms: int, false_alarm: FalseAlarmText
    ) -> tuple[int, int]:
        """Take observations back and queue the alerts that follow; return (observations withdrawn, alerts)."""
        coincidence = self._coincidences[message.is_test]
        if message.retract_message_uuid is not None:
            decisions, withdrawn = coincidence.retract_by_id(
                message.detector_name, message.retract_message_uuid
            )
        else:
            decisions, withdrawn = coincidence.retract(message.detector_name, message.retract_latest)
        for observation in withdrawn:
            self._archive.withdraw_observation(
                self.name,
                is_test=message.is_test,
                detector=observation.detector,
                message_id=observation.id,
                neutrino_time_ns=observation.neutrino_time_ns,
                p_val=observation.p_val,
            )
        return len(withdrawn), self._queue(
            decisions,
            is_test=message.is_test,
            received_ns=received_ns,
            timestamp_ms=timestamp_ms,
            false_alarm=false_alarm,
        )

    def reset(self) -> int:
        """Drop all observations without alerts; return how many there were."""
        self._archive.clear_observations(self.name)
        return sum(coincidence.reset() for coincidence in self._coincidences.values())

    def _queue(
        self,
        decisions: list[Decision],
        *,
        is_test: bool,
        received_ns: int,
        timestamp_ms: int,
        false_alarm: FalseAlarmText,
    ) -> int:
        decided_ns = timestamp_ms * 1_000_000
        if abs(decided_ns - received_ns) > _CLOCK_TRUST_NS:
            decided_ns = received_ns // 1_000_000 * 1_000_000
        for decision in decisions:
            self._note_number(decision, is_test=is_test)
            text = "N/A" if is_test else false_alarm(len(decision.members))
            alert = self._compose(decision, decided_ns, text, is_test=is_test)
            content = dump_json(self._dialect.alert_to_object(alert))
            self._archive.queue(Outgoing(self.topics.alerts, "alert", alert.id, content, "json", received_ns))
        return len(decisions)

    def _note_number(self, decision: Decision, *, is_test: bool) -> None:
        """Keep which number readers know a group by, or that it ended."""
        number, first = decision.group_number, decision.members[0] if decision.members else None
        standing = None
        if first is not None:
            standing = self._coincidences[is_test].number_at(first.neutrino_time_ns, first.detector)
        if first is not None and standing == number:
            self._archive.set_group(
                self.name, number, first.detector, first.neutrino_time_ns, is_test=is_test
            )
        else:
            # What is left of it belongs to another group now, or a later alert of this one tells where it stands.
            self._archive.end_group(self.name, number, is_test=is_test)

    def _compose(self, decision: Decision, decided_ns: int, false_alarm: str, *, is_test: bool) -> Alert:
        members = decision.members
        p_values = tuple(member.p_val for member in members)
        known = [p_val for p_val in p_values if p_val is not None]
        identifier, sent_ns = self._identify(decision, decided_ns)
        return Alert(
            id=identifier,
            alert_type=("TEST " if is_test else "") + decision.alert_type.value,
            server_tag=self._server_tag,
            false_alarm_probability=false_alarm,
            detector_names=tuple(member.detector for member in members),
            sent_time_ns=sent_ns,
            p_values=p_values,
            neutrino_times_ns=tuple(member.neutrino_time_ns for member in members),
            # Twelve digits: 0.06 for 0.05 and 0.07, as people would write it.
            p_values_average=float(f"{fmean(known):.12g}") if known else None,
            sub_list_number=decision.group_number,
        )

    def _identify(self, decision: Decision, decided_ns: int) -> tuple[str, int]:
        # The id is made of what was decided and when the cause was written, so that a server that decides the same again
        # after a crash gives it the same id. The last three digits of the microseconds keep alerts of one cause apart.
        said = repr((decision.alert_type.value, decision.group_number, decision.members)).encode()
        digits = int.from_bytes(hashlib.sha256(said).digest()[:4]) % 1000
        word = "SNEWS_Coincidence_ALERT" if len(decision.members) == 2 else "SNEWS_Coincidence_ALERT-UPDATE"
        full_ns, full = self._crowded.get(word, (0, 0))
        attempt = full if full_ns == decided_ns else 0
        while True:
            # A millisecond that is full, as a sender who sets all times alike can make it, is followed by the next.
            sent_ns = decided_ns + attempt // 1000 * 1_000_000 + (digits + attempt) % 1000 * 1000
            identifier = f"{word} {iso_micro(sent_ns)}"
            if not self._archive.has_alert(self.topics.alerts, identifier):
                # What is full is not looked through again; the outcome does not depend on it.
                self._crowded[word] = decided_ns, attempt // 1000 * 1000
                return identifier, sent_ns
            attempt += 1


def _observation(held: HeldObservation) -> Observation:
    # There are few names and many observations: each name is kept once.
    name = sys.intern(held.detector)
    return Observation(name, held.neutrino_time_ns, held.p_val, held.sent_time_ns, held.message_id)


def restore_all(exercises: dict[str, Exercise], archive: Archive, *, now_ns: int) -> None:
    """Give each exercise the observations that the archive holds for it."""
    held = archive.held_observations(since_ns=now_ns - LIFETIME_NS)
    for exercise in exercises.values():
        exercise.restore(one for one in held if one.exercise == exercise.name)
        exercise.expire(now_ns)
        exercise.renumber()
