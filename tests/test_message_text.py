"""How messages are shown."""

from __future__ import annotations

from snews_drill.errors import Problem
from snews_drill.message_text import messages_html, sending_text
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


def test_html_escapes_every_text_and_cuts_long_ones() -> None:
    """Keys, values, titles and problems; a flood of text is cut."""
    evil = "<script>alert(1)</script>"
    shown = messages_html(
        [{evil: evil, "long": "x" * 10_000}], [{"a": [evil]}], [Problem(evil, evil, evil, evil)]
    )
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown
    assert len(shown) < 3000
    assert shown.index("To send") < shown.index("Not valid") < shown.index("<ul>")


def test_html_of_nothing_says_so() -> None:
    """An empty cell would look like a fault."""
    assert messages_html([], [], []) == "<p>No message.</p>"
