"""Virtual detectors on a real broker with a real drill server: what they say, and when they give way."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from broker_stand import Stand, open_connection_on, write
from messages_to_send import Alerts, heartbeat
from waiting import AT_ONCE_SEC, wait_for

from snews_drill.connection import Connection
from snews_drill.drill.behaviour import Behaviour
from snews_drill.drill.marks import VIRTUAL_DETECTOR, speaker
from snews_drill.drill.scenarios import load_scenario, play
from snews_drill.drill.virtual_detector import VirtualDetector
from snews_drill.drill.virtual_detectors import VirtualDetectors
from snews_drill.errors import NotPermitted, ScenarioError, SettingsError, UnknownDetector
from snews_drill.messages.tiers import CoincidenceTier, DetectorMessage, Heartbeat
from snews_drill.names import set_name
from snews_drill.profiles import get_profile
from snews_drill.rehearsal.server import DrillServer
from snews_drill.settings import DrillSettings
from snews_drill.transport import Record
from snews_drill.wire.dialects import decode_record

#: Reacts at once, and beats seldom enough not to be in the way.
QUICK = Behaviour(reaction_sec=0, reaction_spread_sec=0, heartbeat_every_sec=3600)
SMALL = ("JUNO", "LVD", "Super-K")

Cast = Callable[..., VirtualDetectors]


@pytest.fixture
def cast(connection: Connection) -> Iterator[Cast]:
    """Make casts on the test's topics, ended afterwards."""
    made: list[VirtualDetectors] = []

    def make(*names: str, **options: object) -> VirtualDetectors:
        options = {"behaviour": QUICK, "seed": 1, **options}
        made.append(VirtualDetectors(connection, names or SMALL, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.stop()


def messages(connection: Connection) -> list[DetectorMessage]:
    """Return everything that detectors had said on the observation topic until now."""
    found: list[Record] = []
    idle, until_ms = 0, time.time() * 1e3
    reader = connection.open_reader([connection.topics().observations], start="beginning")
    while idle < 2 and not (found and found[-1].timestamp_ms > until_ms):
        records = reader.read(timeout=0.3)
        idle = 0 if records else idle + 1
        found += records
    reader.close()
    values = (decode_record(record.value, record.content_format).value for record in found)
    return [value for value in values if isinstance(value, DetectorMessage)]


def states(cast: VirtualDetectors) -> dict[str, str]:
    return {row.detector: row.state for row in cast.rows()}


def test_they_fill_the_seats_beat_and_leave(cast: Cast, connection: Connection) -> None:
    """Each with a connection of its own: the first heartbeat of each is there at once, marked."""
    virtual = cast(*SMALL)
    assert set(states(virtual).values()) == {"not started"}
    virtual.start()
    virtual.start()
    assert virtual.is_running
    wait_for(lambda: all(row.beats == 1 for row in virtual.rows()), "a heartbeat of each")
    said = messages(connection)
    assert sorted(message.detector_name for message in said) == sorted(SMALL)
    assert all(isinstance(message, Heartbeat) and message.is_on for message in said)
    assert {speaker(message) for message in said} == {VIRTUAL_DETECTOR}
    began = time.monotonic()
    virtual.stop()
    assert time.monotonic() - began < AT_ONCE_SEC
    assert set(states(virtual).values()) == {"stopped"}
    assert not virtual.is_running
    virtual.stop()


def test_a_drill_with_them_gives_the_alerts_of_the_scenario(
    cast: Cast, connection: Connection, server: DrillServer, alerts: Alerts
) -> None:
    """Reaction and speed change when, never what: five detectors end in one alert with all."""
    scenario = load_scenario("betelgeuse")
    names = scenario.detectors[:5]
    virtual = cast(*names, behaviour=Behaviour(reaction_sec=20, reaction_spread_sec=5), speed=50)
    virtual.start()
    zero_ns = virtual.follow(scenario)
    due = {row.detector: row.next_in_sec for row in virtual.rows()}
    assert len(set(due.values())) == 5
    alerts.wait_for(4)
    assert set(alerts.read[-1]["detector_names"]) == set(names)
    said = {m.detector_name: m for m in messages(connection) if isinstance(m, CoincidenceTier)}
    for event in scenario.observations[:5]:
        message = said[event.detector]
        assert message.neutrino_time_ns == zero_ns + round(event.offset_ms * 1e6)
        assert message.meta["scenario_offset_ms"] == event.offset_ms
        assert message.meta["scenario"] == "betelgeuse"
    assert all("observation of betelgeuse" in row.last_action for row in virtual.rows())


def test_noise_with_a_retraction_plays_through_them(cast: Cast, server: DrillServer, alerts: Alerts) -> None:
    """Heartbeats, observations and the retraction of the scenario, each by its own detector."""
    scenario = load_scenario("noise-with-retraction")
    virtual = cast(*scenario.detectors, speed=10)
    virtual.start()
    virtual.follow(scenario)
    alerts.wait_for(4)
    assert alerts.said[-2:] == [
        ("COINC_MSG", ("Super-K", "JUNO", "IceCube", "Baksan")),
        ("RETRACTION", ("Super-K", "JUNO", "IceCube")),
    ]
    assert states(virtual)["Baksan"] == "off"


def test_jitter_moves_the_times_by_as_much_as_the_dice_say(cast: Cast, connection: Connection) -> None:
    scenario = load_scenario("betelgeuse")
    virtual = cast(*SMALL, behaviour=QUICK.model_copy(update={"time_jitter_ms": 3.0}))
    virtual.start()
    zero_ns = virtual.follow(scenario)
    wait_for(lambda: all(row.messages == 1 for row in virtual.rows()), "an observation of each")
    asked = {event.detector: event.offset_ms for event in scenario.observations}
    errors_ms = {
        m.detector_name: (m.neutrino_time_ns - zero_ns) / 1e6 - asked[m.detector_name]
        for m in messages(connection)
        if isinstance(m, CoincidenceTier)
    }
    assert len(set(errors_ms.values())) == 3
    assert all(1e-4 < abs(error) < 20 for error in errors_ms.values())


@pytest.mark.parametrize(
    ("chances", "state", "action", "observes"),
    [
        ({"chance_to_miss": 1.0}, "on", "missed the burst", False),
        ({"chance_to_fall_silent": 1.0}, "silent", "fell silent", False),
        ({"chance_to_switch_off": 1.0}, "off", "sent status OFF", False),
        ({"chance_to_retract": 1.0, "retract_after_sec": 0.1}, "on", "sent a retraction", True),
    ],
)
def test_what_may_go_wrong_goes_wrong(
    cast: Cast, connection: Connection, chances: dict[str, float], state: str, action: str, observes: bool
) -> None:
    virtual = cast("JUNO", behaviour=QUICK.model_copy(update=chances))
    virtual.start()
    wait_for(lambda: virtual["JUNO"].row.beats, "the first heartbeat")
    virtual.follow(load_scenario("betelgeuse"))
    wait_for(lambda: virtual["JUNO"].row.last_action == action, action)
    assert virtual["JUNO"].row.state == state
    said = messages(connection)
    assert any(isinstance(message, CoincidenceTier) for message in said) is observes
    if state == "off":
        assert [m.is_on for m in said if isinstance(m, Heartbeat)] == [True, False]


def test_each_can_be_told_stopped_and_started_singly(
    cast: Cast, connection: Connection, server: DrillServer, alerts: Alerts
) -> None:
    virtual = cast(*SMALL)
    virtual.start()
    now_ns = time.time_ns() - 10**9
    virtual["juno"].observe(now_ns, 0.1)
    virtual["sk"].observe(now_ns + 10**6, 0.1)
    alerts.wait_for(1)
    virtual["JUNO"].retract(1, "an exercise")
    assert alerts.wait_for(2)[1]["alert_type"] == "RETRACTION"
    virtual["JUNO"].stop()
    assert states(virtual) == {"JUNO": "stopped", "LVD": "on", "Super-K": "on"}
    with pytest.raises(ScenarioError, match="does not run"):
        virtual["JUNO"].observe(now_ns)
    virtual["JUNO"].start()
    virtual["LVD"].switch("OFF")
    virtual["Super-K"].fall_silent()
    wait_for(lambda: states(virtual) == {"JUNO": "on", "LVD": "off", "Super-K": "silent"}, "their states")
    virtual["Super-K"].switch("ON")
    wait_for(lambda: states(virtual)["Super-K"] == "on", "it to wake")
    with pytest.raises(KeyError):
        virtual["Nobody"]
    assert list(virtual) == list(SMALL)
    assert len(virtual) == 3


def test_heartbeats_keep_their_pace_and_pause(cast: Cast) -> None:
    """A beat a second at twenty times the pace; none while the drill stands still."""
    virtual = cast("JUNO", behaviour=Behaviour(heartbeat_every_sec=2), speed=20)
    virtual.start()
    wait_for(lambda: virtual["JUNO"].row.beats >= 4, "some heartbeats")
    virtual.pause()
    assert virtual.is_paused
    held = virtual["JUNO"].row.beats
    time.sleep(1.0)  # ten would be sent
    assert virtual["JUNO"].row.beats <= held + 1  # one may have been on its way
    virtual.resume()
    wait_for(lambda: virtual["JUNO"].row.beats > held + 1, "it to go on")


# --- people ---


def test_a_seat_that_is_said_to_be_taken_is_left_alone(cast: Cast, connection: Connection) -> None:
    """By name, and by being the user's own, who is XENONnT here."""
    virtual = cast("JUNO", "LVD", "XENONnT", taken=["juno"])
    virtual.start()
    wait_for(lambda: virtual["LVD"].row.beats, "the one that may")
    virtual.follow(load_scenario("betelgeuse"))
    wait_for(lambda: virtual["LVD"].row.messages, "its observation")
    assert {message.detector_name for message in messages(connection)} == {"LVD"}
    assert set(virtual.taken) == {"JUNO", "XENONnT"}
    assert "you are XENONnT" in virtual.taken["XENONnT"]
    with pytest.raises(NotPermitted, match="A person has the seat"):
        virtual["JUNO"].start()
    with pytest.raises(NotPermitted, match="your own"):
        virtual["XENONnT"].start()


def test_it_gives_way_to_a_person_at_once_and_for_good(cast: Cast, connection: Connection) -> None:
    virtual = cast(*SMALL, behaviour=QUICK.model_copy(update={"reaction_sec": 0.5}))
    virtual.start()
    wait_for(lambda: all(row.beats for row in virtual.rows()), "all to be there")
    virtual.follow(load_scenario("betelgeuse"))
    write(connection, connection.topics().observations, heartbeat("LVD"))
    wait_for(lambda: states(virtual)["LVD"] == "seat taken", "it to give way")
    row = virtual["LVD"].row
    assert not row.is_running
    assert "a person has the seat" in row.reason
    wait_for(lambda: virtual["JUNO"].row.messages and virtual["Super-K"].row.messages, "the others")
    of_lvd = [message for message in messages(connection) if message.detector_name == "LVD"]
    assert [speaker(message) for message in of_lvd] == [VIRTUAL_DETECTOR, None]
    with pytest.raises(NotPermitted):
        virtual["LVD"].start()
    # The person leaves, the instructor says so, and then the person comes back.
    virtual.release("LVD")
    virtual["LVD"].start()
    wait_for(lambda: virtual["LVD"].row.beats == 2, "it to be back")
    write(connection, connection.topics().observations, heartbeat("LVD"))
    wait_for(lambda: states(virtual)["LVD"] == "seat taken", "it to give way again")


def test_who_was_here_before_keeps_the_seat(cast: Cast, connection: Connection) -> None:
    write(connection, connection.topics().observations, heartbeat("LVD"))
    virtual = cast(*SMALL)
    virtual.start()
    wait_for(lambda: virtual["JUNO"].row.beats, "the others")
    assert states(virtual)["LVD"] == "seat taken"
    assert virtual["LVD"].row.beats == 0


def test_what_the_exercise_says_takes_no_seat(cast: Cast, connection: Connection) -> None:
    """A scenario that the instructor plays beside them; whose part is a person's takes it."""
    virtual = cast(*SMALL)
    virtual.start()
    play(
        load_scenario("betelgeuse"),
        connection,
        detectors=["JUNO", "LVD"],
        played_by_people=["LVD"],
        speed=math.inf,
    )
    wait_for(lambda: states(virtual)["LVD"] == "seat taken", "the person to be seen")
    assert states(virtual)["JUNO"] == "on"


def test_choosing_a_name_during_the_drill_takes_its_seat(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whoever says who they are, in whichever notebook or terminal, is not spoken for any more."""
    monkeypatch.setenv("SNEWS_DRILL_HOME", str(tmp_path / "mine"))
    connection._settings = None  # as of a connection that a user made
    assert connection.detector_name is None
    with VirtualDetectors(
        connection, SMALL, behaviour=QUICK.model_copy(update={"heartbeat_every_sec": 0.1})
    ) as virtual:
        wait_for(lambda: virtual["JUNO"].row.beats, "the first heartbeat")
        set_name("JUNO", verbose=False)
        wait_for(lambda: virtual["JUNO"].row.state == "seat taken", "the seat to be taken")
        assert "you are JUNO" in virtual["JUNO"].row.reason


def test_an_instructor_can_give_a_seat_to_a_person(cast: Cast) -> None:
    virtual = cast(*SMALL)
    virtual.start()
    virtual.take("LVD", "Ann plays it.")
    assert states(virtual)["LVD"] == "seat taken"
    assert virtual["LVD"].row.reason == "Ann plays it."


def test_live_topics_are_refused(connection: Connection) -> None:
    live = Connection(
        get_profile("firedrill"), connection._transport, connection.dialect, settings=connection.settings
    )
    with pytest.raises(NotPermitted, match="nobody speaks for other detectors"):
        VirtualDetectors(live)
    with pytest.raises(NotPermitted):
        VirtualDetector("JUNO", live.open_another).start()


def test_what_is_no_name_or_pace_is_refused(connection: Connection) -> None:
    with pytest.raises(UnknownDetector):
        VirtualDetectors(connection, ["Nobody"])
    with pytest.raises(UnknownDetector):
        VirtualDetectors(connection, taken=["Nobody"])
    with pytest.raises(SettingsError, match="pace"):
        VirtualDetectors(connection, speed=math.inf)
    virtual = VirtualDetectors(connection, SMALL)
    with pytest.raises(SettingsError):
        virtual.speed = math.inf
    with pytest.raises(NotPermitted, match="nobody watches"):
        virtual["JUNO"].start()


def test_the_seed_is_told_and_the_whole_roster_has_seats(connection: Connection) -> None:
    first = VirtualDetectors(connection, SMALL)
    assert f"seed {first.seed}" in repr(first)
    assert VirtualDetectors(connection, SMALL, seed=5).seed == 5
    assert len(VirtualDetectors(connection)) == 20


def test_they_end_with_the_connection(broker: Stand, settings: DrillSettings) -> None:
    """A notebook that closes its connection and forgets them leaves nothing that speaks."""
    with open_connection_on(broker, settings) as connection:
        virtual = VirtualDetectors(connection, SMALL, behaviour=QUICK)
        virtual.start()
    wait_for(lambda: not virtual.is_running and set(states(virtual).values()) == {"stopped"}, "their end")
    assert virtual["JUNO"].row.reason == "The connection was closed."
    for one in virtual.values():
        one.join(5)


# --- outages ---


def test_an_observation_waits_for_the_broker_and_heartbeats_do_not_pile_up(
    stand: Stand, settings: DrillSettings
) -> None:
    with (
        open_connection_on(stand, settings) as connection,
        VirtualDetectors(
            connection, ["JUNO"], behaviour=Behaviour(heartbeat_every_sec=0.5), seed=1
        ) as virtual,
    ):
        one = virtual["JUNO"]
        wait_for(lambda: one.row.beats, "the first heartbeat")
        stand.kill()
        one.observe(time.time_ns() - 10**9, 0.1)
        wait_for(lambda: one.row.reason, "what is in the way", timeout=20)
        assert one.row.state == "on"
        stand.start()
        connection.make_topics(timeout=20)
        wait_for(lambda: one.row.messages == 1, "the observation", timeout=30)
        wait_for(lambda: one.row.reason == "", "the problem to be gone", timeout=20)
        said = messages(connection)
        assert len([m for m in said if isinstance(m, CoincidenceTier)]) == 1


def test_stop_during_an_outage_is_quick(stand: Stand, settings: DrillSettings) -> None:
    with open_connection_on(stand, settings) as connection:
        virtual = VirtualDetectors(connection, SMALL, behaviour=QUICK)
        virtual.start()
        wait_for(lambda: all(row.beats for row in virtual.rows()), "the first heartbeats")
        stand.kill()
        for name in SMALL:
            virtual[name].observe(time.time_ns() - 10**9)
        began = time.monotonic()
        virtual.stop()
        assert time.monotonic() - began < 5
        assert not [t.name for t in threading.enumerate() if "virtual" in t.name]
