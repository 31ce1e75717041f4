"""Everything that reads bytes from outside, each with what the kit does next with what it has read."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import html.parser
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snews_drill.alert_files import AlertFiles
from snews_drill.alert_table import alerts_to_dataframe
from snews_drill.bookmark import Bookmark
from snews_drill.cli.alert_panel import AlertLines, alert_panel
from snews_drill.cli.arguments_file import read_arguments
from snews_drill.cli.locating import _from_file
from snews_drill.cli.text import to_json
from snews_drill.cli.text import visible as terminal_text
from snews_drill.connection import Connection
from snews_drill.drill.after_action.problems import record_problems
from snews_drill.drill.drill_picture import PictureMaker
from snews_drill.drill.scenarios import load_scenario
from snews_drill.errors import DrillError, InvalidMessage, UnreadableRecord
from snews_drill.gcn import alert_to_gcn
from snews_drill.html_views import publisher_html
from snews_drill.inbox import ReceivedAlert
from snews_drill.messages.alert import Alert
from snews_drill.messages.alert_html import alert_to_html
from snews_drill.messages.checks import check_times
from snews_drill.messages.commands import Command
from snews_drill.messages.visible import visible, visible_json
from snews_drill.outbox.entry import OutboxEntry
from snews_drill.profiles import get_profile
from snews_drill.publisher import SNEWSTiersPublisher
from snews_drill.rehearsal.archive import ArchivedRecord
from snews_drill.rehearsal.contacts import load_contacts
from snews_drill.rehearsal.state import RehearsalState, read_state
from snews_drill.settings import DrillSettings, load_settings
from snews_drill.sky import localize
from snews_drill.transport import Transport
from snews_drill.widgets.alert_export import save_alerts
from snews_drill.widgets.alert_rows import alert_details, alert_to_row
from snews_drill.widgets.control_roster import roster_html
from snews_drill.widgets.control_timeline import timeline_html
from snews_drill.widgets.form_reading import (
    extra_text,
    read_count,
    read_extra,
    read_number,
    read_probabilities,
    read_series,
    read_status,
    read_text,
    read_time,
)
from snews_drill.wire.alerts import decode_alert
from snews_drill.wire.dialects import DIALECTS, decode_record, get_dialect
from snews_drill.wire.json_text import dump_json, load_json
from snews_drill.wire.pickle_reader import read_model_pickle
from snews_drill.wire.translate import translate_message

#: When everything is said to be read, ns since 1970 (UTC): 2023-02-07T12:00:00.
NOW_NS = 1_675_771_200_000_000_000


@dataclass(frozen=True, slots=True)
class Decoder:
    """One way in.

    Attributes
    ----------
    name : str
        What the figures call it.
    feed : callable
        Reads bytes and uses what was read; raises a DrillError when it refuses them, and may raise nothing else.
    """

    name: str
    feed: Callable[[bytes], Any]

    def is_accepted(self, raw: bytes) -> bool:
        """Feed bytes and tell whether they were accepted; what is no refusal is raised."""
        try:
            self.feed(raw)
        except DrillError as refusal:
            check_refusal(refusal, raw)
            return False
        return True


def check_refusal(refusal: DrillError, raw: bytes) -> None:
    """Insist that a refusal can be told: it has words and a next step, and can be encoded and shown."""
    assert refusal.reason, refusal
    assert refusal.next_step, refusal
    str(refusal).encode("utf-8", "backslashreplace")
    assert len(str(refusal)) < 2_000_000, f"{len(str(refusal))} characters of reason for {len(raw)} bytes"
    shown = terminal_text(str(refusal), keeps_lines=True)
    assert not {"\x1b", "\u202e"} & set(shown), shown


def read_record(raw: bytes) -> None:
    """A record of an observation topic, under every header that it can have."""
    try:
        decoded = decode_record(raw, "json")
    except (UnreadableRecord, InvalidMessage) as refusal:
        _same_refusal(raw, type(refusal))
        raise
    value = decoded.value
    terminal_text(value)
    if isinstance(value, Command):
        for dialect in DIALECTS.values():
            decode_record(dialect.encode_command(value).content, "json")
        return
    check_times(value, now_ns=NOW_NS)
    for name, dialect in DIALECTS.items():
        content = dialect.to_object(
            value if name == decoded.dialect_name else translate_message(value, target=name)
        )
        again = decode_record(dialect.encode_message(content).content, "json").value
        assert again.tier is value.tier, (again, value)
        assert again.detector_name == value.detector_name


def _same_refusal(raw: bytes, kind: type[DrillError]) -> None:
    for header in (None, "blob", "BLOB"):
        try:
            decode_record(raw, header)
        except kind:
            continue
        raise AssertionError(f"accepted with the header {header!r}, refused with 'json'")


class ControlRoomViews:
    """What the control room makes of whatever lies on the topics: one picture, fed with everything."""

    def __init__(self) -> None:
        self._maker = PictureMaker()
        self._count = 0

    def read(self, raw: bytes) -> None:
        """Take a message, a reply or an alert into the picture, as the monitor does, and draw it now and then."""
        try:
            value: Any = decode_record(raw, "json").value
        except DrillError as refusal:
            self._maker.take_unreadable(visible(refusal.reason, 300), NOW_NS)
            self._maker.take_alert(decode_alert(raw), NOW_NS)
        else:
            take = self._maker.take_reply if isinstance(value, Command) else self._maker.take_message
            take(value, NOW_NS)
        self._count += 1
        if self._count % 20 == 1:
            picture = self._maker.picture()
            check_html(roster_html(picture, (), NOW_NS), drawn=True)
            check_html(timeline_html(picture), drawn=True)


def read_report(raw: bytes) -> None:
    """A record that the archive kept though nobody could use it: whose it may be, in the report's words."""
    outcome = "unreadable"
    try:
        decode_record(raw, "json")
    except DrillError as refusal:
        reason = refusal.reason
    else:
        outcome, reason = "refused", "It is too old."
    kept = ArchivedRecord("", "topic", 0, 0, 0, NOW_NS, outcome, "", "", "", reason, raw)
    for problem in record_problems([kept]):
        check_plain(str(problem.text))


