"""Who may get mail about which detector: the addresses in `contacts.toml`, and nobody else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from snews_drill.detectors import find_detector
from snews_drill.errors import NotAuthorised, SettingsError, UnknownDetector
from snews_drill.settings import DrillSettings
from snews_drill.toml_text import read_toml

#: At most this many addresses in one request, and under one detector.
MAX_ADDRESSES = 20

# RFC 5321 4.5.3.1: 64 for the local part; 254 is what fits a path of 256 with its angle brackets.
_MAX_ADDRESS = 254
_MAX_LOCAL = 64
_MAX_FILE_BYTES = 1_000_000
_MAX_REQUEST = (_MAX_ADDRESS + 2) * MAX_ADDRESSES

# The dot-atom of RFC 5322 without its rarest characters, and a host name: nothing that a header, an address
# list, a shell or a terminal could understand as more than an address.
_LOCAL = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*")
_DOMAIN = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)


def is_address(text: str) -> bool:
    """Tell whether a text is one plain mail address.

    Plain means: ASCII, one @, a local part of at most 64 letters, digits, and `_ + - .`, a host name, at most
    254 characters altogether; no blanks, line ends, commas, semicolons, quotes or display names.
    """
    local, at, domain = text.partition("@")
    return bool(
        at
        and len(text) <= _MAX_ADDRESS
        and len(local) <= _MAX_LOCAL
        and _LOCAL.fullmatch(local)
        and _DOMAIN.fullmatch(domain)
    )


def shown(text: str) -> str:
    """Return hostile text fit to be shown: ASCII, control characters escaped, about 80 characters at most."""
    return ascii(text[:80])[:80] + ("..." if len(text) > 80 else "")


@dataclass(frozen=True, slots=True)
class Contacts:
    """The registered addresses per detector. Made by `load_contacts`, or from a mapping by `contacts_from`.

    Attributes
    ----------
    addresses : mapping of str to tuple of str
        Registered detector name to addresses. Not shown in the repr: they are other people's.
    source : str
        Where they came from, for messages to the user.
    """

    addresses: Mapping[str, tuple[str, ...]] = field(repr=False)
    source: str

    def registered(self, detector: str, addresses_text: str) -> list[str]:
        """Return the addresses that were asked for, all of which are registered for the detector.

        Parameters
        ----------
        detector
            A name or accepted spelling.
        addresses_text
            Addresses separated by `;`, as a feedback request carries them: hostile text.

        Returns
        -------
        list of str
            As the contacts file spells them, each once, in the order asked for.

        Raises
        ------
        UnknownDetector
            If the detector is not on the roster.
        NotAuthorised
            If no address is given, there are too many, or one is not registered: then nobody gets mail.
        """
        name = find_detector(detector).name
        allowed = {address.casefold(): address for address in self.addresses.get(name, ())}
        asked = [part.strip(" \t") for part in addresses_text[:_MAX_REQUEST].split(";")]
        asked = [part for part in asked if part]
        if not asked:
            raise NotAuthorised(
                f"No address was given for the feedback of {name}.",
                next_step="Give one or more registered addresses, separated by ;.",
            )
        if len(asked) > MAX_ADDRESSES or len(addresses_text) > _MAX_REQUEST:
            raise NotAuthorised(
                f"More than {MAX_ADDRESSES} addresses were given for the feedback of {name}.",
                next_step="Give fewer addresses in one request.",
            )
        strangers = [part for part in asked if part.casefold() not in allowed]
        if strangers:
            named = ", ".join(shown(part) for part in strangers[:3]) + (", ..." if len(strangers) > 3 else "")
            raise NotAuthorised(
                f"Not registered for {name}: {named}.",
                # Without the path: on a shared broker others than the server's owner read this.
                next_step=f"Ask whoever runs the drill server to add it for {name} in contacts.toml.",
            )
        return list(dict.fromkeys(allowed[part.casefold()] for part in asked))


def registered(detector: str, addresses_text: str, settings: DrillSettings) -> list[str]:
    """Return the addresses asked for, if all of them are registered in the user's contacts file.

    Parameters
    ----------
    detector, addresses_text
        As for `Contacts.registered`.
    settings
        Whose configuration folder holds the file.

    Raises
    ------
    SettingsError, UnknownDetector, NotAuthorised
        As for `load_contacts` and `Contacts.registered`.
    """
    return load_contacts(settings).registered(detector, addresses_text)


def load_contacts(settings: DrillSettings) -> Contacts:
    """Read `contacts.toml` in the user's configuration folder.

    Raises
    ------
    SettingsError
        If the file is missing, cannot be read, is not TOML, or names an unknown detector or something that is
        no plain address; it says which, and where to put which file.
    """
    path = settings.config_dir / "contacts.toml"
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
    except FileNotFoundError as error:
        raise SettingsError(
            f"Nobody is registered for feedback mails: there is no {path}.",
            next_step=f"Copy {template_path()} to {path} and write the addresses into it.",
        ) from error
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be read: {error.strerror}.", next_step="Make it readable."
        ) from error
    if len(content) > _MAX_FILE_BYTES:
        raise SettingsError(f"{path} is larger than {_MAX_FILE_BYTES} bytes.", next_step="Shorten it.")
    try:
        document = read_toml(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise SettingsError(
            f"{path} is not a TOML file: {error}.",
            next_step=f"Correct it; {template_path()} shows the format.",
        ) from error
    return contacts_from(_table(document, str(path)), source=str(path))


def contacts_from(addresses: Mapping[str, object], *, source: str) -> Contacts:
    """Check addresses per detector and return them as contacts.

    Parameters
    ----------
    addresses
        Detector name or spelling to a list of addresses.
    source
        Where they came from, for messages to the user.

    Raises
    ------
    SettingsError
        If a detector is not on the roster, or something is no plain address.
    """
    found: dict[str, list[str]] = {}
    for spelling, entries in addresses.items():
        try:
            name = find_detector(spelling).name
        except UnknownDetector as error:
            raise SettingsError(
                f"In {source}: {error.reason}", next_step=f"Correct the name in {source}."
            ) from error
        if not isinstance(entries, list | tuple):
            raise _bad_entry(source, name, "is not a list of addresses")
        for entry in entries:
            if not isinstance(entry, str) or not is_address(entry):
                raise _bad_entry(source, name, f"has {shown(str(entry))}, which is no plain mail address")
        merged = found.setdefault(name, [])
        merged.extend(entries)
        if len(merged) > MAX_ADDRESSES:
            raise _bad_entry(source, name, f"has more than {MAX_ADDRESSES} addresses")
    return Contacts({name: tuple(dict.fromkeys(entries)) for name, entries in found.items()}, source)


def template_path() -> Path:
    """Return the file that shows the format, as installed with the package."""
    return Path(str(resources.files("snews_drill").joinpath("data/contacts_template.toml")))


def _table(document: Mapping[str, object], source: str) -> Mapping[str, object]:
    table = document.get("contacts")
    if not isinstance(table, dict) or len(document) != 1:
        raise SettingsError(
            f"{source} needs one table, [contacts], and nothing else.",
            next_step=f"Put the lines below [contacts]; {template_path()} shows the format.",
        )
    return table


def _bad_entry(source: str, name: str, what: str) -> SettingsError:
    return SettingsError(
        f"In {source}, {name} {what}.",
        next_step=f'Write it as "{name}" = ["somebody@lab.example", "somebody.else@lab.example"].',
    )
