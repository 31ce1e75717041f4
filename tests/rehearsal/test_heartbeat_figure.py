"""The figure of a feedback mail (its place in the mail: test_feedback)."""

from __future__ import annotations

from mail_servers import NOW_NS

from snews_drill.rehearsal.heartbeat_figure import thinned
from snews_drill.rehearsal.heartbeat_statistics import Beat


def test_a_day_of_ten_beats_a_second_is_thinned_without_losing_extremes_or_changes() -> None:
    beats = [Beat("LVD", i not in (700, 90_000), NOW_NS + i - (i % 97), NOW_NS + i) for i in range(100_000)]
    beats[4321] = Beat("LVD", True, NOW_NS - 10**9, NOW_NS + 4321)
    kept = thinned(beats)
    assert len(kept) < 5000
    assert beats[4321] in kept
    assert [b for b in kept if not b.is_on] == [beats[700], beats[90_000]]
    assert kept == sorted(kept, key=lambda b: b.received_time_ns)
    flickering = [Beat("LVD", bool(i % 2), 0, i) for i in range(50_000)]
    assert len(thinned(flickering)) < 9000
