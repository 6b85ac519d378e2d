"""``gitreg export mlflow``: real MLflow on sqlite, compared entity by entity with the registry."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flow_kit import SOLO_POLICY, SOLO_REGISTRY, bytes_of, fast_import, git, registration, rules, store_object

from gitreg.api import Registry, open_registry
from gitreg.core.plan.alias import plan_set_alias
from gitreg.core.plan.annotate import plan_annotate
from gitreg.core.plan.delete import plan_delete_version
from gitreg.core.plan.evidence import NewEvidence, plan_evidence
from gitreg.core.plan.plan import Plan
from gitreg.core.plan.register import NewModel, plan_register
from gitreg.core.plan.transition import plan_promote
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import MemoryTree
from gitreg.surfaces.cli.main import run
from gitreg.surfaces.mlflow.client import client_to_write
from gitreg.surfaces.mlflow.exporting import ExportedModel, Exporter

if TYPE_CHECKING:
    from mlflow import MlflowClient

DIGEST = "sha256:" + "d" * 64


class Grown:
    """A registry that grows by plans, written as commits all at once."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.commits: list[tuple[str, Mapping[str, bytes | None]]] = []
        self._edit(
            "Begin", rules(SOLO_POLICY.replace("stages:\n", "stages:\n  - {name: canary}\n"), SOLO_REGISTRY)
        )

    @property
    def now(self) -> Snapshot:
        return Snapshot(MemoryTree(self.files))

    def __call__(self, plan: Plan) -> None:
        self._edit(plan.title, plan.edits)

    def _edit(self, title: str, edits: Mapping[str, bytes | None]) -> None:
        self.commits.append((title, edits))
        for path, data in edits.items():
            self.files.pop(path, None) if data is None else self.files.update({path: data})

    def write(self, folder: Path) -> None:
        git(folder, "init", "-q", "--initial-branch=main", "solo")
        fast_import(folder / "solo", self.commits)
        git(folder / "solo", "config", "user.name", "Dan")
        git(folder / "solo", "config", "user.email", "dan@example.com")
        git(folder / "solo", "reset", "-q", "--hard")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models of every sort; nobody writes to it."""
    folder = tmp_path_factory.mktemp("export")
    grown = Grown()
    source = {
        "repo": "https://git.example.com/risk",
        "commit": "abc123",
        "data": [{"name": "train", "digest": "0a1b2c"}, {"name": "wide", "digest": DIGEST}],
        "run": {"system": "mlflow", "id": "run7", "tags": {"team": "risk"}},
    }
    said: dict[str, Any] = {"params": {"depth": 3, "flat": True, "none": None}, "source": source}
    for number in (1, 2, 3, 4, 5):
        new = NewModel(description="Who pays back.", tags={"tier": "1"})
        grown(
            plan_register(
                grown.now, registration("credit-risk", number, create=new, tags={"n": str(number)}, **said)
            )
        )
    grown(
        plan_annotate(
            grown.now, "credit-risk", 1, {("description",): "The first.", ("deprecated",): {"reason": "old"}}
        )
    )
    for number in (2, 4):
        grown(plan_delete_version(grown.now, "credit-risk", number, "wrong", grown_at()))
    grown(plan_promote(grown.now, "credit-risk", 3, "production"))
    grown(plan_promote(grown.now, "credit-risk", 5, "canary"))
    grown(plan_set_alias(grown.now, "credit-risk", "Champion", 3))
    evidence = NewEvidence(
        "holdout", "holdout", DIGEST, {"auc": 0.9}, registration("m", 1).created_by, grown_at()
    )
    grown(plan_evidence(grown.now, "credit-risk", 3, evidence))
    for number, version in ((6, "0.9.0"), (7, "1.0.0-rc.1")):
        grown(
            plan_register(
                grown.now, registration("churn", number, version=version, create=NewModel(scheme="semver"))
            )
        )
    odd = registration(
        "odd", 8, create=NewModel(), tags={"team@x": "y", "ok": "z"}, params={"a&b": 1, "c": 2}
    )
    grown(plan_register(grown.now, odd))
    grown.write(folder)
    for number in range(1, 9):
        store_object(folder / "artifacts", bytes_of(number))
    return folder


def grown_at() -> Any:
    return registration("m", 1).created_at


@pytest.fixture
def registry(template: Path, tmp_path: Path) -> Registry:
    shutil.copytree(template, tmp_path / "registry", symlinks=True)
    return open_registry(tmp_path / "registry/solo")


@pytest.fixture
def client(tracking: str) -> MlflowClient:
    return client_to_write(tracking)


def exported(
    registry: Registry, client: MlflowClient, name: str = "credit-risk", **said: Any
) -> ExportedModel:
    with registry:
        return Exporter(registry, client, **said).export(name)


def runs_of(client: MlflowClient) -> list[Any]:
    """The runs that exports made."""
    experiment = client.get_experiment_by_name("gitreg export")
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id]))


def numbers_of(client: MlflowClient) -> list[int]:
    """The numbers that MLflow's model has."""
    return sorted(int(each.version) for each in client.search_model_versions("name='credit-risk'"))


