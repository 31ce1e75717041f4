"""Where this program is connected to: `connect`, and the connection that is used when none is named."""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from snews_drill.errors import BrokerUnreachable, DrillError, NameNotSet, TransportError, UnknownTopic
from snews_drill.html_views import connection_html
from snews_drill.names import get_name
from snews_drill.profiles import Profile, Topics, chosen_profile
from snews_drill.rehearsal.launcher import Rehearsal, ensure_rehearsal
from snews_drill.rehearsal.presence import LifeWatch
from snews_drill.settings import DrillSettings, load_settings
from snews_drill.transport import Credential, Reader, Receipt, Start, TopicRights, Transport, credentials_for
from snews_drill.wire.dialects import Dialect, get_dialect
from snews_drill.wire.payload import Payload


class Connection:
    """A profile that is in use: broker, topics, dialect, and who you are.

    Made by `connect`. Threads may share it. Closing it gives back what it holds; the rehearsal ends with its last user.

    Attributes
    ----------
    profile : Profile
        The destination.
    broker : str
        "host:port".
    dialect : Dialect
        How messages are written; both dialects are always read.
    rehearsal : Rehearsal or None
        The rehearsal behind it, if it is one.
    """

    def __init__(
        self,
        profile: Profile,
        transport: Transport,
        dialect: Dialect,
        *,
        rehearsal: Rehearsal | None = None,
        settings: DrillSettings | None = None,
    ) -> None:
        self.profile = profile
        self.broker = transport.broker
        self.dialect = dialect
        self.rehearsal = rehearsal
        self._transport = transport
        self.join = transport.join  # joins a consumer group
        self._settings = settings
        self._is_closed = False
        self._told: set[str] = set()
        self._life_watch = LifeWatch()

    @property
    def credential(self) -> Credential | None:
        """Whose account is used, without the password; None if none is."""
        return self._transport.credential

    @property
    def settings(self) -> DrillSettings:
        """The user's settings as they are now, or those the connection was made with."""
        return self._settings or load_settings()

    @property
    def detector_name(self) -> str | None:
        """Who you are; None if the name was never set."""
        try:
            return get_name(self.settings)
        except NameNotSet:
            return None

    @property
    def is_open(self) -> bool:
        """Whether it was not closed yet."""
        return not self._is_closed

    @property
    def admin_token(self) -> str | None:
        """The token that gives rights: the rehearsal's own, or the instructor's from the settings. Never print it."""
        if self.rehearsal is not None:
            return self.rehearsal.admin_token.get_secret_value()
        token = self.settings.admin_token
        return token.get_secret_value() if token is not None else None

    def topics(self, *, firedrill_mode: bool = True) -> Topics:
        """Return the fire-drill topics, or the test topics."""
        return self.profile.topics(firedrill_mode=firedrill_mode)

    def url(self, topic: str) -> str:
        """Return a topic's address, `kafka://host:port/topic`."""
        return f"kafka://{self.broker}/{topic}"

    def open_another(self) -> Connection:
        """Return a connection of its own to the same place: same topics, dialect and account, with its own producer.

        It does not become the current one, and keeps no rehearsal alive: close it before this one.
        """
        other = Connection(
            self.profile, self._transport.open_another(), self.dialect, settings=self._settings
        )
        other._told = self._told  # where messages go is said once, whoever writes
        return other

    def send(
        self,
        topic: str,
        payloads: Sequence[Payload],
        *,
        timeout: float = 10.0,
        is_cancelled: Callable[[], bool] | None = None,
    ) -> list[Receipt | TransportError]:
        """Write messages and wait up to `timeout` seconds for the acknowledgements; see `Transport.send`.

        On a live profile the first message to each topic is preceded by a line on standard error that says where it goes.
        """
        self._say_where(topic)
        outcomes = self._transport.send(topic, payloads, timeout=timeout, is_cancelled=is_cancelled)
        self._life_watch.note(self._instance(), has_written=any(isinstance(o, Receipt) for o in outcomes))
        return outcomes

    def note_told(self, topic: str) -> None:
        """Note that the user was told of writing to this topic, so that `send` need not say it."""
        self._told.add(topic)

    def _say_where(self, topic: str) -> None:
        if self.profile.is_live and topic not in self._told:
            self._told.add(topic)
            if sys.stderr is not None:
                sys.stderr.write(f"LIVE, others read it: writing to {self.url(topic)} ({self._account})\n")

    @property
    def _account(self) -> str:
        credential = self.credential
        return f"as {credential.name}" if credential is not None else "without credentials"

    def open_reader(
        self,
        topics: Sequence[str],
        *,
        start: Start = "now",
        timeout: float = 10.0,
        is_cancelled: Callable[[], bool] | None = None,
        written_ms: Mapping[tuple[str, int], int] | None = None,
    ) -> Reader:
        """Open a reader of topics; see `Transport.open_reader`."""
        open_there = functools.partial(
            self._transport.open_reader,
            topics,
            start=start,
            timeout=timeout,
            instance=self._instance,
            is_cancelled=is_cancelled,
            written_ms=written_ms,
        )
        try:
            return open_there()
        except UnknownTopic:
            if self.rehearsal is None or not set(topics) <= set(_all_topics(self.profile)):
                raise
            # The rehearsal's broker came back empty a moment ago.
            self._transport.create_topics(_all_topics(self.profile), timeout=timeout)
            return open_there()

    @property
    def server_problem(self) -> str:
        """Why a rehearsal has no drill server although it should have one; "" if it has, or this is none."""
        state = self.rehearsal.current_state() if self.rehearsal is not None else None
        return state.problem if state is not None else ""

    def _instance(self) -> str | None:
        state = self.rehearsal.current_state() if self.rehearsal is not None else None
        return state.instance if state is not None else None

    def check(self, *, timeout: float = 5.0) -> None:
        """Return if the broker answers within `timeout` seconds; raise a TransportError if not."""
        self._transport.check(timeout=timeout)

    def rights(self, topics: Sequence[str], *, timeout: float = 5.0) -> dict[str, TopicRights]:
        """Return what the broker says that you may do with topics; nothing is written. See `Transport.rights`."""
        return self._transport.rights(topics, timeout=timeout)

    def make_topics(self, *, timeout: float = 10.0) -> None:
        """Make the profile's topics, on a broker of your own; those that exist are left alone."""
        self._transport.create_topics(_all_topics(self.profile), timeout=timeout)

    def close(self) -> None:
        """Give back what it holds. May be called twice."""
        self._is_closed = True
        try:
            self._transport.close()
        finally:
            if self.rehearsal is not None:
                self.rehearsal.release()
            _current.forget(self)

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _repr_html_(self) -> str:
        return connection_html(self)

    def __repr__(self) -> str:
        topics = self.topics()
        state = "" if self.is_open else ", closed"
        live = ", LIVE" if self.profile.is_live else ""
        # A remembered name that is not on the roster must not break showing the connection.
        who: str | None = None
        with contextlib.suppress(DrillError):
            who = self.detector_name
        return (
            f"Connection({self.profile.name}{live}{state}: broker {self.broker} {self._account}, "
            f"dialect {self.dialect.NAME}, "
            f"writes {topics.observations}, reads {topics.alerts} and {topics.connection}, "
            f"you are {who or 'not named yet'})"
        )


