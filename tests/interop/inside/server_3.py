"""The published server 3.0.1, running with its own code until it is killed."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import guard
import hop.io

job = guard.take_job()
guard.set_topics(job)  # it takes what is set already

import snews_cs.database  # noqa: E402 - the peer is imported behind the walls
from snews_cs.core import logging as its_logging  # noqa: E402

# Its log comes to standard output and its database to the job's folder, instead of beside its code.
its_logging.logger.removeHandler(its_logging.fh)
its_logging.logger.addHandler(logging.StreamHandler(sys.stdout))
open_database = snews_cs.database.Database.__init__
snews_cs.database.Database.__init__ = lambda self, db_file_path: open_database(
    self, Path(job["folder"], "snews_cs.db")
)

from snews_cs.snews_coinc import CoincidenceDistributor  # noqa: E402

guard.set_topics(job)

# Tell once it has opened its stream.
guarded_open = hop.io.Stream.open


def open_and_tell(self: object, url: str, *arguments: object, **options: object) -> object:
    stream = guarded_open(self, url, *arguments, **options)
    if url.endswith(job["topics"]["observations"]):
        print("READY")
    return stream


hop.io.Stream.open = open_and_tell
server = CoincidenceDistributor(
    drop_db=True, firedrill_mode=True, server_tag="published server", send_slack=False
)
server.run_coincidence()