def test_versions_keep_their_numbers_and_all_that_is_said(
    registry: Registry, client: MlflowClient, tracking: str, tmp_path: Path
) -> None:
    from mlflow.artifacts import download_artifacts

    done = exported(registry, client)
    assert [(each.version, each.number, each.is_new) for each in done.versions] == [
        (1, "1", True),
        (3, "3", True),
        (5, "5", True),
    ]
    model = client.get_registered_model("credit-risk")
    assert model.description == "Who pays back."
    assert model.tags == {"tier": "1", "gitreg.registry": registry.snapshot.registry().id}
    assert {alias: int(version) for alias, version in model.aliases.items()} == {"Champion": 3}
    found = {int(each.version): each for each in client.search_model_versions("name='credit-risk'")}
    assert {number: each.current_stage for number, each in found.items()} == {
        1: "None",
        3: "Production",
        5: "None",
    }
    assert found[1].description == "The first."
    assert found[1].tags["gitreg.deprecated"] == "old"
    assert found[5].tags["gitreg.stage"] == "canary"
    assert found[3].tags == {
        "n": "3",
        "gitreg.version": "3",
        "gitreg.digest": registry.version("credit-risk/3").record.artifact.digest,
        "gitreg.format": "onnx",
        "gitreg.created_at": "2026-11-20T10:00:00Z",
        "gitreg.created_by": "Dan <dan@example.com>",
    }
    run_ = client.get_run(found[3].run_id)
    assert (run_.info.run_name, run_.info.status) == ("credit-risk/3", "FINISHED")
    assert run_.data.metrics == {"roc_auc": 0.9}
    assert run_.data.params == {"depth": "3", "flat": "true", "none": ""}
    assert run_.data.tags["team"] == "risk"
    assert run_.data.tags["mlflow.source.git.commit"] == "abc123"
    assert run_.data.tags["gitreg.run.id"] == "run7"
    assert run_.inputs is not None
    assert [(each.dataset.name, each.dataset.digest) for each in run_.inputs.dataset_inputs] == [
        ("train", "0a1b2c")
    ]
    got = os.fspath(tmp_path / "got")
    place = Path(download_artifacts(artifact_uri=found[3].source, dst_path=got, tracking_uri=tracking))
    assert (place.name, place.read_bytes()) == ("model.onnx", bytes_of(3))
    kept = download_artifacts(
        run_id=found[3].run_id, artifact_path="gitreg/version.yaml", tracking_uri=tracking
    )
    manifest = registry.snapshot.blob("models/credit-risk/versions/3/version.yaml")
    assert manifest is not None
    assert Path(kept).read_bytes() == manifest.data
    assert done.left == ()
    assert [(note.subject, note.why.partition(":")[0]) for note in done.notes] == [
        ("credit-risk/1", "the data set 'wide'"),
        ("credit-risk/3", "the data set 'wide'"),
        ("credit-risk/3", "MLflow has no place for its evidence (holdout)"),
        ("credit-risk/5", "the data set 'wide'"),
        ("credit-risk/5", "it is in canary, and MLflow has no such stage; its tag gitreg.stage says so"),
    ]


