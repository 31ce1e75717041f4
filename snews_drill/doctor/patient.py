"""Who is examined: what the checks have learned so far, handed from each to the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from snews_drill.connection import Connection
from snews_drill.profiles import Profile, chosen_profile
from snews_drill.rehearsal.launcher import Rehearsal, ensure_rehearsal
from snews_drill.settings import DrillSettings, load_settings
from snews_drill.transport import TopicRights, Transport, credentials_for
from snews_drill.wire.dialects import get_dialect

if TYPE_CHECKING:
    from snews_drill.transport import Credential


@dataclass(frozen=True, slots=True)
class Echo:
    """The times of one connection test, s since 1970 (UTC).

    Attributes
    ----------
    sent, received : float
        By the clock of this machine.
    stamped : float or None
        When the echo was written, by the clock over there; None if it bears no time.
    """

    sent: float
    received: float
    stamped: float | None


class Patient:
    """Holds what the checks need from one another.

    Parameters
    ----------
    profile
        As in `diagnose`.
    settings
        As in `diagnose`.
    timeout
        Seconds for each wait.
    is_echo_wanted
        Whether a connection test may be written.
    """

    def __init__(
        self,
        profile: str | Profile | None,
        settings: DrillSettings | None,
        timeout: float,
        *,
        is_echo_wanted: bool,
    ) -> None:
        self._asked = profile
        self._given_settings = settings
        self.timeout = timeout
        self.is_echo_wanted = is_echo_wanted
        self._settings: DrillSettings | None = None
        self._rehearsal: Rehearsal | None = None
        self._connection: Connection | None = None
        self.profile: Profile | None = None
        self.broker = ""
        self.credential: Credential | None = None
        self.addresses: tuple[str, ...] = ()
        self.rights: dict[str, TopicRights] | None = None
        self.echo: Echo | None = None

    @property
    def settings(self) -> DrillSettings:
        """The user's settings; raises SettingsError if they cannot be used."""
        if self._settings is None:
            self._settings = self._given_settings or load_settings()
        return self._settings

    @property
    def profile_name(self) -> str:
        """What the destination is called, as far as it is known."""
        if self.profile is not None:
            return self.profile.name
        if isinstance(self._asked, Profile):
            return self._asked.name
        return self._asked or (self._settings.profile if self._settings is not None else "unknown")

    @property
    def known_profile(self) -> Profile:
        """The destination; the check of it comes first."""
        if self.profile is None:
            self.profile = (
                self._asked
                if isinstance(self._asked, Profile)
                else chosen_profile(self._asked, self.settings)
            )
        return self.profile

    def find_broker(self) -> str:
        """Return the broker's address; starts the rehearsal if it is one."""
        if self.known_profile.broker is not None:
            self.broker = self.known_profile.broker
        elif self._rehearsal is None:
            self._rehearsal = ensure_rehearsal(self.settings, timeout=max(self.timeout, 5.0))
            self.broker = self._rehearsal.broker
        return self.broker

    def find_credentials(self) -> Any:
        """Return the credential that `connect` would use; None if none is used."""
        profile = self.known_profile
        if profile.broker is None:
            return None
        return credentials_for(self.broker, is_required=profile.needs_credentials)

    def connection(self) -> Connection:
        """Return a connection of the doctor's own; the user's current one stays what it is."""
        if self._connection is None:
            profile = self.known_profile
            self._connection = Connection(
                profile,
                Transport(self.broker, auth=self.find_credentials()),
                get_dialect(profile.dialect),
                rehearsal=self._rehearsal,
                settings=self.settings,
            )
        return self._connection

    def transport_rights(self) -> dict[str, TopicRights]:
        """Return what the broker says about the three topics; asked once."""
        if self.rights is None:
            names = self.known_profile.firedrill.names()
            self.rights = self.connection().rights(names, timeout=self.timeout)
        return self.rights

    def release(self) -> None:
        """Give back what was held. May be called twice."""
        if self._connection is not None:
            self._connection.close()  # gives the rehearsal back as well
        elif self._rehearsal is not None:
            self._rehearsal.release()
        self._connection, self._rehearsal = None, None
