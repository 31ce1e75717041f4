"""The story as a newcomer clicks through it: the guided notebooks, and one drill from the form to the table."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect
from waiting import wait_for

from browser.lab import Lab, NotebookPage
from browser.whole_notebooks import (
    code_cells,
    copy_notebook,
    drill_processes,
    index_of,
    is_idle,
    run_all,
    save_with_widgets,
    show_cell,
    start_all,
)

#: Two cores may be busy with other things, ms.
expect.set_options(timeout=15_000)

Open = Callable[..., NotebookPage]

FIRST, FULL = "00_start_here.ipynb", "06_full_drill.ipynb"

#: The user's secrets are pieced together, so that the cell itself does not hold them.
SET_UP = """
import os
os.environ["SNEWS_DRILL_SMTP_PASSWORD"] = "smtp-geheim-" + "4711-" * 3
os.environ["SNEWS_DRILL_ADMIN_TOKEN"] = "token-geheim-" + "0815-" * 8
from snews_drill import SNEWSTiersPublisher, Subscriber, connect, set_name
from snews_drill.widgets import ConnectionPanel, HeartbeatPanel, MessageForm
drill = connect()
set_name("XENONnT")
"""

JUNO = """SNEWSTiersPublisher(detector_name="JUNO", neutrino_time=form.msg.messages[0]["neutrino_time"],
                    p_val=0.07).send_to_snews(verbose=False)"""

MARKUP = "<img src=x onerror=document.title='owned'>"
SCRIPT = "<script>document.title='owned'</script>"

HOSTILE = f"""
from snews_drill.transport import Transport
from snews_drill.wire.json_text import dump_json
from snews_drill.wire.payload import Payload
content = {{
    "_id": "SNEWS_Coincidence_ALERT 2026-01-01T00:00:00 hostile", "alert_type": "COINC_MSG", "server_tag": "{SCRIPT}",
    "False Alarm Prob": "{MARKUP}", "detector_names": ["{MARKUP}", "{SCRIPT}"],
    "sent_time": "2026-01-01T00:00:00.000000", "p_values": [0.1, 0.2], "p_values average": 0.15, "sub list number": 0,
    "neutrino_times": ["2026-01-01T00:00:00.000000", "2026-01-01T00:00:01.000000"]}}
