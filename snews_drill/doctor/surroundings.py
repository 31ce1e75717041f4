"""What is looked at on this machine alone: software, settings, name, destination, credentials."""

from __future__ import annotations

import os
import platform
import re
import stat
from importlib import metadata
from pathlib import Path

from snews_drill.detectors import find_detector
from snews_drill.doctor.findings import Finding
from snews_drill.doctor.patient import Patient
from snews_drill.errors import DrillError
from snews_drill.names import get_name
from snews_drill.outbox import Outbox
from snews_drill.settings import DrillSettings
from snews_drill.transport import check_private, credentials_for, described, store_path, versions

#: The line of hop-client that this package was made for. Source: pyproject.toml.
_HOP_LINE = "0.13."


def look_at_software(_: Patient) -> Finding:
    """Tell versions; every package that ours requires must be there."""
    found = {
        "Python": platform.python_version(),
        "snews_drill": metadata.version("snews_drill"),
        **versions(),
    }
    said = ", ".join(f"{name} {number}" for name, number in found.items())
    required = metadata.requires("snews_drill") or []
    names = [
        match[0] for line in required if "extra ==" not in line and (match := re.match(r"[\w.-]+", line))
    ]
    missing = [name for name in names if not _is_installed(name)]
    if missing:
        return Finding(
            "software",
            "problem",
            f"{said}. Not installed: {', '.join(missing)}.",
            "Install what is missing: pip install --upgrade snews_drill",
        )
    if not found["hop-client"].startswith(_HOP_LINE):
        return Finding(
            "software",
            "warning",
            f"{said}. snews_drill was made for hop-client {_HOP_LINE}x.",
            "Install it again in an environment of its own: pip install snews_drill",
        )
    return Finding("software", "ok", f"{said}.")


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def look_at_settings(patient: Patient) -> Finding:
    """Read the settings; look whether the folders can be written, and who else can write them."""
    settings = patient.settings
    folders = (settings.config_dir, settings.state_dir, settings.runtime_dir)
    closed = [folder for folder in folders if not _can_be_written(folder)]
    if closed:
        return Finding(
            "settings",
            "problem",
            f"{closed[0]} cannot be written.",
            "Make that folder writable for you, or set SNEWS_DRILL_HOME to a folder that is.",
        )
    open_to_all = [path for path in (*folders, settings.config_file) if _others_may_write(path)]
    if open_to_all:
        return Finding(
            "settings",
            "warning",
            f"Others may change {open_to_all[0]}.",
            f"Close it: chmod go-w {open_to_all[0]}",
        )
    waiting = _waiting(settings)
    if waiting:
        return Finding("settings", "warning", waiting, "Look at it with: snews-drill outbox list")
    there = "read" if settings.config_file.exists() else "not there yet, so the defaults hold"
    return Finding("settings", "ok", f"{settings.config_file}: {there}; the folders can be written.")


def _waiting(settings: DrillSettings) -> str:
    try:
        count = len(Outbox(settings=settings))
    except DrillError as error:
        return error.reason
    waits = f"{count} message{'s wait' if count != 1 else ' waits'}"
    return f"{waits} in the outbox: no broker acknowledged them." if count else ""


def _can_be_written(folder: Path) -> bool:
    place = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    return place.is_dir() and os.access(place, os.W_OK | os.X_OK)


def _others_may_write(path: Path) -> bool:
    try:
        return os.name == "posix" and bool(stat.S_IMODE(path.stat().st_mode) & 0o022)
    except OSError:
        return False


def look_at_name(patient: Patient) -> Finding:
    """Tell which detector the user is."""
    detector = find_detector(get_name(patient.settings))
    return Finding("name", "ok", f"You are {detector.name} (number {detector.number}).")


def look_at_destination(patient: Patient) -> Finding:
    """Tell where messages would go, and what the doctor writes there."""
    profile = patient.known_profile
    broker = patient.find_broker()
    topic = profile.firedrill.observations
    who = "LIVE, other people read it" if profile.is_live else "nothing leaves this machine"
    writes = (
        f"The doctor writes one connection test to kafka://{broker}/{topic}, nothing else."
        if patient.is_echo_wanted
        else "The doctor writes nothing there."
    )
    return Finding(
        "destination", "ok", f"{profile.name}: {broker}, dialect {profile.dialect}; {who}. {writes}"
    )


def look_at_credentials(patient: Patient) -> Finding:
    """Look whether there is exactly one credential for the broker, in a private store."""
    profile = patient.known_profile
    if profile.broker is None:
        return Finding("credentials", "ok", "None needed: a rehearsal asks for no account.")
    path = store_path()
    check_private(path)
    auth = credentials_for(patient.broker, is_required=profile.needs_credentials)
    if auth is None:
        return Finding(
            "credentials", "ok", f"None used: {path} has none for {patient.broker}, which may ask for none."
        )
    credential = described(auth)
    patient.credential = credential
    where = credential.host or "any host"
    said = f"{credential.name} for {where}, {credential.mechanism}, in {path} (private)."
    if not credential.host:
        return Finding(
            "credentials",
            "warning",
            f"{said} Without a host it is offered to every broker you name.",
            f"Add it for this broker: snews-drill auth add --host {patient.broker}; then remove the old one.",
        )
    return Finding("credentials", "ok", said)
