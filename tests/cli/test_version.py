from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cli_kit import Registry, digest_of, git

from gitreg.core.codec.yaml import load_yaml

NOTES = "models/credit-risk/versions/{}/notes.yaml"


def notes(registry: Registry, version: int) -> dict[str, Any]:
    """The notes of a version as the open request would have them."""
    text = registry.proposed(NOTES.format(version))
    assert text is not None
    found = load_yaml(text.encode())
    assert isinstance(found, dict)
    return found


def test_list_shows_the_newest_first(shared_repo: Registry) -> None:
    header, *lines = shared_repo("version", "list", "Credit-Risk").out.splitlines()
    assert header.split()[:3] == ["version", "stage", "aliases"]
    assert [line.split()[:2] for line in lines] == [["3", "none"], ["2", "staging"], ["1", "production"]]
    assert lines[1].endswith("deprecated")


def test_list_as_json(shared_repo: Registry) -> None:
    found = shared_repo.json("version", "list", "credit-risk")
    assert [each["version"] for each in found] == [3, 2, 1]
    shown = shared_repo.json("show", "credit-risk/2")
    assert found[1] == {key: shown[key] for key in found[1]}
    assert found[1]["deprecated"] == {"reason": "leaks the target", "use": 3}


def test_a_model_without_versions(shared_repo: Registry) -> None:
    result = shared_repo("version", "list", "売上予測モデル")
    assert (result.out, result.err) == ("", "No versions yet: gitreg register adds one.\n")


def test_show_is_that_of_the_top(shared_repo: Registry) -> None:
    for options in ([], ["--format", "json"]):
        shown = shared_repo("version", "show", "credit-risk/1", *options)
        assert shown.out == shared_repo("show", "credit-risk/1", *options).out
    assert "is not a reference" in shared_repo.refuses("version", "show", "credit-risk", code=2)


def test_compare_says_what_became_better(shared_repo: Registry) -> None:
    out = shared_repo("version", "compare", "credit-risk/production", "credit-risk/latest").out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == "credit-risk/1 → credit-risk/3"
    assert "~ roc_auc 0.91 0.93 +0.02 +2.20% better" in lines
    assert "~ latency 21 23 +2 +9.52% worse" in lines
    assert "~ n_estimators 100 300" in lines


def test_compare_as_json(shared_repo: Registry) -> None:
    found = shared_repo.json("version", "compare", "credit-risk/1", "churn/1.2.0")
    assert (found["one"], found["other"]) == ("credit-risk/1", "churn/1.2.0")
    assert found["commit"] == git(shared_repo.folder, "rev-parse", "main")
    assert {metric["key"]: metric["status"] for metric in found["metrics"]} == {
        "roc_auc": "removed",
        "latency": "removed",
    }
    digest = next(entry for entry in found["artifact"] if entry["key"] == "digest")
    assert digest == {"key": "digest", "status": "changed", "one": digest_of(1), "other": digest_of(11)}


def test_note_edits_the_description_and_the_card(registry_repo: Registry, tmp_path: Path) -> None:
    (tmp_path / "limits.md").write_text("Only for Europe.\n")
    args = [
        "--description",
        "New words.",
        "--card",
        "intended_use=",
        "--card",
        f"limits=@{tmp_path}/limits.md",
    ]
    registry_repo("version", "note", "credit-risk@champion", *args)
    found = notes(registry_repo, 1)
    assert found["description"] == "New words."
    assert found["card"] == {"limits": "Only for Europe."}
    assert found["tags"] == {"team": "risk"}


def test_note_makes_notes_where_there_are_none(registry_repo: Registry, tmp_path: Path) -> None:
    (tmp_path / "words.md").write_text("Two\nlines.\n")
    registry_repo("version", "note", "churn/latest", "--description-file", str(tmp_path / "words.md"))
    text = registry_repo.proposed("models/churn/versions/1.2.0/notes.yaml")
    assert text is not None
    assert load_yaml(text.encode()) == {
        "apiVersion": "gitreg/v1",
        "kind": "VersionNotes",
        "model": "churn",
        "version": "1.2.0",
        "description": "Two\nlines.",
    }


def test_tag_sets_and_removes(registry_repo: Registry) -> None:
    registry_repo("version", "tag", "credit-risk/3", "reviewed=yes", "note=a=b", "--remove", "team")
    assert notes(registry_repo, 3)["tags"] == {"reviewed": "yes", "note": "a=b"}


