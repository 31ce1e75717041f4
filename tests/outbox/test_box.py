"""`Outbox`, as users call it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
from messages_to_send import observation
from outbox.test_entry import make_entry, put_entry

from snews_drill.errors import OutboxError
from snews_drill.outbox import Outbox
from snews_drill.outbox.entry import OutboxEntry
from snews_drill.settings import DrillSettings


@pytest.fixture
def keep(user: DrillSettings) -> Callable[..., OutboxEntry]:
    """Return a function that puts an entry into the outbox."""
    return functools.partial(put_entry, user)


def test_an_empty_outbox_says_so(outbox: Outbox) -> None:
    """In a terminal, in a notebook, as a list; and it is true."""
    assert repr(outbox) == "Outbox: nothing waits"
    assert "nothing waits" in outbox._repr_html_()
    assert len(outbox) == 0
    assert list(outbox) == []
    assert outbox
    report = outbox.send()
    assert report
    assert len(report) == 0


def test_it_shows_what_waits_and_what_to_do(outbox: Outbox, keep: Callable[..., OutboxEntry]) -> None:
    """Who, what, where, why, and the next step."""
    entry = keep(failure="The broker is away.")
    for shown in (repr(outbox), outbox._repr_html_()):
        for word in (
            entry.id,
            "XENONnT",
            "CoincidenceTier",
            "a.topic on 127.0.0.1:9092",
            "The broker is away.",
        ):
            assert word in shown
        assert "send()" in shown


def test_foreign_text_is_shown_not_obeyed(outbox: Outbox, keep: Callable[..., OutboxEntry]) -> None:
    """What a broker said is text."""
    keep(failure="<script>alert(1)</script>\x1b[2J")
    html = outbox._repr_html_()
    assert "<script>" not in html
    assert "\x1b" not in html
    assert "\x1b" not in repr(outbox)


def test_entries_are_found_by_their_first_digits(outbox: Outbox, keep: Callable[..., OutboxEntry]) -> None:
    """If they are enough."""
    first, second = keep(), keep(observation("JUNO"))
    assert outbox.find(first.id[:9]) == first
    for wrong in ("", "x", first.id + "0"):
        with pytest.raises(OutboxError, match="no entry"):
            outbox.find(wrong)
    with pytest.raises(OutboxError, match="Nothing was named"):
        outbox.drop()
    assert outbox.drop(second.id) == [second]
    assert outbox.entries == [first]
    assert outbox.drop_all() == [first]
    assert outbox.entries == []


def test_digits_that_several_begin_with_are_refused(outbox: Outbox, keep: Callable[..., OutboxEntry]) -> None:
    """Nothing is dropped by a guess."""
    seen: dict[str, OutboxEntry] = {}
    while True:
        entry = make_entry()
        if entry.id[0] in seen:
            break
        seen[entry.id[0]] = entry
    keep(entry.content)
    keep(seen[entry.id[0]].content)
    with pytest.raises(OutboxError, match="2 entries"):
        outbox.drop(entry.id[0])


def test_damaged_files_are_told(outbox: Outbox, keep: Callable[..., OutboxEntry]) -> None:
    """Where they lie."""
    keep()
    (outbox.folder / "broken.entry").write_bytes(b"x")
    assert "1 could not be read" in repr(outbox)
    assert outbox.damaged == [outbox.folder / "damaged" / "broken.entry"]
    assert "1 damaged file kept aside" in outbox._repr_html_()


def test_a_folder_that_cannot_be_used_is_told(user: DrillSettings, tmp_path: Path) -> None:
    """A file in its place."""
    user.state_dir.mkdir(parents=True)
    (user.state_dir / "outbox").write_text("x")
    with pytest.raises(OutboxError, match="cannot be read"):
        _ = Outbox(settings=user).entries


def test_only_one_profile_is_sent(outbox: Outbox, keep: Callable[..., OutboxEntry]) -> None:
    """The others are not touched."""
    keep()
    assert len(outbox.send(profile="firedrill")) == 0
    (one,) = outbox.send(profile="rehearsal", timeout=0.3)
    assert not one.is_sent
    assert "is over" in one.reason
