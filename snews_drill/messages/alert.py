"""The alert: what the drill server publishes when detectors agree."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from snews_drill.messages.times import iso_micro


class AlertType(StrEnum):
    """Why an alert was sent; the value is the word on the wire."""

    COINC_MSG = "COINC_MSG"
    COINC_MSG_STAGGERED = "COINC_MSG_STAGGERED"
    UPDATE = "UPDATE"
    RETRACTION = "RETRACTION"


class Alert(BaseModel):
    """One alert.

    Attributes
    ----------
    id : str
        `SNEWS_Coincidence_ALERT <time>` for two detectors, `SNEWS_Coincidence_ALERT-UPDATE <time>` else.
    alert_type : str
        One of `AlertType`, with "TEST " in front for test messages; as sent, should a server use another word.
    server_tag : str
        Which server sent it.
    false_alarm_probability : str
        The text the server gives.
    detector_names : tuple of str
        In order of neutrino time.
    sent_time_ns : int or None
        ns since 1970 (UTC).
    p_values : tuple of float or None
        One per detector; null where a detector gave none.
    neutrino_times_ns : tuple of int
        One per detector, ns since 1970 (UTC).
    p_values_average : float or None
        Mean of those given.
    sub_list_number : int or None
        The group this alert speaks of.
    content : dict
        The object as it travelled, with not-a-number as null.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    alert_type: str
    server_tag: str = ""
    false_alarm_probability: str = ""
    detector_names: tuple[str, ...]
    sent_time_ns: int | None = None
    p_values: tuple[float | None, ...] = ()
    neutrino_times_ns: tuple[int, ...] = ()
    p_values_average: float | None = None
    sub_list_number: int | None = None
    content: dict[str, Any] = Field(default_factory=dict, repr=False)

    @property
    def is_test(self) -> bool:
        """Whether it is about test messages."""
        return self.alert_type.startswith("TEST ")

    @property
    def kind(self) -> AlertType | None:
        """The type without "TEST "; None for a word we do not know."""
        word = self.alert_type.removeprefix("TEST ")
        return AlertType(word) if word in AlertType.__members__ else None

    def to_dict(self) -> dict[str, Any]:
        """Return the alert as plain data, as it travelled."""
        return dict(self.content)

    def _repr_html_(self) -> str:
        from snews_drill.messages.alert_html import alert_to_html

        return alert_to_html(self)

    def __repr__(self) -> str:
        when = iso_micro(self.neutrino_times_ns[0]) if self.neutrino_times_ns else "no time"
        names = ", ".join(self.detector_names[:20]) + (", …" if len(self.detector_names) > 20 else "")
        return (
            f"Alert({self.alert_type}: {len(self.detector_names)} detectors, first neutrino {when}: {names})"
        )

    __str__ = __repr__
