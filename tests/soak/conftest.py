"""The soak takes as long as it is told to."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give the soak the time that it was asked to take, and some to begin and end."""
    limit = float(config.getoption("--soak-minutes")) * 60 + 180
    for item in items:
        if item.get_closest_marker("soak") is not None:
            item.add_marker(pytest.mark.timeout(limit))
