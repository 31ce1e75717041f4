"""The published client 3.0.0, measured: each verb calls what its users call."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import dialogue

answers = dialogue.keep_answers_apart()

import guard  # noqa: E402 - found where dialogue says
import hop.io  # noqa: E402

job = guard.take_job()
ENV_FILE = guard.write_env_file(job)

from snews_pt import remote_commands, snews_sub  # noqa: E402 - the peer is imported behind the walls
from snews_pt.messages import Publisher  # noqa: E402

guard.set_topics(job)  # importing it set its own again
TOPIC = os.environ["FIREDRILL_OBSERVATION_TOPIC"]
arrived: list[float] = []


def build(calls: int) -> dict[str, object]:
    """A coincidence and a significance message: built and checked."""

    def one(moment: str) -> Publisher:
        publisher = Publisher(TOPIC, auth=True)
        publisher.add_message(
            {
                "detector_name": "XENONnT",
                "neutrino_time_utc": moment,
                "p_values": [0.4, 0.5, 0.09, 0.04],
                "t_bin_width_sec": 0.6,
            }
        )
        return publisher

    moments = dialogue.moments(calls, digits=9, end="Z")
    return {"seconds": dialogue.per_call(one, moments), "made": len(one(moments[0]).message_queue)}


def publish(detector: str, neutrino_time: str, p_val: float) -> dict[str, object]:
    """Send one observation; the call returns when its stream, which waits for the broker, is closed."""
    publisher = Publisher(TOPIC, auth=True)
    publisher.add_message({"detector_name": detector, "neutrino_time_utc": neutrino_time, "p_val": p_val})
    assert len(publisher.message_queue) == 1
    begun, begun_at = time.perf_counter(), time.monotonic()
    publisher.send()
    return {"seconds": time.perf_counter() - begun, "begun_at": begun_at}


def listen() -> dict[str, object]:
    """Save and show alerts as its subscriber does, from the beginning of the topic: then nothing can be missed."""
    hop.io.Stream.__init__.__defaults__ = (True, hop.io.StartPosition.EARLIEST, False)
    threading.Thread(target=_take, daemon=True).start()
    return {}


def _take() -> None:
    folder = str(Path(job["folder"], "alerts"))
    for _ in snews_sub.Subscriber(env_path=ENV_FILE).subscribe_and_redirect_alert(outputfolder=folder):
        arrived.append(time.monotonic())


def arrivals(count: int, timeout: float) -> dict[str, object]:
    """Return when alerts were there for the caller, once there are so many."""
    limit = time.monotonic() + timeout
    while len(arrived) < count and time.monotonic() < limit:
        time.sleep(0.001)
    return {"at": list(arrived)}


def test_connection(patience: float) -> dict[str, object]:
    begun = time.perf_counter()
    confirmed = remote_commands.test_connection(detector_name="XENONnT", patience=patience)
    return {"seconds": time.perf_counter() - begun, "is_confirmed": confirmed is True}


dialogue.converse(answers, build, publish, listen, arrivals, test_connection)
