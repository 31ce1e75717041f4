"""ControlDesk: everything an instructor does in a drill, one call each; the control room is a view of it."""

from __future__ import annotations

import threading
import time
from typing import Any

from snews_drill.background import Startable
from snews_drill.connection import Connection, current_connection
from snews_drill.drill.drill_picture import DrillPicture
from snews_drill.drill.marks import CONTROL_ROOM, PLAYED_BY
from snews_drill.drill.monitor import DrillMonitor
from snews_drill.drill.player import PlayProgress, ScenarioPlayer
from snews_drill.drill.scenario import Scenario
from snews_drill.drill.scenarios import load_scenario
from snews_drill.drill.seats import check_may_speak_for_others
from snews_drill.drill.virtual_detectors import VirtualDetectors
from snews_drill.errors import DrillError, ScenarioError
from snews_drill.instructor import announce, drill_status, freeze_joining, unfreeze_joining
from snews_drill.messages.alert import Alert
from snews_drill.messages.times import iso_micro
from snews_drill.publisher import SNEWSTiersPublisher
from snews_drill.remote import reset_cache
from snews_drill.replies import CommandReply
from snews_drill.transport import Receipt

#: Seconds to wait for the drill server's word on the state of joining when the desk is opened.
_STATUS_PATIENCE_SEC = 2.0


