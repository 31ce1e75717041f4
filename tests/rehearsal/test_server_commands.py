"""What the drill server does when it is asked, and whom it refuses; through the broker, as clients ask."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from broker_stand import Stand, open_connection_on, write
from mail_servers import Postbox, serve
from messages_to_send import heartbeat, observation, send_observations
from pydantic import SecretStr
from waiting import AT_ONCE_SEC, wait_for

from snews_drill.connection import Connection
from snews_drill.errors import DrillError, NoAnswer, NotAuthorised
from snews_drill.messages.commands import Command, CommandName
from snews_drill.messages.times import NS_PER_SECOND, iso_micro
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.server import DrillServer
from snews_drill.rehearsal.server_mail import MAX_WAITING_MAILS
from snews_drill.remote import display_heartbeats, get_feedback, reset_cache
from snews_drill.settings import DrillSettings

__all__ = ["serve"]  # a fixture

TOKEN = "the-instructors-token-that-nobody-else-has"
CONTACTS = '[contacts]\nXENONnT = ["shift@xenon.example", "boss@xenon.example"]\nLVD = ["lvd@example.org"]\n'


@contextmanager
def serving(
    broker: Stand, settings: DrillSettings, archive: Archive, *, is_private: bool = False
) -> Iterator[tuple[Connection, DrillServer]]:
    """An instructor's server with the token; the connection is the instructor's too."""
    secret = settings.model_copy(update={"admin_token": SecretStr(TOKEN), "detector_name": "XENONnT"})
    with (
        open_connection_on(broker, secret) as connection,
        DrillServer(connection, archive, is_private=is_private) as server,
    ):
        wait_for(lambda: server.status.state == "listening", "the server")
        yield connection, server


@contextmanager
def stranger_beside(connection: Connection, settings: DrillSettings) -> Iterator[Connection]:
    """Somebody else on the same topics, without the token."""
    own = settings.model_copy(update={"detector_name": "LVD"})
    broker = type("Address", (), {"address": connection.broker})()
    with open_connection_on(broker, own, connection.profile) as stranger:
        yield stranger


def request(name: CommandName, **changes: Any) -> Command:
    made = {
        "name": name,
        "detector_name": "XENONnT",
        "time": iso_micro(time.time_ns() // 1000 * 1000),
        "request_id": f"{time.time_ns():032x}",
    }
    return Command(**{**made, **changes})


def proved_on(connection: Connection, command: Command, token: str = TOKEN) -> Command:
    """The command with rights on the fire-drill topic."""
    return command.with_proof(token, connection.topics().observations)


def ask(connection: Connection, command: Command) -> None:
    payload = connection.dialect.encode_command(command)
    write(
        connection, connection.topics().observations, payload.content, content_format=payload.content_format
    )


class Replies:
    """What the server writes to the connection topic."""

    def __init__(self, connection: Connection) -> None:
        self._reader = connection.open_reader([connection.topics().connection])
        self.read: list[dict[str, Any]] = []

    def wait_for(self, count: int, timeout: float = 10.0) -> list[dict[str, Any]]:
        def enough() -> bool:
            self.read += [json.loads(record.value) for record in self._reader.read(timeout=0.05)]
            return len(self.read) >= count

        wait_for(enough, f"{count} replies", timeout=timeout)
        return self.read

    def close(self) -> None:
        self._reader.close()


@contextmanager
def listening(connection: Connection) -> Iterator[Replies]:
    replies = Replies(connection)
    try:
        yield replies
    finally:
        replies.close()


def reason_of(server: DrillServer) -> str:
    return server.status.refusals[-1].reason


# --- reset ---


def test_reset_with_rights_drops_the_observations(
    broker: Stand, settings: DrillSettings, archive: Archive
) -> None:
    """Without an alert; and they stay dropped after a restart."""
    with serving(broker, settings, archive) as (connection, server):
        zero = time.time_ns() - NS_PER_SECOND
        send_observations(connection, observation("LVD", zero), observation("JUNO", zero))
        wait_for(lambda: server.status.groups, "the group")
        reply = reset_cache(connection=connection, verbose=False)
        assert reply
        assert reply.answer == "2 observations dropped."
        wait_for(lambda: not server.status.groups, "no group")
    assert archive.held_observations(since_ns=0) == []
    assert archive.alert_count() == 1


def test_reset_leaves_the_other_topic_alone(broker: Stand, settings: DrillSettings, archive: Archive) -> None:
    with serving(broker, settings, archive) as (connection, server):
        zero = time.time_ns() - NS_PER_SECOND
        send_observations(connection, observation("LVD", zero), firedrill_mode=False)
        wait_for(lambda: server.status.counts.get("CoincidenceTier"), "it")
        assert reset_cache(connection=connection, verbose=False).answer == "0 observations dropped."
        assert (
            reset_cache(firedrill=False, connection=connection, verbose=False).answer
            == "1 observation dropped."
        )


@pytest.mark.parametrize("token", [None, "", "a-wrong-token-that-looks-quite-alright"])
def test_a_stranger_cannot_reset(
    broker: Stand, settings: DrillSettings, archive: Archive, token: str | None
) -> None:
    with serving(broker, settings, archive) as (connection, server):
        send_observations(connection, observation("LVD"))
        wait_for(lambda: server.status.counts.get("CoincidenceTier"), "the observation")
        with stranger_beside(connection, settings) as stranger:
            with pytest.raises(NotAuthorised, match="no rights"):
                reset_cache(admin_pass=token, connection=stranger, verbose=False)
            with pytest.raises(NotAuthorised, match="no rights"):
                display_heartbeats(admin_pass=token, connection=stranger, verbose=False)
        assert len(archive.held_observations(since_ns=0)) == 1
        wait_for(lambda: server.status.counts.get("refused") == 2, "two refusals in the status")


def test_without_a_token_nobody_has_rights(broker: Stand, settings: DrillSettings, archive: Archive) -> None:
    """An empty token proves nothing."""
    with (
        open_connection_on(broker, settings) as connection,
        DrillServer(connection, archive) as server,
    ):
        ask(connection, proved_on(connection, request(CommandName.HARD_RESET), ""))
        wait_for(lambda: server.status.counts.get("refused"), "the refusal")
        assert "no rights" in reason_of(server)


def test_a_copied_request_is_refused(broker: Stand, settings: DrillSettings, archive: Archive) -> None:
    """Every member can read a request and write it again: it works once, also after a restart and on the other topic."""
    with serving(broker, settings, archive) as (connection, server), listening(connection) as replies:
        proved = proved_on(connection, request(CommandName.HARD_RESET))
        ask(connection, proved)
        replies.wait_for(1)
        send_observations(connection, observation("LVD"))
        ask(connection, proved)
        wait_for(lambda: server.status.counts.get("repeated") == 1, "the repetition")
        server.stop()
        server.start()
        payload = connection.dialect.encode_command(proved)
        write(connection, connection.topics(firedrill_mode=False).observations, payload.content)
        wait_for(lambda: server.status.counts.get("repeated") == 2, "the second repetition")
        assert len(archive.held_observations(since_ns=0)) == 1
        assert len(replies.read) == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"time": iso_micro(time.time_ns() // 1000 * 1000 - 400 * NS_PER_SECOND)}, "older than five minutes"),
        ({"time": iso_micro(time.time_ns() // 1000 * 1000 + 900 * NS_PER_SECOND)}, "clocks differ"),
        ({"time": ""}, "does not say when"),
        ({"time": "yesterday"}, "does not say when"),
        ({"request_id": ""}, "no identifier"),
    ],
)
def test_a_request_that_is_stale_or_says_too_little_is_refused(
    broker: Stand, settings: DrillSettings, archive: Archive, changes: dict[str, str], reason: str
) -> None:
    with serving(broker, settings, archive) as (connection, server):
        send_observations(connection, observation("LVD"))
        ask(connection, proved_on(connection, request(CommandName.HARD_RESET, **changes)))
        wait_for(lambda: server.status.counts.get("refused"), "the refusal")
        assert reason in reason_of(server)
        assert len(archive.held_observations(since_ns=0)) == 1


def test_a_proof_holds_for_what_it_was_made_for(
    broker: Stand, settings: DrillSettings, archive: Archive
) -> None:
    """Another command, sender or time with the same proof is refused."""
    with serving(broker, settings, archive) as (connection, server):
        proved = proved_on(connection, request(CommandName.DISPLAY_HEARTBEATS))
        for changes in ({"name": CommandName.HARD_RESET}, {"detector_name": "LVD"}, {"request_id": "0" * 32}):
            ask(connection, proved.model_copy(update=changes))
        wait_for(lambda: server.status.counts.get("refused") == 3, "three refusals")


def test_a_proof_holds_for_one_topic(broker: Stand, settings: DrillSettings, archive: Archive) -> None:
    """Seen on one topic and written to another first: no rights there, none taken away here."""
    with serving(broker, settings, archive) as (connection, server):
        send_observations(connection, observation("LVD"), firedrill_mode=False)
        proved = proved_on(connection, request(CommandName.HARD_RESET))
        payload = connection.dialect.encode_command(proved)
        write(connection, connection.topics(firedrill_mode=False).observations, payload.content)
        wait_for(lambda: server.status.counts.get("refused"), "the refusal")
        assert "no rights" in reason_of(server)
        assert len(archive.held_observations(since_ns=0)) == 1
        # ... and the request itself still counts where it was meant to go
        ask(connection, proved)
        wait_for(lambda: server.status.counts.get("hard-reset"), f"the reset, {server.status}")


def test_brokers_are_not_changed_even_with_rights(
    broker: Stand, settings: DrillSettings, archive: Archive
) -> None:
    with serving(broker, settings, archive) as (connection, server):
        ask(connection, proved_on(connection, request(CommandName.BROKER_CHANGE)))
        wait_for(lambda: server.status.counts.get("refused"), "the refusal")
        assert "does not change brokers" in reason_of(server)


def test_no_reply_carries_token_proof_or_address(
    broker: Stand, settings: DrillSettings, archive: Archive, caplog: pytest.LogCaptureFixture
) -> None:
    """Replies are for everybody to read."""
    (settings.config_dir).mkdir(parents=True, mode=0o700)
    with serving(broker, settings, archive) as (connection, _), listening(connection) as replies:
        proved = proved_on(connection, request(CommandName.HARD_RESET))
        ask(connection, proved)
        ask(connection, request(CommandName.GET_FEEDBACK, email="someone@example.org"))
        written = json.dumps(replies.wait_for(2))
    assert TOKEN not in written + caplog.text
    assert proved.proof not in written + caplog.text
    assert "someone@example.org" not in written


# --- heartbeats ---


def test_heartbeats_are_shown_to_the_user_of_a_rehearsal(
    broker: Stand, settings: DrillSettings, archive: Archive
) -> None:
    with serving(broker, settings, archive, is_private=True) as (connection, server):
        send_observations(connection, heartbeat("LVD"), heartbeat("LVD", "OFF"), heartbeat("JUNO"))
        wait_for(lambda: server.status.counts.get("Heartbeat") == 3, "the heartbeats")
        table = display_heartbeats(connection=connection, verbose=False)
        assert list(table["detector_name"]) == ["JUNO", "LVD"]
        assert list(table["heartbeats"]) == [1, 2]
        assert list(table["status"]) == ["ON", "OFF"]
        assert (table["seconds_ago"] < 60).all()


def test_heartbeats_of_others_do_not_go_over_a_shared_broker(
    broker: Stand, settings: DrillSettings, archive: Archive, caplog: pytest.LogCaptureFixture
) -> None:
    """Everybody could read the reply: the table goes to the server's own log."""
    caplog.set_level("INFO", "snews_drill.server")
    with serving(broker, settings, archive) as (connection, server), listening(connection) as replies:
        send_observations(connection, heartbeat("LVD"))
        wait_for(lambda: server.status.counts.get("Heartbeat"), "the heartbeat")
        table = display_heartbeats(connection=connection, verbose=False)
        assert table.empty
        assert list(table.columns)[:2] == ["detector_name", "heartbeats"]
        assert "LVD" not in json.dumps(replies.wait_for(1))
    assert "heartbeats of LVD: 1 in 24 h, last ON" in caplog.text