def _all_topics(profile: Profile) -> tuple[str, ...]:
    return (*profile.firedrill.names(), *profile.test.names())


class _Current:
    """The one current connection of this process."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._connection: Connection | None = None

    def get(self) -> Connection | None:
        connection = self._connection
        return connection if connection is not None and connection.is_open else None

    def set(self, connection: Connection) -> None:
        with self.lock:
            self._connection = connection

    def forget(self, connection: Connection) -> None:
        with self.lock:
            if self._connection is connection:
                self._connection = None


_current = _Current()


def connect(
    profile: str | None = None,
    *,
    dialect: str | None = None,
    topics_prefix: str | None = None,
    topics: str | Path | None = None,
    settings: DrillSettings | None = None,
    timeout: float = 10.0,
) -> Connection:
    """Connect to a drill and make it the current one.

    Parameters
    ----------
    profile
        "rehearsal" (the default: a broker and drill server on this machine, started if need be), "firedrill",
        "firedrill-prod", "test", or a broker such as "kafka://host:9092". Without it, `SNEWS_DRILL_PROFILE` or the
        remembered choice decides.
    dialect
        "1.3" or "3"; by default what the profile's servers speak.
    topics_prefix
        On a broker named by its address: goes in front of every topic, as with `snews-drill serve --topics-prefix`. By
        default what `SNEWS_DRILL_TOPICS_PREFIX` says; "" for none.
    topics
        Instead of a prefix: a TOML file with the tables `firedrill` and `test`, each with the names of the topics
        `observations`, `alerts` and `connection`.
    settings
        The user's settings; read from file and environment by default.
    timeout
        Seconds to wait for the broker.

    Returns
    -------
    Connection
        Ready to use. A connection that was current before stays open until it is closed.

    Raises
    ------
    SettingsError
        If there is no such profile or dialect, or the topics cannot be used.
    TransportError
        If the broker does not answer or refuses; the error says the next step.
    RehearsalError
        If the rehearsal could not be started.

    Examples
    --------
    >>> with connect("rehearsal") as drill:  # doctest: +SKIP
    ...     print(drill.broker)
    """
    made = open_profile(
        profile,
        dialect=dialect,
        topics_prefix=topics_prefix,
        topics=topics,
        settings=settings,
        timeout=timeout,
    )
    _current.set(made)
    return made


def open_profile(
    profile: str | None = None,
    *,
    dialect: str | None = None,
    topics_prefix: str | None = None,
    topics: str | Path | None = None,
    settings: DrillSettings | None = None,
    timeout: float = 10.0,
) -> Connection:
    """Connect as `connect` does, and leave the current connection what it is."""
    chosen = chosen_profile(profile, settings or load_settings(), topics_prefix=topics_prefix, topics=topics)
    spoken = get_dialect(dialect or chosen.dialect)
    if chosen.broker is None:
        return _connect_rehearsal(chosen, spoken, settings, timeout)
    return _connect_broker(chosen, chosen.broker, spoken, settings, timeout)


def _connect_rehearsal(
    profile: Profile, dialect: Dialect, settings: DrillSettings | None, timeout: float
) -> Connection:
    rehearsal = ensure_rehearsal(settings or load_settings(), timeout=timeout)
    transport = Transport(rehearsal.broker)
    try:
        transport.create_topics(_all_topics(profile), timeout=timeout)
    except BaseException:
        transport.close()
        rehearsal.release()
        raise
    return Connection(profile, transport, dialect, rehearsal=rehearsal, settings=settings)


def _connect_broker(
    profile: Profile, broker: str, dialect: Dialect, settings: DrillSettings | None, timeout: float
) -> Connection:
    auth = credentials_for(broker, is_required=profile.needs_credentials)
    transport = Transport(broker, auth=auth)
    try:
        transport.check(timeout=timeout, refusals_end_it=True)
    except BrokerUnreachable as error:
        transport.close()
        if auth is None:
            raise BrokerUnreachable(
                error.reason,
                next_step=f"{error.next_step} If it asks for an account: snews-drill auth add --host {broker}",
            ) from error
        raise
    except BaseException:
        transport.close()
        raise
    return Connection(profile, transport, dialect, settings=settings)


def current_connection() -> Connection:
    """Return the current connection; the first use connects to what the user's settings say, the rehearsal by default.

    Raises
    ------
    DrillError
        Whatever `connect` raises.
    """
    with _current.lock:  # so that two threads do not both connect
        return _current.get() or connect()


def open_connection() -> Connection | None:
    """Return the current connection if there is an open one; connects to nothing and waits for nobody."""
    return _current.get()


def current_dialect() -> Dialect:
    """Return the dialect that messages are built in now; connects to nothing.

    Before there is a connection it is the dialect of the profile that the user's settings name.
    """
    connection = open_connection()
    return connection.dialect if connection else get_dialect(chosen_profile(None, load_settings()).dialect)
