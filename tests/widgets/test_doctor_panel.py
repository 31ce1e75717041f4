"""The doctor in a notebook."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from credential_home import Home, make_home

from snews_drill.doctor import Finding
from snews_drill.rehearsal.launcher import stop_rehearsal
from snews_drill.widgets import DoctorPanel


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    home = make_home(tmp_path, monkeypatch)
    yield home
    stop_rehearsal(home.settings)


def test_the_button_examines_and_each_line_comes_as_it_is_found(home: Home) -> None:
    """The rehearsal, all green."""
    panel = DoctorPanel()
    assert repr(panel) == "DoctorPanel(rehearsal, not examined)"
    shown: list[int] = []
    panel._lines.observe(lambda change: shown.append(change["new"].count("<tr>")), names="value")
    panel.press_examine()
    panel.join()
    assert panel.diagnosis is not None
    assert panel.diagnosis.ok, str(panel.diagnosis)
    assert shown == list(range(2, 16))  # a headline and one line more each time
    assert "Nothing is in the way" in panel.message
    assert repr(panel) == "DoctorPanel(rehearsal, ok)"
    assert not panel._button.disabled


def test_a_problem_stands_on_top_with_its_next_step(home: Home) -> None:
    """And the lines below say the same."""
    panel = DoctorPanel("kafka://127.0.0.1:1")
    diagnosis = panel.examine(timeout=1.0)
    assert not diagnosis.ok
    assert "1 problem; begin with TCP" in panel._summary.value
    assert diagnosis["TCP"].next_step.split(";")[0] in panel._summary.value
    assert "Next step:" in panel._lines.value
    assert repr(panel) == "DoctorPanel(kafka://127.0.0.1:1, problems)"


def test_examining_again_begins_anew(home: Home) -> None:
    """No lines twice."""
    panel = DoctorPanel("kafka://127.0.0.1:1")
    panel.echo = False
    panel.examine(timeout=1.0)
    first = panel._lines.value
    panel.examine(timeout=1.0)
    assert panel._lines.value.count("<tr>") == first.count("<tr>") == 15
    assert "writes nothing" in panel.message


def test_settings_that_cannot_be_read_are_a_finding_not_an_error(home: Home) -> None:
    """Making the panel works all the same."""
    home.settings.config_dir.mkdir(parents=True)
    home.settings.config_file.write_text("profile = ")
    panel = DoctorPanel()
    panel.press_examine()
    panel.join()
    assert "begin with settings" in panel.message


def test_what_is_found_is_shown_as_text(home: Home) -> None:
    panel = DoctorPanel("<script>alert(1)</script>")
    panel.examine()
    panel._show(Finding("x", "problem", "<img src=x>", "<b>y</b>"))
    for markup in ("<script", "<img", "<b>y"):
        assert markup not in panel.message