# --- feedback ---


def with_contacts(settings: DrillSettings) -> DrillSettings:
    settings.config_dir.mkdir(parents=True, mode=0o700, exist_ok=True)
    (settings.config_dir / "contacts.toml").write_text(CONTACTS)
    return settings


def test_feedback_is_mailed_to_registered_addresses(
    broker: Stand, archive: Archive, settings: DrillSettings, serve: Callable[..., DrillSettings]
) -> None:
    """Through a real SMTP server, with statistics and figure; the answer says to how many, not to whom."""
    box = Postbox()
    with_contacts(settings)
    with serving(broker, serve(box), archive) as (connection, server):
        send_observations(connection, *(heartbeat("XENONnT") for _ in range(3)))
        wait_for(lambda: server.status.counts.get("Heartbeat") == 3, "the heartbeats")
        reply = get_feedback(
            email_address="shift@xenon.example; boss@xenon.example", connection=connection, verbose=False
        )
        assert reply.answer == "Mailed to 2 addresses."
    (mail,) = box.mails
    assert isinstance(mail, EmailMessage)
    body = mail.get_body()
    assert body is not None
    assert "Beats received    3" in body.get_content()
    assert len(list(mail.iter_attachments())) == 1
    assert box.envelopes[0].rcpt_tos == ["shift@xenon.example", "boss@xenon.example"]


