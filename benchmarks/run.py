"""Measures what gitreg promises about speed, each as a ratio against a peer or a floor in the same run.

    python benchmarks/run.py            # prints a Markdown table; about three minutes
    python benchmarks/run.py --quick    # fewer runs, smaller registries

Commands are timed as whole processes, the two sides in turn, and the median of the pairs' ratios is shown: the
machine may be slow or noisy, but it is so for both.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gitreg.api import open_registry
from gitreg.core.codec.dvcfile import dump_dvc
from gitreg.core.codec.yaml import dump_yaml
from gitreg.core.manifest import Alias, Artifact, ModelVersion, Pin, StageAssignment
from gitreg.core.plan.init import NewRegistry, registry_files
from gitreg.core.ports import DvcPointer, Identity

WHO = Identity("Bench", "bench@example.com")
WHEN = datetime(2026, 11, 20, tzinfo=UTC)
PYTHON = [sys.executable]
GITREG = [str(Path(sys.executable).parent / "gitreg")]
ENVIRONMENT = os.environ | {
    "DVC_NO_ANALYTICS": "1",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": WHO.name,
    "GIT_AUTHOR_EMAIL": WHO.email,
    "GIT_COMMITTER_NAME": WHO.name,
    "GIT_COMMITTER_EMAIL": WHO.email,
}


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    measured: str
    against: str
    ratio: float
    budget: float


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


def version_files(model: str, version: int) -> Iterator[tuple[str, bytes]]:
    """A version as gitreg writes it."""
    pointer = DvcPointer("model.onnx", f"{version:032x}", 1_000_000, 1)
    artifact = Artifact("model.onnx", f"sha256:{version:064x}", 1_000_000, 1, "onnx")
    record = ModelVersion(model, version, WHEN, WHO, artifact, metrics={"roc_auc": 0.9})
    folder = f"models/{model}/versions/{version}"
    yield f"{folder}/version.yaml", dump_yaml(record.as_yaml()).encode()
    yield f"{folder}/model.onnx.dvc", dump_dvc(pointer)


def model_files(model: str, versions: int) -> Iterator[tuple[str, bytes]]:
    """A model with its versions, the highest in production."""
    body = {"apiVersion": "gitreg/v1", "kind": "Model", "name": model}
    yield f"models/{model}/model.yaml", dump_yaml(body).encode()
    for version in range(1, versions + 1):
        yield from version_files(model, version)
    pin = Pin(versions, f"sha256:{versions:064x}")
    stage = StageAssignment(model, "production", 1, (pin,))
    yield f"models/{model}/stages/production.yaml", dump_yaml(stage.as_yaml()).encode()
    yield (
        f"models/{model}/aliases/champion.yaml",
        dump_yaml(Alias(model, "champion", 1, pin).as_yaml()).encode(),
    )


def make_registry(path: Path, models: int, versions: int) -> Path:
    """A solo registry with one commit, written by git fast-import and packed."""
    new = NewRegistry("2b6d1f5e-6c0f-4a53-9c1d-5f1f7a0e8d42", "bench", "main", "../storage", WHO, solo=True)
    subprocess.run(["git", "init", "-q", "-b", "main", str(path)], check=True)
    with subprocess.Popen(["git", "fast-import", "--quiet"], cwd=path, stdin=subprocess.PIPE) as importer:
        assert importer.stdin is not None
        write = importer.stdin.write
        write(
            b"commit refs/heads/main\ncommitter Bench <bench@example.com> 1763596800 +0000\ndata 5\nbench\n"
        )
        files = list(registry_files(new).items())
        files += [f for n in range(models) for f in model_files(f"model-{n:05d}", versions)]
        for name, data in files:
            write(f"M 100644 inline {name}\ndata {len(data)}\n".encode() + data + b"\n")
        write(b"done\n")
    subprocess.run(["git", "reset", "-q", "--hard"], cwd=path, check=True)
    return path


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
    quick = parser.parse_args().quick
    runs, many = (5, 1_000) if quick else (15, 10_000)
    work = Path(tempfile.mkdtemp(prefix="gitreg-bench-"))
    try:
        print("| what | gitreg | against | ratio | budget |\n|---|---|---|---|---|")
        for rows in (resolve_rows(work, runs, many), register_rows(work, max(3, runs // 3), many)):
            for row in rows:
                print(
                    f"| {row.what} | {row.measured} | {row.against} | {row.ratio:.2f} | ≤ {row.budget:g} |",
                    flush=True,
                )
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
