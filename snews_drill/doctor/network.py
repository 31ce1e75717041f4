"""What is looked at between us and the broker: the name, the port, the certificate. Every wait is bounded."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import certifi

from snews_drill.doctor.findings import Finding
from snews_drill.doctor.patient import Patient

#: A certificate that ends sooner is told. Brokers renew theirs weeks before; on the last day somebody forgot.
_CERTIFICATE_ENDS_SOON = timedelta(days=1)

_OFFLINE = "Check that this machine is online and the broker's name is right; offline, the rehearsal works."

# OpenSSL's numbers for what is wrong with a certificate (X509_V_ERR_… in x509_vfy.h).
_NOT_YET, _EXPIRED = 9, 10
_UNKNOWN_AUTHORITY = {2, 18, 19, 20, 21, 27}
_OTHER_NAME = {62, 63, 64}


def look_at_dns(patient: Patient) -> Finding:
    """Look up the broker's name."""
    host, port = split_address(patient.broker)
    answer: list[Any] = []

    def look_up() -> None:
        try:
            answer.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answer.append(error)

    # The system's look-up knows no time limit; one that hangs is left to itself.
    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(patient.timeout)
    if not answer:
        said = f"No answer within {patient.timeout:g} s to the question where {host} is."
        return Finding("DNS", "problem", said, _OFFLINE)
    if isinstance(answer[0], Exception):
        return Finding(
            "DNS",
            "problem",
            f"Nobody knows a machine called {host} ({_in_words(answer[0], patient.timeout)}).",
            _OFFLINE,
        )
    patient.addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in answer[0]))
    shown = ", ".join(patient.addresses[:4])
    return Finding("DNS", "ok", f"{host} is {shown}." if shown != host else f"{host} is an address.")


def look_at_tcp(patient: Patient) -> Finding:
    """Open a connection to the port and close it."""
    host, port = split_address(patient.broker)
    began = time.perf_counter()
    reason = "no address"
    for address in patient.addresses:
        left = patient.timeout - (time.perf_counter() - began)
        if left <= 0:
            break
        try:
            socket.create_connection((address, port), timeout=left).close()
        except OSError as error:
            reason = _in_words(error, patient.timeout)
        else:
            spent = (time.perf_counter() - began) * 1e3
            return Finding("TCP", "ok", f"{host} takes connections on port {port} ({spent:.0f} ms).")
    return Finding(
        "TCP",
        "problem",
        f"{host} takes no connections on port {port}: {reason}.",
        f"Check the port; if it is {port}, ask whether the broker runs and your network lets you out to it.",
    )


def look_at_tls(patient: Patient) -> Finding:
    """Shake hands and look at the certificate, with the authorities that the credential names."""
    credential = patient.credential
    if credential is None:
        return Finding("TLS", "ok", "Not used: no account is used there.")
    if not credential.is_encrypted:
        return Finding(
            "TLS",
            "warning",
            "Not used: your credential says to connect without it, so others on the way can read along.",
            "Add the credential again: snews-drill auth add --force",
        )
    host, port = split_address(patient.broker)
    authority = credential.ssl_ca_location or certifi.where()
    try:
        context = ssl.create_default_context(cafile=authority)
    except (OSError, ssl.SSLError) as error:
        return Finding(
            "TLS",
            "problem",
            f"The authority's certificate {authority}, which your credential names, cannot be read: "
            f"{_in_words(error, patient.timeout)}.",
            "Add the credential again with the right file: snews-drill auth add --force --ca FILE",
        )
    # As strict as the Kafka client, not more: newer Pythons refuse what OpenSSL itself accepts.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", ssl.VerifyFlags(0))
    try:
        # Tried with each address as TCP was; the first that is open is the one that Kafka takes.
        with (
            socket.create_connection((host, port), timeout=patient.timeout) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            return _certificate_finding(secured.getpeercert() or {}, secured.version() or "TLS")
    except ssl.SSLCertVerificationError as error:
        return _refused_certificate(error, host, credential.ssl_ca_location)
    except (OSError, ValueError) as error:
        return Finding(
            "TLS",
            "problem",
            f"No TLS handshake with {host}:{port}: {_in_words(error, patient.timeout)}.",
            "Check that this is the broker's port for TLS, and that the broker is not hanging.",
        )


def _certificate_finding(certificate: dict[str, Any], version: str) -> Finding:
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
    said = (
        f"{version}; the certificate of {_common_name(certificate, 'subject')}, "
        f"by {_common_name(certificate, 'issuer')}, holds until {ends:%Y-%m-%d %H:%M} UTC."
    )
    if ends - datetime.now(UTC) < _CERTIFICATE_ENDS_SOON:
        return Finding("TLS", "warning", said, "Tell the broker's operator that it ends within a day.")
    return Finding("TLS", "ok", said)


def _common_name(certificate: dict[str, Any], part: str) -> str:
    names = {key: value for group in certificate.get(part, ()) for key, value in group}
    return str(names.get("commonName") or names.get("organizationName") or "(no name)")[:120]


def _refused_certificate(error: ssl.SSLCertVerificationError, host: str, authority: str | None) -> Finding:
    said = f"The certificate of {host} is refused: {error.verify_message}."
    code = error.verify_code
    if code in (_NOT_YET, _EXPIRED):
        step = f"Check this machine's clock ({datetime.now(UTC):%Y-%m-%d %H:%M} UTC); if it is right, tell the operator."
    elif code in _OTHER_NAME:
        step = "Check the broker's name: the certificate belongs to another one."
    elif code in _UNKNOWN_AUTHORITY and authority:
        step = f"Ask the operator for the certificate of the broker's authority; yours is {authority}."
    elif code in _UNKNOWN_AUTHORITY:
        step = (
            "Ask the operator for the authority's certificate; then: snews-drill auth add --force --ca FILE"
        )
    else:
        step = "Tell the broker's operator."
    return Finding("TLS", "problem", said, step)


def split_address(broker: str) -> tuple[str, int]:
    """Return host and port of "host:port"."""
    parts = urlsplit(f"//{broker}")
    return parts.hostname or "", parts.port or 9092


def _in_words(error: Exception, timeout: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout:g} s"
    if isinstance(error, ssl.SSLError):
        return (error.reason or "it speaks no TLS").replace("_", " ").lower()
    if isinstance(error, OSError):
        return (error.strerror or type(error).__name__)[:200]
    return type(error).__name__
