"""The live table, driven from code, on the embedded broker."""

from __future__ import annotations

import csv
import gc
import json
import re
import threading
import weakref
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alert_samples import Stage, make_alert, open_stage
from waiting import wait_for

from snews_drill.errors import SettingsError, TransportError
from snews_drill.inbox import Phase, ReceivedAlert, SubscriberState
from snews_drill.messages.alert import Alert
from snews_drill.messages.visible import visible, visible_json
from snews_drill.rehearsal.broker import EmbeddedBroker
from snews_drill.settings import DrillSettings
from snews_drill.subscriber import Subscriber
from snews_drill.widgets.alert_export import save_alerts
from snews_drill.widgets.alert_rows import (
    alert_details,
    alert_to_row,
    counters_text,
    duration_text,
    state_text,
)
from snews_drill.widgets.alert_table import AlertTable

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "$\\LaTeX$",
    "\x1b[31mred",
    "\u202eONUJ",
)

_VIEW_THREAD = "snews_drill alert table"


@pytest.fixture
def stage(broker: EmbeddedBroker, settings: DrillSettings, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A connection on topics of this test's own."""
    label = request.node.name.translate(str.maketrans("[] ", "___"))[:60]
    with open_stage(broker.address, settings, label=label) as stage:
        yield stage


@pytest.fixture
def table(stage: Stage) -> Iterator[AlertTable]:
    """A table that listens."""
    table = AlertTable(Subscriber(connection=stage.connection))
    with table:
        yield table
    table.close()


def received(alert: Alert, number: int = 1, latency_ms: float = 132.0) -> ReceivedAlert:
    """Return an alert as if it had come."""
    assert alert.sent_time_ns is not None
    return ReceivedAlert(number, alert, alert.sent_time_ns + int(latency_ms * 1e6), 500)


def view_threads() -> int:
    """Count the threads that draw tables."""
    return sum(thread.name == _VIEW_THREAD for thread in threading.enumerate())


def shown_numbers(table: AlertTable) -> list[int]:
    """Return the numbers of the rows on screen."""
    return [row["number"] for row in table.rows]


# What a row says


def test_a_row_says_type_detectors_times_latency_and_p_value() -> None:
    """Every column of the table, and what it is sorted by."""
    alert = make_alert(names=("JUNO", "XENONnT")).model_copy(
        update={"neutrino_times_ns": (1_675_771_200_026_127_000, 1_675_771_200_000_000_000)}
    )
    row = alert_to_row(received(alert, 7))
    assert row["number"] == 7
    assert row["tone"] == "new"
    assert not row["is_test"]
    number, _, words, detectors, neutrino, latency, p_value = row["cells"]
    assert (number, words, detectors) == ("7", "new", "2: JUNO, XENONnT")
    assert (neutrino, latency, p_value) == ("2023-02-07 12:00:00", "132 ms", "0.05")
    assert row["keys"] == [7, 7, "new", 2, "2023-02-07 12:00:00", 132.0, 0.05]


@pytest.mark.parametrize(
    ("alert_type", "words", "tone", "is_test"),
    [
        ("COINC_MSG", "new", "new", False),
        ("COINC_MSG_STAGGERED", "new, overlapping", "new", False),
        ("UPDATE", "update", "update", False),
        ("RETRACTION", "retraction", "retraction", False),
        ("TEST UPDATE", "test: update", "update", True),
        ("SOMETHING\x1b[0m", "SOMETHING\\x1b[0m", "other", False),
    ],
)
def test_the_type_is_a_word_and_a_colour(alert_type: str, words: str, tone: str, is_test: bool) -> None:
    """Nobody must tell colours apart; a word that we do not know is shown as it is."""
    row = alert_to_row(received(make_alert().model_copy(update={"alert_type": alert_type})))
    assert (row["cells"][2], row["tone"], row["is_test"]) == (words, tone, is_test)


def test_what_an_alert_does_not_say_is_a_dash() -> None:
    """No times, no p-values, no names: still a row, sorted as nothing."""
    alert = Alert(id="x", alert_type="UPDATE", detector_names=())
    row = alert_to_row(ReceivedAlert(1, alert, 10**18, 2))
    assert row["cells"][3:] == ["0: ", "–", "–", "–"]
    assert row["keys"][4:] == [None, None, None]
    assert "0 detectors" in alert_details(ReceivedAlert(1, alert, 10**18, 2))


def test_long_and_many_names_are_shortened_in_the_row_and_whole_in_the_json() -> None:
    """A row stays small whatever it says; the JSON below has everything."""
    names = ("A" * 4000, *(f"D{index}" for index in range(500)))
    alert = make_alert(names=names).model_copy(update={"content": {"detector_names": list(names)}})
    row = alert_to_row(received(alert))
    assert len(json.dumps(row)) < 1_000
    assert row["cells"][3].startswith("501: " + "A" * 40 + "… (4000 characters), D0, ")
    details = alert_details(received(alert))
    assert "A" * 4000 in details
    assert "D499" in details
    assert "… and 451 more" in details


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0.0, "0 ms"),
        (-0.2, "0 ms"),
        (-1500.0, "−1500 ms"),
        (9_999.4, "9999 ms"),
        (10_000.0, "10.0 s"),
        (90_000.0, "1.5 min"),
        (7_200_000.0, "2.0 h"),
        (2e8, "2.3 d"),
    ],
)
def test_durations_are_read_at_a_glance(milliseconds: float, text: str) -> None:
    """Old alerts have latencies of days, and clocks that disagree give negative ones."""
    assert duration_text(milliseconds) == text


