"""The user's choices: a file in the platform's configuration folder, overruled by the environment.

This is the only module that reads the environment. Settings are frozen values, made where a program begins and handed
down; nothing here is kept in global state.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import platformdirs
import tomli_w
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from snews_drill.errors import SettingsError
from snews_drill.toml_text import read_toml

_APP = "snews_drill"

#: Environment variable -> setting. A variable that is set, and not empty, wins over the file.
ENVIRONMENT = {
    "SNEWS_DRILL_NAME": "detector_name",
    "SNEWS_DRILL_PROFILE": "profile",
    "SNEWS_DRILL_TOPICS_PREFIX": "topics_prefix",
    "SNEWS_DRILL_SMTP_HOST": "smtp_host",
    "SNEWS_DRILL_SMTP_PORT": "smtp_port",
    "SNEWS_DRILL_SMTP_USER": "smtp_user",
    "SNEWS_DRILL_SMTP_PASSWORD": "smtp_password",
    "SNEWS_DRILL_SMTP_SENDER": "smtp_sender",
    "SNEWS_DRILL_ADMIN_TOKEN": "admin_token",
}

#: The only settings that are ever written to the user's file. Secrets are not among them.
_REMEMBERED = ("detector_name", "profile")

#: Whatever decides where this user's folders are, on any platform.
_FOLDER_VARIABLES = ("SNEWS_DRILL_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "HOME")


class DrillSettings(BaseModel):
    """What the user chose. Built by `load_settings`; secrets never show in its repr.

    Attributes
    ----------
    detector_name : str or None
        The remembered detector.
    profile : str
        The profile that is used when none is named; "rehearsal" unless the user says otherwise.
    topics_prefix : str
        Goes in front of every topic on a broker that is named by its address: a private drill.
    config_dir, state_dir, runtime_dir : Path
        Where choices, archives and the private state of running rehearsals live.
    smtp_host, smtp_port, smtp_user, smtp_password, smtp_sender
        The mail server for feedback; without a host, mails are written to the folder `mails` in state_dir.
    admin_token : SecretStr or None
        The instructor's token on a shared broker (a rehearsal makes its own).
    """

    # An error must not show what stands in a secret's place.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    detector_name: str | None = None
    profile: str = "rehearsal"
    topics_prefix: str = ""
    config_dir: Path
    state_dir: Path
    runtime_dir: Path
    smtp_host: str | None = None
    smtp_port: int = Field(default=25, ge=1, le=65535)
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
    smtp_sender: str = "snews-drill@localhost"
    admin_token: SecretStr | None = None

    @field_validator("config_dir", "state_dir", "runtime_dir")
    @classmethod
    def _is_absolute(cls, path: Path) -> Path:
        # "~" in a file is text; and a folder must not depend on where a notebook was started.
        if not path.is_absolute():
            raise ValueError("a folder is written in full, beginning at the root")
        return path

    @property
    def config_file(self) -> Path:
        """The file that holds the user's choices."""
        return self.config_dir / "config.toml"


def environment_without_secrets() -> dict[str, str]:
    """Return this process's environment for a program that has no business with tokens and passwords of ours."""
    secret = {"SNEWS_DRILL_ADMIN_TOKEN", "SNEWS_DRILL_SMTP_PASSWORD"}
    return {name: value for name, value in os.environ.items() if name not in secret}


