"""The drill server's clock over jumps of the machine's."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from snews_drill.messages.times import NS_PER_DAY, NS_PER_SECOND
from snews_drill.rehearsal import server_clock
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.server_clock import ServerClock


class Wall:
    """The machine's clock, which somebody sets."""

    def __init__(self) -> None:
        self.offset_ns = 0

    def __call__(self) -> int:
        return time.time_ns() + self.offset_ns


def is_near(found_ns: int, expected_ns: int) -> bool:
    return abs(found_ns - expected_ns) < NS_PER_SECOND


@pytest.mark.parametrize("days", [2, -2, 400])
def test_a_jump_is_not_followed_and_told(days: int) -> None:
    """And when the clock is set right again, all is as before."""
    wall = Wall()
    clock = ServerClock(wall=wall)
    assert is_near(clock.now_ns(), time.time_ns())
    wall.offset_ns = days * NS_PER_DAY
    assert is_near(clock.now_ns(), time.time_ns())
    assert f"{abs(days)}.0 days" in clock.remark
    assert ("ahead" in clock.remark) == (days > 0)
    wall.offset_ns = 0
    assert is_near(clock.now_ns(), time.time_ns())
    assert clock.remark == ""


def test_small_steps_are_followed() -> None:
    """As a time service makes them."""
    wall = Wall()
    clock = ServerClock(wall=wall)
    for offset in (-3, 4, 9):
        wall.offset_ns = offset * NS_PER_SECOND
        assert is_near(clock.now_ns(), wall())
        assert clock.remark == ""


def test_a_record_that_was_written_at_the_new_time_confirms_it() -> None:
    """A clock that was wrong and is set right: everybody else has that time already."""
    wall = Wall()
    wall.offset_ns = -3 * 3600 * NS_PER_SECOND
    clock = ServerClock(wall=wall)
    clock.now_ns()
    wall.offset_ns = 0
    assert not clock.heed([0, time.time_ns() // 10**6 - 3 * 3600 * 1000])
    assert not is_near(clock.now_ns(), time.time_ns())
    assert clock.heed([time.time_ns() // 10**6])
    assert is_near(clock.now_ns(), time.time_ns())
    assert clock.remark == ""
    assert not clock.heed([time.time_ns() // 10**6])


def test_a_jump_is_noticed_over_a_restart(archive: Archive) -> None:
    """The archive keeps the time, and the system counts since its start."""
    wall = Wall()
    clock = ServerClock(archive, wall)
    clock.now_ns()
    clock.keep()
    wall.offset_ns = 2 * NS_PER_DAY
    assert is_near(ServerClock(archive, wall).now_ns(), time.time_ns())
    assert "ahead" in ServerClock(archive, wall).remark


@pytest.mark.parametrize("noted", ["", "nonsense", "another-boot 5", "{boot} many", "{boot} "])
def test_what_cannot_be_used_is_left_alone(archive: Archive, noted: str) -> None:
    """After a start of the system, and whatever the file says, the machine's clock is the only one there is."""
    archive.note("clock", noted.format(boot=server_clock._boot_id()))
    assert is_near(ServerClock(archive).now_ns(), time.time_ns())


def test_without_a_count_since_the_start_nothing_is_kept(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a system that does not name its starts."""
    monkeypatch.setattr(server_clock, "_BOOT_ID", tmp_path / "none")
    clock = ServerClock(archive)
    clock.keep()
    assert archive.noted("clock") == ""
    assert is_near(clock.now_ns(), time.time_ns())
