"""The message form, driven from code and by its widgets, on the embedded broker."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import ipywidgets
import pytest
from alert_samples import Stage, open_stage
from waiting import wait_for

from snews_drill.connection import Connection, connect
from snews_drill.errors import (
    DeliveryFailed,
    DrillError,
    InvalidMessage,
    NotConfirmed,
    UnreadableFile,
    UnwritableFile,
)
from snews_drill.messages.tiers import DetectorMessage
from snews_drill.outbox import Outbox
from snews_drill.publisher import SNEWSTiersPublisher
from snews_drill.rehearsal.broker import EmbeddedBroker
from snews_drill.settings import DrillSettings
from snews_drill.transport import Reader
from snews_drill.widgets.form_preview import json_text
from snews_drill.widgets.message_form import MessageForm
from snews_drill.wire.dialects import decode_record, get_dialect

MARKUP = "<img src=x onerror=alert(1)>"


@pytest.fixture
def stage(broker: EmbeddedBroker, settings: DrillSettings, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A connection on topics of this test's own, for a user who is XENONnT."""
    label = re.sub(r"\W", "_", request.node.name)[:60]
    named = settings.model_copy(update={"detector_name": "XENONnT"})
    with open_stage(broker.address, named, label=label) as stage:
        yield stage


@pytest.fixture
def topic(stage: Stage) -> Iterator[Topic]:
    """What arrives on the observation topic."""
    reader = stage.connection.open_reader([stage.observation_topic])
    yield Topic(reader)
    reader.close()


class Topic:
    """Messages as a server reads them."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._messages: list[DetectorMessage] = []
        self.contents: list[bytes] = []

    def wait_for(self, count: int) -> list[DetectorMessage]:
        """Return the messages when there are `count`, and no more."""
        wait_for(lambda: self._read() >= count, f"{count} messages")
        self._read()
        assert len(self._messages) == count
        return self._messages

    def _read(self) -> int:
        for record in self._reader.read(timeout=0.1):
            value = decode_record(record.value, record.content_format).value
            assert isinstance(value, DetectorMessage)
            self._messages.append(value)
            self.contents.append(record.value)
        return len(self._messages)


def live(stage: Stage) -> Stage:
    """Make a stage's connection one that other people read."""
    stage.connection.profile = stage.connection.profile.model_copy(
        update={"is_live": True, "name": "firedrill"}
    )
    return stage


def type_into(form: MessageForm, name: str, text: str) -> None:
    form._view.rows[name].input.value = text


def remark(form: MessageForm, name: str) -> str:
    return str(form._view.rows[name].remark.value)


def outcome(form: MessageForm) -> str:
    return str(form._flow.panel.outcome.value)


def click_send(form: MessageForm) -> None:
    form._flow.panel.send_button.click()


# On the screen -----------------------------------------------------------------------------------------------------


def test_the_text_of_a_form_is_stable_and_telling(stage: Stage) -> None:
    form = MessageForm(connection=stage.connection)
    assert repr(form) == "MessageForm(XENONnT: no tier; 0 to send)"
    form.set(neutrino_time="now", p_values=[0.5], t_bin_width=1)
    assert repr(form) == "MessageForm(XENONnT: CoincidenceTier, SigTier; 2 to send)"
    form["p_val"] = "x"
    assert repr(form) == "MessageForm(XENONnT: CoincidenceTier, SigTier; 2 to send, 1 to mend)"
    bundle = form._repr_mimebundle_()
    assert bundle["text/plain"] == repr(form)
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == form.widget.model_id


def test_without_a_name_the_form_asks_for_one(broker: EmbeddedBroker, settings: DrillSettings) -> None:
    with open_stage(broker.address, settings, label="nameless") as stage:
        form = MessageForm(connection=stage.connection, detector_status="ON")
        assert repr(form) == "MessageForm(no detector: Heartbeat; 0 to send, 1 to mend)"
        assert "Choose your detector" in remark(form, "detector_name")
        type_into(form, "detector_name", "JUNO")
        assert repr(form) == "MessageForm(JUNO: Heartbeat; 1 to send)"


