"""The outbox on screen: what waits, sending it, dropping it; what is tested in tests/outbox is only looked at here."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from broker_stand import Stand, open_connection_on
from messages_to_send import observation
from outbox.test_entry import put_entry
from waiting import wait_for

from snews_drill.connection import Connection
from snews_drill.errors import DeliveryFailed, OutboxError
from snews_drill.messages.times import iso_micro
from snews_drill.outbox import OutboxEntry
from snews_drill.publisher import SNEWSTiersPublisher
from snews_drill.settings import DrillSettings
from snews_drill.widgets import OutboxPanel


@pytest.fixture
def user(settings: DrillSettings) -> DrillSettings:
    """A user who is XENONnT."""
    return settings.model_copy(update={"detector_name": "XENONnT"})


@pytest.fixture
def link(stand: Stand, user: DrillSettings) -> Iterator[Connection]:
    """That user's connection to a broker that the test may kill."""
    with open_connection_on(stand, user) as connection:
        yield connection


@pytest.fixture
def keep(user: DrillSettings) -> Callable[..., OutboxEntry]:
    """Return a function that puts an entry into the outbox."""
    return functools.partial(put_entry, user)


def test_what_could_not_be_delivered_is_sent_by_the_button(stand: Stand, link: Connection) -> None:
    """The broker is gone: it waits and says why. The broker is back: one press, and it lies on the topic."""
    panel = OutboxPanel(connection=link)
    assert repr(panel) == "OutboxPanel(nothing waits)"
    assert panel._buttons["send"].disabled
    made = SNEWSTiersPublisher(
        neutrino_time=iso_micro(time.time_ns() - 10**9), p_val=0.07, connection=link, verbose=False
    )
    stand.kill()
    with pytest.raises(DeliveryFailed):
        made.send_to_snews(verbose=False, timeout=0.5)
    panel.press("refresh")
    assert repr(panel) == "OutboxPanel(1 message waits)"
    assert panel.entries[0].id in panel._list.value
    stand.start()
    link._transport.create_topics(link.profile.firedrill.names())

    def is_sent() -> bool:  # the client looks for the broker again in its own time
        panel.press("send")
        panel.join()
        return not panel.entries

    wait_for(is_sent, f"the message to be sent; the panel says {panel.message}", timeout=30)
    assert "1 sent and acknowledged, 0 still in the outbox" in panel.message
    reader = link.open_reader([link.topics().observations], start="beginning")
    wait_for(lambda: bool(reader.read(timeout=0.5)), "the record on the topic")
    reader.close()


def test_dropping_asks_first(user: DrillSettings, keep: Callable[..., OutboxEntry]) -> None:
    """No leaves everything as it is; yes drops what is chosen and nothing else."""
    first, second = keep(), keep(observation("JUNO"))
    panel = OutboxPanel(settings=user)
    assert repr(panel) == "OutboxPanel(2 messages wait)"
    panel.choose(second.id)
    panel.press("drop")
    assert "Drop 1 message?" in panel.question
    panel.press("no")
    assert panel.question == ""
    panel.join()
    assert panel.entries == [first, second]
    panel.press("drop")
    panel.press("yes")
    panel.join()
    assert "1 message dropped" in panel.message
    assert panel.entries == [first]
    panel.press("drop")
    assert "Drop 1 message?" in panel.question  # what was chosen is gone: all that is left
    panel.press("yes")
    panel.join()
    assert panel.entries == []


def test_a_live_broker_is_asked_about(user: DrillSettings, keep: Callable[..., OutboxEntry]) -> None:
    """With its name; no sends nothing."""
    keep(is_live=True)
    panel = OutboxPanel(settings=user)
    panel.press("send")
    assert "127.0.0.1:9092" in panel.question
    assert "cannot be unsent" in panel.question
    panel.press("no")
    panel.join()
    assert len(panel.entries) == 1
    assert panel.message == ""


def test_what_is_not_there_is_told(user: DrillSettings, keep: Callable[..., OutboxEntry]) -> None:
    """An entry that went meanwhile; the panel shows how things are."""
    entry = keep()
    panel = OutboxPanel(settings=user)
    OutboxPanel(settings=user).drop()
    for do in (panel.send, panel.drop):
        with pytest.raises(OutboxError, match="no entry"):
            do(entry.id)
        assert "no entry" in panel.message
        assert "Next step" in panel.message
    assert panel.entries == []


def test_foreign_text_is_shown_not_obeyed(user: DrillSettings, keep: Callable[..., OutboxEntry]) -> None:
    """What a broker said is text."""
    keep(failure="<script>alert(1)</script>\x1b[2J")
    panel = OutboxPanel(settings=user)
    assert "&lt;script&gt;" in panel._list.value
    assert "<script>" not in panel._list.value
    assert "\x1b" not in panel._list.value
    assert not [thread for thread in threading.enumerate() if "outbox errand" in thread.name]
