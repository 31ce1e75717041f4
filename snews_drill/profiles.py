"""Where messages go: broker, topics, dialect and credentials, as one value with a name.

A destination is a value, never a flag. The default is the rehearsal on this machine; a live broker is used only if it
is named.
"""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from snews_drill.errors import SettingsError

Dialect = Literal["1.3", "3"]

#: The live broker of SNEWS (host and port as the SNEWS documentation gives them).
LIVE_BROKER = "kafka.scimma.org:9092"


class Topics(BaseModel):
    """The three topics of one exercise.

    Attributes
    ----------
    observations : str
        Clients write observations, heartbeats, retractions and commands here.
    alerts : str
        The drill server writes alerts here.
    connection : str
        The drill server confirms connection tests here.
    """

    model_config = ConfigDict(frozen=True)

    observations: str
    alerts: str
    connection: str

    def names(self) -> tuple[str, str, str]:
        """Return the three names."""
        return (self.observations, self.alerts, self.connection)


_DEV_FIREDRILL = Topics(
    observations="snews.experiments-firedrill",
    alerts="snews.alert-firedrill",
    connection="snews.connection-testing",
)
_DEV_TEST = Topics(
    observations="snews.experiments-test", alerts="snews.alert-test", connection="snews.connection-testing"
)
_PROD_FIREDRILL = Topics(
    observations="snews2-exp.experiments-firedrill",
    alerts="snews2.alert-firedrill",
    connection="snews2-exp.connection-testing",
)
_PROD_TEST = Topics(
    observations="snews2-exp.experiments-test",
    alerts="snews2.alert-test",
    connection="snews2-exp.connection-testing",
)


class Profile(BaseModel):
    """A named destination.

    Attributes
    ----------
    name : str
        What the user types.
    broker : str or None
        "host:port"; None for the rehearsal, whose address is known once it runs.
    firedrill, test : Topics
        The topics of the fire drill, and those that `firedrill_mode=False` selects.
    dialect : {"1.3", "3"}
        The message format that is written there; both are always read.
    needs_credentials : bool
        Whether the broker asks for an account (kept in hop's own store).
    is_live : bool
        Whether other people read what is written there.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    broker: str | None
    firedrill: Topics
    test: Topics
    dialect: Dialect
    needs_credentials: bool
    is_live: bool

    def topics(self, *, firedrill_mode: bool) -> Topics:
        """Return the fire-drill topics, or the test topics (never the real ones)."""
        return self.firedrill if firedrill_mode else self.test


def _live(name: str, firedrill: Topics, test: Topics) -> Profile:
    return Profile(
        name=name,
        broker=LIVE_BROKER,
        firedrill=firedrill,
        test=test,
        dialect="3",
        needs_credentials=True,
        is_live=True,
    )


PROFILES: dict[str, Profile] = {
    "rehearsal": Profile(
        name="rehearsal",
        broker=None,
        firedrill=_DEV_FIREDRILL,
        test=_DEV_TEST,
        dialect="1.3",
        needs_credentials=False,
        is_live=False,
    ),
    "firedrill": _live("firedrill", _DEV_FIREDRILL, _DEV_TEST),
    "firedrill-prod": _live("firedrill-prod", _PROD_FIREDRILL, _PROD_TEST),
    "test": _live("test", _DEV_TEST, _DEV_TEST),
}


def get_profile(name: str) -> Profile:
    """Return the profile of that name, or one made for a `kafka://host:port` URL.

    Parameters
    ----------
    name
        "rehearsal", "firedrill", "firedrill-prod", "test", or a Kafka URL without a topic. A URL on this machine's
        loopback speaks dialect 1.3 without credentials; any other one speaks dialect 3 and needs credentials.

    Raises
    ------
    SettingsError
        If it is neither; it says what the choices are.
    """
    if name in PROFILES:
        return PROFILES[name]
    if "://" in name:
        return _from_url(name)
    raise SettingsError(
        f"There is no profile {name!r:.80}.",
        next_step=f"Use one of {', '.join(PROFILES)}, or a broker such as kafka://host:9092.",
    )


def _from_url(url: str) -> Profile:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, 9092 if parts.port is None else parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, 0
    has_more = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme != "kafka" or not host or not port or has_more:
        raise SettingsError(
            f"{_without_password(url)!r:.120} is not the address of a broker.",
            next_step="Write kafka://host:port, without a topic; accounts are kept by `snews-drill auth`.",
        )
    is_loopback = host in ("localhost", "127.0.0.1", "::1")
    shown = f"[{host}]" if ":" in host else host
    return Profile(
        name=f"kafka://{shown}:{port}",
        broker=f"{shown}:{port}",
        firedrill=_DEV_FIREDRILL,
        test=_DEV_TEST,
        dialect="1.3" if is_loopback else "3",
        needs_credentials=not is_loopback,
        is_live=not is_loopback,
    )


def _without_password(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
