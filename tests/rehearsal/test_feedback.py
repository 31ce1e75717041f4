"""Feedback mail: its content, who gets it, and the folder of mails."""

from __future__ import annotations

import email
import email.policy
import stat
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from mail_servers import NOW_NS, Postbox, mail_about, serve, some_beats, some_mail

from snews_drill.errors import MailError, SettingsError, UnknownDetector
from snews_drill.messages.times import NS_PER_SECOND
from snews_drill.rehearsal.feedback import Delivery, compose, deliver
from snews_drill.rehearsal.heartbeat_statistics import Beat, heartbeat_statistics
from snews_drill.settings import DrillSettings

__all__ = ["serve"]  # a fixture

# --- what the mail says ---


def test_mail_has_the_statistics_as_text_and_the_figure_as_png() -> None:
    mail = some_mail()
    body = mail.get_body()
    assert body is not None
    text = body.get_content()
    assert mail["Subject"] == "SNEWS drill: heartbeats of XENONnT until 2026-02-02 02:40 UTC"
    assert "Beats received    30" in text
    assert "ON              27 (90.0%)" in text
    assert "largest         60.000" in text
    assert "mean            34.500" in text
    assert "Last seen         2026-02-02 02:40:00 UTC, ON" in text
    assert text.isascii()
    (figure,) = mail.iter_attachments()
    assert figure.get_content_type() == "image/png"
    png = figure.get_content()
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", png[16:24]) == (1200, 750)


def test_figure_shows_the_beats_of_this_detector_and_period_only() -> None:
    def figure(beats: list[Beat]) -> bytes:
        statistics = heartbeat_statistics(some_beats(), now_ns=NOW_NS)
        (attachment,) = compose("XENONnT", statistics, beats, NOW_NS).iter_attachments()
        content = attachment.get_content()
        assert isinstance(content, bytes)
        return content

    long_ago = Beat("XENONnT", False, 0, NOW_NS - 90_000 * NS_PER_SECOND)
    assert figure(some_beats()) == figure([*some_beats(), *some_beats(5, name="LVD"), long_ago])
    assert figure(some_beats()) != figure(some_beats(29))


@pytest.mark.parametrize(
    "beats",
    [
        [],
        [Beat("XENONnT", True, NOW_NS, NOW_NS)],
        [Beat("XENONnT", True, NOW_NS + 10**12, NOW_NS - 5)],
        [Beat("XENONnT", True, NOW_NS - 10**9, NOW_NS), Beat("XENONnT", False, 0, NOW_NS - 10**10)],
        [Beat("XENONnT", bool(i % 2), 10**30 * (-1) ** i, NOW_NS - i) for i in range(5)],
    ],
    ids=["none", "one", "clock ahead", "sent in 1970", "absurd times"],
)
def test_any_beats_make_a_mail(beats: list[Beat]) -> None:
    mail = mail_about(beats)
    body = mail.get_body()
    assert body is not None
    assert f"Beats received    {len(beats)}" in body.get_content()
    assert len(list(mail.iter_attachments())) == 1


def test_detector_name_reaches_the_headers_only_in_its_registered_form() -> None:
    statistics = heartbeat_statistics([], now_ns=NOW_NS)
    assert "of Super-K until" in compose("sk", statistics, [], NOW_NS)["Subject"]
    with pytest.raises(UnknownDetector):
        compose("LVD\r\nBcc: x@y.example", statistics, [], NOW_NS)


# --- through a mail server ---


def test_mail_arrives_whole_at_all_recipients(serve: Callable[..., DrillSettings]) -> None:
    box = Postbox()
    settings = serve(box)
    mail = some_mail()
    delivery = deliver(mail, ["a@lab.example", "b@lab.example"], settings)
    assert delivery == Delivery(
        "mailed", f"127.0.0.1:{settings.smtp_port}", ("a@lab.example", "b@lab.example")
    )
    (envelope,), (arrived,) = box.envelopes, box.mails
    assert envelope.rcpt_tos == ["a@lab.example", "b@lab.example"]
    assert envelope.mail_from == arrived["From"] == "snews-drill@localhost"
    assert arrived["To"] == "a@lab.example, b@lab.example"
    assert arrived["Subject"] == mail["Subject"]
    assert arrived["Message-ID"].endswith("@localhost>")
    sent, got = list(mail.iter_attachments()), list(arrived.iter_attachments())
    assert got[0].get_content() == sent[0].get_content()
    assert "From" not in mail, "the mail of the caller is not changed"


def test_every_header_fits_a_line_of_a_mail_server(serve: Callable[..., DrillSettings]) -> None:
    box = Postbox()
    recipients = [f"{'x' * 60}{i}@{'d' * 60}.example" for i in range(20)]
    deliver(some_mail(), recipients, serve(box))
    assert box.envelopes[0].rcpt_tos == recipients
    raw = box.envelopes[0].content
    assert isinstance(raw, bytes)
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998


def test_headers_of_a_mail_that_came_addressed_do_not_decide_who_gets_it(
    serve: Callable[..., DrillSettings],
) -> None:
    box = Postbox()
    mail = some_mail()
    mail["To"], mail["Bcc"], mail["From"] = "x@evil.example", "y@evil.example", "z@evil.example"
    deliver(mail, ["a@lab.example"], serve(box))
    assert box.envelopes[0].rcpt_tos == ["a@lab.example"]
    assert b"evil" not in (box.envelopes[0].content or b"")


@pytest.mark.parametrize(
    "address",
    [
        "a@b.example\r\nBcc: c@d.example",
        "a@b.example\n",
        "a@b.example, c@d.example",
        "a@b.example;c@d",
        "<a@b>",
        "",
    ],
)
def test_header_injection_through_an_address_is_refused_before_anything_is_sent(
    serve: Callable[..., DrillSettings], address: str
) -> None:
    box = Postbox()
    settings = serve(box)
    with pytest.raises(MailError) as caught:
        deliver(some_mail(), ["ok@lab.example", address], settings)
    with pytest.raises(MailError, match="SNEWS_DRILL_SMTP_SENDER"):
        deliver(some_mail(), ["ok@lab.example"], settings.model_copy(update={"smtp_sender": address}))
    assert caught.value.reason.isprintable()
    assert box.envelopes == []


@pytest.mark.parametrize("count", [0, 21])
def test_number_of_recipients_is_bounded(settings: DrillSettings, count: int) -> None:
    with pytest.raises(MailError, match=f"{count} recipients"):
        deliver(some_mail(), [f"a{i}@b" for i in range(count)], settings)


# --- the folder of mails ---


def test_without_a_mail_server_the_mail_is_a_private_file_and_the_user_is_told(
    settings: DrillSettings,
) -> None:
    first = deliver(some_mail(), ["a@lab.example"], settings)
    second = deliver(some_mail(), ["a@lab.example"], settings)
    path = Path(first.where)
    assert first.how == "written"
    assert str(path) in str(first)
    assert "SNEWS_DRILL_SMTP_HOST" in str(first)
    assert path.parent == settings.state_dir / "mails"
    assert second.where != first.where
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    written = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert written["To"] == "a@lab.example"
    assert len(list(written.walk())) == 3


def test_folder_of_mails_that_is_a_link_is_refused(settings: DrillSettings, tmp_path: Path) -> None:
    settings.state_dir.mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (settings.state_dir / "mails").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SettingsError):
        deliver(some_mail(), ["a@b"], settings)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_full_disk_is_a_mail_error(settings: DrillSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("snews_drill.rehearsal.feedback.write_private_file", full)
    with pytest.raises(MailError, match="No space left"):
        deliver(some_mail(), ["a@b"], settings)
