"""How messages are shown."""

from __future__ import annotations

from snews_drill.message_text import sending_text
from snews_drill.messages.tiers import Tier

URL = "kafka://127.0.0.1:9092/snews.experiments-firedrill"


def test_the_tutorials_print_out() -> None:
    """A rule of 64 dashes, the tier and the topic, keys padded to 19, meta one tab further in."""
    content = {
        "_id": "19_TimeTier_x",
        "timing_series": ["a", "b"],
        "meta": {"is_test": False, "deep": {"x": None}},
    }
    assert sending_text(content, Tier.TIMING, URL) == (
        "----------------------------------------------------------------\n"
        f"Sending message to TimeTier on {URL}\n"
        "_id                :19_TimeTier_x\n"
        "timing_series      :['a', 'b']\n"
        "meta               :\n"
        "\tis_test            :False\n"
        "\tdeep               :\n"
        "\t\tx                  :None"
    )


def test_a_retraction_is_forgiven() -> None:
    """One more line, in capitals."""
    lines = sending_text({"_id": "x"}, Tier.RETRACTION, URL).splitlines()
    assert lines[1:3] == [f"Sending message to Retraction on {URL}", "IT'S OKAY, WE ALL MAKE MISTAKES"]
    assert "IT'S OKAY" not in sending_text({"_id": "x"}, Tier.HEARTBEAT, URL)
