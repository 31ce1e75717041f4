"""A drill server on a broker that exists: connection, topics, rights, archive."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import SecretStr

from snews_drill.connection import Connection
from snews_drill.errors import ArchiveError, NotPermitted, SettingsError, UnreadableFile
from snews_drill.profiles import Profile, chosen_profile
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.archive_places import server_archive
from snews_drill.settings import DrillSettings, load_settings, read_private_file
from snews_drill.transport import Transport, credentials_for
from snews_drill.wire.dialects import get_dialect

#: What Kafka takes as the name of a topic; it names the group too.
_TOPIC_NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,200}")


@dataclass(frozen=True)
class ServerChoices:
    """What the user said about the server.

    Attributes
    ----------
    broker : str
        A kafka URL without a topic.
    topics_prefix : str or None
        Goes in front of every topic; by default what the settings say.
    archive : Path or None
        The archive's file; one of this broker's own in the user's state folder by default.
    admin_token_file : Path or None
        A private file with the token that gives rights.
    dialect : str or None
        How alerts are written; both dialects are always read.
    partitions : int
        Partitions of the observation topics, if they are made now.
    standby_group : str or None
        The servers that stand by for each other: the name of their consumer group and of their topic.
    """

    broker: str
    topics_prefix: str | None = None
    archive: Path | None = None
    admin_token_file: Path | None = None
    dialect: str | None = None
    partitions: int = 1
    standby_group: str | None = None


@contextlib.contextmanager
def open_server_connection(choices: ServerChoices) -> Iterator[tuple[Connection, list[str]]]:
    """Connect as a server does, with the topics made that were missing; close it at the end.

    Yields
    ------
    connection : Connection
        For the server.
    remarks : list of str
        What could not be done and may not matter.

    Raises
    ------
    SettingsError
        If a choice cannot be used.
    TransportError
        If the broker does not answer or refuses.
    """
    settings = _with_token(load_settings(), choices.admin_token_file)
    profile = chosen_profile(choices.broker, settings, topics_prefix=choices.topics_prefix)
    dialect = get_dialect(choices.dialect or profile.dialect)
    if choices.standby_group is not None:
        _check_group(choices.standby_group, profile)
    if profile.broker is None:
        raise SettingsError(
            f"{profile.name} is no broker.",
            next_step="Name one: snews-drill serve --broker kafka://host:9092",
        )
    transport = Transport(
        profile.broker, auth=credentials_for(profile.broker, is_required=profile.needs_credentials)
    )
    with contextlib.ExitStack() as stack:
        stack.callback(transport.close)
        transport.check(timeout=10.0, refusals_end_it=True)
        remarks = []
        try:
            observations = (profile.firedrill.observations, profile.test.observations)
            transport.create_topics(observations, partitions=choices.partitions)
            transport.create_topics((*profile.firedrill.names(), *profile.test.names()))
            if choices.standby_group is not None:
                transport.create_topics((choices.standby_group,))
        except NotPermitted as error:
            remarks.append(f"Topics could not be made, so they must exist: {error.reason}")
        connection = stack.enter_context(Connection(profile, transport, dialect, settings=settings))
        for topics in (profile.firedrill, profile.test):
            for name in topics.names():
                connection.note_told(name)  # the screen of the server shows them
        yield connection, remarks


def _check_group(name: str, profile: Profile) -> None:
    if not _TOPIC_NAME.fullmatch(name) or name in {*profile.firedrill.names(), *profile.test.names()}:
        raise SettingsError(
            f"{name!r:.80} cannot be the name of a standby group.",
            next_step="Use up to 200 letters, digits, dots, - and _, and no topic of the drill: --standby myschool.servers",
        )


def _with_token(settings: DrillSettings, path: Path | None) -> DrillSettings:
    if path is None:
        return settings
    try:
        content = read_private_file(path)
    except SettingsError as error:
        raise SettingsError(error.reason, next_step=f"Make it yours alone: chmod 600 {path}") from error
    token = (content or b"").decode("utf-8", "replace").strip()
    if not token:
        raise UnreadableFile(
            f"{path} holds no token." if content is not None else f"There is no file {path}.",
            next_step=f"Make one: (umask 077; openssl rand -hex 32 > {path})",
        )
    return settings.model_copy(update={"admin_token": SecretStr(token)})


@contextlib.contextmanager
def open_server_archive(choices: ServerChoices, connection: Connection) -> Iterator[Archive]:
    """Open the archive for one server alone.

    Raises
    ------
    ArchiveError
        If another server has it open, or it cannot be used.
    SettingsError
        If its folder is open to others.
    """
    path = (
        choices.archive.absolute()
        if choices.archive is not None
        else server_archive(
            connection.settings, connection.broker, connection.profile.name, choices.standby_group
        )
    )
    folder = path.parent
    if folder.exists() and choices.archive is not None and folder.stat().st_mode & 0o077:
        # Opening the archive makes its folder private; nobody wants that of a folder that holds other things.
        raise SettingsError(
            f"{folder} is open to others, and the archive holds what detectors sent.",
            next_step=f"Give the archive a folder of its own, which is then made: --archive {folder}/drill/{path.name}",
        )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(f"{path}.lock", mode=0o600)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ArchiveError(
            f"Another drill server uses {path}.", next_step="End that one, or give another --archive."
        ) from error
    except OSError as error:
        raise ArchiveError(
            f"{path} cannot be opened: {error.strerror or error}.", next_step="Give another --archive."
        ) from error
    try:
        with Archive(path) as archive:
            yield archive
    finally:
        lock.release()
