"""The message form in JupyterLab and Chromium: typing, what is shown, copying, sending."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect
from waiting import wait_for

from browser.lab import NotebookPage

SET_UP = """
from snews_drill import connect
from snews_drill.widgets.message_form import MessageForm
drill = connect("rehearsal")
"""
FORM = "form = MessageForm('XENONnT')\nform"
CLOSE = "drill.close()"

#: What sticks out at the right, and what scrolls inside the form without being a field.
SCROLLERS = """form => [...form.querySelectorAll("*")].filter(element =>
  !["TEXTAREA", "INPUT", "SELECT"].includes(element.tagName)
  && ["auto", "scroll"].includes(getComputedStyle(element).overflowY)
  && element.scrollHeight > element.clientHeight + 1).map(element => element.className)"""
STICKS_OUT = """form => [...form.querySelectorAll("*")].filter(element =>
  element.getBoundingClientRect().right > form.getBoundingClientRect().right + 1).map(element => element.className)"""

#: What has the focus and whether it shows, null outside of the form; how much in the form can have it.
FOCUSED = """() => {
  const element = document.activeElement;
  if (!element.closest(".snews-drill.sd-card")) return null;
  const style = getComputedStyle(element);
  const hasOutline = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  return {kind: element.tagName, label: element.textContent || element.getAttribute("aria-label") || element.title,
          hasRing: hasOutline || style.boxShadow.includes("0px 0px 0px 1px")}; }"""
COUNT_FIELDS = """form => [...form.querySelectorAll("input, select, textarea, button, summary")]
  .filter(element => !element.disabled && element.checkVisibility()).length"""


@pytest.fixture
def page(open_notebook: Callable[..., NotebookPage]) -> NotebookPage:
    """A form that is on the screen."""
    page = open_notebook(SET_UP, FORM)
    page.run_cell(0)
    page.run_cell(1)
    expect(form_of(page)).to_be_visible()
    return page


def form_of(page: NotebookPage) -> Locator:
    return page.output(1).locator(".snews-drill.sd-card")


def close(page: NotebookPage) -> None:
    page.run_cell(page.add_cell(CLOSE))


def shown_message(page: NotebookPage) -> dict[str, object]:
    content: dict[str, object] = json.loads(form_of(page).locator("details pre").first.inner_text())
    return content


def test_a_form_is_filled_mended_and_sent_with_the_keyboard(page: NotebookPage) -> None:
    """From the empty form to the receipt: labels, order of the fields, problem beside its field, preview, next cell."""
    form, keyboard = form_of(page), page.page.keyboard
    expect(form.get_by_text("CoincidenceTier — needs neutrino_time")).to_be_visible()
    form.get_by_label("Neutrino time (UTC)").focus()
    keyboard.press("Tab")
    keyboard.press("Enter")  # the button "Now" comes next
    expect(form.get_by_text("CoincidenceTier — because neutrino_time is given")).to_be_visible()
    keyboard.press("Tab")
    keyboard.type("0.")
    expect(form.locator(".sd-error")).to_have_count(0)
    keyboard.type("0")
    expect(form.get_by_text("is not a float strictly between 0 and 1")).to_be_visible()
    expect(form.locator(".sd-error")).to_have_count(0)
    keyboard.press("Backspace")
    keyboard.type("x")
    expect(form.locator(".sd-error")).to_contain_text("is not a number")
    expect(form.get_by_role("button", name="Send", exact=True)).to_be_visible()
    keyboard.press("Backspace")
    keyboard.type("05")
    expect(form.locator(".sd-error")).to_have_count(0)
    send = form.get_by_role("button", name="Send 1 message")
    expect(send).to_be_visible()
    shown = shown_message(page)
    assert shown["p_val"] == 0.05
    page.screenshot("message_form_filled", of=form)
    send.press("Enter")
    expect(form.get_by_text("1 message sent and acknowledged by the broker.")).to_be_visible()
    expect(form.get_by_role("button", name="Sent")).to_be_disabled()
    assert {**shown_message(page), "sent_time": None} == {**shown, "sent_time": None}
    index = page.add_cell("print(form.msg.messages == form.preview(), form.receipts[0].offset)\nform")
    page.run_cell(index)
    expect(page.output(index).first).to_contain_text("True 0")
    close(page)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_focus_is_seen_wherever_the_tab_key_takes_it(page: NotebookPage, theme: str) -> None:
    """From the first field to the last button, none left out, none without a ring."""
    page.set_theme(theme)
    form = form_of(page)
    form.get_by_label("Detector status").select_option("ON")
    form.get_by_role("button", name="Copy the Python").wait_for()
    form.get_by_label("Detector", exact=True).focus()
    seen: list[str] = []
    while (focused := page.page.evaluate(FOCUSED)) is not None:
        assert focused["hasRing"], focused
        seen.append(focused["kind"])
        assert len(seen) < 100, "the tab key goes round"
        page.page.keyboard.press("Tab")
    assert len(seen) == form.evaluate(COUNT_FIELDS)
    assert {"INPUT", "SELECT", "TEXTAREA", "BUTTON", "SUMMARY"} <= set(seen)
    close(page)


def test_opened_and_closed_messages_stay_so_while_typing(page: NotebookPage) -> None:
    form = form_of(page)
    form.get_by_role("button", name="Now").nth(1).click()
    form.get_by_label("Detector status").select_option("ON")
    details = form.locator("details")
    expect(details).to_have_count(2)
    details.nth(0).locator("summary").click()
    form.get_by_label("p-value (0 to 1)").press_sequentially("0.05")
    expect(form.get_by_text("p_val=0.05")).to_be_visible()
    assert details.evaluate_all("all => all.map(one => one.open)") == [False, True]
    close(page)


@pytest.mark.parametrize("has_clipboard", [True, False])
def test_message_and_python_can_be_copied(page: NotebookPage, has_clipboard: bool) -> None:
    """With the browser's clipboard, and in the older way where a page is not allowed to use it."""
    page.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    read = "window.readForTest = navigator.clipboard.readText.bind(navigator.clipboard)"
    page.page.evaluate(read)
    if not has_clipboard:
        page.page.evaluate(
            "Object.defineProperty(navigator, 'clipboard', {value: undefined, configurable: true})"
        )
    form = form_of(page)
    form.get_by_label("Detector status").select_option("ON")
    form.get_by_role("button", name="Copy Heartbeat as JSON").click()
    expect(form.get_by_text("Copied")).to_be_visible()
    assert json.loads(page.page.evaluate("window.readForTest()")) == shown_message(page)
    form.get_by_role("button", name="Copy the Python").click()
    wait_for(
        lambda: "msg.send_to_snews()" in page.page.evaluate("window.readForTest()"),
        "the Python in the clipboard",
    )
    close(page)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_form_fits_beside_the_prompt(page: NotebookPage, theme: str) -> None:
    """At 1280 px nothing sticks out or scrolls inside, with long problems, four messages and the live question."""
    page.set_theme(theme)
    fill = """
form.set(neutrino_time="yesterday at noon or so, as far as anybody remembers", p_values=[0.5] * 60, t_bin_width=1,
         timing_series=["2026-11-23T10:00:00"] * 3 + ["x" * 80], retract_latest="all of them", run=17,
         a_key_that_is_rather_long_for_its_place="v" * 200)
"""
    page.run_cell(page.add_cell(fill))
    form = form_of(page)
    expect(form.get_by_text("is not a whole number")).to_be_visible()
    page.screenshot(f"message_form_problems_{theme}", of=form)
    assert form.evaluate(STICKS_OUT) == []
    assert form.evaluate(SCROLLERS) == []
    live = """
drill.profile = drill.profile.model_copy(update={"is_live": True})
form.clear(); form.set(neutrino_time="now", detector_status="ON", p_values=[0.5], t_bin_width=1, timing_series=[1])
form._flow.panel.send_button.click()
"""
    page.run_cell(page.add_cell(live))
    expect(form.get_by_role("button", name="Yes, send it")).to_be_visible()
    page.screenshot(f"message_form_question_{theme}", of=form)
    assert form.evaluate(STICKS_OUT) == []
    assert form.evaluate(SCROLLERS) == []
    form.get_by_role("button", name="Yes, send it").click()
    expect(form.get_by_text("4 messages sent and acknowledged")).to_be_visible()
    page.screenshot(f"message_form_sent_{theme}", of=form)
    close(page)


