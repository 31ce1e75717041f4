"""The package as a whole: its public names, its version, and that importing it does nothing."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from importlib import metadata, resources
from pathlib import Path

import pytest

import snews_drill

ROOT = Path(__file__).parent.parent
HOUSE = Path(snews_drill.__file__).parent

#: What a plain import must not load.
HEAVY = (
    "hop",
    "adc",
    "confluent_kafka",
    "pandas",
    "numpy",
    "astropy",
    "matplotlib",
    "ipywidgets",
    "anywidget",
    "IPython",
)

LOOK = """
import os, sys, threading, json
asked = []
class Watched(dict):
    def _note(self, key):
        asked.append(key)
    def __getitem__(self, key):
        self._note(key); return super().__getitem__(key)
    def get(self, key, default=None):
        self._note(key); return super().get(key, default)
    def __contains__(self, key):
        self._note(key); return super().__contains__(key)
    def __iter__(self):
        self._note("*"); return super().__iter__()
os.environ = Watched(os.environ)
import snews_drill
print(json.dumps({
    "asked": asked,
    "threads": [t.name for t in threading.enumerate()],
    "loaded": sorted(m for m in sys.modules if m.partition(".")[0] in %r),
    "ours": sorted(m for m in sys.modules if m.startswith("snews_drill.")),
}))
"""


def test_importing_does_nothing(tmp_path: Path) -> None:
    """No thread, no variable asked for, no file, no word, nothing heavy: in an empty folder, as an empty home."""
    environment = {"HOME": str(tmp_path), "PATH": os.environ.get("PATH", ""), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LOOK % (HEAVY,)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    said = json.loads(done.stdout)
    assert said == {"asked": [], "threads": ["MainThread"], "loaded": [], "ours": []}
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["settings", "errors", "names", "profiles", "detectors", "messages.tiers", "publisher"]
)
def test_importing_a_module_reads_no_variable_of_ours(tmp_path: Path, name: str) -> None:
    """Settings are read when something is done, and no module prints, writes or starts anything."""
    code = LOOK.replace("import snews_drill\n", f"import snews_drill.{name}\n") % (
        ("pandas", "matplotlib", "ipywidgets"),
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": os.environ.get("PATH", ""), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    said = json.loads(done.stdout)
    assert not [key for key in said["asked"] if key.startswith("SNEWS")]
    assert said["threads"] == ["MainThread"]
    assert said["loaded"] == []
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_what_is_promised_can_be_imported() -> None:
    """Every public name leads to something with a docstring, and nothing is loaded that is not promised."""
    assert sorted(snews_drill.__all__) == snews_drill.__all__
    for name in snews_drill.__all__:
        assert getattr(snews_drill, name).__doc__, name
    assert set(snews_drill._HOMES) == set(snews_drill.__all__)
    assert set(snews_drill.__all__) <= set(dir(snews_drill))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = snews_drill.nonsense


def test_type_checkers_see_the_same_names() -> None:
    """What is imported for them is what is loaded on first use, from the same place."""
    tree = ast.parse((HOUSE / "__init__.py").read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: (node.module or "").removeprefix("snews_drill.")
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == snews_drill._HOMES


def test_the_contract_of_the_tutorial_is_there() -> None:
    """The names that notebooks import."""
    wanted = """connect set_name get_name SNEWSTiersPublisher Subscriber HeartbeatSender test_connection reset_cache
    get_feedback rehearse localize"""
    assert set(wanted.split()) <= set(snews_drill.__all__)


def test_one_version_everywhere() -> None:
    """Package, metadata and the newest entry of the changelog agree."""
    assert snews_drill.__version__ == metadata.version("snews_drill")
    changelog = ROOT / "CHANGELOG.md"
    if changelog.exists():  # not when the installed wheel is tested alone
        newest = re.search(r"^## \[?v?(\d+\.\d+\.\d+)", changelog.read_text(encoding="utf-8"), re.MULTILINE)
        assert newest is not None
        assert newest[1] == snews_drill.__version__


def test_types_and_data_are_part_of_the_package() -> None:
    """A wheel without them would install and then fail."""
    for name in ("py.typed", "data/roster.toml", "data/contacts_template.toml"):
        assert resources.files("snews_drill").joinpath(name).is_file(), name
