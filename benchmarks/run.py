"""Measures what gitreg promises about speed, each as a ratio against a peer or a floor in the same run.

    python benchmarks/run.py                  # prints a Markdown table; about ten minutes
    python benchmarks/run.py --quick          # fewer runs, smaller registries
    python benchmarks/run.py verify validate  # some parts: resolve, register, verify, validate, mlflow, writes

Commands are timed as whole processes, the two sides in turn, and the median of the pairs' ratios is shown: the
machine may be slow or noisy, but it is so for both. Seconds of CPU are those of a process and all that it started.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from registries import (
    ENVIRONMENT,
    GITREG,
    ask_and_approve,
    file_requests,
    git,
    make_registry,
    make_team,
    make_team_registry,
)

from gitreg.adapters.forge.local.record import OPEN
from gitreg.api import open_registry
from gitreg.core.tree import files_below

PYTHON = [sys.executable]


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    measured: str
    against: str
    ratio: float
    budget: float

    def line(self) -> str:
        """As a row in Markdown."""
        return f"| {self.what} | {self.measured} | {self.against} | {self.ratio:.2f} | ≤ {self.budget:.2g} |"


def seconds(run: Callable[[], object]) -> float:
    """Wall time of one call."""
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def pairs(one: Callable[[], object], other: Callable[[], object], runs: int) -> tuple[float, float, float]:
    """Medians of both sides in seconds, and the median of their ratios, run in turn after a warm-up."""
    one(), other()
    times = [(seconds(one), seconds(other)) for _ in range(runs)]
    ones, others = zip(*times, strict=True)
    return statistics.median(ones), statistics.median(others), statistics.median(a / b for a, b in times)


def process(args: list[str], cwd: Path) -> Callable[[], object]:
    """A whole process, which must succeed."""
    return lambda: subprocess.run(args, cwd=cwd, env=ENVIRONMENT, check=True, capture_output=True)


def resolve_rows(work: Path, runs: int, many: int) -> Iterator[Row]:
    """Whole processes and calls that resolve one reference."""
    floor = process([*PYTHON, "-c", "import click, yaml"], work)
    small, large = make_registry(work / "small", 10, 3), make_registry(work / "large", many, 1)
    bare = work / "large.git"
    subprocess.run(["git", "clone", "-q", "--bare", "--no-local", str(large), str(bare)], check=True)
    for label, repository in (
        ("10 models", small),
        (f"{many:,} models", large),
        (f"{many:,} models, bare", bare),
    ):
        command = process([*GITREG, "-R", str(repository), "resolve", "model-00003/production"], work)
        mine, theirs, ratio = pairs(command, floor, runs)
        yield Row(
            f"`gitreg resolve`, {label}",
            f"{mine * 1e3:.0f} ms",
            f"import click, yaml: {theirs * 1e3:.0f} ms",
            ratio,
            2,
        )
    registry = open_registry(large)
    registry.resolve("model-00001@champion")
    references = [f"model-{n:05d}@champion" for n in range(2, 1002 if many > 1002 else 9)]
    each = seconds(lambda: [registry.resolve(reference) for reference in references]) / len(references)
    yield Row(
        "in-process resolve, another model each time", f"{each * 1e3:.3f} ms", "0.2 ms", each / 0.0002, 1
    )
    again = seconds(lambda: [registry.resolve(references[0]) for _ in range(1000)]) / 1000
    yield Row("in-process resolve, the same again", f"{again * 1e3:.3f} ms", "0.2 ms", again / 0.0002, 1)


def register_rows(work: Path, runs: int, many: int) -> Iterator[Row]:
    """Registering a file of 1 MB, against DVC's own two commands, and against itself with many versions."""
    counter = iter(range(10_000))

    def payload(folder: Path) -> Path:
        file = folder / "model.onnx"
        file.write_bytes(os.urandom(1_000_000) + str(next(counter)).encode())
        return file

    few, full = make_registry(work / "few", 1, 1), make_registry(work / "full", 1, many)
    peer = make_peer(work / "peer")
    inbox = work / "inbox"
    inbox.mkdir()

    def register(repository: Path) -> None:
        file = payload(inbox)
        process([*GITREG, "-R", str(repository), "register", "model-00000", str(file), "--request"], work)()

    def dvc() -> None:
        payload(peer)
        process([*PYTHON, "-m", "dvc", "add", "-q", "model.onnx"], peer)()
        process([*PYTHON, "-m", "dvc", "push", "-q"], peer)()

    mine, theirs, ratio = pairs(lambda: register(few), dvc, runs)
    yield Row("`gitreg register` of 1 MB", f"{mine:.2f} s", f"dvc add + dvc push: {theirs:.2f} s", ratio, 1)
    mine, theirs, ratio = pairs(lambda: register(full), lambda: register(few), runs)
    yield Row(
        f"`gitreg register`, {many:,} versions", f"{mine:.2f} s", f"1 version: {theirs:.2f} s", ratio, 1.2
    )


