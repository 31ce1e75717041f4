"""Apache Kafka takes its time: it runs when asked for."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is below this folder."""
    for item in items:
        if "kafka_broker" in item.path.parts:
            item.add_marker(pytest.mark.kafka)
