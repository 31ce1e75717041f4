"""The preview: each message as collapsible JSON, and the Python that does the same, both to copy.

A small anywidget, because a click on "Copy" has to happen in the browser; it needs nothing from the network.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import anywidget
import traitlets

from snews_drill.messages.tiers import Tier
from snews_drill.widgets.form_sending import Shown
from snews_drill.widgets.preview_script import SCRIPT, STYLE
from snews_drill.wire.dialects import get_dialect

#: Longer lists are drawn with their first and last entries only, and said to be.
MAX_DRAWN_ENTRIES = 1000
MAX_DRAWN_CHARACTERS = 20_000


class FormPreview(anywidget.AnyWidget):
    """Cards with JSON and a line of code.

    Attributes
    ----------
    cards : list of dict
        `title`, `kind` ("ok" or "warning"), `text`, and `is_whole`: whether the text is all of it, so that it may be copied.
    code : str
        Python; empty for none.
    """

    _esm = SCRIPT
    _css = STYLE

    cards = traitlets.List().tag(sync=True)
    code = traitlets.Unicode().tag(sync=True)

    def draw(self, shown: Shown, code: str) -> None:
        """Show messages and code; what is as it was is not sent to the browser again."""
        cards = [_card(content, shown, "ok") for content in shown.contents]
        if shown.built.publisher is not None:
            cards += [_card(content, shown, "warning") for content in shown.built.publisher.invalid_messages]
        drawn = (
            code if len(code) <= MAX_DRAWN_CHARACTERS else f"# {len(code):,} characters: see form.python_line"
        )
        with self.hold_sync():
            self.cards = cards
            self.code = drawn


def _card(content: Mapping[str, Any], shown: Shown, kind: str) -> dict[str, Any]:
    tier = get_dialect(shown.built.dialect_name).tier_of(content)
    title = tier.value if isinstance(tier, Tier) else "Message"
    if kind == "warning":
        title += " — not valid, will not be sent"
    text, is_whole = json_text(content)
    return {"title": title, "kind": kind, "text": text, "is_whole": is_whole}


def json_text(content: Mapping[str, Any]) -> tuple[str, bool]:
    """Return an object as JSON with its short lists on one line, and whether that is all of it.

    Parameters
    ----------
    content
        A message.
    """
    is_whole = all(not _is_long(value) for value in content.values())
    lines = [
        f"  {json.dumps(str(key), ensure_ascii=False)}: {_value_text(value)}"
        for key, value in content.items()
    ]
    return "{\n" + ",\n".join(lines) + "\n}", is_whole


def _is_long(value: Any) -> bool:
    return isinstance(value, list) and len(value) > MAX_DRAWN_ENTRIES


def _value_text(value: Any) -> str:
    if _is_long(value):
        left_out = len(value) - 20
        first, last = _listed(value[:10]), _listed(value[-10:])
        return f"[{first}, … {left_out:,} more entries, all in form.preview() …, {last}]"
    if isinstance(value, Mapping):
        return json.dumps(value, indent=2, ensure_ascii=False, default=str).replace("\n", "\n  ")
    return json.dumps(value, ensure_ascii=False, default=str)


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(json.dumps(value, ensure_ascii=False, default=str) for value in values)
