"""Which libraries are beneath."""

from __future__ import annotations

import confluent_kafka
import hop


def versions() -> dict[str, str]:
    """Return the versions of hop-client and librdkafka."""
    return {"hop-client": str(hop.__version__), "librdkafka": str(confluent_kafka.libversion()[0])}
