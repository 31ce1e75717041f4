"""Make the example of an after-action report: a drill that never was, told to a real drill server's intake.

    python docs/example_report.py docs/example_report.html

Every time in it is given, so the same program makes the same report again.
"""

from __future__ import annotations

import dataclasses
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from snews_drill.detectors import find_detector
from snews_drill.drill.after_action import AfterActionReport, after_action
from snews_drill.drill.marks import PLAYED_BY, VIRTUAL_DETECTOR, scenario_marks
from snews_drill.drill.scenarios import load_scenario
from snews_drill.messages.commands import Command, CommandName
from snews_drill.messages.tiers import Tier
from snews_drill.messages.times import iso_micro, parse_utc_ns
from snews_drill.profiles import get_profile
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.exercise import Exercise
from snews_drill.rehearsal.joining import Joining
from snews_drill.rehearsal.server_commands import CommandDesk
from snews_drill.rehearsal.server_intake import Intake
from snews_drill.rehearsal.server_mail import MailRoom
from snews_drill.settings import DrillSettings
from snews_drill.transport import Record
from snews_drill.wire.dialects import get_dialect

START_NS = parse_utc_ns("2026-03-14T15:00:00")
SECOND_NS = 1_000_000_000
PEOPLE = ("JUNO", "XENONnT", "Super-K", "LVD", "Baksan", "IceCube", "DS-20K")
SILENT = "Borexino"
TOKEN = "of the example"
BURST_SEC = 480.0

#: Seconds after the start, who, the topic's bytes, and how long the way to the server took, ms.
Sent = tuple[float, bytes, float]


