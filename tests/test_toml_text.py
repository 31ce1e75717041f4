"""TOML of any origin: read like the standard library reads it, and never for long."""

from __future__ import annotations

import time
import tomllib

import pytest

from snews_drill.toml_text import MAX_KEY_PARTS, read_toml

_MANY = ".".join(["a"] * (MAX_KEY_PARTS + 1))


@pytest.mark.parametrize(
    "text",
    [
        f"{_MANY} = 1",
        f"[{_MANY}]\nx = 1",
        f"[[{_MANY}]]\nx = 1",
        f"x = {{ {_MANY} = 1 }}",
        " . ".join(['"a b.c"', "'='", *["a"] * MAX_KEY_PARTS]) + " = 1",
    ],
)
def test_a_key_of_many_parts_is_refused_with_its_line(text: str) -> None:
    """Bare or quoted, with spaces around the dots, in a header, a list of tables, an inline table."""
    assert tomllib.loads(text)
    with pytest.raises(tomllib.TOMLDecodeError, match=r"more than 16 parts \(at line 3, column "):
        read_toml(f"# a comment\ny = 0\n{text}")


@pytest.mark.parametrize(
    "text",
    [
        ".".join(["a"] * MAX_KEY_PARTS) + " = 1",
        "p_values = [" + ", ".join(["0.25"] * 100) + "]",
        f'text = "{_MANY}"',
        f"text = '{_MANY}'",
        f'text = """one\n{_MANY} \\""" {_MANY}\n"""',
        f"text = '''one\n{_MANY}\n'''",
        f"# {_MANY}\nx = 1",
        "\n".join(f"x{number} = 1.5" for number in range(50)),
    ],
)
def test_what_only_looks_like_one_is_read(text: str) -> None:
    """As many parts as allowed, numbers, texts and comments with many dots."""
    assert read_toml(text) == tomllib.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        ".".join(["a"] * 500_000) + " = 1",
        "x = " + '\\"' * 500_000,
        'x = """' + '""' * 500_000,
        "x = " + "'.'" * 300_000,
        '"' * 1_000_000 + "." * 20,
        "a" * 1_000_000 + "." * 20,
        "a " * 500_000 + "." * 20,
    ],
)
def test_a_megabyte_made_to_be_slow_is_refused_within_seconds(text: str) -> None:
    """The standard library's reader alone would take hours for the first one."""
    begun = time.thread_time()
    with pytest.raises(ValueError, match="line 1"):
        read_toml(text)
    assert time.thread_time() - begun < 10
