"""Measures MLflow's registry store on a git registry against MLflow's own one on sqlite, on the same models.

    python benchmarks/mlflow_store.py           # 1,000 models with 10 versions each; prints a Markdown table
    python benchmarks/mlflow_store.py --quick   # 100 models

Calls go to the stores as MLflow's client makes them. The two sides take turns in one process, and the median of the
pairs' ratios is shown. It is a part of ``benchmarks/run.py``, too.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml
from registries import (
    ENVIRONMENT,
    GITREG,
    MAIN,
    REGISTRY_ID,
    WHEN,
    WHO,
    Files,
    content_of,
    importing,
    model_files,
    model_name,
    pin_of,
)
from run import PYTHON, Row, pairs, process

from gitreg.core.codec.yaml import dump_yaml
from gitreg.core.plan.init import NewRegistry, registry_files
from gitreg.core.record import Artifact, ModelVersion

VERSIONS = 10
_MILLISECONDS = int(WHEN.timestamp() * 1000)
_QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
_CLIENT = """
from mlflow import MlflowClient
client = MlflowClient(tracking_uri={uri!r}, registry_uri={uri!r})
assert client.get_model_version_by_alias({model!r}, "champion").version
"""


def source_of(model: str, version: int) -> dict[str, object]:
    """Where a version came from: each from a run of its own."""
    run = f"{model_number(model):016d}{version:016d}"
    return {"uri": f"s3://bucket/{run}/model", "run": {"system": "mlflow", "id": run}}


def model_number(model: str) -> int:
    """The number in a model's name."""
    return int(model.removeprefix("model-"))


def git_files(models: int) -> Files:
    """The registry's manifests. MLflow's calls read no DVC pointers."""
    for number in range(models):
        name = model_name(number)
        yield from model_files(name, VERSIONS)
        for version in range(1, VERSIONS + 1):
            content = content_of(version)
            artifact = Artifact("model.onnx", pin_of(version).digest, len(content), 1, "onnx")
            source = source_of(name, version)
            record = ModelVersion(name, version, WHEN, WHO, artifact, source)
            yield f"models/{name}/versions/{version}/version.yaml", dump_yaml(record.as_yaml()).encode()


def make_git(path: Path, models: int) -> Path:
    """A bare repository with the registry."""
    new = NewRegistry(REGISTRY_ID, "bench", "main", "../storage", WHO, solo=True)
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(path)], check=True)
    with importing(path) as importer:
        importer.commit(MAIN, WHEN, [*registry_files(new).items(), *git_files(models)])
    return path


def make_sql(path: Path, models: int) -> str:
    """MLflow's database with the same models; returns its URI."""
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    uri = f"sqlite:///{path}"
    store = SqlAlchemyStore(uri)
    with store.ManagedSessionMaker() as session:
        for table, rows in _sql_rows(models):
            session.bulk_insert_mappings(table, list(rows))
    store._dispose_engine()
    return uri


def _sql_rows(models: int) -> Iterator[tuple[Any, Iterable[dict[str, object]]]]:
    from mlflow.store.model_registry.dbmodels import models as tables

    names = [model_name(number) for number in range(models)]
    times = {"creation_time": _MILLISECONDS, "last_updated_time": _MILLISECONDS}
    stages = {VERSIONS - 1: "Production", VERSIONS: "Staging"}
    yield tables.SqlRegisteredModel, ({"name": name, **times} for name in names)
    yield (
        tables.SqlModelVersion,
        (
            {
                "name": name,
                "version": version,
                "current_stage": stages.get(version, "None"),
                "source": source_of(name, version)["uri"],
                "run_id": f"{model_number(name):016d}{version:016d}",
                "user_id": WHO.name,
                **times,
            }
            for name in names
            for version in range(1, VERSIONS + 1)
        ),
    )
    aliases = ({"name": name, "alias": "champion", "version": VERSIONS - 1} for name in names)
    yield tables.SqlRegisteredModelAlias, aliases


