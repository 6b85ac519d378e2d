"""The artifact repository: what MLflow lists and downloads of one version."""

from __future__ import annotations

import ast
import os
import tempfile
from pathlib import Path

import pytest
from flow_kit import git
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from gitreg.flows.register import NewVersion, register
from gitreg.surfaces.mlflow import artifacts
from gitreg.surfaces.mlflow.artifacts import GitregArtifactRepository
from gitreg.surfaces.mlflow.uri import RegistryUri
from gitreg.wiring import Options, open_registry, workspace


def put(solo: Path, path: Path) -> None:
    """Registers what is at a path as the next version of ``credit-risk``, which has three of one file each."""
    options = Options(registry=os.fspath(solo))
    opened = open_registry(options)
    register(workspace(opened, options), NewVersion("credit-risk", os.fspath(path)))
    opened.repository.close()


def repository(solo: Path, version: str = "4", model: str = "credit-risk") -> GitregArtifactRepository:
    found = get_artifact_repository(str(RegistryUri(os.fspath(solo)).at(model, version)))
    assert isinstance(found, GitregArtifactRepository)
    return found


@pytest.fixture
def folder(solo: Path, tmp_path: Path) -> GitregArtifactRepository:
    """A version that is a directory."""
    made = tmp_path / "model"
    for path, text in {
        "MLmodel": "flavors: {}\n",
        "data/weights": "w" * 100,
        "data/deep/er/x": "x",
        "data2": "d",
        "空": "k",
    }.items():
        (made / path).parent.mkdir(parents=True, exist_ok=True)
        (made / path).write_text(text)
    put(solo, made)
    return repository(solo)


def listing(found: GitregArtifactRepository, path: str | None = None) -> list[tuple[str, bool, int | None]]:
    return [(each.path, each.is_dir, each.file_size) for each in found.list_artifacts(path)]


def tree(place: Path) -> dict[str, str]:
    return {
        os.path.relpath(os.path.join(at, name), place): Path(at, name).read_text()
        for at, _, names in os.walk(place)
        for name in names
    }


def test_a_directory_is_listed_level_by_level(folder: GitregArtifactRepository) -> None:
    top = [("MLmodel", False, 12), ("data", True, None), ("data2", False, 1), ("空", False, 1)]
    assert [listing(folder, path) for path in (None, "", ".", "./")] == [top] * 4
    assert listing(folder, "data") == [("data/deep", True, None), ("data/weights", False, 100)]
    assert listing(folder, "data/") == listing(folder, "data")
    assert listing(folder, "data/deep") == [("data/deep/er", True, None)]
    assert listing(folder, "MLmodel") == []


def test_a_file_lies_in_the_root(solo: Path) -> None:
    found = repository(solo, "1")
    assert listing(found) == [("model.onnx", False, 320)]
    assert listing(found, "model.onnx") == []
    place = Path(found.download_artifacts(""))
    assert os.listdir(place) == ["model.onnx"]
    assert Path(found.download_artifacts("model.onnx")).read_bytes() == (place / "model.onnx").read_bytes()


def test_all_or_a_part_is_downloaded(folder: GitregArtifactRepository, tmp_path: Path) -> None:
    whole = Path(folder.download_artifacts(""))
    assert sorted(tree(whole)) == ["MLmodel", "data/deep/er/x", "data/weights", "data2", "空"]
    part = Path(folder.download_artifacts("data"))
    assert (part.name, sorted(tree(part))) == ("data", ["deep/er/x", "weights"])
    assert sorted(tree(part.parent)) == ["data/deep/er/x", "data/weights"]
    assert Path(folder.download_artifacts("data/deep/er/x")).read_text() == "x"


def test_every_download_is_a_folder_of_its_own(folder: GitregArtifactRepository) -> None:
    places = {folder.download_artifacts("") for _ in range(2)}
    assert len(places) == 2
    for place in places:
        Path(place, "registered_model_meta").write_text("MLflow writes here")


def test_what_is_in_the_destination_stays_beside_it(folder: GitregArtifactRepository, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "data").mkdir(parents=True)
    (out / "data" / "mine").write_text("mine")
    (out / "MLmodel").write_text("old")
    assert folder.download_artifacts("", os.fspath(out)) == os.fspath(out)
    assert tree(out)["MLmodel"] == "flavors: {}\n"
    assert tree(out)["data/mine"] == "mine"
    assert not [name for name in os.listdir(out) if name.startswith(".")]
    assert folder.download_artifacts("data/weights", os.fspath(out)) == os.fspath(out / "data" / "weights")


