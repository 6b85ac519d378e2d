"""Two versions beside each other, as values, as JSON and as tables."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitreg.core.compare import Comparison, Metric, Side, Status, Trend, changed, compare
from gitreg.core.manifest import Deprecation, VersionNotes
from gitreg.core.ports import Identity
from gitreg.core.record import Artifact, ModelVersion
from gitreg.core.report.compare import compare_text
from tests.core.report_kit import credit_risk

DIRECTIONS = {"roc_auc": "higher", "log_loss": "lower"}


def side(version: int = 1, notes: VersionNotes | None = None, **said: Any) -> Side:
    artifact = said.pop("artifact", Artifact("m.onnx", f"sha256:{1:064x}", 10, 1, "onnx"))
    when = datetime(2026, 11, 20, 10, tzinfo=UTC)
    return Side("m", ModelVersion("m", version, when, Identity("A", "a@x"), artifact, **said), notes)


def compared(one: dict[str, Any], other: dict[str, Any]) -> Comparison:
    return compare(side(1, **one), side(2, **other), DIRECTIONS.get)


def metric(one: float, other: float, key: str = "roc_auc") -> Metric:
    (found,) = compared({"metrics": {key: one}}, {"metrics": {key: other}}).metrics
    return found


class TestMetrics:
    def test_differ_in_decimal(self) -> None:
        found = metric(0.94, 0.945)
        assert (found.difference, found.status, found.trend) == (0.005, Status.CHANGED, Trend.BETTER)
        assert found.percent == pytest.approx(0.5319, abs=1e-4)

    @pytest.mark.parametrize(
        ("key", "other", "trend"),
        [
            ("roc_auc", 0.9, Trend.BETTER),
            ("roc_auc", 0.7, Trend.WORSE),
            ("log_loss", 0.7, Trend.BETTER),
            ("log_loss", 0.9, Trend.WORSE),
            ("log_loss", 0.8, Trend.SAME),
            ("unheard_of", 0.9, None),
        ],
    )
    def test_are_better_the_way_somebody_said(self, key: str, other: float, trend: Trend | None) -> None:
        assert metric(0.8, other, key).trend is trend

    def test_from_nothing_have_no_percentage(self) -> None:
        assert (metric(0, 5).difference, metric(0, 5).percent) == (5, None)

    def test_below_zero_grow_by_their_size(self) -> None:
        assert metric(-2, -1).percent == 50

    def test_of_one_version_alone_have_no_difference(self) -> None:
        gone, new = compared({"metrics": {"a": 1.0}}, {"metrics": {"b": 2.0}}).metrics
        assert (gone.status, gone.one, gone.other, gone.difference, gone.trend) == (
            Status.REMOVED,
            1,
            None,
            None,
            None,
        )
        assert (new.status, new.one, new.other) == (Status.ADDED, None, 2)

    @given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
    def test_never_become_what_json_cannot_say(self, one: float, other: float) -> None:
        found = metric(one, other)
        json.dumps(found.as_json(), allow_nan=False)
        if found.difference is not None and found.trend is not Trend.SAME:
            assert math.copysign(1, found.difference) == (1 if other > one else -1)


def statuses(found: Comparison, part: str) -> dict[str, str]:
    return {entry.key: entry.status.value for entry in found.parts[part]}


class TestParts:
    def test_params_tell_truth_from_one(self) -> None:
        one = {"params": {"a": 1, "b": True, "c": None, "d": "x", "gone": 1}}
        other = {"params": {"a": 1.0, "b": 1, "c": None, "d": "y", "new": None}}
        assert statuses(compared(one, other), "params") == {
            "a": "same", "b": "changed", "c": "same", "d": "changed", "gone": "removed", "new": "added",
        }  # fmt: skip

    def test_requirements_are_compared_by_their_names(self) -> None:
        one = [
            "NumPy==1.0",
            "scikit_learn>=1",
            "dvc[s3]==3",
            "git+https://x.example/a.git",
            "pytz",
            "-r more.txt",
        ]
        other = [
            "numpy==2.0",
            "scikit-learn>=1",
            "dvc[s3]==3",
            "git+https://x.example/b.git",
            "pytz ; python_version<'3'",
        ]
        found = compared(
            {"environment": {"python": "3.11", "requirements": one}},
            {"environment": {"python": "3.12", "requirements": other}},
        )
        assert statuses(found, "environment") == {
            "python": "changed",
            "numpy": "changed",
            "scikit-learn": "same",
            "dvc": "same",
            "git+https://x.example/a.git": "removed",
            "pytz": "changed",
            "-r more.txt": "removed",
            "git+https://x.example/b.git": "added",
        }
        values = {entry.key: (entry.one, entry.other) for entry in found.environment}
        assert values["numpy"] == ("==1.0", "==2.0")
        assert values["pytz"] == ("any version", "; python_version<'3'")

    def test_requirements_that_repeat_a_name_stay_together(self) -> None:
        lines = ["x==1; a", "x==2; b"]
        (entry,) = compared({}, {"environment": {"requirements": lines}}).environment
        assert (entry.key, entry.other) == ("x", "==1; a; ==2; b")

    def test_signatures_are_compared_field_by_field(self) -> None:
        def rows(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
            row = {"type": "object", "properties": properties, "required": required}
            return {"signature": {"inputs": {"type": "array", "items": row}}}

        number, text = {"type": "number"}, {"type": "string"}
        one = rows(
            {"age": number, "city": text, "nested": {"type": "object", "properties": {"x": number}}}, ["age"]
        )
        other = rows(
            {"age": number, "city": number, "nested": {"type": "object", "properties": {"y": number}}}, []
        )
        found = compared(one, other)
        assert statuses(found, "signature") == {
            "inputs": "same",
            "inputs[]": "same",
            "inputs[].age": "changed",
            "inputs[].city": "changed",
            "inputs[].nested": "same",
            "inputs[].nested.x": "removed",
            "inputs[].nested.y": "added",
        }
        age = next(entry for entry in found.signature if entry.key.endswith("age"))
        assert (age.one, age.other) == ("number, required", "number")

    def test_odd_signatures_are_compared_as_they_are(self) -> None:
        odd = {"inputs": {"items": True, "properties": "?", "minimum": 1}, "outputs": {}}
        found = compared({}, {"signature": odd})
        assert [(entry.key, entry.other) for entry in found.signature] == [
            ("inputs", '{"items": true, "properties": "?", "minimum": 1}'),
            ("outputs", "{}"),
        ]

    def test_artifacts_and_sources_are_compared(self) -> None:
        one = {"source": {"commit": "a", "data": [{"name": "train", "digest": "1"}, {"digest": "2"}]}}
        other = {
            "source": {"commit": "a", "data": [{"name": "train", "digest": "9"}], "run": {"id": "7"}},
            "artifact": Artifact("m.pkl", f"sha256:{2:064x}", 11, 1, "pickle"),
        }
        found = compared(one, other)
        assert statuses(found, "source") == {
            "commit": "same", "data.train": "changed", "data.1": "removed", "run.id": "added",
        }  # fmt: skip
        assert [entry.key for entry in changed(found.artifact)] == ["path", "digest", "size", "format"]

    def test_notes_are_compared(self) -> None:
        one = side(1, VersionNotes("m", 1, "Old.", {"team": "risk"}, None, {"biases": "none"}))
        other = side(2, VersionNotes("m", 2, None, {"team": "risk"}, Deprecation("wrong data", 1), {}))
        assert statuses(compare(one, other, DIRECTIONS.get), "notes") == {
            "description": "removed", "tags.team": "same", "card.biases": "removed", "deprecated": "added",
        }  # fmt: skip


def credit_risk_comparison() -> Comparison:
    snapshot = credit_risk()
    one, other = (
        Side("credit-risk", snapshot.demand_record("credit-risk", v), snapshot.notes("credit-risk", v))
        for v in (2, 3)
    )
    return compare(one, other, snapshot.policy().direction)


def test_as_json_it_is_plain_values() -> None:
    found = json.loads(json.dumps(credit_risk_comparison().as_json(), allow_nan=False))
    assert (found["one"], found["other"]) == ("credit-risk/2", "credit-risk/3")
    assert found["metrics"][0] == {
        "key": "roc_auc",
        "status": "changed",
        "one": 0.94,
        "other": 0.945,
        "difference": 0.005,
        "percent": pytest.approx(0.5319, abs=1e-4),
        "trend": "better",
    }
    assert {"key": "depth", "status": "changed", "one": 3, "other": 4} in found["params"]
    assert found.keys() == {
        "one", "other", "metrics", "artifact", "params", "signature", "environment", "source", "notes",
    }  # fmt: skip


def test_as_text_it_shows_what_changed_first() -> None:
    text = compare_text(credit_risk_comparison())
    assert text.startswith("credit-risk/2 → credit-risk/3\n\n")
    metrics, artifact, params, *_ = text.split("\n\n")[1:]
    assert metrics.splitlines() == [
        "   metrics   credit-risk/2  credit-risk/3  difference  percent",
        "~  roc_auc            0.94          0.945  +0.005      +0.53%   better",
        "~  log_loss            0.3           0.35  +0.05       +16.67%  worse",
        "+  recall                             0.8",
        "   accuracy            0.9            0.9",
    ]
    assert artifact.splitlines()[-1].split() == ["(4", "the", "same)"]
    assert params.splitlines()[1].split() == ["~", "depth", "3", "4"]
    assert text.endswith("the same: notes (3)")


def test_as_text_it_is_printable() -> None:
    evil = "\x1b[2J\n\u202e"
    text = compare_text(compared({"params": {evil: evil}}, {"params": {"b": evil}, "metrics": {evil: 1.0}}))
    assert all(line.isprintable() for line in text.splitlines())


def test_versions_that_are_the_same_in_all_say_so() -> None:
    text = compare_text(compared({"params": {"a": 1}}, {"params": {"a": 1}}))
    assert text == "m/1 → m/2\n\nthe same: artifact (5), params (1)"
