"""What the published client 3.0.0 is asked to do, with its own code."""

from __future__ import annotations

import base64
import json
import os
import pickle
import socket
from pathlib import Path
from typing import Any

import guard
import hop.io

job = guard.take_job()
ENV_FILE = guard.write_env_file(job)

from snews.models import messages  # noqa: E402 - the peer is imported behind the walls
from snews_pt import remote_commands, snews_pt_utils, snews_sub  # noqa: E402
from snews_pt.messages import Publisher  # noqa: E402

guard.set_topics(job)  # importing it set its own again


def publish() -> None:
    publisher = Publisher(os.environ["FIREDRILL_OBSERVATION_TOPIC"], auth=True)
    for fields in job["messages"]:
        publisher.add_message(fields)
    made = list(publisher.message_queue)
    publisher.send(verbose=1)
    guard.report(job, messages=[message.model_dump(mode="json") for message in made])


def subscribe() -> None:
    """Save alerts as files with its subscriber until the asked number has come."""
    from_the_beginning()
    subscriber = snews_sub.Subscriber(env_path=ENV_FILE)
    alerts = []
    folder = str(Path(job["folder"], "alerts"))
    print("READY")
    for path in subscriber.subscribe_and_redirect_alert(outputfolder=folder):
        alerts.append({"file": Path(path).name, "content": json.loads(Path(path).read_text())})
        if len(alerts) == job["count"]:
            break
    guard.report(job, alerts=alerts)
    os._exit(0)  # its stream has no other end than an interrupt


def from_the_beginning() -> None:
    """Let streams begin at the start of the topic, which is this test's own: then nothing can be missed."""
    hop.io.Stream.__init__.__defaults__ = (True, hop.io.StartPosition.EARLIEST, False)


def test_connection() -> None:
    snews_pt_utils.set_env(ENV_FILE)
    confirmed = remote_commands.test_connection(
        detector_name=job["detector"], patience=job["patience"], start_at=job.get("start_at", "LATEST")
    )
    guard.report(job, confirmed=confirmed)


def make_models() -> None:
    """Pickle models made by the formats package, as the publisher does."""
    made = []
    for class_name, fields in job["models"]:
        model = getattr(messages, class_name)(**fields)
        made.append(
            {
                "class": class_name,
                "pickle": base64.b64encode(pickle.dumps(model)).decode(),
                "dump": model.model_dump(mode="json"),
            }
        )
    guard.report(job, models=made)


def load_models() -> None:
    """Unpickle models, and have the formats package check each one anew."""
    loaded = []
    for text in job["pickles"]:
        model: Any = pickle.loads(base64.b64decode(text))
        dump = model.model_dump(mode="json")
        checked = type(model)(**dump).model_dump(mode="json")
        loaded.append({"class": type(model).__name__, "dump": dump, "checked": checked})
    guard.report(job, models=loaded)


def go_elsewhere() -> None:
    """Turn to a host that is not this machine: the walls must hold, and tell."""
    refused = []
    for attempt in (
        lambda: hop.io.Stream().open("kafka://192.0.2.1:9092/topic", "r"),
        lambda: socket.create_connection(("192.0.2.1", 9092), timeout=1),
    ):
        try:
            attempt()
        except OSError as error:
            refused.append(str(error))
    guard.report(job, refused=refused)


VERBS = {
    "go_elsewhere": go_elsewhere,
    "publish": publish,
    "subscribe": subscribe,
    "test_connection": test_connection,
    "make_models": make_models,
    "load_models": load_models,
}
VERBS[job["verb"]]()
