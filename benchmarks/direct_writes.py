"""Measures a tag and an alias that land directly, in one process that has landed one before.

    python benchmarks/direct_writes.py           # registries of 10 and of 10,000 models; prints a Markdown table
    python benchmarks/direct_writes.py --quick   # of 10 and of 1,000

What a checkout's size costs is git's to say: the peer there is ``git commit`` of an edit of the same file in the same
checkout, and ``git commit`` with ``git push`` where there is an origin. It is a part of ``benchmarks/run.py``, too.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from registries import ENVIRONMENT, make_registry, model_name
from run import Row, pairs, process

from gitreg.core.plan.alias import plan_set_alias
from gitreg.core.plan.annotate import plan_annotate
from gitreg.surfaces.mlflow.session import Session
from gitreg.surfaces.mlflow.uri import parse_registry_uri

MODEL = model_name(3)
NOTES = f"models/{MODEL}/versions/1/notes.yaml"
#: A direct tag or alias on a local repository, in seconds.
BUDGET = 0.1


def tagging(place: Path) -> Callable[[], object]:
    """Sets a tag of a version, another one each time."""
    session, numbers = Session(parse_registry_uri(f"gitreg://{place}")), count()
    return lambda: session.land(
        lambda base: plan_annotate(base, MODEL, 1, {("tags", "number"): str(next(numbers))})
    )


def aliasing(place: Path) -> Callable[[], object]:
    """Moves an alias to and fro."""
    session, numbers = Session(parse_registry_uri(f"gitreg://{place}")), count()
    return lambda: session.land(lambda base: plan_set_alias(base, MODEL, "other", 1 + next(numbers) % 2))


def committing(checkout: Path, *, push: bool = False) -> Callable[[], object]:
    """Edits the same file by hand, and commits it with plain git."""
    numbers = count()

    def commit() -> None:
        (checkout / NOTES).write_text(f"# {next(numbers)}\n")
        process(["git", "add", NOTES], checkout)()
        process(["git", "commit", "-q", "-m", "by hand", "--", NOTES], checkout)()
        if push:
            process(["git", "push", "-q", "origin", "main"], checkout)()

    return commit


def write_rows(work: Path, runs: int, many: int) -> Iterator[Row]:
    """Bare repositories against the promise and against each other; checkouts and clones against plain git."""
    os.environ.update(ENVIRONMENT)
    few, full = make_registry(work / "few.git", 10, 2, bare=True), work / "full.git"
    make_registry(full, many, 2, bare=True)
    for what, kind in (("tag", tagging), ("alias", aliasing)):
        small, large = kind(few), kind(full)
        mine, theirs, ratio = pairs(large, small, runs)
        label = f"a direct {what}, bare, {many:,} models"
        yield Row(label, f"{mine * 1e3:.0f} ms", f"10 models: {theirs * 1e3:.0f} ms", ratio, 3)
        yield Row(label, f"{mine * 1e3:.0f} ms", f"{BUDGET * 1e3:.0f} ms", mine / BUDGET, 1)
    for models, bare in ((10, few), (many, full)):
        yield from _beside_git(work, models, bare, runs)


def _beside_git(work: Path, models: int, bare: Path, runs: int) -> Iterator[Row]:
    """A checkout that is its own hub, and a clone of an origin; in each plain git has another copy to commit in."""
    copies = [work / f"{name}-{models}" for name in ("alone", "alone-peer", "clone", "clone-peer")]
    for copy in copies:
        origin = work / f"{copy.name}.git"
        shutil.copytree(bare, origin)
        subprocess.run(["git", "clone", "-q", str(origin), str(copy)], check=True, env=ENVIRONMENT)
        if copy.name.startswith("alone"):
            subprocess.run(["git", "remote", "remove", "origin"], cwd=copy, check=True)
        _begin_notes(copy, push=copy.name.startswith("clone"))
    alone, alone_peer, clone, clone_peer = copies
    for label, mine, peer, theirs in (
        (f"a direct tag, checkout, {models:,} models", tagging(alone), "git commit", committing(alone_peer)),
        (
            f"a direct tag, clone, {models:,} models",
            tagging(clone),
            "git commit, git push",
            committing(clone_peer, push=True),
        ),
    ):
        one, other, ratio = pairs(mine, theirs, max(3, runs // 2))
        yield Row(label, f"{one * 1e3:.0f} ms", f"{peer}: {other * 1e3:.0f} ms", ratio, 2)
    for copy in copies:
        shutil.rmtree(copy)


def _begin_notes(checkout: Path, *, push: bool) -> None:
    """Both sides edit a file that is there."""
    notes = f"apiVersion: gitreg/v1\nkind: VersionNotes\nmodel: {MODEL}\nversion: 1\n"
    (checkout / NOTES).write_text(notes)
    process(["git", "add", NOTES], checkout)()
    process(["git", "commit", "-q", "-m", "by hand"], checkout)()
    if push:
        process(["git", "push", "-q", "origin", "main"], checkout)()


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    runs, many = (5, 1_000) if parser.parse_args().quick else (15, 10_000)
    work = Path(tempfile.mkdtemp(prefix="gitreg-bench-"))
    try:
        print("| what | gitreg | against | ratio | budget |\n|---|---|---|---|---|")
        for row in write_rows(work, runs, many):
            print(row.line(), flush=True)
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
