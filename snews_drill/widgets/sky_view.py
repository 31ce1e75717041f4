"""SkyView: where the newest alert points, redrawn as detectors join."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets

from snews_drill.background import Startable
from snews_drill.connection import Connection
from snews_drill.errors import DrillError, SettingsError
from snews_drill.messages.alert import Alert
from snews_drill.sky import Localization, localize
from snews_drill.sky.geometry import Geometry
from snews_drill.sky.marked import checked_star
from snews_drill.sky.words import area_text, place_text
from snews_drill.subscriber import Subscriber
from snews_drill.widgets.look import escaped, note, panel
from snews_drill.widgets.refresh import Refresher
from snews_drill.widgets.shown import Shown, take_over

#: Seconds between two looks at the alerts; the map is drawn anew only when there is a new one.
_DRAW_EVERY_SEC = 0.5

#: Steps that are kept, and that are listed.
_MOST_STEPS, _LISTED = 100, 8

#: Alerts between two looks that get a step of their own, the newest.
_MOST_AT_ONCE = 24

#: Resolution of the maps that are only measured, not shown; areas do not depend on it.
_COARSE = 16

_WAITING = "No alert yet. Two detectors make a ring, three two places or one, four and more one place."

#: What hands over alerts, oldest first.
AlertSource = Callable[[], Sequence[Alert | Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class SkyStep:
    """What one alert told about the direction.

    Attributes
    ----------
    detectors : int
        How many it names.
    known : str
        What can be known, in a few words; why nothing can, if so.
    area_90_deg2 : float or None
        Area of the 90 % region, square degrees; None without a map.
    separation_deg : float or None
        From the nearest place that fits to the star, degrees; None without a star or a map.
    """

    detectors: int
    known: str
    area_90_deg2: float | None = None
    separation_deg: float | None = None


class SkyView(Shown, Startable):
    """A sky map that follows a drill; the notebook stays free.

    It looks at a snapshot of the alerts twice a second, in a thread of its own, and draws an SVG: no figure of
    matplotlib is made, so none is left behind.

    Parameters
    ----------
    source
        What has alerts: a Subscriber or a DrillMonitor, or a function that returns a list of them, oldest first.
        By default a subscriber of the view's own, which gets everything that the broker still has.
    star
        A candidate to mark: (ra_deg, dec_deg) or (ra_deg, dec_deg, name).
    horizon_of
        A detector whose horizon is drawn, or several.
    sigma_ms, geometry
        As for `localize`.
    connection
        Where the view's own subscriber listens; the current connection by default.

    Attributes
    ----------
    localization : Localization or None
        The map that is shown.
    alert : Alert, dict or None
        The alert it was made from.

    Raises
    ------
    SettingsError
        If `source` has no alerts, or both a source and a connection are given.
    LocalizationError
        If `star` is no star.

    Examples
    --------
    >>> view = SkyView(subscriber, star=(88.79, 7.41, "Alf Ori"))  # doctest: +SKIP
    >>> view.start(); view  # doctest: +SKIP
    """

    def __init__(
        self,
        source: object = None,
        *,
        star: object = None,
        horizon_of: str | Iterable[str] | None = None,
        sigma_ms: float | Mapping[str, float] = 1.0,
        geometry: Geometry = "drill",
        connection: Connection | None = None,
    ) -> None:
        if source is not None and connection is not None:
            raise SettingsError(
                "A source has its connection already.", next_step="Give the source or the connection."
            )
        self._own = Subscriber(connection=connection, start="beginning") if source is None else None
        self._source = source if source is not None else self._own
        self._alerts = _reader_of(self._source)
        self._star = checked_star(star)
        self._horizon_of = (horizon_of,) if isinstance(horizon_of, str) else tuple(horizon_of or ())
        self._options: dict[str, Any] = {"sigma_ms": sigma_ms, "geometry": geometry}
        self._drawing = threading.Lock()
        self._seen: object = None
        self._steps: list[SkyStep] = []
        self.localization: Localization | None = None
        self.alert: Alert | Mapping[str, Any] | None = None
        self._refresher = Refresher(self.refresh, every=_DRAW_EVERY_SEC, name="sky view")
        self._head, self._map, self._list = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()
        self._head.value = note("quiet", _WAITING)
        self.widget = panel([self._head, self._map, self._list], title="Where it points")

    @property
    def steps(self) -> tuple[SkyStep, ...]:
        """What each alert told, oldest first; the newest hundred."""
        return tuple(self._steps)

    @property
    def message(self) -> str:
        """What is said above the map, as HTML."""
        return str(self._head.value)

    @property
    def svg(self) -> str:
        """The map as SVG; "" if there is none."""
        return str(self._map.value)

    @property
    def is_running(self) -> bool:
        """Whether it follows the alerts."""
        return self._refresher.is_running

    def start(self) -> None:
        """Follow the alerts; harmless when it does already. Another view of the same source stops.

        Raises
        ------
        DrillError
            If the view's own subscriber cannot listen.
        """
        if self._own is not None:
            self._own.start()
        take_over(("sky view", id(self._source)), self)
        self._refresher.start()

    def stop(self, timeout: float = 1.0) -> None:
        """Stop following, within `timeout` seconds; harmless when it does not. The map stays on screen."""
        self._refresher.stop(timeout)
        if self._own is not None:
            self._own.stop(timeout)

    def refresh(self) -> None:
        """Look at the alerts now, and draw if the newest one is another than before."""
        with self._drawing:
            self._follow(self._alerts())

    def _follow(self, alerts: Sequence[Alert | Mapping[str, Any]]) -> None:
        newest = alerts[-1] if alerts else None
        if newest is None or _key(newest) == self._seen:
            return
        # A source may forget old alerts: what is new is counted from the end.
        unseen = list(alerts[-_MOST_AT_ONCE:])
        keys = [_key(alert) for alert in unseen]
        if self._seen in keys:
            unseen = unseen[keys.index(self._seen) + 1 :]
        self._seen = _key(newest)
        for alert in unseen[:-1]:
            self._steps.append(self._measured(alert)[0])
        step, found = self._measured(newest, nside=64)
        self._steps.append(step)
        del self._steps[:-_MOST_STEPS]
        self.localization, self.alert = found, newest
        self._draw(step, found)

    def _measured(
        self, alert: Alert | Mapping[str, Any], *, nside: int = _COARSE
    ) -> tuple[SkyStep, Localization | None]:
        count = len(_names(alert))
        if count < 2:
            return SkyStep(count, "The alert was withdrawn: fewer than two detectors are left."), None
        try:
            found = localize(alert, nside=nside, **self._options)
        except DrillError as error:
            return SkyStep(count, f"No map: {error.reason}"), None
        away = None if self._star is None else found.separation_deg(self._star[0], self._star[1])
        return SkyStep(count, place_text(found), found.area_90_deg2, away), found

    def _draw(self, step: SkyStep, found: Localization | None) -> None:
        if found is None:
            self._head.value, self._map.value = note("warning", step.known), ""
        else:
            lines = "".join(f"<div>{escaped(line)}</div>" for line in found.summary.splitlines())
            self._head.value = lines
            self._map.value = found.to_svg(self._star, self._known_horizons(found))
        self._list.value = _steps_html(self._steps, has_star=self._star is not None)

    def _known_horizons(self, found: Localization) -> list[str]:
        known = []
        for name in self._horizon_of:
            with contextlib.suppress(DrillError):
                found.zenith_of(name)
                known.append(name)
        return known

    def __repr__(self) -> str:
        doing = "following" if self.is_running else "stopped"
        return (
            f"SkyView({doing}: {self.localization!r})" if self.localization else f"SkyView({doing}: no map)"
        )


def _reader_of(source: object) -> AlertSource:
    if hasattr(source, "alerts"):
        return lambda: source.alerts
    if hasattr(source, "picture"):
        return lambda: source.picture.alerts
    if callable(source):
        return source
    raise SettingsError(
        f"A {type(source).__name__} has no alerts.",
        next_step="Give a Subscriber, a DrillMonitor, or a function that returns a list of alerts.",
    )


def _names(alert: Alert | Mapping[str, Any]) -> Sequence[Any]:
    names = alert.get("detector_names") if isinstance(alert, Mapping) else alert.detector_names
    return names if isinstance(names, (list, tuple)) else ()


def _key(alert: Alert | Mapping[str, Any]) -> tuple[object, ...]:
    """Return what makes two alerts the same, whether they are the same object or not."""
    if isinstance(alert, Mapping):
        identifier = alert.get("_id", alert.get("id"))
        return identifier, alert.get("alert_type"), str(_names(alert)), str(alert.get("neutrino_times"))
    return alert.id, alert.alert_type, str(_names(alert)), str(alert.neutrino_times_ns)


def _steps_html(steps: Sequence[SkyStep], *, has_star: bool) -> str:
    if len(steps) < 2:
        return ""
    star_head = "<th>From the star</th>" if has_star else ""
    rows = []
    for step in steps[-_LISTED:]:
        area = "–" if step.area_90_deg2 is None else area_text(step.area_90_deg2)
        away = "–" if step.separation_deg is None else f"{step.separation_deg:.2f}°"
        star = f"<td>{away}</td>" if has_star else ""
        rows.append(
            f"<tr><td>{step.detectors}</td><td>{area}</td>{star}<td>{escaped(step.known[:200])}</td></tr>"
        )
    return (
        f'<table class="sd-table"><thead><tr><th>Detectors</th><th>90 % region</th>{star_head}<th>What is known</th>'
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )
