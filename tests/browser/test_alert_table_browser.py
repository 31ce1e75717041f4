"""The live table in JupyterLab and Chromium: what a user sees, clicks and types."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator

from browser.lab import NotebookPage

#: A subscriber on the user's own rehearsal, and a way to publish alerts as a server does.
SET_UP = """
import time
from snews_drill import Alert, Subscriber, connect
from snews_drill.messages.times import iso_micro
from snews_drill.transport import Transport
from snews_drill.widgets.alert_table import AlertTable
from snews_drill.wire.json_text import dump_json
from snews_drill.wire.payload import Payload

drill = connect()
transport = Transport(drill.broker)
subscriber = Subscriber(connection=drill)
published = 0

def publish(*names_of_each, alert_type="COINC_MSG", p_value=0.05):
    global published
    payloads = []
    for names in names_of_each:
        published += 1
        now = time.time_ns()
        times = [iso_micro(now // 1000 * 1000 + 1_234_000 * index) for index in range(len(names))]
        content = {
            "_id": f"SNEWS_Coincidence_ALERT {iso_micro(now)} {published}", "alert_type": alert_type,
            "server_tag": "test", "False Alarm Prob": "0.13%", "detector_names": list(names),
            "sent_time": iso_micro(now), "p_values": [p_value] * len(names), "neutrino_times": times,
            "p_values average": p_value, "sub list number": 0,
        }
        payloads.append(Payload(dump_json(content)))
    transport.send(drill.topics().alerts, payloads)
"""

TABLE = "table = AlertTable(subscriber)\ntable.start()\ntable"

CLOSE = "table.close(); subscriber.stop(); transport.close(); drill.close()"

NINETEEN = [
    *("JUNO", "Hyper-K", "KamLAND", "Super-K", "PandaX-4T", "Baksan", "IceCube", "LVD", "DS-20K", "Borexino"),
    *("XENONnT", "KM3NeT", "NOvA", "HALO-1kT", "SNO+", "SBND", "DUNE", "LZ", "MicroBooNe"),
]

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "<script>document.title='owned'</script>",
    "$\\LaTeX$",
    "\x1b[31mred",
    "\u202eONUJ",
    "=1+1",
    "A" * 4000,
]

Open = Callable[..., NotebookPage]


def open_table(open_notebook: Open, *cells: str, theme: str = "light") -> NotebookPage:
    """Open a notebook whose second cell shows the table."""
    notebook = open_notebook(SET_UP, TABLE, *cells, theme=theme)
    notebook.run_cell(0)
    notebook.run_cell(1)
    notebook.wait(notebook.output(1).locator(".sd-grid table"))
    return notebook


def publish(notebook: NotebookPage, code: str) -> None:
    """Run a line in the kernel without touching the page."""
    outcome = notebook.page.evaluate(
        """async code => {
            const session = window.jupyterapp.shell.currentWidget.sessionContext.session;
            const reply = await session.kernel.requestExecute({code}).done;
            return reply.content.status + (reply.content.evalue || ""); }""",
        code,
    )
    assert outcome == "ok"


def ask(notebook: NotebookPage, expression: str) -> str:
    """Return the text of an expression's value in the kernel."""
    return str(
        notebook.page.evaluate(
            """async value => {
                const session = window.jupyterapp.shell.currentWidget.sessionContext.session;
                const reply = await session.kernel.requestExecute({code: "", user_expressions: {value}}).done;
                return reply.content.user_expressions.value.data["text/plain"]; }""",
            expression,
        )
    )


def lines(notebook: NotebookPage) -> Locator:
    """Return the rows on screen."""
    return notebook.output(1).locator(".sd-grid tbody tr")


def numbers(notebook: NotebookPage) -> list[str]:
    """Return the numbers of the rows on screen, from top to bottom, at one instant."""
    found = lines(notebook).evaluate_all("rows => rows.map(row => row.cells[0].textContent)")
    return [str(number) for number in found]


def wait_numbers(notebook: NotebookPage, expected: list[str], timeout: float = 8.0) -> None:
    """Wait until these rows are on screen, in this order."""
    notebook.wait(
        f"""() => JSON.stringify([...document.querySelectorAll('.sd-grid tbody tr')]
            .map(row => row.cells[0].textContent)) === {json.dumps(json.dumps(expected, separators=(",", ":")))}""",
        timeout=timeout,
    )


def test_a_user_sorts_searches_chooses_and_stops(open_notebook: Open) -> None:
    """Search, order, focus and the chosen row stay while rows arrive; stop, clear and save do what they say."""
    notebook = open_table(open_notebook, CLOSE)
    out = notebook.output(1)
    publish(
        notebook, 'publish(["JUNO", "LZ"]); publish(["JUNO", "LZ", "SK"], alert_type="UPDATE", p_value=0.01)'
    )
    publish(notebook, f'publish({NINETEEN}); publish(["JUNO", "LZ"], alert_type="RETRACTION")')
    publish(notebook, 'publish(["XENONnT", "LVD"], alert_type="TEST COINC_MSG", p_value=0.5)')
    wait_numbers(notebook, ["5", "4", "3", "2", "1"])
    words = out.locator(".sd-type").all_inner_texts()
    assert words == ["test: new", "retraction", "new", "update", "new"]

    out.get_by_role("button", name="Sort by p-value").click()
    out.get_by_role("button", name="Sort by p-value").click()
    search = out.get_by_label("Search")
    search.fill("juno")
    search.press("End")
    publish(
        notebook, 'publish(["JUNO", "KamLAND"], p_value=0.001); publish(["LVD", "KamLAND"], p_value=0.002)'
    )
    wait_numbers(notebook, ["6", "2", "4", "3", "1"])  # ascending p-value; equal ones newest first; no LVD
    assert search.input_value() == "juno"
    assert search.evaluate("input => input === document.activeElement")
    search.fill("")
    out.get_by_role("button", name="Sort by No.").click()

    lines(notebook).filter(has_text="19: JUNO").click()
    notebook.wait(out.locator(".sd-details").get_by_text("PandaX-4T", exact=True))
    publish(notebook, 'publish(["JUNO", "LVD"])')
    wait_numbers(notebook, ["8", "7", "6", "5", "4", "3", "2", "1"])
    assert out.locator("tr.sd-selected").evaluate("row => row.cells[0].textContent") == "3"
    assert '"detector_names": [' in out.locator(".sd-details pre").inner_text()
    notebook.screenshot("alert_table_light", of=notebook.cell(1))

    with_focus = lines(notebook).nth(0)
    with_focus.focus()
    notebook.page.keyboard.press("ArrowDown")
    notebook.page.keyboard.press("Enter")
    notebook.wait("() => document.querySelector('tr.sd-selected').cells[0].textContent === '7'")

    out.get_by_role("button", name="Save as CSV").click()
    notebook.wait(out.get_by_text("Saved as alerts_"))
    out.get_by_role("button", name="Stop").click()
    notebook.wait(out.get_by_text("stopped", exact=True))
    out.get_by_role("button", name="Clear").click()
    notebook.wait(out.get_by_text("No alerts yet."))
    out.get_by_role("button", name="Start").click()
    notebook.wait(out.get_by_text("listening", exact=True))
    notebook.run_cell(2)


def test_rows_arrive_while_a_cell_runs(open_notebook: Open) -> None:
    """Rows arrive while the kernel is busy with `wait_for`; a click says that it is, and is answered when it is not."""
    busy = "publish(['JUNO', 'LZ'])\nsubscriber.wait_for(2, timeout=30)"
    notebook = open_table(open_notebook, busy, CLOSE)
    notebook.run_cell(2, wait=False)
    wait_numbers(notebook, ["1"])
    lines(notebook).first.click()
    notebook.wait(notebook.output(1).get_by_text("The kernel is busy. Alert 1 is shown here when"))
    notebook.command("notebook:interrupt-kernel")
    notebook.wait(notebook.output(1).locator(".sd-details"))
    notebook.output(1).get_by_text("The kernel is busy").wait_for(state="hidden")
    notebook.run_cell(3)


def test_hostile_text_is_shown_as_text(open_notebook: Open) -> None:
    """Markup, scripts, formulas, escape sequences and turned text stand there as they were sent, and nothing runs."""
    notebook = open_table(open_notebook, "subscriber.alerts[-1]", CLOSE)
    dialogs: list[str] = []
    notebook.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    publish(notebook, f"publish({HOSTILE})")
    wait_numbers(notebook, ["1"])
    lines(notebook).first.click()
    out = notebook.output(1)
    notebook.wait(out.locator(".sd-details"))
    notebook.run_cell(2)
    row, details = lines(notebook).first.inner_text(), out.locator(".sd-details").inner_text()
    for text in (row, details, notebook.output(2).inner_text()):
        for name in (*HOSTILE[:3], "\\x1b[31mred", "\\u202eONUJ", "(4000 characters)"):
            assert name in text
        assert "\u202e" not in text
    assert json.loads(out.locator(".sd-details pre").inner_text())["detector_names"] == HOSTILE
    assert dialogs == []
    assert "owned" not in notebook.page.title()
    assert (
        notebook.page.locator(
            ".jp-OutputArea img, .jp-OutputArea mjx-container, .jp-OutputArea .MathJax"
        ).count()
        == 0
    )
    assert notebook.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    notebook.screenshot("alert_table_hostile", of=notebook.cell(1))
    notebook.screenshot("alert_repr_hostile", of=notebook.cell(2))
    notebook.run_cell(3)


@pytest.mark.parametrize("width", [1000, 740])
def test_no_column_covers_another_in_a_narrow_window(open_notebook: Open, width: int) -> None:
    """As beside JupyterLab's file browser: the table scrolls sideways then."""
    notebook = open_table(open_notebook, CLOSE)
    notebook.page.set_viewport_size({"width": width, "height": 900})
    publish(notebook, f"publish({NINETEEN!r})")
    wait_numbers(notebook, ["1"])
    grid = notebook.output(1).locator(".sd-grid")
    cut = grid.locator("thead button").evaluate_all(
        "found => found.filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent)"
    )
    notebook.screenshot(f"alert_table_{width}")
    assert cut == []
    assert grid.locator("thead th").nth(3).evaluate("e => e.getBoundingClientRect().width") >= 80
    notebook.run_cell(2)


def test_two_views_of_one_subscriber(open_notebook: Open) -> None:
    """The cell run again and a second cell show the same alerts, each once; in the dark theme."""
    notebook = open_table(open_notebook, "AlertTable(subscriber)", CLOSE, theme="dark")
    notebook.run_cell(1)
    notebook.run_cell(2)
    publish(notebook, f'publish(["JUNO", "LZ"], {NINETEEN}); publish(["LVD", "LZ"], alert_type="UPDATE")')
    publish(
        notebook,
        'publish(["JUNO", "LZ"], alert_type="RETRACTION"); publish(["LZ", "KM3"], alert_type="TEST UPDATE")',
    )
    for index in (1, 2):
        notebook.wait(notebook.output(index).locator("tbody tr").nth(4))
        assert notebook.output(index).locator("tbody tr").count() == 5
    notebook.output(1).locator("tbody tr").nth(2).click()
    notebook.wait(notebook.output(1).locator(".sd-details"))
    notebook.screenshot("alert_table_dark", of=notebook.cell(1))
    publish(
        notebook, "import threading\nassert sum('alert table' in t.name for t in threading.enumerate()) == 1"
    )
    notebook.run_cell(3)


def test_a_restarted_kernel_shows_the_table_again(open_notebook: Open) -> None:
    """Restart in the middle: the notebook runs again and the new table is live."""
    notebook = open_table(open_notebook, CLOSE)
    publish(notebook, 'publish(["JUNO", "LZ"])')
    wait_numbers(notebook, ["1"])
    notebook.restart_kernel()
    notebook.run_cell(0)
    notebook.run_cell(1)
    publish(notebook, 'publish(["JUNO", "SK"])')
    notebook.wait(lines(notebook).get_by_text("2: JUNO, SK"))
    notebook.run_cell(2)


@pytest.mark.timeout(180)
def test_the_notebook_stays_free_and_a_burst_is_shown(
    open_notebook: Open, capsys: pytest.CaptureFixture[str]
) -> None:
    """`1+1` in another cell while 20 alerts a second stream, and how long 2,000 at once take to show; prints figures."""
    stream = "\n".join(
        [
            "import threading",
            "ended = threading.Event()",
            "def stream():",
            "    while not ended.wait(0.05):",
            "        publish(['JUNO', 'LZ'])",
            "streamer = threading.Thread(target=stream)",
        ]
    )
    notebook = open_table(open_notebook, "1+1", stream, CLOSE)
    notebook.run_cell(3)
    notebook.run_cell(2)
    publish(notebook, "publish(*[['JUNO', 'LZ']] * 400)")
    notebook.wait(notebook.output(1).get_by_text("400 alerts"))
    idle = time_cell(notebook, 2)
    publish(notebook, "streamer.start()")
    notebook.wait("() => Number(document.querySelector('.sd-grid tbody tr').cells[0].textContent) > 420")
    streaming = time_cell(notebook, 2)
    publish(notebook, "ended.set(); streamer.join()")
    publish(notebook, "time.sleep(0.5)")
    before = ask(notebook, "published")
    begun = time.monotonic()
    publish(notebook, "publish(*[['JUNO', 'LZ']] * 2000)")
    sent = time.monotonic()
    all_of_them = int(before) + 2000
    notebook.wait(
        f"""() => document.querySelector('.sd-grid tbody tr').cells[0].textContent === '{all_of_them}'
            && document.querySelector('.sd-counters').textContent.startsWith('{all_of_them:,} alerts')""",
        timeout=10,
    )
    shown = time.monotonic()
    with capsys.disabled():
        print(f"\n1+1 idle: {describe(idle)}; while 20 alerts/s stream: {describe(streaming)}")
        print(f"2,000 alerts: published in {sent - begun:.2f} s, all shown {shown - sent:.2f} s later")
    assert percentile(streaming, 95) < percentile(idle, 95) + 0.5
    assert shown - begun < 8
    notebook.run_cell(4)


def time_cell(notebook: NotebookPage, index: int, runs: int = 60) -> list[float]:
    """Run a cell again and again; return the seconds from each keystroke until its new number stands there."""
    notebook.cell(index).locator(".cm-content").click()
    found = []
    for _ in range(runs):
        notebook.page.evaluate(
            """index => {
                const prompt = document.querySelectorAll('.jp-Notebook .jp-Cell')[index].querySelector('.jp-InputPrompt');
                const before = prompt.textContent;
                window.timed = new Promise(resolve => {
                    document.addEventListener('keydown', event => {
                        if (event.key !== 'Enter') return;
                        const begun = performance.now();
                        const look = () => {
                            const now = document.querySelectorAll('.jp-Notebook .jp-Cell')[index]
                                .querySelector('.jp-InputPrompt').textContent;
                            if (now !== before && /\\[\\d+\\]/.test(now)) resolve(performance.now() - begun);
                            else setTimeout(look, 1);
                        };
                        look();
                    }, {capture: true});
                }); }""",
            index,
        )
        notebook.page.keyboard.press("Control+Enter")
        found.append(float(notebook.page.evaluate("window.timed")) / 1e3)
    return found


def percentile(values: list[float], percent: int) -> float:
    """Return a percentile."""
    return statistics.quantiles(values, n=100)[percent - 1]


def describe(seconds: list[float]) -> str:
    """Return the median and the 95th percentile for people."""
    return f"p50 {percentile(seconds, 50) * 1e3:.0f} ms, p95 {percentile(seconds, 95) * 1e3:.0f} ms"