# Text from the network


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text_in_details_and_notebook_view(name: str) -> None:
    """Nothing becomes markup, and what cannot be seen is spelled out."""
    alert = make_alert(names=(name,)).model_copy(
        update={"content": {"detector_names": [name]}, "server_tag": name, "alert_type": name, "id": name}
    )
    for html in (alert_details(received(alert)), alert._repr_html_()):
        assert "<img" not in html
        assert "<script" not in html
        assert "\x1b" not in html
        assert "\u202e" not in html
        assert "mathjax_ignore" in html
    assert json.loads(visible_json(alert.content)) == alert.content


def test_visible_text_shows_every_character() -> None:
    """Controls and turners of direction are spelled out, letters of every script stay."""
    assert visible("JUNO Ω 東京 עברית") == "JUNO Ω 東京 עברית"
    assert visible("a\nb\u200bc\U000e0041") == "a\\x0ab\\u200bc\\U000e0041"
    assert visible_json({"a": "\u202e\n"}) == '{\n  "a": "\\u202e\\n"\n}'


# What the state says


@pytest.mark.parametrize(
    ("state", "kind", "word", "more"),
    [
        (SubscriberState(Phase.LISTENING), "ok", "listening", "kafka://x"),
        (SubscriberState(Phase.STOPPED), "quiet", "stopped", "was listening to kafka://x"),
        (
            SubscriberState(Phase.RECONNECTING, 43_200 * 10**9, last_error="The broker does not answer."),
            "warning",
            "reconnecting",
            "since 12:00:00 UTC: The broker does not answer. It goes on by itself",
        ),
        (
            SubscriberState(Phase.FAILED, error=TransportError("No\x1b.", next_step="Ask.")),
            "error",
            "failed",
            "No\\x1b. Next step: Ask.",
        ),
    ],
)
def test_the_state_says_since_when_why_and_what_next(
    state: SubscriberState, kind: str, word: str, more: str
) -> None:
    """Each phase has its word; what is wrong comes with the reason."""
    assert state_text(state, "kafka://x")[:2] == (kind, word)
    assert more in state_text(state, "kafka://x")[2]


def test_the_counters_tell_all_but_worry_nobody() -> None:
    """Zeros stay unsaid, everything else is counted."""
    assert counters_text(SubscriberState(shown=1), 300) == "1 alert"
    text = counters_text(SubscriberState(shown=2000, duplicates=2, unreadable=3, unsaved=4), 300)
    assert text == (
        "2,000 alerts · the newest 300 below, all in memory in to_dataframe() · 2 came twice · 3 unreadable · 4 not saved"
    )


# The table on a broker


def test_alerts_come_newest_first_and_the_text_form_is_stable(stage: Stage, table: AlertTable) -> None:
    """What a notebook stores of the table has no address and no time in it."""
    stage.publish(*(make_alert() for _ in range(3)))
    wait_for(lambda: shown_numbers(table) == [3, 2, 1], "three rows")
    assert repr(table) == "AlertTable(listening: 3 alerts)"
    bundle = table._repr_mimebundle_()
    assert bundle["text/plain"] == repr(table)
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == table.widget.model_id
    table.stop()
    assert repr(table) == "AlertTable(stopped: 3 alerts)"


def test_a_burst_shows_the_newest_and_counts_all(stage: Stage) -> None:
    """Two thousand alerts: a few hundred rows, the counter has all."""
    subscriber = Subscriber(connection=stage.connection)
    table = AlertTable(subscriber, rows=200)
    with table:
        stage.publish(*(make_alert() for _ in range(2000)))
        subscriber.wait_for(2000, timeout=20)
        wait_for(lambda: shown_numbers(table) == list(range(2000, 1800, -1)), "the newest 200", timeout=3)
    assert len(subscriber.to_dataframe()) == 2000
    table.close()


