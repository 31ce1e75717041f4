"""What works in a thread of its own: started, stopped, started again."""

from __future__ import annotations

import threading
from pydoc import locate

import pytest
from waiting import AT_ONCE_SEC, wait_for

from snews_drill.background import Background, Startable


class Counter(Background):
    """Counts its runs; each lasts until it is stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[threading.Event] = []
        self.stops_itself = False

    def start(self) -> None:
        with self._lifecycle:
            if not self._is_at_work:
                self._stop = threading.Event()
                self._launch(self._run, self._stop, name="counter")

    def _run(self, stop: threading.Event) -> None:
        self.begun.append(stop)
        if self.stops_itself:
            self.stop()
        stop.wait(60)


def test_it_starts_once_and_stops_and_starts_again() -> None:
    counter = Counter()
    counter.stop()
    for runs in (1, 2):
        counter.start()
        counter.start()
        wait_for(lambda runs=runs: len(counter.begun) == runs, "the run")
        assert counter.is_running
        counter.stop(timeout=AT_ONCE_SEC)
        counter.stop()
        assert not counter.is_running
    assert len(set(map(id, counter.begun))) == 2, "the second run had the stop event of the first"


def test_with_starts_and_stops_it_and_an_error_passes() -> None:
    counter = Counter()

    def use() -> None:
        with counter as same:
            assert same is counter
            wait_for(lambda: counter.begun, "the run")
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        use()
    assert not counter.is_running


def test_its_own_thread_may_stop_it() -> None:
    """It does not wait for itself."""
    counter = Counter()
    counter.stops_itself = True
    counter.start()
    wait_for(lambda: counter.begun and not counter.is_running, "its end")


def test_its_thread_is_named_and_keeps_no_interpreter_alive() -> None:
    with Counter():
        (thread,) = [thread for thread in threading.enumerate() if thread.name == "snews_drill counter"]
        assert thread.daemon


@pytest.mark.parametrize(
    "kind",
    [
        "snews_drill.drill.control_desk.ControlDesk",
        "snews_drill.drill.virtual_detectors.VirtualDetectors",
        "snews_drill.plugin.PluginRunner",
        "snews_drill.subscriber.Subscriber",
        "snews_drill.widgets.alert_table.AlertTable",
        "snews_drill.widgets.control_room.ControlRoom",
        "snews_drill.widgets.drill_guide.DrillGuide",
        "snews_drill.widgets.heartbeat_panel.HeartbeatPanel",
        "snews_drill.widgets.sky_view.SkyView",
    ],
)
def test_what_runs_for_the_user_can_stand_in_a_with_block(kind: str) -> None:
    assert issubclass(locate(kind), Startable)  # type: ignore[arg-type]


def test_a_stop_that_did_not_wait_is_no_reason_not_to_start() -> None:
    """The run before is about to end; it has a stop event of its own."""
    counter = Counter()
    counter.start()
    wait_for(lambda: counter.begun, "the run")
    counter.stop(timeout=0)
    counter.start()
    wait_for(lambda: len(counter.begun) == 2, "the second run")
    assert counter.is_running
    counter.stop()
