"""What the withdrawn client 1.3.2 is asked to do, with its own code."""

from __future__ import annotations

import os

import guard
import hop.io

job = guard.take_job()
ENV_FILE = guard.write_env_file(job)

from snews_pt import remote_commands  # noqa: E402 - the peer is imported behind the walls
from snews_pt.snews_pub import SNEWSTiersPublisher  # noqa: E402

guard.set_topics(job)


def publish() -> None:
    sent = []
    for arguments in job["messages"]:
        publisher = SNEWSTiersPublisher(env_file=ENV_FILE, **arguments)
        if publisher.invalid_messages:
            raise SystemExit(f"refused by the client itself: {publisher.invalid_messages}")
        publisher.send_to_snews()
        sent += publisher.messages
    guard.report(job, messages=sent)


def test_connection() -> None:
    """Run its test, then compare what came on the connection topic as its source does, with its own hop."""
    remote_commands.test_connection(
        detector_name=job["detector"], start_at=hop.io.StartPosition.EARLIEST, wait=1
    )
    guard.report(job, expected=expected_echo(), echoes=read_all("CONNECTION_TEST_TOPIC"))


def expected_echo() -> dict[str, object]:
    sent = read_all("FIREDRILL_OBSERVATION_TOPIC")
    (request,) = [content for content in sent if content["_id"] == "0_test-connection"]
    return {**request, "status": "received"}


def read_all(variable: str) -> list[dict[str, object]]:
    stream = hop.io.Stream(until_eos=True, start_at=hop.io.StartPosition.EARLIEST)
    with stream.open(os.environ[variable], "r") as reader:
        return [message.content for message in reader]


{"publish": publish, "test_connection": test_connection}[job["verb"]]()
