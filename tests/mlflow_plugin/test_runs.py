"""The snapshot of a run in a record, from MLflow's own entities: what is kept, and what is left out with a warning."""

from __future__ import annotations

from typing import Any

import pytest
from mlflow.entities import (
    Dataset,
    DatasetInput,
    LoggedModel,
    LoggedModelOutput,
    LoggedModelParameter,
    LoggedModelTag,
    Metric,
    Param,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
    RunTag,
)

from gitreg.core.codec.load import load_manifest
from gitreg.core.codec.yaml import MAX_RECORD_BYTES, dump_yaml
from gitreg.surfaces.mlflow.runs import MAX_PARAM, RunFacts, run_facts

RUN = "0" * 32


def a_run(
    params: dict[str, str] | None = None,
    metrics: dict[str, float] | None = None,
    tags: dict[str, str] | None = None,
    data: list[tuple[str, str]] | None = None,
    models: int = 1,
) -> Run:
    info = RunInfo(RUN, "1", "dan", "FINISHED", 1, 2, "active", f"file:///art/{RUN}", run_name="tuesday")
    return Run(
        info,
        RunData(
            [Metric(key, value, 1, 0) for key, value in (metrics or {}).items()],
            [Param(key, value) for key, value in (params or {}).items()],
            [RunTag(key, value) for key, value in (tags or {}).items()],
        ),
        RunInputs([DatasetInput(Dataset(name, digest, "local", "{}")) for name, digest in data or []]),
        RunOutputs([LoggedModelOutput(f"m-{number}", number) for number in range(models)]),
    )


def a_model(
    params: dict[str, str] | None = None,
    metrics: list[tuple[str, float, int]] | None = None,
    tags: dict[str, str] | None = None,
) -> LoggedModel:
    return LoggedModel(
        "1",
        "m-1",
        "model",
        "/art/m-1",
        1,
        1,
        source_run_id=RUN,
        params=[LoggedModelParameter(*each) for each in (params or {}).items()],
        metrics=[Metric(key, value, step, step) for key, value, step in metrics or []],
        tags=[LoggedModelTag(*each) for each in (tags or {}).items()],
    )


def facts(run: Run | None, logged: LoggedModel | None = None, **said: Any) -> tuple[RunFacts, list[str]]:
    """The snapshot, and the warnings; it is known that a record takes it."""
    warnings: list[str] = []
    found = run_facts(run, logged, warn=warnings.append, **said)
    record = {
        "apiVersion": "gitreg/v1",
        "kind": "ModelVersion",
        "model": "m",
        "version": 1,
        "created_at": "2026-11-20T10:00:00Z",
        "created_by": {"name": "Dan", "email": "dan@example.com"},
        "artifact": {
            "path": "model",
            "digest": f"sha256:{'0' * 64}",
            "size": 1,
            "files": 1,
            "format": "mlflow",
        },
        "source": dict(found.source),
        "params": dict(found.params),
        "metrics": dict(found.metrics),
    }
    data = dump_yaml(record).encode()
    assert len(data) < MAX_RECORD_BYTES
    load_manifest("ModelVersion", data, "models/m/versions/1/version.yaml")
    return found, warnings


def test_a_run_is_kept_with_its_lineage() -> None:
    tags = {
        "team": "risk",
        "mlflow.user": "dan",
        "mlflow.runName": "tuesday",
        "mlflow.source.git.commit": "c" * 40,
        "mlflow.source.git.repoURL": "https://dan:t0ken@git.example.com/train.git",
        "mlflow.log-model.history": "[…]",
    }
    run = a_run({"c": "0.1"}, {"auc": 0.9}, tags, [("train", "d1"), ("train", "d1"), ("test", "d2")])
    found, warnings = facts(run, url="https://u:p@mlflow.example.com/#/runs/0", experiment="churn")
    assert found.source == {
        "repo": "https://git.example.com/train.git",
        "commit": "c" * 40,
        "run": {
            "system": "mlflow",
            "id": RUN,
            "url": "https://mlflow.example.com/#/runs/0",
            "name": "tuesday",
            "experiment": "churn",
            "tags": {"mlflow.user": "dan", "team": "risk"},
        },
        "data": [{"name": "train", "digest": "d1"}, {"name": "test", "digest": "d2"}],
    }
    assert (found.params, found.metrics, warnings) == ({"c": "0.1"}, {"auc": 0.9}, [])


