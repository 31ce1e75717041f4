"""Announcements beside the alerts: what concerns the user, as text, and never in the way."""

from __future__ import annotations

import pytest
from broker_stand import Stand, open_connection_on, write
from waiting import wait_for

from snews_drill.announcements import AnnouncementListener, announcement_text
from snews_drill.connection import Connection
from snews_drill.messages.commands import Command, CommandName
from snews_drill.settings import DrillSettings
from snews_drill.subscriber import Subscriber
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