def test_second_export_brings_up_to_date(registry: Registry, client: MlflowClient, tmp_path: Path) -> None:
    exported(registry, client)
    runs = runs_of(client)
    client.set_model_version_tag("credit-risk", "3", "seen", "there")
    client.set_model_version_tag("credit-risk", "3", "gitreg.stage", "canary")
    again = exported(registry, client)
    assert [each.is_new for each in again.versions] == [False] * 3
    commands = (
        ["alias", "set", "credit-risk", "Champion", "5"],
        ["demote", "credit-risk/3"],
        ["version", "note", "credit-risk/1", "--description", "Worn out."],
    )
    assert [run(["-C", os.fspath(tmp_path / "registry/solo"), *each]) for each in commands] == [0, 0, 0]
    exported(open_registry(tmp_path / "registry/solo"), client)
    assert int(client.get_model_version_by_alias("credit-risk", "Champion").version) == 5
    third = client.get_model_version("credit-risk", "3")
    assert third.current_stage == "Archived"
    assert third.tags["seen"] == "there"
    assert "gitreg.stage" not in third.tags
    assert client.get_model_version("credit-risk", "1").description == "Worn out."
    assert len(runs_of(client)) == len(runs) == 3


def test_semver_versions_get_numbers_in_their_order(registry: Registry, client: MlflowClient) -> None:
    done = exported(registry, client, "churn")
    assert [(each.version, each.number) for each in done.versions] == [("0.9.0", "1"), ("1.0.0-rc.1", "2")]
    assert client.get_model_version("churn", "2").tags["gitreg.version"] == "1.0.0-rc.1"


def test_what_mlflow_does_not_take_is_told(registry: Registry, client: MlflowClient) -> None:
    done = exported(registry, client, "odd")
    assert [each.number for each in done.versions] == ["1"]
    assert [left.subject for left in done.left] == ["odd/1"]
    assert "the tag 'team@x': MLflow does not take it" in done.left[0].why
    assert [note.why.partition(":")[0] for note in done.notes] == ["param 'a&b'"]
    version = client.get_model_version("odd", "1")
    assert version.tags["ok"] == "z"
    assert client.get_run(version.run_id or "").data.params == {"c": "2"}


def test_number_that_was_used_up_is_told(registry: Registry, client: MlflowClient) -> None:
    client.create_registered_model("credit-risk", {"gitreg.registry": registry.snapshot.registry().id})
    for _ in range(2):
        client.create_model_version("credit-risk", "s3://somewhere")
    client.delete_model_version("credit-risk", "2")
    client.delete_model_version("credit-risk", "1")
    done = exported(registry, client)
    assert [(each.version, each.number) for each in done.versions] == [(1, "3"), (3, "4"), (5, "5")]


def test_dry_run_writes_nothing(registry: Registry, client: MlflowClient) -> None:
    done = exported(registry, client, dry_run=True)
    assert [(each.version, each.number, each.is_new) for each in done.versions] == [
        (1, "1", True),
        (3, "3", True),
        (5, "5", True),
    ]
    assert client.search_registered_models() == []
    assert client.get_experiment_by_name("gitreg export") is None


