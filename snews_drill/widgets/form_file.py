"""The form's JSON files: the publisher's arguments as one object, as `SNEWSTiersPublisher.from_json` reads them."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snews_drill.errors import UnwritableFile


def save_arguments(path: str | Path, arguments: Mapping[str, Any], *, overwrite: bool = False) -> Path:
    """Write arguments to a file and return its path.

    Parameters
    ----------
    path
        Where to; `~` is the home folder.
    arguments
        The publisher's arguments.
    overwrite
        Whether a file of that name may be replaced.

    Raises
    ------
    UnwritableFile
        If there is a file already and `overwrite` is False, or it cannot be written.
    """
    target = home_expanded(path)
    text = json.dumps(dict(arguments), indent=4, ensure_ascii=False) + "\n"
    try:
        _write(target, text, overwrite=overwrite)
    except FileExistsError as error:
        raise UnwritableFile(
            f"{target} exists already; it was not changed.",
            next_step="Choose another name, or replace it on purpose.",
        ) from error
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise UnwritableFile(
            f"{target} cannot be written: {reason[:200]}.",
            next_step="Choose a file in a folder that you may write to.",
        ) from error
    return target


def home_expanded(path: str | Path) -> Path:
    """Return a path with `~` as the home folder; an unknown user's stays as it is, so that it is told as missing."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser raises for unknown users


def _write(target: Path, text: str, *, overwrite: bool) -> None:
    content = text.encode("utf-8")
    if not overwrite:
        with target.open("xb") as file:
            file.write(content)
        return
    if target.is_dir():
        raise OSError("it is a folder")
    # Written aside and renamed, so that a full disk does not cost the file that was there.
    handle, aside = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(aside).chmod(0o644)
        Path(aside).replace(target)
    finally:
        Path(aside).unlink(missing_ok=True)
