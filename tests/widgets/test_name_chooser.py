"""Choosing and remembering a detector."""

from __future__ import annotations

import json

import pytest

from snews_drill.detectors import roster
from snews_drill.errors import NameNotSet, SettingsError, UnknownDetector
from snews_drill.settings import DrillSettings, load_settings
from snews_drill.widgets import NameChooser


def test_the_choice_is_remembered_quietly(
    settings: DrillSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    """An accepted spelling may be given; the file holds the registered name; nothing is printed."""
    told: list[str] = []
    chooser = NameChooser(settings, on_remembered=told.append)
    assert repr(chooser) == "NameChooser(nothing chosen)"
    chooser.name = "sk"
    assert chooser.remember() == "Super-K"
    assert told == ["Super-K"]
    assert 'detector_name = "Super-K"' in settings.config_file.read_text()
    assert "You are Super-K" in chooser.message
    assert repr(chooser) == "NameChooser(Super-K)"
    assert capsys.readouterr().out == ""


def test_nothing_chosen_and_unknown_names_are_told(settings: DrillSettings) -> None:
    """Pressing the button shows the reason and the next step; from code it is raised as well."""
    chooser = NameChooser(settings)
    chooser._button.click()
    assert "Next step" in chooser.message
    with pytest.raises(NameNotSet):
        chooser.remember()
    with pytest.raises(UnknownDetector):
        chooser.name = "<script>"
    assert not settings.config_file.exists()


def test_a_folder_that_cannot_be_written_is_told(settings: DrillSettings) -> None:
    """The panel shows it; the kernel's log stays clean."""
    settings.config_dir.parent.mkdir(parents=True)
    settings.config_dir.write_text("a file where the folder should be")
    chooser = NameChooser(settings)
    chooser.name = "XENONnT"
    chooser._button.click()
    assert "cannot be" in chooser.message
    with pytest.raises(SettingsError):
        chooser.remember()


def test_it_begins_with_who_is_remembered(monkeypatch: pytest.MonkeyPatch, settings: DrillSettings) -> None:
    """And follows a name that was set elsewhere meanwhile."""
    home = settings.config_dir.parent
    monkeypatch.setenv("SNEWS_DRILL_HOME", str(home))
    monkeypatch.delenv("SNEWS_DRILL_NAME", raising=False)
    other = NameChooser()
    NameChooser(load_settings()).widget.close()
    chooser = NameChooser()
    chooser.name = "JUNO"
    chooser.remember()
    other.refresh()
    assert other.name == "JUNO"
    assert "You are JUNO" in NameChooser().message


def test_the_whole_roster_can_be_chosen_with_its_spellings(settings: DrillSettings) -> None:
    """Twenty names, each once; the label shows the accepted spellings."""
    chooser = NameChooser(settings)
    labels = dict((value, label) for label, value in chooser._choice.options if value)
    assert set(labels) == {detector.name for detector in roster()}
    assert "SK" in labels["Super-K"]


def test_a_cell_shows_its_text_and_the_box(settings: DrillSettings) -> None:
    """The text beside the view has no address in it: notebooks are compared by it."""
    bundle = NameChooser(settings)._repr_mimebundle_()
    assert bundle["text/plain"] == "NameChooser(nothing chosen)"
    assert "application/vnd.jupyter.widget-view+json" in bundle
    json.dumps(bundle)
