"""What the user asks of the drill server: test the connection, reset the cache, mail feedback, show heartbeats.

The words that are printed are those of the SNEWS publishing tools 1.3.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from snews_drill.connection import Connection, current_connection
from snews_drill.errors import SettingsError
from snews_drill.messages.commands import Command, CommandName
from snews_drill.messages.times import iso_micro
from snews_drill.replies import CommandReply, ConnectionReport
from snews_drill.request import PATIENCE_SECONDS, Request, ask, no_answer, who_asks

if TYPE_CHECKING:
    import pandas

__all__ = [
    "PATIENCE_SECONDS",
    "CommandReply",
    "ConnectionReport",
    "display_heartbeats",
    "get_feedback",
    "heartbeat_rows",
    "reset_cache",
    "test_connection",
]


def test_connection(
    detector_name: str | None = None,
    firedrill: bool = True,  # noqa: FBT001, FBT002 - the signature of the publishing tools
    start_at: int | None = None,  # noqa: ARG001 - accepted for older notebooks
    wait: float = PATIENCE_SECONDS,
    *,
    patience: float | None = None,
    connection: Connection | None = None,
    verbose: bool = True,
) -> ConnectionReport:
    """Ask the drill server for an echo; returns as soon as it comes.

    Parameters
    ----------
    detector_name
        Who asks; the remembered name by default.
    firedrill
        True for the fire-drill topics, False for the test topics.
    start_at
        Accepted for the sake of older notebooks.
    wait, patience
        Seconds after which to give up; both words mean the same.
    connection
        Which connection; the current one by default.
    verbose
        Whether to print what happens.

    Returns
    -------
    ConnectionReport
        True in a condition.

    Raises
    ------
    NoAnswer
        If the broker took the test and no drill server answered in time.
    NameNotSet
        If nobody said which detector this is.
    TransportError
        If the broker does not answer or refuses.
    """
    connection = connection or current_connection()
    patience = wait if patience is None else patience
    name = who_asks(detector_name, connection)
    topics = connection.topics(firedrill_mode=firedrill)
    sent_to, expected_from = connection.url(topics.observations), connection.url(topics.connection)
    if verbose:
        print("\n> Testing your connection.")
        print(f"> Sending to {sent_to}")
        print(f"> Expecting from {expected_from}. ")
        print(f"> Going to take up to {patience:g} seconds\n")
    request = Command(
        name=CommandName.TEST_CONNECTION, detector_name=name, time=iso_micro(time.time_ns() // 1000 * 1000)
    )
    asked = Request(request, connection, firedrill_mode=firedrill)
    reply, milliseconds = asked.await_reply(patience)
    if reply is None:
        raise no_answer(
            f"{connection.broker} took the test, but no drill server confirmed it within {patience:g} s.",
            connection,
            next_step="Check that a drill server runs there (`snews-drill serve`), or be more patient: wait=30.",
        )
    if verbose:
        print(f"You ({name}) have a connection to the server at {request.time}")
    return ConnectionReport(
        is_confirmed=True,
        detector_name=name,
        broker=connection.broker,
        sent_to=sent_to,
        expected_from=expected_from,
        time=request.time,
        milliseconds=milliseconds,
    )


# pytest would take the name for a test when it collects modules that import it.
test_connection.__test__ = False  # type: ignore[attr-defined]


def reset_cache(
    detector_name: str | None = None,
    admin_pass: str | None = None,
    firedrill: bool = True,  # noqa: FBT001, FBT002
    *,
    patience: float = PATIENCE_SECONDS,
    connection: Connection | None = None,
    verbose: bool = True,
) -> CommandReply:
    """Have the drill server forget all observations. Needs rights.

    In a rehearsal you have them. On a shared broker the instructor's token in `SNEWS_DRILL_ADMIN_TOKEN` gives them; it never
    travels, a proof made with it does.

    Parameters
    ----------
    detector_name
        Who asks; the remembered name by default, or the instructor if there is none.
    admin_pass
        The admin token, where neither the rehearsal nor `SNEWS_DRILL_ADMIN_TOKEN` has it.
    firedrill
        True for the fire-drill topics, False for the test topics.
    patience
        Seconds to wait for the answer.
    connection
        Which connection; the current one by default.
    verbose
        Whether to print what happens.

    Raises
    ------
    NotAuthorised
        If you have no rights.
    NoAnswer
        If no drill server answered.
    TransportError
        If the broker does not answer or refuses.
    """
    if verbose:
        print("> Requesting to Reset the cache. If you have rights, cache will be reset")
    reply = ask(
        CommandName.HARD_RESET,
        detector_name,
        connection,
        firedrill_mode=firedrill,
        patience=patience,
        token=admin_pass,
    )
    if verbose:
        print(f"> {reply.answer}")
    return reply


def get_feedback(
    detector_name: str | None = None,
    email_address: str | None = None,
    firedrill: bool = True,  # noqa: FBT001, FBT002
    *,
    patience: float = 30.0,
    connection: Connection | None = None,
    verbose: bool = True,
) -> CommandReply:
    """Have the statistics of your heartbeats in the last 24 hours mailed to you.

    Parameters
    ----------
    detector_name
        Whose heartbeats; the remembered name by default.
    email_address
        One or more registered addresses, separated by semicolons.
    firedrill
        True for the fire-drill topics, False for the test topics.
    patience
        Seconds to wait for the answer.
    connection
        Which connection; the current one by default.
    verbose
        Whether to print what happens.

    Raises
    ------
    SettingsError
        If no address was given, or one is none.
    NotAuthorised
        If an address is not registered for that detector, or the mail could not be sent; the sentence says which.
    NoAnswer
        If no drill server answered.
    TransportError
        If the broker does not answer or refuses.
    """
    addresses = [part.strip() for part in (email_address or "").split(";") if part.strip()]
    if not addresses or not all(
        re.fullmatch(r"[^@\s,;<>]{1,64}@[^@\s,;<>]{1,253}", part) for part in addresses
    ):
        raise SettingsError(
            f"{email_address!r:.100} is no mail address."
            if email_address
            else f"{email_address!r} is no mail address: none was given.",
            next_step='Give a registered address, several separated by semicolons: "a@b.org;c@d.org".',
        )
    reply = ask(
        CommandName.GET_FEEDBACK,
        detector_name,
        connection,
        firedrill_mode=firedrill,
        patience=patience,
        email=";".join(addresses),
    )
    if verbose:
        print(f"> {reply.answer}")
        print("Heartbeat Feedback is requested! Expect an email from us!")
    return reply


def display_heartbeats(
    detector_name: str | None = None,
    admin_pass: str | None = None,
    firedrill: bool = True,  # noqa: FBT001, FBT002
    *,
    patience: float = PATIENCE_SECONDS,
    connection: Connection | None = None,
    verbose: bool = True,
) -> pandas.DataFrame:
    """Have the drill server show the heartbeats of all detectors. Needs rights.

    Parameters
    ----------
    detector_name
        Who asks; the remembered name by default, or the instructor if there is none.
    admin_pass
        The admin token, where neither the rehearsal nor `SNEWS_DRILL_ADMIN_TOKEN` has it.
    firedrill
        True for the fire-drill topics, False for the test topics.
    patience
        Seconds to wait for the answer.
    connection
        Which connection; the current one by default.
    verbose
        Whether to print what happens.

    Returns
    -------
    pandas.DataFrame
        One row per detector: detector_name, heartbeats (count in 24 h), status, seconds_ago, latency_ms. On a shared
        broker it is empty: the server writes the table to its own log, because others could read the reply.

    Raises
    ------
    NotAuthorised
        If you have no rights.
    NoAnswer
        If no drill server answered.
    TransportError
        If the broker does not answer or refuses.
    """
    import pandas

    rows = heartbeat_rows(
        detector_name, admin_pass, firedrill, patience=patience, connection=connection, verbose=verbose
    )
    return pandas.DataFrame(
        rows, columns=["detector_name", "heartbeats", "status", "seconds_ago", "latency_ms"]
    )


def heartbeat_rows(
    detector_name: str | None = None,
    admin_pass: str | None = None,
    firedrill: bool = True,  # noqa: FBT001, FBT002
    *,
    patience: float = PATIENCE_SECONDS,
    connection: Connection | None = None,
    verbose: bool = True,
) -> list[dict[str, Any]]:
    """Return what `display_heartbeats` returns, as one dict per detector; parameters and errors are the same."""
    reply = ask(
        CommandName.DISPLAY_HEARTBEATS,
        detector_name,
        connection,
        firedrill_mode=firedrill,
        patience=patience,
        token=admin_pass,
    )
    if verbose:
        print(f"> {reply.answer}")
    rows = reply.meta.get("heartbeats")
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
