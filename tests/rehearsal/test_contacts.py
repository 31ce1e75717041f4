"""Who may get mail: registered addresses and nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snews_drill.errors import NotAuthorised, SettingsError, UnknownDetector
from snews_drill.rehearsal.contacts import (
    MAX_ADDRESSES,
    Contacts,
    contacts_from,
    is_address,
    load_contacts,
    registered,
    shown,
    template_path,
)
from snews_drill.settings import DrillSettings

CONTACTS = contacts_from(
    {"XENONnT": ["Shift@xenon.example", "boss@xenon.example"], "sk": ["alerts@superk.example"]},
    source="the test",
)


def write_contacts(settings: DrillSettings, text: str | bytes) -> Path:
    path = settings.config_dir / "contacts.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    "text", ["a@b", "me@localhost", "first.last+drill@lab-1.example", "x" * 64 + "@" + "d" * 63 + ".example"]
)
def test_plain_addresses_are_taken(text: str) -> None:
    assert is_address(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "a@",
        "@b",
        "a.b.example",
        "a@@b",
        "a@b@c",
        "a@b\n",
        "a@b\r\nBcc: c@d",
        "a\n@b",
        "a@b,c@d",
        "a@b;c@d",
        "a b@c",
        " a@b",
        "<a@b>",
        "A <a@b>",
        '"a"@b',
        "a@b.",
        "a@.b",
        "a@-b",
        "a..b@c",
        ".a@b",
        "a@[127.0.0.1]",
        "ä@b",
        "a@ｂ",
        "a@b\x00",
        "a@b\u2028",
        "-oX@b c",
        "x" * 65 + "@b",
        "a@" + "d" * 64,
        "a@" + "d." * 126 + "example",
        "a(comment)@b",
        "a`id`@b",
    ],
)
def test_anything_more_than_a_plain_address_is_refused(text: str) -> None:
    assert not is_address(text)


def test_registered_addresses_come_back_as_the_file_spells_them() -> None:
    assert CONTACTS.registered("XENONnT", "shift@XENON.example") == ["Shift@xenon.example"]
    assert CONTACTS.registered(
        "xenonnt", " boss@xenon.example ; ;Shift@xenon.example;BOSS@xenon.example"
    ) == [
        "boss@xenon.example",
        "Shift@xenon.example",
    ]
    assert CONTACTS.registered("Super-K", "alerts@superk.example") == ["alerts@superk.example"]


def test_one_stranger_among_the_addresses_refuses_them_all_and_is_named() -> None:
    with pytest.raises(NotAuthorised) as caught:
        CONTACTS.registered("XENONnT", "boss@xenon.example;stranger@elsewhere.example")
    assert "stranger@elsewhere.example" in str(caught.value)
    assert "boss@" not in str(caught.value)


def test_an_address_registered_for_another_detector_is_a_stranger() -> None:
    with pytest.raises(NotAuthorised):
        CONTACTS.registered("XENONnT", "alerts@superk.example")
    with pytest.raises(NotAuthorised):
        CONTACTS.registered("LVD", "alerts@superk.example")


def test_refusal_does_not_tell_who_is_registered() -> None:
    with pytest.raises(NotAuthorised) as caught:
        CONTACTS.registered("XENONnT", "stranger@elsewhere.example")
    assert "xenon.example" not in str(caught.value)
    assert "xenon.example" not in repr(CONTACTS)


@given(st.text(max_size=400))
def test_hostile_text_yields_only_registered_addresses_and_is_never_echoed_raw(text: str) -> None:
    found: list[str] = []
    refusal = ""
    try:
        found = CONTACTS.registered("XENONnT", text)
    except NotAuthorised as error:
        refusal = error.reason
    assert set(found) <= {"Shift@xenon.example", "boss@xenon.example"}
    assert bool(found) != bool(refusal)
    assert refusal.isascii()
    assert refusal.isprintable()
    assert len(refusal) < 400


@pytest.mark.parametrize(
    "text",
    [
        "boss@xenon.example\r\nBcc: x@y.example",
        "boss@xenon.example\n",
        "boss@xenon.example,x@y.example",
        "x" * 100_000,
        "\x1b[2J@b",
        "a@b;" * 50_000,
        "boss@xenon.example;" * (MAX_ADDRESSES + 1),
        "",
        ";;",
    ],
)
def test_injection_floods_and_nothing_at_all_are_refused(text: str) -> None:
    with pytest.raises(NotAuthorised) as caught:
        CONTACTS.registered("XENONnT", text)
    assert len(caught.value.reason) < 400
    assert caught.value.reason.isprintable()


def test_unknown_detector_is_said_to_be_unknown() -> None:
    with pytest.raises(UnknownDetector):
        CONTACTS.registered("XENON9T", "boss@xenon.example")


def test_file_is_read_from_the_config_folder_and_spellings_are_merged(settings: DrillSettings) -> None:
    path = write_contacts(settings, '[contacts]\nSK = ["a@b"]\n"Super-K" = ["c@d", "a@b"]\nLVD = []\n')
    found = load_contacts(settings)
    assert found == Contacts({"Super-K": ("a@b", "c@d"), "LVD": ()}, str(path))
    assert registered("Super-K", "c@d", settings) == ["c@d"]


def test_missing_file_says_what_to_copy_where(settings: DrillSettings) -> None:
    with pytest.raises(SettingsError) as caught:
        load_contacts(settings)
    assert str(settings.config_dir / "contacts.toml") in caught.value.next_step
    assert str(template_path()) in caught.value.next_step


def test_template_is_a_file_that_can_be_read_once_its_marks_are_taken_away(settings: DrillSettings) -> None:
    text = template_path().read_text(encoding="utf-8")
    write_contacts(settings, text)
    assert load_contacts(settings).addresses == {}
    head, _, lines = text.partition("[contacts]")
    write_contacts(settings, head + "[contacts]" + lines.replace("# ", ""))
    assert set(load_contacts(settings).addresses) == {"XENONnT", "Super-K", "SNO+"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[contacts", "not a TOML file"),
        (b"\xff\xfe", "not a TOML file"),
        ('XENONnT = ["a@b"]', "one table"),
        ("contacts = 3", "one table"),
        ('[contacts]\n[extra]\na = "b"', "one table"),
        ('[contacts]\nXENON9T = ["a@b"]', "XENON9T"),
        ('[contacts]\nLVD = "a@b"', "not a list"),
        ("[contacts]\nLVD = [1]", "no plain mail address"),
        ('[contacts]\nLVD = ["a@b\\r\\nBcc: c@d"]', r"a@b\\r\\nBcc"),
        ('[contacts]\nLVD = ["a@b,c@d"]', "no plain mail address"),
        (f"[contacts]\nLVD = {[f'a{i}@b' for i in range(21)]}", "more than 20"),
        ("#" * 1_000_001, "larger than"),
        ("[contacts]\nLVD = " + "[" * 20_000, "not a TOML file"),
    ],
)
def test_faulty_file_is_refused_with_place_and_reason(
    settings: DrillSettings, text: str | bytes, said: str
) -> None:
    path = write_contacts(settings, text)
    with pytest.raises(SettingsError) as caught:
        load_contacts(settings)
    assert said.replace("\\\\", "\\") in caught.value.reason
    assert str(path) in caught.value.reason
    assert "\r" not in caught.value.reason


def test_folder_in_the_place_of_the_file_is_a_clear_error(settings: DrillSettings) -> None:
    (settings.config_dir / "contacts.toml").mkdir(parents=True)
    with pytest.raises(SettingsError, match="cannot be read"):
        load_contacts(settings)


def test_shown_text_is_bounded_and_plain() -> None:
    assert shown("a\r\n\x1b[31mä") == r"'a\r\n\x1b[31m\xe4'"
    assert len(shown("\U0001f600" * 10_000)) < 90