class ControlDesk(Startable):
    """Watches a drill, plays scenarios, fills empty seats, and gives the instructor's commands.

    Parameters
    ----------
    connection
        Which drill; the current connection by default.

    Attributes
    ----------
    monitor : DrillMonitor
        What is seen of the drill.
    player : ScenarioPlayer or None
        The play that was begun last.
    cast : VirtualDetectors or None
        The virtual detectors, once seats were filled.
    """

    def __init__(self, connection: Connection | None = None) -> None:
        self._given = connection
        self.monitor = DrillMonitor(connection)
        self._watched = connection
        self.player: ScenarioPlayer | None = None
        self.cast: VirtualDetectors | None = None
        self._lock = threading.RLock()

    @property
    def connection(self) -> Connection:
        """Which drill; the first use connects."""
        if self._given is None:
            self._given = current_connection()
        return self._given

    @property
    def picture(self) -> DrillPicture:
        """The drill as it is seen at this moment."""
        return self.monitor.picture

    @property
    def alerts(self) -> list[Alert]:
        """The alerts that came, oldest first."""
        return list(self.picture.alerts)

    @property
    def has_rights(self) -> bool:
        """Whether there is a token; only the drill server knows whether it is the right one."""
        return bool(self.connection.admin_token)

    @property
    def progress(self) -> PlayProgress | None:
        """How far the play is; None before the first."""
        return self.player.progress if self.player is not None else None

    @property
    def is_running(self) -> bool:
        """Whether it watches."""
        return self.monitor.is_running

    def start(self) -> None:
        """Begin to watch; harmless when it does already. Raises as `DrillMonitor.start` does."""
        if self.is_running:
            return
        connection = self.connection
        if self._watched is not connection:  # what is seen and what is done are in one place
            self.monitor, self._watched = DrillMonitor(connection), connection
        self.monitor.start()
        try:
            # The answer comes on the connection topic, where the monitor reads it.
            drill_status(connection=connection, patience=_STATUS_PATIENCE_SEC, verbose=False)
        except DrillError:
            return  # no server, or one of the live system: the state of joining stays unknown

    def stop(self, timeout: float = 5.0) -> None:
        """End the play, the virtual detectors and the watching, within `timeout` seconds; harmless when they do not run."""
        if self.player is not None:
            self.player.stop(timeout)
        if self.cast is not None:
            self.cast.stop(timeout)
        self.monitor.stop(timeout)

    # --- scenarios ---

    def play(self, scenario: str | Scenario = "betelgeuse", *, speed: float = 1.0) -> ScenarioPlayer:
        """Play a scenario for the detectors that no person plays.

        Parameters
        ----------
        scenario
            Name, file or value.
        speed
            How many seconds of the scenario pass in one.

        Raises
        ------
        ScenarioError
            If one is being played, there is no such scenario, or people play all of its detectors.
        NotPermitted
            If others read what would be written: nobody speaks for other detectors there.
        """
        with self._lock:
            check_may_speak_for_others(self.connection.profile)
            if self.player is not None and self.player.is_running:
                raise ScenarioError(
                    f"{self.player.scenario.name} is being played.", next_step="Stop it, or wait for its end."
                )
            chosen = scenario if isinstance(scenario, Scenario) else load_scenario(scenario)
            people = self._people()
            detectors = [name for name in chosen.detectors if name not in people]
            if not detectors:
                raise ScenarioError(
                    f"People play all the detectors of {chosen.name}.",
                    next_step="Let them send what it asks for.",
                )
            player = ScenarioPlayer(chosen, self.connection, detectors=detectors, speed=speed)
            player.start()
            self.player = player
            return player

    def _people(self) -> set[str]:
        """Return the detectors that speak for themselves, as the topics and the virtual detectors saw it."""
        taken = set(self.cast.taken) if self.cast is not None else set()
        # Your own seat is no virtual detector's; the play speaks for it as long as you do not.
        return set(self.picture.people) | taken - {self.connection.detector_name or ""}

    def pause(self) -> None:
        """Hold the play before its next message; harmless without one."""
        if self.player is not None:
            self.player.pause()

    def resume(self) -> None:
        """Let the play go on."""
        if self.player is not None:
            self.player.resume()

    def stop_playing(self) -> None:
        """End the play; the virtual detectors go on."""
        if self.player is not None:
            self.player.stop()

    # --- virtual detectors ---

    def fill_seats(self) -> VirtualDetectors:
        """Have a virtual detector take every seat that no person has; those that run go on.

        Raises
        ------
        NotPermitted
            If others read what would be written.
        TransportError
            If nobody could see that a person takes a seat.
        """
        with self._lock:
            if self.cast is None or not self.cast.is_running:
                self.cast = VirtualDetectors(self.connection, taken=self._people())
                self.cast.start()
            else:
                for name, one in self.cast.items():
                    if not one.is_running and name not in self.cast.taken:
                        one.start()
            return self.cast

    def empty_seats(self) -> None:
        """End all virtual detectors; harmless without any."""
        if self.cast is not None:
            self.cast.stop()

    # --- one message ---

    def inject(self, detector: str, *, seconds_ago: float = 1.0, p_val: float | None = 0.05) -> list[Receipt]:
        """Send one observation in a detector's name, marked as the control room's.

        Parameters
        ----------
        detector
            Whose; a registered name or an accepted spelling.
        seconds_ago
            How long ago its neutrino time lies, s.
        p_val
            Its p-value, strictly between 0 and 1, or None.

        Raises
        ------
        NotPermitted
            If others read what would be written.
        InvalidMessage
            If it fails its checks.
        DeliveryFailed
            If the broker does not acknowledge.
        """
        check_may_speak_for_others(self.connection.profile)
        time_ns = (time.time_ns() - round(seconds_ago * 1e9)) // 1000 * 1000
        marks: dict[str, Any] = {PLAYED_BY: CONTROL_ROOM}
        message = SNEWSTiersPublisher(
            detector_name=detector,
            neutrino_time=iso_micro(time_ns),
            p_val=p_val,
            connection=self.connection,
            verbose=False,
            **marks,
        )
        return message.send_to_snews(verbose=False)

    # --- the instructor's commands ---

    def announce(self, text: str) -> CommandReply:
        """Tell everybody something; raises as `instructor.announce` does."""
        return announce(text, connection=self.connection, verbose=False)

    def freeze_joining(self) -> CommandReply:
        """Let nobody join any more; raises as `instructor.freeze_joining` does."""
        return freeze_joining(connection=self.connection, verbose=False)

    def unfreeze_joining(self) -> CommandReply:
        """Let everybody join again; raises as `instructor.unfreeze_joining` does."""
        return unfreeze_joining(connection=self.connection, verbose=False)

    def reset_cache(self) -> CommandReply:
        """Have the drill server forget all observations; raises as `remote.reset_cache` does."""
        return reset_cache(connection=self.connection, verbose=False)

    def __repr__(self) -> str:
        state = "watching" if self.is_running else "not watching"
        picture = self.picture
        return f"ControlDesk({state}: {len(picture.participants)} detectors, {len(picture.alerts)} alerts)"