def test_two_tables_and_a_cell_run_again_are_one_view(stage: Stage, table: AlertTable) -> None:
    """No second thread, no duplicate row; both are up to date, and stop stops both."""
    again = AlertTable(table.subscriber)
    again.start()
    assert again.widget is table.widget
    assert view_threads() == 1
    stage.publish(make_alert())
    wait_for(lambda: shown_numbers(again) == shown_numbers(table) == [1], "one row in both")
    again.stop()
    assert not table.is_running
    assert view_threads() == 0


def test_tables_without_a_subscriber_share_one(stage: Stage) -> None:
    """A cell with AlertTable() that runs again makes no second subscriber, and starts none by itself."""
    first, second = AlertTable(connection=stage.connection), AlertTable(connection=stage.connection)
    assert first.subscriber is second.subscriber
    assert AlertTable().subscriber is AlertTable().subscriber
    assert not first.is_running
    assert repr(first) == "AlertTable(stopped: 0 alerts)"
    AlertTable().close()
    first.close()


def test_a_subscriber_that_is_stopped_and_started_elsewhere_is_followed(
    stage: Stage, table: AlertTable
) -> None:
    """The table shows "stopped" and its thread ends; it goes on when somebody starts the subscriber again."""
    wait_for(lambda: "listening" in table.state, "listening")
    table.subscriber.stop()
    wait_for(lambda: "stopped" in table.state and view_threads() == 0, "stopped, and no thread")
    table.subscriber.start()
    wait_for(lambda: "listening" in table.state, "listening again")
    stage.publish(make_alert())
    wait_for(lambda: shown_numbers(table) == [1], "the row of the second life")


def test_a_connection_closed_elsewhere_shows_stopped(broker: EmbeddedBroker, settings: DrillSettings) -> None:
    """Closing the connection ends the listening; the table says so."""
    with open_stage(broker.address, settings, label="closed_elsewhere") as stage:
        table = AlertTable(Subscriber(connection=stage.connection))
        table.start()
    wait_for(lambda: "stopped" in table.state and view_threads() == 0, "stopped, and no thread")
    table.stop()
    table.close()


def test_an_outage_stands_in_the_table_and_ends(settings: DrillSettings) -> None:
    """The broker goes: reconnecting, since when, the rows stay. It comes back: listening, and the next alert is shown."""
    with EmbeddedBroker() as broker, open_stage(broker.address, settings, label="outage") as stage:
        table = AlertTable(Subscriber(connection=stage.connection))
        with table:
            stage.publish(make_alert())
            wait_for(lambda: shown_numbers(table) == [1], "the row before the outage")
            broker.stop()
            wait_for(lambda: "reconnecting" in table.state, "reconnecting on screen", timeout=20)
            assert re.search(r"since \d\d:\d\d:\d\d UTC", table.state)
            assert shown_numbers(table) == [1]
            broker.start()
            stage.make_topics()
            wait_for(lambda: "listening" in table.state, "listening on screen", timeout=20)
            stage.publish(make_alert())
            wait_for(lambda: shown_numbers(table) == [2, 1], "the row after the outage", timeout=20)
        table.close()


def test_broken_callbacks_and_records_do_not_end_it(stage: Stage, table: AlertTable) -> None:
    """Callbacks that raise, records that are no alerts, names too long to read: counted, and the next alert is shown."""

    def broken(_: Alert) -> None:
        raise RuntimeError("<b>boom</b>")

    table.subscriber.on_alert(broken)
    too_long = json.dumps({"id": "x", "alert_type": "UPDATE", "detector_names": ["A" * 5000]}).encode()
    stage.publish_raw(b"no json", b"\x80\x04.", b'{"id": 1}', too_long)
    stage.publish(make_alert(names=HOSTILE), make_alert())
    wait_for(lambda: shown_numbers(table) == [2, 1], "both rows")
    wait_for(lambda: "4 unreadable · 2 callback failures" in table.state, "the counters")
    assert table.is_running


