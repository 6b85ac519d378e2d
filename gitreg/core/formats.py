"""What an artifact is, by its name and its files' names; its content is never opened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

#: The format of a model with MLflow's own description file: https://mlflow.org/docs/latest/ml/model/#model-signature
MLFLOW = "mlflow"
#: The format of what nothing else is known of.
CUSTOM = "custom"
_MLMODEL_FILE = "MLmodel"
_BY_ENDING: Mapping[str, str] = {
    "onnx": "onnx",
    "joblib": "joblib",
    "pkl": "pickle",
    "pickle": "pickle",
    "safetensors": "safetensors",
    "skops": "skops",
    "bentomodel": "bentoml",
}


def artifact_format(name: str, files: Iterable[str]) -> str:
    """The format of a file or folder called ``name``; ``files`` are the paths in a folder."""
    if _MLMODEL_FILE in files:
        return MLFLOW
    stem, _, ending = name.rpartition(".")
    return _BY_ENDING.get(ending.lower(), CUSTOM) if stem else CUSTOM
