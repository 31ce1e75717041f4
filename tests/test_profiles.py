"""Profiles: nothing leaves the machine unless a live one is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snews_drill.errors import SettingsError
from snews_drill.profiles import PROFILES, chosen_profile, get_profile
from snews_drill.settings import DrillSettings
from snews_drill.wire.dialects import get_dialect

REAL_TOPICS = {"snews.experiments", "snews.alert", "snews2-exp.experiments", "snews2.alert"}


def test_the_names() -> None:
    """These are what users type."""
    assert list(PROFILES) == ["rehearsal", "firedrill", "firedrill-prod", "test"]
    assert all(get_profile(name).name == name for name in PROFILES)


def test_the_rehearsal_is_local_and_asks_for_nothing() -> None:
    """No broker elsewhere, no credentials, the tutorial's dialect and topics."""
    rehearsal = get_profile("rehearsal")
    assert (rehearsal.broker, rehearsal.is_live, rehearsal.needs_credentials) == (None, False, False)
    assert rehearsal.dialect == "1.3"
    assert rehearsal.topics(firedrill_mode=True).names() == (
        "snews.experiments-firedrill",
        "snews.alert-firedrill",
        "snews.connection-testing",
    )


@pytest.mark.parametrize("name", ["firedrill", "firedrill-prod", "test"])
def test_live_profiles_need_credentials_and_speak_what_servers_speak(name: str) -> None:
    """They say that others will read."""
    profile = get_profile(name)
    assert (profile.broker, profile.is_live, profile.needs_credentials) == (
        "kafka.scimma.org:9092",
        True,
        True,
    )
    assert profile.dialect == "3"


def test_firedrill_mode_selects_the_pair() -> None:
    """False means the test topics; the prefix is that of the system."""
    assert get_profile("firedrill").topics(firedrill_mode=False).observations == "snews.experiments-test"
    production = get_profile("firedrill-prod")
    assert production.topics(firedrill_mode=True).observations == "snews2-exp.experiments-firedrill"
    assert production.topics(firedrill_mode=True).alerts == "snews2.alert-firedrill"
    assert production.topics(firedrill_mode=False).alerts == "snews2.alert-test"
    assert production.topics(firedrill_mode=False).connection == "snews2-exp.connection-testing"
    assert get_profile("test").topics(firedrill_mode=True).observations == "snews.experiments-test"


@pytest.mark.parametrize("name", [*PROFILES, "kafka://localhost", "kafka://example.org"])
def test_the_real_topics_are_never_used(name: str) -> None:
    """A drill never writes where a supernova would be announced."""
    for firedrill_mode in (True, False):
        assert not REAL_TOPICS & set(get_profile(name).topics(firedrill_mode=firedrill_mode).names())


@pytest.mark.parametrize(
    ("url", "broker", "is_local"),
    [
        ("kafka://localhost", "localhost:9092", True),
        ("kafka://127.0.0.1:1234", "127.0.0.1:1234", True),
        ("kafka://[::1]:1234", "[::1]:1234", True),
        ("kafka://broker.example.org", "broker.example.org:9092", False),
        ("kafka://Broker.example.org:19092/", "broker.example.org:19092", False),
        ("kafka://[2001:db8::1]", "[2001:db8::1]:9092", False),
        ("kafka://localhost.example.org", "localhost.example.org:9092", False),
    ],
)
def test_any_kafka_will_do(url: str, broker: str, is_local: bool) -> None:
    """A broker on this machine is trusted like the rehearsal; others read what is written to any other one."""
    profile = get_profile(url)
    assert profile.broker == broker
    assert profile.name == f"kafka://{broker}"
    assert profile.is_live is not is_local
    assert not profile.needs_credentials
    assert ("1.3" if is_local else "3") == get_dialect(profile.dialect).NAME
    assert get_profile(profile.name) == profile


@pytest.mark.parametrize(
    "name",
    [
        "", "live", "Rehearsal", "kafka", "host:9092", "kafka://", "kafka:///topic", "kafka://host/topic",
        "http://host", "kafka://host:99999", "kafka://host:0", "kafka://host:port", "kafka://[::1", "kafka://host?x=1",
        "kafka://host#x", "kafka://host?topics_prefix=",
        "kafka://host?topics_prefix=a&topics_prefix=b", "kafka://user@host", "kafka://user:pw@host", "kafka://a,b:9092/x", "://",
    ],
)  # fmt: skip
def test_what_is_no_profile_is_refused_with_the_choices(name: str) -> None:
    """Nothing that was written is silently left out of an address."""
    with pytest.raises(SettingsError) as caught:
        get_profile(name)
    assert "kafka://host" in caught.value.next_step


