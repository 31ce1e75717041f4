"""A user with a home of their own: settings, name, and hop's store of credentials."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

import pytest

from snews_drill.settings import ENVIRONMENT, DrillSettings

SECRET = "correct-horse-$<b>battery</b>"


@dataclass(frozen=True)
class Home:
    """Where this user's files are."""

    folder: Path

    @property
    def store(self) -> Path:
        return self.folder / "xdg" / "hop" / "auth.toml"

    @property
    def settings(self) -> DrillSettings:
        home = self.folder / "home"
        return DrillSettings(config_dir=home / "config", state_dir=home / "state", runtime_dir=home / "run")

    def mode(self) -> int:
        return stat.S_IMODE(self.store.stat().st_mode)


def make_home(folder: Path, patch: pytest.MonkeyPatch, name: str | None = "XENONnT") -> Home:
    """Point the environment at an empty home."""
    for variable in ENVIRONMENT:
        patch.delenv(variable, raising=False)
    patch.setenv("SNEWS_DRILL_HOME", str(folder / "home"))
    patch.setenv("XDG_CONFIG_HOME", str(folder / "xdg"))
    if name is not None:
        patch.setenv("SNEWS_DRILL_NAME", name)
    return Home(folder)
