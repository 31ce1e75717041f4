"""How the widgets look: one style sheet, built on JupyterLab's own theme variables, so that light and dark both work."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import Literal

import ipywidgets

Kind = Literal["ok", "warning", "error", "info", "quiet"]

#: The marks that go with each kind; colour is never the only sign.
MARKS: dict[str, str] = {"ok": "✓", "warning": "!", "error": "✗", "info": "i", "quiet": "·"}

_STYLE = """
.snews-drill { max-width: 1120px; font-size: var(--jp-ui-font-size1, 13px); color: var(--jp-ui-font-color1, #212121); }
.snews-drill, .snews-drill .widget-box, .snews-drill .widget-vbox { overflow: visible; }
.snews-drill .widget-html, .snews-drill .widget-html-content { line-height: 1.45; height: auto; overflow: visible; }
.snews-drill h4.sd-title { margin: 0 0 4px 0; font-size: 1.1em; font-weight: 600; }
.snews-drill.sd-card, .snews-drill .sd-card { border: 1px solid var(--jp-border-color2, #ccc); border-radius: 6px;
  padding: 12px 14px;
  background: var(--jp-layout-color1, #fff); }
.snews-drill .sd-note { padding: 2px 0; }
.snews-drill .sd-ok { color: color-mix(in srgb, var(--jp-success-color0, #2e7d32) 75%, var(--jp-ui-font-color0, #000)); }
.snews-drill .sd-warning { color: color-mix(in srgb, var(--jp-warn-color0, #b26a00) 75%, var(--jp-ui-font-color0, #000)); }
.snews-drill .sd-error { color: color-mix(in srgb, var(--jp-error-color0, #c62828) 75%, var(--jp-ui-font-color0, #000)); }
.snews-drill .sd-info { color: color-mix(in srgb, var(--jp-info-color0, #0b6b9e) 75%, var(--jp-ui-font-color0, #000)); }
.snews-drill .sd-quiet { color: var(--jp-ui-font-color2, #616161); }
body[data-jp-theme-light="false"] .snews-drill { --jp-widgets-dropdown-arrow: url("data:image/svg+xml;utf8,\
<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 18 18'><path fill='%23ddd' d='M5 7l4 4 4-4z'/></svg>"); }
.snews-drill .sd-pill { display: inline-block; padding: 0 8px; border-radius: 9px; border: 1px solid currentColor;
  font-size: 0.92em; line-height: 1.5; white-space: nowrap; }
.snews-drill pre, .snews-drill code { font-family: var(--jp-code-font-family, monospace);
  font-size: var(--jp-code-font-size, 12px); background: var(--jp-layout-color2, #f3f3f3);
  color: var(--jp-content-font-color1, #212121); border-radius: 3px; }
.snews-drill pre { padding: 8px 10px; margin: 4px 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.snews-drill table.sd-table { border-collapse: collapse; margin: 4px 0; }
.snews-drill table.sd-table th, .snews-drill table.sd-table td { text-align: left; padding: 3px 12px 3px 0;
  border-bottom: 1px solid var(--jp-border-color3, #eee); vertical-align: top; }
.snews-drill :focus-visible { outline: 2px solid var(--jp-brand-color1, #1976d2); outline-offset: 1px; }
.snews-drill input:focus-visible, .snews-drill select:focus-visible, .snews-drill textarea:focus-visible {
  box-shadow: 0 0 0 1px var(--jp-brand-color1, #1976d2) !important; } /* ipywidgets forbids them an outline */
"""


def escaped(text: object) -> str:
    """Return text that is shown as it is: nothing from the network may become markup."""
    return html.escape(str(text), quote=True)


def note(kind: Kind, text: str) -> str:
    """Return a line of escaped text with the mark and colour of its kind, as HTML."""
    return (
        f'<div class="sd-note sd-{kind}"><span aria-hidden="true">{MARKS[kind]}</span> {escaped(text)}</div>'
    )


def pill(kind: Kind, text: str) -> str:
    """Return a small label of escaped text, as HTML."""
    return f'<span class="sd-pill sd-{kind}">{escaped(text)}</span>'


def panel(children: Sequence[ipywidgets.Widget], *, title: str = "") -> ipywidgets.VBox:
    """Return a framed box with the project's look.

    Parameters
    ----------
    children
        What it holds, from top to bottom.
    title
        Its headline; none if empty.
    """
    head = f'<h4 class="sd-title">{escaped(title)}</h4>' if title else ""
    style = ipywidgets.HTML(f"<style>{_STYLE}</style>{head}")
    box = ipywidgets.VBox([style, *children])
    box.add_class("snews-drill")
    box.add_class("sd-card")
    return box


def close_all(widget: ipywidgets.Widget) -> None:
    """Close a widget with everything in it, layouts and styles too, so that nothing of it stays in the kernel."""
    for part in (
        *getattr(widget, "children", ()),
        *(getattr(widget, name, None) for name in ("layout", "style")),
    ):
        if isinstance(part, ipywidgets.Widget):
            close_all(part)
    widget.close()


def button(text: str, tooltip: str, on_click: Callable[[], None], *, style: str = "") -> ipywidgets.Button:
    """Return a button that is as wide as its text needs, and calls a function.

    Parameters
    ----------
    text, tooltip
        What stands on it, and what is told of it.
    on_click
        Called without arguments.
    style
        "primary", "warning", or "" for a plain one.
    """
    made = ipywidgets.Button(
        description=text, tooltip=tooltip, button_style=style, layout={"width": "auto", "min_width": "90px"}
    )
    made.on_click(lambda _: on_click())
    return made