def test_a_single_file_is_put_where_mlflow_says(folder: GitregArtifactRepository, tmp_path: Path) -> None:
    folder._download_file("data/weights", os.fspath(tmp_path / "here"))
    assert (tmp_path / "here").read_text() == "w" * 100


def test_a_path_that_is_none(folder: GitregArtifactRepository) -> None:
    leading_out = ("..", "data/../../x", "/etc/passwd", "data\\weights")
    for path in (*leading_out, "dat", "data/weights/x"):
        for call in (folder.list_artifacts, folder.download_artifacts):
            with pytest.raises(MlflowException) as error:
                call(path)
            expected = "INVALID_PARAMETER_VALUE" if path in leading_out else "RESOURCE_DOES_NOT_EXIST"
            assert error.value.error_code == expected, path


def test_a_destination_that_is_none(folder: GitregArtifactRepository, tmp_path: Path) -> None:
    with pytest.raises(MlflowException, match="is not a directory"):
        folder.download_artifacts("", os.fspath(tmp_path / "nowhere"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "data").write_text("a file")
    with pytest.raises(MlflowException, match="cannot be written"):
        folder.download_artifacts("", os.fspath(tmp_path / "out"))


def test_nothing_is_written(solo: Path) -> None:
    found = repository(solo, "1")
    for write in (lambda: found.log_artifact("x"), lambda: found.log_artifacts("x"), found.delete_artifacts):
        with pytest.raises(MlflowException, match="never change") as error:
            write()
        assert error.value.error_code == "PERMISSION_DENIED"


@pytest.mark.parametrize("version", ["9", "zero"])
def test_a_version_that_is_not_there(solo: Path, version: str) -> None:
    with pytest.raises(MlflowException) as error:
        repository(solo, version).list_artifacts()
    assert error.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_a_registry_is_no_artifact(solo: Path) -> None:
    with pytest.raises(MlflowException, match="not a version's artifact"):
        get_artifact_repository(f"gitreg://{solo}")


def test_a_renamed_model_is_found_by_its_old_name(solo: Path) -> None:
    from gitreg.core.plan.rename import plan_rename
    from gitreg.flows.land import land

    options = Options(registry=os.fspath(solo))
    ws = workspace(open_registry(options), options)
    land(ws, lambda snapshot: plan_rename(snapshot, "credit-risk", "risk", ws.clock()))
    assert listing(repository(solo, "1")) == listing(repository(solo, "1", "risk"))


def test_a_clone_fetches_what_it_does_not_know(solo: Path, tmp_path: Path) -> None:
    git(solo.parent, "clone", "-q", "solo", "clone")
    (tmp_path / "model.onnx").write_bytes(b"elsewhere")
    put(solo, tmp_path / "model.onnx")
    assert listing(repository(solo.parent / "clone")) == [("model.onnx", False, 9)]


def test_a_remote_that_is_not_there(solo: Path, tmp_path: Path) -> None:
    found = repository(solo, "1")
    (solo.parent / "artifacts").rename(tmp_path / "away")
    into = tmp_path / "into"
    into.mkdir()
    with pytest.raises(MlflowException) as error:
        found.download_artifacts("", os.fspath(into))
    assert error.value.error_code == "ABORTED", error.value
    assert list(into.iterdir()) == []


@pytest.mark.parametrize("raised", [OSError(28, "No space left on device"), MemoryError()])
def test_what_nobody_foresaw_is_no_answer_500_and_leaves_nothing(
    solo: Path, raised: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", os.fspath(tmp_path / "temporary"))

    def fail(*args: object) -> None:
        raise raised

    monkeypatch.setattr("gitreg.flows.pull.pull_inside", fail)
    with pytest.raises(MlflowException, match=type(raised).__name__) as error:
        repository(solo, "1").download_artifacts("")
    assert error.value.error_code == "ABORTED"
    assert list((tmp_path / "temporary").iterdir()) == []


def test_mlflow_s_import_stays_light() -> None:
    """MLflow imports the module whenever it is imported itself: what is not there by then is imported in functions."""
    source = Path(artifacts.__file__).read_text()
    found = [node for node in ast.parse(source).body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {each.module if isinstance(each, ast.ImportFrom) else each.names[0].name for each in found}
    assert names == {
        "__future__",
        "os",
        "collections.abc",
        "contextlib",
        "dataclasses",
        "typing",
        "mlflow.entities.file_info",
        "mlflow.store.artifact.artifact_repo",
        "gitreg.surfaces.mlflow.errors",
        "gitreg.surfaces.mlflow.uri",
    }