transport = Transport(drill.broker)
receipts = transport.send(drill.topics().alerts, [Payload(dump_json(content))])
transport.close()
"""


@pytest.fixture(autouse=True)
def rehearsal_ends(lab: Lab) -> object:
    """With the last notebook the rehearsal ends; nothing of it is left running."""
    yield
    wait_for(lambda: not drill_processes(lab), "the rehearsal to end", timeout=15)


def test_the_first_notebook_runs_from_top_to_bottom(open_notebook: Open, lab: Lab) -> None:
    """00: every cell, no error, the report of the drill is on screen."""
    page = open_notebook(notebook=copy_notebook(lab, FIRST, "story_00.ipynb"))
    run_all(page)
    report = show_cell(page, index_of(FIRST, "report = rehearse("))
    expect(report.get_by_text("19 detectors").first).to_be_visible()
    page.screenshot("story_00_report")


def test_the_full_drill_runs_again_after_a_restart(open_notebook: Open, lab: Lab) -> None:
    """06: the kernel is restarted in the middle, nothing goes on without it, and the notebook runs to its end."""
    page = open_notebook(notebook=copy_notebook(lab, FULL, "story_06.ipynb"))
    start_all(page)
    wait_for(
        lambda: (
            page.page.wait_for_timeout(50) is None and len(drill_processes(lab)) >= 2 and numbered(page) >= 4
        ),
        "the middle of the drill",
        timeout=45,
    )
    before = set(drill_processes(lab))
    page.restart_kernel()
    wait_for(lambda: not before & set(drill_processes(lab)), "the first rehearsal to end", timeout=15)
    assert len(lab.kernels()) == 1, "the restarted kernel is alone"
    run_all(page)
    guide = show_cell(page, index_of(FULL, "guide.start()"))
    expect(guide.get_by_role("img", name="done")).to_have_count(7)
    page.screenshot("story_06_guide")
    page.screenshot("story_guide", of=guide)
    table = show_cell(page, index_of(FULL, "view = subscriber.subscribe()"))
    expect(table.locator(".sd-grid tbody tr").first).to_be_visible()
    expect(table.locator(".sd-grid tbody")).to_contain_text("retraction")
    page.screenshot("story_06_table")
    page.screenshot("story_table", of=table)


def numbered(page: NotebookPage) -> int:
    """Return how many code cells have run."""
    return sum(cell["count"] is not None for cell in code_cells(page))


def test_from_the_form_to_the_table(open_notebook: Open, lab: Lab) -> None:
    """Typed, shown wrong, mended, sent; the alert comes while cells run; stop; a hostile alert; saved without secrets."""
    page = open_notebook(
        SET_UP,
        "subscriber = Subscriber()\nview = subscriber.subscribe()",
        "form = MessageForm()\nform",
        JUNO,
        "1+1",
        HOSTILE,
        "ConnectionPanel()",
        "beats = HeartbeatPanel(every=60)\nbeats",
        "beats.stop(); subscriber.stop(); drill.close()",
    )
    for index in (0, 1, 2):
        page.run_cell(index)
    table, form = page.output(1), page.output(2).locator(".snews-drill.sd-card")
    fill_and_mend(form)
    page.screenshot("story_form", of=page.cell(2))
    form.get_by_role("button", name="Send 1 message").click()
    expect(form.get_by_text("1 message sent and acknowledged by the broker.")).to_be_visible()

    page.run_cell(3)
    row = table.locator(".sd-grid tbody tr").filter(has_text="JUNO")
    expect(row).to_contain_text("XENONnT")
    page.run_cell(4)
    expect(page.output(4)).to_have_text("2")
    expect(table.get_by_text("listening", exact=True)).to_be_visible()

    page.run_cell(5)
    hostile_is_text(page, table)

    page.run_cell(6)
    page.run_cell(7)
    page.output(7).get_by_role("button", name="Start sending").click()
    page.output(6).get_by_role("button", name="Test connection").click()
    expect(page.output(6).get_by_text("The drill server answered XENONnT")).to_be_visible()
    holds_no_secret(page, lab)

    table.get_by_role("button", name="Stop").click()
    expect(table.get_by_text("stopped", exact=True)).to_be_visible()
    page.run_cell(8)
    assert is_idle(page)


def fill_and_mend(form: Locator) -> None:
    """Type an observation whose p-value is wrong; see the problem; put it right."""
    form.get_by_label("Neutrino time (UTC)").fill("yesterday")
    expect(form.locator(".sd-error").first).to_be_visible()
    form.get_by_role("button", name="Now").nth(1).click()
    p_value = form.get_by_label("p-value (0 to 1)")
    p_value.press_sequentially("5")
    expect(form.get_by_text("is not a float strictly between 0 and 1")).to_be_visible()
    p_value.fill("")
    p_value.press_sequentially("0.05")
    expect(form.locator(".sd-error")).to_have_count(0)
    expect(form.get_by_text("CoincidenceTier — because neutrino_time is given")).to_be_visible()
    expect(form.locator("details pre").first).to_contain_text('"p_val": 0.05')


def hostile_is_text(page: NotebookPage, table: Locator) -> None:
    """The markup stands there as it was sent, in the row and in its details; nothing of it ran."""
    row = table.locator(".sd-grid tbody tr").filter(has_text="<img src=x")
    expect(row).to_have_count(1)
    row.click()
    details = table.locator(".sd-details")
    expect(details).to_contain_text(SCRIPT)
    expect(details).to_contain_text(MARKUP)
    assert page.page.locator(".jp-OutputArea img[src='x'], .jp-OutputArea script").count() == 0
    assert "owned" not in page.page.title()


def holds_no_secret(page: NotebookPage, lab: Lab) -> None:
    """What the browser saves, with the state of every widget, has neither token nor password."""
    file = next(lab.work.glob("test_from_the_form_to_the_table_*.ipynb"))
    content = save_with_widgets(page, file)
    states = content["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    assert len(states) > 50
    text = file.read_text(encoding="utf-8")
    assert "acknowledged by the broker" in text, "the form's state is stored"
    state_file = json.loads((lab.home / "drill" / "run" / "rehearsal.json").read_text())
    assert len(state_file["admin_token"]) > 20
    secrets = [str(state_file["admin_token"]), "4711-4711", "0815-0815"]
    assert [secret for secret in secrets if secret in text] == []
