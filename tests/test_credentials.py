"""Credentials: hop's own store, private, and no password anywhere else."""

from __future__ import annotations

import logging
import os
import tomllib
import traceback
from pathlib import Path

import hop.auth
import pytest
from credential_home import SECRET, Home, make_home
from pydantic import SecretStr

from snews_drill.credentials import (
    add_credential,
    list_credentials,
    plain_host,
    remove_credential,
    test_credential,
)
from snews_drill.errors import BrokerUnreachable, DrillError, NotAuthenticated, SettingsError
from snews_drill.rehearsal.broker import EmbeddedBroker
from snews_drill.transport import Transport, find_credentials

HOST = "broker.example.org:9093"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    return make_home(tmp_path, monkeypatch)


def everything_said(error: BaseException) -> str:
    return f"{error!r}{error}{''.join(traceback.format_exception(error))}{vars(error)}"


def test_what_is_added_is_hops_own(home: Home) -> None:
    """hop reads it, finds it for the broker, and would have written the same file."""
    made = add_credential("member", SecretStr(SECRET), f"kafka://{HOST}")
    assert (made.name, made.host, made.mechanism) == ("member", HOST, "SCRAM-SHA-512")
    assert home.mode() == 0o600
    ours = home.store.read_text()
    loaded = hop.auth.load_auth()
    hop.auth.write_auth_data(str(home.store), loaded)
    assert home.store.read_text() == ours
    assert hop.auth.select_matching_auth(loaded, HOST) == hop.auth.Auth("member", SECRET, host=HOST)
    assert list(home.store.parent.iterdir()) == [home.store]  # no half-written file is left


def test_no_password_in_what_is_returned(home: Home) -> None:
    """Neither in the list nor in any repr."""
    made = add_credential("member", SECRET, HOST)
    assert list_credentials() == [made]
    assert SECRET not in repr(made) + str(list_credentials())


def test_one_of_the_same_name_and_host_is_replaced_only_if_asked(home: Home) -> None:
    """And others stay."""
    add_credential("member", "old", HOST)
    add_credential("member", "other", "elsewhere.example.org")
    with pytest.raises(SettingsError, match="already") as refusal:
        add_credential("member", SECRET, HOST)
    assert SECRET not in everything_said(refusal.value)
    add_credential("member", SECRET, HOST, replace=True)
    stored = {auth.hostname: auth.password for auth in hop.auth.load_auth()}
    assert stored == {HOST: SECRET, "elsewhere.example.org": "other"}


def test_removing(home: Home) -> None:
    """By name alone where that is enough; else the hosts are told."""
    add_credential("member", SECRET, HOST)
    add_credential("member", SECRET, "elsewhere.example.org")
    with pytest.raises(SettingsError, match="several") as refusal:
        remove_credential("member")
    assert "member@HOST" in refusal.value.next_step
    assert remove_credential("member", HOST).host == HOST
    assert remove_credential("member").host == "elsewhere.example.org"
    assert list_credentials() == []
    with pytest.raises(SettingsError, match="no credential"):
        remove_credential("member")


def test_a_file_without_any_is_empty_not_broken(home: Home) -> None:
    assert list_credentials() == []
    assert not home.store.exists()


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_store_that_others_may_open_is_refused(home: Home, mode: int) -> None:
    """For reading and for writing, with the one command that mends it."""
    add_credential("member", SECRET, HOST)
    home.store.chmod(mode)
    before = home.store.read_bytes()
    for do in (
        list_credentials,
        lambda: add_credential("second", SECRET, HOST),
        lambda: remove_credential("member"),
        lambda: find_credentials(HOST),
    ):
        with pytest.raises(NotAuthenticated, match=f"{mode:04o}") as refusal:
            do()
        assert f"chmod 600 {home.store}" in refusal.value.next_step
        assert SECRET not in everything_said(refusal.value)
    assert home.store.read_bytes() == before


