from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cli_kit import DATA_DIGEST, Registry, digest_of

from gitreg.core.codec.yaml import load_yaml

FOLDER = "models/credit-risk/versions/{}/evidence/{}.yaml"
DATASET = ["--dataset", f"q3@{DATA_DIGEST}"]


def file(registry: Registry, version: int, name: str) -> dict[str, Any]:
    """A file of a version's evidence as the open request would have it."""
    text = registry.proposed(FOLDER.format(version, name))
    assert text is not None
    found = load_yaml(text.encode())
    assert isinstance(found, dict)
    return found


def test_add_records_metrics_with_their_data_set(registry_repo: Registry, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text('{"roc_auc": 0.5, "loss": 1e-5}')
    args = [
        "--metrics",
        str(tmp_path / "metrics.json"),
        "--metric",
        "roc_auc=0.93",
        "--source",
        "https://ci/7",
    ]
    out = registry_repo("evidence", "add", "credit-risk/latest", "q3", *DATASET, *args).out
    assert out.startswith("Change #1 opened: Add evidence q3 to credit-risk/3\n")
    found = file(registry_repo, 3, "q3")
    assert found.pop("created_at").endswith("Z")
    assert found == {
        "apiVersion": "gitreg/v1",
        "kind": "Evidence",
        "model": "credit-risk",
        "version": 3,
        "name": "q3",
        "digest": digest_of(3),
        "dataset": {"name": "q3", "digest": DATA_DIGEST},
        "metrics": {"roc_auc": 0.93, "loss": 1e-5},
        "source": "https://ci/7",
        "created_by": {"name": "Alice", "email": "alice@example.com"},
    }


def test_retract_leaves_the_evidence_and_adds_why(registry_repo: Registry) -> None:
    registry_repo("evidence", "retract", "credit-risk@champion", "holdout", "--reason", "held training rows")
    assert file(registry_repo, 1, "holdout.retracted")["reason"] == "held training rows"
    assert file(registry_repo, 1, "holdout")["metrics"] == {"roc_auc": 0.9}


def test_what_is_retracted_is_listed_no_more(registry_repo: Registry) -> None:
    assert [each["name"] for each in registry_repo.json("evidence", "list", "credit-risk/1")] == ["holdout"]
    registry_repo("evidence", "retract", "credit-risk/1", "holdout", "--reason", "held training rows")
    registry_repo("change", "merge", "1")
    assert registry_repo.json("evidence", "list", "credit-risk/1") == []
    assert registry_repo.json("show", "credit-risk/1")["evidence"] == []
    again = ["evidence", "retract", "credit-risk/1", "holdout", "--reason", "once more"]
    assert "has no evidence 'holdout' that counts" in registry_repo.refuses(*again, code=1)


def test_list(registry_repo: Registry) -> None:
    header, line = registry_repo("evidence", "list", "credit-risk/production").out.splitlines()
    assert header.startswith("name     data set  its digest")
    assert line.split()[:4] == ["holdout", "holdout", "sha256:dddddddddddd…", "roc_auc=0.9"]
    shown = registry_repo.json("show", "credit-risk/1")
    assert registry_repo.json("evidence", "list", "credit-risk/1") == shown["evidence"]


def test_a_version_without_evidence(shared_repo: Registry) -> None:
    result = shared_repo("evidence", "list", "credit-risk/3")
    assert (result.out, result.err) == ("", "credit-risk/3 has no evidence.\n")


def test_a_dry_run_writes_nothing(registry_repo: Registry) -> None:
    add = ["evidence", "add", "credit-risk/3", "q3", "--metric", "roc_auc=0.9", *DATASET]
    assert f"+++ b/{FOLDER.format(3, 'q3')}" in registry_repo.writes_nothing(*add).out
    retract = ["evidence", "retract", "credit-risk/1", "holdout", "--reason", "x"]
    assert FOLDER.format(1, "holdout.retracted") in registry_repo.writes_nothing(*retract).out


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["add", "credit-risk/3", "q3", *DATASET], 2, "there are no metrics"),
        (
            ["add", "credit-risk/3", "q3", "--metric", "a=high", *DATASET],
            2,
            "--metric: 'a=high' is not a finite",
        ),
        (
            ["add", "credit-risk/3", "q3", "--metric", "a=nan", *DATASET],
            2,
            "--metric: 'a=nan' is not a finite",
        ),
        (
            ["add", "credit-risk/3", "q3", "--metrics", "m.json", *DATASET],
            2,
            "--metrics: 'm.json' cannot be read",
        ),
        (
            ["add", "credit-risk/3", "q3", "--metric", "a=1", "--dataset", "q3"],
            2,
            "--dataset: 'q3' is not NAME@",
        ),
        (["add", "credit-risk/3", "../x", "--metric", "a=1", *DATASET], 2, "'../x' cannot name evidence"),
        (["add", "credit-risk/1", "holdout", "--metric", "a=1", *DATASET], 1, "evidence is never edited"),
        (["add", "credit-risk/9", "q3", "--metric", "a=1", *DATASET], 1, "version 9 of 'credit-risk'"),
        (
            ["add", "credit-risk/3", "q3", "--metric", "a=1", *DATASET, "--source", "x" * 1001],
            2,
            "source: 1001 characters",
        ),
        (
            ["add", "credit-risk/3", "q3", "--metric", "a=1", "--dataset", "q" * 251 + f"@{DATA_DIGEST}"],
            2,
            "dataset.name: 251 characters",
        ),
        (["retract", "credit-risk/1", "holdout", "--reason", ""], 2, "reason: 0 characters"),
        (["retract", "credit-risk/1", "nosuch", "--reason", "x"], 1, "has no evidence 'nosuch' that counts"),
        (["list", "credit-risk"], 2, "'credit-risk' is not a reference"),
    ],
)
def test_bad_input_is_refused(shared_repo: Registry, args: list[str], code: int, said: str) -> None:
    assert said in shared_repo.refuses("evidence", *args, code=code)
