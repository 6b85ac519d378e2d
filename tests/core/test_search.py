"""Searching a registry: what is found, in which order, and how little is read for it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from gitreg.core.codec.edit import REMOVE
from gitreg.core.manifest import INTEGER_SCHEME
from gitreg.core.plan.annotate import plan_edit_model
from gitreg.core.plan.delete import plan_delete_model, plan_delete_version
from gitreg.core.plan.register import NewModel
from gitreg.core.plan.rename import plan_rename
from gitreg.core.ports import Blob, Entry, Tree
from gitreg.core.search import SearchHit, parse_filter, search
from gitreg.core.snapshot import Snapshot
from gitreg.errors import UsageError
from tests.core.report_kit import CREATED, after, annotated, credit_risk, register


def registry() -> Snapshot:
    found = annotated(credit_risk(), 3, {("tags", "team"): "fraud", ("tags", "run"): "r1"})
    found = annotated(found, 1, {("deprecated",): {"reason": "old", "use": 2}})
    found = after(found, plan_delete_version(found, "credit-risk", 4, None, CREATED))
    semver = NewModel(scheme="semver")
    for number, version in enumerate(("1.10.0", "1.9.0", "2.0.0-rc.1"), 20):
        found = register(
            found, "売上予測モデル", number, create=semver, version=version, metrics={"rmse": number}
        )
    found = register(found, "gone", 30, create=NewModel(scheme=INTEGER_SCHEME))
    return after(found, plan_delete_model(found, "gone", None, CREATED))


REGISTRY = registry()


def names(text: str, snapshot: Snapshot = REGISTRY) -> list[str]:
    return [f"{hit.model}/{hit.version}" for hit in search(snapshot, parse_filter(text))]


ALL = [
    "credit-risk/3",
    "credit-risk/2",
    "credit-risk/1",
    "売上予測モデル/2.0.0-rc.1",
    "売上予測モデル/1.10.0",
    "売上予測モデル/1.9.0",
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ALL),
        ("name = 'credit-risk'", ALL[:3]),
        ("name = 'CREDIT-RISK' AND version >= 2", ALL[:2]),
        ("name LIKE '売上%'", ALL[3:]),
        ("name IN ('credit-risk', 'nothing')", ALL[:3]),
        ("name = 'gone' OR name = '../credit-risk'", []),
        ("stage = 'production'", ["credit-risk/2"]),
        ("stage = 'none' AND format = 'onnx'", ALL[3:]),
        ("alias = 'champion'", ["credit-risk/2"]),
        ("deprecated = true", ["credit-risk/1"]),
        ("NOT deprecated = true AND name = 'credit-risk'", ALL[:2]),
        ("tags.team = 'risk'", ["credit-risk/2", "credit-risk/1"]),
        ("tags.team = 'fraud'", ["credit-risk/3"]),
        ("tags.run = 'r1'", ["credit-risk/3"]),
        ("tags.tier = '1'", ALL[:3]),
        ("owner = 'bo' AND task LIKE 'class%'", ALL[:3]),
        ("params.depth = 4 OR params.depth = '3'", ALL[:2]),
        ("params.scaled = true AND params.C >= 1", ALL[:2]),
        ("metrics.roc_auc > 0.9", ["credit-risk/3", "credit-risk/2"]),
        ("metrics.recall != 0.8", []),
        ("NOT metrics.recall = 0.8", ALL[1:]),
        ("created_at > '2026-11-19' AND created_at < '2026-11-21'", ALL),
        ("version > '1.9.0'", ALL[3:5]),
        (
            "name = 'credit-risk' AND tags.tier = '1' AND metrics.roc_auc > 0.9 AND stage = 'production'",
            ["credit-risk/2"],
        ),
    ],
)
def test_finds_living_versions(text: str, expected: list[str]) -> None:
    assert names(text) == expected


def test_a_hit_says_where_its_version_stands() -> None:
    (hit,) = search(REGISTRY, parse_filter("alias = 'champion'"))
    record = REGISTRY.demand_record("credit-risk", 2)
    assert hit == SearchHit("credit-risk", 2, "production", ("champion",), record)


def test_a_renamed_model_is_found_by_its_present_name() -> None:
    head = after(REGISTRY, plan_rename(REGISTRY, "credit-risk", "Kreditrisiko", CREATED))
    assert names("name = 'kreditrisiko'", head) == ["Kreditrisiko/3", "Kreditrisiko/2", "Kreditrisiko/1"]
    assert names("name = 'credit-risk'", head) == []


def test_a_model_without_a_task_has_none() -> None:
    head = after(REGISTRY, plan_edit_model(REGISTRY, "credit-risk", {("tags",): REMOVE, ("owners",): REMOVE}))
    assert names("tags.tier = '1' OR task = 'x' OR owner = 'bo'", head) == []


def test_a_malformed_filter_is_refused() -> None:
    with pytest.raises(UsageError, match="column 6"):
        parse_filter("name ~ 'x'")


class RecordingTree:
    """A tree that remembers what was read and listed."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self.touched: list[str] = []

    def read(self, path: str) -> Blob | None:
        self.touched.append(path)
        return self._tree.read(path)

    def list(self, path: str) -> Mapping[str, Entry]:
        self.touched.append(path)
        return self._tree.list(path)

    def blob(self, oid: str) -> bytes:
        return self._tree.blob(oid)


def touched(text: str) -> set[str]:
    tree = RecordingTree(REGISTRY.tree)
    names(text, Snapshot(tree))
    return set(tree.touched)


class TestReading:
    @pytest.mark.parametrize(
        "text",
        [
            "name = 'credit-risk' AND metrics.roc_auc > 0.9",
            "metrics.roc_auc > 0.9 AND (name = 'credit-risk' OR name IN ('credit-risk'))",
            "name LIKE '%' AND name = 'credit-risk'",
        ],
    )
    def test_opens_no_other_model_where_the_name_is_given(self, text: str) -> None:
        assert not any("売上" in path or "gone" in path for path in touched(text))

    def test_opens_all_where_it_is_not(self) -> None:
        assert any("売上" in path for path in touched("name = 'credit-risk' OR metrics.roc_auc > 0.9"))
        assert any("売上" in path for path in touched("NOT name = 'credit-risk'"))

    def test_reads_no_records_of_versions_that_fall_before(self) -> None:
        records = {path for path in touched("stage = 'production'") if path.endswith("version.yaml")}
        assert records == {"models/credit-risk/versions/2/version.yaml"}
        assert not any(path.endswith("notes.yaml") for path in touched("metrics.rmse > 1"))
