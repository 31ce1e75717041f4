"""Profiles: nothing leaves the machine unless a live one is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snews_drill.errors import SettingsError
from snews_drill.profiles import PROFILES, get_profile
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
    """A broker on this machine is trusted like the rehearsal, any other one like the live system."""
    profile = get_profile(url)
    assert profile.broker == broker
    assert profile.name == f"kafka://{broker}"
    assert profile.is_live is not is_local
    assert profile.needs_credentials is not is_local
    assert ("1.3" if is_local else "3") == get_dialect(profile.dialect).NAME
    assert get_profile(profile.name) == profile


@pytest.mark.parametrize(
    "name",
    [
        "", "live", "Rehearsal", "kafka", "localhost:9092", "kafka://", "kafka:///topic", "kafka://host/topic",
        "http://host", "kafka://host:99999", "kafka://host:0", "kafka://host:port", "kafka://[::1", "kafka://host?x=1",
        "kafka://host#x", "kafka://user@host", "kafka://user:pw@host", "kafka://a,b:9092/x", "://",
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