def read_entry(raw: bytes) -> None:
    """A message that waits in the outbox."""
    # Whoever can change the file can make its checksum fit.
    head = b"snews_drill-outbox-1 " + hashlib.sha256(raw).hexdigest().encode()
    entry = OutboxEntry.from_bytes(head + b"\n" + raw)
    assert OutboxEntry.from_bytes(entry.to_bytes()) == entry
    entry.problems(now_ns=NOW_NS)
    check_plain(terminal_text(entry.reason))


def read_pickle(raw: bytes) -> None:
    """A pickled model; what it says can be written as JSON."""
    model = read_model_pickle(raw)
    dump_json(model.fields)


def read_json(raw: bytes) -> None:
    """Any JSON; what it says can be written again and means the same."""
    value = load_json(raw)
    assert load_json(dump_json(value)) == value
    visible_json(value)


class AlertViews:
    """Shows, saves and exports an alert in every way that there is."""

    def __init__(self, folder: Path) -> None:
        self._files = AlertFiles(folder / "alerts")
        self._exports = folder / "exports"
        self._exports.mkdir(exist_ok=True)
        self._lines = AlertLines()
        self._console = _console()

    def read(self, raw: bytes) -> Alert:
        """Decode an alert and show it; raise if a view obeys what it should show."""
        alert = decode_alert(raw)
        entry = ReceivedAlert(1, alert, NOW_NS, len(raw), Path("0-SNEWS_ALERT_2023-02-07.json"))
        for text in (alert_to_html(alert), alert_details(entry)):
            check_html(text)
        row = alert_to_row(entry)
        check_plain(json.dumps(row, allow_nan=False, ensure_ascii=False))
        self._show(alert)
        for dialect in DIALECTS.values():
            dump_json(dialect.alert_to_object(alert))
        json.dumps(alert_to_gcn(alert), allow_nan=False)
        repr(alert)
        self._save(entry)
        return alert

    def _show(self, alert: Alert) -> None:
        self._console.file.seek(0)
        self._console.file.truncate()
        self._console.print(alert_panel(alert))
        self._console.print(self._lines.line(alert))
        check_plain(self._console.file.getvalue().replace("\n", ""))
        to_json(alert.to_dict()).encode("ascii")

    def _save(self, entry: ReceivedAlert) -> None:
        path = self._files.save(entry.alert.content, received_time_ns=NOW_NS)
        assert path.parent == self._files.folder
        assert path.name.endswith("-SNEWS_ALERT_2023-02-07.json"), path
        json.loads(path.read_text())
        path.unlink()
        for kind in ("csv", "json"):
            saved = save_alerts([entry], kind, self._exports)
            assert saved.parent == self._exports
            assert saved.name.startswith("alerts_"), saved
            check_plain(saved.read_text(encoding="utf-8").replace("\n", "").replace("\r", ""))
            saved.unlink()


