"""`localize`: where an alert points."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snews_drill.cli.options import FiredrillOption, JsonOption, ProfileOption, complete_detector
from snews_drill.cli.screen import Screen, command
from snews_drill.cli.text import visible
from snews_drill.errors import LocalizationError

if TYPE_CHECKING:
    from snews_drill.messages.alert import Alert
    from snews_drill.sky import Localization


SourceArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[FILE|latest]",
        help="A file with an alert as it travelled, or with times by detector name; by default the latest alert of "
        "two detectors or more in an archive.",
    ),
]

ArchiveOption = Annotated[
    str | None,
    typer.Option(
        "--archive", metavar="FILE|rehearsal", help="Where the latest alert is looked for, as for `report`."
    ),
]

StarOption = Annotated[
    str | None,
    typer.Option("--star", metavar="RA,DEC[,NAME]", help="A candidate, degrees (ICRS): how far it is."),
]

SigmaOption = Annotated[
    list[str] | None,
    typer.Option(
        "--sigma-ms",
        metavar="MS|NAME=MS",
        help="Timing error of all detectors (1 by default), or of one; may be given again.",
    ),
]

HorizonOption = Annotated[
    list[str] | None,
    typer.Option(
        "--horizon",
        metavar="NAME",
        help="Draw the horizon of this detector; may be given again.",
        autocompletion=complete_detector,
    ),
]

GeometryOption = Annotated[
    str,
    typer.Option("--geometry", help="drill (where the published drill times put the detectors) or real."),
]

NsideOption = Annotated[int, typer.Option("--nside", help="Resolution of the map, a power of two, 8 to 512.")]

PlotOption = Annotated[
    Path | None, typer.Option("--plot", metavar="FILE", help="Draw the sky: .png, .svg or .pdf.")
]

FitsOption = Annotated[
    Path | None, typer.Option("--fits", metavar="FILE", help="Write the map as HEALPix FITS.")
]

NoticeOption = Annotated[
    Path | None,
    typer.Option(
        "--gcn", metavar="FILE", help="Write a notice in GCN's proposed form; it is never sent anywhere."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("localize")(localize)


def localize(  # noqa: PLR0913 - one option each
    source: SourceArgument = None,
    archive: ArchiveOption = None,
    star: StarOption = None,
    sigma_ms: SigmaOption = None,
    horizons: HorizonOption = None,
    geometry: GeometryOption = "drill",
    nside: NsideOption = 64,
    plot: PlotOption = None,
    fits: FitsOption = None,
    gcn: NoticeOption = None,
    profile: ProfileOption = None,
    firedrill: FiredrillOption = True,  # noqa: ARG001 - every command takes it; nothing is sent or read from topics
    is_json: JsonOption = False,
) -> None:
    """Find where an alert points: best fit, 50 % and 90 % regions, and what cannot be known."""
    with command(is_json) as screen:
        from snews_drill import sky

        alert, times = _source(source, archive, profile)
        with screen.progress("Locating …"):
            found = sky.localize(
                alert if alert is not None else times,
                sigma_ms=_sigmas(sigma_ms or [], alert.detector_names if alert is not None else list(times)),
                nside=nside,
                geometry=geometry,  # type: ignore[arg-type] # localize says which words there are
            )
        marked = _star(star)
        written = _write(found, plot, fits, marked, horizons)
        written += _write_notice(alert, found, gcn)
        _tell(screen, alert, found, marked)
        for path in written:
            screen.note(f"Written: {path}")
        screen.emit(
            {
                "ok": True,
                "alert_id": None if alert is None else alert.id,
                **found.to_dict(),
                **({} if marked is None else {"separation_deg": found.separation_deg(marked[0], marked[1])}),
            }
        )


def _source(
    source: str | None, archive: str | None, profile: str | None
) -> tuple[Alert | None, dict[str, Any]]:
    """Return the alert, or times by detector name."""
    from snews_drill.errors import SettingsError

    if source is not None and source != "latest":
        if archive is not None:
            raise SettingsError(
                "A file and an archive are two sources.", next_step="Give the file, or --archive."
            )
        return _from_file(Path(source))
    from snews_drill.cli.reporting import archive_of
    from snews_drill.rehearsal.archive_reader import ArchiveReader
    from snews_drill.settings import load_settings

    with ArchiveReader(archive_of(archive, profile, load_settings())) as reader:
        return reader.newest_alert(), {}


def _from_file(path: Path) -> tuple[Alert | None, dict[str, Any]]:
    from snews_drill.errors import UnreadableFile, UnreadableRecord
    from snews_drill.publisher import read_json_object
    from snews_drill.wire.alerts import decode_alert

    content = read_json_object(path)
    if "detector_names" not in content:
        return None, content
    try:
        # Older servers write NaN for a mean that they do not know: the reader of alerts takes it as null.
        return decode_alert(json.dumps(content).encode()), {}
    except UnreadableRecord as error:
        raise UnreadableFile(
            f"{path} holds no alert: {error.reason}",
            next_step='Give an alert as it travelled, or times by name: {"JUNO": "2023-02-07T12:00:00", …}.',
        ) from error


def _sigmas(given: list[str], names: Any) -> float | dict[str, float]:
    common, own = 1.0, {}
    for text in given:
        name, equals, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            raise LocalizationError(
                f"--sigma-ms {text!r:.60} is no timing error.",
                next_step="Give milliseconds for all, such as 1.5, or for one, such as JUNO=0.5.",
            ) from None
        if equals:
            own[name] = value
        else:
            common = value
    if not own:
        return common
    from snews_drill.detectors import find_detector

    own = {find_detector(name).name: value for name, value in own.items()}
    known = [name if name in own else find_detector(name).name for name in names]
    strangers = sorted(set(own) - set(known))
    if strangers:
        raise LocalizationError(
            f"{strangers[0]} is not among the detectors of the alert.",
            next_step=f"Name one of {', '.join(known[:25])}.",
        )
    return {**dict.fromkeys(known, common), **own}


def _star(text: str | None) -> tuple[float, float, str] | None:
    from snews_drill.sky.marked import checked_star

    if text is None:
        return None
    parts = [part.strip() for part in text.split(",", 2)]
    if len(parts) < 2:
        raise LocalizationError(
            f"--star {text!r:.60} has no RA and DEC.", next_step='Give degrees: --star "88.79,7.41,Alf Ori".'
        )
    return checked_star(tuple(parts))


def _write(
    found: Localization,
    plot: Path | None,
    fits: Path | None,
    star: tuple[float, float, str] | None,
    horizons: list[str] | None,
) -> list[Path]:
    written = []
    if plot is not None:
        from snews_drill.sky.plot import write

        written.append(write(found, plot, star, horizons))
    if fits is not None:
        written.append(found.to_fits(fits))
    return written


def _write_notice(alert: Alert | None, found: Localization, path: Path | None) -> list[Path]:
    if path is None:
        return []
    if alert is None:
        raise LocalizationError(
            "Times alone make no notice.", next_step="Give an alert as it travelled, or leave --gcn out."
        )
    from snews_drill.errors import UnwritableFile
    from snews_drill.gcn import alert_to_gcn

    try:
        # ASCII throughout: nothing in it steers a terminal, and nothing is cut off.
        path.write_text(json.dumps(alert_to_gcn(alert, found), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise UnwritableFile(
            f"{path} cannot be written: {error.strerror or error}.",
            next_step="Choose a folder that exists and that you may write to.",
        ) from error
    return [path]


def _tell(
    screen: Screen, alert: Alert | None, found: Localization, star: tuple[float, float, str] | None
) -> None:
    if alert is not None:
        screen.say(f"Alert {alert.id} ({alert.alert_type})")
    for line in found.summary.splitlines():
        screen.say(line)
    if star is not None:
        inside = "inside" if found.contains(star[0], star[1]) else "outside"
        away = found.separation_deg(star[0], star[1])
        screen.say(f"{star[2]} is {away:.2f}° from the nearest place that fits, {inside} the 90 % region.")
    from rich.table import Table

    table = Table("detector", "off the fit", "timing error")
    for name, residual in found.residuals_ms.items():
        table.add_row(visible(name), f"{residual:+.3f} ms", f"{found.sigmas_ms[name]:g} ms")
    screen.show(table)
