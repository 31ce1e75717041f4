"""What is looked at by talking to the broker and the drill server."""

from __future__ import annotations

import time
from typing import Literal

from snews_drill.doctor.findings import Finding
from snews_drill.doctor.patient import Echo, Patient
from snews_drill.errors import BrokerUnreachable, UnreadableRecord
from snews_drill.messages.commands import Command, CommandName
from snews_drill.remote import PATIENCE_SECONDS, ConnectionReport, test_connection
from snews_drill.transport import Reader, Record
from snews_drill.wire.dialects import decode_record

#: A clock that is off by more is told, s. Neutrino times are compared within 10 s, and checked against "the future".
MAX_OFFSET_SECONDS = 1.0

Role = Literal["observations", "alerts", "connection"]

#: Role of a topic -> what the finding is called, Kafka's word for the right, ours. Source: who writes and reads which topic.
_ROLES: dict[Role, tuple[str, str, str]] = {
    "observations": ("topic for observations", "WRITE", "write"),
    "alerts": ("topic for alerts", "READ", "read"),
    "connection": ("topic for confirmations", "READ", "read"),
}


def look_at_sign_in(patient: Patient) -> Finding:
    """Have the broker accept us."""
    connection = patient.connection()
    began = time.perf_counter()
    try:
        connection.check(timeout=patient.timeout)
    except BrokerUnreachable as error:
        if patient.credential is not None or patient.known_profile.broker is None:
            raise
        # A broker that wants TLS closes such a connection without a word.
        step = f"If this broker asks for an account: snews-drill auth add --host {patient.broker}"
        return Finding("sign-in", "problem", error.reason, step)
    spent = (time.perf_counter() - began) * 1e3
    credential = patient.credential
    who = f"as {credential.name} ({credential.mechanism})" if credential else "without an account"
    if patient.known_profile.broker is None:
        connection.make_topics(timeout=patient.timeout)
    return Finding("sign-in", "ok", f"{patient.broker} accepts you {who} ({spent:.0f} ms).")


def look_at_topic(patient: Patient, role: Role) -> Finding:
    """Ask the broker whether a topic is there, and whether we may do with it what the drill needs."""
    name, right, word = _ROLES[role]
    topic = getattr(patient.known_profile.firedrill, role)
    found = patient.transport_rights()[topic]
    ask = f"Ask where you got the account for the right to {word} {topic}."
    if found.error is not None:
        step = ask if patient.credential is not None else found.error.next_step
        return Finding(name, "problem", found.error.reason, step)
    if found.operations is None:
        if patient.credential is None:
            return Finding(name, "ok", f"{topic} is there; a broker without accounts keeps no permissions.")
        return Finding(
            name, "skipped", f"{topic} is there; what you may do with it this broker does not tell."
        )
    if right not in found.operations:
        may = ", ".join(sorted(found.operations)).lower() or "nothing"
        return Finding(name, "problem", f"You may not {word} {topic} (you may: {may}).", ask)
    return Finding(name, "ok", f"{topic} is there, and you may {word} it.")


def look_at_server(patient: Patient) -> Finding:
    """Ask the drill server for an echo, and keep the times of it."""
    if not patient.is_echo_wanted:
        return Finding("drill server", "skipped", "Not asked for an echo, as you wished.")
    connection = patient.connection()
    # A reader of our own beside the test's: the time that the echo bears says something about the clocks.
    reader = connection.open_reader([connection.topics().connection], timeout=patient.timeout)
    try:
        # A rehearsal that was started for this may take some seconds until its server answers.
        connection.note_told(connection.topics().observations)  # the destination's finding said it
        patience = (
            patient.timeout if patient.known_profile.is_live else max(patient.timeout, PATIENCE_SECONDS)
        )
        report = test_connection(patience=patience, connection=connection, verbose=False)
        received = time.time()
        patient.echo = Echo(received - report.milliseconds / 1e3, received, _stamped(reader, report))
    finally:
        reader.close()
    return Finding(
        "drill server", "ok", f"It answered {report.detector_name} after {report.milliseconds:.0f} ms."
    )


def _stamped(reader: Reader, report: ConnectionReport) -> float | None:
    deadline = time.monotonic() + 1.0
    while (left := deadline - time.monotonic()) > 0:
        for record in reader.read(timeout=left):
            if _is_echo(record, report):
                return record.timestamp_ms / 1e3 if record.timestamp_ms > 0 else None
    return None


def _is_echo(record: Record, report: ConnectionReport) -> bool:
    try:
        value = decode_record(record.value, record.content_format).value
    except (UnreadableRecord, ValueError):
        return False
    return (
        isinstance(value, Command)
        and value.name is CommandName.TEST_CONNECTION
        and value.status != "sending"
        and (value.detector_name, value.time) == (report.detector_name, report.time)
    )


def look_at_clock(patient: Patient) -> Finding:
    """Compare the clocks with the time that the echo bears."""
    echo = patient.echo
    if echo is None:
        return Finding("clock", "skipped", "Not compared: that takes the drill server's echo.")
    if echo.stamped is None:
        return Finding("clock", "skipped", "Not compared: the echo bore no time.")
    # It was written between our two moments; a Kafka time has whole milliseconds.
    offset = (echo.sent + echo.received) / 2 - echo.stamped
    uncertainty = (echo.received - echo.sent) / 2 + 0.001
    side = "ahead of" if offset > 0 else "behind"
    said = (
        f"This machine is {abs(offset):.3f} s {side} the clock over there (± {uncertainty:.3f} s)."
        if abs(offset) > uncertainty
        else f"The clocks agree within ± {uncertainty:.3f} s."
    )
    if abs(offset) - uncertainty > MAX_OFFSET_SECONDS:
        return Finding("clock", "warning", said, "Set this machine's clock: turn on NTP (chrony, timesyncd).")
    return Finding("clock", "ok", said)