def test_deprecate_and_undo(registry_repo: Registry) -> None:
    registry_repo("version", "deprecate", "credit-risk/1", "--reason", "too old", "--use", "3")
    assert notes(registry_repo, 1)["deprecated"] == {"reason": "too old", "use": 3}
    registry_repo("change", "close", "1")
    registry_repo("version", "deprecate", "credit-risk/2", "--undo")
    text = registry_repo.proposed(NOTES.format(2), request=2)
    assert text is not None
    assert "deprecated" not in text


def test_delete_leaves_a_tombstone(registry_repo: Registry) -> None:
    registry_repo("version", "delete", "credit-risk/3", "--reason", "wrong table")
    folder = "models/credit-risk/versions/3"
    text = registry_repo.proposed(f"{folder}/tombstone.yaml")
    assert text is not None
    tombstone = load_yaml(text.encode())
    assert isinstance(tombstone, dict)
    assert (tombstone["digest"], tombstone["reason"]) == (digest_of(3), "wrong table")
    assert registry_repo.proposed(f"{folder}/version.yaml") is None


def test_a_dry_run_writes_nothing(registry_repo: Registry) -> None:
    for args in (
        ["note", "credit-risk/3", "--description", "x"],
        ["tag", "credit-risk/3", "a=b"],
        ["deprecate", "credit-risk/3", "--reason", "x"],
        ["delete", "credit-risk/3"],
    ):
        assert "models/credit-risk/versions/3" in registry_repo.writes_nothing("version", *args).out


@pytest.mark.parametrize(
    "args",
    [
        ["tag", "credit-risk/1", "team=risk"],
        ["tag", "credit-risk/1", "--remove", "unknown"],
        ["deprecate", "credit-risk/3", "--undo"],
        ["deprecate", "credit-risk/2", "--reason", "leaks the target", "--use", "3"],
        ["note", "credit-risk/1", "--card", "intended_use=Decision support."],
    ],
)
def test_what_is_so_already_is_done(shared_repo: Registry, args: list[str]) -> None:
    before = shared_repo.refs()
    result = shared_repo("version", *args)
    assert result.out == ""
    assert result.err.endswith("notes.yaml says so already\n")
    assert shared_repo.refs() == before


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["note", "credit-risk/1"], 2, "there is nothing to change"),
        (["note", "credit-risk/9", "--description", "x"], 1, "version 9 of 'credit-risk' does not exist"),
        (["note", "credit-risk/1", "--description", "x" * 16_385], 2, "description: 16385 characters"),
        (["note", "credit-risk/1", "--description", "a", "--description-file", "b"], 2, "exclude each other"),
        (
            ["note", "credit-risk/1", "--description-file", "missing.md"],
            2,
            "--description-file: 'missing.md'",
        ),
        (["note", "credit-risk/1", "--card", "intended_use"], 2, "--card: 'intended_use' is not KEY=VALUE"),
        (["note", "credit-risk/1", "--card", "a=@missing.md"], 2, "--card: 'missing.md' cannot be read"),
        (["tag", "credit-risk/1"], 2, "there is nothing to change"),
        (["tag", "credit-risk/1", "team"], 2, "K=V: 'team' is not KEY=VALUE"),
        (["tag", "credit-risk/1", "a=1", "a=2"], 2, "K=V: 'a' is given twice"),
        (["deprecate", "credit-risk/1"], 2, "either --reason or --undo"),
        (["deprecate", "credit-risk/1", "--reason", "x", "--undo"], 2, "either --reason or --undo"),
        (["deprecate", "credit-risk/1", "--undo", "--use", "3"], 2, "either --reason or --undo"),
        (
            ["deprecate", "credit-risk/1", "--reason", "x", "--use", "three"],
            2,
            "--use: 'three' is not a version",
        ),
        (
            ["deprecate", "credit-risk/1", "--reason", "x", "--use", "1"],
            2,
            "is the deprecated version itself",
        ),
        (["deprecate", "credit-risk/1", "--reason", "x", "--use", "9"], 1, "version 9 of 'credit-risk'"),
        (["delete", "credit-risk/latest"], 2, "does not name a version by its number"),
        (["delete", "credit-risk/1"], 1, "credit-risk/1 is in production and cannot be deleted"),
        (["delete", "credit-risk/9"], 1, "version 9 of 'credit-risk' does not exist"),
        (["compare", "credit-risk/1", "credit-risk/9"], 1, "version 9 of 'credit-risk' does not exist"),
        (["list", "nosuch"], 1, "no model is called 'nosuch'"),
    ],
)
def test_bad_input_is_refused(shared_repo: Registry, args: list[str], code: int, said: str) -> None:
    assert said in shared_repo.refuses("version", *args, code=code)
