"""`snews-drill outbox`: list, show, send, drop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from messages_to_send import observation
from outbox.test_entry import make_entry

from snews_drill.messages.tiers import DetectorMessage
from snews_drill.outbox import Outbox
from snews_drill.outbox.entry import OutboxEntry, identify
from snews_drill.outbox.folder import OutboxFolder
from snews_drill.rehearsal.launcher import find_rehearsal
from snews_drill.settings import DrillSettings
from snews_drill.wire.dialects import decode_record

Invoke = Callable[..., "object"]
Keep = Callable[..., OutboxEntry]


@pytest.fixture
def keep(shared_home: Path) -> Iterator[Keep]:
    """Return a function that keeps an observation for the rehearsal that runs."""
    home = shared_home
    settings = DrillSettings(config_dir=home / "config", state_dir=home / "state", runtime_dir=home / "run")
    state = find_rehearsal(settings)
    assert state is not None

    def write(detector: str = "XENONnT", **changes: object) -> OutboxEntry:
        content = observation(detector)
        message = decode_record(content, "json").value
        assert isinstance(message, DetectorMessage)
        topic = "snews.experiments-firedrill"
        place = {"broker": state.broker, "topic": topic, "rehearsal_id": state.rehearsal_id, **changes}
        name = identify(str(place["rehearsal_id"] or place["broker"]), topic, message)
        entry = make_entry(content, id=name, **place)
        OutboxFolder(settings.state_dir).write(entry, is_durable=False)
        return entry

    yield write
    Outbox(settings=settings).drop_all()


def test_nothing_waits(invoke: Invoke) -> None:
    """Told as success."""
    assert invoke("outbox", "list").out == "Nothing waits.\n"
    assert invoke("outbox", "list", "--json").json == {"ok": True, "entries": [], "damaged": []}
    assert invoke("outbox", "send", "--json").json == {"ok": True, "messages": []}
    assert invoke("outbox", "drop", "--all", "--json").json == {"ok": True, "dropped": []}


def test_list_and_show_tell_everything(invoke: Invoke, keep: Keep) -> None:
    """Where to, since when, why, and the message as it would be sent."""
    entry = keep(failure="No answer.\x1b[2J")
    listed = invoke("outbox", "list")
    for word in (entry.id, "XENONnT CoincidenceTier", entry.url, "tried 1 time", "No answer.\\x1b[2J"):
        assert word in listed.out
    shown = invoke("outbox", "show", entry.id[:8])
    assert f"{'neutrino_time':<19}: {entry.fields['neutrino_time']}" in shown.out
    found = invoke("outbox", "show", entry.id, "--json").json["entry"]
    assert found["message"] == entry.fields
    assert (found["id"], found["broker"], found["is_live"]) == (entry.id, entry.broker, False)
    assert invoke("outbox", "list", "--json").json["entries"] == [found]
    assert invoke("outbox", "list", "--json", "--profile", "firedrill").json["entries"] == []


def test_send_sends_and_the_entry_is_gone(invoke: Invoke, keep: Keep) -> None:
    """To the rehearsal that runs; the receipt is told."""
    entry = keep()
    sent = invoke("outbox", "send", "--json")
    assert (sent.code, sent.json["ok"]) == (0, True)
    (message,) = sent.json["messages"]
    assert (message["id"], message["sent"], message["topic"]) == (entry.id, True, entry.topic)
    assert invoke("outbox", "list", "--json").json["entries"] == []
    keep("JUNO")
    assert "1 message sent." in invoke("outbox", "send").out


def test_send_fails_for_what_stays(invoke: Invoke, keep: Keep) -> None:
    """Exit code 1, reason and next step for each, and the others are sent."""
    gone, good = keep(rehearsal_id="20200101T000000Z-00000000"), keep("JUNO")
    found = invoke("outbox", "send", "--json")
    assert found.code == 1
    assert {m["id"]: m["sent"] for m in found.json["messages"]} == {gone.id: False, good.id: True}
    assert "rehearsal that it was meant for is over" in found.err
    assert f"snews-drill outbox drop {gone.id}" in found.err
    assert "1 message of 2 still in the outbox" in found.json["error"]["reason"]


def test_drop_takes_what_was_named(invoke: Invoke, keep: Keep) -> None:
    """And nothing by accident."""
    first, second = keep(), keep("JUNO")
    assert invoke("outbox", "drop").code == 2
    assert invoke("outbox", "drop", first.id, "--all").code == 2
    refused = invoke("outbox", "drop", "zzz", "--json")
    assert (refused.code, refused.json["error"]["kind"]) == (1, "OutboxError")
    assert "outbox list" in refused.err
    assert f"Dropped {first.id}" in invoke("outbox", "drop", first.id).out
    assert [e["id"] for e in invoke("outbox", "list", "--json").json["entries"]] == [second.id]


def test_damaged_files_are_told(invoke: Invoke, keep: Keep) -> None:
    """On standard error, with their place; the others are listed."""
    entry = keep()
    folder = Outbox().folder
    (folder / "odd.entry").write_bytes(b"x")
    found = invoke("outbox", "list", "--json")
    assert [e["id"] for e in found.json["entries"]] == [entry.id]
    assert found.json["damaged"] == [str(folder / "damaged" / "odd.entry")]
    assert "Damaged, kept aside" in found.err
    (folder / "damaged" / "odd.entry").unlink()
