"""The control room: who is here, a play, virtual detectors, the instructor's words; with rights and without."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from broker_stand import Stand, open_connection_on
from messages_to_send import heartbeat, observation, send_observations
from pydantic import SecretStr
from waiting import wait_for

from snews_drill.connection import Connection
from snews_drill.drill.control_desk import ControlDesk
from snews_drill.drill.drill_picture import DrillPicture, Participant, PictureMaker, TimelineEntry
from snews_drill.errors import DrillError
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.server import DrillServer
from snews_drill.remote import test_connection
from snews_drill.settings import DrillSettings
from snews_drill.widgets.control_room import ControlRoom
from snews_drill.widgets.control_roster import roster_html, silence_sec
from snews_drill.widgets.control_timeline import timeline_html
from snews_drill.wire.dialects import decode_record

TOKEN = "the-instructors-token-that-nobody-else-has"
SECOND = 1_000_000_000
NOW = 1_700_000_000 * SECOND


@pytest.fixture
def instructor(broker: Stand, settings: DrillSettings, archive: Archive) -> Iterator[Connection]:
    """The connection of an instructor with rights, on a broker with a drill server; no detector of anybody."""
    secret = settings.model_copy(update={"admin_token": SecretStr(TOKEN)})
    with open_connection_on(broker, secret) as connection, DrillServer(connection, archive) as server:
        wait_for(lambda: server.status.state == "listening", "the server")
        yield connection


def pressed(room: ControlRoom, button: str) -> str:
    """Press a button, wait until it is done, and return what is said."""
    room.press(button)
    room.join()
    return room.message


def test_a_drill_from_the_control_room(instructor: Connection) -> None:
    """Play, wait for the alerts, inject one more, announce, freeze, reset; each button shows its Python."""
    with ControlRoom(instructor) as room:
        room.controls.scenario.value = "simple-coincidence"
        room.controls.speed.value = 60.0
        assert "player.start()" in pressed(room, "play")
        wait_for(lambda: room.picture.alerts, "the alert")
        room.controls.detector.value = "KM3NeT"
        assert "played_by=&quot;control room&quot;" in pressed(room, "inject")
        wait_for(lambda: room.picture.participant("KM3NeT"), "the observation")
        room.controls.text.value = 'Well done <b>"all"</b>'
        assert "announce(" in pressed(room, "announce")
        assert room.controls.text.value == ""
        assert "Joining is frozen" in pressed(room, "freeze")
        wait_for(lambda: room.picture.is_joining_frozen, "the freeze")
        assert "Joining is open" in pressed(room, "unfreeze")
        assert "observations dropped" in pressed(room, "reset")
        wait_for(lambda: room.picture.timeline[-1].kind == "reset", "the reset")
        assert room.picture.people == ()
        assert room.alerts.subscriber.alerts
        assert repr(room).startswith("ControlRoom(watching: ")
    assert not room.is_running
    shown = room._head.value + room._timeline.value + room._roster.value
    assert "Well done &lt;b&gt;" in shown
    assert "<b>&quot;all" not in shown


def test_virtual_detectors_fill_the_seats_and_people_keep_theirs(instructor: Connection) -> None:
    """A person's seat stays the person's, also in a play; a virtual detector can be stopped and started singly."""
    with ControlRoom(instructor) as room:
        send_observations(instructor, heartbeat("JUNO"))
        wait_for(lambda: room.picture.people == ("JUNO",), "the person")
        said = pressed(room, "fill_seats")
        assert "19 virtual detectors" in said
        assert "people&#x27;s: JUNO" in said
        room.controls.one.value = "LVD"
        assert "was stopped" in pressed(room, "toggle_one")
        assert "was started" in pressed(room, "toggle_one")
        room.controls.speed.value = 60.0
        said = pressed(room, "play")
        assert "JUNO speak for themselves" in said
        wait_for(
            lambda: room.desk.progress is not None and room.desk.progress.sent == 18, "the play", timeout=20
        )
        assert room.picture.people == ("JUNO",)
        juno = room.picture.participant("JUNO")
        assert juno is not None
        assert juno.observations == 0
        pressed(room, "empty_seats")
        wait_for(lambda: room.desk.cast is not None and not room.desk.cast.is_running, "their end")


def test_a_play_is_held_and_goes_on(instructor: Connection) -> None:
    with ControlRoom(instructor) as room:
        assert "Nothing is being played" in pressed(room, "pause")
        room.controls.scenario.value = "noise-with-retraction"
        pressed(room, "play")
        assert "held" in pressed(room, "pause")
        assert room.desk.player is not None
        assert room.desk.player.is_paused
        assert "is being played" in pressed(room, "play")
        assert "goes on" in pressed(room, "pause")
        assert "player.stop()" in pressed(room, "stop_playing")
        wait_for(lambda: not room.desk.player or not room.desk.player.is_running, "its end")


def test_without_rights_it_is_said_before_and_after(
    instructor: Connection, broker: Stand, settings: DrillSettings
) -> None:
    """Next to the buttons, and with the next step when one is pressed all the same."""
    with (
        open_connection_on(broker, settings, instructor.profile) as stranger,
        ControlRoom(stranger) as room,
    ):
        assert "SNEWS_DRILL_ADMIN_TOKEN" in room.controls.rights.value
        room.controls.text.value = "I am the instructor"
        for button in ("announce", "freeze", "unfreeze", "reset"):
            assert "needs the instructor" in room.controls.buttons[button].tooltip
            said = pressed(room, button)
            assert "no rights" in said
            assert "SNEWS_DRILL_ADMIN_TOKEN" in said
        assert room.controls.text.value == "I am the instructor"


def test_a_second_room_stops_the_first(instructor: Connection) -> None:
    """As when the cell is run again."""
    first, second = ControlRoom(instructor), ControlRoom(instructor)
    first.start()
    with second:
        assert not first.is_running
        assert second.is_running


def test_what_cannot_be_started_is_shown(broker: Stand, settings: DrillSettings) -> None:
    connection = open_connection_on(broker, settings)
    room = ControlRoom(connection)
    connection.close()
    with pytest.raises(DrillError):
        room.start()
    assert "Next step" in room.message
    room.stop()


def test_a_participant_that_leaves_is_called_silent() -> None:
    """After three of its longest pauses; with fewer than three heartbeats after three minutes."""
    beats = tuple(NOW + second * SECOND for second in (0, 1, 6))
    one = Participant("JUNO", NOW, NOW + 6 * SECOND, is_on=True, heartbeats=3, beats_ns=beats)
    assert silence_sec(one, NOW + 20 * SECOND) is None
    assert silence_sec(one, NOW + 36 * SECOND) == pytest.approx(30)
    for quiet in (Participant("LVD", NOW, NOW), Participant("LVD", NOW, NOW, beats_ns=beats[:2])):
        assert silence_sec(quiet, NOW + 170 * SECOND) is None
        assert silence_sec(quiet, NOW + 190 * SECOND) == pytest.approx(190)
    html = roster_html(DrillPicture(participants=(one, quiet)), (), NOW + 190 * SECOND)
    assert html.count(">silent<") == 2
    assert "Empty seats: Super-K" in html


def test_hostile_text_is_text() -> None:
    """Whatever travels: no markup, and no character that cannot be seen."""
    evil = "<script>x</script>\x1b[31m\u202e"
    picture = DrillPicture(
        participants=(Participant("JUNO", NOW, NOW, last_message=evil),),
        timeline=(
            TimelineEntry(NOW, "retraction", "JUNO", evil),
            TimelineEntry(NOW, "alert", "", evil, members=("JUNO",)),
        ),
    )
    html = timeline_html(picture) + roster_html(picture, (), NOW)
    assert "<script>" not in html
    assert "\x1b" not in html
    assert "\u202e" not in html


def test_the_timeline_tells_a_row_for_each_detector() -> None:
    maker = PictureMaker()
    assert "Nothing happened" in timeline_html(maker.picture())
    for index, name in enumerate(("JUNO", "LVD")):
        message = decode_record(observation(name), "json").value
        maker.take_message(message, NOW + index * 60 * SECOND)  # type: ignore[arg-type]
    html = timeline_html(maker.picture())
    assert html.count('class="sd-tl-name">') == 3  # and one for the alerts
    assert html.count("●") == 3  # two marks and the key
    assert "Timeline of 2 detectors and 0 alerts" in html


def test_a_button_that_cannot_be_heeded_says_so_and_a_play_is_held_all_the_same(
    instructor: Connection,
) -> None:
    """While another one waits, such as for a server that does not answer."""
    with ControlRoom(instructor) as room:
        room.controls.scenario.value = "noise-with-retraction"
        pressed(room, "play")
        go_on = threading.Event()
        assert room._errand.run(lambda: go_on.wait(30))
        room.press("announce")
        assert "Not done" in room.message
        room.press("pause")
        wait_for(lambda: room.desk.player is not None and room.desk.player.is_paused, "the play to be held")
        room.press("stop_playing")
        wait_for(lambda: room.desk.player is not None and not room.desk.player.is_running, "its end")
        go_on.set()


def test_a_seat_that_a_virtual_detector_gave_up_is_left_alone_by_the_play(instructor: Connection) -> None:
    """Although the person has only tested the connection, and the control room spoke for another person."""
    with ControlRoom(instructor) as room:
        pressed(room, "fill_seats")
        cast = room.desk.cast
        assert cast is not None
        send_observations(instructor, heartbeat("JUNO"))
        test_connection("KamLAND", connection=instructor, verbose=False)
        wait_for(lambda: set(cast.taken) >= {"JUNO", "KamLAND"}, "both seats to be given up")
        room.desk.inject("JUNO")
        player = room.desk.play("betelgeuse", speed=100)
        assert not {"JUNO", "KamLAND"} & set(player.detectors)


def test_what_is_seen_and_what_is_done_are_on_one_broker(
    instructor: Connection, broker: Stand, settings: DrillSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when another connection became the current one before the start."""
    with open_connection_on(broker, settings) as other:
        current = [instructor]
        for module in ("control_desk", "monitor"):
            monkeypatch.setattr(f"snews_drill.drill.{module}.current_connection", lambda: current[0])
        desk = ControlDesk()
        assert desk.connection is instructor
        current[0] = other
        with desk:
            send_observations(instructor, heartbeat("JUNO"))
            desk.monitor.wait_for(lambda picture: picture.participant("JUNO") is not None)
