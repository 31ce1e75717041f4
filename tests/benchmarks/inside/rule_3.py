"""The coincidence code of the published server 3.0.1, measured alone: no Kafka, no database, no alert is composed."""

from __future__ import annotations

import logging
import time
from operator import itemgetter
from typing import Any

import dialogue

answers = dialogue.keep_answers_apart()

import guard  # noqa: E402 - found where dialogue says

job = guard.take_job()
guard.set_topics(job)

from snews_cs.core import logging as its_logging  # noqa: E402 - the peer is imported behind the walls

its_logging.logger.removeHandler(its_logging.fh)  # its log would go beside its code
its_logging.logger.addHandler(logging.NullHandler())

from snews_cs.snews_coinc import CacheManager  # noqa: E402

BASE = 1_900_000_000_000_000_000


def coincidence(detectors: int, limit: float, runs: int) -> dict[str, Any]:
    """Give it every detector once within 30 ms, in order of time, for at most so many seconds; the
    median of some runs.
    """
    found = sorted((_burst(detectors, limit) for _ in range(runs)), key=itemgetter("seconds"))
    return found[runs // 2]


def _burst(detectors: int, limit: float) -> dict[str, Any]:
    messages = [_message(n, BASE + n * 30_000_000 // detectors) for n in range(detectors)]
    rule, done = CacheManager(), 0
    deadline, begun = time.monotonic() + limit, time.process_time()
    for message in messages:
        rule.add_to_cache(message)
        # What its caller does between two messages; of no weight.
        for tag in rule.sub_group_state:
            rule.sub_group_state[tag] = None
        rule.updated = []
        done += 1
        if time.monotonic() > deadline:
            break
    spent = time.process_time() - begun
    largest = int(rule.cache.groupby("sub_group").size().max())
    return {"seconds": spent / done, "done": done, "largest_group": largest}


def _message(number: int, time_ns: int) -> dict[str, Any]:
    import numpy

    stamp = f"{numpy.datetime64(time_ns, 'ns')}"
    return {
        "id": f"message-{number}",
        "detector_name": f"detector-{number}",
        "received_time": stamp,
        "machine_time_utc": stamp,
        "neutrino_time_utc": stamp,
        "p_val": 0.01,
        "meta": {},
    }


dialogue.converse(answers, coincidence)