def read_table(raw: bytes) -> None:
    """An alert as a row of a data frame."""
    alert = decode_alert(raw)
    alerts_to_dataframe([ReceivedAlert(1, alert, NOW_NS, len(raw), None)])


def _console() -> Any:
    import io

    from rich.console import Console

    # As on a terminal, but without colours: whatever escape there is then came from outside.
    return Console(
        file=io.StringIO(),
        markup=False,
        emoji=False,
        highlight=False,
        width=120,
        force_terminal=False,
        no_color=True,
    )


#: What may make a terminal or a reader believe something: controls, bidi marks, zero-width characters.
_STEERING = frozenset(
    [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))]
    + list("\u200b\u200c\u200d\u200e\u200f\u061c\u2028\u2029\ufeff\u2060\u00ad")
    + [chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))]
)


def check_plain(text: str) -> None:
    """Insist that nothing in a text steers a terminal or turns the direction of writing."""
    found = _STEERING & set(text)
    assert not found, f"steering characters {sorted(map(ord, found))} in {text[:300]!r}"
    text.encode("utf-8")


#: What the timeline is drawn with.
_GRAPHICS_TAGS = frozenset(
    {"svg", "g", "line", "rect", "circle", "path", "text", "title", "polygon", "tspan", "i", "p", "time"}
)
_GRAPHICS_ATTRIBUTES = frozenset(
    {
        "viewbox",
        "width",
        "height",
        "x",
        "y",
        "x1",
        "x2",
        "y1",
        "y2",
        "cx",
        "cy",
        "r",
        "d",
        "points",
        "fill",
        "stroke",
    }
    | {
        "stroke-width",
        "text-anchor",
        "font-size",
        "aria-label",
        "preserveaspectratio",
        "transform",
        "opacity",
        "rx",
    }
    | {"dominant-baseline", "tabindex", "focusable", "stroke-dasharray", "fill-opacity", "xmlns", "datetime"}
)


