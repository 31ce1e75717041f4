"""Fuzz one decoder under the guidance of coverage: `python tests/fuzz/coverage_guided.py DECODER --minutes 30`.

Needs atheris (`pip install -e '.[fuzz]'`). Inputs that reach new code are kept in `--corpus`, so a later run begins where
this one ended; what finds a fault is written to `--finds` and the run goes on. The last lines are the figures.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import time
import traceback
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

with atheris.instrument_imports(include=["snews_drill", "tomllib", "json"]):
    import decoders
    import hostile_inputs

    import snews_drill.wire.dialects  # noqa: F401


def main() -> None:
    """Run until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("decoder")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--corpus", type=Path, required=True, help="folder of inputs that reach new code")
    parser.add_argument("--finds", type=Path, required=True, help="folder for what finds a fault")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    for folder in (arguments.corpus, arguments.finds):
        folder.mkdir(parents=True, exist_ok=True)
    decoder = decoders.all_decoders(decoders.new_folder())[arguments.decoder]
    watch = _Watch(decoder, arguments.finds)
    options = [
        sys.argv[0],
        f"-max_total_time={arguments.minutes * 60:.0f}",
        f"-seed={arguments.seed}",
        "-max_len=4096",
        "-timeout=20",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
        f"-artifact_prefix={arguments.finds}/",
        str(arguments.corpus),
        *_samples(),
    ]
    atheris.Setup(options, watch.feed, custom_mutator=_Mutator(arguments.decoder).mutated)
    atheris.Fuzz()


def _samples() -> list[str]:
    data = Path(__file__).parents[1] / "data"
    return [str(folder) for folder in (data / "wire", data / "fuzz") if folder.is_dir()]


class _Mutator:
    """Spoils a sample of the decoder's kind now and then, for what bytes alone hardly find; else libFuzzer's own ways."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def mutated(self, raw: bytes, longest: int, seed: int) -> bytes:
        chance = random.Random(seed)
        step = chance.randrange(4)
        if step == 0:
            made = hostile_inputs.hostile_input(self._kind, seed, 0)
        elif step == 1 and raw:
            made = hostile_inputs.spoiled(self._kind, _as_object(raw), chance)
        else:
            return atheris.Mutate(raw, longest)
        return made if len(made) <= longest else atheris.Mutate(raw, longest)


def _as_object(raw: bytes) -> object:
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError):
        return raw
    return content if isinstance(content, dict) else raw


class _Watch:
    """Feeds a decoder and keeps what finds a fault, one example of each kind."""

    def __init__(self, decoder: decoders.Decoder, finds: Path) -> None:
        self._decoder = decoder
        self._finds = finds
        self._known: set[str] = set()
        self._slowest = 0.0

    def feed(self, raw: bytes) -> None:
        begun = time.perf_counter()
        try:
            self._decoder.is_accepted(raw)
        except Exception as error:  # noqa: BLE001 - anything at all is a find
            self._keep(raw, error)
        spent = time.perf_counter() - begun
        if spent > max(self._slowest, 0.1):
            self._slowest = spent
            (self._finds / f"slow-{spent:.2f}s-{_digest(raw)}.bin").write_bytes(raw)

    def _keep(self, raw: bytes, error: Exception) -> None:
        place = traceback.extract_tb(error.__traceback__)[-1]
        kind = f"{type(error).__name__}-{Path(place.filename).stem}-{place.lineno}"
        if kind in self._known:
            return
        self._known.add(kind)
        name = f"{self._decoder.name.replace(' ', '_')}-{kind}-{_digest(raw)}"
        (self._finds / f"{name}.bin").write_bytes(raw)
        (self._finds / f"{name}.txt").write_text("".join(traceback.format_exception(error))[-4000:])
        print("FIND", name, str(error)[:200], file=sys.stderr)


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:8]


if __name__ == "__main__":
    main()