def test_markup_is_text(page: NotebookPage) -> None:
    """What is typed, loaded or set is never run, neither beside the fields nor in the preview."""
    markup = "<img src=x onerror=document.title='owned'>"
    cell = (
        f"form.set(neutrino_time='now', is_test=True, p_val={markup!r}, note={markup!r}, **{{{markup!r}: 1}})"
    )
    page.run_cell(page.add_cell(f"{cell}\nNone"))
    form = form_of(page)
    expect(form.locator("details pre").first).to_contain_text(markup)
    expect(form.locator(".sd-error").first).to_contain_text("<img src=x")
    assert form.locator("img").count() == 0
    assert "owned" not in page.page.title()
    close(page)


@pytest.mark.parametrize("width", [1000, 740, 520])
def test_it_can_be_used_in_a_narrow_window(page: NotebookPage, width: int) -> None:
    """As wide as it is beside JupyterLab's file browser on a screen of 1280, 1024 and 800 pixels."""
    form = form_of(page)
    page.page.set_viewport_size({"width": width, "height": 900})
    widths = form.locator(".sd-remark").evaluate_all(
        "found => found.filter(e => e.checkVisibility()).map(e => e.getBoundingClientRect().width)"
    )
    page.screenshot(f"message_form_{width}")
    assert min(widths) >= 150, "the help is broken letter by letter"
    assert form.evaluate(STICKS_OUT) == []
    close(page)
