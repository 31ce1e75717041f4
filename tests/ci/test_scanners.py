"""The scanners of CI find what they are for, and say when they could not look."""

from __future__ import annotations

import ast
import json
import re
import secrets
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
CI = ROOT / ".ci"
pytestmark = pytest.mark.skipif(not CI.is_dir(), reason="only in a checkout")


def run(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(CI / program), *words], capture_output=True, text=True, timeout=50, check=False
    )


#: Where a secret may slip in: code, a notebook's output, a file of settings, a key.
PLANTED = {
    "settings.py": 'admin_token = "{}"\n',
    "book.ipynb": '{{"outputs": ["token \'{}\'"]}}\n',
    ".env": "SNEWS_DRILL_SMTP_PASSWORD={}\n",
    "key.pem": "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",  # pragma: allowlist secret
}


def test_planted_secrets_are_found(tmp_path: Path) -> None:
    """Each is named with its line and never shown; what was accepted is no longer told, what is new is."""
    made_up = {name: secrets.token_hex(32) for name in PLANTED}
    (tmp_path / "README.md").write_text((ROOT / "README.md").read_text())
    assert run("scan_secrets", str(tmp_path)).returncode == 0
    for name, text in PLANTED.items():
        (tmp_path / name).write_text(text.format(made_up[name]))
    found = run("scan_secrets", str(tmp_path))
    assert found.returncode == 1
    for name, secret in made_up.items():
        assert f"{name}:1" in found.stdout
        assert secret not in found.stdout + found.stderr
    (tmp_path / ".ci").mkdir()
    assert run("scan_secrets", "--accept", str(tmp_path)).returncode == 0
    accepted = (tmp_path / ".ci" / "secrets.json").read_text()
    assert not [secret for secret in made_up.values() if secret in accepted]
    (tmp_path / "settings.py").write_text(PLANTED["settings.py"].format(secrets.token_hex(32)))
    again = run("scan_secrets", str(tmp_path))
    assert again.returncode == 1
    assert "settings.py:1" in again.stdout
    assert "book.ipynb" not in again.stdout


@pytest.fixture
def service() -> Iterator[Callable[[object], str]]:
    """Return a function that has a vulnerability service answer like that, and returns its address."""
    answers: list[bytes] = []

    class Answer(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            self.rfile.read(length)
            self.send_response(200 if length else 404)
            self.send_header("Content-Length", str(len(answers[0])))
            self.end_headers()
            self.wfile.write(answers[0])

        do_GET = do_POST = _answer  # noqa: N815 - the standard library's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, name="vulnerability service")
    thread.start()

    def answering(content: object) -> str:
        answers[:] = [json.dumps(content).encode()]
        return f"http://127.0.0.1:{server.server_port}/v1/query"

    yield answering
    server.shutdown()
    thread.join(5)
    server.server_close()


@pytest.fixture
def one_package(tmp_path: Path) -> str:
    path = tmp_path / "constraints.txt"
    path.write_text("six==1.16.0\n")
    return str(path)


VULNERABILITY = {
    "id": "GHSA-test-test-test",
    "modified": "2026-01-01T00:00:00Z",
    "published": "2026-01-01T00:00:00Z",
    "summary": "made up",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "six"},
            "versions": ["1.16.0"],
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.17.0"}]}],
        }
    ],
}


def test_a_vulnerability_fails_the_audit(service: Callable[[object], str], one_package: str) -> None:
    """With the package and what mends it."""
    found = run("audit", "--constraints", one_package, "--service", service({"vulns": [VULNERABILITY]}))
    assert found.returncode == 1, found.stdout + found.stderr
    assert "VULNERABLE: six 1.16.0: GHSA-test-test-test" in found.stdout
    assert "1.17.0" in found.stdout


def test_none_known_passes_the_audit(service: Callable[[object], str], one_package: str) -> None:
    """And the number of packages is told."""
    found = run("audit", "--constraints", one_package, "--service", service({}))
    assert found.returncode == 0, found.stdout + found.stderr
    assert "1 packages audited, 0 vulnerabilities" in found.stdout


def test_an_answer_that_means_nothing_fails_the_audit(
    service: Callable[[object], str], one_package: str
) -> None:
    """A broken audit is no clean one."""
    found = run("audit", "--constraints", one_package, "--service", service(["nonsense"]))
    assert found.returncode == 1
    assert "THE AUDIT BROKE" in found.stdout


def test_an_unreachable_service_is_said_in_capitals(one_package: str) -> None:
    """It neither passes for a clean audit nor stops CI."""
    found = run("audit", "--constraints", one_package, "--service", "http://127.0.0.1:1/v1/query")
    assert found.returncode == 0
    assert found.stdout.startswith("NOT AUDITED")
    assert "audited, 0" not in found.stdout


def test_no_rule_of_security_is_switched_off_for_the_package() -> None:
    """ruff's S rules hold in all of snews_drill; each exception stands at its line, by its number, with a reason near it."""
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert "S" in ruff["select"]
    assert not [rule for rule in ruff["ignore"] if rule.startswith("S") and rule[1:2].isdigit()]
    for pattern, rules in ruff["per-file-ignores"].items():
        assert not pattern.startswith("snews_drill") or not [r for r in rules if re.fullmatch(r"S\d*", r)]
    for path in sorted((ROOT / "snews_drill").rglob("*.py")):
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            if "noqa" not in line:
                continue
            assert re.search(r"# noqa: [A-Z]+\d+", line), f"{path.name}:{number + 1}: without a rule's number"
            if re.search(r"noqa:.*\bS\d{3}", line):
                near = line.partition("noqa:")[2] + " ".join(lines[max(number - 3, 0) : number])
                assert re.search(r"S\d{3}\W+\w+\W+\w+", near) or "#" in near, (
                    f"{path.name}:{number + 1}: no reason"
                )


def test_nobody_unpickles_and_nobody_starts_a_shell() -> None:
    """pickle is not imported, no shell is used, nothing is evaluated."""
    for path in sorted((ROOT / "snews_drill").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
                assert not names & {"pickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle"}, (
                    path.name
                )
            if isinstance(node, ast.Call):
                assert not any(word.arg == "shell" for word in node.keywords), path.name
                assert not (isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec")), path.name
