"""From what a client names as a source to the bytes: each form of a source, in a client's process and in a server's."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flow_kit import git
from mlflow import MlflowClient
from model_kit import Logged, record

from gitreg.core.names import Reference
from gitreg.errors import ConfigError, GitregError, NotFound, Refused, Undecided, UsageError
from gitreg.surfaces.mlflow.sources import Asked, Taken, demand_takeable, in_server, registered_source, take
from gitreg.surfaces.mlflow.uri import RegistryUri

MODEL = 'flavors: {python_function: {}}\nsignature: {inputs: \'[{"type": "long", "name": "n"}]\'}\n'


def taken(source: str | Path, **said: Any) -> tuple[Taken, dict[str, bytes], list[str]]:
    """What is taken, the files that were there meanwhile, and the warnings."""
    warnings: list[str] = []
    how = {key: said.pop(key) for key in ("external", "served", "tracking_uri") if key in said}
    with take(Asked(os.fspath(source), **said), warn=warnings.append, **how) as found:
        return found, files(Path(found.path)) if found.path else {}, warnings


def files(place: Path) -> dict[str, bytes]:
    if place.is_file():
        return {"": place.read_bytes()}
    return {
        os.path.relpath(each, place): each.read_bytes()
        if not each.is_symlink()
        else b"-> " + os.readlink(each).encode()
        for each in place.rglob("*")
        if not each.is_dir()
    }


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A saved model."""
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "MLmodel").write_text(MODEL)
    (folder / "model.pkl").write_bytes(b"bytes")
    return folder


@pytest.fixture
def run(experiment: str) -> str:
    """The id of a run, whose artifacts are on this machine."""
    return str(MlflowClient().create_run(experiment).info.run_id)


def artifact_folder(run: str) -> Path:
    return Path(MlflowClient().get_run(run).info.artifact_uri.removeprefix("file://"))


# Each form of a source


@pytest.mark.parametrize(
    "form", [os.fspath, lambda path: f"file://{path}", lambda path: f"file://localhost{path}"]
)
def test_a_local_model_is_taken_where_it_lies(
    model: Path, tracking: str, form: Callable[[Path], str]
) -> None:
    found, held, warnings = taken(form(model))
    assert (found.path, found.name, warnings) == (os.fspath(model), "model", [])
    assert held.keys() == {"MLmodel", "model.pkl"}
    assert found.details.source == {"uri": form(model)}
    assert found.details.signature["inputs"]


def test_a_single_file_keeps_its_name(tmp_path: Path, tracking: str) -> None:
    (tmp_path / "a model.onnx").write_bytes(b"onnx")
    found, held, _ = taken(f"file://{tmp_path}/a%20model.onnx")
    assert (found.name, held) == ("a model.onnx", {"": b"onnx"})


def test_a_link_to_a_model_is_the_model(model: Path, tmp_path: Path, tracking: str) -> None:
    (tmp_path / "latest").symlink_to(model)
    (tmp_path / "model.onnx").symlink_to(model / "model.pkl")
    assert taken(tmp_path / "latest")[1] == files(model)
    found, held, _ = taken(tmp_path / "model.onnx")
    assert (found.name, held) == ("model.onnx", {"": b"bytes"})


def test_what_log_model_has_at_hand_is_not_fetched(model: Path, tracking: str) -> None:
    found, held, _ = taken("s3://no/such/bucket", local_model_path=os.fspath(model))
    assert (found.path, held["model.pkl"]) == (os.fspath(model), b"bytes")
    assert found.details.source == {"uri": "s3://no/such/bucket"}


def test_a_run_s_artifacts_before_mlflow_3(model: Path, run: str) -> None:
    MlflowClient().log_artifacts(run, os.fspath(model), "old/model")
    found, held, _ = taken(f"runs:/{run}/old/model")
    assert (found.name, held["model.pkl"]) == ("model", b"bytes")
    assert found.details.source["run"]["id"] == run  # type: ignore[index]
    direct, again, _ = taken(f"{MlflowClient().get_run(run).info.artifact_uri}/old/model", run_id=run)
    assert again == held
    assert direct.details.source["run"] == found.details.source["run"]


def test_a_single_file_of_a_run(run: str, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"onnx")
    MlflowClient().log_artifact(run, os.fspath(tmp_path / "model.onnx"))
    found, held, _ = taken(f"runs:/{run}/model.onnx")
    assert (found.name, held) == ("model.onnx", {"": b"onnx"})


