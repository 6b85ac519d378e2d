"""What the tests of MLflow's plug-ins share: registries to work on, a tracking store, and MLflow's own registry store.

Everything is real: MLflow, its sqlite store, git, DVC. What MLflow's own store answers is what is expected.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flow_kit import (
    BEGIN,
    SOLO_POLICY,
    SOLO_REGISTRY,
    bytes_of,
    fast_import,
    git,
    registration,
    rules,
    store_object,
)
from mlflow.entities.model_registry import ModelVersion, ModelVersionTag, RegisteredModel, RegisteredModelTag
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ErrorCode
from mlflow.store.model_registry import sqlalchemy_store
from mlflow.store.model_registry.abstract_store import AbstractStore
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

from gitreg.core.plan.alias import plan_set_alias
from gitreg.core.plan.plan import Plan
from gitreg.core.plan.register import NewModel, Registration, plan_model, plan_register
from gitreg.core.plan.transition import plan_promote
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import MemoryTree
from gitreg.surfaces.mlflow.store import GitregStore

#: A policy that lets everything happen that MLflow's own store lets happen, and happen as there.
OPEN_POLICY = SOLO_POLICY.replace(", holds: 1", "").replace(
    "{name: staging}", "{name: staging, replaced: archived}"
)


def make_database(path: Path) -> None:
    """A sqlite database with all of MLflow's tables, made once for all test processes."""
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            draft = path.with_suffix(".draft")
            store = SqlAlchemyStore(f"sqlite:///{draft}")
            store._dispose_engine()
            os.replace(draft, path)


def sql_store(database: Path) -> SqlAlchemyStore:
    """MLflow's own registry store."""
    return SqlAlchemyStore(f"sqlite:///{database}")


def git_store(place: Path, **settings: str) -> GitregStore:
    """The store of a registry."""
    query = "&".join(f"{key}={value}" for key, value in settings.items())
    return GitregStore(f"gitreg://{place}{'?' + query if query else ''}")


@dataclass(frozen=True)
class Sides:
    """The same models in both stores, in a folder of one's own."""

    folder: Path
    sql: SqlAlchemyStore
    git: GitregStore

    @property
    def place(self) -> Path:
        """The checkout of the registry."""
        return self.folder / "solo"

    @property
    def model(self) -> str:
        """The path of a file that may be registered."""
        return os.fspath(self.folder / "model.pkl")

    def __iter__(self) -> Iterator[AbstractStore]:
        return iter((self.sql, self.git))

    def ask(self, call: Callable[[AbstractStore], Any]) -> tuple[object, object]:
        """What gitreg's store answers, and what MLflow's does."""
        return answer(call, self.git), sql_answer(call, self.sql)

    def demand_same_without_change(self, call: Callable[[AbstractStore], Any]) -> None:
        """Asserts that both stores answer alike, and that nothing has landed for it."""
        before = git(self.place, "rev-parse", "HEAD")
        said, expected = self.ask(call)
        assert said == expected
        assert git(self.place, "rev-parse", "HEAD") == before


class Seed:
    """The same history for both stores, an hour a step: MLflow's calls for one, commits for the other.

    It is there in no time: nothing is uploaded, and the commits are made all at once.
    """

    def __init__(self, sql: SqlAlchemyStore, policy: str = OPEN_POLICY) -> None:
        self._sql = sql
        self._commits: list[tuple[str, Mapping[str, bytes | None]]] = []
        self._files: dict[str, bytes] = {}
        self._commit("Begin the registry", rules(policy, SOLO_REGISTRY))

    @property
    def now(self) -> datetime:
        """The moment of the next step."""
        return BEGIN + timedelta(hours=len(self._commits))

    def _commit(self, title: str, edits: Mapping[str, bytes | None]) -> None:
        self._commits.append((title, edits))
        self._files.update({path: data for path, data in edits.items() if data is not None})

    def _step(self, call: Callable[[SqlAlchemyStore], object], plan: Callable[[Snapshot], Plan]) -> None:
        with pytest.MonkeyPatch.context() as patch:
            milliseconds = int(self.now.timestamp() * 1000)
            patch.setattr(sqlalchemy_store, "get_current_time_millis", lambda: milliseconds)
            call(self._sql)
        made = plan(Snapshot(MemoryTree(self._files)))
        self._commit(made.title, made.edits)

    def model(self, name: str, tags: Mapping[str, str] = {}, description: str | None = None) -> None:
        new = NewModel(description=description, tags=tags)
        self._step(
            lambda sql: sql.create_registered_model(name, model_tags(tags), description),
            lambda snapshot: plan_model(snapshot, name, new),
        )

    def version(
        self,
        model: str,
        source: str | None = "s3://bucket/model",
        run: str | None = None,
        tags: Mapping[str, str] = {},
        description: str | None = None,
    ) -> None:
        said = {"uri": source, "run": {"system": "mlflow", "id": run} if run else None}
        asked = Registration(
            **{  # type: ignore[arg-type]
                **vars(registration(model, 1)),
                "metrics": {},
                "created_at": self.now,
                "nonce": "again",
                "source": {key: value for key, value in said.items() if value is not None},
                "tags": tags,
                "description": description,
            }
        )
        self._step(
            lambda sql: sql.create_model_version(model, source, run, version_tags(tags), None, description),
            lambda snapshot: plan_register(snapshot, asked),
        )

    def stage(self, model: str, version: int, stage: str) -> None:
        self._step(
            lambda sql: sql.transition_model_version_stage(model, version, stage, False),
            lambda snapshot: plan_promote(snapshot, model, version, stage),
        )

    def alias(self, model: str, alias: str, version: int) -> None:
        self._step(
            lambda sql: sql.set_registered_model_alias(model, alias, version),
            lambda snapshot: plan_set_alias(snapshot, model, alias, version),
        )

    def write(self, folder: Path) -> None:
        """Makes the registry; see :func:`make_checkout`."""
        make_checkout(folder, self._commits)


