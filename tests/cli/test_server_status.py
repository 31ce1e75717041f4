"""Looking at the server of a rehearsal through its archive: what is new, and rest for a large one."""

from __future__ import annotations

import time

import pytest
from messages_to_send import observation, send_observations
from waiting import wait_for
from widgets.panel_stage import rehearsal

from snews_drill.cli import server_status
from snews_drill.cli.server_status import RehearsalLook
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.server_process import ARCHIVE_NAME
from snews_drill.settings import DrillSettings


def test_it_says_what_is_new_and_rests_when_that_took_long(
    settings: DrillSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Detectors, groups and alerts; after a look that was dear the next one comes later."""
    with rehearsal(settings) as connection:
        state = connection.rehearsal.current_state() if connection.rehearsal is not None else None
        assert state is not None
        with Archive(state.archive_dir / ARCHIVE_NAME) as archive:
            look = RehearsalLook(connection, archive)
            assert look().alerts == ()
            zero_ns = time.time_ns() - 10**9
            send_observations(connection, observation("JUNO", zero_ns), observation("LVD", zero_ns))
            wait_for(lambda: len(look().alerts) == 1, "the alert")
            shown = look()
            assert [seen.name for seen in shown.status.detectors] == ["JUNO", "LVD"]
            assert shown.status.groups == (("JUNO", "LVD"),)
            assert shown.status.counts["alerts"] == 1

            monkeypatch.setattr(server_status, "_REST", 1e9)
            send_observations(connection, observation("SK", zero_ns))
            wait_for(lambda: archive.alert_count() == 2, "the second alert")
            look._rests_until = 0.0
            assert len(look().alerts) == 2  # and it rests from now on
            send_observations(connection, observation("LZ", zero_ns))
            wait_for(lambda: archive.alert_count() == 3, "the third alert")
            assert len(look().alerts) == 2
            look._rests_until = 0.0
            assert len(look().alerts) == 3
