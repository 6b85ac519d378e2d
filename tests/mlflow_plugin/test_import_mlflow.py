"""A populated MLflow registry is imported, and MLflow's own client finds the same on both sides."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flow_kit import SOLO_POLICY, SOLO_REGISTRY, Desk, fast_import, git, make_template, rules
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion, RegisteredModel

from gitreg.core.plan.imports import LeftOut
from gitreg.errors import NotFound, UsageError
from gitreg.flows.change import approve, merge
from gitreg.flows.importing import Imported, import_models
from gitreg.flows.propose import Proposed
from gitreg.surfaces.cli.main import run
from gitreg.surfaces.mlflow import client, reading
from gitreg.surfaces.mlflow.reading import MlflowSource

#: MLflow's stages as policy's; several versions may be in one.
POLICY = SOLO_POLICY.replace(", holds: 1, replaced: archived", "")


def write_model(folder: Path, content: str) -> None:
    """A small model as MLflow lays one out."""
    folder.mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n")
    (folder / "model.pkl").write_text(content)
    (folder / "requirements.txt").write_text("scikit-learn==1.7.0\n")


def populate(client: MlflowClient, folder: Path) -> None:
    """Models with gaps, stages, aliases, tags, descriptions and runs; and a prompt."""
    experiment = client.create_experiment("credit", artifact_location=f"file://{folder}/artifacts")
    for name, count in (("credit-risk", 5), ("売上予測", 2)):
        client.create_registered_model(name, {"team": "risk", "empty": ""}, f"About {name}")
        for number in range(1, count + 1):
            run = client.create_run(experiment, run_name=f"run {number}")
            client.log_param(run.info.run_id, "depth", number)
            client.log_metric(run.info.run_id, "auc", 0.5 + number / 16)
            place = f"{run.info.artifact_uri}/model"
            write_model(Path(place.removeprefix("file://")), f"{name} {number}")
            client.create_model_version(
                name, place, run.info.run_id, {"n": str(number)}, description=f"Version {number}"
            )
    client.delete_model_version("credit-risk", "2")
    client.delete_model_version("売上予測", "1")
    for name, number, stage in (
        ("credit-risk", "1", "Archived"),
        ("credit-risk", "3", "Production"),
        ("credit-risk", "4", "Staging"),
        ("売上予測", "2", "Production"),
    ):
        client.transition_model_version_stage(name, number, stage)
    client.set_registered_model_alias("credit-risk", "champion", "3")
    client.set_registered_model_alias("credit-risk", "Challenger", "4")
    client.set_registered_model_alias("売上予測", "champion", "2")
    client.copy_model_version("models:/credit-risk/3", "credit-risk-live")
    client.create_registered_model("without versions")
    client.register_prompt("greeting", "Hello {{name}}")


@pytest.fixture(scope="session")
def there_template(database_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A populated registry, made once."""
    folder = tmp_path_factory.mktemp("there")
    shutil.copyfile(database_template, folder / "mlflow.db")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        populate(MlflowClient(uri, uri), folder)
    return folder


@dataclass(frozen=True)
class There:
    """A populated registry of one's own: its URI, and where its runs' files are."""

    uri: str
    artifacts: Path

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(self.uri, self.uri)


