"""Feedback mail: what the drill server knows about a detector's heartbeats, in words and as a figure.

`compose` makes the mail; `deliver` hands it to a mail server, or writes it to a folder if none is set.
"""

from __future__ import annotations

import copy
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from typing import Literal

from snews_drill.detectors import find_detector
from snews_drill.errors import MailError
from snews_drill.messages.times import NS_PER_SECOND, iso_micro
from snews_drill.rehearsal.contacts import MAX_ADDRESSES, is_address, shown
from snews_drill.rehearsal.heartbeat_figure import heartbeat_figure_png
from snews_drill.rehearsal.heartbeat_statistics import Beat, Distribution, HeartbeatStatistics
from snews_drill.rehearsal.mail_server import send_mail
from snews_drill.settings import DrillSettings, make_private_dir, write_private_file

_NS_PER_HOUR = 3600 * NS_PER_SECOND


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a mail.

    Attributes
    ----------
    how
        "mailed": the mail server took it; "written": no mail server is set, it lies on this machine.
    where
        The mail server as host:port, or the path of the file.
    recipients
        Who it was accepted for (mailed), or is meant for (written).
    refused
        Registered recipients that the mail server did not take.
    """

    how: Literal["mailed", "written"]
    where: str
    recipients: tuple[str, ...]
    refused: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.how == "written":
            return f"No mail server is set (SNEWS_DRILL_SMTP_HOST), so the mail was written to {self.where}"
        text = f"Mailed through {self.where} to {', '.join(self.recipients)}"
        return f"{text}; the mail server refused {', '.join(self.refused)}" if self.refused else text


def compose(
    detector: str, statistics: HeartbeatStatistics, beats: Sequence[Beat], now_ns: int
) -> EmailMessage:
    """Return the feedback mail about one detector, without sender and recipients.

    Parameters
    ----------
    detector
        A name or accepted spelling; the mail uses the registered name only.
    statistics
        Of that detector.
    beats
        Drawn are those of this detector within the period of the statistics.
    now_ns
        When the mail is made, ns since 1970 (UTC).

    Returns
    -------
    EmailMessage
        Plain text in ASCII, and the figure as an attached PNG.

    Raises
    ------
    UnknownDetector
        If the detector is not on the roster.
    """
    name = find_detector(detector).name
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = f"SNEWS drill: heartbeats of {name} until {_minute(now_ns)} UTC"
    mail["Date"] = format_datetime(datetime.fromtimestamp(now_ns // NS_PER_SECOND, UTC))
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office replies
    mail.set_content(feedback_text(name, statistics))
    mail.add_attachment(
        heartbeat_figure_png(name, statistics, beats),
        maintype="image",
        subtype="png",
        filename=f"heartbeats-{find_detector(name).number:02d}.png",
    )
    return mail


def feedback_text(name: str, statistics: HeartbeatStatistics) -> str:
    """Return the statistics in words, in ASCII.

    Parameters
    ----------
    name
        Registered name of the detector.
    statistics
        Of that detector.
    """
    hours = (statistics.period_end_ns - statistics.period_start_ns) / _NS_PER_HOUR
    lines = [
        f"Heartbeats of {name}",
        f"{_minute(statistics.period_start_ns)} to {_minute(statistics.period_end_ns)} UTC ({hours:g} hours)",
        "",
        f"Beats received    {statistics.count}",
    ]
    if statistics.count:
        lines += [
            f"  ON              {statistics.on_count} ({statistics.on_share:.1%})",
            f"  OFF             {statistics.off_count} ({statistics.off_share:.1%})",
        ]
    lines += _spread_lines("Interval", "s", statistics.interval_sec)
    lines += _spread_lines("Latency", "ms", statistics.latency_ms)
    if statistics.last_seen_ns is None:
        lines += ["", "The drill server keeps no heartbeat of this detector."]
    else:
        state = "ON" if statistics.last_is_on else "OFF"
        lines += [
            "",
            f"Last seen         {iso_micro(statistics.last_seen_ns)[:19].replace('T', ' ')} UTC, {state}",
        ]
    lines += [
        "",
        "Interval: from one arrival at the drill server to the next.",
        "Latency: arrival at the drill server minus the sending time that the detector states;",
        "negative where the clocks disagree.",
        "Spread: standard deviation.",
    ]
    return "\n".join(lines) + "\n"


def deliver(mail: EmailMessage, recipients: Sequence[str], settings: DrillSettings) -> Delivery:
    """Hand a mail to the mail server of the settings, or write it to the folder of mails where none is set.

    It may take several times ten seconds when the mail server is slow: call it where nothing else waits.

    Parameters
    ----------
    mail
        From `compose`; it is not changed.
    recipients
        Registered addresses (see `contacts`).
    settings
        The mail server; without smtp_host, the folder "mails" in state_dir is used.

    Returns
    -------
    Delivery
        How, where and to whom.

    Raises
    ------
    MailError
        If an address is none, or the mail could not be sent or written.
    SettingsError
        If the folder of mails cannot be made.
    """
    _check_addresses(recipients, settings)
    addressed = copy.deepcopy(mail)
    for header in ("From", "To", "Cc", "Bcc", "Message-ID"):
        del addressed[header]
    addressed["From"] = settings.smtp_sender
    addressed["To"] = ", ".join(recipients)
    # A domain is given because asking for this machine's full name may wait for a name server.
    addressed["Message-ID"] = make_msgid(domain=settings.smtp_sender.rpartition("@")[2])
    if settings.smtp_host is None:
        return _write(addressed, recipients, settings)
    refused = send_mail(addressed, recipients, settings)
    accepted = tuple(address for address in recipients if address not in refused)
    return Delivery("mailed", f"{settings.smtp_host}:{settings.smtp_port}", accepted, refused)


def _check_addresses(recipients: Sequence[str], settings: DrillSettings) -> None:
    if not is_address(settings.smtp_sender):
        raise MailError(
            f"The sender {shown(settings.smtp_sender)} is no plain mail address.",
            next_step="Set SNEWS_DRILL_SMTP_SENDER to an address such as snews-drill@yourlab.example.",
        )
    wrong = [address for address in recipients if not is_address(address)]
    if wrong or not 0 < len(recipients) <= MAX_ADDRESSES:
        what = (
            f"{shown(wrong[0])} is no plain mail address"
            if wrong
            else f"{len(recipients)} recipients were given"
        )
        raise MailError(
            f"The mail was not sent: {what}.", next_step=f"Give one to {MAX_ADDRESSES} registered addresses."
        )


def _write(mail: EmailMessage, recipients: Sequence[str], settings: DrillSettings) -> Delivery:
    folder = make_private_dir(settings.state_dir / "mails")
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    path = folder / f"feedback-{moment}-{secrets.token_hex(4)}.eml"
    try:
        write_private_file(path, mail.as_bytes())
    except OSError as error:
        raise MailError(
            f"The mail could not be written to {folder}: {error.strerror}.",
            next_step="Make room there, or set SNEWS_DRILL_SMTP_HOST to a mail server.",
        ) from error
    return Delivery("written", str(path), tuple(recipients))


def _minute(time_ns: int) -> str:
    return iso_micro(time_ns)[:16].replace("T", " ")


def _spread_lines(title: str, unit: str, numbers: Distribution | None) -> list[str]:
    if numbers is None:
        return ["", f"{title:<18}not enough beats"]
    values = (
        ("mean", numbers.mean),
        ("spread", numbers.spread),
        ("median", numbers.p50),
        ("95 % below", numbers.p95),
        ("largest", numbers.maximum),
    )
    return ["", f"{title} ({unit})", *(f"  {word:<16}{value:.3f}" for word, value in values)]
