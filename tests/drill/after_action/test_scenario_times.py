"""The scenario laid over what happened: by what was played, else by what most agree on."""

from __future__ import annotations

from dataclasses import replace

from snews_drill.drill.after_action import ReportedObservation
from snews_drill.drill.after_action.scenario_times import scenario_times
from snews_drill.drill.scenarios import load_scenario

ZERO_NS = 1_773_500_000_000_000_000
OFFSETS = {event.detector: event.offset_ms for event in load_scenario("betelgeuse").events}


def observed(
    name: str, off_ms: float = 0.0, scenario: str = "", offset_ms: float | None = None
) -> ReportedObservation:
    time_ns = ZERO_NS + round((OFFSETS[name] + off_ms) * 1e6)
    return ReportedObservation(
        name, time_ns, time_ns, time_ns, scenario=scenario, scenario_offset_ms=offset_ms
    )


def test_what_was_played_decides_when_it_began() -> None:
    """Two people who are both 30 ms off do not move the scenario."""
    observations = [observed("JUNO", 30), observed("LVD", 30), observed("Super-K", scenario="betelgeuse")]
    times = scenario_times(observations, None)
    assert (times.name, times.zero_ns) == ("betelgeuse", ZERO_NS)
    assert [times.offset_ms(o) for o in observations] == [30.0, 30.0, 0.0]
    assert "1 observations imply" in times.how


def test_without_a_player_most_detectors_decide() -> None:
    observations = [
        observed("JUNO", 50),
        observed("LVD"),
        observed("Super-K", 0.2),
        observed("IceCube", -0.3),
    ]
    times = scenario_times(observations, "betelgeuse")
    assert times.zero_ns is not None
    assert abs(times.zero_ns - ZERO_NS) <= 300_000
    assert "detectors' own times" in times.how


def test_too_few_detectors_are_no_measure() -> None:
    times = scenario_times([observed("JUNO", 50), observed("LVD")], "betelgeuse")
    assert times.zero_ns is None
    assert times.offset_ms(observed("JUNO")) is None
    assert "Too few" in times.how


def test_an_offset_in_the_message_comes_before_the_file() -> None:
    """A scenario made to order is in no package; what its player wanted stands in the message."""
    observations = [observed(name, 1000, "made to order", OFFSETS[name] + 1000) for name in ("JUNO", "LVD")]
    times = scenario_times(observations, None)
    assert (times.name, times.scenario, times.zero_ns) == ("made to order", None, ZERO_NS)
    assert times.offset_ms(observations[0]) == 0.0


def test_a_player_writes_where_it_put_the_start() -> None:
    """A drill that was played twice has two starts; each message is held against its own."""
    second_ns = ZERO_NS + 60 * 10**9
    first = replace(observed("JUNO", scenario="betelgeuse"), scenario_zero_ns=ZERO_NS)
    again = replace(observed("LVD", 60_001, scenario="betelgeuse"), scenario_zero_ns=second_ns)
    times = scenario_times([first, again], None)
    assert [times.offset_ms(first), times.offset_ms(again)] == [0.0, 1.0]


def test_no_scenario_is_told() -> None:
    times = scenario_times([observed("JUNO")], None)
    assert (times.name, times.zero_ns) == ("", None)
    assert "none was given" in times.how