@pytest.fixture
def there(there_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> There:
    """Its database is a copy; its files are not, so what breaks them moves the database's idea of them."""
    shutil.copyfile(there_template / "mlflow.db", tmp_path / "there.db")
    monkeypatch.chdir(tmp_path)
    return There(f"sqlite:///{tmp_path / 'there.db'}", there_template / "artifacts")


@pytest.fixture
def here(tmp_path: Path, keys: Path) -> Iterator[Desk]:
    """An empty registry of one person, in ``solo``."""
    folder = tmp_path / "here"
    solo = folder / "solo"
    solo.mkdir(parents=True)
    git(solo, "init", "-q", "--initial-branch=main")
    fast_import(solo, [("Begin the registry", rules(POLICY, SOLO_REGISTRY))])
    git(solo, "config", "user.name", "Dan")
    git(solo, "config", "user.email", "dan@example.com")
    git(solo, "reset", "-q", "--hard")
    desk = Desk(folder, keys)
    yield desk
    desk.close()


def brought(desk: Desk, there: There, folder: str = "solo", **said: Any) -> Imported:
    return import_models(desk(folder), MlflowSource(there.uri), **said)


def model_facts(model: RegisteredModel) -> dict[str, object]:
    return {
        "name": model.name,
        "description": model.description or None,
        "tags": model.tags,
        "aliases": {alias: str(version) for alias, version in model.aliases.items()},
        "latest": {(each.current_stage, str(each.version)) for each in model.latest_versions},
    }


def version_facts(version: ModelVersion) -> dict[str, object]:
    return {
        "name": version.name,
        "version": str(version.version),
        "created": version.creation_timestamp // 1000,
        "description": version.description,
        "tags": version.tags,
        "stage": version.current_stage,
        "source": version.source,
        "run": version.run_id,
        "link": version.run_link or None,
        "status": version.status,
        "aliases": sorted(version.aliases),
    }


def files_of(client: MlflowClient, version: ModelVersion, folder: Path) -> dict[str, bytes]:
    """The bytes of a version as MLflow downloads them."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    place = client.get_model_version_download_uri(version.name, str(version.version))
    folder.mkdir()
    got = Path(get_artifact_repository(place).download_artifacts("", os.fspath(folder)))
    return {path.relative_to(got).as_posix(): path.read_bytes() for path in got.rglob("*") if path.is_file()}


def everything(client: MlflowClient) -> tuple[list[object], list[object]]:
    models = [model_facts(model) for model in client.search_registered_models()]
    # A search of MLflow's own store lists no aliases; only a look-up does.
    found = (client.get_model_version(v.name, str(v.version)) for v in client.search_model_versions())
    versions = sorted((version_facts(version) for version in found), key=str)
    return sorted(models, key=str), list(versions)


def test_mlflow_finds_the_same_on_both_sides_and_a_second_import_does_nothing(
    there: There, here: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, size in (("MODELS_PER_PAGE", 1), ("VERSIONS_PER_PAGE", 2)):
        monkeypatch.setattr(reading, name, size)
    found = brought(here, there)
    assert (len(found.changes), found.here, found.notes) == (4, 0, ())
    assert found.left == (LeftOut("greeting", "it is a prompt, and those stay in MLflow"),)
    ours = MlflowClient(there.uri, f"gitreg://{here.root / 'solo'}")
    assert everything(ours) == everything(there.client)
    for name, number in (("credit-risk", "3"), ("売上予測", "2"), ("credit-risk-live", "1")):
        both = (client.get_model_version(name, number) for client in (ours, there.client))
        mine, theirs = (
            files_of(client, version, tmp_path / f"{name}-{n}")
            for n, (client, version) in enumerate(zip((ours, there.client), both, strict=True))
        )
        assert mine == theirs
    records_keep_what_the_runs_say(here, there)
    with here.unchanged("solo"):
        again = brought(here, there)
    assert (again.changes, again.models, again.here) == ((), {}, 6)


def records_keep_what_the_runs_say(here: Desk, there: There) -> None:
    _, snapshot = here("solo").current()
    record = snapshot.demand_record("credit-risk", 4)
    assert (record.params, record.metrics) == ({"depth": "4"}, {"auc": 0.75})
    assert record.environment == {"requirements": ["scikit-learn==1.7.0"]}
    run = record.source["run"]
    assert isinstance(run, dict)
    assert (run["name"], run["experiment"]) == ("run 4", "credit")
    origin = record.imported_from
    assert origin is not None
    assert (origin.system, origin.registry, origin.model, origin.version) == (
        "mlflow",
        there.uri,
        "credit-risk",
        "4",
    )


def test_a_team_imports_with_one_request(there: There, tmp_path: Path, keys: Path) -> None:
    public = {path.stem: path.read_text().strip() for path in keys.glob("*.pub")}
    folder = tmp_path / "team"
    folder.mkdir()
    desk = Desk(make_template(folder, public), keys)
    found = brought(desk, there, "bo", only=["売上予測"])
    (change,) = found.changes
    assert isinstance(change, Proposed)
    assert change.request.title == "Import 売上予測 (1 version) from mlflow"
    approve(desk("alice"), change.request.id)
    merge(desk("bo"), change.request.id)
    assert desk.now_on().stage_of("売上予測", 2) == "production"
    assert brought(desk, there, "bo", only=["売上予測"]).changes == ()
    desk.close()


def forget(there: There, number: str) -> None:
    """The files of a version are gone, as far as its registry knows where they were."""
    import sqlite3

    database = sqlite3.connect(there.uri.removeprefix("sqlite:///"))
    database.execute(
        "UPDATE model_versions SET source = source || '-gone', storage_location = storage_location || '-gone'"
        " WHERE name = 'credit-risk' AND version = ?",
        (int(number),),
    )
    database.commit()
    database.close()


def test_a_version_whose_files_are_gone_is_told_or_only_its_address_kept(there: There, here: Desk) -> None:
    forget(there, "5")
    found = brought(here, there, only=["credit-risk"])
    assert found.models == {"credit-risk": (1, 3, 4)}
    (left,) = found.left
    assert left.subject == "credit-risk/5"
    assert "artifacts/model-gone" in left.why
    source = MlflowSource(there.uri, external=True)
    again = import_models(here("solo"), source, only=["credit-risk"])
    assert (again.models, again.left) == ({"credit-risk": (5,)}, ())
    assert "only its address is registered" in again.notes[0].why
    record = here("solo").current()[1].demand_record("credit-risk", 5)
    assert record.artifact.format == "external"
    assert record.artifact.uri is not None
    assert record.artifact.uri.endswith("artifacts/model-gone")
    assert record.metrics == {"auc": 0.8125}


def test_a_run_that_is_gone_keeps_nobody_from_coming(there: There, here: Desk) -> None:
    import sqlite3

    run_id = there.client.get_model_version("credit-risk", "1").run_id
    database = sqlite3.connect(there.uri.removeprefix("sqlite:///"))
    for table in ("params", "metrics", "latest_metrics", "tags", "runs"):
        database.execute(f"DELETE FROM {table} WHERE run_uuid = ?", (run_id,))
    database.commit()
    database.close()
    found = brought(here, there, only=["credit-risk"])
    assert found.models == {"credit-risk": (1, 3, 4, 5)}
    assert [note.subject for note in found.notes] == ["credit-risk/1"]
    record = here("solo").current()[1].demand_record("credit-risk", 1)
    assert record.source["run"] == {"system": "mlflow", "id": run_id}
    assert record.params == {}


class TestCommand:
    def test_json_says_what_was_brought_and_left(
        self, there: There, here: Desk, capsys: pytest.CaptureFixture[str]
    ) -> None:
        solo = os.fspath(here.root / "solo")
        command = ["-C", solo, "import", "mlflow", "--tracking-uri", there.uri, "--format", "json"]
        assert run([*command, "--dry-run"]) == 1
        planned = json.loads(capsys.readouterr().out)
        assert planned["models"]["credit-risk"] == [1, 3, 4, 5]
        assert planned["changes"] == []
        assert run(command) == 1
        told = json.loads(capsys.readouterr().out)
        assert told["models"] == planned["models"]
        first = told["changes"][0]
        assert first["title"] == "Import credit-risk (4 versions) from mlflow"
        assert first["landed"]
        assert told["left"] == [{"subject": "greeting", "why": "it is a prompt, and those stay in MLflow"}]

    def test_text_is_for_people(self, there: There, here: Desk, capsys: pytest.CaptureFixture[str]) -> None:
        solo = os.fspath(here.root / "solo")
        command = ["-C", solo, "import", "mlflow", "--tracking-uri", there.uri, "--model", "credit-risk-live"]
        assert run(command) == 0
        out = capsys.readouterr().out
        assert "Imported 1 version of 1 model; 0 versions were here already" in out
        assert "Import credit-risk-live (1 version) from mlflow: landed as" in out
        assert run(command) == 0
        assert "Imported 0 versions of 0 models; 1 version was here already" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("options", "code", "says"),
        [
            ([], 2, "it is not said which MLflow to read"),
            (
                ["--tracking-uri", "sqlite:////nowhere/mlflow.db"],
                1,
                "there is no database '/nowhere/mlflow.db'",
            ),
            (["--tracking-uri", "THERE", "--model", "nobody"], 1, "has no model 'nobody'"),
            (["--tracking-uri", "nosuch://x"], 2, "nosuch"),
        ],
    )
    def test_mistakes_are_told(
        self,
        there: There,
        here: Desk,
        capsys: pytest.CaptureFixture[str],
        options: list[str],
        code: int,
        says: str,
    ) -> None:
        words = [there.uri if word == "THERE" else word for word in options]
        assert run(["-C", os.fspath(here.root / "solo"), "import", "mlflow", *words]) == code
        assert says in capsys.readouterr().err


def test_mlflow_is_asked_for_by_name() -> None:
    with pytest.raises(UsageError, match="which MLflow"):
        MlflowSource()
    with pytest.raises(NotFound, match="there is no database"):
        MlflowSource("sqlite:///nowhere.db")


def test_without_mlflow_it_is_said_what_to_install(
    here: Desk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    assert run(["-C", os.fspath(here.root / "solo"), "import", "mlflow", "--tracking-uri", "http://x"]) == 2
    assert "run pip install 'gitreg[mlflow]'" in capsys.readouterr().err


def test_without_all_of_mlflow_it_is_said_what_databases_take(
    here: Desk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "find_spec", lambda _: None)
    solo = os.fspath(here.root / "solo")
    for command in (["import", "mlflow"], ["export", "mlflow"]):
        for uri in ("sqlite:////data/mlflow.db", "postgresql+psycopg2://db/mlflow"):
            assert run(["-C", solo, *command, "--tracking-uri", uri]) == 2
            assert capsys.readouterr().err == (
                "gitreg: mlflow-skinny has no access to databases\n  hint: run pip install mlflow\n"
            )
