"""Bring Apache Kafka's jars into a cache folder outside the repository, once per version."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import platformdirs
import pytest
from filelock import FileLock

KAFKA_VERSION = "3.9.2"
"""The release the tests run on: of the 3.x line, so that clients of older peers still reach it."""

CACHE_VARIABLE = "SNEWS_DRILL_TEST_CACHE"
DOWNLOAD_TIMEOUT_SEC = 300.0
_POM = Path(__file__).with_name("pom.xml")


def cache_folder() -> Path:
    """Return where downloads are kept: `SNEWS_DRILL_TEST_CACHE`, else the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("snews_drill-tests"))


def jar_folder() -> Path:
    """Return where the pinned version's jars lie, or will lie."""
    return cache_folder() / f"kafka-{KAFKA_VERSION}"


def missing_parts() -> list[str]:
    """Name what is absent for running Apache Kafka here, one sentence each; empty when all is there."""
    missing = []
    if shutil.which("java") is None:
        missing.append("no `java` on PATH: install a JDK, version 17 or newer")
    if not jar_folder().is_dir() and shutil.which("mvn") is None:
        missing.append(f"no `mvn` on PATH to fetch Kafka {KAFKA_VERSION} with: install Maven 3.8 or newer")
    return missing


def require_parts() -> None:
    """Skip the calling test, telling why, when a part is missing; fail it instead where `CI` is "true"."""
    missing = missing_parts()
    if not missing:
        return
    reason = "Apache Kafka cannot run here: " + "; ".join(missing)
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def fetch_jars() -> Path:
    """Return the folder with the broker's jars, resolving them through Maven if this is the first time.

    Processes that ask at the same time wait for each other, and the folder appears only when complete.

    Raises
    ------
    RuntimeError
        Maven is absent, fails, or takes longer than `DOWNLOAD_TIMEOUT_SEC`.
    """
    folder = jar_folder()
    if folder.is_dir():
        return folder
    if missing := missing_parts():
        raise RuntimeError("; ".join(missing))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock", timeout=DOWNLOAD_TIMEOUT_SEC):
        if not folder.is_dir():
            _resolve(folder)
    return folder


def _resolve(folder: Path) -> None:
    """Let Maven copy the jars beside `folder`, then rename: a half-filled folder never counts."""
    with tempfile.TemporaryDirectory(prefix="kafka-", dir=folder.parent) as scratch:
        pom = shutil.copy(_POM, scratch)
        jars = Path(scratch, "jars")
        command = [
            "mvn",
            "-q",
            "-B",
            "-f",
            str(pom),
            f"-Dkafka.version={KAFKA_VERSION}",
            "-DincludeScope=runtime",
        ]
        command += [f"-DoutputDirectory={jars}", "dependency:copy-dependencies"]
        try:
            subprocess.run(
                command,
                check=True,
                text=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=DOWNLOAD_TIMEOUT_SEC,
            )
        except subprocess.CalledProcessError as error:
            raise RuntimeError(f"Maven could not resolve Kafka {KAFKA_VERSION}:\n{error.stdout}") from error
        except subprocess.TimeoutExpired as error:
            raise RuntimeError(
                f"Maven took longer than {DOWNLOAD_TIMEOUT_SEC:.0f} s for Kafka {KAFKA_VERSION}"
            ) from error
        jars.replace(folder)