def test_export_that_died_goes_on(
    registry: Registry, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = client.create_model_version
    made: list[str] = []

    def dies(*args: Any, **said: Any) -> Any:
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(args[0])
        return real(*args, **said)

    with monkeypatch.context() as patch:
        patch.setattr(client, "create_model_version", dies)
        with pytest.raises(KeyboardInterrupt):
            exported(registry, client)
    assert numbers_of(client) == [1, 2]
    done = exported(registry, client)
    assert [(each.version, each.number) for each in done.versions] == [(1, "1"), (3, "3"), (5, "5")]
    assert numbers_of(client) == [1, 3, 5]
    assert len(runs_of(client)) == 3  # the run that was finished before is used


def test_model_of_somebody_else_is_left_alone(registry: Registry, client: MlflowClient) -> None:
    client.create_registered_model("credit-risk", {"mine": "yes"}, "Mine.")
    done = exported(registry, client)
    assert done.versions == ()
    assert "is not from this registry" in done.left[0].why
    assert client.get_registered_model("credit-risk").tags == {"mine": "yes"}


def test_numbers_that_are_taken_are_told(registry: Registry, client: MlflowClient) -> None:
    client.create_registered_model("credit-risk", {"gitreg.registry": registry.snapshot.registry().id})
    for _ in range(2):
        client.create_model_version("credit-risk", "s3://somewhere")
    done = exported(registry, client)
    assert [(each.version, each.number) for each in done.versions] == [(1, "3"), (3, "4"), (5, "5")]
    told = [note.why for note in done.notes if "gives it the number" in note.why]
    assert told == [
        "MLflow gives it the number 3; its tag gitreg.version has its own",
        "MLflow gives it the number 4; its tag gitreg.version has its own",
    ]


def test_command(
    registry: Registry, tracking: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    place = os.fspath(tmp_path / "registry/solo")
    registry.close()
    asked = ["-C", place, "export", "mlflow", "--tracking-uri", tracking]
    assert run([*asked, "--model", "churn", "--dry-run"]) == 0
    assert capsys.readouterr().out == "churn: would export 0.9.0, 1.0.0-rc.1\n"
    assert run([*asked, "--format", "json"]) == 1  # as something of one model is left
    found = json.loads(capsys.readouterr().out)
    assert [each["model"] for each in found] == ["churn", "credit-risk", "odd"]
    assert found[0]["versions"][1] == {"version": "1.0.0-rc.1", "number": "2", "new": True}
    assert run([*asked, "--model", "churn"]) == 0
    assert capsys.readouterr().out == "churn: nothing new (2 there already)\n"
    assert run([*asked, "--model", "chrn"]) == 1
    assert "no model is called 'chrn'" in capsys.readouterr().err


def test_mlflow_that_does_not_answer(
    registry: Registry, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    registry.close()
    assert (
        run(
            [
                "-C",
                os.fspath(tmp_path / "registry/solo"),
                "export",
                "mlflow",
                "--tracking-uri",
                "http://127.0.0.1:9",
            ]
        )
        == 3
    )
    err = capsys.readouterr().err
    assert "MLflow does not answer" in err


def test_there_and_back(registry: Registry, client: MlflowClient, tracking: str, tmp_path: Path) -> None:
    """What is exported and imported again is the same, entity by entity."""
    exported(registry, client)
    fresh = tmp_path / "registry/fresh"
    git(tmp_path / "registry", "init", "-q", "--initial-branch=main", "fresh")
    fast_import(fresh, [("Begin", rules(SOLO_POLICY, SOLO_REGISTRY.replace("9b3e5a70", "aaaaaaaa")))])
    git(fresh, "config", "user.name", "Dan")
    git(fresh, "config", "user.email", "dan@example.com")
    git(fresh, "reset", "-q", "--hard")
    assert run(["-C", os.fspath(fresh), "import", "mlflow", "--tracking-uri", tracking]) == 0
    with open_registry(tmp_path / "registry/solo") as there, open_registry(fresh) as here:
        ours, theirs = there.versions("credit-risk"), here.versions("credit-risk")
        assert [each.record.version for each in theirs] == [each.record.version for each in ours] == [1, 3, 5]
        for one, other in zip(ours, theirs, strict=True):
            assert other.record.artifact.digest == one.record.artifact.digest
            assert other.record.metrics == one.record.metrics
            assert other.record.params.keys() == one.record.params.keys()
            assert other.record.source["commit"] == one.record.source["commit"]
            assert other.stage == ("none" if one.stage == "canary" else one.stage)
            assert other.aliases == one.aliases
            assert one.notes is not None
            assert other.notes is not None
            assert other.notes.description == one.notes.description
            assert other.notes.tags.items() >= one.notes.tags.items()
        assert here.model("credit-risk").model.description == "Who pays back."
