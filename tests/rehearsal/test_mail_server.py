"""What mail servers do to us: refuse, hang, ask for a password, encrypt."""

from __future__ import annotations

import smtplib
import socket
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult, Envelope, Session
from kafka_broker.certificates import make_certificates
from mail_servers import PASSWORD, WITH_LOGIN, Postbox, accepts_login, free_port, serve, some_mail, with_login

from snews_drill.errors import MailError
from snews_drill.rehearsal import mail_server
from snews_drill.rehearsal.feedback import deliver
from snews_drill.settings import DrillSettings

__all__ = ["serve"]  # a fixture


def test_refused_recipient_is_named_and_terminal_codes_of_the_server_are_not_obeyed(
    serve: Callable[..., DrillSettings],
) -> None:
    box = Postbox("gone@lab.example")
    with pytest.raises(MailError) as caught:
        deliver(some_mail(), ["gone@lab.example"], serve(box))
    assert "gone@lab.example" in caught.value.reason
    assert "550" in caught.value.reason
    assert "\x1b" not in str(caught.value)
    assert box.envelopes == []


def test_others_get_the_mail_when_one_recipient_is_refused_and_that_is_told(
    serve: Callable[..., DrillSettings],
) -> None:
    box = Postbox("gone@lab.example")
    delivery = deliver(some_mail(), ["gone@lab.example", "a@lab.example"], serve(box))
    assert (delivery.recipients, delivery.refused) == (("a@lab.example",), ("gone@lab.example",))
    assert "refused gone@lab.example" in str(delivery)
    assert box.envelopes[0].rcpt_tos == ["a@lab.example"]


def test_server_gone_says_where_it_was_looked_for(settings: DrillSettings) -> None:
    port = free_port()
    with pytest.raises(MailError) as caught:
        deliver(
            some_mail(), ["a@b"], settings.model_copy(update={"smtp_host": "127.0.0.1", "smtp_port": port})
        )
    assert f"127.0.0.1:{port}" in caught.value.reason
    assert "SNEWS_DRILL_SMTP_HOST" in caught.value.next_step


def test_silent_server_is_given_up(settings: DrillSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert mail_server.TIMEOUT_SEC == 10
    monkeypatch.setattr(mail_server, "TIMEOUT_SEC", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        update = {"smtp_host": "127.0.0.1", "smtp_port": listener.getsockname()[1]}
        with pytest.raises(MailError, match="did not answer"):
            deliver(some_mail(), ["a@b"], settings.model_copy(update=update))


def test_server_that_hangs_up_is_a_mail_error(serve: Callable[..., DrillSettings]) -> None:
    class HangsUp(Postbox):
        async def handle_MAIL(  # noqa: N802
            self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
        ) -> str:
            server.transport.close()
            return "250 OK"

    with pytest.raises(MailError, match="broke off"):
        deliver(some_mail(), ["a@b"], serve(HangsUp()))


def test_mail_larger_than_the_server_takes_is_a_mail_error(serve: Callable[..., DrillSettings]) -> None:
    with pytest.raises(MailError, match="552"):
        deliver(some_mail(), ["a@b"], serve(Postbox(), data_size_limit=1000))


# --- logging in and encryption ---

without_tls = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")


@without_tls
def test_login_with_the_right_password(serve: Callable[..., DrillSettings]) -> None:
    box = Postbox()
    assert deliver(some_mail(), ["a@b"], with_login(serve(box, **WITH_LOGIN))).how == "mailed"
    assert len(box.envelopes) == 1


@without_tls
@pytest.mark.parametrize("password", ["wrong-" + PASSWORD, "pässwort-" + PASSWORD, "", "a\r\nb" + PASSWORD])
def test_wrong_password_is_refused_and_never_shown(
    serve: Callable[..., DrillSettings], password: str
) -> None:
    box = Postbox()
    with pytest.raises(MailError) as caught:
        deliver(some_mail(), ["a@b"], with_login(serve(box, **WITH_LOGIN), password))
    chain: BaseException | None = caught.value
    while chain is not None:
        assert PASSWORD not in str(chain) + repr(chain) + repr(vars(chain))
        chain = chain.__cause__ or chain.__context__
    assert "SNEWS_DRILL_SMTP_PASSWORD" in caught.value.next_step
    assert box.envelopes == []


@without_tls
def test_server_that_needs_a_login_and_gets_none(serve: Callable[..., DrillSettings]) -> None:
    with pytest.raises(MailError) as caught:
        deliver(some_mail(), ["a@b"], serve(Postbox(), **WITH_LOGIN))
    assert "530" in caught.value.reason
    assert "SNEWS_DRILL_SMTP_USER" in caught.value.next_step


@without_tls
def test_user_without_password_is_said_before_talking(serve: Callable[..., DrillSettings]) -> None:
    with pytest.raises(MailError, match="no password"):
        deliver(some_mail(), ["a@b"], with_login(serve(Postbox(), **WITH_LOGIN), None))


def test_login_at_a_server_that_knows_none(serve: Callable[..., DrillSettings]) -> None:
    with pytest.raises(MailError, match="no way to log in"):
        deliver(some_mail(), ["a@b"], with_login(serve(Postbox(), auth_exclude_mechanism=["LOGIN", "PLAIN"])))


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    """A server's side of TLS with a certificate that nobody here trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(make_certificates(tmp_path).server)
    return context


def test_encryption_is_used_when_the_server_offers_it(
    serve: Callable[..., DrillSettings], tls: ssl.SSLContext
) -> None:
    box = Postbox()
    options = {
        "authenticator": accepts_login,
        "auth_required": True,
        "tls_context": tls,
        "require_starttls": True,
    }
    assert deliver(some_mail(), ["a@b"], with_login(serve(box, **options))).how == "mailed"
    assert box.was_encrypted == [True]


elsewhere = pytest.mark.skipif(
    sys.platform != "linux", reason="127.0.0.2 stands for another machine on Linux only"
)


@elsewhere
def test_untrusted_certificate_of_another_machine_is_refused(
    serve: Callable[..., DrillSettings], tls: ssl.SSLContext
) -> None:
    box = Postbox()
    with pytest.raises(MailError, match=r"(?i)certificate"):
        deliver(some_mail(), ["a@b"], serve(box, host="127.0.0.2", tls_context=tls))
    assert box.envelopes == []


@elsewhere
def test_password_is_not_given_to_another_machine_in_the_clear(serve: Callable[..., DrillSettings]) -> None:
    logins: list[object] = []

    def listens(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        logins.append(data)
        return AuthResult(success=True)

    options = {"authenticator": listens, "auth_require_tls": False}
    with pytest.raises(MailError, match="does not encrypt"):
        deliver(some_mail(), ["a@b"], with_login(serve(Postbox(), host="127.0.0.2", **options)))
    assert logins == []


def test_every_kind_of_refusal_has_a_reason_and_a_next_step() -> None:
    """Walks all errors of smtplib, so that a new one does not fall through."""
    for kind in vars(smtplib).values():
        if isinstance(kind, type) and issubclass(kind, smtplib.SMTPException):
            if issubclass(kind, smtplib.SMTPSenderRefused):
                error: Exception = kind(550, b"no", "a@b")
            elif issubclass(kind, smtplib.SMTPResponseException):
                error = kind(550, b"no")
            else:
                error = (
                    kind({"a@b": (550, b"no")})
                    if issubclass(kind, smtplib.SMTPRecipientsRefused)
                    else kind("no")
                )
            reason, next_step = mail_server._translated(error, "host:25")
            assert "host:25" in reason
            assert next_step