def test_a_row_that_cannot_be_made_does_not_end_the_thread(
    stage: Stage, table: AlertTable, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The thread reports it and tries again."""
    with monkeypatch.context() as patch:
        patch.setattr("snews_drill.widgets.alert_view.alert_to_row", lambda entry: 1 / 0)
        stage.publish(make_alert())
        wait_for(lambda: "could not be drawn" in caplog.text, "the report")
    wait_for(lambda: shown_numbers(table) == [1], "the row in the end")


def test_choosing_a_row_shows_everything_about_it(stage: Stage, table: AlertTable) -> None:
    """Its detectors and its JSON as it travelled; choosing nothing shows nothing."""
    stage.publish(make_alert(names=("JUNO", "LZ")), make_alert(names=("SK", "HK")))
    wait_for(lambda: len(table.rows) == 2, "two rows")
    table.select(1)
    assert ">LZ</td>" in table.details
    assert "&quot;detector_names&quot;" in table.details
    assert "HK" not in table.details
    table.clear()
    assert (table.rows, table.details) == ([], "")
    assert repr(table) == "AlertTable(listening: 2 alerts)"
    table.select(1)
    assert "no longer in memory" in table.details


def test_buttons_do_what_the_methods_do(
    stage: Stage, table: AlertTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Save shows the name of the file, clear empties, stop stops, start starts."""
    monkeypatch.chdir(tmp_path)
    stage.publish(make_alert())
    wait_for(lambda: len(table.rows) == 1, "a row")
    table.press("json")
    (file,) = tmp_path.glob("alerts_*.json")
    assert file.name in table.message
    table.press("csv")
    assert len(list(tmp_path.glob("alerts_*.csv"))) == 1
    table.press("clear")
    assert (table.rows, table.message) == ([], "")
    table.press("stop")
    assert not table.is_running
    table.press("start")
    assert table.is_running


def test_what_goes_wrong_at_a_button_is_shown(
    broker: EmbeddedBroker, settings: DrillSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refusal is shown with reason and next step, nothing is raised into the kernel; the method raises."""
    with open_stage(broker.address, settings, label="wrong_button") as stage:
        table = AlertTable(Subscriber(connection=stage.connection, outputfolder=tmp_path / "file" / "x"))
        (tmp_path / "file").write_text("in the way")
        table.press("start")
        assert "sd-error" in table.message
        assert "Next step:" in table.message
        assert not table.is_running
        with pytest.raises(SettingsError):
            table.start()
        table.close()


def test_absurd_arguments_are_refused(stage: Stage) -> None:
    """Rows that no browser shows, and two answers to the same question."""
    for rows in (0, -1, 10**6):
        with pytest.raises(SettingsError, match="rows"):
            AlertTable(rows=rows)
    with pytest.raises(SettingsError, match="connection"):
        AlertTable(Subscriber(), connection=stage.connection)


# Files


def test_files_are_never_overwritten_and_json_is_exact(tmp_path: Path) -> None:
    """Two saves in one second are two files; what was read back is what travelled."""
    content = {"id": "x", "odd": ["\u202e", None, 1.5e300]}
    entry = received(make_alert().model_copy(update={"content": content}), 3)
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    names = [save_alerts([entry], "json", tmp_path, now).name for _ in range(3)]
    assert names == [f"alerts_20260102T030405Z{suffix}.json" for suffix in ("", "_1", "_2")]
    (saved,) = json.loads((tmp_path / names[2]).read_text())
    assert (saved["number"], saved["alert"]) == (3, content)


def test_csv_cells_are_never_formulas(tmp_path: Path) -> None:
    """A detector named like a formula is text in a spreadsheet; an escape sequence is spelled out."""
    entry = received(make_alert(names=("=1+1", "a,b\x1b")))
    with save_alerts([entry], "csv", tmp_path).open(newline="") as file:
        (line,) = csv.DictReader(file)
    assert line["detector_names"] == "'=1+1;a,b\\x1b"
    assert float(line["latency_ms"]) == 132.0


def test_an_unknown_kind_and_a_missing_folder_are_refused(tmp_path: Path) -> None:
    """With a next step."""
    with pytest.raises(SettingsError, match="xlsx"):
        save_alerts([], "xlsx", tmp_path)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="cannot be written"):
        save_alerts([], "csv", tmp_path / "missing")


def test_a_closed_table_leaves_nothing_in_the_kernel(stage: Stage) -> None:
    """No widget, no layout, no style; and the subscriber can go."""
    before = set(_instances())
    table = AlertTable(Subscriber(connection=stage.connection))
    gone = weakref.ref(table.subscriber)
    with table:
        stage.publish(make_alert())
        table.subscriber.wait_for(1)
    table.close()
    assert set(_instances()) - before == set()
    del table
    gc.collect()
    assert gone() is None


def _instances() -> dict[str, object]:
    from ipywidgets.widgets.widget import _instances as found

    return found