def test_feedback_without_a_mail_server_is_written_and_its_place_told_to_the_user_alone(
    broker: Stand, archive: Archive, settings: DrillSettings
) -> None:
    with_contacts(settings)
    with serving(broker, settings, archive, is_private=True) as (connection, _):
        reply = get_feedback(email_address="shift@xenon.example", connection=connection, verbose=False)
    (written,) = (settings.state_dir / "mails").iterdir()
    assert str(written) in reply.answer
    assert b"Heartbeats of XENONnT" in written.read_bytes()
    with serving(broker, settings, archive) as (connection, _):
        reply = get_feedback(email_address="shift@xenon.example", connection=connection, verbose=False)
    assert str(settings.state_dir) not in reply.answer
    assert "was written on the server" in reply.answer


@pytest.mark.parametrize(
    ("detector", "address"),
    [("XENONnT", "stranger@example.org"), ("XENONnT", "lvd@example.org"), ("JUNO", "shift@xenon.example")],
)
def test_feedback_goes_to_nobody_else(
    broker: Stand,
    archive: Archive,
    settings: DrillSettings,
    serve: Callable[..., DrillSettings],
    detector: str,
    address: str,
) -> None:
    """An address must be registered for that very detector."""
    box = Postbox()
    with_contacts(settings)
    with (
        serving(broker, serve(box), archive) as (connection, _),
        pytest.raises(NotAuthorised, match="refused Get-Feedback"),
    ):
        get_feedback(detector, address, connection=connection, verbose=False)
    assert box.mails == []


