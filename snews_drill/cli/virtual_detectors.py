"""`virtual-detectors`: the empty seats of a drill, filled until Ctrl-C."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snews_drill.cli.drilling import check_topics
from snews_drill.cli.options import (
    FiredrillOption,
    JsonOption,
    ProfileOption,
    complete_detector,
    complete_scenario,
)
from snews_drill.cli.scenarios import check_speaking
from snews_drill.cli.screen import Screen, command, connected
from snews_drill.cli.text import ago, clock, visible
from snews_drill.errors import DrillError, SettingsError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from snews_drill.drill.behaviour import Behaviour
    from snews_drill.drill.virtual_detectors import VirtualDetectors
    from snews_drill.drill.virtual_row import VirtualDetectorRow

#: How often the screen is drawn, and how often a log or JSON may speak, seconds.
_DRAW_SEC, _SPEAK_SEC = 0.25, 0.5

_STATE_STYLES = {"on": "green", "off": "red", "silent": "red", "seat taken": "cyan", "failed": "bold red"}


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("virtual-detectors")(virtual_detectors)


_Scenario = Annotated[
    str | None,
    typer.Option(
        metavar="SCENARIO",
        help="They take their parts in it right away: a name or a .toml file.",
        autocompletion=complete_scenario,
    ),
]
_Seats = Annotated[
    list[str] | None,
    typer.Option(
        "--detector",
        metavar="NAME",
        help="Fill this seat; may be given again. By default the scenario's, or the whole roster.",
        autocompletion=complete_detector,
    ),
]
_Taken = Annotated[
    list[str] | None,
    typer.Option(
        "--taken",
        metavar="NAME",
        help="A person plays this one; may be given again. Your own seat is left alone anyway.",
        autocompletion=complete_detector,
    ),
]
_Speed = Annotated[float, typer.Option(metavar="FACTOR", help="How many times as fast.")]
_Seed = Annotated[int | None, typer.Option(metavar="N", help="Of the dice; the same seed does the same.")]
_Every = Annotated[
    float, typer.Option(min=0.1, max=86_400, metavar="SECONDS", help="From one heartbeat to the next.")
]
_Reaction = Annotated[
    float, typer.Option(min=0, max=86_400, metavar="SECONDS", help="How late they react, in the mean.")
]
_Spread = Annotated[
    float,
    typer.Option(min=0, max=86_400, metavar="SECONDS", help="Standard deviation of how late they react."),
]
_JitterMs = Annotated[
    float, typer.Option(min=0, max=100, metavar="MS", help="Standard deviation of their neutrino times.")
]
_Misses = Annotated[float, typer.Option(min=0, max=1, metavar="P", help="Chance to miss the burst.")]
_Silent = Annotated[float, typer.Option(min=0, max=1, metavar="P", help="Chance to fall silent.")]
_Off = Annotated[float, typer.Option(min=0, max=1, metavar="P", help="Chance to switch off.")]
_Retracts = Annotated[
    float, typer.Option(min=0, max=1, metavar="P", help="Chance to take the observation back.")
]
_Duration = Annotated[
    float | None, typer.Option("--for", min=0, metavar="SECONDS", help="End after that time on the wall.")
]


def virtual_detectors(  # noqa: PLR0913 - each is an option
    scenario: _Scenario = None,
    detectors: _Seats = None,
    taken: _Taken = None,
    speed: _Speed = 1.0,
    seed: _Seed = None,
    every: _Every = 60.0,
    reaction: _Reaction = 10.0,
    spread: _Spread = 4.0,
    jitter_ms: _JitterMs = 0.0,
    misses: _Misses = 0.0,
    silent: _Silent = 0.0,
    off: _Off = 0.0,
    retracts: _Retracts = 0.0,
    duration: _Duration = None,
    profile: ProfileOption = None,
    firedrill: FiredrillOption = True,
    is_json: JsonOption = False,
) -> None:
    """Fill the empty seats of a drill until Ctrl-C, and show what each does.

    They give way to people: a detector for which a person speaks is left alone from then on.
    """
    with command(is_json) as screen:
        check_topics(firedrill)
        check_speaking(profile)
        behaviour = _behaviour(
            heartbeat_every_sec=every,
            reaction_sec=reaction,
            reaction_spread_sec=spread,
            time_jitter_ms=jitter_ms,
            chance_to_miss=misses,
            chance_to_fall_silent=silent,
            chance_to_switch_off=off,
            chance_to_retract=retracts,
        )
        from snews_drill.drill.scenarios import load_scenario
        from snews_drill.drill.virtual_detectors import VirtualDetectors

        plan = load_scenario(scenario) if scenario is not None else None
        seats = detectors or (plan.detectors if plan is not None else None)
        with connected(screen, profile) as connection:
            cast = VirtualDetectors(
                connection, seats, behaviour=behaviour, taken=taken or (), seed=seed, speed=speed
            )
            with cast:
                screen.note(f"Seed {cast.seed}. Ctrl-C ends it.")
                if plan is not None:
                    cast.follow(plan)
                _watch(screen, cast, duration)
            _sum_up(screen, cast)


def _behaviour(**given: float) -> Behaviour:
    from pydantic import ValidationError

    from snews_drill.drill.behaviour import Behaviour

    try:
        return Behaviour(**given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise SettingsError(
            f"Such virtual detectors are impossible: {first['msg'].removeprefix('Value error, ')}.",
            next_step="Choose smaller chances.",
        ) from error


def _watch(screen: Screen, cast: VirtualDetectors, duration: float | None) -> None:
    from snews_drill.cli.interruption import until_interrupted

    end = None if duration is None else time.monotonic() + duration

    def is_over() -> bool:
        return end is not None and time.monotonic() >= end

    with until_interrupted() as asked:
        if screen.is_terminal:
            from rich.live import Live

            with Live(console=screen.out, auto_refresh=False, redirect_stderr=False) as live:
                while not is_over():
                    live.update(rows_table(cast.rows(), time.time_ns()), refresh=True)
                    if asked.wait(_DRAW_SEC):
                        break
            return
        before: dict[str, VirtualDetectorRow] = {}
        while not is_over():
            before = _speak(screen, before, cast.rows())
            if asked.wait(_SPEAK_SEC):
                break
        _speak(screen, before, cast.rows())


def rows_table(rows: Sequence[VirtualDetectorRow], now_ns: int) -> RenderableType:
    """Return what each virtual detector does as a table.

    Parameters
    ----------
    rows
        What to show.
    now_ns
        The time, ns since 1970 (UTC).
    """
    from rich.table import Table
    from rich.text import Text

    table = Table("detector", "state", "heartbeats", "messages", "last", "next", "remark")
    for row in rows:
        last = f"{row.last_action}, {ago(row.last_action_ns, now_ns)} ago" if row.last_action else ""
        coming = f"{row.next_action} in {row.next_in_sec:.0f} s" if row.next_in_sec is not None else ""
        table.add_row(
            Text(visible(row.detector)),
            Text(row.state, style=_STATE_STYLES.get(row.state, "dim")),
            str(row.beats),
            str(row.messages),
            *(Text(visible(words, limit=200)) for words in (last, coming, row.reason)),
        )
    return table


def _speak(
    screen: Screen, before: dict[str, VirtualDetectorRow], rows: Sequence[VirtualDetectorRow]
) -> dict[str, VirtualDetectorRow]:
    """Tell what changed, but for heartbeats: a line for each detector."""
    for row in rows:
        old = before.get(row.detector)
        if old is not None and _gist(old) == _gist(row):
            continue
        remark = f"  {row.reason}" if row.reason else ""
        screen.say(
            f"{clock(time.time_ns())} {row.detector:<12} {row.state:<11} {row.last_action}{remark}".rstrip()
        )
        screen.emit(_row_to_dict(row))
    return {row.detector: row for row in rows}


def _gist(row: VirtualDetectorRow) -> tuple[Any, ...]:
    return row.state, row.messages, row.last_action, row.reason


def _row_to_dict(row: VirtualDetectorRow) -> dict[str, Any]:
    return {
        "detector_name": row.detector,
        "state": row.state,
        "heartbeats": row.beats,
        "messages": row.messages,
        "last_action": row.last_action,
        "next_action": row.next_action,
        "next_in_sec": row.next_in_sec,
        "reason": row.reason,
    }


def _sum_up(screen: Screen, cast: VirtualDetectors) -> None:
    rows = cast.rows()
    beats, messages = sum(row.beats for row in rows), sum(row.messages for row in rows)
    given = [row.detector for row in rows if row.state == "seat taken"]
    left = f"; left to people: {', '.join(given)}" if given else ""
    screen.say(
        f"{len(rows) - len(given)} virtual detectors sent {beats} heartbeats and {messages} other messages{left}.",
        style="green",
    )
    failed = [row for row in rows if row.state == "failed"]
    if failed:
        raise DrillError(
            f"{failed[0].detector} failed: {failed[0].reason}", next_step="Start them once more."
        )
