"""The lines that are printed when a message is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from snews_drill.messages.tiers import Tier

_RULE = "-" * 64


def sending_text(content: Mapping[str, Any], tier: Tier | None, url: str) -> str:
    """Return what is printed when a message is sent.

    Parameters
    ----------
    content
        The message as it travels.
    tier
        Its tier.
    url
        The address of the topic.
    """
    lines = [_RULE, f"Sending message to {tier.value if tier else '?'} on {url}"]
    if tier is Tier.RETRACTION:
        lines.append("IT'S OKAY, WE ALL MAKE MISTAKES")
    return "\n".join([*lines, *_lines(content, 0)])


def _lines(content: Mapping[str, Any], indent: int) -> list[str]:
    # The layout of the SNEWS publishing tools 1.3.2: keys padded to 19, nested objects one tab further in.
    lines: list[str] = []
    for key, value in content.items():
        is_nested = isinstance(value, Mapping)
        lines.append("\t" * indent + f"{key:<19}:" + ("" if is_nested else f"{value}"))
        if is_nested:
            lines += _lines(value, indent + 1)
    return lines
