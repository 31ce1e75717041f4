"""hop-client's own store of credentials, `hop/auth.toml` in the user's configuration folder: the only one that is used.

Reading, writing and the file's form are hop-client's. What is added: the file must be this user's own, it is replaced in one
step, and no error repeats what stands in it.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import certifi
import hop.auth
import hop.configure

from snews_drill.errors import NotAuthenticated, SettingsError

#: What the error for a missing credential advises.
ADD = "Add one with: snews-drill auth add"


@dataclass(frozen=True, slots=True)
class Credential:
    """What may be shown of a credential: everything but the secret.

    Attributes
    ----------
    name : str
        The user name.
    host : str
        "host" or "host:port" it is for; "" if hop-client may offer it to any broker.
    mechanism : str
        How it signs in, such as "SCRAM-SHA-512".
    is_encrypted : bool
        Whether the connection uses TLS.
    ssl_ca_location : str or None
        The certificate authority to trust; None for the public ones.
    """

    name: str
    host: str
    mechanism: str = "SCRAM-SHA-512"
    is_encrypted: bool = True
    ssl_ca_location: str | None = None


def described(auth: hop.auth.Auth) -> Credential:
    """Return what may be shown of hop-client's credential."""
    authority = auth.ssl_ca_location
    return Credential(
        name=str(auth.username),
        host=str(auth.hostname),
        mechanism=str(auth.mechanism),
        is_encrypted=bool(auth.ssl),
        ssl_ca_location=None if authority in (None, certifi.where()) else str(authority),
    )


def store_path() -> Path:
    """Return where hop-client keeps credentials.

    Raises
    ------
    SettingsError
        If the environment names no home.
    """
    try:
        return Path(hop.configure.get_config_path("auth"))
    except TypeError as error:
        raise SettingsError(
            "Your environment has neither HOME nor XDG_CONFIG_HOME, so there is no place for credentials.",
            next_step="Set HOME to your home folder.",
        ) from error


def check_private(path: Path) -> None:
    """Return if only this user can read the store, or if there is none.

    Raises
    ------
    NotAuthenticated
        If it is no file, somebody else's, or others may open it.
    """
    try:
        info = path.stat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise NotAuthenticated(
            f"{path} cannot be looked at: {error.strerror}.", next_step=f"Make it yours: chmod 600 {path}"
        ) from error
    mode = stat.S_IMODE(info.st_mode)
    if not stat.S_ISREG(info.st_mode) or (hasattr(os, "getuid") and info.st_uid != os.getuid()):
        raise NotAuthenticated(
            f"{path} is no file of yours.", next_step="Move it away and add your credential again."
        )
    if os.name == "posix" and mode & 0o7077:
        raise NotAuthenticated(
            f"Others may open {path}, which holds your password (mode {mode:04o} instead of 0600).",
            next_step=f"Close it: chmod 600 {path}; if others use this machine, ask for a new password.",
        )


def load_store() -> list[hop.auth.Auth]:
    """Return hop-client's credentials; none if there is no store.

    Raises
    ------
    NotAuthenticated
        If the store is not private or cannot be understood. The error never repeats its content.
    """
    path = store_path()
    check_private(path)
    try:
        kept = list(hop.auth.load_auth())
        if all(map(_is_text_only, kept)):
            return kept
        kind = "an entry is no text"
    except FileNotFoundError:
        return []
    except Exception as error:  # noqa: BLE001 - hop's reader raises anything on a broken file, secrets in its words
        kind = type(error).__name__
    raise NotAuthenticated(
        f"{path} cannot be read as a store of credentials ({kind}).",
        next_step=f"Correct it, or move it away and add your credential again; a file of yours has mode 0600: {path}",
    )


def _is_text_only(auth: hop.auth.Auth) -> bool:
    # hop takes numbers too, some of which Python cannot even write down.
    return (
        isinstance(auth.username, str)
        and isinstance(auth.hostname, str)
        and isinstance(auth.ssl_ca_location, str | bool | None)
    )


def stored_credentials() -> list[Credential]:
    """Return what may be shown of every credential in the store.

    Raises
    ------
    NotAuthenticated
        If the store is not private or cannot be understood.
    """
    return [described(auth) for auth in load_store()]


def store_credential(
    name: str, password: str, host: str, ssl_ca_location: str | None = None, *, replace: bool = False
) -> Credential:
    """Write a SCRAM-SHA-512 credential to the store.

    Raises
    ------
    SettingsError
        If there is one of that name and host already and `replace` is False, or the store cannot be written.
    NotAuthenticated
        If the store is not private or cannot be understood.
    """
    kept = load_store()
    others = [auth for auth in kept if (auth.username, auth.hostname) != (name, host)]
    if len(others) != len(kept) and not replace:
        raise SettingsError(
            f"There is a credential {name} for {host} already.",
            next_step="Say that it shall be replaced (--force, replace=True), or remove it first.",
        )
    options = {"ssl_ca_location": ssl_ca_location} if ssl_ca_location else {}
    new = hop.auth.Auth(name, password, host=host, **options)
    _write_store([*others, new])
    return described(new)


def delete_credential(name: str, host: str | None = None) -> Credential:
    """Take a credential out of the store and return what may be shown of it.

    Raises
    ------
    SettingsError
        If there is none, several fit, or the store cannot be written.
    NotAuthenticated
        If the store is not private or cannot be understood.
    """
    kept = load_store()
    found = [auth for auth in kept if auth.username == name and host in (None, auth.hostname)]
    if len(found) != 1:
        where = f" for {host}" if host else ""
        hosts = ", ".join(auth.hostname or "(any host)" for auth in found)
        raise SettingsError(
            f"There is no credential {name!r:.80}{where}."
            if not found
            else f"There are several credentials {name!r:.80}: for {hosts}.",
            next_step="See what there is with: snews-drill auth list"
            if not found
            else f"Say which: snews-drill auth remove {name}@HOST",
        )
    _write_store([auth for auth in kept if auth is not found[0]])
    return described(found[0])


def _write_store(credentials: Sequence[hop.auth.Auth]) -> None:
    path = store_path().resolve()  # a link to the file stays one
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".auth.", dir=path.parent)  # made 0600
        os.close(handle)
        try:
            hop.auth.write_auth_data(name, credentials)
            Path(name).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be written: {error.strerror}.", next_step="Make that folder writable for you."
        ) from error
    try:
        # Credentials of older versions stood in hop's general file; those just written win.
        hop.auth.prune_outdated_auth()
    except (RuntimeError, OSError):
        general = Path(hop.configure.get_config_path("general"))
        raise SettingsError(
            f"The credential is stored, but an old copy may be left in {general}.",
            next_step="Look into that file and delete its [auth] section.",
        ) from None