def test_typing_shows_tiers_problems_preview_and_python(stage: Stage) -> None:
    form = MessageForm(connection=stage.connection)
    coincidence = form._view.groups[1]
    assert "needs neutrino_time" in coincidence.heading.value
    form._view.rows["neutrino_time"].now_button.click()
    assert "CoincidenceTier — because neutrino_time is given" in coincidence.heading.value
    assert form._view.rows["neutrino_time"].input.value == form["neutrino_time"]
    type_into(form, "p_val", "2")
    assert "sd-error" in remark(form, "p_val")
    assert "Give a float such as 0.05" in remark(form, "p_val")
    assert form._flow.panel.send_button.description == "Send"
    type_into(form, "p_val", "0.05")
    assert "sd-error" not in remark(form, "p_val")
    (card,) = form._preview.cards
    assert (card["title"], json.loads(card["text"])) == ("CoincidenceTier", form.preview()[0])
    assert form.python_line in form._preview.code
    assert form._flow.panel.send_button.description == "Send 1 message"
    assert stage.observation_topic in form._flow.panel.destination.value
    assert stage.connection.broker in form._flow.panel.destination.value


def test_what_code_sets_stands_in_the_fields(stage: Stage) -> None:
    form = MessageForm("sk", connection=stage.connection, is_test=True, p_values=(0.1, 0.2), run=17)
    form.set(timing_series=["2026-11-23T10:00:00"], detector_status="off", is_pre_sn=True)
    rows = form._view.rows
    assert rows["detector_name"].input.value == "Super-K"
    assert rows["p_values"].input.value == "0.1, 0.2"
    assert rows["timing_series"].input.value == "2026-11-23T10:00:00"
    assert rows["detector_status"].input.value == "OFF"
    assert [form._view.flags[name].value for name in ("firedrill_mode", "is_test", "is_pre_sn")] == [
        True,
        True,
        True,
    ]
    (pair,) = form._view.extras._list.children
    assert [box.value for box in pair.children[:2]] == ["run", "17"]
    assert form.values == {
        "detector_name": "Super-K",
        "p_values": [0.1, 0.2],
        "timing_series": ["2026-11-23T10:00:00"],
        "detector_status": "OFF",
        "is_test": True,
        "is_pre_sn": True,
        "run": 17,
    }
    form["p_values"] = None
    assert rows["p_values"].input.value == ""


def test_a_value_that_is_no_choice_is_shown_with_its_problem(stage: Stage) -> None:
    form = MessageForm(MARKUP, connection=stage.connection, detector_status="maybe")
    assert form._view.rows["detector_name"].input.value == MARKUP
    assert "is not a detector on the roster" in remark(form, "detector_name")
    form["detector_name"] = "JUNO"
    assert "neither" in remark(form, "detector_status")
    type_into(form, "detector_status", "ON")
    assert form.problems == []
    assert "maybe" not in str(form._view.rows["detector_status"].input.options)


def test_pairs_are_added_edited_and_removed(stage: Stage) -> None:
    form = MessageForm(connection=stage.connection, detector_status="ON")
    extras = form._view.extras
    extras.add_button.click()
    extras.add_button.click()
    first, second = extras._list.children
    first.children[0].value, first.children[1].value = "run", "[17]"
    second.children[0].value, second.children[1].value = "self", "x"
    assert form["run"] == [17]
    assert "a word of the form" in second.children[3].value
    first.children[2].click()
    assert form["run"] is None
    (left,) = extras._list.children
    assert [box.value for box in left.children[:2]] == ["self", "x"]
    left.children[2].click()
    assert form.problems == []


def test_markup_is_shown_as_text(stage: Stage, tmp_path: Path) -> None:
    form = MessageForm(connection=stage.connection, p_val=MARKUP, timing_series=[MARKUP], machine_time=MARKUP)
    form.set(**{MARKUP: 1, "self": MARKUP})
    with pytest.raises(InvalidMessage):
        form.send()
    form._file_panel.path.value = str(tmp_path / MARKUP)
    form._file_panel.load_button.click()
    drawn = "".join(str(w.value) for w in _widgets_below(form.widget) if isinstance(w, ipywidgets.HTML))
    assert "<img" not in drawn
    assert "&lt;img" in drawn