def mlflow_rows(work: Path, runs: int, models: int) -> Iterator[Row]:
    """Calls of both stores, and whole processes that ask for one alias."""
    os.environ.update(_QUIET)
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    from gitreg.surfaces.mlflow.store import GitregStore

    place, uri = make_git(work / "registry.git", models), make_sql(work / "mlflow.db", models)
    ours, theirs = GitregStore(f"gitreg://{place}"), SqlAlchemyStore(uri)
    begin = cpu_seconds(lambda: ours.get_registered_model(model_name(0)))
    files = [data for _, data in git_files(models)]
    floor = cpu_seconds(lambda: [yaml.load(data, yaml.CSafeLoader) for data in files])
    for what, times, call in _calls(models):
        assert _shown(call(ours)) == _shown(call(theirs)), what
        mine, other, ratio = pairs(
            lambda call=call, n=times: [call(ours) for _ in range(n)],
            lambda call=call, n=times: [call(theirs) for _ in range(n)],
            runs,
        )
        yield Row(
            f"MLflow, {what}", _each(mine / times), f"MLflow's sqlite store: {_each(other / times)}", ratio, 1
        )
    what = "MLflow, the first call ever on a registry"
    against = f"CSafeLoader on its manifests: {floor:.1f} s of CPU"
    yield Row(what, f"{begin:.1f} s of CPU", against, begin / floor, 2.5)
    yield from _process_rows(work, runs, place, uri, model_name(models // 2))


def cpu_seconds(run: Callable[[], object]) -> float:
    """The processor time that one call takes in this process."""
    begin = time.process_time()
    run()
    return time.process_time() - begin


def _calls(models: int) -> Iterator[tuple[str, int, Callable[[Any], Any]]]:
    """Of each call its name, how often it is made at a time, and how it is made."""
    name, all_versions = model_name(models // 2), models * VERSIONS
    yield "get by alias", 20, lambda store: store.get_model_version_by_alias(name, "champion")
    yield "get a version", 20, lambda store: store.get_model_version(name, 5)
    yield "latest versions", 20, lambda store: store.get_latest_versions(name)
    yield "search by name", 20, lambda store: store.search_registered_models(f"name = '{name}'")
    yield (
        "search by part of a name",
        10,
        lambda store: store.search_registered_models(f"name LIKE '%{name[-3:]}'"),
    )
    yield "search versions by name", 10, lambda store: store.search_model_versions(f"name = '{name}'")
    yield (
        "search versions by run",
        10,
        lambda store: store.search_model_versions(f"run_id = '{'1'.zfill(32)}'"),
    )
    yield "a page of 100 models", 2, lambda store: store.search_registered_models(max_results=100)
    yield (
        f"all {all_versions:,} versions",
        1,
        lambda store: store.search_model_versions(max_results=all_versions),
    )


def _shown(found: Any) -> object:
    """What both must answer alike: names, versions and stages."""
    if isinstance(found, list):
        return sorted(map(_shown, found), key=str)
    latest = getattr(found, "latest_versions", None)
    return (
        (found.name, found.version, found.current_stage, found.source)
        if latest is None
        else (found.name, _shown(latest))
    )


def _each(time: float) -> str:
    return f"{time * 1e3:.2f} ms" if time < 0.1 else f"{time:.2f} s"


def _process_rows(work: Path, runs: int, place: Path, uri: str, model: str) -> Iterator[Row]:
    os.environ.update(_QUIET)
    ENVIRONMENT.update(_QUIET)
    command = process([*GITREG, "-R", str(place), "resolve", f"{model}@champion"], work)
    client = process([*PYTHON, "-c", _CLIENT.format(uri=uri, model=model)], work)
    mine, other, ratio = pairs(command, client, max(3, runs // 3))
    yield Row(
        "a process that resolves one alias",
        _each(mine),
        f"with MLflow's client: {_each(other)}",
        ratio,
        1 / 3,
    )


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="gitreg-bench-"))
    try:
        print("| what | gitreg | against | ratio | budget |\n|---|---|---|---|---|")
        for row in mlflow_rows(work, 5 if options.quick else 15, 100 if options.quick else 1000):
            print(row.line(), flush=True)
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    sys.exit(main())