def test_a_logged_model_adds_its_own() -> None:
    logged = a_model({"c": "0.2", "d": "1"}, [("auc", 0.7, 1), ("auc", 0.95, 2)], {"team": "risk"})
    found, _ = facts(a_run({"c": "0.1", "e": "2"}, {"auc": 0.9, "loss": 0.1}), logged)
    assert found.params == {"c": "0.2", "d": "1", "e": "2"}
    assert found.metrics == {"auc": 0.95, "loss": 0.1}
    run = found.source["run"]
    assert isinstance(run, dict)
    assert (run["logged_model"], run["tags"]) == ("m-1", {"team": "risk"})


def test_the_metrics_of_another_model_of_the_run_are_not_this_ones() -> None:
    run = a_run(metrics={"auc": 0.99, "loss": 0.1}, models=2)
    assert facts(run, a_model(metrics=[("auc", 0.7, 1)]))[0].metrics == {"auc": 0.7}
    assert facts(run, a_model())[0].metrics == {"auc": 0.99, "loss": 0.1}


def test_a_logged_model_without_a_run_is_enough() -> None:
    found, _ = facts(None, a_model({"d": "1"}, [("auc", 0.7, 1)]), run_id=RUN)
    assert found.source == {"run": {"system": "mlflow", "id": RUN, "logged_model": "m-1"}}
    assert (found.params, found.metrics) == ({"d": "1"}, {"auc": 0.7})


def test_nothing_is_known() -> None:
    assert facts(None) == (RunFacts(), [])


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), float("-inf"), 1.7976931348623157e308])
def test_a_metric_that_is_no_number_is_left_out(odd: float) -> None:
    """MLflow's databases keep the largest double in the place of an infinity."""
    found, warnings = facts(a_run(metrics={"bad": odd, "good": 1.0}))
    assert found.metrics == {"good": 1.0}
    assert warnings == ["metric 'bad': left out: not finite"]


def test_a_nan_that_came_back_as_zero_is_left_out() -> None:
    """MLflow's databases give a logged model's NaN back as 0."""
    found, _ = facts(a_run(metrics={"bad": float("nan")}), a_model(metrics=[("bad", 0.0, 1)]))
    assert found.metrics == {}


def test_what_is_too_long_is_cut_or_left_out() -> None:
    params = {"long": "x" * (MAX_PARAM + 1), "k" * 251: "1", "a": "1"}
    found, warnings = facts(a_run(params, tags={"t": "y" * 6000}), url="https://example.com/" + "z" * 1000)
    assert found.params == {"long": "x" * MAX_PARAM, "a": "1"}
    run = found.source["run"]
    assert isinstance(run, dict)
    assert run["tags"] == {"t": "y" * 5000}
    assert "url" not in run
    assert len(warnings) == 4


def test_too_many_params_and_metrics_are_left_out() -> None:
    found, warnings = facts(
        a_run({f"p{number:04}": "1" for number in range(1100)}, {f"m{n:04}": 1.0 for n in range(1001)})
    )
    assert (len(found.params), len(found.metrics)) == (1000, 1000)
    assert warnings == [
        "param 'p1000', 'p1001', 'p1002' and 97 more: left out: a record has room for no more",
        "metric 'm1000': left out: a record has room for no more",
    ]


def test_a_thousand_long_texts_never_outgrow_a_record() -> None:
    wide = {f"k{number:04}": "\U0001f600" * 5000 for number in range(1000)}
    found, warnings = facts(a_run(wide, {}, wide))
    assert found.params
    assert len(warnings) == 2


def test_odd_characters_are_written_so_that_they_can_be_read() -> None:
    odd = "a\x00b\x1b[31m\u202ec\ud800\ufeff\n- x: 'y'\t"
    found, _ = facts(a_run({odd: odd}, tags={"t": odd}, data=[(odd, odd)]))
    assert found.params == {odd.replace("\ud800", "?"): odd.replace("\ud800", "?")}