def test_every_input_has_a_label_and_every_button_a_word_and_an_explanation(stage: Stage) -> None:
    form = MessageForm(connection=stage.connection, run=17)
    inputs = [
        w
        for w in _widgets_below(form.widget)
        if isinstance(w, (ipywidgets.Text, ipywidgets.Textarea, ipywidgets.Dropdown, ipywidgets.Checkbox))
    ]
    buttons = [w for w in _widgets_below(form.widget) if isinstance(w, ipywidgets.Button)]
    assert len(inputs) > 15
    assert all(box.description for box in inputs)
    assert not any(getattr(box, "placeholder", "").strip("\u200b") for box in inputs)
    assert all(button.description and button.tooltip for button in buttons)


def test_fields_of_the_other_dialect_are_hidden(stage: Stage) -> None:
    form = MessageForm(connection=stage.connection)
    row = form._view.rows["start_time_utc"].widget
    assert row.layout.display == "none"
    stage.connection.dialect = get_dialect("3")
    form.clear()
    assert row.layout.display == "flex"


def test_a_long_series_is_drawn_in_part_and_says_so(stage: Stage) -> None:
    form = MessageForm(connection=stage.connection, neutrino_time="now", timing_series=list(range(5000)))
    card = form._preview.cards[1]
    assert "4,980 more entries" in card["text"]
    assert not card["is_whole"]
    assert len(form.preview()[1]["timing_series"]) == 5000
    assert json_text({"a": list(range(1000)), "b": {"c": None}})[1]


