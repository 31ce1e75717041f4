"""What every script inside a peer's environment begins with: its job, and walls around this machine.

Runs with the peer's own Python and libraries; nothing of this project can be imported here.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

_opened: list[str] = []
_HERE = (None, "", "127.0.0.1", b"127.0.0.1")


def take_job() -> dict[str, Any]:
    """Read the job, and make sure that nothing but the job's broker on 127.0.0.1 can be turned to."""
    job: dict[str, Any] = json.loads(sys.stdin.readline())
    if not job["broker"].startswith("127.0.0.1:"):
        raise SystemExit("the broker is not on this machine")
    _watch_look_ups()
    _watch_streams(job["broker"])
    return job


def set_topics(job: dict[str, Any]) -> None:
    """Point the peer's settings at the job's broker; call it after importing the peer, which sets its own."""
    url = f"kafka://{job['broker']}/"
    os.environ.update(
        HOP_BROKER=job["broker"],
        OBSERVATION_TOPIC=url + job["topics"]["observations"],
        ALERT_TOPIC=url + job["topics"]["alerts"],
        FIREDRILL_OBSERVATION_TOPIC=url + job["topics"]["observations"],
        FIREDRILL_ALERT_TOPIC=url + job["topics"]["alerts"],
        CONNECTION_TEST_TOPIC=url + job["topics"]["connection"],
    )


def write_env_file(job: dict[str, Any]) -> str:
    """Write the same settings as a file that the peer can be given, and return its path."""
    set_topics(job)
    names = [name for name in os.environ if name.endswith("_TOPIC")]
    path = Path(job["folder"], "topics.env")
    path.write_text("".join(f'{name}="{os.environ[name]}"\n' for name in [*names, "HOP_BROKER"]))
    return str(path)


def report(job: dict[str, Any], **found: Any) -> None:
    """Write what was found; the file appears complete or not at all."""
    found["opened"] = _opened
    path = Path(job["folder"], "report.json")
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(found))
    partial.replace(path)


def _refused(place: Any) -> OSError:
    print(f"FOREIGN HOST {place}", flush=True)  # whoever started this looks for it
    return OSError(f"{place} is not on this machine")


def _watch_look_ups() -> None:
    look_up = socket.getaddrinfo

    def guarded(host: Any, *arguments: Any, **options: Any) -> Any:
        if host not in _HERE:
            raise _refused(host)
        return look_up(host, *arguments, **options)

    socket.getaddrinfo = guarded


def _watch_streams(broker: str) -> None:
    """Refuse any stream to another broker before the Kafka client, which resolves names itself, sees the name."""
    import hop.auth
    import hop.io

    open_stream = hop.io.Stream.open

    def guarded(self: Any, url: str, *arguments: Any, **options: Any) -> Any:
        if not url.startswith(f"kafka://{broker}/"):
            raise _refused(url)
        stream = open_stream(self, url, *arguments, **options)
        _opened.append(url)
        return stream

    hop.io.Stream.open = guarded
    # The embedded broker knows no SASL. The credential is still found, checked and chosen by hop; only its last
    # step, the settings for the Kafka client, is left out.
    hop.auth.Auth.__call__ = lambda self: {}
