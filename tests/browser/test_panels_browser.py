"""The panels as a user meets them: in JupyterLab, by clicking."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from browser.lab import NotebookPage

#: Two cores may be busy with other things, ms.
expect.set_options(timeout=15_000)

START = """from snews_drill import SNEWSTiersPublisher, Subscriber, connect, set_name
from snews_drill.widgets import ConnectionPanel, DrillGuide, HeartbeatPanel
set_name()"""

PUBLISH = """SNEWSTiersPublisher(neutrino_time=guide.neutrino_time, p_val=0.05).send_to_snews(verbose=False)
guide.wait_for("observation")"""

RETRACT = """SNEWSTiersPublisher(retract_latest=1).send_to_snews(verbose=False)
guide.wait_for("retraction_alert")"""

THREADS = """import threading
print(sorted(t.name for t in threading.enumerate() if t.name.startswith("snews_drill")))"""

CLOSE = """connect().close()"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_drill_by_clicking(open_notebook: Callable[..., NotebookPage], theme: str) -> None:
    """Choose who you are, test, send heartbeats, follow the guide to its last step; pictures of each panel are kept."""
    page = open_notebook(
        START,
        "ConnectionPanel()",
        "beats = HeartbeatPanel(every=0.5)\nbeats",
        "guide = DrillGuide()\nguide",
        PUBLISH,
        RETRACT,
        "beats.stop(); guide.stop()\n" + THREADS,
        CLOSE,
        theme=theme,
    )
    page.run_cell(0)
    chooser = page.output(0)
    chooser.get_by_label("Your detector").select_option(value="XENONnT (XENON)")
    chooser.get_by_role("button", name="Remember").click()
    expect(chooser.get_by_text("You are XENONnT.")).to_be_visible()
    page.run_cell(3)
    page.output(3).get_by_role("button", name="Start watching").click()
    expect(page.output(3).get_by_text("watching", exact=True)).to_be_visible(timeout=20_000)
    page.run_cell(1)
    page.output(1).get_by_role("button", name="Test connection").click()
    expect(page.output(1).get_by_text("The drill server answered XENONnT")).to_be_visible(timeout=20_000)
    page.run_cell(2)
    page.output(2).get_by_role("button", name="Start sending").click()
    expect(page.output(2).get_by_role("img", name="Latency of")).to_be_visible()
    steps = page.output(3).get_by_role("img", name="done")
    expect(steps).to_have_count(3)
    page.run_cell(4)
    expect(steps).to_have_count(4)
    page.output(3).get_by_role("button", name="Play the others").click()
    expect(steps).to_have_count(5)
    for index, name in enumerate(("name", "connection", "heartbeats", "guide")):
        page.screenshot(f"panel_{name}_{theme}", of=page.cell(index))
    page.run_cell(5)
    expect(steps).to_have_count(7)
    page.run_cell(6)
    expect(page.output(6)).to_have_text("[]")
    assert _inner_scroll_bars(page) == []
    page.run_cell(7)


FAIL = """import os, signal
from snews_drill import SNEWSTiersPublisher, connect, set_name
from snews_drill.errors import DeliveryFailed
from snews_drill.instructor import announce
from snews_drill.widgets import DrillGuide, OutboxPanel
set_name("XENONnT")
connection = connect()
guide = DrillGuide()
guide.start()
broker = connection.rehearsal.current_state().broker_process.pid
made = SNEWSTiersPublisher(neutrino_time=guide.neutrino_time, p_val=0.05)
os.kill(broker, signal.SIGSTOP)
try:
    made.send_to_snews(verbose=False, timeout=1)
except DeliveryFailed as error:
    print(error.kept)
finally:
    os.kill(broker, signal.SIGCONT)"""


