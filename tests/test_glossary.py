"""One word, one meaning: the glossary and the code agree."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import snews_drill
from snews_drill.detectors import Detector
from snews_drill.heartbeats import HeartbeatSender
from snews_drill.messages.alert import Alert, AlertType
from snews_drill.messages.commands import Command, CommandName
from snews_drill.messages.tiers import TIER_CLASSES, Heartbeat, Retraction, Tier
from snews_drill.outbox import Outbox
from snews_drill.profiles import PROFILES, Profile, Topics
from snews_drill.wire.dialects import DIALECTS, Dialect

ROOT = Path(__file__).parent.parent
GLOSSARY = ROOT / "docs" / "glossary.md"
pytestmark = pytest.mark.skipif(not GLOSSARY.exists(), reason="only in a checkout")

#: The words of the house, all of them.
WORDS = {
    *(
        "detector",
        "tier",
        "observation",
        "heartbeat",
        "retraction",
        "message",
        "alert",
        "topic",
        "broker",
        "profile",
    ),
    *(
        "dialect",
        "window",
        "group",
        "drill",
        "rehearsal",
        "fire drill",
        "scenario",
        "roster",
        "command",
        "outbox",
    ),
}

#: Glossary word -> the class that bears it.
CLASSES = {
    "alert": Alert,
    "command": Command,
    "detector": Detector,
    "dialect": Dialect,
    "heartbeat": Heartbeat,
    "outbox": Outbox,
    "profile": Profile,
    "retraction": Retraction,
    "tier": Tier,
    "topic": Topics,
}


def entries() -> dict[str, str]:
    """Return word -> meaning, from lines such as `- **tier**: …`."""
    text = GLOSSARY.read_text(encoding="utf-8")
    return {
        word: meaning
        for word, meaning in re.findall(r"^- \*\*(.+?)\*\*: (.+?)(?=\n- \*\*|\n\n|\Z)", text, re.M | re.S)
    }


def test_every_word_of_the_house_has_one_meaning() -> None:
    """No word is missing, none stands twice."""
    assert set(entries()) >= WORDS
    words = re.findall(r"^- \*\*(.+?)\*\*:", GLOSSARY.read_text(encoding="utf-8"), re.M)
    assert len(words) == len(set(words))


def test_classes_bear_the_words() -> None:
    """The class that means a word is called by it."""
    for word, kind in CLASSES.items():
        assert kind.__name__.removesuffix("s").lower() == word
        assert word in entries()
    assert HeartbeatSender.__name__.startswith("Heartbeat")


def test_values_of_the_wire_stand_in_the_glossary() -> None:
    """Tiers, kinds of alert, profiles, dialects and commands are told where their word is explained."""
    meanings = entries()
    assert all(f"`{tier.value}`" in meanings["tier"] for tier in TIER_CLASSES)
    assert all(f"`{kind.value}`" in meanings["alert"] for kind in AlertType)
    assert all(f"`{name}`" in meanings["profile"] for name in PROFILES)
    assert all(f'"{name}"' in meanings["dialect"] for name in DIALECTS)
    assert all(f"`{name.value}`" in meanings["command"] for name in CommandName)


def test_no_class_uses_a_word_that_the_glossary_gave_away() -> None:
    """Words with a meaning of their own elsewhere are not used for ours."""
    given_away = ("Experiment", "Station", "Server2", "Channel", "Queue", "Notice", "Bulletin")
    names = {
        node.name
        for path in Path(snews_drill.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    }
    assert not {name for name in names if name.startswith(given_away)}
