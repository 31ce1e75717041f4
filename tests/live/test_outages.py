"""A drill goes on over what happens to the broker: nothing lost, nothing twice."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from waiting import wait_for

from snews_drill import SNEWSTiersPublisher, Subscriber
from snews_drill.detectors import roster
from snews_drill.inbox import Phase
from snews_drill.messages.times import iso_micro
from snews_drill.rehearsal.server import DrillServer


def restart(kafka: Any) -> None:
    kafka.restart()


def crash(kafka: Any) -> None:
    kafka.kill()
    kafka.start()


def freeze(kafka: Any) -> None:
    kafka.freeze()
    time.sleep(10)  # the case itself: a broker that hangs for 10 s
    kafka.thaw()


@pytest.mark.parametrize("happens", [restart, crash, freeze])
def test_drill_goes_on(place: Any, server: DrillServer, happens: Callable[[Any], None]) -> None:
    """Connected before, they all go on by themselves; every detector's message counts once, every alert comes once."""
    member, names = place.connect(), [detector.name for detector in roster()]
    neutrino_time = iso_micro(time.time_ns() - 5 * 10**9)
    with Subscriber(connection=member) as subscriber:

        def send(name: str) -> None:
            publisher = SNEWSTiersPublisher(
                detector_name=name, neutrino_time=neutrino_time, p_val=0.05, connection=member
            )
            assert len(publisher.send_to_snews(verbose=False, timeout=30)) == 1

        send(names[0])
        send(names[1])
        subscriber.wait_for(1)
        trouble = threading.Thread(target=happens, args=(place.kafka,), name="trouble")
        trouble.start()
        begun = time.monotonic()
        for name in names[2:]:
            send(name)
            time.sleep(0.1)  # messages before, during and after
        trouble.join(45)
        assert time.monotonic() - begun > 1.5

        def all_told() -> bool:
            alerts = subscriber.alerts
            return bool(alerts) and set(alerts[-1].detector_names) == set(names)

        wait_for(all_told, "the alert with every detector", timeout=20)
        wait_for(lambda: subscriber.state.phase is Phase.LISTENING, "the subscriber to listen", timeout=10)
        wait_for(lambda: server.status.state == "listening", "the server to listen", timeout=10)
        received = [alert.id for alert in subscriber.alerts]
    assert sum(seen.observations for seen in server.status.detectors) == len(names)
    assert len(set(received)) == len(received) == len(names) - 1
    reader = member.open_reader([place.topics.alerts], start="beginning")
    try:
        kept: list[str] = []

        def read_all() -> bool:
            kept.extend(json.loads(record.value)["_id"] for record in reader.read(timeout=0.5))
            return len(set(kept)) >= len(received)

        wait_for(read_all, "the alerts that the broker keeps")
    finally:
        reader.close()
    assert list(dict.fromkeys(kept)) == received
