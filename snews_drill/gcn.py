"""An alert in the form of a NASA GCN notice.

The form is the SNEWS2 coincidence notice that SNEWS has proposed for GCN (gcn/notices/snews2/coincidence in
the repository nasa-gcn/gcn-schema, pull request 352, as of 2026-06-28, still open). Nothing here sends anything; a notice
made from a drill always says `"alert_tense": "test"`.
"""

from __future__ import annotations

import base64
import re
from typing import Any

from snews_drill.errors import LocalizationError
from snews_drill.messages.alert import Alert, AlertType
from snews_drill.messages.times import iso_nano
from snews_drill.sky import Localization

SCHEMA_URL = "https://gcn.nasa.gov/schema/main/gcn/notices/snews2/coincidence.schema.json"
SNEWS_SCHEMA_VERSION = "1.0"
"""As in the examples of the proposal."""

_CONTAINMENT = 0.9
_PERCENTAGE = re.compile(r"\s*(\d{1,3}(?:\.\d{1,20})?(?:[eE][+-]?\d{1,3})?)\s*%\s*")


def alert_to_gcn(
    alert: Alert, localization: Localization | None = None, *, record_number: int | None = None
) -> dict[str, Any]:
    """Return an alert as a notice in GCN's form, ready for `json.dumps`; it is never sent.

    Parameters
    ----------
    alert
        The alert.
    localization
        The map made from it. The notice then carries the map as a base64 FITS file and, if a single place
        fits, RA, DEC and the radius (degrees) around them that holds 90 % of the probability.
    record_number
        Counts the notices of one event, from 1; left out if None.

    Returns
    -------
    dict
        Plain data. Times are UTC with nanoseconds and Z. What the alert does not tell (a p-value for each
        detector, a false-alarm probability as a number) is left out, not invented.

    Raises
    ------
    LocalizationError
        If the localization was made from other detectors than the alert's.

    Notes
    -----
    `alert_type` is "retraction" when fewer than two detectors remain, "initial" for a group's first alert,
    else "update": a detector that leaves a group of three or more changes the event, it does not end it.
    """
    notice: dict[str, Any] = {"$schema": SCHEMA_URL}
    if alert.sent_time_ns is not None:
        notice["alert_datetime"] = iso_nano(alert.sent_time_ns)
    notice |= {
        "alert_tense": "test",
        "alert_type": _sequence_word(alert),
        "id": alert.id,
        "mission": "SNEWS",
        "messenger": "Neutrino",
    }
    if record_number is not None:
        notice["record_number"] = record_number
    if alert.neutrino_times_ns:
        notice["trigger_time"] = iso_nano(min(alert.neutrino_times_ns))
    notice |= {
        "snews_schema_version": SNEWS_SCHEMA_VERSION,
        "snews2_tier": "CoincidenceTier",
        "detector_status": dict.fromkeys(alert.detector_names, "triggered"),
        "event_times_utc": [iso_nano(time) for time in alert.neutrino_times_ns],
        "tier_data": _tier_data(alert),
    }
    return notice | (_place(alert, localization) if localization is not None else {})


def _sequence_word(alert: Alert) -> str:
    if alert.kind is AlertType.RETRACTION and len(alert.detector_names) < 2:
        return "retraction"
    is_first = "-UPDATE" not in alert.id
    return (
        "initial"
        if is_first and alert.kind in (AlertType.COINC_MSG, AlertType.COINC_MSG_STAGGERED)
        else "update"
    )


def _tier_data(alert: Alert) -> dict[str, Any]:
    data: dict[str, Any] = {}
    if alert.neutrino_times_ns:
        data["neutrino_time_utc"] = iso_nano(min(alert.neutrino_times_ns))
    known = [value for value in alert.p_values if value is not None]
    # The form has no null, and p-values must stay in step with the detectors.
    if known and len(known) == len(alert.detector_names):
        data["p_values"] = known
    percentage = _PERCENTAGE.fullmatch(alert.false_alarm_probability)
    if percentage and float(percentage[1]) <= 100:
        data["false_alarm_prob"] = float(percentage[1]) / 100
    return data


def _place(alert: Alert, localization: Localization) -> dict[str, Any]:
    if set(localization.detector_names) != set(alert.detector_names):
        raise LocalizationError(
            "The localization was made from other detectors than the alert names.",
            next_step="Make it from this alert: alert_to_gcn(alert, localize(alert)).",
        )
    place: dict[str, Any] = {}
    if len(localization.modes) == 1:
        place = {
            "ra": localization.ra_deg,
            "dec": localization.dec_deg,
            "ra_dec_error": localization.radius_deg(_CONTAINMENT),
            "containment_probability": _CONTAINMENT,
            "systematic_included": False,
        }
    content = base64.b64encode(localization.fits_bytes()).decode("ascii")
    return place | {"healpix_file": content}
