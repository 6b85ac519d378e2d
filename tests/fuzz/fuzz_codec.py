"""Fuzzes the codec, guided by the code that is reached: https://github.com/google/atheris.

    pip install -e '.[test,fuzz]'
    python tests/fuzz/fuzz_codec.py                        # until it finds something, or Ctrl-C
    python tests/fuzz/fuzz_codec.py -max_total_time=300    # for five minutes; any option of libFuzzer
    python tests/fuzz/fuzz_codec.py crash-…                # one input again

``codec_target.py`` says what must hold. New inputs that reach new code go into ``.fuzz/`` and are not kept; what they
reach is kept, in as few and as small files as do, by

    python tests/fuzz/fuzz_codec.py --keep

which rewrites ``tests/fuzz/corpus/``. The suite replays that without atheris. An input that breaks something becomes,
made small (``-minimize_crash=1``), a test of the module at fault, and goes into the corpus as ``broke-<what>``.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
FOUND = HERE.parent.parent / ".fuzz"
BASE = HERE.parent / "rules" / "base"
#: Longer inputs reach nothing new, and slow everything down.
OPTIONS = ["-max_len=1536", "-timeout=10", "-rss_limit_mb=2048", f"-dict={HERE / 'yaml.dict'}"]
MOST_FILES, MOST_BYTES = 199, 200_000


def seeds(folder: Path) -> None:
    """Writes the manifests of the rules' base registry, each under its kind's number, as a place to begin at."""
    from codec_target import KINDS

    from gitreg.core.layout import Layout

    for path in sorted(BASE.rglob("*")):
        place = Layout("").place(path.relative_to(BASE).as_posix())
        kind = "dvc" if path.suffix == ".dvc" else place.kind
        if path.is_file() and kind in KINDS:
            name = path.relative_to(BASE).as_posix().replace("/", "-")
            (folder / f"seed-{name}").write_bytes(bytes([KINDS.index(kind)]) + path.read_bytes())


def fuzz(arguments: list[str]) -> None:
    """Hands over to libFuzzer, which does not return."""
    import atheris

    with atheris.instrument_imports(include=["gitreg"]):
        from codec_target import check
    seeds(FOUND)  # not before: what is imported already is not watched
    # A merge runs this again in processes of their own, through a shell, by the first word.
    again = f"{shlex.quote(sys.executable)} {shlex.quote(__file__)}"
    atheris.Setup([again, *OPTIONS, *arguments], check)
    atheris.Fuzz()


def keep() -> None:
    """Rewrites the kept corpus: the fewest of all inputs that reach what all of them reach."""
    with tempfile.TemporaryDirectory() as folder:
        merged = Path(folder)
        inputs = [os.fspath(merged), os.fspath(CORPUS), os.fspath(FOUND)]
        subprocess.run([sys.executable, __file__, "-set_cover_merge=1", *inputs], check=True)
        for path in CORPUS.glob("broke-*"):
            shutil.copy(path, merged)
        files = list(merged.iterdir())
        total = sum(path.stat().st_size for path in files)
        if not files or len(files) > MOST_FILES or total > MOST_BYTES:
            sys.exit(f"{len(files)} files with {total} bytes: not kept")
        shutil.rmtree(CORPUS)
        shutil.copytree(merged, CORPUS)
    print(f"kept {len(files)} files with {total} bytes")


def main(arguments: list[str]) -> None:
    """Runs the fuzzer, or keeps what it found."""
    if arguments == ["--keep"]:
        return keep()
    for folder in (FOUND, CORPUS):
        folder.mkdir(exist_ok=True)
    named = [argument for argument in arguments if not argument.startswith("-")]
    folders = [] if named else [os.fspath(FOUND), os.fspath(CORPUS)]
    fuzz([*arguments, f"-artifact_prefix={FOUND}{os.sep}", *folders])


if __name__ == "__main__":
    main(sys.argv[1:])