def _widgets_below(widget: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from _widgets_below(child)


# Sending -----------------------------------------------------------------------------------------------------------


def test_what_is_sent_is_what_was_shown(
    stage: Stage, topic: Topic, capfd: pytest.CaptureFixture[str]
) -> None:
    form = MessageForm(
        connection=stage.connection, neutrino_time="now", p_val=0.05, detector_status="ON", run=17
    )
    shown = form.preview()
    receipts = form.send()
    topic.wait_for(2)
    arrived = [json.loads(content) for content in topic.contents]
    for message, sent in zip(shown, arrived, strict=True):
        assert list(sent) == list(message)
        assert {**sent, "sent_time": None} == {**message, "sent_time": None}
        assert sent["sent_time"] > message["sent_time"]
    assert form.preview() == arrived  # afterwards the form shows what the broker has
    assert form.msg is not None
    assert form.msg.messages == arrived
    assert [(r.topic, r.partition, r.offset) for r in receipts] == [
        (stage.observation_topic, 0, 0),
        (stage.observation_topic, 0, 1),
    ]
    assert receipts == form.receipts
    assert all(f"<td>{receipt.milliseconds:.1f}</td>" in outcome(form) for receipt in receipts)
    assert repr(form) == "MessageForm(XENONnT: CoincidenceTier, Heartbeat; 2 sent)"
    assert capfd.readouterr().out == ""


def test_what_is_sent_in_dialect_3_is_what_was_shown(stage: Stage, topic: Topic) -> None:
    stage.connection.dialect = get_dialect("3")
    form = MessageForm(
        connection=stage.connection, neutrino_time="now", timing_series=[1, 2], background_rate_Hz=2
    )
    shown = form.preview()
    form.send()
    arrived = topic.wait_for(2)
    assert [message.uuid for message in arrived] == [content["uuid"] for content in shown]
    assert arrived == [get_dialect("3").parse(content)[0] for content in form.preview()]


def test_a_double_click_sends_once_and_build_again_makes_a_new_message(stage: Stage, topic: Topic) -> None:
    form = MessageForm(connection=stage.connection, detector_status="ON")
    click_send(form)
    click_send(form)
    (first,) = topic.wait_for(1)
    assert form._flow.panel.send_button.disabled
    form._flow.panel.again_button.click()
    assert form.receipts == []
    assert not form._flow.panel.send_button.disabled
    click_send(form)
    assert topic.wait_for(2)[1].id != first.id


def test_code_may_send_the_same_fields_again(stage: Stage, topic: Topic) -> None:
    form = MessageForm(connection=stage.connection, detector_status="ON")
    form.send()
    form.send()
    assert len({message.id for message in topic.wait_for(2)}) == 2


def test_messages_edited_in_a_cell_are_shown_before_they_are_sent(stage: Stage, topic: Topic) -> None:
    form = MessageForm(connection=stage.connection, detector_status="ON")
    assert form.msg is not None
    form.msg.messages[0]["detector_status"] = "OFF"
    click_send(form)
    assert "changed since they were shown" in outcome(form)
    assert json.loads(form._preview.cards[0]["text"])["detector_status"] == "OFF"
    click_send(form)
    (heartbeat,) = topic.wait_for(1)
    assert heartbeat.detector_status == "OFF"  # type: ignore[attr-defined]


def test_messages_edited_into_something_wrong_are_not_sent(stage: Stage, topic: Topic) -> None:
    form = MessageForm(connection=stage.connection, detector_status="ON")
    assert form.msg is not None
    form.msg.messages[0]["detector_status"] = "PERHAPS"
    with pytest.raises(InvalidMessage, match="PERHAPS"):
        form.send(confirm=False)
    assert "PERHAPS" in outcome(form)
    form.clear()
    form["detector_status"] = "ON"
    form.send()
    topic.wait_for(1)


def test_a_form_follows_the_current_connection_but_not_unseen(
    broker: EmbeddedBroker, settings: DrillSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What was shown for one destination is not sent to another one before it was shown for that."""
    monkeypatch.setenv("SNEWS_DRILL_HOME", str(tmp_path / "home"))
    form = MessageForm("JUNO", detector_status="ON")
    assert "the rehearsal, started on first use" in form._flow.panel.destination.value
    with connect(f"kafka://{broker.address}", dialect="3", settings=settings) as connection:
        _make_topics(connection)
        with pytest.raises(NotConfirmed, match="changed since they were shown"):
            form.send()
        assert "tier" in form.preview()[0]
        assert broker.address in form._flow.panel.destination.value
        assert len(form.send()) == 1


def _make_topics(connection: Connection) -> None:
    connection._transport.create_topics(connection.topics().names())


def test_wrong_fields_are_told_and_nothing_is_sent(stage: Stage, topic: Topic) -> None:
    form = MessageForm(connection=stage.connection, neutrino_time="2026-11", detector_status="ON")
    assert "sd-quiet" in remark(form, "neutrino_time")
    click_send(form)
    assert "sd-error" in remark(form, "neutrino_time")
    assert "Next step" in outcome(form)
    form["neutrino_time"] = None
    assert outcome(form) == ""
    click_send(form)
    topic.wait_for(1)


def test_an_empty_form_says_what_to_fill_in(stage: Stage) -> None:
    form = MessageForm(connection=stage.connection)
    with pytest.raises(InvalidMessage, match="No message arises") as caught:
        form.send()
    assert "neutrino time" in caught.value.next_step
    assert "No message arises" in outcome(form)


def test_a_broker_that_is_gone_is_told_and_everything_typed_stays(settings: DrillSettings) -> None:
    with EmbeddedBroker() as broker, open_stage(broker.address, settings, label="gone") as stage:
        form = MessageForm("JUNO", connection=stage.connection, neutrino_time="now", p_val=0.05)
        typed = form.values
        form.send()
        form.set(p_val=0.06)
        broker.stop()
        with pytest.raises(DeliveryFailed):
            form.send(timeout=0.5)
        assert "Next step" in outcome(form)
        assert "1 message waits in the outbox" in outcome(form)
        assert [entry.tier for entry in Outbox(settings=settings)] == ["CoincidenceTier"]
        assert form.values == {**typed, "p_val": 0.06}
        identifier = form.preview()[0]["_id"]
        assert not form._flow.panel.send_button.disabled
        broker.start()
        stage.make_topics()
        wait_for(lambda: _sends(form), "the broker to take it", timeout=20)
        assert form.preview()[0]["_id"] == identifier
        assert "acknowledged" in outcome(form)
        assert Outbox(settings=settings).entries == []


def _sends(form: MessageForm) -> bool:
    try:
        return bool(form.send(timeout=2.0))
    except DrillError:
        return False


def test_settings_that_break_while_the_form_is_open_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SNEWS_DRILL_HOME", str(tmp_path / "home"))
    form = MessageForm("JUNO", detector_status="ON")
    monkeypatch.setenv("SNEWS_DRILL_PROFILE", "nowhere")
    type_into(form, "p_val", "0.5")
    assert "There is no profile" in form._flow.panel.destination.value
    click_send(form)
    assert "There is no profile" in outcome(form)
    monkeypatch.delenv("SNEWS_DRILL_PROFILE")
    type_into(form, "p_val", "")
    assert repr(form) == "MessageForm(JUNO: Heartbeat; 1 to send)"


# A live broker -----------------------------------------------------------------------------------------------------


def test_on_a_live_profile_a_click_asks_first_and_names_broker_and_topic(stage: Stage, topic: Topic) -> None:
    form = MessageForm(connection=live(stage).connection, detector_status="ON")
    flow = form._flow.panel
    assert "live" in flow.destination.value
    click_send(form)
    assert flow.question.layout.display == "flex"
    assert stage.observation_topic in flow.question_text.value
    assert stage.connection.broker in flow.question_text.value
    flow.decline_button.click()
    assert flow.question.layout.display == "none"
    flow.confirm_button.click()  # an old question's button does nothing
    click_send(form)
    type_into(form, "detector_status", "OFF")
    assert flow.question.layout.display == "none"
    flow.confirm_button.click()
    click_send(form)
    flow.confirm_button.click()
    flow.confirm_button.click()
    (heartbeat,) = topic.wait_for(1)
    assert heartbeat.detector_status == "OFF"  # type: ignore[attr-defined]
    assert "acknowledged" in outcome(form)


def test_what_changes_behind_the_question_is_not_sent(stage: Stage, topic: Topic) -> None:
    form = MessageForm(connection=live(stage).connection, detector_status="ON")
    click_send(form)
    assert form.msg is not None
    form.msg.messages[0]["meta"] = {"sneaked": "in"}
    form._flow.panel.confirm_button.click()
    assert "changed since they were shown" in outcome(form)
    assert "sneaked" in form._preview.cards[0]["text"]
    form["detector_status"] = "OFF"
    form.send(confirm=False)
    topic.wait_for(1)


def test_code_has_to_say_so_on_a_live_profile(stage: Stage, topic: Topic) -> None:
    form = MessageForm(connection=live(stage).connection, detector_status="ON")
    with pytest.raises(NotConfirmed, match=re.escape(stage.connection.broker)) as caught:
        form.send()
    assert "confirm=False" in caught.value.next_step
    assert form._flow.panel.question.layout.display == "flex"
    form.send(confirm=False)
    assert form._flow.panel.question.layout.display == "none"
    topic.wait_for(1)


# Files -------------------------------------------------------------------------------------------------------------


def test_a_saved_form_is_what_the_publisher_reads(stage: Stage, tmp_path: Path) -> None:
    form = MessageForm(
        connection=stage.connection, neutrino_time="now", p_values=[0.5], t_bin_width=1, is_test=True
    )
    form.set(firedrill_mode=False, run={"number": 17}, **{"my key": "true"})
    path = form.save(tmp_path / "message.json")
    publisher = SNEWSTiersPublisher.from_json(path, connection=stage.connection, verbose=False)
    stamps = ("_id", "machine_time", "sent_time")
    for made, shown in zip(publisher.messages, form.preview(), strict=True):
        assert {**made, **dict.fromkeys(stamps)} == {**shown, **dict.fromkeys(stamps)}
    assert publisher.firedrill_mode is False
    other = MessageForm("JUNO", connection=stage.connection, retract_latest=1).load(path)
    assert other.values == form.values
    assert other["retract_latest"] is None


def test_no_file_is_overwritten_without_saying(stage: Stage, tmp_path: Path) -> None:
    form = MessageForm(connection=stage.connection, detector_status="ON")
    panel = form._file_panel
    panel.path.value = str(tmp_path / "message.json")
    panel.save_button.click()
    assert "Saved" in panel.outcome.value
    assert panel.replace_button.layout.display == "none"
    form["detector_status"] = "OFF"
    panel.save_button.click()
    assert "exists already; it was not changed" in panel.outcome.value
    assert json.loads((tmp_path / "message.json").read_text())["detector_status"] == "ON"
    with pytest.raises(UnwritableFile):
        form.save(tmp_path / "message.json")
    panel.replace_button.click()
    assert json.loads((tmp_path / "message.json").read_text())["detector_status"] == "OFF"
    assert panel.replace_button.layout.display == "none"
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []


@pytest.mark.parametrize("name", ["", "missing/message.json", "\0", "folder"])
def test_a_place_that_cannot_be_written_is_told(stage: Stage, tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    form = MessageForm(connection=stage.connection, detector_status="ON")
    for overwrite in (False, True):
        with pytest.raises(UnwritableFile):
            form.save(f"{tmp_path}/{name}", overwrite=overwrite)


def test_the_home_of_an_unknown_user_is_told(stage: Stage) -> None:
    """`~` and a name is somebody's home folder; there may be nobody of that name. No click raises."""
    form = MessageForm(connection=stage.connection, detector_status="ON")
    path = "~nobody-of-this-name/message.json"
    with pytest.raises(UnwritableFile):
        form.save(path)
    with pytest.raises(UnreadableFile):
        form.load(path)
    form._file_panel.path.value = path
    for button in ("load_button", "save_button", "replace_button"):
        form._file_panel.outcome.value = ""
        getattr(form._file_panel, button).click()
        assert "nobody-of-this-name" in form._file_panel.outcome.value


def test_what_cannot_be_read_is_not_saved(stage: Stage, tmp_path: Path) -> None:
    form = MessageForm(connection=stage.connection, detector_status="ON", p_val="half")
    with pytest.raises(InvalidMessage, match="p_val"):
        form.save(tmp_path / "message.json")
    assert list(tmp_path.glob("*.json")) == []


@pytest.mark.parametrize("content", ["", "[1]", "{", "\xff"])
def test_a_file_that_is_no_object_leaves_the_form_as_it_was(
    stage: Stage, tmp_path: Path, content: str
) -> None:
    path = tmp_path / "message.json"
    path.write_text(content, encoding="latin-1")
    form = MessageForm(connection=stage.connection, detector_status="ON", p_val="0.")
    with pytest.raises(UnreadableFile):
        form.load(path)
    form._file_panel.path.value = str(path)
    form._file_panel.load_button.click()
    assert "sd-error" in form._file_panel.outcome.value
    assert form._draft.texts["p_val"] == "0."
    assert form["detector_status"] == "ON"


def test_a_file_of_the_older_tools_fills_the_form(stage: Stage, tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_text(
        json.dumps(
            {
                "detector_name": "xenonnt",
                "neutrino_time_utc": "2026-11-23 10:00",
                "is_test": "True",
                "p_val": None,
            }
        )
    )
    form = MessageForm("JUNO", connection=stage.connection).load(path)
    assert form.values == {"detector_name": "XENONnT", "neutrino_time": "2026-11-23 10:00", "is_test": True}
    assert len(form.preview()) == 1


# Absurd ------------------------------------------------------------------------------------------------------------


def test_every_field_empty_or_absurd_is_survived(stage: Stage) -> None:
    form = MessageForm(connection=stage.connection)
    for text in ("", " ", "\0", "\ud800", "9" * 5000, "[[[[", '{"a":', "💥", "\u202e", "-", "now"):
        for row in form._view.rows.values():
            if row.field.kind == "choice":
                form.set(**{row.field.name: text})
            else:
                row.input.value = text
        click_send(form)
        repr(form)
    form.clear()
    form["detector_name"] = "JUNO"
    assert repr(form) == "MessageForm(JUNO: no tier; 0 to send)"
