"""Talking to a mail server: what it says becomes a `MailError` with a next step; the password never shows."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Sequence
from email.message import EmailMessage

from snews_drill.errors import MailError
from snews_drill.rehearsal.contacts import shown
from snews_drill.settings import DrillSettings

#: How long one answer of the mail server is waited for, in seconds.
TIMEOUT_SEC = 10.0

_IMPLICIT_TLS_PORT = 465  # RFC 8314
_REFUSALS = (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused, smtplib.SMTPNotSupportedError)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def send_mail(mail: EmailMessage, recipients: Sequence[str], settings: DrillSettings) -> tuple[str, ...]:
    """Send a mail through the server of the settings and return the recipients that it refused.

    The connection is encrypted if the server offers it (always on port 465). Its certificate is checked
    unless the server is on this machine. A password is given only to an encrypted connection or on this
    machine.

    Parameters
    ----------
    mail
        With all its headers.
    recipients
        Addresses that were checked before.
    settings
        smtp_host must be set.

    Returns
    -------
    tuple of str
        Those refused while others were accepted; empty when all were accepted.

    Raises
    ------
    MailError
        If nobody was sent the mail.
    """
    place = f"{settings.smtp_host}:{settings.smtp_port}"
    try:
        with _connected(settings) as server:
            _log_in(server, settings, place)
            refused = server.send_message(mail, from_addr=settings.smtp_sender, to_addrs=list(recipients))
    except (OSError, smtplib.SMTPException) as error:  # SSLError and TimeoutError are OSErrors
        reason, next_step = _translated(error, place)
        raise MailError(reason, next_step=next_step) from error
    return tuple(refused)


def _connected(settings: DrillSettings) -> smtplib.SMTP:
    host, port = settings.smtp_host or "", settings.smtp_port
    context = ssl.create_default_context()
    if host in _LOOPBACK:
        # Mail servers on one's own machine commonly have a certificate that nobody signed.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    # smtplib would ask the name server for our full name, without a limit of time.
    own_name = socket.gethostname()
    own_name = own_name if "." in own_name and own_name.isascii() else "[127.0.0.1]"
    if port == _IMPLICIT_TLS_PORT:
        return smtplib.SMTP_SSL(host, port, local_hostname=own_name, timeout=TIMEOUT_SEC, context=context)
    server = smtplib.SMTP(host, port, local_hostname=own_name, timeout=TIMEOUT_SEC)
    try:
        server.ehlo_or_helo_if_needed()
        if server.has_extn("starttls"):
            server.starttls(context=context)
            server.ehlo()
    except BaseException:
        server.close()
        raise
    return server


def _log_in(server: smtplib.SMTP, settings: DrillSettings, place: str) -> None:
    if not settings.smtp_user:
        return
    if settings.smtp_password is None:
        raise MailError(
            f"There is a user for the mail server {place}, but no password.",
            next_step="Set SNEWS_DRILL_SMTP_PASSWORD, or take SNEWS_DRILL_SMTP_USER away.",
        )
    if not isinstance(server.sock, ssl.SSLSocket) and settings.smtp_host not in _LOOPBACK:
        raise MailError(
            f"The mail server {place} does not encrypt, so the password was not given to it.",
            next_step="Use its encrypted port (587 or 465) in SNEWS_DRILL_SMTP_PORT.",
        )
    password = settings.smtp_password.get_secret_value()
    # smtplib's own error about other characters would carry the password.
    if not (password.isascii() and settings.smtp_user.isascii()):
        raise MailError(
            f"The user or the password for {place} has characters that mail servers do not take.",
            next_step="Use ASCII characters in SNEWS_DRILL_SMTP_USER and SNEWS_DRILL_SMTP_PASSWORD.",
        )
    server.login(settings.smtp_user, password)


def _translated(error: Exception, place: str) -> tuple[str, str]:
    """Return reason and next step for an error of smtplib or of the connection."""
    if isinstance(error, _REFUSALS):
        return _refusal(error, place)
    next_step = "Check SNEWS_DRILL_SMTP_HOST and SNEWS_DRILL_SMTP_PORT, then try again."
    if isinstance(error, ssl.SSLError):
        return (
            f"No encrypted connection to the mail server {place}: {shown(error.reason or str(error))}.",
            f"{next_step} Its certificate must be valid for that name.",
        )
    if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):  # smtplib wraps some
        return f"The mail server {place} did not answer within {TIMEOUT_SEC:.0f} s.", next_step
    if isinstance(error, smtplib.SMTPException):
        return f"The mail server {place} broke off: {shown(str(error))}.", next_step
    return f"No mail server answers at {place}: {shown(str(error))}.", next_step


def _refusal(error: smtplib.SMTPException, place: str) -> tuple[str, str]:
    if isinstance(
        error, smtplib.SMTPAuthenticationError
    ):  # what the server adds might repeat what it was told
        return (
            f"The mail server {place} does not accept the user and password ({error.smtp_code}).",
            "Check SNEWS_DRILL_SMTP_USER and SNEWS_DRILL_SMTP_PASSWORD.",
        )
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        address, (code, answer) = next(iter(error.recipients.items()))
        return (
            f"The mail server {place} refuses the recipient {address}: {_said(code, answer)}.",
            "Check the address in contacts.toml, and whether a user is needed (SNEWS_DRILL_SMTP_USER).",
        )
    if isinstance(error, smtplib.SMTPResponseException):
        return (
            f"The mail server {place} refuses the mail: {_said(error.smtp_code, error.smtp_error)}.",
            "Check SNEWS_DRILL_SMTP_SENDER, and whether a user is needed (SNEWS_DRILL_SMTP_USER).",
        )
    return (
        f"The mail server {place} offers no way to log in that we know.",
        "Take SNEWS_DRILL_SMTP_USER away if it needs none, or use another port.",
    )


def _said(code: int, answer: bytes | str) -> str:
    return f"{code} {shown(answer.decode('utf-8', 'replace') if isinstance(answer, bytes) else answer)}"
