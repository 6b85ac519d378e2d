"""The kept inputs of the codec's fuzzer, replayed: they reach all that was ever reached, and broke something once."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from codec_target import KINDS, check
from fuzz_codec import CORPUS, MOST_BYTES, MOST_FILES, seeds

from gitreg.core.codec import load

KEPT = sorted(CORPUS.iterdir())


def test_the_corpus_is_small_and_has_every_kind() -> None:
    contents = [path.read_bytes() for path in KEPT]
    assert 0 < len(contents) <= MOST_FILES
    assert sum(map(len, contents)) <= MOST_BYTES
    assert {data[0] % len(KINDS) for data in contents if data} == set(range(len(KINDS)))


def test_every_kept_input_holds() -> None:
    """All in one test: they are many, and each takes a few milliseconds."""
    for path in KEPT:
        begin = time.process_time()
        try:
            check(path.read_bytes())
        except Exception as error:
            raise AssertionError(f"{path.name} breaks the codec again") from error
        assert time.process_time() - begin < 2, path.name


def test_the_seeds_are_manifests(tmp_path: Path) -> None:
    seeds(tmp_path)
    for path in tmp_path.iterdir():
        data = path.read_bytes()
        check(data)
        load.load_manifest(KINDS[data[0]], data[1:], path.name)


@pytest.mark.parametrize(
    ("module", "name", "broken"),
    [
        ("gitreg.core.codec.yaml", "_FLOAT", r"-?[0-9]+\.?[0-9]*(?:[eE][-+]?[0-9]+)?\Z"),
        ("gitreg.core.codec.yaml", "_UNSEEN", r"\Z\A"),
    ],
)
def test_the_target_notices(monkeypatch: pytest.MonkeyPatch, module: str, name: str, broken: str) -> None:
    """A reader that takes more than every other reader does is found by what is kept."""
    import re

    monkeypatch.setattr(f"{module}.{name}", re.compile(broken))
    with pytest.raises(AssertionError, match="breaks the codec again"):
        test_every_kept_input_holds()
