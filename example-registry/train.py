"""Trains the models of the example registry and writes, per version, all that `gitreg register` is given.

    python -m pip install -r example-registry/requirements.txt
    python example-registry/train.py OUT_DIR

Only data sets that ship with scikit-learn are used, so nothing is downloaded. What appears:

    OUT_DIR/<model>/<version>/
        payload/           the artifact: one file, or one directory
        params.json        what it was trained with
        metrics.json       how the payload did on the held-out rows
        signature.json     JSON Schemas of one row in and one answer out
        environment.json   what is needed to load and run it
        card.json          intended use, limitations, biases
        evidence/holdout.json
    OUT_DIR/demo/credit-risk-candidate/   the same without `payload/` around the file, and a row to try it with

Metrics are taken from the payload as it was written and read back, not from the estimator still in memory.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

# MLflow reports usage over the network unless told not to, before its import.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import joblib
import mlflow.models
import mlflow.sklearn
import numpy as np
import onnx.helper
import onnxruntime
import pandas as pd
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn import datasets, metrics
from sklearn.base import BaseEstimator
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

Scores = dict[str, float]
Schema = dict[str, Any]

SEED = 42
HOLDOUT = 0.3
#: What it takes to run the payload that MLflow writes.
MLFLOW_NEEDS = ("mlflow-skinny", "scikit-learn", "skops", "pandas", "numpy")
#: What an ONNX runtime's float32 arithmetic may differ by from scikit-learn's float64.
TOLERANCE = 1e-4


# ---- data -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Split:
    """One bundled data set, cut once into rows to train on and rows held out."""

    name: str
    train: pd.DataFrame
    train_target: pd.Series
    holdout: pd.DataFrame
    holdout_target: pd.Series

    @cached_property
    def holdout_digest(self) -> str:
        """sha256 of the held-out rows as CSV, in the data set's own order of rows.

        The form: UTF-8, lines end in LF; a header of the feature names and `target`; values with commas
        between them and no quotes, each the shortest decimal that reads back as the same float64 (Python's repr).
        """
        rows = self.holdout.assign(target=self.holdout_target).sort_index()
        lines = [rows.columns, *rows.astype(float).map(repr).to_numpy()]
        text = "".join(",".join(line) + "\n" for line in lines)
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def split(name: str, data: Any, target: pd.Series, *, stratify: bool) -> Split:
    """Cuts a scikit-learn data set (loaded as a frame), its columns renamed to identifiers."""
    frame = data.data.rename(columns=lambda column: column.replace(" ", "_"))
    train, holdout, train_target, holdout_target = train_test_split(
        frame, target, test_size=HOLDOUT, random_state=SEED, stratify=target if stratify else None
    )
    return Split(name, train, train_target, holdout, holdout_target)


def breast_cancer() -> Split:
    """The credit-risk stand-in: class 1, the "default", is a malignant tumour (the data set's own class 0)."""
    data = datasets.load_breast_cancer(as_frame=True)
    return split("breast-cancer", data, 1 - data.target, stratify=True)


def diabetes() -> Split:
    """Progression of diabetes after one year, from ten measurements in their natural units."""
    data = datasets.load_diabetes(as_frame=True, scaled=False)
    return split("diabetes", data, data.target, stratify=False)


def digits() -> Split:
    """Handwritten digits of 8 by 8 pixels, each from 0 to 16."""
    data = datasets.load_digits(as_frame=True)
    return split("digits", data, data.target, stratify=True)


# ---- scores ---------------------------------------------------------------------------------------------


def score_binary(truth: pd.Series, probabilities: np.ndarray) -> Scores:
    """For probabilities of both classes, one row per case; above one half counts as class 1."""
    positive = probabilities[:, 1].astype(float)
    decided = positive > 0.5
    return {
        "roc_auc": metrics.roc_auc_score(truth, positive),
        "accuracy": metrics.accuracy_score(truth, decided),
        "log_loss": metrics.log_loss(truth, positive),
        "recall": metrics.recall_score(truth, decided),
    }


def score_regression(truth: pd.Series, predicted: np.ndarray) -> Scores:
    """Errors are in the target's own unit."""
    return {
        "rmse": metrics.root_mean_squared_error(truth, predicted),
        "mae": metrics.mean_absolute_error(truth, predicted),
        "r2": metrics.r2_score(truth, predicted),
    }


def score_classes(truth: pd.Series, probabilities: np.ndarray) -> Scores:
    """The most probable class counts; the classes are 0, 1, 2, … ."""
    predicted = probabilities.argmax(axis=1)
    return {
        "accuracy": metrics.accuracy_score(truth, predicted),
        "macro_f1": metrics.f1_score(truth, predicted, average="macro"),
    }


# ---- payloads: each writes the fitted estimator, reads it back, and answers for the held-out rows --------


def as_onnx(estimator: BaseEstimator, folder: Path, data: Split) -> np.ndarray:
    """`model.onnx`: one float32 input `features`, whose columns its metadata names, in order."""
    names = list(data.holdout.columns)
    model = convert_sklearn(
        estimator,
        name="model",  # the default is a random name, in every node of the graph
        initial_types=[("features", FloatTensorType([None, len(names)]))],
        options={"zipmap": False},
        target_opset={"": 18, "ai.onnx.ml": 3},
    )
    onnx.helper.set_model_props(model, {"feature_names": json.dumps(names)})
    # The converter lists these in the order of Python's randomised hashes, some of them twice.
    opsets = sorted({(used.domain, used.version) for used in model.opset_import})
    del model.opset_import[:]
    model.opset_import.extend(onnx.helper.make_opsetid(*opset) for opset in opsets)
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString(deterministic=True))
    return run_onnx(path, data.holdout)


def run_onnx(path: Path, rows: pd.DataFrame) -> np.ndarray:
    """The probabilities of each class, one row per row."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    probabilities: np.ndarray = session.run(["probabilities"], {"features": rows.to_numpy(dtype=np.float32)})[
        0
    ]
    return probabilities


def as_joblib(estimator: BaseEstimator, folder: Path, data: Split) -> np.ndarray:
    """`model.joblib`: a pickle, so to load it is to run code: for trusted registries only."""
    path = folder / "model.joblib"
    joblib.dump(estimator, path)
    predicted: np.ndarray = joblib.load(path).predict(data.holdout)
    return predicted


def as_mlflow(estimator: BaseEstimator, folder: Path, data: Split) -> np.ndarray:
    """`model/`: a directory as MLflow writes one, with the estimator in skops' format, safe to read.

    The one payload whose bytes differ from run to run: MLflow notes the time, a random id and the build tools
    that it finds installed, skops the time and addresses in memory.
    """
    path = folder / "model"
    mlflow.sklearn.save_model(
        estimator,
        path,
        serialization_format="skops",
        signature=mlflow.models.infer_signature(data.holdout, estimator.predict(data.holdout)),
        pip_requirements=pins(*MLFLOW_NEEDS),
    )
    probabilities: np.ndarray = mlflow.sklearn.load_model(str(path)).predict_proba(data.holdout)
    return probabilities


def pins(*packages: str) -> list[str]:
    """The packages as requirements, at the versions that this runs on."""
    return [f"{package}=={installed(package)}" for package in packages]


# ---- what each model is ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recipe:
    """How one version is trained. Linear models want scaled features, trees do not care."""

    algorithm: type[BaseEstimator]
    params: dict[str, str | float | bool]
    scaled: bool = False

    def estimator(self) -> BaseEstimator:
        """A new estimator, not yet fitted, with the seed where it takes one."""
        model = self.algorithm(**self.params)
        if "random_state" in model.get_params():
            model.set_params(random_state=SEED)
        return make_pipeline(StandardScaler(), model) if self.scaled else model


@dataclass(frozen=True)
class Model:
    """What the versions of one model have in common."""

    name: str
    data: Callable[[], Split]
    write: Callable[[BaseEstimator, Path, Split], np.ndarray]
    score: Callable[[pd.Series, np.ndarray], Scores]
    outputs: Schema
    needs: tuple[str, ...]
    card: dict[str, str]
    recipes: Mapping[str, Recipe]


def record(**properties: Schema) -> Schema:
    """The JSON Schema of an object that has just these properties."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


PROBABILITY = {"type": "number", "minimum": 0, "maximum": 1}

CREDIT_RISK = Model(
    name="credit-risk",
    data=breast_cancer,
    write=as_onnx,
    score=score_binary,
    outputs=record(
        label={"type": "integer", "enum": [0, 1]},
        probabilities={"type": "array", "items": PROBABILITY, "minItems": 2, "maxItems": 2},
    ),
    needs=("onnxruntime", "numpy"),
    card={
        "intended_use": (
            "To show a registry at work with a real binary classifier. It is a stand-in: no credit data is "
            "bundled with scikit-learn, so it is trained on the Wisconsin breast cancer data, and class 1 "
            '("default") is a malignant tumour. Neither for lending nor for diagnosis.'
        ),
        "limitations": (
            "Learnt from 398 cases and measured on 171 held out at random from the same source. All versions "
            "were compared on those same rows, so the best of them looks a little better than it is."
        ),
        "biases": (
            "The cases come from one hospital and say nothing of age or origin, so no difference between "
            "groups can be measured. 37% are of class 1, far more than where people are screened."
        ),
    },
    recipes={
        "1": Recipe(DecisionTreeClassifier, {"max_depth": 1}),
        "2": Recipe(RandomForestClassifier, {"n_estimators": 30, "max_depth": 4}),
        "3": Recipe(GradientBoostingClassifier, {"n_estimators": 100, "max_depth": 2}),
    },
)

#: What a data scientist brings next: better than version 3 on every metric, and a fraction of its size.
CREDIT_RISK_CANDIDATE = Recipe(LogisticRegression, {"C": 1.0, "class_weight": "balanced"}, scaled=True)

DIABETES_PROGRESSION = Model(
    name="diabetes-progression",
    data=diabetes,
    write=as_joblib,
    score=score_regression,
    outputs={"type": "number"},
    needs=("scikit-learn", "joblib", "pandas", "numpy"),
    card={
        "intended_use": "To show a registry at work with a real regressor. Not for medical decisions.",
        "limitations": (
            "Learnt from 309 patients and measured on 133. It explains about half of the variance, and is off "
            "by about 42 on a scale from 25 to 346."
        ),
        "biases": (
            "Sex is one of the features, in two categories that the source does not explain; the errors were "
            "not compared between them. Where the patients come from is not stated."
        ),
    },
    recipes={
        "1": Recipe(Ridge, {"alpha": 1.0}, scaled=True),
        "2": Recipe(
            GradientBoostingRegressor,
            {"n_estimators": 60, "max_depth": 2, "learning_rate": 0.07, "subsample": 0.7},
        ),
    },
)

DIGITS = Model(
    name="digits",
    data=digits,
    write=as_mlflow,
    score=score_classes,
    outputs={"type": "integer", "minimum": 0, "maximum": 9},
    needs=MLFLOW_NEEDS,
    card={
        "intended_use": "To show a registry at work with an MLflow model. For digits of 8 by 8 pixels, centred.",
        "limitations": (
            "Linear, so strokes that are shifted or thin mislead it, and it has an answer for what is no digit, "
            "too. The same writers are among the rows learnt from and those held out: with others it will do worse."
        ),
        "biases": "Few people (13, by the source's account) wrote all the digits; other hands and habits are missing.",
    },
    recipes={"1": Recipe(LogisticRegression, {"C": 1.0, "max_iter": 500}, scaled=True)},
)


# ---- putting it together --------------------------------------------------------------------------------


def produce(model: Model, recipe: Recipe, data: Split, folder: Path, payload: Path) -> None:
    """Trains one version; writes its payload into one folder and all that describes it into another."""
    shutil.rmtree(folder, ignore_errors=True)
    payload.mkdir(parents=True)
    estimator = recipe.estimator().fit(data.train, data.train_target)
    answers = model.write(estimator, payload, data)
    check_answers(estimator, data, answers)
    scores = {
        name: round(float(value), 6) for name, value in model.score(data.holdout_target, answers).items()
    }
    describe(model, recipe, data, scores, folder)
    print(folder, *(f"{name}={value}" for name, value in scores.items()))


def check_answers(estimator: BaseEstimator, data: Split, answers: np.ndarray) -> None:
    """Stops everything if the payload does not answer as the estimator that was fitted."""
    predict = getattr(estimator, "predict_proba", estimator.predict)
    np.testing.assert_allclose(answers, predict(data.holdout), atol=TOLERANCE)


def describe(model: Model, recipe: Recipe, data: Split, scores: Scores, folder: Path) -> None:
    """Writes the JSON files of one version."""
    algorithm = {"algorithm": recipe.algorithm.__name__, "scaled": recipe.scaled}
    row = record(**{name: {"type": "number"} for name in data.train.columns})
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    evaluated_on = {"name": f"{data.name}-holdout", "digest": data.holdout_digest}
    write_json(
        folder / "params.json", {**algorithm, **recipe.params, "seed": SEED, "train_rows": len(data.train)}
    )
    write_json(folder / "metrics.json", scores)
    write_json(folder / "signature.json", {"inputs": row, "outputs": model.outputs})
    write_json(folder / "environment.json", {"python": python, "requirements": pins(*model.needs)})
    write_json(folder / "card.json", model.card)
    write_json(folder / "evidence" / "holdout.json", {"dataset": evaluated_on, "metrics": scores})


def write_example_row(folder: Path, data: Split) -> None:
    """`row.json`: the first held-out row, and the probability of class 1 that `model.onnx` here gives it."""
    row = data.holdout.iloc[[0]]
    example = {
        "row": row.iloc[0].to_dict(),
        "truth": int(data.holdout_target.iloc[0]),
        "probability": round(float(run_onnx(folder / "model.onnx", row)[0, 1]), 6),
        "tolerance": TOLERANCE,
    }
    write_json(folder / "row.json", example)


def write_json(path: Path, value: Any) -> None:
    """Writes JSON as a person would want to read it."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def main(out: Path) -> None:
    """Writes every version of every model below `out`, in place of what an earlier run left there."""
    for model in (CREDIT_RISK, DIABETES_PROGRESSION, DIGITS):
        data = model.data()
        for version, recipe in model.recipes.items():
            folder = out / model.name / version
            produce(model, recipe, data, folder, folder / "payload")

    candidate, data = out / "demo" / "credit-risk-candidate", CREDIT_RISK.data()
    produce(CREDIT_RISK, CREDIT_RISK_CANDIDATE, data, candidate, candidate)
    write_example_row(candidate, data)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python example-registry/train.py OUT_DIR")
    main(Path(sys.argv[1]))
