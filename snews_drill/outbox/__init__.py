"""The outbox: messages of this user's that no broker acknowledged, kept on disk until they are sent or dropped.

    attempt    what a publisher does: keep before sending, let go on acknowledgement
    entry      one kept message: what, where to, when and why not
    folder     the private folder: one file per message, written in one step, damaged ones kept aside
    dispatch   sending what waits, each message only where it was meant to go
    box        `Outbox`, what users call

Heartbeats are never kept: one that comes late tells of a time that is over.
"""

from __future__ import annotations

from snews_drill.outbox.attempt import Attempt
from snews_drill.outbox.box import Outbox
from snews_drill.outbox.dispatch import Dispatched, DispatchReport
from snews_drill.outbox.entry import OutboxEntry

__all__ = ["Attempt", "DispatchReport", "Dispatched", "Outbox", "OutboxEntry"]
