"""A whole drill from the control room, by clicking; and people of other kernels on the same rehearsal, seen live."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from browser.control_drill import (
    INSTRUCTOR,
    PATIENCE,
    end_drill,
    open_room,
    people_beside,
    play_drill,
    play_slowly,
    press,
)
from browser.lab import NotebookPage


@pytest.mark.timeout(240)
def test_a_whole_drill_from_the_control_room(open_notebook: Callable[..., NotebookPage]) -> None:
    """Fill, announce, play, hold, inject, freeze, reset, report; what was announced is text; the page stays whole."""
    page = open_notebook(*INSTRUCTOR)
    room = open_room(page)
    play_drill(room)
    expect(room.get_by_text("We begin now. <b>This is a drill.</b>").first).to_be_visible()
    assert room.locator(".sd-tl-alert").count() >= 18
    expect(room.get_by_text("Best fit RA").first).to_be_visible(timeout=PATIENCE)
    page.screenshot("control_room", of=room.locator(".sd-control"))
    play_slowly(room)
    end_drill(room)
    page.screenshot("control_room_report", of=page.cell(1))
    page.run_cell(2, timeout=60)
    expect(room.get_by_text("not watching")).to_be_visible(timeout=PATIENCE)


@pytest.mark.timeout(240)
def test_people_of_another_kernel_are_seen_live(open_notebook: Callable[..., NotebookPage]) -> None:
    """Two people come while virtual detectors play: they are told apart, keep their seats, and their alert comes."""
    page = open_notebook(*INSTRUCTOR)
    room = open_room(page)
    press(room, "Fill the empty seats", "virtual detectors have taken their seats.")
    with people_beside(page.lab):
        expect(room.get_by_text("20 detectors, 2 of them people; 1 alerts")).to_be_visible(timeout=PATIENCE)
        expect(room.locator(".sd-roster").get_by_text("person")).to_have_count(2)
        expect(room.locator(".sd-roster").get_by_role("img", name="tested")).to_have_count(2)
        press(room, "Play", "JUNO, XENONnT speak for themselves.")
        expect(room.get_by_text("17 of 17 sent, ended")).to_be_visible(timeout=PATIENCE)
        expect(room.get_by_text("20 detectors, 2 of them people")).to_be_visible()
        page.screenshot("control_room_people", of=room.locator(".sd-control"))
    page.run_cell(2, timeout=60)


def test_the_room_fits_a_narrow_page(open_notebook: Callable[..., NotebookPage]) -> None:
    """Nothing is wider than the page beside another document; wide tables scroll inside their frames."""
    page = open_notebook(*INSTRUCTOR)
    page.page.set_viewport_size({"width": 720, "height": 1000})
    room = open_room(page)
    press(room, "Fill the empty seats", "virtual detectors have taken their seats.")
    card = room.locator(".sd-card").first
    scroll, client = card.evaluate("element => [element.scrollWidth, element.clientWidth]")
    assert scroll <= client + 1
    page.run_cell(2, timeout=60)
