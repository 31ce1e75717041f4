"""From a drill server's archive to an after-action report."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from snews_drill.connection import Connection
from snews_drill.detectors import find_detector
from snews_drill.drill.after_action.entries import ReportedAlert, ReportedObservation
from snews_drill.drill.after_action.evidence import Evidence
from snews_drill.drill.after_action.problems import record_problems
from snews_drill.drill.after_action.report import AfterActionReport
from snews_drill.drill.after_action.rows import detector_reports
from snews_drill.drill.after_action.scenario_times import scenario_times
from snews_drill.drill.after_action.timeline import timeline
from snews_drill.drill.marks import SCENARIO, SCENARIO_OFFSET_MS, SCENARIO_ZERO, speaker
from snews_drill.drill.scenario import Scenario
from snews_drill.errors import ArchiveError, DrillError
from snews_drill.messages.commands import Command
from snews_drill.messages.tiers import DetectorMessage, Retraction, Tier
from snews_drill.messages.times import parse_utc_ns
from snews_drill.profiles import Profile
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.archive_places import ARCHIVE_NAME, newest_archive, server_archive
from snews_drill.rehearsal.archive_reader import ArchivedObservation, ArchiveReader, Period
from snews_drill.rehearsal.archive_rows import ArchivedRecord
from snews_drill.settings import DrillSettings, expanded, load_settings
from snews_drill.wire.alerts import decode_alert
from snews_drill.wire.dialects import decode_record

#: Of each detector so many of its newest observations are read in full: who played them, for which scenario.
_READ_IN_FULL = 5

#: Refused and unreadable records that are read; the archive keeps the bytes of as many.
_MOST_PROBLEMS = 10_000

_TIERS = tuple(tier.value for tier in Tier)
_MARKS = ",".join("?" * len(_TIERS))


def after_action(
    archive: Archive | str | Path | None = None,
    *,
    connection: Connection | None = None,
    scenario: str | Scenario | None = None,
    since: int | str | None = None,
    until: int | str | None = None,
) -> AfterActionReport:
    """Report on a drill from its server's archive; the archive is only read, also while the server writes.

    Parameters
    ----------
    archive
        The archive or its file; "rehearsal" for the newest rehearsal of this machine. By default the archive of the
        connection's rehearsal, and without a connection the newest archive of this machine.
    connection
        A connection to a rehearsal.
    scenario
        What was played: name, file or value. By default what the messages say.
    since, until
        Report what was received from then on, and until then (ns since 1970 UTC, or ISO-8601 text, UTC).

    Returns
    -------
    AfterActionReport
        Also for an archive in which there is nothing.

    Raises
    ------
    ArchiveError
        If there is no archive, or it cannot be read. On a shared broker the archive lies with whoever runs the server.
    ScenarioError
        If the scenario cannot be used.
    DrillError
        If `since` or `until` is no time.

    Examples
    --------
    >>> report = after_action()  # doctest: +SKIP
    >>> report.to_html("report.html")  # doctest: +SKIP
    """
    period = Period(*_bounds(since, until))
    with ArchiveReader(archive_path(archive, connection)) as reader:
        evidence = _gather(reader, period)
    times = scenario_times(evidence.newest_observations, scenario)
    return AfterActionReport(
        archive=f"{reader.path.parent.name}/{reader.path.name}",
        made_ns=time.time_ns(),
        detectors=detector_reports(evidence, times),
        alerts=evidence.alerts,
        timeline=timeline(evidence),
        problems=evidence.problems,
        scenario=times,
        counts=evidence.counts,
        topics=evidence.topics,
        first_ns=min(evidence.moments, default=None),
        last_ns=max(evidence.moments, default=None),
    )


def archive_path(
    archive: Archive | str | Path | None,
    connection: Connection | None = None,
    settings: DrillSettings | None = None,
) -> Path:
    """Return the file that `after_action` reads for such arguments.

    Parameters
    ----------
    archive, connection
        As for `after_action`.
    settings
        Whose folders are looked into; the connection's or the user's own by default.

    Raises
    ------
    ArchiveError
        If there is none.
    """
    settings = settings or (connection.settings if connection is not None else load_settings())
    if isinstance(archive, Archive):
        return archive.path
    if archive == "rehearsal":
        return newest_archive(settings, kind="rehearsal")
    if archive is not None:
        path = expanded(archive)
        return path / ARCHIVE_NAME if path.is_dir() else path
    if connection is None:
        return newest_archive(settings)
    if connection.rehearsal is not None:
        return connection.rehearsal.archive_dir / ARCHIVE_NAME
    return broker_archive(settings, connection.profile, connection.broker)


def broker_archive(settings: DrillSettings, profile: Profile, broker: str) -> Path:
    """Return the archive of a server that this user runs on a broker.

    Raises
    ------
    ArchiveError
        If there is none on this machine; it says whom to ask.
    """
    path = server_archive(settings, broker, profile.name)
    if path.is_file():
        return path
    if "://" not in profile.name:
        raise ArchiveError(
            f"The drill on {broker} is kept by SNEWS's own server, which gives no archive out.",
            next_step="Ask its operators; for your own rehearsal: snews-drill report --archive rehearsal",
        )
    raise ArchiveError(
        f"The archive of the drill on {broker} is the private file of whoever runs its server; it is not on this machine.",
        next_step="Ask the instructor for the report. Where the server runs, `snews-drill report` makes it "
        "(--archive FILE, if `serve --archive FILE` put it elsewhere).",
    )


def _bounds(since: int | str | None, until: int | str | None) -> tuple[int, int]:
    whole = Period()
    try:
        first = parse_utc_ns(since) if isinstance(since, str) else since
        last = parse_utc_ns(until) if isinstance(until, str) else until
    except ValueError as error:
        raise DrillError(
            f"since={since!r:.60} or until={until!r:.60} is no time: {error}.",
            next_step='Give UTC in ISO format, such as "2026-11-27T12:00:00", or ns since 1970.',
        ) from error
    bounds = (whole.since_ns if first is None else first, whole.until_ns if last is None else last)
    return max(bounds[0], whole.since_ns), min(bounds[1], whole.until_ns)


def _gather(reader: ArchiveReader, period: Period) -> Evidence:
    observations = reader.observations(period)
    beats = defaultdict(list)
    for beat in reader.beats(period):
        beats[beat.detector_name].append(beat)
    other = reader.records(period, f"outcome = 'accepted' AND kind NOT IN ({_MARKS})", *_TIERS)
    retractions = reader.records(period, "outcome = 'accepted' AND kind = ?", Tier.RETRACTION.value)
    refused = reader.records(period, "outcome IN ('refused', 'unreadable')", limit=_MOST_PROBLEMS)
    reported = tuple(_reported(observation) for observation in observations)
    reported = _in_full(reader, period, observations, reported)
    return Evidence(
        observations=reported,
        beats=dict(beats),
        commands=tuple((record, _decoded(record)) for record in other),
        retractions=tuple((record, _decoded(record)) for record in retractions),
        alerts=_alerts(reader, period, reported, retractions),
        problems=tuple(record_problems(refused)),
        counts=reader.record_counts(period),
        heartbeat_players=_heartbeat_players(reader, period, beats),
    )


def _reported(found: ArchivedObservation) -> ReportedObservation:
    held = found.observation
    return ReportedObservation(
        held.detector,
        held.neutrino_time_ns,
        held.sent_time_ns,
        held.received_ns,
        held.p_val,
        held.is_test,
        found.is_held,
    )


def _in_full(
    reader: ArchiveReader,
    period: Period,
    observations: list[ArchivedObservation],
    reported: tuple[ReportedObservation, ...],
) -> tuple[ReportedObservation, ...]:
    """Add what only the records tell to the newest observations of each detector."""
    complete = list(reported)
    read: dict[str, int] = defaultdict(int)
    for place in range(len(observations) - 1, -1, -1):
        held = observations[place].observation
        if read[held.detector] >= _READ_IN_FULL:
            continue
        read[held.detector] += 1
        for record in reader.records(
            period,
            "outcome = 'accepted' AND kind = ? AND detector = ? AND message_key = ? AND received_ns = ?",
            Tier.COINCIDENCE.value,
            held.detector,
            held.message_id,
            held.received_ns,
        ):
            complete[place] = _with_meta(complete[place], _meta(_decoded(record)))
    return tuple(complete)


def _with_meta(observation: ReportedObservation, meta: dict[str, Any]) -> ReportedObservation:
    offset = meta.get(SCENARIO_OFFSET_MS)
    is_number = isinstance(offset, int | float) and not isinstance(offset, bool) and abs(offset) < 1e12
    return replace(
        observation,
        played_by=speaker(meta) or "",
        scenario=_short(meta.get(SCENARIO)),
        scenario_offset_ms=float(offset) if is_number and offset is not None else None,
        scenario_zero_ns=_zero_ns(meta.get(SCENARIO_ZERO)),
    )


def _zero_ns(value: object) -> int | None:
    with contextlib.suppress(ValueError):
        if isinstance(value, str):
            return parse_utc_ns(value)
    return None


def _short(value: object) -> str:
    return value[:80] if isinstance(value, str) else ""


def _meta(message: DetectorMessage | Command | None) -> dict[str, Any]:
    return message.meta if message is not None else {}


def _decoded(record: ArchivedRecord) -> DetectorMessage | Command | None:
    try:
        return decode_record(record.value, None).value
    except DrillError:  # an older archive may hold what is no longer understood; its line still counts
        return None


def _heartbeat_players(reader: ArchiveReader, period: Period, beats: Iterable[str]) -> dict[str, str]:
    players = {}
    for name in beats:
        newest = reader.records(
            period, "outcome = 'accepted' AND kind = ? AND detector = ?", Tier.HEARTBEAT.value, name, limit=1
        )
        players[name] = (speaker(_meta(_decoded(newest[0]))) or "") if newest else ""
    return players


def _alerts(
    reader: ArchiveReader,
    period: Period,
    observations: tuple[ReportedObservation, ...],
    retractions: list[ArchivedRecord],
) -> tuple[ReportedAlert, ...]:
    # An alert is decided at the very nanosecond at which its cause was received.
    causes = {record.received_ns: (record.detector, _sent_ns(record)) for record in retractions}
    causes |= {o.received_ns: (o.detector, o.sent_ns) for o in observations}
    found = []
    for kept in reader.alerts(period):
        try:
            alert = decode_alert(kept.content)
        except DrillError as error:
            raise ArchiveError(
                f"The archive {reader.path} holds an alert that cannot be read: {error.reason}",
                next_step="Give the file as the server left it.",
            ) from error
        cause, sent_ns = causes.get(kept.made_ns, ("", None))
        latency = None if kept.sent_ns is None or sent_ns is None else (kept.sent_ns - sent_ns) / 1e6
        found.append(
            ReportedAlert(
                alert.id,
                alert.alert_type,
                kept.topic,
                tuple(_registered(name) for name in alert.detector_names),
                alert.neutrino_times_ns,
                alert.sub_list_number,
                kept.made_ns,
                kept.sent_ns,
                cause,
                latency,
            )
        )
    return tuple(found)


def _sent_ns(record: ArchivedRecord) -> int | None:
    message = _decoded(record)
    return message.sent_time_ns if isinstance(message, Retraction) else None


def _registered(name: str) -> str:
    try:
        return find_detector(name).name
    except DrillError:
        return name
