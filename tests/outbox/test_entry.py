"""One kept message: what it says, whether it may still be sent, and that nothing damaged is believed."""

from __future__ import annotations

import hashlib
import os
import platform
import time

import pytest
from messages_to_send import observation, retraction
from pydantic import ValidationError

from snews_drill.errors import OutboxError
from snews_drill.messages.checks import MAX_AGE_NS, OBSERVATION_LIFETIME_NS
from snews_drill.messages.tiers import DetectorMessage
from snews_drill.outbox.entry import OutboxEntry, SenderMark, identify
from snews_drill.outbox.folder import OutboxFolder
from snews_drill.settings import DrillSettings
from snews_drill.wire.dialects import decode_record


def make_entry(content: bytes | None = None, **changes: object) -> OutboxEntry:
    """Return an entry that holds that record."""
    content = observation("XENONnT") if content is None else content
    message = decode_record(content, "json").value
    assert isinstance(message, DetectorMessage)
    now_ns = time.time_ns()
    fields = {
        "id": identify("127.0.0.1:9092", "a.topic", message),
        "profile": "rehearsal",
        "broker": "127.0.0.1:9092",
        "topic": "a.topic",
        "dialect": "1.3",
        "is_live": False,
        "content": content,
        "content_format": "json",
        "kept_ns": now_ns,
        "tried_ns": now_ns,
        "attempts": 1,
        "failure": "No answer.",
        "next_step": "Try again.",
    }
    return OutboxEntry.model_validate({**fields, **changes})


def put_entry(user: DrillSettings, *arguments: object, **changes: object) -> OutboxEntry:
    """Make an entry and lay it into a user's outbox."""
    entry = make_entry(*arguments, **changes)  # type: ignore[arg-type]
    OutboxFolder(user.state_dir).write(entry, is_durable=False)
    return entry


@pytest.mark.parametrize("dialect", ["1.3", "3"])
def test_what_is_written_is_read(dialect: str) -> None:
    """Byte for byte, a pickled model as well as a JSON text."""
    entry = make_entry(observation("JUNO", dialect=dialect), dialect=dialect)
    again = OutboxEntry.from_bytes(entry.to_bytes())
    assert again == entry
    assert again.payload.content == entry.content
    assert again.fields["detector_name"] == "JUNO"


def test_every_changed_byte_is_noticed() -> None:
    """Wherever it stands."""
    raw = make_entry().to_bytes()
    for place in range(0, len(raw), 7):
        changed = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        with pytest.raises(OutboxError, match="damaged"):
            OutboxEntry.from_bytes(changed)


@pytest.mark.parametrize("raw", [b"", b"\n", b"{}", b"\x00" * 100, b"snews_drill-outbox-1 00\n{}"])
def test_what_is_no_entry_is_refused(raw: bytes) -> None:
    """Empty, cut off, or something else; the error ends with a next step."""
    with pytest.raises(OutboxError, match="Next step"):
        OutboxEntry.from_bytes(raw)
    with pytest.raises(OutboxError):
        OutboxEntry.from_bytes(make_entry().to_bytes()[:-1])


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "0" * 16},
        {"topic": "another.topic"},
        {"content": observation("JUNO")},
        {"content": b"no message"},
    ],
)
def test_a_checksum_alone_is_not_enough(changes: dict[str, object]) -> None:
    """A message under another's name, for another place, or no message at all."""
    raw = make_entry().model_copy(update=changes).to_bytes()
    with pytest.raises(OutboxError, match="damaged"):
        OutboxEntry.from_bytes(raw)


@pytest.mark.parametrize(
    "changes",
    [
        {"topic": "a/b"},
        {"dialect": "2"},
        {"content_format": "pickle"},
        {"attempts": 0},
        {"kept_ns": -1},
        {"attempts": "1"},
        {"more": 1},
    ],
)
def test_fields_are_checked(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        make_entry(**changes)


def test_unknown_fields_in_a_file_are_refused() -> None:
    """Even with the right checksum."""
    _, _, body = make_entry().to_bytes().partition(b"\n")
    body = body[:-1] + b',"more":1}'
    with pytest.raises(OutboxError, match="fields"):
        OutboxEntry.from_bytes(
            b"snews_drill-outbox-1 " + hashlib.sha256(body).hexdigest().encode() + b"\n" + body
        )


def test_it_is_checked_again_with_the_time_at_hand() -> None:
    """After 24 h it would take part in nothing, after 48 h no server takes it."""
    entry = make_entry()
    assert entry.problems(now_ns=time.time_ns()) == []
    (sent,) = entry.problems(now_ns=time.time_ns() + OBSERVATION_LIFETIME_NS)
    assert "counts for 24 hours" in sent.reason
    old, _ = entry.problems(now_ns=time.time_ns() + MAX_AGE_NS)
    assert "48 hours" in old.reason


def test_a_retraction_says_what_it_would_take_back() -> None:
    assert make_entry(retraction("JUNO", 1)).remark.startswith("It takes back the latest observation of JUNO")
    assert "latest 2 observations" in make_entry(retraction("JUNO", 2)).remark
    assert make_entry().remark == ""


def test_who_has_it_on_its_way() -> None:
    """This process does until its patience ends; one that has gone does not, wherever it was."""
    now_ns = time.time_ns()
    mine = SenderMark.of_this_process(until_ns=now_ns + 10**10)
    assert mine.pid == os.getpid()
    assert mine.is_at_work(now_ns)
    assert not mine.is_at_work(now_ns + 60 * 10**9)
    another = mine.model_copy(update={"created": mine.created - 100})
    assert not another.is_at_work(now_ns)
    elsewhere = another.model_copy(update={"host": f"not-{platform.node()}"})
    assert elsewhere.is_at_work(now_ns)
    assert not elsewhere.is_at_work(now_ns + 60 * 10**9)
    on_its_way = make_entry(sender=mine, failure="")
    assert on_its_way.is_being_sent
    assert "being sent" in on_its_way.reason
    assert "ended before" in make_entry(sender=another, failure="").reason
    assert make_entry().reason == "No answer."


def test_a_name_holds_place_topic_and_message() -> None:
    """What differs in any of them is another entry."""
    message = make_entry().message
    other = make_entry(observation("JUNO")).message
    names = {identify(p, t, m) for p in ("a", "b") for t in ("x", "y") for m in (message, other)}
    assert len(names) == 8
    assert all(len(name) == 16 for name in names)


def test_messages_that_were_given_the_same_machine_time_are_others_all_the_same() -> None:
    """They share their id; a test is not the real thing, and another neutrino time is another observation."""
    given, zero = {"machine_time": "2026-01-01T12:00:00.000000"}, time.time_ns() - 10**10
    contents = [
        *(observation("JUNO", zero, is_test=is_test, **given) for is_test in (True, False)),
        observation("JUNO", zero + 10**9, **given),
        *(retraction("JUNO", is_test=is_test, **given) for is_test in (True, False)),
    ]
    entries = [make_entry(content) for content in contents]
    assert len({entry.message_id for entry in entries}) == 2
    assert len({entry.id for entry in entries}) == 5
    corrected = make_entry(observation("JUNO", zero, p_val=0.07, **given))
    assert corrected.id == entries[1].id
