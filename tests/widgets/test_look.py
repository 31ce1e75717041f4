"""The look of the widgets: escaped text, marks beside colours."""

from __future__ import annotations

import ipywidgets
import pytest

from snews_drill.widgets.look import MARKS, escaped, note, panel, pill

HOSTILE = "<img src=x onerror=\"alert('1')\">&"


@pytest.mark.parametrize("made", [escaped(HOSTILE), note("error", HOSTILE), pill("warning", HOSTILE)])
def test_text_never_becomes_markup(made: str) -> None:
    """Whatever a message says is shown as it is."""
    assert "<img" not in made
    assert "&lt;img src=x onerror=&quot;alert(&#x27;1&#x27;)&quot;&gt;&amp;" in made


@pytest.mark.parametrize("kind", MARKS)
def test_colour_is_never_the_only_sign(kind: str) -> None:
    """Each kind of note has a mark of its own."""
    assert MARKS[kind] in note(kind, "said")  # type: ignore[arg-type]
    assert len(set(MARKS.values())) == len(MARKS)


def test_a_panel_holds_its_children_under_a_title() -> None:
    """And its title is text."""
    child = ipywidgets.Label("inside")
    box = panel([child], title="<b>Messages</b>")
    assert box.children[-1] is child
    assert "&lt;b&gt;Messages&lt;/b&gt;" in box.children[0].value
    assert "snews-drill" in box._dom_classes
