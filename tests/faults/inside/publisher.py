"""Sends the messages of a storm one after the other, each acknowledged before the next, and goes on after a kill.

A journal has a line for each acknowledged message. Killed between acknowledgement and journal, it sends one message twice,
as anybody has to who cannot know.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from snews_drill import SNEWSTiersPublisher
from snews_drill.connection import Connection, open_profile
from snews_drill.errors import DeliveryFailed, TransportError

#: Between two messages, so that what is killed in a storm comes back in the same storm.
PAUSE_SEC = 0.004


def main(messages: Path, journal: Path, broker: str, prefix: str, patience: str) -> None:
    todo = [json.loads(line) for line in messages.read_text().splitlines()]
    done = journal.read_bytes().count(b"\n") if journal.exists() else 0
    with connected(broker, prefix) as connection, journal.open("ab", buffering=0) as book:
        for arguments in todo[done:]:
            publisher = SNEWSTiersPublisher(**arguments, connection=connection, verbose=False)
            assert len(publisher.messages) == 1, publisher.problems
            book.write(f"{send(publisher, float(patience))}\n".encode())
            time.sleep(PAUSE_SEC)


def connected(broker: str, prefix: str) -> Connection:
    """Return a connection, however often that takes; who started us has the patience."""
    while True:
        try:
            return open_profile(broker, topics_prefix=prefix)
        except TransportError as error:
            print(error.reason, file=sys.stderr)


def send(publisher: SNEWSTiersPublisher, patience: float) -> int:
    """Send until it is acknowledged; return how many times that took."""
    attempts = 0
    while True:
        attempts += 1
        try:
            publisher.send_to_snews(verbose=False, timeout=patience)
        except DeliveryFailed as error:
            print(error.reason, file=sys.stderr)
        else:
            return attempts


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
