"""The status of a drill server as one screen and as lines: complete, short, and harmless."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from snews_drill.cli.alert_panel import AlertLines, alert_panel
from snews_drill.cli.server_status import Shown
from snews_drill.cli.server_view import log_lines, status_screen
from snews_drill.messages.alert import Alert
from snews_drill.rehearsal.server_status import Refusal, SeenDetector, ServerStatus

_HOSTILE = "\x1b[2J[red]\u202e"

_STATUS = ServerStatus(
    state="listening",
    started_ns=1,
    counts={"CoincidenceTier": 2, "refused": 1, "alerts": 1},
    detectors=(
        SeenDetector("JUNO", heartbeats=3, is_on=True, last_heartbeat_ns=10**9, latency_ms=12.4),
        SeenDetector("LZ", is_on=False, last_heartbeat_ns=10**9),
    ),
    groups=(("JUNO", "LZ"),),
    refusals=(Refusal("topic", 0, 7, "refused", f"no time {_HOSTILE}"),),
)
_SHOWN = Shown(
    "kafka://here",
    "a.sqlite3",
    _STATUS,
    ({"alert_type": f"COINC_MSG{_HOSTILE}", "detector_names": ["JUNO"]},),
)


def _text(renderable: object) -> str:
    console = Console(file=io.StringIO(), width=140, markup=False, color_system=None)
    console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_one_screen_holds_everything_and_obeys_nothing() -> None:
    text = _text(status_screen(_SHOWN, 61 * 10**9))
    for words in (
        "listening",
        "kafka://here",
        "CoincidenceTier 2",
        "JUNO",
        "1 min ago",
        "12 ms",
        "OFF",
        "topic 0@7",
    ):
        assert words in text
    assert "\\x1b[2J[red]\\u202e" in text
    assert "\x1b" not in text


def test_a_log_tells_only_what_changed() -> None:
    first = list(log_lines(None, _SHOWN))
    assert any("no time \\x1b" in line for line in first)
    assert list(log_lines(_SHOWN, _SHOWN)) == []
    waiting = replace(_SHOWN, status=replace(_STATUS, state="waiting", problem="The broker does not answer."))
    assert [line[9:] for line in log_lines(_SHOWN, waiting)] == ["waiting: The broker does not answer."]


def test_who_stands_by_says_so() -> None:
    """On the screen and in the log, where a takeover is a line of its own; a server alone says nothing of it."""
    by, active = (replace(_SHOWN, status=replace(_STATUS, role=role)) for role in ("standing by", "active"))
    assert "listening, standing by" in _text(status_screen(by, 61 * 10**9))
    assert "standing by" not in _text(status_screen(_SHOWN, 61 * 10**9))
    (line,) = log_lines(by, active)
    assert line.endswith("listening, active")
    assert active.to_dict()["role"] == "active"


def test_json_of_a_status_says_whether_it_listens() -> None:
    assert _SHOWN.to_dict()["ok"] is True
    assert replace(_SHOWN, status=replace(_STATUS, state="waiting")).to_dict()["ok"] is False


def test_an_alert_is_shown_whole_but_bounded() -> None:
    content = {"alert_type": "NEW\x1b", "detector_names": ["A"] * 100, "p_values": [None, 0.5], "x": None}
    alert = Alert(id="i", alert_type="NEW\x1b", detector_names=("A",) * 100, content=content)
    text = _text(alert_panel(alert))
    assert "NEW\\x1b" in text
    assert "(40 more)" in text
    assert "100 detectors" in _text(AlertLines().line(alert))
    assert "\x1b" not in text


def _line(lines: AlertLines, kind: str, *names: str) -> str:
    return _text(lines.line(Alert(id="i", alert_type=kind, detector_names=names, content={}))).rstrip()


def test_a_line_tells_what_an_alert_added_to_its_group_or_took_away() -> None:
    lines = AlertLines()
    assert _line(lines, "COINC_MSG", "JUNO", "LZ") == "COINC_MSG   2 detectors  JUNO, LZ"
    assert _line(lines, "COINC_MSG", "DUNE", "IceCube") == "COINC_MSG   2 detectors  DUNE, IceCube"
    assert _line(lines, "COINC_MSG", "JUNO", "LZ", "SBND") == "COINC_MSG   3 detectors  + SBND"
    assert _line(lines, "UPDATE", "SBND", "LZ", "JUNO") == "UPDATE      3 detectors  new times or p-values"
    assert _line(lines, "RETRACTION", "JUNO", "SBND") == "RETRACTION  2 detectors  - LZ"
    assert _line(lines, "COINC_MSG", "DUNE", "IceCube", "LZ\x1b") == "COINC_MSG   3 detectors  + LZ\\x1b"


def test_frozen_joining_is_told_on_the_screen_and_in_lines() -> None:
    frozen = replace(_SHOWN, status=replace(_STATUS, frozen=("topic-a",)))
    assert "joining is frozen on topic-a" in _text(status_screen(frozen, 61 * 10**9))
    assert any("joining is frozen on topic-a" in line for line in log_lines(_SHOWN, frozen))
    assert any("joining is open on topic-a" in line for line in log_lines(frozen, _SHOWN))
