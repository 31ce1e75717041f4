"""The Kafka client that everybody here is built on, bare: the limit of what can be had from this broker."""

from __future__ import annotations

import json
import sys
import time

import dialogue

answers = dialogue.keep_answers_apart()
job = json.loads(sys.stdin.readline())

import confluent_kafka  # noqa: E402 - after the answers were put in a safe place

BODY = b"x" * 500

producer = confluent_kafka.Producer({"bootstrap.servers": job["broker"], "linger.ms": 0})


def _reader(topic: str) -> confluent_kafka.Consumer:
    # The broker answers an idle fetch when the fetch's time is over: the time that snews_drill sets on loopback.
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": job["broker"],
            "group.id": f"raw-{topic}",
            "fetch.wait.max.ms": 10,
            "enable.auto.commit": False,
        }
    )
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
    return consumer


def _write(topic: str, body: bytes) -> None:
    problems: list[object] = []
    producer.produce(topic, body, on_delivery=lambda error, _: error and problems.append(error))
    assert producer.flush(10) == 0
    assert not problems, problems


def _await(consumer: confluent_kafka.Consumer, body: bytes) -> None:
    limit = time.monotonic() + 10
    while time.monotonic() < limit:
        message = consumer.poll(1.0)
        if message is not None and message.value() == body:
            return
    raise AssertionError("the message did not come")


there, back = _reader(job["topics"]["observations"]), _reader(job["topics"]["alerts"])
numbers = iter(range(10**9))


def publish() -> dict[str, object]:
    body = b"%d " % next(numbers) + BODY
    begun = time.perf_counter()
    _write(job["topics"]["connection"], body)
    return {"seconds": time.perf_counter() - begun}


def round_trip() -> dict[str, object]:
    """There and back, as an observation and the alert that answers it."""
    body = b"%d " % next(numbers) + BODY
    begun = time.perf_counter()
    _write(job["topics"]["observations"], body)
    _await(there, body)
    _write(job["topics"]["alerts"], body)
    _await(back, body)
    return {"seconds": time.perf_counter() - begun}


def read_all(topic: str, count: int) -> dict[str, object]:
    """Read what is on a topic; seconds from the first to the last."""
    consumer = _reader(topic)
    first = last = 0.0
    found = 0
    limit = time.monotonic() + 60
    while found < count and time.monotonic() < limit:
        message = consumer.poll(1.0)
        if message is None or message.error():
            continue
        last = time.perf_counter()
        first = first or last
        found += 1
    consumer.close()
    return {"seconds": last - first, "found": found}


dialogue.converse(answers, publish, round_trip, read_all)
