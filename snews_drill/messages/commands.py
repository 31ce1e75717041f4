"""Remote commands: what clients ask of the drill server through the observation topic.

The words are those of the SNEWS publishing tools 1.3. A command that needs rights carries a proof made with the admin
token instead of the token: every member can read the topic.
"""

from __future__ import annotations

import hashlib
import hmac
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class CommandName(StrEnum):
    """The command's word, the second half of its `_id`.

    `not-joined` is only ever said by the server: joining is frozen, and it did not take a detector's message.
    """

    TEST_CONNECTION = "test-connection"
    HARD_RESET = "hard-reset"
    DISPLAY_HEARTBEATS = "display-heartbeats"
    GET_FEEDBACK = "Get-Feedback"
    BROKER_CHANGE = "broker-change"
    ANNOUNCE = "announce"
    FREEZE_JOINING = "freeze-joining"
    UNFREEZE_JOINING = "unfreeze-joining"
    DRILL_STATUS = "drill-status"
    NOT_JOINED = "not-joined"


#: Commands that only somebody with the admin token may give.
NEEDS_RIGHTS = frozenset(
    {
        CommandName.HARD_RESET,
        CommandName.DISPLAY_HEARTBEATS,
        CommandName.BROKER_CHANGE,
        CommandName.ANNOUNCE,
        CommandName.FREEZE_JOINING,
        CommandName.UNFREEZE_JOINING,
    }
)

#: Longest announcement, characters.
MAX_ANNOUNCEMENT = 1000


class Command(BaseModel):
    """One request, or the server's reply to it.

    Attributes
    ----------
    name : CommandName
        What is asked.
    detector_name : str
        Who asks.
    time : str
        When, as the sender wrote it (naive UTC ISO text); "" where the command has none.
    status : str
        "sending" in a request; "received", "done" or "refused" in a reply.
    email : str
        For feedback: one or more addresses separated by semicolons.
    text : str
        For an announcement: what everybody is told.
    request_id : str
        A random text that ties the reply to the request.
    proof : str
        HMAC-SHA256 over the request, hex; "" without rights.
    reason : str
        In a reply: why it was refused, or what was done.
    meta : dict
        Whatever else came with it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: CommandName
    detector_name: str
    time: str = ""
    status: str = "sending"
    email: str = ""
    text: str = ""
    request_id: str = ""
    proof: str = Field(default="", repr=False)
    reason: str = ""
    meta: dict[str, Any] = Field(default_factory=dict)

    def with_proof(self, token: str, topic: str) -> Command:
        """Return the command with a proof that its sender knows the admin token.

        Parameters
        ----------
        token
            The admin token.
        topic
            The observation topic that the command is for; on any other one, and with any other drill, it proves nothing.
        """
        return self.model_copy(update={"proof": self._signature(token, topic)})

    def is_proved(self, token: str, topic: str) -> bool:
        """Tell whether the proof was made with this token, for this topic (compared in constant time)."""
        expected = self._signature(token, topic).encode()
        return hmac.compare_digest(self.proof.encode("utf-8", "replace"), expected)

    def _signature(self, token: str, topic: str) -> str:
        parts = [self.name.value, self.detector_name, self.time, self.request_id, topic]
        if self.text:
            # A proof belongs to what is announced: the same words, or none.
            parts.append(self.text)
        said = "\n".join(f"{len(part)}:{part}" for part in parts)
        return hmac.new(token.encode(), said.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