def verify_rows(work: Path, runs: int, many: int) -> Iterator[Row]:
    """A promotion that soaks and is approved, in larger and larger surroundings, against the smallest.

    The smallest has 10 models with 10 versions each, 100 commits, and no other request. A local DVC remote is asked
    for the artifact.
    """
    team = make_team(work / "keys")

    def registry(name: str, models: int, versions: int, commits: int = 100) -> Path:
        return make_team_registry(work / f"{name}.git", team, models, versions, commits)

    def by_number(path: Path, versions: int) -> Callable[[], object]:
        number = ask_and_approve(path, team, versions)
        return process([*GITREG, "-R", str(path), "verify", number], work)

    def by_ends(path: Path) -> Callable[[], object]:
        head = git(path, "for-each-ref", "--format=%(refname)", "refs/heads/gitreg/").strip()
        return process([*GITREG, "-R", str(path), "verify", "--base", "main", "--head", head], work)

    def row(what: str, one: Callable[[], object], other: Callable[[], object]) -> Row:
        mine, theirs, ratio = pairs(one, other, runs)
        return Row(what, f"{mine:.2f} s", f"100 versions, 100 commits: {theirs:.2f} s", ratio, 1.2)

    small = registry("small", 10, 10)
    usual, usual_by_ends = by_number(small, 10), by_ends(small)
    for models, versions in ((many // 10, 100), (1, many * 10)):
        path = registry(f"of-{models}", models, versions)
        shape = f"{models:,} models" if models > 1 else "one model"
        yield row(f"`gitreg verify`, {many * 10:,} versions in {shape}", by_number(path, versions), usual)
    path = registry("long", 10, 10, commits=many * 5)
    yield row(f"`gitreg verify`, {many * 5:,} commits", by_number(path, 10), usual)
    for state, count in (("merged", many // 2), (OPEN, many // 50)):
        path = registry(state, 10, 10)
        file_requests(path, team, range(1, count + 1), state)
        by_number(path, 10)
        what = f"`gitreg verify --base --head`, {count:,} other requests {state}"
        yield row(what, by_ends(path), usual_by_ends)


def validate_rows(work: Path, many: int) -> Iterator[Row]:
    """All of a registry, on one core, against PyYAML's own C loader on the same files; once, as it takes long."""
    for models, versions in ((many // 10, 100), (1, many * 10)):
        path = make_registry(work / f"of-{models}", models, versions, bare=True)
        usage = cost([*GITREG, "-R", str(path), "validate"], work)
        mine = usage.ru_utime + usage.ru_stime
        tree = open_registry(path).snapshot.tree
        files = list(tree.blobs([entry.oid for _, entry in files_below(tree, "models")]))
        begin = time.process_time()
        for data in files:
            yaml.load(data, yaml.CSafeLoader)
        theirs = time.process_time() - begin
        shape = f"{models:,} models" if models > 1 else "one model"
        what = f"`gitreg validate`, {many * 10:,} versions in {shape}"
        yield Row(what, f"{mine:.1f} s of CPU", f"CSafeLoader: {theirs:.1f} s of CPU", mine / theirs, 2.5)
        memory = usage.ru_maxrss / 1000
        yield Row(f"its memory, {shape}", f"{memory:.0f} MB", "500 MB", memory / 500, 1)


def mlflow_part(work: Path, runs: int, models: int) -> Iterator[Row]:
    """MLflow's calls, where it is installed."""
    from mlflow_store import mlflow_rows

    return mlflow_rows(work, runs, models)


def writes_part(work: Path, runs: int, models: int) -> Iterator[Row]:
    """What lands directly; see ``direct_writes.py``."""
    from direct_writes import write_rows

    return write_rows(work, runs, models)


def cost(args: list[str], cwd: Path) -> resource.struct_rusage:
    """What a process, which must succeed, took, with those that it started."""
    started = subprocess.Popen(args, cwd=cwd, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(started.pid, 0)
    started.returncode = os.waitstatus_to_exitcode(status)
    assert started.returncode == 0, args
    return usage


def make_peer(path: Path) -> Path:
    """A plain DVC project with a local remote."""
    subprocess.run(["git", "init", "-q", "-b", "main", str(path)], check=True)
    process([*PYTHON, "-m", "dvc", "init", "-q"], path)()
    process(
        [*PYTHON, "-m", "dvc", "remote", "add", "-q", "-d", "storage", str(path.parent / "peer-storage")],
        path,
    )()
    return path


def main() -> None:
    """Runs everything and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("parts", nargs="*")
    options = parser.parse_args()
    runs, many = (5, 1_000) if options.quick else (15, 10_000)
    parts = {
        "resolve": lambda work: resolve_rows(work, runs, many),
        "register": lambda work: register_rows(work, max(3, runs // 3), many),
        "verify": lambda work: verify_rows(work, runs, many),
        "validate": lambda work: validate_rows(work, many),
        "mlflow": lambda work: mlflow_part(work, runs, many // 10),
        "writes": lambda work: writes_part(work, runs, many),
    }
    print("| what | gitreg | against | ratio | budget |\n|---|---|---|---|---|")
    for part in options.parts or parts:
        work = Path(tempfile.mkdtemp(prefix="gitreg-bench-"))
        try:
            for row in parts[part](work):
                print(row.line(), flush=True)
        finally:
            shutil.rmtree(work)


if __name__ == "__main__":
    main()
