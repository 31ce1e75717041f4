"""Announcements beside the alerts: what concerns the user, as text, and never in the way."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from broker_stand import Stand, open_connection_on, write
from waiting import wait_for

from snews_drill import announcements
from snews_drill.announcements import AnnouncementListener, announcement_text
from snews_drill.connection import Connection
from snews_drill.messages.commands import Command, CommandName
from snews_drill.settings import DrillSettings
from snews_drill.subscriber import Subscriber
from snews_drill.transport import Record
from snews_drill.widgets.alert_table import AlertTable


def say(connection: Connection, name: CommandName, status: str = "done", **more: str) -> None:
    """Write what a drill server would."""
    reply = Command(
        name=name, **{"detector_name": "instructor", "time": "2026-11-27T15:00:00", "status": status, **more}
    )
    write(connection, connection.topics().connection, connection.dialect.encode_command(reply).content)


def heard(listener: AnnouncementListener, connection: Connection) -> None:
    """Wait until it listens."""

    def is_there() -> bool:
        say(connection, CommandName.ANNOUNCE, text="Are you there?")
        return bool(listener.announcements)

    wait_for(is_there, "the listener")


def test_what_concerns_the_user_is_kept(connection: Connection) -> None:
    """Announcements, joining, and that oneself is not let in; not what concerns others, and no repetition."""
    with AnnouncementListener(connection) as listener:
        heard(listener, connection)
        write(connection, connection.topics().connection, b"\xff nonsense", b'{"_id": "0_announce"}')
        say(connection, CommandName.ANNOUNCE, "refused", text="not this")
        say(connection, CommandName.NOT_JOINED, "refused", reason="not for XENONnT", detector_name="LVD")
        say(connection, CommandName.FREEZE_JOINING, reason="Joining is frozen.")
        say(connection, CommandName.NOT_JOINED, "refused", reason="Frozen.", detector_name="XENONnT")
        wait_for(lambda: len(listener.announcements) == 3, "three")
        assert [one.text for one in listener.announcements] == [
            "Are you there?",
            "Joining is frozen.",
            "Frozen.",
        ]
    assert not listener.is_running


def test_who_comes_late_is_told_what_was_announced_before(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within two hours, and no further back than some records; what comes then is heard as ever."""
    say(connection, CommandName.ANNOUNCE, text="Too far back")
    monkeypatch.setattr(announcements, "_RECENT_RECORDS", 3)
    say(connection, CommandName.ANNOUNCE, text="We begin at 15:00")
    say(connection, CommandName.FREEZE_JOINING, reason="Joining is frozen.")
    say(connection, CommandName.TEST_CONNECTION, "received", detector_name="JUNO")
    with AnnouncementListener(connection) as listener:
        wait_for(lambda: len(listener.announcements) == 2, "both")
        say(connection, CommandName.ANNOUNCE, text="Now")
        wait_for(lambda: len(listener.announcements) == 3, "the third")
        assert [one.text for one in listener.announcements] == [
            "We begin at 15:00",
            "Joining is frozen.",
            "Now",
        ]


def test_what_was_announced_for_an_earlier_drill_is_left_out(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is older than two hours: here by one millisecond or more."""
    say(connection, CommandName.ANNOUNCE, text="The drill of this morning")
    said_ms = time.time_ns() // 10**6
    wait_for(lambda: time.time_ns() // 10**6 > said_ms, "the next millisecond")
    say(connection, CommandName.ANNOUNCE, text="The drill of this afternoon")
    reader = connection.open_reader([connection.topics().connection], start="beginning")
    found: list[Record] = []
    wait_for(lambda: found.extend(reader.read(timeout=0.2)) or len(found) == 2, "both records")
    reader.close()
    two_hours_later = (found[-1].timestamp_ms - 0.5) / 1e3 + 2 * 3600
    monkeypatch.setattr(announcements, "time", SimpleNamespace(time=lambda: two_hours_later))
    with AnnouncementListener(connection) as listener:
        wait_for(lambda: bool(listener.announcements), "the newer one")
        assert [one.text for one in listener.announcements] == ["The drill of this afternoon"]


def test_it_is_one_line_of_visible_text(connection: Connection) -> None:
    with AnnouncementListener(connection) as listener:
        heard(listener, connection)
        say(connection, CommandName.ANNOUNCE, text="Begin\n\x1b[31m now\u202e")
        wait_for(lambda: len(listener.announcements) == 2, "it")
    assert announcement_text(listener.announcements[-1]) == (
        "15:00:00 UTC announcement: Begin\\x0a\\x1b[31m now\\u202e"
    )


def test_the_live_table_shows_it_as_text(connection: Connection) -> None:
    """Above the rows; and the table's threads end with the subscriber."""
    with AlertTable(Subscriber(connection=connection)) as table:

        def is_told() -> bool:
            say(connection, CommandName.ANNOUNCE, text='We begin <script>alert("x")</script>')
            return "We begin" in table.announced

        wait_for(is_told, "the announcement")
        assert "&lt;script&gt;" in table.announced
        assert "<script>" not in table.announced
    table.close()


@pytest.mark.parametrize("is_closed", [True, False])
def test_it_ends_with_its_connection_or_without_a_broker(
    stand: Stand, settings: DrillSettings, is_closed: bool
) -> None:
    with open_connection_on(stand, settings) as connection:
        listener = AnnouncementListener(connection)
        listener.start()
        if is_closed:
            connection.close()
            wait_for(lambda: not listener.is_running, "its end")
        else:
            stand.kill()
        listener.stop(10)
        assert not listener.is_running