def make_checkout(folder: Path, commits: list[tuple[str, Mapping[str, bytes | None]]]) -> Path:
    """A checkout ``solo`` with these commits, an hour apart, and its DVC remote beside it."""
    solo = folder / "solo"
    git(folder, "init", "-q", "--initial-branch=main", os.fspath(solo))
    fast_import(solo, commits)
    for number in (1, 2, 3):
        store_object(folder / "artifacts", bytes_of(number))
    git(solo, "config", "user.name", "Dan")
    git(solo, "config", "user.email", "dan@example.com")
    git(solo, "reset", "-q", "--hard")
    return solo


def made_sides(database: Path, folder: Path, fill: Callable[[Seed], None]) -> Path:
    """Both stores with what a function puts into them, and a file to register: what :class:`Sides` is of."""
    shutil.copyfile(database, folder / "mlflow.db")
    (folder / "model.pkl").write_bytes(b"model")
    sql = sql_store(folder / "mlflow.db")
    has = Seed(sql)
    fill(has)
    has.write(folder)
    sql._dispose_engine()
    return folder


def seed(has: Seed) -> None:
    """Two models: one with five versions in all stages, with aliases, tags and a description; one with nothing."""
    has.model("credit-risk", {"team": "risk"}, "who pays back")
    has.model("churn")
    has.version("credit-risk", tags={"a": "1", "b": "x"}, description="one")
    for _ in range(4):
        has.version("credit-risk")
    for version, stage in ((1, "Archived"), (2, "Production"), (3, "Production"), (4, "Staging")):
        has.stage("credit-risk", version, stage)
    for alias, version in (("champion", 3), ("best", 3), ("challenger", 5)):
        has.alias("credit-risk", alias, version)


def model_tags(tags: Mapping[str, str]) -> list[RegisteredModelTag]:
    return [RegisteredModelTag(key, value) for key, value in tags.items()]


def version_tags(tags: Mapping[str, str]) -> list[ModelVersionTag]:
    return [ModelVersionTag(key, value) for key, value in tags.items()]


#: What is of the registry alone, or of the moment; and what MLflow's SQL store does not fill in.
_OWN = frozenset({"creation_timestamp", "last_updated_timestamp", "user_id", "params", "metrics", "model_id"})


def plain(value: object) -> object:
    """An answer as it can be compared: entities as dictionaries, without what every store has of its own."""
    if isinstance(value, RegisteredModel | ModelVersion):
        facts = {key: plain(each) for key, each in dict(value).items() if key not in _OWN}
        if isinstance(value, RegisteredModel):
            # MLflow's SQL store does not say which aliases these have.
            facts["latest_versions"] = [
                {**version, "aliases": []}  # type: ignore[dict-item]
                for version in sorted(facts["latest_versions"], key=lambda v: v["version"])  # type: ignore[arg-type,call-overload,return-value]
            ]
        return facts
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value


def answer(call: Callable[[AbstractStore], Any], store: AbstractStore) -> object:
    """What a store says to a call: its answer, or the code of its error."""
    try:
        return plain(call(store))
    except MlflowException as error:
        return f"error: {error.error_code}"


def sql_answer(call: Callable[[AbstractStore], Any], store: AbstractStore) -> object:
    """What MLflow's own store says; bad input, for which it has no code or none that a client may act on, has one."""
    try:
        found = answer(call, store)
    except (AttributeError, TypeError, ValueError):
        return "error: INVALID_PARAMETER_VALUE"
    return "error: INVALID_PARAMETER_VALUE" if found == "error: INTERNAL_ERROR" else found


def code(error: MlflowException) -> str:
    """The name of an error's code, known to be none that MLflow's client repeats."""
    assert ErrorCode.Value(error.error_code)
    assert error.get_http_status_code() < 500
    return str(error.error_code)


def names(found: Iterable[Any]) -> list[str]:
    return [each.name for each in found]