def test_a_logged_model_by_its_id_or_by_its_run_s_name_for_it(logged: Logged) -> None:
    one, held, _ = taken(f"models:/{logged.skops}")
    other, same, _ = taken(f"runs:/{logged.run}/skops", run_id=logged.run)
    assert held == same
    assert {"MLmodel", "model.skops"} <= held.keys()
    for found in (one, other):
        run = found.details.source["run"]
        assert isinstance(run, dict)
        assert (run["id"], run["logged_model"]) == (logged.run, logged.skops)
        assert found.details.params == {"fit_intercept": "True", "solver": "lstsq"}


def test_a_version_of_another_registry(solo: Path, tracking: str) -> None:
    uri = str(RegistryUri(os.fspath(solo)).at("credit-risk", "2"))
    found, held, _ = taken(uri)
    assert found.name == "model.onnx"
    assert held[""].startswith(b"model 2")


def test_any_store_that_mlflow_knows(model: Path, tracking: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has nothing on this machine: what it gives is fetched, and goes when the block ends."""
    from mlflow.store.artifact.artifact_repository_registry import _artifact_repository_registry as known
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

    class Elsewhere(LocalArtifactRepository):  # type: ignore[misc]
        def __init__(self, uri: str, *_: object, **__: object) -> None:
            super().__init__(uri.replace("far:/", f"{model.parent}"))

        def get_local_path(self, artifact_path: str) -> None:
            return None

        download_artifacts = LocalArtifactRepository.__base__.download_artifacts

    monkeypatch.setitem(known._registry, "far", Elsewhere)
    found, held, _ = taken("far://saved")
    assert held["model.pkl"] == b"bytes"
    assert not os.path.exists(found.path)


def test_registered_versions_are_told_apart() -> None:
    assert registered_source("models:/a b/3") == Reference("a b", version=3)
    assert registered_source("models:/m/Production") == Reference("m", stage="Production")
    assert registered_source("models:/m@champion") == Reference("m", alias="champion")
    assert registered_source("models:/m/latest") == Reference("m")
    for other in (f"models:/m-{'0' * 32}", "runs:/0/model", "/a/path", "s3://bucket/model", "models"):
        assert registered_source(other) is None


# What is not taken


def test_what_mlflow_wrote_into_a_model_from_a_registry_is_no_part_of_it(model: Path, tracking: str) -> None:
    (model / "registered_model_meta").write_text("model_name: x\n")
    (model / "data").mkdir()
    (model / "data" / "registered_model_meta").write_text("the model's own")
    (model / "link").symlink_to("MLmodel")
    found, held, _ = taken(model)
    assert held.keys() == {"MLmodel", "model.pkl", "data/registered_model_meta", "link"}
    assert held["link"] == b"-> MLmodel"
    assert not os.path.exists(found.path)
    assert (model / "registered_model_meta").exists()


@pytest.mark.parametrize(
    ("source", "said", "error", "says"),
    [
        ("/no/such/path", {}, NotFound, "nothing at /no/such/path"),
        (f"runs:/{'f' * 32}/model", {}, NotFound, "the run f"),
        ("s3://bucket/model", {"run_id": "f" * 32}, NotFound, "the run f"),
        (f"models:/m-{'f' * 32}", {}, NotFound, "the logged model m-f"),
        ("/tmp", {"model_id": f"m-{'f' * 32}"}, NotFound, "the logged model m-f"),
        ("runs:/abc", {}, UsageError, "names no model of a run"),
        ("file://elsewhere/model", {}, UsageError, "on another machine"),
        ("carrier-pigeon://coop/model", {}, UsageError, "cannot be opened"),
        ("mlflow-artifacts:/1/model", {}, UsageError, "cannot be opened"),
        ("gitreg:///no/such/registry?model=m&version=1", {}, UsageError, "no folder"),
    ],
)
def test_a_source_that_gives_nothing(
    tracking: str, source: str, said: dict[str, str], error: type[GitregError], says: str
) -> None:
    with pytest.raises(error, match=says):
        taken(source, **said)


def test_an_empty_folder_is_nothing(tracking: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFound, match="nothing at"):
        taken(tmp_path / "empty")


def test_a_run_without_that_model(run: str) -> None:
    with pytest.raises(NotFound, match=f"runs:/{run}/model"):
        taken(f"runs:/{run}/model")


def test_a_tracking_server_that_does_not_answer(
    tracking: str, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    dead = "http://127.0.0.1:9"
    for said in ({"run_id": "0" * 32}, {"model_id": f"m-{'0' * 32}"}):
        with pytest.raises(Undecided, match="cannot be read"):
            taken(model, local_model_path=os.fspath(model), tracking_uri=dead, **said)
    with pytest.raises(Undecided, match="mlflow-artifacts:/1/model cannot be read"):
        taken("mlflow-artifacts:/1/model", tracking_uri=dead)


def test_a_store_whose_library_is_missing_or_fails(tracking: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.store.artifact.artifact_repository_registry import _artifact_repository_registry as known
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

    class Broken(LocalArtifactRepository):  # type: ignore[misc]
        error: Exception = ImportError("No module named 'pigeons'")

        def get_local_path(self, artifact_path: str) -> str:
            raise self.error

    monkeypatch.setitem(known._registry, "coop", lambda uri, **_: Broken("/tmp"))
    with pytest.raises(ConfigError, match="No module named 'pigeons'"):
        taken("coop://one/model")
    Broken.error = TimeoutError("https://me:s3cret@coop.example.com is closed")
    with pytest.raises(Undecided, match=r"read: https://coop\.example\.com is closed"):
        taken("coop://one/model")


def test_a_logged_model_outlives_its_run(logged: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

    def gone(*_: object) -> None:
        raise MlflowException("gone", RESOURCE_DOES_NOT_EXIST)

    monkeypatch.setattr(MlflowClient, "get_run", gone)
    found, held, warnings = taken(f"models:/{logged.skops}")
    assert held
    assert found.details.params["fit_intercept"] == "True"
    assert f"the run {logged.run} is not there any more" in warnings[0]


def test_no_secret_of_an_address_is_kept(model: Path, tracking: str) -> None:
    said = {"local_model_path": os.fspath(model), "run_link": "https://u:p@mlflow.example.com/1"}
    found, _, _ = taken("sftp://me:s3cret@host/model?sig=abc", **said)
    assert found.details.source == {
        "uri": "sftp://host/model",
        "run": {"system": "mlflow", "url": "https://mlflow.example.com/1"},
    }


def test_an_mlmodel_that_cannot_be_read_costs_only_the_signature(model: Path, tracking: str) -> None:
    (model / "MLmodel").write_text("signature: [\n")
    found, held, warnings = taken(model)
    assert held
    assert found.details.signature == {}
    assert warnings == ["the signature of the model is not in its record: MLmodel: it is not YAML"]


# In a server


def test_a_process_of_a_server_knows_that_it_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not in_server()
    monkeypatch.setenv("_MLFLOW_SERVER_FILE_STORE", "sqlite:///mlflow.db")
    assert in_server()


@pytest.mark.parametrize(
    ("source", "roots"),
    [
        ("/etc", []),
        ("/srv/art/1/run/artifacts/../../../../etc", ["/srv/art/1/run/artifacts"]),
        ("/srv/art/1/run/artifacts-of-others", ["/srv/art/1/run/artifacts"]),
        ("file:///etc", ["/srv/art", "mlflow-artifacts:/etc"]),
        ("etc", ["/srv/art"]),
        ("FILE:///etc", []),
        ("mlflow-artifacts:/2/other", ["mlflow-artifacts:/1/run"]),
        ("mlflow-artifacts:/1/run/../../2", ["mlflow-artifacts:/1/run"]),
        ("mlflow-artifacts:/1/run/%2e%2e/2", ["mlflow-artifacts:/1/run"]),
        ("mlflow-artifacts://host/1/run", ["mlflow-artifacts:/1/run"]),
        ("s3://bucket/model", []),
        ("s3://others/model", ["s3://bucket/1/run"]),
        ("https://metadata.example.com/token", ["s3://bucket/1/run"]),
        ("gitreg:///srv/other?model=m&version=1", ["gitreg:///srv/other?model=m&version=1"]),
        ("gitreg+https://example.com/other?model=m&version=1", []),
    ],
)
def test_a_server_does_not_read_what_a_client_only_names(source: str, roots: list[str]) -> None:
    with pytest.raises(UsageError):
        demand_takeable(source, roots, served=True)
    demand_takeable(source, roots, served=False)


@pytest.mark.parametrize(
    ("source", "roots"),
    [
        ("/srv/art/1/run/artifacts/model", ["/srv/art/1/run/artifacts"]),
        ("file:///srv/art/1/model", ["s3://x", "/srv/art/1"]),
        ("mlflow-artifacts:/1/run/artifacts/model", ["mlflow-artifacts:/1/run/artifacts"]),
        ("runs:/1/model", []),
        ("s3://bucket/1/run/artifacts/model", ["s3://bucket/1/run/artifacts"]),
    ],
)
def test_a_server_reads_what_the_run_that_is_named_has(source: str, roots: list[str]) -> None:
    demand_takeable(source, roots, served=True)


def test_other_object_stores_are_the_operator_s_to_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_CREATE_MODEL_VERSION_SOURCE_VALIDATION_REGEX", "^s3://models/")
    demand_takeable("s3://models/model", served=True)
    for source in ("/etc/passwd", "mlflow-artifacts:/2/other"):
        with pytest.raises(UsageError):
            demand_takeable(source, served=True)


def test_a_link_out_of_a_run_s_artifacts_is_not_followed(run: str, model: Path) -> None:
    folder = artifact_folder(run)
    folder.mkdir(parents=True)
    (folder / "model").symlink_to(model)
    with pytest.raises(UsageError, match="a path on the server"):
        taken(folder / "model", run_id=run, served=True)


def test_a_server_reads_what_it_proxies_at_its_source(
    tracking: str, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = MlflowClient()
    run = client.create_run(client.create_experiment("proxied", "mlflow-artifacts:/7"))
    place = f"{run.info.artifact_uri}/model"
    model.rename(tmp_path / "model")
    stored = tmp_path / "store" / "7" / run.info.run_id / "artifacts"
    stored.mkdir(parents=True)
    (tmp_path / "model").rename(stored / "model")
    monkeypatch.setenv("_MLFLOW_SERVER_ARTIFACT_DESTINATION", os.fspath(tmp_path / "store"))
    for source in (place, f"runs:/{run.info.run_id}/model"):
        found, held, _ = taken(source, run_id=run.info.run_id, served=True)
        assert held["model.pkl"] == b"bytes"
        assert found.details.source["run"]["experiment"] == "proxied"  # type: ignore[index]
    with pytest.raises(UsageError, match="none of the run's"):
        taken("mlflow-artifacts:/8/other", run_id=run.info.run_id, served=True)


# Addresses alone


@pytest.fixture
def external(solo: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry that registers addresses."""
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", f"gitreg://{solo}?artifacts=external")
    return solo


def test_an_external_version_is_registered_by_its_address(external: Path, run: str) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.pyfunc import load_model

    uri = "s3://a-bucket-that-nobody-may-read/model"
    client = MlflowClient()
    client.log_param(run, "depth", 3)
    client.create_registered_model("assistant")
    version = client.create_model_version("assistant", uri, run)
    assert (version.source, version.run_id, version.status) == (uri, run, "READY")
    written = record(external, "assistant/versions/1")
    artifact = written["artifact"]
    assert (artifact["format"], artifact["uri"], artifact["path"]) == ("external", uri, "external.uri")
    assert (artifact["size"], artifact["files"]) == (len(uri), 1)
    assert written["params"] == {"depth": "3"}
    with pytest.raises(MlflowException, match="are not in this registry, but at s3://a-bucket") as error:
        load_model("models:/assistant/1")
    assert error.value.error_code == "PERMISSION_DENIED"
    assert git(external, "status", "--porcelain") == ""


def test_an_external_version_still_needs_its_run(tracking: str) -> None:
    with pytest.raises(NotFound, match="the run"):
        taken("s3://bucket/model", run_id="f" * 32, external=True)


def test_of_what_a_run_made_the_address_is_where_it_lies(logged: Logged, model: Path) -> None:
    location = MlflowClient().get_logged_model(logged.skops).artifact_location
    for source in (f"models:/{logged.skops}", f"runs:/{logged.run}/skops"):
        found, _, _ = taken(source, external=True, local_model_path=os.fspath(model))
        assert (found.uri, found.details.source["uri"]) == (location, source)
        assert found.details.signature["inputs"]


def test_an_external_run_s_artifacts_are_not_looked_at(tracking: str) -> None:
    client = MlflowClient()
    run = client.create_run(client.create_experiment("closed", "carrier-pigeon://coop/7"))
    found, _, _ = taken(f"runs:/{run.info.run_id}/model", external=True)
    assert found.uri == f"carrier-pigeon://coop/7/{run.info.run_id}/artifacts/model"


def test_an_address_stays_what_it_is_beside_a_logged_model(logged: Logged) -> None:
    uri = "https://api.example.com/models/large-2"
    assert taken(uri, model_id=logged.skops, external=True)[0].uri == uri


def test_nothing_of_an_external_source_is_read(tracking: str) -> None:
    found, held, _ = taken("https://api.example.com/models/large-2", external=True, served=True)
    assert (found.uri, found.path, held) == ("https://api.example.com/models/large-2", "", {})


def test_a_link_in_a_model_is_refused(solo: Path, model: Path, tracking: str) -> None:
    from gitreg.flows.register import register
    from gitreg.surfaces.mlflow.session import Session

    (model / "link").symlink_to("/etc/passwd")
    session = Session(RegistryUri(os.fspath(solo)))
    with take(Asked(os.fspath(model))) as found, pytest.raises(Refused, match="symbolic link"):
        register(session.workspace, found.new_version("credit-risk", description=None, tags={}))
