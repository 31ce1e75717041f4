"""Real mail servers on loopback, and mails to send through them."""

from __future__ import annotations

import copy
import email
import email.policy
import socket
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from functools import cache
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session
from pydantic import SecretStr

from snews_drill.messages.times import NS_PER_SECOND
from snews_drill.rehearsal.feedback import compose
from snews_drill.rehearsal.heartbeat_statistics import Beat, heartbeat_statistics
from snews_drill.settings import DrillSettings

NOW_NS = 1_770_000_000 * NS_PER_SECOND
PASSWORD = "correct-horse-battery"


def some_beats(count: int = 30, name: str = "XENONnT") -> list[Beat]:
    times = [NOW_NS - i * 60 * NS_PER_SECOND for i in range(count)]
    return [Beat(name, i % 10 != 3, t - (20 + i) * 1_000_000, t) for i, t in enumerate(times)]


@cache
def _usual_mail() -> EmailMessage:
    return mail_about(some_beats())


def some_mail() -> EmailMessage:
    """A feedback mail about thirty beats; the figure is drawn once."""
    return copy.deepcopy(_usual_mail())


def mail_about(beats: list[Beat]) -> EmailMessage:
    """A feedback mail about these beats of XENONnT."""
    return compose("XENONnT", heartbeat_statistics(beats, now_ns=NOW_NS), beats, NOW_NS)


class Postbox:
    """Handler of a real SMTP server: keeps what it is sent, refuses whom it is told to."""

    def __init__(self, *refused: str) -> None:
        self.refused = refused
        self.envelopes: list[Envelope] = []
        self.was_encrypted: list[bool] = []

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return "550 5.1.1 no such \x1b[31muser here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.envelopes.append(envelope)
        self.was_encrypted.append(session.ssl is not None)
        return "250 OK"

    @property
    def mails(self) -> list[EmailMessage]:
        found = [email.message_from_bytes(e.content, policy=email.policy.default) for e in self.envelopes]
        return [mail for mail in found if isinstance(mail, EmailMessage)]


def free_port(host: str = "127.0.0.1") -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def serve(settings: DrillSettings) -> Iterator[Callable[..., DrillSettings]]:
    """Start a real mail server and return settings that name it."""
    running: list[Controller] = []

    def start(box: Postbox, host: str = "127.0.0.1", **options: Any) -> DrillSettings:
        controller = Controller(box, hostname=host, port=free_port(host), **options)
        controller.start()
        running.append(controller)
        return settings.model_copy(update={"smtp_host": host, "smtp_port": controller.port})

    yield start
    for controller in running:
        controller.stop()


def with_login(settings: DrillSettings, password: str | None = PASSWORD) -> DrillSettings:
    secret = None if password is None else SecretStr(password)
    return settings.model_copy(update={"smtp_user": "drill", "smtp_password": secret})


def accepts_login(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    assert isinstance(data, LoginPassword)
    is_right = (data.login, data.password) == (b"drill", PASSWORD.encode())
    return AuthResult(success=is_right, handled=False)  # the server is to answer


WITH_LOGIN = {"authenticator": accepts_login, "auth_required": True, "auth_require_tls": False}
