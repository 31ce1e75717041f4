"""What the instructor of a drill asks of the drill server: announce, freeze joining, and what the drill's state is.

Announcing and freezing need rights: in a rehearsal you have them; on a shared broker the token in
`SNEWS_DRILL_ADMIN_TOKEN` gives them. It never travels; a proof made with it does.
"""

from __future__ import annotations

from snews_drill.connection import Connection
from snews_drill.errors import SettingsError
from snews_drill.messages.commands import MAX_ANNOUNCEMENT, CommandName
from snews_drill.replies import CommandReply
from snews_drill.request import PATIENCE_SECONDS, ask


def announce(
    text: str,
    *,
    firedrill: bool = True,
    patience: float = PATIENCE_SECONDS,
    connection: Connection | None = None,
    verbose: bool = True,
) -> CommandReply:
    """Tell everybody who takes part something. Needs rights.

    The drill server repeats it on the connection topic; whoever is subscribed sees it above the table of alerts.

    Parameters
    ----------
    text
        What, as plain text of at most 1,000 characters. Everybody on the broker can read it.
    firedrill
        True for the fire-drill topics, False for the test topics.
    patience
        Seconds to wait for the answer.
    connection
        Which connection; the current one by default.
    verbose
        Whether to print the answer.

    Raises
    ------
    SettingsError
        If there is no text, or too much of it.
    NotAuthorised
        If you have no rights.
    NoAnswer
        If no drill server answered.
    TransportError
        If the broker does not answer or refuses.
    """
    if not isinstance(text, str) or not text.strip():
        raise SettingsError(
            "The announcement is empty.", next_step='Say something: announce("We begin at 15:00").'
        )
    # Half a surrogate pair cannot be written.
    text = text.strip().encode("utf-8", "replace").decode()
    if len(text) > MAX_ANNOUNCEMENT:
        raise SettingsError(
            f"The announcement has {len(text):,} characters, more than {MAX_ANNOUNCEMENT:,}.",
            next_step="Shorten it, or make two of it.",
        )
    return _do(CommandName.ANNOUNCE, firedrill, patience, connection, verbose, text=text)


def freeze_joining(
    *,
    firedrill: bool = True,
    patience: float = PATIENCE_SECONDS,
    connection: Connection | None = None,
    verbose: bool = True,
) -> CommandReply:
    """Let nobody join from now on but those detectors that were heard within the last day. Needs rights.

    A detector that was not heard before (no message, no connection test) is refused, and told so once. Those who are in
    stay in, also when the drill server is started again; a freeze that stands stays as it is. Connection tests are
    answered as before. Parameters and errors are those of `announce`.
    """
    return _do(CommandName.FREEZE_JOINING, firedrill, patience, connection, verbose)


def unfreeze_joining(
    *,
    firedrill: bool = True,
    patience: float = PATIENCE_SECONDS,
    connection: Connection | None = None,
    verbose: bool = True,
) -> CommandReply:
    """Let every detector join again. Needs rights. Parameters and errors are those of `announce`."""
    return _do(CommandName.UNFREEZE_JOINING, firedrill, patience, connection, verbose)


def drill_status(
    *,
    firedrill: bool = True,
    patience: float = PATIENCE_SECONDS,
    connection: Connection | None = None,
    verbose: bool = True,
) -> CommandReply:
    """Ask the drill server whether joining is frozen and what it holds; everybody may.

    Parameters and errors are those of `announce`.

    Returns
    -------
    CommandReply
        `meta["status_of_drill"]` has is_joining_frozen, observations and groups (counts).
    """
    return _do(CommandName.DRILL_STATUS, firedrill, patience, connection, verbose)


def _do(
    command: CommandName,
    firedrill: bool,  # noqa: FBT001
    patience: float,
    connection: Connection | None,
    verbose: bool,  # noqa: FBT001
    *,
    text: str = "",
) -> CommandReply:
    reply = ask(command, None, connection, firedrill_mode=firedrill, patience=patience, text=text)
    if verbose:
        print(f"> {reply.answer}")
    return reply
