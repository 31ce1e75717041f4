"""How messages are shown: as the lines that are printed on sending, and as a table in notebooks."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from typing import Any

from snews_drill.errors import Problem
from snews_drill.messages.tiers import Tier

_RULE = "-" * 64

#: Longer values are cut in tables.
_MAX_SHOWN = 300


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


def messages_html(
    valid: Iterable[Mapping[str, Any]], invalid: Iterable[Mapping[str, Any]], problems: Iterable[Problem]
) -> str:
    """Return a table of messages and a list of what is wrong, as HTML in which every text is escaped."""
    parts = [_table("To send", content) for content in valid]
    parts += [_table("Not valid", content) for content in invalid]
    remarks = "".join(f"<li>{html.escape(str(problem))}</li>" for problem in problems)
    if remarks:
        parts.append(f"<ul>{remarks}</ul>")
    return "".join(parts) or "<p>No message.</p>"


def _table(title: str, content: Mapping[str, Any]) -> str:
    rows = "".join(
        f'<tr><th style="text-align:left">{_cut(key)}</th><td style="text-align:left">{_cut(value)}</td></tr>'
        for key, value in content.items()
    )
    return f'<table><caption style="text-align:left">{title}</caption>{rows}</table>'


def _cut(value: Any) -> str:
    text = str(value)
    return html.escape(text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…")