def default_folders(environ: Mapping[str, str]) -> dict[str, Path]:
    """Return the folders of this user.

    Parameters
    ----------
    environ
        The environment. `SNEWS_DRILL_HOME` puts everything below one folder of the user's choice.

    Returns
    -------
    dict
        "config_dir", "state_dir" and "runtime_dir".

    Raises
    ------
    SettingsError
        If `SNEWS_DRILL_HOME` begins with the home of a user who does not exist.
    """
    home = environ.get("SNEWS_DRILL_HOME")
    if home:
        try:
            base = Path(home).expanduser().absolute()
        except RuntimeError as error:
            raise SettingsError(
                f"SNEWS_DRILL_HOME is {home!r:.200}, which is no folder: {error}.",
                next_step="Write the folder in full.",
            ) from error
        return {"config_dir": base / "config", "state_dir": base / "state", "runtime_dir": base / "run"}
    state_dir = Path(platformdirs.user_state_dir(_APP))
    # Without a session's runtime folder (containers, Binder) platformdirs would fall back to the shared /tmp.
    runtime = environ.get("XDG_RUNTIME_DIR")
    return {
        "config_dir": Path(platformdirs.user_config_dir(_APP)),
        "state_dir": state_dir,
        "runtime_dir": Path(runtime) / _APP if runtime else state_dir / "run",
    }


def load_settings(environ: Mapping[str, str] | None = None) -> DrillSettings:
    """Read the user's choices: environment first, then the file, then the defaults.

    Parameters
    ----------
    environ
        The environment to read; the process's own by default. A test passes a dict.

    Raises
    ------
    SettingsError
        If the file is not TOML, or a value is not what it should be; names the setting and the place.
    """
    environ = os.environ if environ is None else environ
    # Asked for with every message that is built, so read again only what changed.
    places = tuple((name, environ.get(name)) for name in _FOLDER_VARIABLES)
    folders, config_file = _folders(places)
    said = tuple((name, value) for name in ENVIRONMENT if (value := environ.get(name)))
    return _load(folders, _stamp(config_file), said)


@lru_cache(maxsize=8)
def _folders(places: tuple[tuple[str, str | None], ...]) -> tuple[tuple[tuple[str, Path], ...], str]:
    folders = default_folders({name: value for name, value in places if value is not None})
    return tuple(folders.items()), str(folders["config_dir"] / "config.toml")


def _stamp(path: str) -> tuple[int, int, int]:
    try:
        info = os.stat(path)  # noqa: PTH116 - a Path costs more than the question
    except OSError:
        return (0, 0, 0)
    return (info.st_ino, info.st_mtime_ns, info.st_size)


@lru_cache(maxsize=8)
def _load(
    folders: tuple[tuple[str, Path], ...], _: tuple[int, int, int], said: tuple[tuple[str, str], ...]
) -> DrillSettings:
    path = dict(folders)["config_dir"] / "config.toml"
    chosen: dict[str, Any] = _read_file(path)
    # The file cannot say where it lies itself.
    unknown = sorted(set(chosen) - (set(DrillSettings.model_fields) - {"config_dir"}))
    if unknown:
        raise SettingsError(
            f"{path} has a setting that does not exist: {', '.join(unknown)}.",
            next_step="Correct its spelling or delete that line.",
        )
    from_environment = {ENVIRONMENT[key]: value for key, value in said}
    try:
        return DrillSettings(**{**dict(folders), **chosen, **from_environment})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        place = next((k for k, v in ENVIRONMENT.items() if v == name and name in from_environment), str(path))
        raise SettingsError(
            f"The setting {name} in {place} cannot be used: {first['msg']}.",
            next_step=f"Correct {name} in {place}.",
        ) from error


def remember(settings: DrillSettings, **choices: str | None) -> DrillSettings:
    """Write choices to the user's file and return the settings with them.

    Parameters
    ----------
    settings
        The settings now in force.
    **choices
        `detector_name` or `profile`; None forgets the choice.

    Raises
    ------
    SettingsError
        If the file cannot be written, or the choice is not one that is remembered.
    """
    if not set(choices) <= set(_REMEMBERED):
        raise SettingsError(
            f"Only {' and '.join(_REMEMBERED)} are remembered, not {', '.join(sorted(choices))}.",
            next_step="Set the others through the environment.",
        )
    path = settings.config_file
    merged = {**_read_file(path), **choices}
    content = tomli_w.dumps({key: value for key, value in merged.items() if value is not None})
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private_file(path, content.encode())
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be written: {error.strerror}.",
            next_step="Make that folder writable, or set SNEWS_DRILL_HOME to a folder that is.",
        ) from error
    # Within one tick of the file system's clock a new file can look like the old one.
    _load.cache_clear()
    defaults = {name: DrillSettings.model_fields[name].default for name in choices}
    return settings.model_copy(update={k: defaults[k] if v is None else v for k, v in choices.items()})