def test_a_name_that_is_not_on_the_roster_gets_no_mail(
    broker: Stand, archive: Archive, settings: DrillSettings
) -> None:
    with serving(broker, settings, archive) as (connection, _), listening(connection) as replies:
        ask(connection, request(CommandName.GET_FEEDBACK, detector_name="../../etc", email="a@b.org"))
        (reply,) = replies.wait_for(1)
        assert reply["meta"]["status"] == "refused"


class _SlowBox(Postbox):
    """A mail server that takes its time, until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.is_reached = threading.Event()
        self.may_go_on = threading.Event()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        import asyncio

        self.is_reached.set()
        while not self.may_go_on.is_set():
            await asyncio.sleep(0.01)
        return await super().handle_DATA(server, session, envelope)


def test_a_slow_mail_server_does_not_hold_up_the_drill(
    broker: Stand, archive: Archive, settings: DrillSettings, serve: Callable[..., DrillSettings]
) -> None:
    """Observations are answered while a mail waits; mails that would wait too long are refused."""
    box = _SlowBox()
    with_contacts(settings)
    with serving(broker, serve(box), archive) as (connection, server), listening(connection) as replies:
        for _ in range(MAX_WAITING_MAILS + 3):
            ask(connection, request(CommandName.GET_FEEDBACK, email="shift@xenon.example"))
        assert box.is_reached.wait(10)
        zero = time.time_ns() - NS_PER_SECOND
        send_observations(connection, observation("LVD", zero), observation("JUNO", zero))
        wait_for(lambda: server.status.counts.get("alerts") == 1, "the alert")
        assert "Too many mails" in replies.wait_for(1)[0]["meta"]["reason"]
        assert box.mails == []
        box.may_go_on.set()
        replies.wait_for(MAX_WAITING_MAILS + 3, timeout=40)  # a dozen figures are drawn


def test_stopping_does_not_wait_for_a_slow_mail_server(
    broker: Stand, archive: Archive, settings: DrillSettings, serve: Callable[..., DrillSettings]
) -> None:
    box = _SlowBox()
    with_contacts(settings)
    with serving(broker, serve(box), archive) as (connection, server):
        ask(connection, request(CommandName.GET_FEEDBACK, email="shift@xenon.example"))
        assert box.is_reached.wait(10)
        began = time.monotonic()
        server.stop(timeout=1)
        assert time.monotonic() - began < AT_ONCE_SEC
        box.may_go_on.set()


def test_a_mail_server_that_is_gone_is_told(
    broker: Stand, archive: Archive, settings: DrillSettings, tmp_path: Path
) -> None:
    from mail_servers import free_port

    with_contacts(settings)
    dead = settings.model_copy(update={"smtp_host": "127.0.0.1", "smtp_port": free_port()})
    with serving(broker, dead, archive) as (connection, server):
        with pytest.raises(DrillError, match="refused Get-Feedback") as caught:
            get_feedback(email_address="shift@xenon.example", connection=connection, verbose=False)
        assert not isinstance(caught.value, NoAnswer)
        assert server.is_running
