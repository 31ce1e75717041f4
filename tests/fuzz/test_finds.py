"""What the fuzz suite found once is never found again; in every run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fuzz.decoders import Decoder, all_decoders
from fuzz.hostile_inputs import as_bytes, hostile_input, samples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FINDS = sorted((Path(__file__).parents[1] / "data/fuzz").glob("*/*.bin"))


@pytest.fixture(scope="module")
def decoders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Decoder]]:
    """Every decoder, with files in a folder of its own."""
    return all_decoders(tmp_path_factory.mktemp("decoders"))


def test_the_finds_are_there() -> None:
    """An empty folder would prove nothing."""
    assert len(FINDS) >= 10


@pytest.mark.parametrize("path", FINDS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_find_is_refused_or_read_at_once(decoders: dict[str, Decoder], path: Path) -> None:
    """In words, and within two seconds of processor time."""
    begun = time.thread_time()
    decoders[path.parent.name].is_accepted(path.read_bytes())
    assert time.thread_time() - begun < 2


def test_the_samples_are_what_the_decoders_accept(decoders: dict[str, Decoder]) -> None:
    """Otherwise the hostile inputs made of them would be refused for another reason than their own."""
    for kind, decoder in decoders.items():
        accepted = [decoder.is_accepted(as_bytes(sample)) for sample in samples()[kind]]
        assert sum(accepted) >= min(len(accepted), 2), kind


def test_the_same_number_is_the_same_input() -> None:
    """A fault can be told by three words."""
    for kind in samples():
        assert hostile_input(kind, 7, 3) == hostile_input(kind, 7, 3)
    assert len({hostile_input("record", 1, number) for number in range(200)}) > 150


_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=200), changes=st.dictionaries(st.integers(0, 11), _PLAIN, max_size=3))
def test_anything_at_all(decoders: dict[str, Decoder], raw: bytes, changes: dict[int, object]) -> None:
    """Bytes of any kind, and messages with any value in any field: accepted or refused in words."""
    for kind, decoder in decoders.items():
        decoder.is_accepted(raw)
        sample = samples()[kind][0]
        if isinstance(sample, dict):
            keys = list(sample)
            changed = {**sample, **{keys[place % len(keys)]: value for place, value in changes.items()}}
            decoder.is_accepted(as_bytes(changed))
