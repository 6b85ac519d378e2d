"""The code of MLflow's usual guides, with scikit-learn, on a git registry.

https://mlflow.org/docs/latest/ml/model-registry/ and its tutorials.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import jsonschema
import mlflow
import pytest
from flow_kit import git
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from model_kit import REQUIREMENTS, Logged, X, Y, objects, record, trained
from numpy.testing import assert_allclose


def test_a_model_is_logged_and_registered_at_once(solo: Path, experiment: str) -> None:
    with mlflow.start_run(experiment_id=experiment) as run:
        mlflow.log_params({"fit_intercept": True})
        mlflow.log_metric("rmse", 0.1)
        info = mlflow.sklearn.log_model(
            trained(),
            name="model",
            signature=infer_signature(X, Y),
            input_example=X.head(2),
            pip_requirements=REQUIREMENTS,
            registered_model_name="doubler",
        )
    assert info.registered_model_version == 1
    version = MlflowClient().get_model_version("doubler", "1")
    assert (version.run_id, version.model_id) == (run.info.run_id, info.model_id)
    loaded = mlflow.pyfunc.load_model("models:/doubler/1")
    assert_allclose(loaded.predict(X), Y)
    assert_allclose(mlflow.sklearn.load_model("models:/doubler/1").predict(X), Y)
    written = record(solo, "doubler/versions/1")
    assert (written["artifact"]["path"], written["artifact"]["format"]) == ("model", "mlflow")
    assert (written["params"], written["metrics"]) == ({"fit_intercept": "True"}, {"rmse": 0.1})
    example = json.loads(X.head(2).to_json(orient="records"))
    for row in example:
        jsonschema.validate(row, written["signature"]["inputs"])
    assert set(REQUIREMENTS) < set(written["environment"]["requirements"])


def test_a_run_s_model_and_a_logged_model_are_registered(solo: Path, logged: Logged) -> None:
    first = mlflow.register_model(f"runs:/{logged.run}/skops", "doubler", tags={"by": "run"})
    second = mlflow.register_model(f"models:/{logged.pickle}", "doubler")
    assert (first.version, second.version) == (1, 2)
    assert first.tags == {"by": "run"}
    assert (first.run_id, first.model_id) == (logged.run, logged.skops)
    assert (second.run_id, second.model_id) == (logged.run, logged.pickle)
    for version in (1, 2):
        assert_allclose(mlflow.pyfunc.load_model(f"models:/doubler/{version}").predict(X), Y)
    source = record(solo, "doubler/versions/2")["source"]
    assert source["run"].pop("tags")["team"] == "risk"
    assert source["run"] == {
        "system": "mlflow",
        "id": logged.run,
        "name": "tuesday",
        "experiment": "doubling",
        "logged_model": logged.pickle,
    }
    assert [each["name"] for each in source["data"]] == ["numbers"]
    assert source["uri"] == f"models:/{logged.pickle}"
    # The run made several models: its metrics may be about another one, and only params are everybody's.
    assert record(solo, "doubler/versions/2")["params"] == {"fit_intercept": "True", "solver": "lstsq"}


def test_a_version_is_loaded_by_stage_alias_and_latest(solo: Path, logged: Logged) -> None:
    for model in (logged.skops, logged.pyfunc):
        mlflow.register_model(f"models:/{model}", "doubler")
    client = MlflowClient()
    client.transition_model_version_stage("doubler", "1", "Production")
    client.set_registered_model_alias("doubler", "Champion", "1")
    for name in ("1", "Production"):
        assert_allclose(mlflow.pyfunc.load_model(f"models:/doubler/{name}").predict(X), Y)
    assert_allclose(mlflow.sklearn.load_model("models:/doubler@champion").predict(X), Y)
    assert_allclose(mlflow.pyfunc.load_model("models:/doubler/latest").predict(X), X["a"] + 5)
    client.transition_model_version_stage("doubler", "2", "Production", archive_existing_versions=True)
    assert_allclose(mlflow.pyfunc.load_model("models:/doubler/Production").predict(X), X["a"] + 5)
    assert client.get_model_version("doubler", "1").current_stage == "Archived"


def test_a_copy_outlives_its_source(solo: Path, logged: Logged) -> None:
    mlflow.register_model(f"models:/{logged.skops}", "doubler-dev")
    client = MlflowClient()
    copied = client.copy_model_version("models:/doubler-dev/1", "doubler")
    again = mlflow.register_model("models:/doubler-dev/1", "doubler")
    client.delete_registered_model("doubler-dev")
    assert (copied.name, copied.version, again.version) == ("doubler", 1, 2)
    for version in (1, 2):
        assert_allclose(mlflow.pyfunc.load_model(f"models:/doubler/{version}").predict(X), Y)
    assert record(solo, "doubler/versions/2")["copied_from"]["model"] == "doubler-dev"


def test_nothing_of_the_tracking_store_is_needed_any_more(
    solo: Path, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow.register_model(f"models:/{logged.skops}", "doubler")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert_allclose(mlflow.pyfunc.load_model("models:/doubler/1").predict(X), Y)
    signature = mlflow.models.Model.load("models:/doubler/1").signature
    assert signature.inputs.input_names() == ["a", "b"]


def test_a_saved_model_is_registered_from_its_folder(solo: Path, tmp_path: Path, tracking: str) -> None:
    folder = tmp_path / "saved"
    mlflow.sklearn.save_model(trained(), folder, pip_requirements=REQUIREMENTS)
    version = mlflow.register_model(os.fspath(folder), "doubler")
    assert (version.version, version.run_id) == (1, None)
    assert_allclose(mlflow.pyfunc.load_model("models:/doubler/1").predict(X), Y)


def test_what_came_from_a_registry_is_the_same_bytes_when_it_is_registered_again(
    solo: Path, logged: Logged, tmp_path: Path
) -> None:
    mlflow.register_model(f"models:/{logged.skops}", "doubler")
    place = mlflow.artifacts.download_artifacts("models:/doubler/1", dst_path=os.fspath(tmp_path / "out"))
    assert os.path.exists(os.path.join(place, "registered_model_meta"))
    mlflow.register_model(place, "doubler")
    one, other = (record(solo, f"doubler/versions/{number}")["artifact"] for number in (1, 2))
    assert one == other
    assert os.path.exists(os.path.join(place, "registered_model_meta"))


def test_artifacts_are_listed_and_downloaded(solo: Path, logged: Logged, tmp_path: Path) -> None:
    mlflow.register_model(f"models:/{logged.pyfunc}", "adder")
    listed = {each.path: each for each in mlflow.artifacts.list_artifacts("models:/adder/1")}
    assert {"MLmodel", "python_model.pkl", "requirements.txt"} <= listed.keys()
    one = mlflow.artifacts.download_artifacts("models:/adder/1/MLmodel")
    other = mlflow.artifacts.download_artifacts("models:/adder/1/MLmodel")
    assert one != other
    assert os.path.getsize(one) == listed["MLmodel"].file_size
    assert os.listdir(os.path.dirname(one)) == ["MLmodel"]
    whole = Path(mlflow.artifacts.download_artifacts("models:/adder/1", dst_path=os.fspath(tmp_path / "out")))
    assert (whole / "MLmodel").read_bytes() == Path(one).read_bytes()
    address = MlflowClient().get_model_version_download_uri("adder", "1")
    again = Path(mlflow.artifacts.download_artifacts(address))
    assert (again / "MLmodel").read_bytes() == (whole / "MLmodel").read_bytes()
    assert mlflow.artifacts.load_text("models:/adder/1/requirements.txt").splitlines()[-1] == "pandas"


@pytest.mark.parametrize("lost", [False, True])
def test_bytes_that_are_not_the_record_s_are_not_handed_out(
    solo: Path, logged: Logged, tmp_path: Path, lost: bool
) -> None:
    mlflow.register_model(f"models:/{logged.skops}", "doubler")
    victim = next(each for each in objects(solo.parent) if b"flavors:" in each.read_bytes())
    os.chmod(victim, 0o644)
    if lost:
        victim.unlink()
    else:
        victim.write_bytes(victim.read_bytes()[:-1] + b"!")
    out = tmp_path / "out"
    for uri in ("models:/doubler/1", "models:/doubler/1/MLmodel"):
        with pytest.raises(MlflowException, match="missing" if lost else "corrupt") as error:
            mlflow.artifacts.download_artifacts(uri, dst_path=os.fspath(out))
        assert error.value.error_code == "PERMISSION_DENIED"
    assert list(out.iterdir()) == []


def test_a_run_that_is_not_there_registers_nothing(solo: Path, logged: Logged, tmp_path: Path) -> None:
    client = MlflowClient()
    client.create_registered_model("doubler")
    head = git(solo, "rev-parse", "main")
    held = sorted(objects(solo.parent))
    for source, run, says in (
        (f"runs:/{'f' * 32}/model", "f" * 32, "run"),
        (f"runs:/{logged.run}/nothing", logged.run, "nothing"),
        (f"models:/m-{'f' * 32}", None, "logged model"),
        (os.fspath(tmp_path / "nowhere"), None, "nowhere"),
    ):
        with pytest.raises(MlflowException, match=says) as error:
            client.create_model_version("doubler", source, run)
        assert error.value.error_code == "RESOURCE_DOES_NOT_EXIST", source
    shutil.rmtree(tmp_path / "nowhere", ignore_errors=True)
    assert git(solo, "rev-parse", "main") == head
    assert sorted(objects(solo.parent)) == held
