"""What a notebook adds to plain calls, with a stand-in for the kernel; a real one is in tests/browser."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from alert_samples import open_stage

import snews_drill.names
import snews_drill.subscriber
import snews_drill.waiting
from snews_drill.errors import NotPermitted
from snews_drill.rehearsal.broker import EmbeddedBroker
from snews_drill.settings import DrillSettings
from snews_drill.subscriber import Subscriber
from snews_drill.widgets import hooks
from snews_drill.widgets.alert_table import AlertTable
from snews_drill.widgets.shown import take_over


class Kernel:
    """What the hooks look at in a kernel: the request it works on."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self.request: dict[str, Any] = {}
        self.run_cell("first")

    def run_cell(self, cell: str | None, kind: str = "execute_request") -> None:
        self.request = {
            "header": {"msg_type": kind, "msg_id": f"request-{next(self._numbers)}"},
            "metadata": {} if cell is None else {"cellId": cell},
        }

    def get_parent(self, channel: str | None = None) -> dict[str, Any]:
        assert channel == "shell"
        return self.request


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """A notebook, as far as the hooks can tell; afterwards there is none again."""
    import ipykernel  # noqa: F401 - its presence is the first sign of a notebook

    kernel = Kernel()
    monkeypatch.setattr("IPython.get_ipython", lambda: SimpleNamespace(kernel=kernel))
    monkeypatch.setattr(hooks, "_shown", {})
    for module, name in (
        (snews_drill.names, "choosers"),
        (snews_drill.subscriber, "views"),
        (snews_drill.waiting, "observers"),
    ):
        monkeypatch.setattr(module, name, [])
    return kernel


@pytest.fixture
def displayed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The reprs of what is displayed."""
    shown: list[str] = []
    monkeypatch.setattr("IPython.display.display", lambda thing, **_: shown.append(repr(thing)))
    return shown


def test_views_are_registered_once(kernel: Kernel) -> None:
    """However often a name of the package is loaded."""
    hooks.install()
    hooks.install()
    assert snews_drill.names.choosers == [hooks.show_chooser]
    assert snews_drill.subscriber.views == [hooks.show_table]
    assert snews_drill.waiting.observers == [hooks.show_wait]


def test_nothing_is_registered_outside_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where ipykernel happens to be installed and loaded."""
    import ipykernel  # noqa: F401

    monkeypatch.setattr(snews_drill.names, "choosers", [])
    hooks.install()
    assert snews_drill.names.choosers == []
    assert not hooks.show_chooser()
    assert hooks.show_wait("it", 5) is hooks._nothing


def test_set_name_without_a_name_shows_the_chooser(
    kernel: Kernel, displayed: list[str], settings: DrillSettings
) -> None:
    """And leaves the choice open."""
    hooks.install()
    snews_drill.names.set_name(settings=settings)
    assert displayed[0].startswith("NameChooser(")


def test_subscribe_shows_the_table(
    kernel: Kernel, displayed: list[str], broker: EmbeddedBroker, settings: DrillSettings
) -> None:
    """The subscriber runs on."""
    hooks.install()
    with open_stage(broker.address, settings, label="hook_table") as stage:
        subscriber = Subscriber(connection=stage.connection)
        assert subscriber.subscribe() is subscriber
        assert displayed == ["AlertTable(listening: 0 alerts)"]
        subscriber.stop()


def test_a_cell_that_is_run_again_leaves_one_subscriber(
    kernel: Kernel, displayed: list[str], broker: EmbeddedBroker, settings: DrillSettings
) -> None:
    """What the earlier run started is stopped; other cells, and several in one run, are left alone."""
    hooks.install()
    with open_stage(broker.address, settings, label="hook_twice") as stage:

        def subscribe() -> Subscriber:
            subscriber = Subscriber(connection=stage.connection)
            subscriber.subscribe()
            return subscriber

        first, second = subscribe(), subscribe()
        assert first.is_running
        kernel.run_cell("other")
        other = subscribe()
        kernel.run_cell(None)
        unnamed = subscribe()
        assert all(s.is_running for s in (first, second, other, unnamed))
        kernel.run_cell("first")
        third = subscribe()
        assert [s.is_running for s in (first, second, third, other, unnamed)] == [
            False,
            False,
            True,
            True,
            True,
        ]
        kernel.run_cell("first")
        third.subscribe()
        assert third.is_running
        for subscriber in (third, other, unnamed):
            subscriber.stop()


@pytest.mark.parametrize("by", ["code", "button"])
def test_a_table_of_a_new_subscriber_replaces_the_one_before(
    kernel: Kernel, broker: EmbeddedBroker, settings: DrillSettings, by: str
) -> None:
    """A cell with AlertTable(Subscriber()) run again leaves one listening thread; another cell's table is left alone."""
    with open_stage(broker.address, settings, label=f"hook_table_{by}") as stage:

        def run_cell(cell: str) -> AlertTable:
            kernel.run_cell(cell)
            table = AlertTable(Subscriber(connection=stage.connection))
            if by == "code":
                table.start()
            table._repr_mimebundle_()
            if by == "button":
                kernel.run_cell(None, kind="comm_msg")
                table.press("start")
            return table

        tables = [run_cell("other"), run_cell("first"), run_cell("first")]
        assert [table.is_running for table in tables] == [True, False, True]
        for table in tables:
            table.stop()
            table.close()


def test_only_a_cell_that_waits_shows_a_bar(kernel: Kernel) -> None:
    """Not a button's click, and not a thread: what it shows would belong to no cell."""
    kernel.run_cell("first", kind="comm_msg")
    assert hooks.show_wait("it", 5) is hooks._nothing
    kernel.run_cell("first")
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(hooks.show_wait("it", 5)))
    thread.start()
    thread.join()
    assert found == [hooks._nothing]
    end = hooks.show_wait("it", 5)
    assert end is not hooks._nothing
    end()


def test_registering_is_cheap() -> None:
    """Plain use of the package in a kernel loads no widgets, and outside of one not even the hooks."""
    code = (
        "import sys, snews_drill; {}; snews_drill.set_name\n"
        "print([m for m in ('ipywidgets', 'itables', 'snews_drill.widgets.hooks') if m in sys.modules])"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", code.format(line)], capture_output=True, text=True, check=True
        ).stdout
        for line in ("pass", "import ipykernel")
    ]
    assert said == ["[]\n", "['snews_drill.widgets.hooks']\n"]


def test_what_ended_an_earlier_panel_does_not_stop_the_new_one() -> None:
    class Failed:
        def stop(self) -> None:
            raise NotPermitted("You may not.", next_step="Ask.")

    first, second = Failed(), Failed()
    take_over("a key of this test", first)
    take_over("a key of this test", second)