class Example:
    """A drill of ten minutes: who sends what, and when."""

    def __init__(self) -> None:
        self.dialect = get_dialect("1.3")
        self.chance = random.Random(20260314)
        self.scenario = load_scenario("betelgeuse")
        self.zero_ns = self.scenario.zero_ns(START_NS + round(BURST_SEC * SECOND_NS))

    def _message(self, tier: Tier, name: str, second: float, **arguments: Any) -> bytes:
        meta = {} if name in PEOPLE else {PLAYED_BY: VIRTUAL_DETECTOR}
        if tier is Tier.COINCIDENCE:
            meta |= {
                "is_test": False,
                **({} if name in PEOPLE else scenario_marks(self.scenario.name, self.zero_ns)),
            }
        now_ns = START_NS + round(second * SECOND_NS)
        content = self.dialect.build(
            tier, {"is_firedrill": True, **arguments}, meta, detector=find_detector(name), now_ns=now_ns
        )
        content["meta"] |= meta
        self.dialect.restamp(content, now_ns)
        return self.dialect.encode_message(content).content

    def _latency_ms(self) -> float:
        return round(self.chance.gammavariate(6, 1.1), 3)

    def heartbeats(self, name: str) -> Iterator[Sent]:
        """Yield a heartbeat every ten seconds; some detectors have their troubles."""
        first = 20.0 + round(self.chance.uniform(0, 60), 3)
        for number in range(54):
            second = first + 10 * number
            if name == "Super-K" and 200 < second < 300:
                continue  # it was restarted
            status = "OFF" if name == "NOvA" and number < 12 else "ON"
            # LVD's clock is ahead: what it stamps lies in the future.
            stamped = second + (0.12 if name == "LVD" else 0.0)
            yield (
                second,
                self._message(Tier.HEARTBEAT, name, stamped, detector_status=status),
                self._latency_ms(),
            )

    def connection_test(self, name: str, second: float) -> Sent:
        """Return a connection test."""
        time_text = iso_micro(START_NS + round(second * SECOND_NS))
        command = Command(
            name=CommandName.TEST_CONNECTION, detector_name=name, time=time_text, request_id=f"{name}-1"
        )
        return second, self.dialect.encode_command(command).content, self._latency_ms()

    def announcement(self, text: str, second: float) -> Sent:
        """Return what the instructor announces; the detector's name is that of the instructor's seat."""
        time_text = iso_micro(START_NS + round(second * SECOND_NS))
        command = Command(
            name=CommandName.ANNOUNCE,
            detector_name="XENONnT",
            time=time_text,
            text=text,
            request_id=f"{second}",
        ).with_proof(TOKEN, get_profile("rehearsal").firedrill.observations)
        return second, self.dialect.encode_command(command).content, self._latency_ms()

    def observation(self, name: str, second: float, *, off_ms: float = 0.0, p_val: object = 0.05) -> Sent:
        """Return the observation that the scenario gives a detector, `off_ms` too late."""
        offset_ms = next(event.offset_ms for event in self.scenario.events if event.detector == name)
        time_text = iso_micro(self.zero_ns + round((offset_ms + off_ms) * 1e6))
        content = self._message(Tier.COINCIDENCE, name, second, neutrino_time=time_text, p_val=p_val)
        return second, content, self._latency_ms()

    def all_sent(self) -> list[Sent]:
        """Return everything in order of time."""
        sent: list[Sent] = []
        taking_part = [name for name in self.scenario.detectors if name != SILENT]
        for name in taking_part:
            sent += self.heartbeats(name)
            delay = self.chance.uniform(4, 40) if name in PEOPLE else self.chance.uniform(0.4, 3)
            off_ms = {"JUNO": 12.0, "DS-20K": 5.4}.get(name, 0.0)
            off_ms += round(self.chance.gauss(0, 0.3), 3) if name in PEOPLE else 0.0
            sent.append(self.observation(name, BURST_SEC + delay, off_ms=off_ms))
        sent += [
            self.connection_test(name, 4.0 + 3.1 * place)
            for place, name in enumerate(PEOPLE)
            if name != "Super-K"
        ]
        sent.append(
            self.announcement(
                "Welcome. Test your connection and send heartbeats; the burst comes at 15:08.", 2
            )
        )
        sent.append(
            self.announcement("Thank you all. Whoever wants may practise the retraction now.", BURST_SEC + 84)
        )
        sent.append(self.observation("JUNO", BURST_SEC + 71.5))  # it corrects itself
        sent.append(self.observation("Baksan", BURST_SEC + 2.0, p_val=1.5))
        sent += [(60.0 + 0.4 * place, b"is this thing on?", 3.0) for place in range(3)]
        stranger = (
            b'{"_id": "1_Heartbeat_x", "detector_name": "<script>alert(1)</script>", "detector_status": "ON"}'
        )
        sent.append((95.0, stranger, 3.0))
        sent.append(
            (130.0, b'{"_id": "0_hard-reset", "pass": "guess", "detector_name": "LZ", "meta": {}}', 3.0)
        )
        reason = {"retract_latest": 1, "retraction_reason": "practising the retraction"}
        sent.append(
            (BURST_SEC + 95, self._message(Tier.RETRACTION, "XENONnT", BURST_SEC + 95, **reason), 4.2)
        )
        again = next(
            one for one in sent if one[0] > BURST_SEC and b"IceCube" in one[1] and b"neutrino" in one[1]
        )
        sent.append((again[0] + 1.5, again[1], 3.1))
        return sorted(sent, key=lambda one: one[0])

    def tell(self, archive: Archive) -> None:
        """Let a server's intake judge everything, and let its alerts go out."""
        profile = get_profile("rehearsal")
        folders = {name: archive.path.parent for name in ("config_dir", "state_dir", "runtime_dir")}
        exercise = Exercise(profile.firedrill, archive, self.dialect, "example")
        desk = CommandDesk(archive, Joining(archive), DrillSettings(**folders), TOKEN, is_private=True)
        intake = Intake(archive, {exercise.name: exercise}, desk, MailRoom(), "example")
        for offset, (second, content, latency_ms) in enumerate(self.all_sent()):
            sent_ns = START_NS + round(second * SECOND_NS)
            received_ns = sent_ns + round(latency_ms * 1e6)
            record = Record(exercise.name, 0, offset, sent_ns // 1_000_000, content, "json")
            intake.take([record], received_ns)
            acknowledged_ns = received_ns + round((2 + self._latency_ms()) * 1e6)
            archive.mark_sent([outgoing.number for outgoing in archive.waiting()], now_ns=acknowledged_ns)


def example_report(folder: Path) -> AfterActionReport:
    """Return the example; its archive stays in `folder`."""
    with Archive(folder / "example" / "archive.sqlite3") as archive:
        Example().tell(archive)
        report = after_action(archive)
    return dataclasses.replace(report, made_ns=START_NS + 900 * SECOND_NS)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        report = example_report(Path(folder))
    report.to_html(sys.argv[1]).chmod(0o644)
    print(report)


if __name__ == "__main__":
    main()
