"""Values in a notebook: everything that came from elsewhere is text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from alert_samples import open_stage

from snews_drill.connection import Connection
from snews_drill.html_views import connection_html, publisher_html, receipts_html
from snews_drill.profiles import LIVE_BROKER, get_profile
from snews_drill.publisher import SNEWSTiersPublisher
from snews_drill.rehearsal.broker import EmbeddedBroker
from snews_drill.remote import CommandReply, ConnectionReport
from snews_drill.settings import DrillSettings
from snews_drill.transport import Receipt, Receipts, Transport
from snews_drill.wire.dialects import get_dialect

HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(2)">$\\alpha$\x1b[31m\u202e'


def is_harmless(text: str) -> bool:
    """No markup of theirs, no formula, nothing invisible."""
    return (
        "<script" not in text
        and "<img" not in text
        and "\x1b" not in text
        and "\u202e" not in text
        and "mathjax_ignore" in text
    )


@pytest.fixture
def publisher() -> SNEWSTiersPublisher:
    return SNEWSTiersPublisher(
        detector_name="XENONnT",
        p_val=5.0,
        neutrino_time="2026-01-01",
        detector_status="ON",
        note=HOSTILE,
        verbose=False,
    )


def test_each_message_can_be_opened_and_problems_are_listed(publisher: SNEWSTiersPublisher) -> None:
    """Valid and invalid ones are told apart; what the reader needs is in the text."""
    shown = publisher._repr_html_()
    assert shown == publisher_html(publisher)
    assert shown.count("<details>") == 2
    assert "Heartbeat (to send)" in shown
    assert "CoincidenceTier (not valid)" in shown
    assert "p_val" in shown.split("<ul")[1]
    assert is_harmless(shown)
    assert "&lt;script&gt;" in shown


def test_an_edited_message_that_is_no_message_is_shown(publisher: SNEWSTiersPublisher) -> None:
    """`.messages` belongs to the user; whatever stands there, showing it does not fail."""
    loop: dict[str, object] = {}
    loop["self"] = loop
    publisher.messages = [loop, "text", {1: object()}, {"x": "y" * 100_000}]  # type: ignore[list-item]
    shown = publisher._repr_html_()
    assert shown.count("<details>") == 5
    assert len(shown) < 80_000


def test_ten_thousand_entries_are_cut() -> None:
    """The page stays usable, and says how many are not shown."""
    shown = receipts_html([Receipt("topic", 0, number, 1.0) for number in range(10_000)])
    assert shown.count("<tr>") < 300
    assert "and 9800 more" in shown


def test_receipts_are_a_list_that_shows_a_table() -> None:
    """It compares and reads as a list."""
    receipts = Receipts([Receipt(HOSTILE, 0, 7, 3.25)])
    assert receipts == [Receipt(HOSTILE, 0, 7, 3.25)]
    shown = receipts._repr_html_()
    assert is_harmless(shown)
    assert "3.2 ms" in shown
    assert "1 message acknowledged" in shown


def test_a_connection_shows_where_it_writes_and_who_you_are(
    broker: EmbeddedBroker, settings: DrillSettings
) -> None:
    """The admin token is in no view; a remembered name that is not on the roster does not break it."""
    named = settings.model_copy(update={"detector_name": "XENONnT"})
    with open_stage(broker.address, named) as stage:
        shown = stage.connection._repr_html_()
        assert stage.connection.broker in shown
        assert "snews.experiments-firedrill" in shown
        assert "XENONnT" in shown
        assert "LIVE" not in shown
        stage.connection._settings = settings.model_copy(update={"detector_name": "Nonsense"})
        assert "not named yet" in connection_html(stage.connection)
    assert "closed" in connection_html(stage.connection)


def test_a_live_connection_is_marked(settings: DrillSettings) -> None:
    """Whoever looks sees that other people read what is written; nothing is opened."""
    transport = Transport(LIVE_BROKER)
    with Connection(get_profile("firedrill"), transport, get_dialect("3"), settings=settings) as live:
        assert "LIVE" in live._repr_html_()


def test_reports_and_replies(tmp_path: Path) -> None:
    """What the server said is text."""
    report = ConnectionReport(True, "XENONnT", "b", "kafka://b/t", "kafka://b/c", "2026-01-01", 12.4)
    assert "✓" in report._repr_html_()
    assert "12 ms" in report._repr_html_()
    shown = CommandReply("hard-reset", is_confirmed=True, answer=HOSTILE, milliseconds=1.0)._repr_html_()
    assert is_harmless(shown)
    assert re.search(r"hard-reset.*&lt;script", shown)
