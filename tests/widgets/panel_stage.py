"""A whole rehearsal for panels: broker and drill server, in folders of a test's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from snews_drill.connection import Connection, connect
from snews_drill.settings import DrillSettings, remember


@contextmanager
def rehearsal(settings: DrillSettings, name: str | None = "XENONnT") -> Iterator[Connection]:
    """A rehearsal of this test's own, for a user who is `name`; the drill server finds it by the environment."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("SNEWS_DRILL_NAME", "SNEWS_DRILL_PROFILE"):
            patch.delenv(variable, raising=False)
        patch.setenv("SNEWS_DRILL_HOME", str(settings.config_dir.parent))
        if name is not None:
            remember(settings, detector_name=name)
        with connect("rehearsal") as connection:
            yield connection
