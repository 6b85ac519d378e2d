"""Fixtures of the tests of MLflow's plug-ins. MLflow itself is imported by those that ask for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flow_kit import pin

if TYPE_CHECKING:
    from mlflow_kit import Seed, Sides

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

    from mlflow.tracking._model_registry import utils as registry_utils
    from mlflow.tracking._tracking_service import utils as tracking_utils

    shutil.copyfile(database_template, tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setattr(tracking_utils, "_tracking_uri", None)
    monkeypatch.setattr(registry_utils, "_registry_uri", None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.chdir(tmp_path)  # MLflow makes folders where it runs
    return uri


@pytest.fixture(scope="session")
def sides_template(database_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same models in both stores: ``mlflow.db``, and the checkout ``solo``; a file to register."""
    from mlflow_kit import seed

    return made_sides(database_template, tmp_path_factory.mktemp("sides"), seed)


def made_sides(database: Path, folder: Path, seed: Callable[[Seed], None]) -> Path:
    """Both stores with what a function puts into them."""
    import shutil

    from mlflow_kit import Seed, sql_store

    shutil.copyfile(database, folder / "mlflow.db")
    (folder / "model.pkl").write_bytes(b"model")
    sql = sql_store(folder / "mlflow.db")
    has = Seed(sql)
    seed(has)
    has.write(folder)
    sql._dispose_engine()
    return folder


@pytest.fixture
def sides(sides_template: Path, tracking: str, tmp_path: Path) -> Iterator[Sides]:
    """Both stores with the same models; see ``mlflow_kit.seed``."""
    import shutil

    from mlflow_kit import Sides, git_store, sql_store

    folder = tmp_path / "both"
    shutil.copytree(sides_template, folder, symlinks=True)
    sql = sql_store(folder / "mlflow.db")
    yield Sides(sql, git_store(folder / "solo"), str(folder / "model.pkl"))
    sql._dispose_engine()


@pytest.fixture
def store(sides: Sides) -> GitregStore:
    """The store of a registry of one person; see ``mlflow_kit.seed``."""
    return sides.git
