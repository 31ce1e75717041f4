"""The harness itself: the walls around the peers, and environments that are made once."""

from __future__ import annotations

import pytest

from interop.conftest import Stage
from interop.peers import CLIENT_3, ensure_environment

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120, func_only=True)]


def test_a_peer_that_turns_elsewhere_fails_its_test(stage: Stage) -> None:
    """Streams and look-ups to another host are refused, and whoever runs the peer is told."""
    with pytest.raises(AssertionError, match="turned elsewhere") as failure:
        stage.troupe.run(CLIENT_3, "go_elsewhere")
    assert str(failure.value).count("FOREIGN HOST") >= 2


def test_a_finished_environment_is_used_again(stage: Stage) -> None:
    """Asking again changes nothing; the versions are the locked ones."""
    python = ensure_environment(CLIENT_3)
    made = (python.parent.parent / "complete").stat().st_mtime_ns
    assert ensure_environment(CLIENT_3) == python
    assert (python.parent.parent / "complete").stat().st_mtime_ns == made
