"""Where you are connected to, who you are, and a button that tests it."""

from __future__ import annotations

import contextlib
from typing import Any

import ipywidgets

from snews_drill.connection import Connection, current_connection, open_connection
from snews_drill.errors import DrillError, NameNotSet
from snews_drill.profiles import Profile, chosen_profile
from snews_drill.remote import PATIENCE_SECONDS, ConnectionReport, test_connection
from snews_drill.settings import DrillSettings, load_settings
from snews_drill.widgets.errand import Errand
from snews_drill.widgets.look import escaped, note, panel, pill
from snews_drill.widgets.name_chooser import NameChooser
from snews_drill.widgets.shown import Shown, error_html


class ConnectionPanel(Shown):
    """Shows profile, broker, topics and dialect, lets the user choose a detector, and tests the connection.

    Making it connects to nothing; the test does.

    Parameters
    ----------
    connection
        Which one; the current one by default.

    Attributes
    ----------
    chooser : NameChooser
        Who you are.
    report : ConnectionReport or None
        The newest test that succeeded.
    """

    def __init__(self, connection: Connection | None = None) -> None:
        self._given = connection
        self.report: ConnectionReport | None = None
        self._errand = Errand("snews_drill connection test", self._show_error)
        self._facts = ipywidgets.HTML()
        self._outcome = ipywidgets.HTML()
        self._test = ipywidgets.Button(
            description="Test connection", tooltip="Ask the drill server for an echo", button_style="primary"
        )
        self._test.on_click(lambda _: self._errand.run(self._test_shown))
        self.chooser = NameChooser(
            _own_settings(connection),
            on_remembered=lambda _: self.refresh(),
            has_frame=False,
        )
        self.widget = panel([self._facts, self.chooser.widget, self._test, self._outcome], title="Connection")
        self.refresh()

    @property
    def connection(self) -> Connection | None:
        """The connection that is shown; None while there is none."""
        return self._given or open_connection()

    @property
    def message(self) -> str:
        """What the newest test said, as HTML."""
        return str(self._outcome.value)

    def refresh(self) -> None:
        """Show the connection as it is now."""
        connection = self.connection
        self.chooser.refresh()
        try:
            self._facts.value = _open_html(connection) if connection is not None else _planned_html()
        except DrillError as error:
            self._facts.value = error_html(error)

    def test(self, patience: float = PATIENCE_SECONDS) -> ConnectionReport:
        """Ask the drill server for an echo; connects first if need be.

        Parameters
        ----------
        patience
            Seconds to wait for it.

        Raises
        ------
        DrillError
            If there is no connection, no name, or no echo; it is shown as well.
        """
        self._test.disabled = True
        self._outcome.value = note("quiet", "Waiting for the echo …")
        try:
            connection = self._given or current_connection()
            self.refresh()
            self.report = test_connection(patience=patience, connection=connection, verbose=False)
        except NameNotSet as error:
            self._show_error(
                DrillError(error.reason, next_step="Choose your detector above and press Remember.")
            )
            raise
        except DrillError as error:
            self._show_error(error)
            raise
        finally:
            self._test.disabled = False
        report = self.report
        self._outcome.value = note(
            "ok",
            f"The drill server answered {report.detector_name} after {report.milliseconds:.0f} ms "
            f"({report.time.replace('T', ' ')} UTC).",
        )
        return report

    def _test_shown(self) -> None:
        with contextlib.suppress(DrillError):  # it is shown
            self.test()

    def press_test(self) -> None:
        """Press the button: the test is made in the background, and what goes wrong is shown."""
        self._test.click()

    def join(self, timeout: float = 15.0) -> None:
        """Wait until a test in the background is over, at most `timeout` seconds."""
        self._errand.join(timeout)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        self.refresh()
        return super()._repr_mimebundle_(**options)

    def _show_error(self, error: DrillError) -> None:
        self._outcome.value = error_html(error)

    def __repr__(self) -> str:
        connection = self.connection
        where = connection.profile.name if connection is not None else "not connected"
        state = "not tested" if self.report is None else "answered"
        return f"ConnectionPanel({where}, {state})"


def _own_settings(connection: Connection | None) -> DrillSettings | None:
    """Return the settings that a connection was made with; None if it follows the user's own."""
    if connection is None or connection.settings == load_settings():
        return None
    return connection.settings


def _open_html(connection: Connection) -> str:
    rows = {
        "Broker": connection.broker,
        **_topic_rows(connection.profile),
        "Dialect": connection.dialect.NAME,
    }
    state = "" if connection.is_open else f" {pill('error', 'closed')}"
    return f"{_headline(connection.profile)}{state}{_table(rows)}{_warning(connection)}"


def _planned_html() -> str:
    profile = chosen_profile(None, load_settings())
    rows = {
        "Broker": profile.broker or "starts on this machine when it is needed",
        **_topic_rows(profile),
        "Dialect": profile.dialect,
    }
    return f"{_headline(profile)} {pill('quiet', 'not connected yet')}{_table(rows)}"


def _headline(profile: Profile) -> str:
    mark = pill("warning", "LIVE") if profile.is_live else pill("ok", "stays on this machine")
    return f"<b>{escaped(profile.name)}</b> {mark}"


def _topic_rows(profile: Profile) -> dict[str, str]:
    topics = profile.topics(firedrill_mode=True)
    return {"Writes to": topics.observations, "Reads": f"{topics.alerts}, {topics.connection}"}


def _table(rows: dict[str, str]) -> str:
    body = "".join(
        f'<tr><th scope="row">{escaped(name)}</th><td><code>{escaped(value)}</code></td></tr>'
        for name, value in rows.items()
    )
    return f'<table class="sd-table">{body}</table>'


def _warning(connection: Connection) -> str:
    if not connection.profile.is_live:
        return ""
    url = connection.url(connection.topics().observations)
    return note("warning", f"This is a live broker: what you send goes to {url}, and other people read it.")
