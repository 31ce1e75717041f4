"""Alerts to publish in tests, and a connection to an embedded broker."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from broker_stand import credential_for

from snews_drill.connection import Connection
from snews_drill.messages.alert import Alert
from snews_drill.messages.times import iso_micro
from snews_drill.profiles import Profile, Topics, get_profile
from snews_drill.rehearsal.launcher import Rehearsal
from snews_drill.settings import DrillSettings
from snews_drill.transport import Receipt, Transport
from snews_drill.wire.dialects import get_dialect
from snews_drill.wire.json_text import dump_json
from snews_drill.wire.payload import Payload

DETECTORS = ("JUNO", "XENONnT")
_numbers = itertools.count()


def make_alert(number: int | None = None, names: Sequence[str] = DETECTORS) -> Alert:
    """Return an alert that no other test has."""
    number = next(_numbers) if number is None else number
    now_ns = time.time_ns() // 1000 * 1000
    return Alert(
        id=f"SNEWS_Coincidence_ALERT {iso_micro(now_ns)} {number}",
        alert_type="COINC_MSG",
        server_tag="test",
        false_alarm_probability="1.00%",
        detector_names=tuple(names),
        sent_time_ns=now_ns,
        p_values=(0.05,) * len(names),
        neutrino_times_ns=tuple(now_ns + index * 1_000_000 for index in range(len(names))),
        p_values_average=0.05,
        sub_list_number=0,
    )


def to_payload(alert: Alert) -> Payload:
    """Return an alert as the drill server writes it."""
    return Payload(dump_json(get_dialect("1.3").alert_to_object(alert)))


@dataclass
class Stage:
    """A connection to a broker, and a way to publish on its alert topic as a server does."""

    connection: Connection
    transport: Transport

    @property
    def alert_topic(self) -> str:
        return self.connection.topics().alerts

    @property
    def observation_topic(self) -> str:
        return self.connection.topics().observations

    def publish(self, *alerts: Alert) -> None:
        self.publish_raw(*(to_payload(alert).content for alert in alerts))

    def publish_raw(self, *contents: bytes) -> None:
        outcomes = self.transport.send(self.alert_topic, [Payload(content) for content in contents])
        assert all(isinstance(outcome, Receipt) for outcome in outcomes), outcomes[:3]

    def make_topics(self) -> None:
        self.transport.create_topics(self.connection.topics().names())


@contextmanager
def open_stage(
    broker_address: str,
    settings: DrillSettings,
    *,
    label: str | None = None,
    rehearsal: Rehearsal | None = None,
) -> Iterator[Stage]:
    """Connect to a broker; with a label, on topics of its own."""
    profile: Profile = get_profile("rehearsal")
    if label is not None:
        topics = Topics(
            observations=f"{label}.observations", alerts=f"{label}.alerts", connection=f"{label}.connection"
        )
        profile = profile.model_copy(update={"firedrill": topics})
    auth = credential_for(broker_address)
    ours, transport = Transport(broker_address, auth=auth), Transport(broker_address, auth=auth)
    with Connection(profile, ours, get_dialect("1.3"), rehearsal=rehearsal, settings=settings) as connection:
        try:
            stage = Stage(connection, transport)
            stage.make_topics()
            yield stage
        finally:
            transport.close()
