"""Fixtures of the tests of MLflow's plug-ins. MLflow itself is imported by those that ask for it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flow_kit import copy_template, make_solo, pin

if TYPE_CHECKING:
    from mlflow_kit import Sides
    from model_kit import Logged
    from server_kit import Server

    from gitreg.surfaces.mlflow.store import GitregStore

HERE = Path(__file__).parent
#: MLflow warns of its stages, which the guides use all the same.
STAGES_ARE_OLD = "ignore:.*deprecated since 2.9.0:FutureWarning"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings(STAGES_ARE_OLD))


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the machine's configuration reaches a test, and nothing calls out."""
    pin(monkeypatch, tmp_path / "home")
    downloads = tmp_path / "home" / "tmp"  # MLflow's downloads stay until somebody deletes them
    downloads.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", os.fspath(downloads))
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("DO_NOT_TRACK", "true")


@pytest.fixture(scope="session")
def database_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's tables, which takes seconds to make and none to copy."""
    from mlflow_kit import make_database

    base = tmp_path_factory.getbasetemp()
    path = (base.parent if base.name.startswith("popen-") else base) / "mlflow-template.db"
    make_database(path)
    return path


@pytest.fixture
def tracking(database_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URI of a tracking store of one's own, which is MLflow's present one."""
    import shutil

    shutil.copyfile(database_template, tmp_path / "mlflow.db")
    return track(tmp_path / "mlflow.db", monkeypatch)


def track(database: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Makes a database MLflow's tracking store; returns its URI."""
    from mlflow.tracking._model_registry import utils as registry_utils
    from mlflow.tracking._tracking_service import utils as tracking_utils

    uri = f"sqlite:///{database}"
    monkeypatch.setattr(tracking_utils, "_tracking_uri", None)
    monkeypatch.setattr(registry_utils, "_registry_uri", None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.chdir(database.parent)  # MLflow makes folders where it runs
    return uri


@pytest.fixture(scope="session")
def sides_template(database_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same models in both stores: ``mlflow.db``, and the checkout ``solo``; a file to register."""
    from mlflow_kit import made_sides, seed

    return made_sides(database_template, tmp_path_factory.mktemp("sides"), seed)


@pytest.fixture
def sides(sides_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sides]:
    """Both stores with the same models; see ``mlflow_kit.seed``. The sqlite one is MLflow's tracking store, too."""
    import shutil

    from mlflow_kit import Sides, git_store, sql_store

    folder = tmp_path / "both"
    shutil.copytree(sides_template, folder, symlinks=True)
    track(folder / "mlflow.db", monkeypatch)
    sql = sql_store(folder / "mlflow.db")
    yield Sides(folder, sql, git_store(folder / "solo"))
    sql._dispose_engine()


@pytest.fixture(scope="module")
def shared(sides_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sides]:
    """The same for tests that change nothing: opened once."""
    import shutil

    from mlflow_kit import Sides, git_store, sql_store

    folder = tmp_path_factory.mktemp("shared") / "both"
    shutil.copytree(sides_template, folder, symlinks=True)
    sql = sql_store(folder / "mlflow.db")
    yield Sides(folder, sql, git_store(folder / "solo"))
    sql._dispose_engine()


@pytest.fixture
def store(sides: Sides) -> GitregStore:
    """The store of a registry of one person; see ``mlflow_kit.seed``."""
    return sides.git


@pytest.fixture(scope="session")
def solo_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry for one person, without an origin; its checkout is ``solo``."""
    return make_solo(tmp_path_factory.mktemp("solo"))


@pytest.fixture
def solo(solo_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of a registry of one person, which is MLflow's present registry."""
    folder = copy_template(solo_template, tmp_path / "alone") / "solo"
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", f"gitreg://{folder}")
    return folder


@pytest.fixture
def experiment(tracking: str, tmp_path: Path) -> str:
    """The id of an experiment whose artifacts are in a folder of the test's own."""
    from mlflow import MlflowClient

    return str(MlflowClient().create_experiment("guide", f"file://{tmp_path / 'runs'}"))


@pytest.fixture(scope="session")
def logged_template(
    database_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, Logged]]:
    """A tracking database with the run of ``model_kit.log_models``, and what that run made."""
    import shutil

    from model_kit import log_models

    folder = tmp_path_factory.mktemp("logged")
    shutil.copyfile(database_template, folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        yield folder / "mlflow.db", log_models(folder / "runs")


@pytest.fixture
def logged(logged_template: tuple[Path, Logged], tracking: str, tmp_path: Path) -> Logged:
    """A run that made models, in the present tracking store."""
    import shutil

    database, found = logged_template
    shutil.copyfile(database, tmp_path / "mlflow.db")
    return found


@pytest.fixture(scope="session")
def server(database_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """MLflow's server with four workers on an empty registry, a bare repository; alice and eve are its users."""
    import shutil

    import server_kit as kit

    folder = tmp_path_factory.mktemp("server")
    shutil.copyfile(database_template, folder / "mlflow.db")
    uri = f"gitreg://{kit.make_registry(folder)}"
    with kit.running(folder, uri, workers=4, environment=kit.environment(folder)) as found:
        for user in ("alice", "eve"):
            kit.call(found, "2.0/mlflow/users/create", {"username": user, "password": kit.PASSWORD})
            rights = {"username": user, "is_admin": True}
            kit.call(found, "2.0/mlflow/users/update-admin", rights, method="PATCH")
        yield found
