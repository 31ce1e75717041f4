"""An alert becomes a notice that GCN's proposed SNEWS2 form accepts."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from astropy.io import fits

from snews_drill.errors import LocalizationError
from snews_drill.gcn import alert_to_gcn
from snews_drill.messages.alert import Alert
from snews_drill.sky import arrival_times_ns, localize

FORM = json.loads(
    (Path(__file__).parent / "data/gcn/snews2_coincidence.schema.json").read_text(encoding="utf-8")
)
WHEN = 1_675_771_200 * 10**9


def make_alert(names=("JUNO", "Super-K", "XENONnT", "IceCube", "SNO+"), kind="COINC_MSG", **changes):
    times = arrival_times_ns(88.79292, 7.40706, WHEN, names)
    word = "ALERT" if len(names) == 2 else "ALERT-UPDATE"
    fields = {
        "id": f"SNEWS_Coincidence_{word} 2023-02-07T12:00:01.000000",
        "alert_type": kind,
        "detector_names": names,
        "neutrino_times_ns": tuple(times.values()),
        "sent_time_ns": WHEN + 10**9,
        "p_values": tuple(0.01 for _ in names),
        "false_alarm_probability": "0.5 %",
    }
    return Alert(**(fields | changes))


def check(notice):
    jsonschema.Draft202012Validator(FORM).validate(json.loads(json.dumps(notice, allow_nan=False)))
    return notice


def test_a_full_alert_with_its_map_fits_the_form():
    alert = make_alert()
    found = localize(alert)
    notice = check(alert_to_gcn(alert, found, record_number=2))
    assert notice["trigger_time"] == min(notice["event_times_utc"])
    assert notice["alert_datetime"] == "2023-02-07T12:00:01.000000000Z"
    assert notice["detector_status"] == dict.fromkeys(alert.detector_names, "triggered")
    assert notice["tier_data"]["false_alarm_prob"] == pytest.approx(0.005)
    assert notice["tier_data"]["p_values"] == [0.01] * 5
    assert (notice["ra"], notice["dec"]) == pytest.approx((88.79292, 7.40706), abs=1e-3)
    assert notice["ra_dec_error"] == pytest.approx(found.radius_deg(0.9))
    assert notice["record_number"] == 2


def test_the_map_inside_is_the_map():
    alert = make_alert()
    found = localize(alert)
    content = base64.b64decode(alert_to_gcn(alert, found)["healpix_file"])
    with fits.open(io.BytesIO(content)) as hdus:
        assert np.array_equal(hdus[1].data["PROB"], found.probability)


@pytest.mark.parametrize("kind", ["COINC_MSG", "TEST COINC_MSG", "UPDATE", "RETRACTION", "SOMETHING_NEW"])
def test_a_drill_never_looks_like_the_real_thing(kind):
    assert check(alert_to_gcn(make_alert(kind=kind)))["alert_tense"] == "test"


@pytest.mark.parametrize(
    ("names", "kind", "word"),
    [
        (("JUNO", "LVD"), "COINC_MSG", "initial"),
        (("JUNO", "LVD"), "COINC_MSG_STAGGERED", "initial"),
        (("JUNO", "LVD", "SNO+"), "COINC_MSG", "update"),
        (("JUNO", "LVD"), "UPDATE", "update"),
        (("JUNO", "LVD"), "RETRACTION", "update"),
        (("JUNO",), "RETRACTION", "retraction"),
        ((), "TEST RETRACTION", "retraction"),
        (("JUNO", "LVD"), "SOMETHING_NEW", "update"),
    ],
)
def test_sequence_word(names, kind, word):
    assert check(alert_to_gcn(make_alert(names, kind)))["alert_type"] == word


@pytest.mark.parametrize(
    "text", ["N/A", "(couldn't compute)", "", "nan %", "1e999999 %", "1e999 %", "101 %", "5"]
)
def test_a_false_alarm_probability_that_is_no_percentage_is_left_out(text):
    assert (
        "false_alarm_prob" not in check(alert_to_gcn(make_alert(false_alarm_probability=text)))["tier_data"]
    )


def test_incomplete_p_values_are_left_out_and_no_null_appears():
    alert = make_alert(("JUNO", "LVD"), p_values=(0.1, None), sent_time_ns=None)
    notice = check(alert_to_gcn(alert))
    assert "p_values" not in notice["tier_data"]
    assert "alert_datetime" not in notice


@pytest.mark.parametrize("names", [("JUNO", "LVD"), ("JUNO", "SNO+", "IceCube")])
def test_a_ring_or_two_places_are_given_as_a_map_only(names):
    times = tuple(arrival_times_ns(200, -40, WHEN, names).values())
    alert = make_alert(names, neutrino_times_ns=times)
    notice = check(alert_to_gcn(alert, localize(alert)))
    assert "healpix_file" in notice
    assert "ra" not in notice


def test_somebody_elses_map_is_refused():
    with pytest.raises(LocalizationError, match="other detectors"):
        alert_to_gcn(make_alert(("JUNO", "LVD")), localize(make_alert(("JUNO", "SNO+"))))


@pytest.mark.parametrize(
    "broken", [{"alert_tense": "real"}, {"detector_status": {"JUNO": "fine"}}, {"dec": None}]
)
def test_the_form_used_here_can_refuse(broken):
    with pytest.raises(jsonschema.ValidationError):
        check(alert_to_gcn(make_alert()) | broken)
