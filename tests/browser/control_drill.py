"""A drill played from the control room by clicking; for its test and for the pictures of docs/images."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

from playwright.sync_api import Locator, expect

from browser.lab import Lab, NotebookPage

#: The instructor's cells.
INSTRUCTOR = (
    "from snews_drill import connect\nfrom snews_drill.widgets import ControlRoom\ndrill = connect()",
    "room = ControlRoom()\nroom.start()\nroom",
    "room.stop()\ndrill.close()",
)

#: Two people in a process of their own, each with a connection to the same rehearsal; they leave when their input ends.
PEOPLE = """import sys
from datetime import UTC, datetime
from snews_drill import SNEWSTiersPublisher, test_connection
from snews_drill.connection import open_profile
now = datetime.now(UTC).isoformat()
people = {name: open_profile("rehearsal") for name in ("JUNO", "XENONnT")}
for name, drill in people.items():
    test_connection(name, connection=drill, verbose=False)
    for said in ({"detector_status": "ON"}, {"neutrino_time": now, "p_val": 0.05}):
        SNEWSTiersPublisher(detector_name=name, connection=drill, verbose=False, **said).send_to_snews(verbose=False)
sys.stdin.read()
for drill in people.values():
    drill.close()"""

#: Two cores may be busy with other things, ms.
PATIENCE = 45_000


@contextlib.contextmanager
def people_beside(lab: Lab) -> Iterator[None]:
    """Two people who take part until the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", PEOPLE], env=lab._environment(), stdin=subprocess.PIPE, text=True
    )
    try:
        yield
    finally:
        process.communicate("", timeout=30)
        assert process.returncode == 0


def press(room: Locator, button: str, said: str) -> None:
    """Press a button and wait until the room says what came of it."""
    room.get_by_role("button", name=button, exact=True).click()
    expect(room.get_by_text(said).first).to_be_visible(timeout=PATIENCE)


def open_room(page: NotebookPage) -> Locator:
    """Run the cells that show the room, and return it."""
    page.run_cell(0, timeout=60)
    page.run_cell(1, timeout=60)
    room = page.output(1)
    expect(room.get_by_text("watching", exact=True)).to_be_visible(timeout=PATIENCE)
    return room


def play_drill(room: Locator) -> None:
    """Fill the seats, announce, play with a pause, inject: what an instructor alone does."""
    press(room, "Fill the empty seats", "20 virtual detectors have taken their seats.")
    room.get_by_placeholder("Tell everybody something").fill("We begin now. <b>This is a drill.</b>")
    press(room, "Announce", "Announced.")
    room.get_by_role("button", name="Play", exact=True).click()
    expect(room.get_by_text("19 of 19 sent, ended")).to_be_visible(timeout=PATIENCE)
    expect(room.get_by_text("20 detectors, 0 of them people; 18 alerts")).to_be_visible(timeout=PATIENCE)
    press(room, "Send one observation", "An observation of Super-K, 1 s ago, was sent.")


def play_slowly(room: Locator) -> None:
    """Play a scenario that takes its time, hold it, go on, and stop it."""
    room.locator("select").first.select_option(label="Noise with a retraction")
    press(room, "Play", "Playing Noise with a retraction.")
    press(room, "Pause", "The play is held")
    press(room, "Go on", "The play goes on.")
    press(room, "Stop playing", "The play was stopped.")


def end_drill(room: Locator) -> None:
    """Freeze and open joining, reset, and look at the report."""
    press(room, "Freeze joining", "Joining is frozen: 20 detectors can take part.")
    expect(room.get_by_text("joining is frozen", exact=True)).to_be_visible(timeout=PATIENCE)
    press(room, "Open joining", "Joining is open: every detector may join.")
    press(room, "Reset the cache", "observations dropped.")
    press(room, "After-action report", "The report is below.")