def test_what_did_not_arrive_is_sent_by_a_click(open_notebook: Callable[..., NotebookPage]) -> None:
    """The outbox shows it; one click sends it. What the instructor says stands above the guide's steps."""
    page = open_notebook(
        FAIL, "OutboxPanel()", "guide", 'announce("We begin <b>now</b>", verbose=False)', CLOSE
    )
    page.run_cell(0)
    page.run_cell(1)
    panel = page.output(1)
    expect(panel.get_by_text("1 message not acknowledged")).to_be_visible()
    panel.get_by_role("button", name="Drop").click()
    expect(panel.get_by_text("Drop 1 message?")).to_be_visible()
    page.screenshot("panel_outbox_question", of=page.cell(1))
    panel.get_by_role("button", name="No", exact=True).click()
    expect(panel.get_by_text("Drop 1 message?")).to_be_hidden()
    panel.get_by_role("button", name="Send", exact=True).click()
    expect(panel.get_by_text("1 sent and acknowledged, 0 still in the outbox")).to_be_visible(timeout=20_000)
    expect(panel.get_by_text("nothing waits")).to_be_visible()
    page.screenshot("panel_outbox", of=page.cell(1))
    page.run_cell(2)
    page.run_cell(3)
    expect(page.output(2).get_by_text("We begin <b>now</b>")).to_be_visible()
    page.screenshot("panel_guide_announced", of=page.cell(2))
    assert _inner_scroll_bars(page) == []
    page.run_cell(4)


def test_the_same_cells_run_twice_leave_one_of_everything(open_notebook: Callable[..., NotebookPage]) -> None:
    """One table's subscriber, one sender, one guide, whatever the cell made before."""
    page = open_notebook(
        'from snews_drill import *\nset_name("JUNO")\nc = connect()',
        "Subscriber().subscribe()",
        "from snews_drill.widgets import *\nbeats = HeartbeatPanel(every=60)\nbeats.start()\nbeats",
        "guide = DrillGuide()\nguide.start()\nguide",
        THREADS,
        "guide.stop(); beats.stop()\n" + CLOSE,
    )
    page.run_cell(0)
    for _ in range(2):
        for index in (1, 2, 3):
            page.run_cell(index)
    page.run_cell(4)
    said = page.output(4).inner_text()
    for name in ("heartbeats", "guide", "heartbeat panel"):
        assert said.count(f"'snews_drill {name}'") == 1, said
    assert said.count("'snews_drill snews.alert-firedrill'") == 2, said  # the table's, and the guide's own
    page.run_cell(5)


def test_a_long_wait_shows_a_bar_and_takes_it_away(open_notebook: Callable[..., NotebookPage]) -> None:
    """In the cell that waits; what the cell printed stays."""
    page = open_notebook(
        "from snews_drill import *\nfrom snews_drill.errors import NoAnswer\nc = connect()\ns = Subscriber()\ns.start()",
        'print("before")\ntry:\n    s.wait_for(1, timeout=3)\nexcept NoAnswer:\n    print("after")',
        "s.stop()\n" + CLOSE,
    )
    page.run_cell(0)
    page.run_cell(1, wait=False)
    bar = page.cell(1).get_by_text("Waiting for 1 alert")
    expect(bar).to_be_visible()
    page.screenshot("wait_bar", of=page.cell(1))
    expect(bar).to_have_count(0)
    expect(page.output(1).get_by_text("after")).to_be_visible()
    expect(page.output(1).get_by_text("before")).to_be_visible()
    page.run_cell(2)


def _inner_scroll_bars(page: NotebookPage) -> list[str]:
    """Return the elements of panels that scroll in themselves."""
    found: list[str] = page.page.evaluate(
        """() => [...document.querySelectorAll('.snews-drill, .snews-drill *')].filter(e => {
             const style = getComputedStyle(e);
             const scrolls = v => v === 'auto' || v === 'scroll';
             return (scrolls(style.overflowX) && e.scrollWidth > e.clientWidth + 1)
                 || (scrolls(style.overflowY) && e.scrollHeight > e.clientHeight + 1);
           }).map(e => e.className)"""
    )
    return found
