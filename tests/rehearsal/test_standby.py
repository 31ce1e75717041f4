"""Two drill servers on one standby group: what each does, and what is refused. tests/live has the storms."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from broker_stand import Stand, open_connection_on, write
from messages_to_send import Alerts, heartbeat, observation, send_observations
from pydantic import SecretStr
from waiting import wait_for

from snews_drill import test_connection as ask_for_echo
from snews_drill.connection import Connection
from snews_drill.errors import SettingsError
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.order import Claim, Turn, decode_entry, encode_entry
from snews_drill.rehearsal.record_source import STANDBY_NOTE
from snews_drill.rehearsal.server import DrillServer
from snews_drill.settings import DrillSettings
from snews_drill.transport import Record

ServerMaker = Callable[..., DrillServer]


@pytest.fixture
def group(connection: Connection) -> str:
    """A standby group of this test's own, with its topic."""
    name = f"tester-{uuid.uuid4().hex}"
    connection._transport.create_topics([name])
    return name


@pytest.fixture
def make_server(
    broker: Stand, connection: Connection, group: str, settings: DrillSettings, tmp_path: Path
) -> Iterator[ServerMaker]:
    """Return a function that makes a server on the group, with a connection and an archive of its own."""
    with ExitStack() as stack:

        def make(name: str, *, token: str | None = None, standby_group: str | None = group) -> DrillServer:
            own = settings if token is None else settings.model_copy(update={"admin_token": SecretStr(token)})
            link = stack.enter_context(open_connection_on(broker, own, connection.profile))
            archive = stack.enter_context(Archive(tmp_path / name / "archive.sqlite3"))
            server = DrillServer(link, archive, standby_group=standby_group)
            stack.callback(server._source.close)
            return server

        yield make


def await_role(server: DrillServer, role: str) -> None:
    wait_for(lambda: server.status.role == role, f"{role}, but {server.status}", timeout=20)


def await_alerts(server: DrillServer, count: int) -> None:
    wait_for(
        lambda: server.status.counts.get("alerts") == count, f"{count} alerts, {server.status}", timeout=20
    )


@pytest.mark.timeout(120)
def test_one_speaks_the_other_knows_the_same_and_takes_over(
    connection: Connection, make_server: ServerMaker, alerts: Alerts
) -> None:
    """The follower decides what the active one decides, sends and answers nothing, and goes on where that one stopped."""
    active, follower, zero = make_server("first"), make_server("second"), time.time_ns() - 10**9
    with follower:
        await_role(follower, "active")
        active, follower = follower, active
        with follower:
            await_role(follower, "standing by")
            assert ask_for_echo(connection=connection, verbose=False)
            send_observations(connection, heartbeat("LVD"), observation("LVD", zero), b"nonsense")
            send_observations(connection, observation("JUNO", zero))
            alerts.wait_for(1)
            for server in (active, follower):
                await_alerts(server, 1)
            assert active._archive.alerts() == follower._archive.alerts() == alerts.read
            assert active.status.counts == follower.status.counts
            wait_for(lambda: not follower._archive.waiting(), "the follower to see the alert on its topic")
            active.stop()
            await_role(follower, "active")
            send_observations(connection, observation("LZ", zero))
            alerts.wait_for(2)
            assert ask_for_echo(connection=connection, verbose=False)
    echoes = connection.open_reader([connection.topics().connection], start="beginning")
    found: list[Record] = []
    wait_for(lambda: found.extend(echoes.read(timeout=0.1)) or len(found) >= 2, "the echoes")
    assert len(found + echoes.read(timeout=0.5)) == 2, "each request is answered once"
    echoes.close()
    assert len({alert["_id"] for alert in alerts.look(timeout=0.3)}) == len(alerts.read) == 2


@pytest.mark.timeout(120)
def test_what_others_write_changes_nothing_and_a_new_archive_learns_all(
    connection: Connection, group: str, make_server: ServerMaker, alerts: Alerts
) -> None:
    """Turns under a term that is over are nobody's; after a foreign claim the server claims again; alerts go out once."""
    zero = time.time_ns() - 10**9
    with make_server("first") as server:
        await_role(server, "active")
        over = Turn(term=10**9, time_ns=2**62, is_expiry=True)
        write(
            connection,
            group,
            b"nonsense",
            b"",
            encode_entry(over),
            encode_entry(Claim(server="thawed", rules="")),
        )
        send_observations(connection, observation("LVD", zero), observation("JUNO", zero))
        alerts.wait_for(1, timeout=20)
        await_role(server, "active")
    send_observations(connection, observation("LZ", zero))
    with make_server("new") as server:
        await_alerts(server, 2)
        send_observations(connection, observation("HALO", zero))
        alerts.wait_for(3)
    assert len(alerts.look(timeout=0.3)) == 3
    assert alerts.said[-1] == ("COINC_MSG", ("HALO", "JUNO", "LVD", "LZ"))
    reader = connection.open_reader([group], start="beginning")
    found = [record.value for record in reader.read(timeout=5)]
    reader.close()
    claims = [
        entry for value in found if value[:1] == b"{" and isinstance(entry := decode_entry(value), Claim)
    ]
    assert [claim.server == "thawed" for claim in claims] == [False, True, False, False]


def failure_of(server: DrillServer) -> BaseException:
    server.start()
    wait_for(lambda: not server.is_running, "the server to end", timeout=20)
    with pytest.raises(SettingsError) as caught:
        server.stop()
    assert caught.value.next_step
    return caught.value


@pytest.mark.timeout(120)
def test_servers_with_different_rights_do_not_share_a_group(
    connection: Connection, make_server: ServerMaker
) -> None:
    """One would obey a reset that the other refuses: the one that comes later ends, and says why."""
    with make_server("first", token="a" * 32) as first:
        await_role(first, "active")
        second = make_server("second", token="b" * 32).start()
        await_role(second, "standing by")
        send_observations(connection, observation("LVD"))
        wait_for(lambda: not second.is_running, "the second server to end", timeout=20)
        with pytest.raises(SettingsError, match="another admin token"):
            second.stop()
        assert first.status.role == "active"


def test_an_archive_of_a_server_alone_is_refused(connection: Connection, make_server: ServerMaker) -> None:
    """Its records came in an order of its own. And once a server was alone on an archive, it cannot follow again."""
    alone = make_server("archive", standby_group=None)
    with alone:
        send_observations(connection, observation("LVD"))
        wait_for(lambda: alone.status.counts.get("CoincidenceTier") == 1, "the observation")
    assert "server alone" in str(failure_of(make_server("archive")))
    with alone._archive.transaction():
        alone._archive.note(STANDBY_NOTE, "another-group {}")
    assert "another-group" in str(failure_of(make_server("archive")))
    with make_server("archive", standby_group=None):
        wait_for(lambda: alone._archive.noted(STANDBY_NOTE) == "", "the note to be cleared")


def test_an_order_topic_of_several_partitions_is_refused(
    connection: Connection, make_server: ServerMaker
) -> None:
    wide = f"tester-{uuid.uuid4().hex}"
    connection._transport.create_topics([wide], partitions=2)
    assert "several partitions" in str(failure_of(make_server("archive", standby_group=wide)))
