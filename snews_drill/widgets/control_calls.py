"""What each button of the control room does, and the Python that does the same without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from snews_drill.drill.control_desk import ControlDesk
from snews_drill.errors import SettingsError
from snews_drill.widgets.control_buttons import ControlButtons

_INSTRUCTOR = "from snews_drill.instructor import"


@dataclass(frozen=True, slots=True)
class Done:
    """What a button did.

    Attributes
    ----------
    said : str
        A sentence for the user.
    code : str
        The lines of Python that do the same.
    value : object
        What the call returned.
    """

    said: str
    code: str
    value: Any = None


class ControlCalls:
    """The calls behind the buttons, with what stands in the fields.

    Parameters
    ----------
    desk
        Who does them.
    fields
        What is chosen.
    """

    def __init__(self, desk: ControlDesk, fields: ControlButtons) -> None:
        self._desk = desk
        self._fields = fields

    def do(self, name: str) -> Done:
        """Do what a button says; raises what the call raises."""
        found: Done = getattr(self, f"_{name}")()
        return found

    def _play(self) -> Done:
        name, speed = self._fields.scenario.value, self._fields.speed.value
        player = self._desk.play(name, speed=speed)
        more = ""
        kept = [one for one in player.scenario.detectors if one in player.detectors]
        people = [one for one in player.scenario.detectors if one not in kept]
        if people:
            more = f", detectors={kept!r}"
        code = (
            "from snews_drill import current_connection\n"
            "from snews_drill.drill.player import ScenarioPlayer\n"
            "from snews_drill.drill.scenarios import load_scenario\n"
            f"player = ScenarioPlayer(load_scenario({name!r}), current_connection(), speed={speed:g}{more})\n"
            "player.start()"
        )
        left_out = f" {', '.join(people)} speak for themselves." if people else ""
        return Done(f"Playing {player.scenario.title}.{left_out}", code, player)

    def _pause(self) -> Done:
        player = self._desk.player
        if player is None or not player.is_running:
            raise SettingsError("Nothing is being played.", next_step="Choose a scenario and press Play.")
        if player.is_paused:
            self._desk.resume()
            return Done("The play goes on.", "player.resume()")
        self._desk.pause()
        return Done("The play is held before its next message.", "player.pause()")

    def _stop_playing(self) -> Done:
        self._desk.stop_playing()
        return Done("The play was stopped.", "player.stop()")

    def _fill_seats(self) -> Done:
        cast = self._desk.fill_seats()
        taken = ", ".join(cast.taken)
        running = sum(one.is_running for one in cast.values())
        of_people = f" These seats are people's: {taken}." if taken else ""
        code = (
            "from snews_drill import current_connection\n"
            "from snews_drill.drill.virtual_detectors import VirtualDetectors\n"
            f"cast = VirtualDetectors(current_connection(), taken={sorted(cast.taken)!r})\ncast.start()"
        )
        return Done(f"{running} virtual detectors have taken their seats.{of_people}", code, cast)

    def _empty_seats(self) -> Done:
        self._desk.empty_seats()
        return Done("The virtual detectors were stopped.", "cast.stop()")

    def _toggle_one(self) -> Done:
        name, cast = self._fields.one.value, self._desk.cast
        if cast is None or not cast.is_running:
            raise SettingsError("There are no virtual detectors.", next_step="Press Fill the empty seats.")
        one = cast[name]
        if one.is_running:
            one.stop()
            return Done(f"The virtual {name} was stopped.", f"cast[{name!r}].stop()")
        one.start()
        return Done(f"The virtual {name} was started.", f"cast[{name!r}].start()")

    def _inject(self) -> Done:
        name, ago, p_val = (
            self._fields.detector.value,
            self._fields.seconds_ago.value,
            self._fields.p_val.value,
        )
        receipts = self._desk.inject(name, seconds_ago=ago, p_val=p_val)
        code = (
            "from datetime import UTC, datetime, timedelta\n"
            "from snews_drill import SNEWSTiersPublisher\n"
            f"when = datetime.now(UTC) - timedelta(seconds={ago:g})\n"
            f"SNEWSTiersPublisher(detector_name={name!r}, neutrino_time=when.isoformat(), p_val={p_val!r}, "
            'played_by="control room").send_to_snews()'
        )
        return Done(f"An observation of {name}, {ago:g} s ago, was sent.", code, receipts)

    def _announce(self) -> Done:
        text = self._fields.text.value
        reply = self._desk.announce(text)
        self._fields.text.value = ""
        return Done(reply.answer, f"{_INSTRUCTOR} announce\nannounce({text.strip()!r})", reply)

    def _freeze(self) -> Done:
        reply = self._desk.freeze_joining()
        return Done(reply.answer, f"{_INSTRUCTOR} freeze_joining\nfreeze_joining()", reply)

    def _unfreeze(self) -> Done:
        reply = self._desk.unfreeze_joining()
        return Done(reply.answer, f"{_INSTRUCTOR} unfreeze_joining\nunfreeze_joining()", reply)

    def _reset(self) -> Done:
        reply = self._desk.reset_cache()
        return Done(reply.answer, "from snews_drill import reset_cache\nreset_cache()", reply)

    def _report(self) -> Done:
        from snews_drill.drill.after_action import after_action

        report = after_action(connection=self._desk.connection)
        return Done(
            "The report is below.",
            "from snews_drill.drill.after_action import after_action\n"
            'report = after_action()\nreport.to_html("report.html")',
            report,
        )
