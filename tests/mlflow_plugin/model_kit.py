"""Models to register: a registry of one person, and a run of an experiment that made models with scikit-learn."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from flow_kit import git
from mlflow.models import infer_signature
from sklearn.linear_model import LinearRegression

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MLflow warns of type hints of its own
    import mlflow.pyfunc
    import mlflow.sklearn

#: What a model is trained on, and asked for. It doubles.
X = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "b": [0.0, 1.0, 0.0, 1.0]})
Y = np.array([2.0, 4.0, 6.0, 8.0])
#: Named, so that MLflow does not look for them in a process of its own, which takes seconds.
REQUIREMENTS = ["scikit-learn", "pandas"]


def trained() -> LinearRegression:
    return LinearRegression().fit(X, Y)


class Adder(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """A model of somebody's own, which is pickled."""

    def __init__(self, number: int) -> None:
        self.number = number

    def predict(self, context: Any, model_input: pd.DataFrame) -> Any:
        return model_input["a"] + self.number


@dataclass(frozen=True)
class Logged:
    """A run, and what it made: two scikit-learn models by their ids, and the model of somebody's own."""

    run: str
    skops: str
    pickle: str
    pyfunc: str


def log_models(artifacts: Path) -> Logged:
    """A run with params, metrics and a data set, whose models are in a folder; in MLflow's present tracking store."""
    experiment = mlflow.MlflowClient().create_experiment("doubling", f"file://{artifacts}")
    with mlflow.start_run(experiment_id=experiment, run_name="tuesday", tags={"team": "risk"}) as run:
        mlflow.log_params({"fit_intercept": True, "solver": "lstsq"})
        mlflow.log_metrics({"rmse": 0.5})
        mlflow.log_metrics({"rmse": 0.1, "diverged": float("nan")})
        mlflow.log_input(mlflow.data.from_pandas(X, name="numbers"), context="training")
        said: dict[str, Any] = {"signature": infer_signature(X, Y), "pip_requirements": REQUIREMENTS}
        skops = mlflow.sklearn.log_model(trained(), name="skops", **said)
        pickled = mlflow.sklearn.log_model(
            trained(), name="pickle", serialization_format="cloudpickle", **said
        )
        adder = mlflow.pyfunc.log_model(name="adder", python_model=Adder(5), pip_requirements=REQUIREMENTS)
        mlflow.log_text("kept", "notes/hello.txt")
    return Logged(run.info.run_id, skops.model_id, pickled.model_id, adder.model_id)


def record(solo: Path, path: str) -> Any:
    """A version's record, as it stands on the branch."""
    from gitreg.core.codec.yaml import MAX_RECORD_BYTES, load_yaml

    return load_yaml(git(solo, "show", f"main:models/{path}/version.yaml").encode(), MAX_RECORD_BYTES)


def objects(folder: Path) -> Iterator[Path]:
    """Everything that is in the DVC remote."""
    return (Path(at) / name for at, _, names in os.walk(folder / "artifacts") for name in names)
