"""``gitreg evidence add --from-run``: what a run of MLflow's measured, in a registry's evidence."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from flow_kit import copy_template, git, make_solo

from gitreg.core.codec.yaml import load_yaml
from gitreg.surfaces.cli.main import run
from gitreg.surfaces.mlflow.client import client_to_write
from gitreg.surfaces.mlflow.evaluation import evidence_digest

DIGEST = "sha256:" + "d" * 64


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_solo(tmp_path_factory.mktemp("evaluation"))


@pytest.fixture
def registry(template: Path, tmp_path: Path) -> Path:
    return copy_template(template, tmp_path / "registry") / "solo"


def logged(tracking: str, metrics: dict[str, float], data: dict[str, str]) -> str:
    """A run with metrics, each logged twice, on data sets."""
    from mlflow.entities import Dataset, DatasetInput, Metric

    client = client_to_write(tracking)
    id = str(client.create_run("0").info.run_id)
    values = [
        Metric(key, value, 1, step) for key, last in metrics.items() for step, value in enumerate((0.1, last))
    ]
    client.log_batch(id, metrics=values)
    client.log_inputs(
        id, [DatasetInput(Dataset(name, digest, "local", "{}")) for name, digest in data.items()]
    )
    return id


def add(registry: Path, *args: str, code: int = 0) -> Any:
    """Adds evidence ``holdout`` to credit-risk/3; returns it as it was written."""
    assert run(["-C", os.fspath(registry), "evidence", "add", "credit-risk/3", "holdout", *args]) == code
    if code:
        return None
    return load_yaml(
        git(registry, "show", "main:models/credit-risk/versions/3/evidence/holdout.yaml").encode()
    )


def test_metrics_and_data_set_of_a_run(
    registry: Path, tracking: str, capsys: pytest.CaptureFixture[str]
) -> None:
    id = logged(tracking, {"roc_auc": 0.93, "loss": float("nan")}, {"q3": "0a1b2c3d"})
    found = add(registry, "--from-run", id, "--tracking-uri", tracking)
    assert found["metrics"] == {"roc_auc": 0.93}
    assert found["dataset"] == {"name": "q3", "digest": evidence_digest("0a1b2c3d")}
    assert found["source"] == f"run {id} of MLflow at {tracking}"
    assert "metric 'loss': left out: not finite" in capsys.readouterr().err


def test_some_metrics_on_the_data_set_that_is_named(registry: Path, tracking: str) -> None:
    id = logged(tracking, {"roc_auc": 0.93, "loss": 0.2, "f1": 0.5}, {"train": "aa", "q3": "bb"})
    said = ["--dataset", "q3", "--metric", "roc_auc", "--metric", "f1=0.6", "--source", "https://ci/7"]
    found = add(registry, "--from-run", id, *said)  # MLFLOW_TRACKING_URI says where
    assert found["metrics"] == {"roc_auc": 0.93, "f1": 0.6}
    assert found["dataset"] == {"name": "q3", "digest": evidence_digest("bb")}
    assert found["source"] == "https://ci/7"


def test_data_set_that_is_given_counts(registry: Path, tracking: str) -> None:
    id = logged(tracking, {"roc_auc": 0.93}, {})
    found = add(registry, "--from-run", id, "--dataset", f"q3@{DIGEST}")
    assert found["dataset"] == {"name": "q3", "digest": DIGEST}


def test_what_a_run_does_not_say(registry: Path, tracking: str, capsys: pytest.CaptureFixture[str]) -> None:
    none = logged(tracking, {"roc_auc": 0.93}, {})
    two = logged(tracking, {"roc_auc": 0.93}, {"train": "aa", "q3": "bb"})
    empty = logged(tracking, {}, {"q3": "bb"})
    before = git(registry, "rev-parse", "main")
    for args, message in (
        (["--from-run", none], "does not say what it was measured on"),
        (["--from-run", two], "the run has several data sets"),
        (["--from-run", two, "--dataset", "q4"], "the run has no data set 'q4'"),
        (["--from-run", two, "--dataset", "q3", "--metric", "f1"], "the run has no metric 'f1'"),
        (["--from-run", empty], "there are no metrics"),
        (["--metric", "f1=1"], "it is not said what was measured on"),
        (["--metric", "f1=1", "--tracking-uri", tracking], "--tracking-uri is for --from-run"),
        (["--metric", "f1", "--dataset", f"q3@{DIGEST}"], "'f1'"),
        (["--from-run", none, "--tracking-uri", "sqlite:///nowhere.db"], "there is no database"),
    ):
        add(registry, *args, code=1 if "database" in message else 2)
        assert message in capsys.readouterr().err
    add(registry, "--from-run", "f" * 32, code=1)
    assert "is not there" in capsys.readouterr().err
    assert git(registry, "rev-parse", "main") == before


def test_without_mlflow(
    registry: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    add(registry, "--from-run", "f" * 32, code=2)
    err = capsys.readouterr().err
    assert err == "gitreg: MLflow is not installed\n  hint: run pip install 'gitreg[mlflow]'\n"
    assert run(["-C", os.fspath(registry), "export", "mlflow", "--tracking-uri", "http://x"]) == 2
    assert capsys.readouterr().err == err