class _Elements(html.parser.HTMLParser):
    """Collects what a browser would see in HTML."""

    _HARMLESS_TAGS = frozenset(
        [
            "div",
            "b",
            "span",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
            "pre",
            "details",
            "summary",
            "ul",
            "li",
            "br",
            "code",
            "style",
            "h4",
        ]
    )
    _HARMLESS_ATTRIBUTES = frozenset({"class", "style", "scope", "role", "aria-hidden", "title"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes = self._HARMLESS_TAGS, self._HARMLESS_ATTRIBUTES
        self.strange: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.tags:
            self.strange.append(tag)
        self.strange += [f"{tag} {name}" for name, _ in attrs if name not in self.attributes]

    def handle_comment(self, data: str) -> None:
        self.strange.append(f"comment {data}")

    def handle_decl(self, decl: str) -> None:
        self.strange.append(f"declaration {decl}")

    def unknown_decl(self, data: str) -> None:
        self.strange.append(f"declaration {data}")

    def handle_pi(self, data: str) -> None:
        self.strange.append(f"instruction {data}")

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def check_html(text: str, *, drawn: bool = False) -> None:
    """Insist that HTML holds only the elements that our views make, and text that steers nothing."""
    elements = _Elements()
    if drawn:
        elements.tags |= _GRAPHICS_TAGS
        elements.attributes |= _GRAPHICS_ATTRIBUTES
    elements.feed(text)
    elements.close()
    assert not elements.strange, elements.strange[:5]
    check_plain("".join(elements.text).replace("\n", "").replace("\t", ""))


class Files:
    """The decoders of files, each with a place where its file lies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._home = folder / "home"
        self._environ = {"SNEWS_DRILL_HOME": str(self._home), "HOME": str(folder)}
        self._settings = DrillSettings(
            config_dir=self._home / "config", state_dir=self._home / "state", runtime_dir=self._home / "run"
        )
        for place in (self._settings.config_dir, self._settings.state_dir, self._settings.runtime_dir):
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._connection: dict[str, Connection] = {}
        with contextlib.closing(Bookmark(folder, "rehearsal", "alerts")) as bookmark:
            self._bookmark = bookmark.path

    def _written(self, path: Path, raw: bytes) -> Path:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(handle, raw)
        finally:
            os.close(handle)
        return path

    def scenario(self, raw: bytes) -> None:
        """A scenario's file."""
        scenario = load_scenario(self._written(self._folder / "scenario.toml", raw))
        repr(scenario)

    def state(self, raw: bytes) -> None:
        """The state file of a rehearsal."""
        state = RehearsalState.from_json(raw)
        assert RehearsalState.from_json(state.to_json()) == state
        # What it shows is the same with another token: a token of zeros may stand in a path by chance.
        assert repr(state) == repr(dataclasses.replace(state, admin_token="another"))

    def state_file(self, raw: bytes) -> None:
        """The same, as it lies on disk."""
        read_state(self._written(self._settings.runtime_dir / "rehearsal.json", raw))

    def bookmark(self, raw: bytes) -> None:
        """Where a subscriber goes on after a restart."""
        self._written(self._bookmark, raw)
        Bookmark(self._bookmark.parent, "rehearsal", "alerts").close()

    def settings(self, raw: bytes) -> None:
        """The user's configuration."""
        self._written(self._settings.config_dir / "config.toml", raw)
        repr(load_settings(self._environ))

    def contacts(self, raw: bytes) -> None:
        """Who may get feedback mails."""
        self._written(self._settings.config_dir / "contacts.toml", raw)
        load_contacts(self._settings)

    def topics(self, raw: bytes) -> None:
        """The topics of a private drill."""
        path = self._written(self._folder / "topics.toml", raw)
        get_profile(f"kafka://localhost:9092?topics={path}")

    def saved_alert(self, raw: bytes) -> None:
        """An alert that was saved, or times by name, as `snews-drill localize FILE` reads them."""
        alert, times = _from_file(self._written(self._folder / "saved.json", raw))
        found = localize(alert if alert is not None else times, nside=8)
        json.dumps(found.to_dict(), allow_nan=False)

    def arguments(self, raw: bytes) -> None:
        """A message or a publisher's arguments, as `snews-drill publish FILE` and `from_json` read them."""
        path = self._written(self._folder / "message.json", raw)
        for dialect in DIALECTS:
            connection = self._speaking(dialect)
            arguments = {**read_arguments(path), "verbose": False}
            made = SNEWSTiersPublisher(**arguments, connection=connection)
            check_html(publisher_html(made))
            for content in made.messages:
                connection.dialect.encode_message(content)
            json.dumps([str(problem) for problem in made.problems])
        SNEWSTiersPublisher.from_json(path, connection=connection, verbose=False)

    def _speaking(self, dialect: str) -> Connection:
        if dialect not in self._connection:
            # Nothing is sent: a transport opens nothing before it is used.
            named = self._settings.model_copy(update={"detector_name": "XENONnT"})
            self._connection[dialect] = Connection(
                get_profile("rehearsal"), Transport("127.0.0.1:9"), get_dialect(dialect), settings=named
            )
        return self._connection[dialect]

    def close(self) -> None:
        """Close what was opened."""
        for connection in self._connection.values():
            connection.close()

    def credentials(self, raw: bytes) -> None:
        """hop-client's store; no refusal repeats what stands in it."""
        from snews_drill.transport import stored_credentials

        self._written(self._folder / "hop" / "auth.toml", raw)
        before = os.environ.get("XDG_CONFIG_HOME")
        os.environ["XDG_CONFIG_HOME"] = str(self._folder)
        try:
            stored_credentials()
        finally:
            if before is None:
                del os.environ["XDG_CONFIG_HOME"]
            else:
                os.environ["XDG_CONFIG_HOME"] = before


def read_form(raw: bytes) -> None:
    """What somebody pastes into the fields of the form."""
    text = raw.decode("utf-8", "replace")
    for read in (read_text, read_time, read_number, read_count, read_status, read_probabilities, read_series):
        reading = read(text)
        assert reading.value is not None or reading.reason, (read, text)
    extra_text(read_extra(text))
    check_plain(visible(text))


def all_decoders(folder: Path) -> dict[str, Decoder]:
    """Return every decoder by name; files lie below `folder`."""
    files = Files(folder)
    (folder / "hop").mkdir(exist_ok=True, mode=0o700)
    views = AlertViews(folder)
    feeds: dict[str, Callable[[bytes], Any]] = {
        "record": read_record,
        "pickle": read_pickle,
        "json": read_json,
        "alert": views.read,
        "alert table": read_table,
        "control room": ControlRoomViews().read,
        "report": read_report,
        "outbox": read_entry,
        "saved alert": files.saved_alert,
        "scenario": files.scenario,
        "state": files.state,
        "state file": files.state_file,
        "bookmark": files.bookmark,
        "settings": files.settings,
        "contacts": files.contacts,
        "topics": files.topics,
        "arguments": files.arguments,
        "credentials": files.credentials,
        "form": read_form,
    }
    return {name: Decoder(name, feed) for name, feed in feeds.items()}


def new_folder() -> Path:
    """Return a private folder in memory where the system has one, else on disk."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="snews-drill-fuzz-", dir=memory if memory.is_dir() else None))
