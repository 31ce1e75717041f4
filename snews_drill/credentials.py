"""Credentials for brokers that ask for an account: kept in hop-client's own store, shown without the secret.

Nothing here returns, prints, logs or raises a password.
"""

from __future__ import annotations

import re
import ssl
from pathlib import Path

from pydantic import SecretStr

from snews_drill.errors import SettingsError
from snews_drill.settings import expanded
from snews_drill.transport import (
    Credential,
    Transport,
    delete_credential,
    described,
    find_credentials,
    store_credential,
    stored_credentials,
)

__all__ = ["Credential", "add_credential", "list_credentials", "remove_credential", "test_credential"]

#: The port that Kafka's clients assume.
DEFAULT_PORT = 9092

_HOST = re.compile(r"(?:kafka://)?((?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?)/?")

#: A password is a line; nobody types more than this, characters.
_MAX_LENGTH = 1024


def list_credentials() -> list[Credential]:
    """Return names and hosts of all credentials; never the passwords.

    Raises
    ------
    NotAuthenticated
        If the store is not private (mode 0600) or cannot be understood.
    """
    return stored_credentials()


def add_credential(
    user: str,
    password: str | SecretStr,
    host: str,
    ssl_ca_location: str | Path | None = None,
    *,
    replace: bool = False,
) -> Credential:
    """Keep a credential for a broker (SASL_SSL, SCRAM-SHA-512) in hop-client's store, for this user alone (0600).

    Parameters
    ----------
    user, password
        As the broker's operator gave them.
    host
        "host" or "host:port" of the broker; hop-client offers the password to no other.
    ssl_ca_location
        A PEM file with the certificate authority to trust, where it is not one of the public ones.
    replace
        Whether one of the same name and host may be overwritten.

    Raises
    ------
    SettingsError
        If a value cannot be used, there is such a credential already, or the store cannot be written.
    NotAuthenticated
        If the store is not private or cannot be understood; nothing is written then.
    """
    secret = password.get_secret_value() if isinstance(password, SecretStr) else password
    _check_text("user name", user)
    _check_text("password", secret)
    authority = str(_readable_authority(ssl_ca_location)) if ssl_ca_location else None
    return store_credential(user, secret, plain_host(host), authority, replace=replace)


def remove_credential(name: str, host: str | None = None) -> Credential:
    """Take a credential out of the store and return what it was, without the password.

    Parameters
    ----------
    name
        The user name.
    host
        As `list_credentials` shows it; may be left out where only one credential has this name.

    Raises
    ------
    SettingsError
        If there is none, or several fit.
    NotAuthenticated
        If the store is not private or cannot be understood.
    """
    return delete_credential(name, host)


def test_credential(host: str, *, timeout: float = 5.0) -> Credential:  # noqa: PT028 - no test
    """Sign in to a broker with the credential that is kept for it; nothing is written there.

    Parameters
    ----------
    host
        "host" or "host:port"; without a port it is 9092.
    timeout
        Seconds to wait for the broker.

    Returns
    -------
    Credential
        The one that was accepted.

    Raises
    ------
    SettingsError
        If `host` is none.
    NotAuthenticated
        If there is no credential for it, or the broker refuses it.
    TransportError
        If the broker does not answer in time.
    """
    broker = plain_host(host)
    if not re.search(r":[0-9]+$", broker.rpartition("]")[2]):
        broker = f"{broker}:{DEFAULT_PORT}"
    auth = find_credentials(broker)
    transport = Transport(broker, auth=auth)
    try:
        transport.check(timeout=timeout)
    finally:
        transport.close()
    return described(auth)


# pytest would take the name for a test when it collects modules that import it.
test_credential.__test__ = False  # type: ignore[attr-defined]


def plain_host(host: str) -> str:
    """Return "host" or "host:port" without the scheme.

    Raises
    ------
    SettingsError
        If it is no host.
    """
    found = _HOST.fullmatch(host.strip())
    port = found[1].rpartition("]")[2].partition(":")[2] if found else ""
    if found is None or (port and not 0 < int(port) < 65536):
        # Not repeated: somebody may have put the password into the wrong field.
        raise SettingsError(
            "That is no host of a broker.",
            next_step="Write it as in kafka.scimma.org or broker.example.org:9093.",
        )
    return found[1]


def _check_text(what: str, text: str) -> None:
    if not text or len(text) > _MAX_LENGTH or not text.isprintable() or text != text.strip():
        raise SettingsError(
            f"The {what} is empty, too long, or has blanks around it or characters that cannot be printed.",
            next_step=f"Give the {what} as the broker's operator wrote it.",
        )


def _readable_authority(place: str | Path) -> Path:
    path = expanded(place)
    try:
        ssl.create_default_context(cafile=str(path))
    except (OSError, ssl.SSLError, ValueError) as error:
        raise SettingsError(
            f"{path} cannot be read as the certificate of an authority: "
            f"{getattr(error, 'strerror', None) or type(error).__name__}.",
            next_step="Give a PEM file, one that begins with -----BEGIN CERTIFICATE-----.",
        ) from None
    return path
