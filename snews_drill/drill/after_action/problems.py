"""What went wrong, in plain words: records that were refused or could not be read, and what stands out in the whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from snews_drill.detectors import find_detector
from snews_drill.drill.after_action.entries import UNKNOWN_SENDER, DetectorReport, ReportedProblem
from snews_drill.errors import DrillError
from snews_drill.messages.tiers import Tier
from snews_drill.messages.visible import visible
from snews_drill.rehearsal.archive_rows import ArchivedRecord
from snews_drill.wire.json_text import load_json
from snews_drill.wire.pickle_reader import is_pickle, read_model_pickle

if TYPE_CHECKING:
    from snews_drill.drill.after_action.report import AfterActionReport

#: A neutrino time this far from the scenario's is worth a word, ms: five times the error that the map assumes.
FAR_OFFSET_MS = 5.0

#: A heartbeat that arrives this long before it was sent shows that the clocks differ, ms.
_CLOCK_AHEAD_MS = 5.0

#: A latency beyond this is worth a word, ms.
_SLOW_MS = 5_000.0

#: A pause is worth a word when it is this many times as long as usual, and at least so many seconds longer.
_LONG_PAUSE, _LONG_PAUSE_SEC = 3.0, 2.0

_MAX_TEXT = 600

_WHAT = {
    Tier.COINCIDENCE.value: "An observation (CoincidenceTier)",
    Tier.SIGNIFICANCE.value: "An observation (SigTier)",
    Tier.TIMING.value: "An observation (TimeTier)",
    Tier.RETRACTION.value: "A retraction",
    Tier.HEARTBEAT.value: "A heartbeat",
    "test-connection": "A connection test",
    "hard-reset": "A request to reset the cache",
    "display-heartbeats": "A request to show heartbeats",
    "Get-Feedback": "A request for feedback",
    "broker-change": "A request to change the broker",
    "announce": "An announcement",
    "freeze-joining": "A request to freeze joining",
    "unfreeze-joining": "A request to open joining again",
    "drill-status": "A request for the state of the drill",
}


def record_problems(records: Iterable[ArchivedRecord]) -> list[ReportedProblem]:
    """Return one problem for each sender and reason, in order of the first record.

    Parameters
    ----------
    records
        Refused and unreadable ones, oldest first.
    """
    found: dict[tuple[str, str, str], ReportedProblem] = {}
    for record in records:
        sender, claim = sender_of(record)
        key = (sender, record.outcome, _in_words(record, claim))
        known = found.get(key)
        if known is None:
            found[key] = ReportedProblem(*key, record.received_ns, record.received_ns)
        else:
            found[key] = replace(known, last_ns=record.received_ns, count=known.count + 1)
    return list(found.values())


def sender_of(record: ArchivedRecord) -> tuple[str, str]:
    """Return who sent a record as far as can be told, and the name that it gives if that is none of the roster's."""
    claims = [record.detector]
    if not record.detector and record.value:
        claims = [_claimed(record.value)]
    for claim in claims:
        try:
            return find_detector(claim).name, ""
        except DrillError:
            continue
    return UNKNOWN_SENDER, claims[0]


def _claimed(value: bytes) -> str:
    """Return the detector name in a record that was not accepted; "" if there is none."""
    try:
        content: Any = read_model_pickle(value).fields if is_pickle(value) else load_json(value)
        if isinstance(content, str):
            content = load_json(content.encode("utf-8", "replace"))
    except DrillError:
        return ""
    name = content.get("detector_name") if isinstance(content, Mapping) else None
    return name[:200] if isinstance(name, str) else ""


def _in_words(record: ArchivedRecord, claim: str) -> str:
    kind, reason = record.kind, record.reason
    if not kind:
        # A message with wrong fields: the reason begins with its tier, as in "CoincidenceTier.p_val: …".
        word, dot, rest = reason.partition(".")
        if dot and word in _WHAT and " " not in word:
            kind, reason = word, rest.replace(f"; {word}.", "; ").replace(".;", ";")
    what = _WHAT.get(kind, "A record")
    verb = "could not be read" if record.outcome == "unreadable" else "was refused"
    name = f" It gives the name {claim!r:.80}." if claim else ""
    return visible(f"{what} {verb}: {reason}{name}", _MAX_TEXT)


def remarks(row: DetectorReport, *, is_expected: bool, expects_observation: bool) -> list[ReportedProblem]:
    """Return what is worth a word about what a detector did and did not do.

    Parameters
    ----------
    row
        Its row, without problems.
    is_expected
        Whether the drill was meant for it.
    expects_observation
        Whether the scenario has it observe something.
    """
    if not row.was_heard:
        return [_remark(row, "Nothing of it was accepted.")] if is_expected or row.alerts else []
    said = [] if row.is_played else [*_about_connection(row), *_about_heartbeats(row)]
    if expects_observation and not row.observations:
        said.append("The scenario has it observe something, but no observation was accepted.")
    said += _about_observation(row)
    return [_remark(row, text) for text in said]


def _remark(row: DetectorReport, text: str) -> ReportedProblem:
    return ReportedProblem(row.detector, "remark", text)


def _about_connection(row: DetectorReport) -> list[str]:
    return [] if row.connection_tests else ["It did not test its connection."]


def _about_heartbeats(row: DetectorReport) -> list[str]:
    if not row.heartbeats:
        return ["It sent no heartbeat."]
    said = []
    middle, most = row.heartbeat_interval_sec, row.heartbeat_gap_sec
    if middle is not None and most is not None and most > max(_LONG_PAUSE * middle, middle + _LONG_PAUSE_SEC):
        said.append(f"Its heartbeats paused for {most:.3g} s; {middle:.3g} s is usual for it.")
    latency = row.heartbeat_latency_p50_ms
    if latency is not None and latency < -_CLOCK_AHEAD_MS:
        said.append(f"Its clock is about {-latency:,.0f} ms ahead of the server's.")
    elif latency is not None and latency > _SLOW_MS:
        said.append(
            f"Its heartbeats arrive {latency / 1e3:,.1f} s after they were sent: its clock is behind, or the way is slow."
        )
    return said


def _about_observation(row: DetectorReport) -> list[str]:
    if not row.observations:
        return []
    said = []
    if not row.alerts:
        said.append("Its observation is in no alert: no other detector's lies within 10 s of it.")
    elif not row.is_in_alert and not row.retractions:
        said.append("Its newest observation is in no alert.")
    if row.offset_ms is not None and abs(row.offset_ms) > FAR_OFFSET_MS:
        side = "later" if row.offset_ms > 0 else "earlier"
        said.append(f"Its neutrino time is {abs(row.offset_ms):,.3g} ms {side} than the scenario's.")
    if row.on_share == 0:
        said.append("It observed something while its heartbeats said OFF.")
    return said


def gathered(report: AfterActionReport) -> list[tuple[str, ReportedProblem]]:
    """Return who and what: each detector's problems, those of unknown senders, and a remark on many only once.

    What was refused or could not be read comes first.
    """
    sharers: dict[str, list[str]] = {}
    for row in report.detectors:
        for problem in row.problems:
            if problem.kind == "remark":
                sharers.setdefault(problem.text, []).append(row.detector)
    found = [(problem.sender, problem) for problem in report.problems]
    found += [(row.detector, p) for row in report.detectors for p in row.problems if p.kind == "repeated"]
    for text, names in sharers.items():
        found.append((", ".join(names), ReportedProblem(names[0], "remark", text)))
    return found
