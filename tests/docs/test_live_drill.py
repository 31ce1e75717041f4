"""The page on the live drill names the topics and permissions that the profiles use."""

from __future__ import annotations

from pathlib import Path

import pytest

from snews_drill.profiles import PROFILES

PAGE = (Path(__file__).parents[2] / "docs" / "live_drill.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PROFILES)
def test_the_table_of_topics_is_that_of_the_profiles(name: str) -> None:
    """Write, read, read: in this order, for each profile."""
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |")]
    cells = [cell.strip().split(" ")[0].strip("`") for cell in row.strip("|").split("|")]
    assert tuple(cells[1:]) == PROFILES[name].firedrill.names()


@pytest.mark.parametrize("name", PROFILES)
def test_the_topics_of_tests_are_named(name: str) -> None:
    """What `firedrill_mode=False` writes to and reads from."""
    topics = PROFILES[name].topics(firedrill_mode=False)
    assert f"`{topics.observations}`" in PAGE
    assert f"`{topics.alerts}`" in PAGE
