"""Where messages go: broker, topics, dialect and credentials, as one value with a name.

A destination is a value, never a flag. The default is the rehearsal on this machine; a live broker is used only if it
is named. On a broker of one's own a drill may have topics of its own; they are part of the destination's name:
`kafka://host:port?topics_prefix=myschool.` or `kafka://host:port?topics=/path/topics.toml`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, quote, urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from snews_drill.errors import SettingsError
from snews_drill.settings import DrillSettings, expanded
from snews_drill.toml_text import read_toml

Dialect = Literal["1.3", "3"]

#: The live broker of SNEWS (host and port as the SNEWS documentation gives them).
LIVE_BROKER = "kafka.scimma.org:9092"

#: Where a real supernova is announced. Source: the topics of the SNEWS publishing tools and server.
_REAL_TOPICS = frozenset({"snews.experiments", "snews.alert", "snews2-exp.experiments", "snews2.alert"})

#: What Kafka allows in a topic's name. A prefix leaves room for what follows it; Kafka's limit is 249.
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_PREFIX = re.compile(r"[A-Za-z0-9._-]{1,100}")

#: A file of topics is some lines long, bytes.
_MAX_FILE_BYTES = 65_536


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

    model_config = ConfigDict(frozen=True, extra="forbid")

    observations: str
    alerts: str
    connection: str

    def names(self) -> tuple[str, str, str]:
        """Return the three names."""
        return (self.observations, self.alerts, self.connection)

    def prefixed(self, prefix: str) -> Topics:
        """Return the same topics with `prefix` in front of each."""
        return Topics(**{role: prefix + name for role, name in self.model_dump().items()})


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
        Whether the broker is known to ask for an account (kept in hop's own store). Elsewhere the account that the store
        has for that very broker is used, if it has one.
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


def get_profile(name: str, *, topics_prefix: str | None = None, topics: str | Path | None = None) -> Profile:
    """Return the profile of that name, or one made for a `kafka://host:port` URL.

    Parameters
    ----------
    name
        "rehearsal", "firedrill", "firedrill-prod", "test", or a Kafka URL without a topic. A URL on this machine's
        loopback speaks dialect 1.3, any other one dialect 3.
    topics_prefix
        Goes in front of every topic on a broker that a URL names: a private drill. "" for none.
    topics
        A TOML file with the tables `firedrill` and `test`, each naming `observations`, `alerts` and `connection`.

    Raises
    ------
    SettingsError
        If it is neither; it says what the choices are. Or if the topics cannot be used.
    """
    if "://" in name:
        return _from_url(name, topics_prefix, topics)
    if name not in PROFILES:
        raise SettingsError(
            f"There is no profile {name!r:.80}.",
            next_step=f"For that broker: kafka://{name}"
            if re.fullmatch(r"[A-Za-z0-9.-]{1,253}:[0-9]{1,5}", name)
            else f"Use one of {', '.join(PROFILES)}, or a broker such as kafka://host:9092.",
        )
    if topics_prefix or topics:
        raise SettingsError(
            f"The topics of {name} are fixed.",
            next_step="Leave the prefix out, or name a broker of your own: kafka://host:port.",
        )
    return PROFILES[name]


def chosen_profile(
    name: str | None,
    settings: DrillSettings,
    *,
    topics_prefix: str | None = None,
    topics: str | Path | None = None,
) -> Profile:
    """Return the named profile, or the one that the user's settings choose.

    The settings' prefix of topics holds for every broker that a URL names, unless topics are given here or in the URL.

    Raises
    ------
    SettingsError
        As `get_profile`.
    """
    name = name or settings.profile
    if topics_prefix is None and topics is None and "://" in name and "?" not in name:
        topics_prefix = settings.topics_prefix or None
    return get_profile(name, topics_prefix=topics_prefix, topics=topics)


def _from_url(url: str, prefix: str | None, file: str | Path | None) -> Profile:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, 9092 if parts.port is None else parts.port
        asked = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        parts, host, port, asked = urlsplit(""), None, 0, []
    has_more = parts.path.strip("/") or parts.fragment or "@" in parts.netloc
    is_odd = len(asked) > 1 or any(
        key not in ("topics_prefix", "topics") or not value for key, value in asked
    )
    if parts.scheme != "kafka" or not host or not port or has_more or is_odd:
        raise SettingsError(
            f"{_without_password(url)!r:.120} is not the address of a broker.",
            next_step="Write kafka://host:port, without a topic; accounts are kept by `snews-drill auth`.",
        )
    if len(asked) + (prefix is not None) + (file is not None) > 1:
        raise SettingsError(
            "The topics are said more than once.", next_step="Give one prefix, or one file, in one place."
        )
    words = dict(asked)
    prefix, file = prefix or words.get("topics_prefix"), file or words.get("topics")
    firedrill, test, query = _own_topics(prefix, file)
    is_loopback = host in ("localhost", "127.0.0.1", "::1")
    shown = f"[{host}]" if ":" in host else host
    return Profile(
        name=f"kafka://{shown}:{port}{query}",
        broker=f"{shown}:{port}",
        firedrill=firedrill,
        test=test,
        dialect="1.3" if is_loopback else "3",
        needs_credentials=host == LIVE_BROKER.partition(":")[0],
        is_live=not is_loopback,
    )


def _own_topics(prefix: str | None, file: str | Path | None) -> tuple[Topics, Topics, str]:
    """Return the topics of the fire drill and of tests, and what names them in a URL."""
    if file:
        path = expanded(file)
        return *_read_topics(path), f"?topics={quote(str(path))}"
    if not prefix:
        return _DEV_FIREDRILL, _DEV_TEST, ""
    if not _PREFIX.fullmatch(prefix):
        raise SettingsError(
            f"{prefix!r:.120} cannot begin the name of a topic.",
            next_step="Use at most 100 letters, digits, dots, hyphens and underscores.",
        )
    return _DEV_FIREDRILL.prefixed(prefix), _DEV_TEST.prefixed(prefix), f"?topics_prefix={prefix}"


def _read_topics(path: Path) -> tuple[Topics, Topics]:
    step = (
        "Write the tables [firedrill] and [test], each with observations, alerts and connection; "
        "only the connection topic may be the same in both."
    )
    try:
        with path.open("rb") as opened:
            content = read_toml(opened.read(_MAX_FILE_BYTES).decode("utf-8"))
        if set(content) != {"firedrill", "test"}:
            raise SettingsError(
                f"{path} does not hold exactly the tables firedrill and test.", next_step=step
            )
        firedrill, test = Topics.model_validate(content["firedrill"]), Topics.model_validate(content["test"])
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be read: {error.strerror}.", next_step="Check the name and the folder."
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "a table"
        raise SettingsError(f"{path}: {where}: {first['msg']}.", next_step=step) from error
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path} is not TOML: {str(error)[:200]}.", next_step=step) from error
    names = (*firedrill.names(), *test.names())
    odd = [name for name in names if not _TOPIC.fullmatch(name) or name in _REAL_TOPICS]
    if odd:
        raise SettingsError(f"{path}: {odd[0]!r:.120} cannot be a drill's topic.", next_step=step)
    if len(set(names)) < len(names) - (firedrill.connection == test.connection):
        raise SettingsError(f"{path} names a topic for two purposes.", next_step=step)
    return firedrill, test


def _without_password(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