@pytest.mark.parametrize(
    "content",
    [
        'auth = [{username="a", password=5correct-horse}]',
        '[[auth]]\nusername="member"\npassword = "correct-horse" x',
        '[[auth]]\nusername="member"\npassword = ["correct-horse"]\nmechanism = "correct-horse"',
        "[[auth]]\nusername='m'\npassword='correct-horse'\nmechanism=7",
        "auth = 'correct-horse'",
        "\x00\xff",
    ],
)
def test_a_broken_store_is_told_without_its_content(home: Home, content: str) -> None:
    """hop's and toml's own words repeat parts of it."""
    home.store.parent.mkdir(parents=True)
    home.store.touch(mode=0o600)
    home.store.write_text(content, encoding="latin-1")
    with pytest.raises(NotAuthenticated) as refusal:
        list_credentials()
    assert str(home.store) in refusal.value.reason
    assert "correct-horse" not in everything_said(refusal.value)


def test_a_link_to_the_store_stays_one(home: Home, tmp_path: Path) -> None:
    """Some keep their configuration elsewhere."""
    home.store.parent.mkdir(parents=True)
    real = tmp_path / "kept.toml"
    home.store.symlink_to(real)
    real.touch(mode=0o600)
    real.write_text("auth = []")
    add_credential("member", SECRET, HOST)
    assert home.store.is_symlink()
    assert tomllib.loads(real.read_text())["auth"][0]["username"] == "member"


@pytest.mark.parametrize(
    "host", ["", " ", "no host", "user:pw@host", "host:0", "host:99999", "http://host", SECRET]
)
def test_what_is_no_host_is_refused_without_repeating_it(home: Home, host: str) -> None:
    """The password may have been typed into the wrong field."""
    with pytest.raises(SettingsError) as refusal:
        add_credential("member", SECRET, host)
    assert SECRET not in everything_said(refusal.value).replace(repr(host), "")
    assert not home.store.exists()


def test_hosts_are_kept_as_hop_compares_them() -> None:
    assert plain_host(" kafka://kafka.scimma.org/ ") == "kafka.scimma.org"
    assert plain_host("[::1]:9092") == "[::1]:9092"


@pytest.mark.parametrize("secret", ["", " x", "x\n", "a\x1bb", "x" * 2000])
def test_what_is_no_password_is_refused(home: Home, secret: str) -> None:
    with pytest.raises(SettingsError, match="password"):
        add_credential("member", secret, HOST)
    assert not home.store.exists()


def test_an_authority_must_be_readable(home: Home, tmp_path: Path) -> None:
    """A wrong file shows itself when it is given, not at the next connection."""
    wrong = tmp_path / "ca.pem"
    for content in (None, "no certificate"):
        if content is not None:
            wrong.write_text(content)
        with pytest.raises(SettingsError, match=r"ca\.pem"):
            add_credential("member", SECRET, HOST, wrong)
    assert not home.store.exists()


def test_no_credential_and_no_broker_are_told_apart(home: Home) -> None:
    with pytest.raises(NotAuthenticated, match="no credentials"):
        test_credential(HOST)
    add_credential("member", SECRET, "127.0.0.1:1")
    with pytest.raises(NotAuthenticated, match="no credentials"):
        test_credential(HOST)
    with pytest.raises(BrokerUnreachable):
        test_credential("127.0.0.1:1", timeout=0.5)


def test_no_password_in_any_log(home: Home, broker: EmbeddedBroker, caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG, of every library, while everything that uses a credential is done; adc-streaming logs its settings."""
    caplog.set_level(logging.DEBUG)
    for name in ("adc-streaming.producer", "adc-streaming.consumer", "hop", "snews_drill.kafka"):
        caplog.set_level(logging.DEBUG, logger=name)
    add_credential("member", SECRET, broker.address)
    transport = Transport(broker.address, auth=find_credentials(broker.address))
    try:
        transport._open_producer()
        for do in (
            lambda: transport.check(timeout=0.3),
            lambda: transport.open_reader(["x"], timeout=0.3),
            lambda: transport.rights(["x"], timeout=0.3),
        ):
            with pytest.raises(DrillError) as refusal:
                do()
            assert SECRET not in everything_said(refusal.value)
    finally:
        transport.close(timeout=0.1)
    remove_credential("member")
    # Loggers that a library uses as it is, with the settings in their words, stay silent as well.
    for name in ("adc-streaming.producer", "adc-streaming.consumer"):
        logging.getLogger(name).debug("settings: %s", SECRET)
        logging.getLogger(name).info("%s can be heard", name)
    assert "adc-streaming.producer can be heard" in caplog.text
    assert SECRET not in caplog.text
