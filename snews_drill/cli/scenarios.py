"""`scenarios`: plans of drills, from files and on the wire."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snews_drill.cli.drilling import ScenarioArgument, check_topics
from snews_drill.cli.options import (
    FiredrillOption,
    JsonOption,
    ProfileOption,
    check_profile,
    complete_detector,
    with_topics_prefix,
)
from snews_drill.cli.screen import Screen, command, connected, file_problem_to_dict
from snews_drill.cli.text import visible
from snews_drill.errors import NotPermitted, ScenarioError, UnwritableFile
from snews_drill.messages.visible import counted

if TYPE_CHECKING:
    from snews_drill.drill.playing import PlayedEvent
    from snews_drill.drill.scenario import Scenario, ScenarioEvent


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    scenarios = typer.Typer(help="Plans of drills: list, check, make and play them.", no_args_is_help=True)
    scenarios.command("list")(with_topics_prefix(list_all))
    scenarios.command("run")(with_topics_prefix(run))
    scenarios.command("make")(make)
    scenarios.command("check")(check)
    scenarios.command("schema")(schema)
    app.add_typer(scenarios, name="scenarios")


def list_all(
    profile: ProfileOption = None,
    firedrill: FiredrillOption = True,  # noqa: ARG001 - every command takes it
    is_json: JsonOption = False,
) -> None:
    """List the scenarios."""
    with command(is_json) as screen:
        check_profile(profile)
        from rich.table import Table

        from snews_drill.drill.scenarios import list_scenarios

        table = Table("name", "detectors", "messages", "seconds", "title")
        for scenario in list_scenarios():
            table.add_row(
                visible(scenario.name),
                str(len(scenario.detectors)),
                str(len(scenario.events)),
                f"{scenario.duration_sec:g}",
                visible(scenario.title),
            )
        screen.show(table)
        screen.emit({"ok": True, "scenarios": [_about(scenario) for scenario in list_scenarios()]})


def _about(scenario: Scenario) -> dict[str, Any]:
    return {
        "name": scenario.name,
        "title": scenario.title,
        "description": scenario.description,
        "duration_sec": scenario.duration_sec,
        "detectors": scenario.detectors,
        "events": [{"kind": event.kind, **event.model_dump()} for event in scenario.events],
    }


def run(
    scenario: ScenarioArgument,
    detectors: Annotated[
        list[str] | None,
        typer.Option(
            "--detector",
            metavar="NAME",
            help="Play the part of this detector only; may be given again.",
            autocompletion=complete_detector,
        ),
    ] = None,
    speed: Annotated[
        str, typer.Option(metavar="FACTOR", help="How many times as fast, such as 10; inf does not wait.")
    ] = "1",
    profile: ProfileOption = None,
    firedrill: FiredrillOption = True,
    is_json: JsonOption = False,
) -> None:
    """Send what the detectors of a scenario say, each message at its time.

    On a live broker, say whose parts are yours.
    """
    with command(is_json) as screen:
        check_topics(firedrill)
        factor = _factor(speed)
        from snews_drill.drill.scenarios import load_scenario, play

        found = load_scenario(scenario)
        if not detectors:
            check_speaking(profile)
        sent: list[PlayedEvent] = []
        screen.result["sent"] = []
        with connected(screen, profile) as connection, screen.progress("Sending …"):
            sent = play(
                found,
                connection,
                detectors=detectors or None,
                played_by_people=detectors or (),
                speed=factor,
                on_sent=lambda event: _tell_sent(screen, event),
            )
        screen.say(f"{counted(len(sent), 'message')} sent.", style="green")
        screen.emit({"ok": True, "scenario": found.name, **screen.result})


def check_speaking(profile: str | None) -> None:
    """Raise NotPermitted if others than those of this drill read what would be written."""
    from snews_drill.drill.seats import check_may_speak_for_others
    from snews_drill.profiles import chosen_profile
    from snews_drill.settings import load_settings

    try:
        check_may_speak_for_others(chosen_profile(profile, load_settings()))
    except NotPermitted as error:
        raise NotPermitted(
            f"A scenario speaks for many detectors. {error.reason}",
            next_step="Rehearse on this machine (--profile rehearsal); on a live broker --detector plays your own part.",
        ) from error


def _factor(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r:.40} is no number.", param_hint="--speed") from None


def _tell_sent(screen: Screen, event: PlayedEvent) -> None:
    from snews_drill.messages.times import iso_micro

    when = None if event.neutrino_time_ns is None else iso_micro(event.neutrino_time_ns)
    said = f"neutrino_time {when}" if when is not None else _spoken(event.event)
    screen.say(f"{event.detector:<12} {said}  acknowledged in {event.receipt.milliseconds:.1f} ms")
    screen.result["sent"].append(
        {
            "detector_name": event.detector,
            "kind": event.event.kind,
            "neutrino_time": when,
            "ms": round(event.receipt.milliseconds, 3),
        }
    )


def _spoken(event: ScenarioEvent) -> str:
    """Return what an event without a neutrino time says."""
    said = event.model_dump()
    if "status" in said:
        return f"heartbeat {said['status']}"
    reason = f": {said['reason']}" if said.get("reason") else ""
    return f"takes back its latest {said.get('retract_latest')}{reason}"


def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A scenario file.")],
    is_json: JsonOption = False,
) -> None:
    """Say what is wrong in a scenario file, line by line; nothing is sent."""
    with command(is_json) as screen:
        from snews_drill.drill.scenario_file import find_problems, parse_scenario
        from snews_drill.drill.scenarios import read_scenario_text

        text = read_scenario_text(file)
        problems = find_problems(text, file=str(file))
        if problems:
            for problem in problems:
                screen.say(problem)
            screen.result["problems"] = [file_problem_to_dict(problem) for problem in problems]
            raise ScenarioError(
                f"{file} has {counted(len(problems), 'problem')}.",
                next_step="Correct these lines, then check it again.",
            )
        found = parse_scenario(text, name=file.stem, file=str(file))
        screen.say(
            f"{file} is a scenario: {counted(len(found.events), 'message')} of "
            f"{counted(len(found.detectors), 'detector')} within {found.duration_sec:g} s.",
            style="green",
        )
        screen.emit({"ok": True, "scenario": _about(found)})


def make(
    star: Annotated[
        str, typer.Option(metavar="STAR", help='Where the burst comes from: "RA,DEC" in degrees, or a name.')
    ],
    when: Annotated[
        str, typer.Option(metavar="TIME", help="When it passes the Earth: ISO-8601, UTC; or now.")
    ] = "now",
    detectors: Annotated[
        str, typer.Option(metavar="NAMES", help='Who sees it: names with commas between them, or "all".')
    ] = "all",
    jitter_ms: Annotated[
        float, typer.Option(metavar="MS", help="Standard deviation of each detector's timing error.")
    ] = 1.0,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Of these errors; the same seed makes the same file.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write it there; a file that exists is kept."),
    ] = None,
    is_json: JsonOption = False,
) -> None:
    """Make a scenario to order: when a burst from any direction reaches the detectors."""
    with command(is_json) as screen:
        from snews_drill.drill.made_to_order import make_scenario
        from snews_drill.drill.scenario_file import scenario_toml

        made = make_scenario(
            star,
            time.time_ns() if when == "now" else when,
            "all" if detectors.strip() == "all" else [name.strip() for name in detectors.split(",")],
            jitter_ms=jitter_ms,
            seed=seed,
            name="made-to-order" if output is None else output.stem,
        )
        text = scenario_toml(made)
        if output is not None:
            _write_new(output, text)
            screen.say(f"{output}: {made.description}", style="green")
        else:
            _say_lines(screen, text)
        screen.emit(
            {
                "ok": True,
                "file": None if output is None else str(output),
                "scenario": _about(made),
                "toml": text,
            }
        )


def _say_lines(screen: Screen, text: str) -> None:
    for line in text.splitlines():  # one by one: what is shown at once is cut when it is long
        screen.say(line)


def _write_new(path: Path, text: str) -> None:
    if path.suffix != ".toml":
        raise UnwritableFile(f"{path} does not end in .toml.", next_step="Scenario files do: -o mine.toml")
    try:
        with path.open("x", encoding="utf-8", newline="\n") as opened:
            opened.write(text)
    except FileExistsError as error:
        raise UnwritableFile(f"{path} exists already.", next_step="Choose another name.") from error
    except OSError as error:
        raise UnwritableFile(
            f"{path} cannot be written: {error.strerror or error}.", next_step="Check the folder."
        ) from error


def schema(is_json: JsonOption = False) -> None:
    """Show the JSON schema of scenario files, for editors and other programs."""
    import json

    with command(is_json) as screen:
        from snews_drill.drill.scenario_file import scenario_schema

        _say_lines(screen, json.dumps(scenario_schema(), indent=2))
        screen.emit(scenario_schema())
