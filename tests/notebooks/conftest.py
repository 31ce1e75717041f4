"""The guided notebooks take their time: they run when asked for."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is below this folder."""
    for item in items:
        if "notebooks" in item.path.parts:
            item.add_marker(pytest.mark.notebooks)
