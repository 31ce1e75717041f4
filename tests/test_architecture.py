"""The house holds its own rules: layers, sizes, names, one place for the environment, a test for every module."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HOUSE = ROOT / "snews_drill"
MODULES = sorted(path for path in HOUSE.rglob("*.py"))
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60
BANNED_NAMES = {"utils", "util", "helpers", "core", "manager", "common", "misc", "tools", "base"}

#: Modules that read the environment beside settings, and why. None reads a setting there.
ENVIRONMENT_EXCEPTIONS = {
    "rehearsal/broker.py": "hands one variable of Windows on to the broker's process",
    "rehearsal/supervisor.py": "hands its own environment on to the drill server's process",
}

#: Modules, or whole folders, without test files of their own names -> where they are tested instead.
TESTED_ELSEWHERE = {
    "__init__.py": "tests/test_package.py",
    # Each verb is tried as users type it.
    "cli/": "tests/cli/test_commands.py",
    # The doctor is tried as users have it: on good and on broken set-ups.
    "doctor/": "tests/test_doctor.py",
    "transport/permissions.py": "tests/test_doctor.py",
    "transport/credential_store.py": "tests/test_credentials.py",
    # Parts of one dialect: what they do shows in what is written and read.
    "wire/commands_3.py": "tests/wire/test_dialect_3.py",
    "wire/own_fields_3.py": "tests/wire/test_dialect_3.py",
    "wire/series_3.py": "tests/wire/test_dialect_3.py",
    "wire/write_3.py": "tests/wire/test_dialect_3.py",
    "wire/write_1_3.py": "tests/wire/test_translate.py",
    "wire/pickle_machine.py": "tests/wire/test_pickle_reader.py",
    # Parts of the subscriber: seen through what it shows, keeps and survives.
    "delivery.py": "tests/test_subscriber.py",
    "listener.py": "tests/test_subscriber.py",
    "heartbeat_log.py": "tests/test_heartbeats.py",
    # Parts of the remote commands.
    "replies.py": "tests/test_remote.py",
    "request.py": "tests/test_remote.py",
    "messages/alert_html.py": "tests/widgets/test_alert_table.py",
    # Parts of the coincidence rule, tried through the rule itself against a brute-force oracle.
    "rehearsal/groups.py": "tests/rehearsal/test_coincidence.py",
    "rehearsal/observations.py": "tests/rehearsal/test_coincidence.py",
    # Parts of the supervisor: their life is that of real processes.
    "rehearsal/plan.py": "tests/rehearsal/test_supervisor.py",
    "rehearsal/presence.py": "tests/rehearsal/test_supervisor.py",
    "rehearsal/processes.py": "tests/rehearsal/test_broker.py",
    "sky/marked.py": "tests/sky/test_plot.py",
    "sky/plain_data.py": "tests/sky/test_localization.py",
    "drill/expected.py": "tests/drill/test_rehearse.py",
    # Parts of scenarios: the value, and what is sent of it.
    "drill/scenario.py": "tests/drill/test_scenarios.py",
    "drill/playing.py": "tests/drill/test_scenarios.py",
    "drill/event_messages.py": "tests/drill/test_player.py",
    # Values of the after-action report, seen in what it reads.
    "drill/after_action/entries.py": "tests/drill/after_action/test_reading.py",
    "drill/after_action/evidence.py": "tests/drill/after_action/test_reading.py",
    "drill/after_action/rows.py": "tests/drill/after_action/test_reading.py",
    "drill/after_action/look.py": "tests/drill/after_action/test_page.py",
    # Parts of virtual detectors.
    "drill/deeds.py": "tests/drill/test_virtual_detector.py",
    "drill/virtual_row.py": "tests/drill/test_virtual_detector.py",
    # Parts of the drill server.
    "rehearsal/alerts_seen.py": "tests/rehearsal/test_standby.py",
    "rehearsal/archive_file.py": "tests/rehearsal/test_archive.py",
    "rehearsal/archive_rows.py": "tests/rehearsal/test_archive.py",
    "rehearsal/joining.py": "tests/test_instructor.py",
    "rehearsal/record_source.py": "tests/rehearsal/test_standby.py",
    "rehearsal/server_intake.py": "tests/rehearsal/test_server.py",
    "rehearsal/server_mail.py": "tests/rehearsal/test_server_commands.py",
    "rehearsal/server_status.py": "tests/rehearsal/test_server.py",
    "transport/membership.py": "tests/rehearsal/test_standby.py",
    "transport/clients.py": "tests/transport/test_writing.py",
    "transport/producing.py": "tests/transport/test_writing.py",
    "transport/records.py": "tests/transport/test_reading.py",
    "transport/versions.py": "tests/cli/test_commands.py",
    # Parts of views, tried through the view.
    "widgets/__init__.py": "tests/widgets/test_hooks.py",
    "widgets/alert_": "tests/widgets/test_alert_table.py",
    "widgets/control_": "tests/widgets/test_control_room.py",
    "drill/control_desk.py": "tests/widgets/test_control_room.py",
    "widgets/form_": "tests/widgets/test_message_form.py",
    "widgets/python_line.py": "tests/widgets/test_message_form.py",
    "widgets/errand.py": "tests/widgets/test_connection_panel.py",
    "widgets/shown.py": "tests/widgets/test_connection_panel.py",
}

pytestmark = pytest.mark.skipif(not HOUSE.is_dir(), reason="only in a checkout")


def name_of(path: Path) -> str:
    return path.relative_to(HOUSE).as_posix()


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def says_something(path: Path) -> bool:
    """Tell whether a module defines anything; a package that only names its parts needs no test of its own."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) for node in tree.body)


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count a function's lines without its signature's docstring."""
    has_docstring = ast.get_docstring(function) is not None
    first = function.body[0]
    documented = (first.end_lineno or 0) - first.lineno + 1 if has_docstring else 0
    return (function.end_lineno or 0) - function.lineno + 1 - documented


def test_imports_point_one_way() -> None:
    """Every contract of import-linter is kept."""
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_modules_are_short() -> None:
    """A module that grows has two subjects."""
    sizes = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {name: size for name, size in sizes.items() if size > MAX_MODULE_LINES} == {}


def test_functions_are_short() -> None:
    """Nobody has to scroll to read one."""
    long = {
        f"{name_of(path)}:{function.name}": length(function)
        for path in MODULES
        for function in functions(path)
        if length(function) > MAX_FUNCTION_LINES
    }
    assert long == {}


def test_modules_have_subjects() -> None:
    """A name that fits everything says nothing."""
    assert [name_of(path) for path in MODULES if path.stem.strip("_") in BANNED_NAMES] == []


def test_every_module_has_its_test() -> None:
    """tests/x/test_y.py for snews_drill/x/y.py; the exceptions stand in one place, with their reason."""
    missing = []
    for path in MODULES:
        name = name_of(path)
        own = ROOT / "tests" / Path(name).parent / f"test_{path.stem}.py"
        is_elsewhere = any(
            name == place or (place.endswith(("/", "_")) and name.startswith(place))
            for place in TESTED_ELSEWHERE
        )
        if says_something(path) and not own.exists() and not is_elsewhere:
            missing.append(name)
    assert missing == []


def test_exceptions_are_true() -> None:
    """Each names a module that is there and a test that is there."""
    for name, test in TESTED_ELSEWHERE.items():
        assert list(HOUSE.glob(f"{name}*")), name
        assert (ROOT / test).exists(), test


def test_only_settings_read_the_environment() -> None:
    """os.environ and os.getenv stand in one module, but for the reasoned exceptions."""
    found = {
        name_of(path)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb"))
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "os"
            and {a.name for a in node.names} & {"environ", "getenv"}
        )
    }
    assert found - {"settings.py"} == set(ENVIRONMENT_EXCEPTIONS)


def test_values_know_no_clock() -> None:
    """Nothing under messages or in the coincidence rule asks what time it is; it is told."""
    clocks = {"time", "time_ns", "monotonic", "perf_counter", "now", "utcnow", "today"}
    pure = [
        *HOUSE.glob("messages/*.py"),
        HOUSE / "rehearsal" / "coincidence.py",
        HOUSE / "rehearsal" / "groups.py",
    ]
    assert len(pure) > 5
    for path in pure:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in clocks
            ):
                owner = node.func.value
                assert not (isinstance(owner, ast.Name) and owner.id in ("time", "datetime", "date")), (
                    name_of(path)
                )


def test_only_what_shows_prints() -> None:
    """Services hand over data; the words of the tutorial are printed by what the user calls."""
    printing = {
        name_of(path)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }
    allowed = {"names.py", "publisher.py", "remote.py", "instructor.py", "subscriber.py"}
    assert {name for name in printing if not name.startswith("cli/")} <= allowed
