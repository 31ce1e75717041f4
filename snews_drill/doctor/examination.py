"""The order of the checks: each says what must have been right before it; what cannot be looked at is said so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from snews_drill.doctor import exchange, network, surroundings
from snews_drill.doctor.findings import Diagnosis, Finding, problem_from
from snews_drill.doctor.patient import Patient
from snews_drill.errors import DrillError
from snews_drill.profiles import Profile
from snews_drill.settings import DrillSettings


@dataclass(frozen=True)
class Check:
    """One thing to look at.

    Attributes
    ----------
    name : str
        What it is called.
    run : callable
        Looks at it; a DrillError that it raises is a problem.
    needs : tuple of str
        Names of checks without whose success it cannot be looked at.
    """

    name: str
    run: Callable[[Patient], Finding]
    needs: tuple[str, ...] = ()


_TOPICS = ("topic for observations", "topic for alerts", "topic for confirmations")

CHECKS = (
    Check("software", surroundings.look_at_software),
    Check("settings", surroundings.look_at_settings),
    Check("name", surroundings.look_at_name, ("settings",)),
    Check("destination", surroundings.look_at_destination, ("settings",)),
    Check("credentials", surroundings.look_at_credentials, ("destination",)),
    Check("DNS", network.look_at_dns, ("destination",)),
    Check("TCP", network.look_at_tcp, ("DNS",)),
    Check("TLS", network.look_at_tls, ("TCP", "credentials")),
    Check("sign-in", exchange.look_at_sign_in, ("TLS",)),
    Check(_TOPICS[0], lambda patient: exchange.look_at_topic(patient, "observations"), ("sign-in",)),
    Check(_TOPICS[1], lambda patient: exchange.look_at_topic(patient, "alerts"), ("sign-in",)),
    Check(_TOPICS[2], lambda patient: exchange.look_at_topic(patient, "connection"), ("sign-in",)),
    Check("drill server", exchange.look_at_server, ("name", "sign-in", _TOPICS[0], _TOPICS[2])),
    Check("clock", exchange.look_at_clock, ("drill server",)),
)


def diagnose(
    profile: str | Profile | None = None,
    *,
    settings: DrillSettings | None = None,
    timeout: float = 5.0,
    on_finding: Callable[[Finding], None] | None = None,
    echo: bool = True,
) -> Diagnosis:
    """Look at everything that must work to take part, from Python to the drill server's answer.

    Nothing is written to the broker but one connection test, and that only with `echo`. A rehearsal is started if need be,
    and ends again. No wait is longer than `timeout` (but a rehearsal has 5 s to start, and a broker of your own the usual
    patience for the echo), and what depends on something that failed is not waited for.

    Parameters
    ----------
    profile
        Which destination; by default the one that `connect()` would take.
    settings
        The user's settings; read from file and environment by default.
    timeout
        Seconds for each single wait.
    on_finding
        Called with each finding as it is made, in this thread.
    echo
        Whether to ask the drill server for an echo.

    Returns
    -------
    Diagnosis
        True in a condition if there is no problem. Nothing is raised for what is found.

    Examples
    --------
    >>> diagnose("rehearsal")  # doctest: +SKIP
    Diagnosis(rehearsal: 14 ok)
    """
    patient = Patient(profile, settings, timeout, is_echo_wanted=echo)
    findings: list[Finding] = []
    blocked: dict[str, str] = {}  # check -> the problem that it, in the end, waits for
    try:
        for check in CHECKS:
            finding = _look(check, patient, blocked)
            if finding.status == "problem":
                blocked[check.name] = check.name
            findings.append(finding)
            if on_finding is not None:
                on_finding(finding)
    finally:
        patient.release()
    return Diagnosis(patient.profile_name, tuple(findings))


def _look(check: Check, patient: Patient, blocked: dict[str, str]) -> Finding:
    cause = next((blocked[need] for need in check.needs if need in blocked), None)
    if cause is not None:
        blocked[check.name] = cause
        return Finding(check.name, "skipped", f"Not looked at: first solve the problem with {cause}.")
    try:
        return check.run(patient)
    except DrillError as error:
        return problem_from(check.name, error)