@pytest.mark.parametrize(
    "url", ["kafka://me:hunter2@host", "kafka://me:hunt/er2@host:1/t", "http://me:hunter2@host"]
)
def test_a_password_in_an_address_is_not_repeated(url: str) -> None:
    """Errors end up in notebooks."""
    with pytest.raises(SettingsError) as caught:
        get_profile(url)
    assert "hunt" not in str(caught.value)
    assert "hunt" not in repr(caught.value)


@given(st.text(max_size=60) | st.text(max_size=60).map(lambda text: f"kafka://{text}"))
def test_any_text_is_a_profile_or_a_settings_error(text: str) -> None:
    """Nothing else is raised."""
    try:
        profile = get_profile(text)
    except SettingsError as error:
        assert len(str(error)) < 500  # noqa: PT017 - either is right
    else:
        assert profile.broker or text == "rehearsal"


def test_the_live_broker_needs_credentials_however_it_is_named() -> None:
    assert get_profile("kafka://kafka.scimma.org").needs_credentials


def test_a_private_drill_has_topics_of_its_own_and_its_name_says_so() -> None:
    """The name is all that another program needs."""
    profile = get_profile("kafka://host", topics_prefix="myschool.")
    assert profile.name == "kafka://host:9092?topics_prefix=myschool."
    assert profile.broker == "host:9092"
    assert profile.firedrill.names() == (
        "myschool.snews.experiments-firedrill",
        "myschool.snews.alert-firedrill",
        "myschool.snews.connection-testing",
    )
    assert profile.test.observations == "myschool.snews.experiments-test"
    assert get_profile(profile.name) == profile
    assert get_profile("kafka://host", topics_prefix="") == get_profile("kafka://host")


@pytest.mark.parametrize("prefix", ["a b", "a/b", "ä", "x" * 101, "a\n"])
def test_a_prefix_must_be_able_to_begin_a_topic(prefix: str) -> None:
    with pytest.raises(SettingsError, match="cannot begin"):
        get_profile("kafka://host", topics_prefix=prefix)


@pytest.mark.parametrize("name", PROFILES)
def test_the_topics_of_named_profiles_are_fixed(name: str, settings: DrillSettings) -> None:
    """A prefix that is meant for them is refused; one that the settings have for other brokers is not meant for them."""
    with pytest.raises(SettingsError, match="fixed"):
        get_profile(name, topics_prefix="myschool.")
    prefixed = settings.model_copy(update={"topics_prefix": "myschool.", "profile": name})
    assert chosen_profile(None, prefixed) == PROFILES[name]


def test_the_settings_prefix_holds_unless_something_else_is_said(settings: DrillSettings) -> None:
    prefixed = settings.model_copy(update={"topics_prefix": "a.", "profile": "kafka://host"})

    def topic(name: str | None = None, **more: str) -> str:
        return chosen_profile(name, prefixed, **more).firedrill.observations

    assert topic() == topic("kafka://other") == "a.snews.experiments-firedrill"
    assert (
        topic(topics_prefix="b.") == topic("kafka://host?topics_prefix=b.") == "b.snews.experiments-firedrill"
    )
    assert topic(topics_prefix="") == "snews.experiments-firedrill"
    with pytest.raises(SettingsError, match="more than once"):
        topic("kafka://host?topics_prefix=b.", topics_prefix="c.")


FILE = """
[firedrill]
observations = "school.in"
alerts = "school.out"
connection = "school.echo"
[test]
observations = "school.in-test"
alerts = "school.out-test"
connection = "school.echo"
"""


def test_topics_can_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "my topics.toml"
    path.write_text(FILE)
    profile = get_profile("kafka://host", topics=path)
    assert profile.firedrill.names() == ("school.in", "school.out", "school.echo")
    assert profile.test.names() == ("school.in-test", "school.out-test", "school.echo")
    assert get_profile(profile.name) == profile


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("school.in-test", "school.in", "two purposes"), ('"school.out"', '"snews.alert"', "cannot be a drill's topic"),
        ("school.in-test", "a b", "cannot be a drill's topic"), ("[test]", "[tests]", "exactly the tables"),
        ("alerts", "alarms", "firedrill|alerts"), ("[test]", "[test", "is not TOML"), ('"school.out"', "1", "alerts"),
    ],
)  # fmt: skip
def test_a_file_that_names_no_drill_is_refused(tmp_path: Path, before: str, after: str, reason: str) -> None:
    path = tmp_path / "topics.toml"
    path.write_text(FILE.replace(before, after))
    with pytest.raises(SettingsError, match=reason) as caught:
        get_profile("kafka://host", topics=path)
    assert caught.value.next_step


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml cannot be read"):
        get_profile("kafka://host", topics=tmp_path / "none.toml")
