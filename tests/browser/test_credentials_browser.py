"""The form for credentials and the doctor in JupyterLab and Chromium: typing a password, saving, reading the lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from browser.lab import Lab, NotebookPage

SECRET = "correct-horse-battery"
SET_UP = """
import os, tempfile
os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp()
os.environ["SNEWS_DRILL_NAME"] = "XENONnT"
from snews_drill.widgets import CredentialsForm, DoctorPanel
"""


def test_a_password_typed_into_the_form_is_not_in_the_saved_notebook(
    open_notebook: Callable[..., NotebookPage], lab: Lab
) -> None:
    """Typed, taken, kept in hop's store; neither the page's models nor the file with its widgets hold it."""
    page = open_notebook(
        SET_UP, "form = CredentialsForm()\nform", "import hop.auth\nhop.auth.load_auth()[0].username"
    )
    page.run_cell(0)
    page.run_cell(1)
    form = page.output(1).locator(".snews-drill.sd-card")
    expect(form).to_be_visible()
    form.get_by_label("User name").fill("member")
    field = form.get_by_label("Password", exact=True)
    assert field.get_attribute("type") == "password"
    field.press_sequentially(SECRET)
    page.screenshot("credentials_form_typing", of=form)
    assert SECRET not in saved(page, lab)  # still in the field
    field.press("Tab")
    expect(form.get_by_text("Password taken")).to_be_visible()
    expect(field).to_have_value("")
    form.get_by_role("button", name="Add").click()
    expect(form.get_by_text("Added member for kafka.scimma.org")).to_be_visible()
    page.screenshot("credentials_form", of=form)
    assert SECRET not in saved(page, lab)
    page.run_cell(2)
    expect(page.output(2)).to_contain_text("member")


def saved(page: NotebookPage, lab: Lab) -> str:
    """Save the notebook with the state of its widgets and return every notebook file's content."""
    page.page.evaluate(
        """async () => {
            const commands = window.jupyterapp.commands;
            if (commands.hasCommand('@jupyter-widgets/jupyterlab-manager:saveWidgetState'))
                await commands.execute('@jupyter-widgets/jupyterlab-manager:saveWidgetState');
            await commands.execute('docmanager:save'); }"""
    )
    return "".join(path.read_text() for path in Path(lab.home).rglob("*.ipynb"))


def test_the_doctor_examines_in_the_page(open_notebook: Callable[..., NotebookPage]) -> None:
    """Lines for the rehearsal, then a broker that is not there with its next step on top."""
    page = open_notebook(SET_UP, "panel = DoctorPanel()\npanel")
    page.run_cell(0)
    page.run_cell(1)
    panel = page.output(1).locator(".snews-drill.sd-card")
    panel.get_by_role("button", name="Examine").click()
    expect(panel.get_by_text("Nothing is in the way.")).to_be_visible(timeout=40_000)
    expect(panel.locator("tbody tr")).to_have_count(14)
    page.screenshot("doctor_panel_ok", of=panel)
    panel.get_by_label("Profile").fill("kafka://127.0.0.1:1")
    panel.get_by_role("button", name="Examine").click()
    expect(panel.get_by_text("1 problem; begin with TCP.")).to_be_visible(timeout=20_000)
    page.set_theme("dark")
    page.screenshot("doctor_panel_problem", of=panel)