def expanded(path: str | Path) -> Path:
    """Return an absolute path, with `~` replaced by the user's home.

    Raises
    ------
    SettingsError
        If it begins with `~name` and this machine has no such user.
    """
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError as error:
        raise SettingsError(
            f"{str(path)!r:.120} names the home of a user that this machine does not have.",
            next_step="Write the whole path.",
        ) from error


def make_private_dir(path: Path) -> Path:
    """Make a folder that only this user can enter (0700) and return it.

    Raises
    ------
    SettingsError
        If it cannot be made, is a link, belongs to somebody else, or is open to others.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        info = path.lstat()
    except OSError as error:
        raise SettingsError(
            f"The folder {path} cannot be made: {error.strerror}.",
            next_step="Make its parent writable, or set SNEWS_DRILL_HOME to a folder that is.",
        ) from error
    if not _is_own_dir(info):
        raise _not_own(path)
    if os.name == "posix" and stat.S_IMODE(info.st_mode) & 0o077:
        _close_to_others(path)
    return path


def _close_to_others(path: Path) -> None:
    """Make a folder private through a handle: what is put into its place meanwhile is not touched."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise _not_own(path) from error
    try:
        if not _is_own_dir(os.fstat(handle)):
            raise _not_own(path)
        os.fchmod(handle, 0o700)
    finally:
        os.close(handle)


def _is_own_dir(info: os.stat_result) -> bool:
    return stat.S_ISDIR(info.st_mode) and (not hasattr(os, "getuid") or info.st_uid == os.getuid())


def _not_own(path: Path) -> SettingsError:
    return SettingsError(
        f"{path} is a link or belongs to somebody else.",
        next_step="Remove it, or set SNEWS_DRILL_HOME to a folder of your own.",
    )


def write_private_file(path: Path, content: bytes) -> None:
    """Replace a file in one step; only this user can read it (0600).

    Raises
    ------
    OSError
        If the folder cannot be written; the old file is then untouched.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # made 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def read_private_file(path: Path, *, max_bytes: int = 65536) -> bytes | None:
    """Return a private file's content, or None if there is none.

    Raises
    ------
    SettingsError
        If it is a link, somebody else's, readable by others, or larger than `max_bytes`.
    """
    try:
        # O_NONBLOCK: a pipe in its place would otherwise be waited for without end.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        handle = os.open(path, flags)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be read: {error.strerror}.", next_step="Remove it if it is not yours."
        ) from error
    try:
        info = os.fstat(handle)
        foreign = hasattr(os, "getuid") and info.st_uid != os.getuid()
        is_open = os.name == "posix" and bool(info.st_mode & 0o077)
        if foreign or is_open or not stat.S_ISREG(info.st_mode) or info.st_size > max_bytes:
            raise SettingsError(
                f"{path} is not a private file of yours (mode {stat.S_IMODE(info.st_mode):04o}, {info.st_size} B).",
                next_step="Remove it; it is made again when needed.",
            )
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read(max_bytes)
    finally:
        os.close(handle)


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return read_toml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be read: {error.strerror}.",
            next_step="Make it readable, or set SNEWS_DRILL_HOME to a folder of your own.",
        ) from error
    except (ValueError, RecursionError) as error:
        # Numbers of thousands of digits and nesting without end are other errors than TOML's own.
        raise SettingsError(
            f"{path} cannot be read: {str(error)[:200]}.", next_step="Correct the file or delete it."
        ) from error
