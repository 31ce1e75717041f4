"""The line of Python that does what the form does."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from typing import Any


def python_line(arguments: Mapping[str, Any], *, has_connection: bool = False) -> str:
    """Return the call that builds the same messages.

    Parameters
    ----------
    arguments
        The publisher's arguments: texts, numbers, lists and dicts.
    has_connection
        Whether a connection of its own is used; the line then expects it in the variable `connection`.

    Examples
    --------
    >>> python_line({"detector_name": "JUNO", "detector_status": "ON"})
    "msg = SNEWSTiersPublisher(detector_name='JUNO', detector_status='ON')"
    """
    named = {
        key: value for key, value in arguments.items() if key.isidentifier() and not keyword.iskeyword(key)
    }
    others = {key: value for key, value in arguments.items() if key not in named}
    words = [f"{key}={value!r}" for key, value in named.items()]
    if has_connection:
        words.append("connection=connection")
    if others:
        words.append(f"**{others!r}")
    return f"msg = SNEWSTiersPublisher({', '.join(words)})"
