"""Messages that do not arrive: brokers that are gone, or stand still after they were handed the bytes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from broker_stand import Stand, freeze, open_connection_on, thaw

from snews_drill.connection import Connection
from snews_drill.errors import DeliveryFailed
from snews_drill.messages.times import iso_micro
from snews_drill.outbox import Outbox
from snews_drill.publisher import SNEWSTiersPublisher
from snews_drill.settings import DrillSettings
from snews_drill.wire.dialects import get_dialect


def recently() -> str:
    """Return a neutrino time that an observation may have."""
    return iso_micro(time.time_ns() - 10**9)


@pytest.fixture
def user(settings: DrillSettings) -> DrillSettings:
    """A user who is XENONnT."""
    return settings.model_copy(update={"detector_name": "XENONnT"})


@pytest.fixture
def outbox(user: DrillSettings) -> Outbox:
    """That user's outbox."""
    return Outbox(settings=user)


@pytest.fixture
def link(stand: Stand, user: DrillSettings) -> Iterator[Connection]:
    """That user's connection to a broker that the test may kill and freeze; something was sent over it before."""
    with open_connection_on(stand, user) as connection:
        SNEWSTiersPublisher(detector_status="ON", connection=connection, verbose=False).send_to_snews(
            verbose=False
        )
        yield connection


@pytest.fixture(params=["1.3", "3"])
def spoken(request: pytest.FixtureRequest, link: Connection) -> str:
    """The same in each dialect."""
    link.dialect = get_dialect(request.param)
    return str(request.param)


@pytest.fixture
def fail(stand: Stand, link: Connection) -> Callable[..., SNEWSTiersPublisher]:
    """Return a function that publishes to a broker which stands still: the bytes arrive, the acknowledgement does not."""

    def publish(**arguments: Any) -> SNEWSTiersPublisher:
        publisher = SNEWSTiersPublisher(connection=link, verbose=False, **arguments)
        freeze(stand)
        try:
            with pytest.raises(DeliveryFailed):
                publisher.send_to_snews(verbose=False, timeout=0.4)
        finally:
            thaw(stand)
        return publisher

    return publish
