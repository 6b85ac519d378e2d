from __future__ import annotations

from pathlib import Path

import pytest
from cli_kit import RULES, Registry, Story, git, write

from gitreg.core.codec.yaml import load_yaml

MODEL = "models/churn/model.yaml"


def manifest(text: str | None) -> object:
    assert text is not None
    return load_yaml(text.encode())


def test_new_opens_a_change_request(registry_repo: Registry, tmp_path: Path) -> None:
    (tmp_path / "fraud.md").write_text("Finds fraud.\n\nNightly.\n")
    args = ["--title", "Fraud", "--description", f"@{tmp_path / 'fraud.md'}", "--task", "classification"]
    args += ["--owner", "risk", "--owner", "platform", "--tag", "tier=1", "--tag", "eu=yes", "--semver"]
    out = registry_repo("model", "new", "fraud", *args).out
    assert out.startswith("Change #1 opened: New model fraud\n")
    assert manifest(registry_repo.proposed("models/fraud/model.yaml")) == {
        "apiVersion": "gitreg/v1",
        "kind": "Model",
        "name": "fraud",
        "title": "Fraud",
        "description": "Finds fraud.\n\nNightly.",
        "owners": ["risk", "platform"],
        "task": "classification",
        "tags": {"tier": "1", "eu": "yes"},
        "versions": "semver",
    }


def test_the_same_again_adopts_the_request(registry_repo: Registry) -> None:
    first = registry_repo.json("model", "new", "fraud")
    again = registry_repo.json("model", "new", "fraud")
    assert (first["request"], first["how"]) == ("1", "opened")
    assert (again["request"], again["how"]) == ("1", "adopted")


def test_a_dry_run_writes_nothing(registry_repo: Registry) -> None:
    for args in (
        ["new", "fraud", "--title", "Fraud"],
        ["edit", "churn", "--title", "Churn"],
        ["rename", "churn", "leavers"],
        ["delete", "churn"],
    ):
        result = registry_repo.writes_nothing("model", *args)
        assert "+++ b/models/" in result.out


def test_edit_sets_and_takes_away(registry_repo: Registry) -> None:
    args = ["--tag", "tier=2", "--remove-tag", "none", "--title", "", "--owner", "a", "--owner", "b"]
    registry_repo("model", "edit", "credit-risk", *args)
    assert manifest(registry_repo.proposed("models/credit-risk/model.yaml")) == {
        "apiVersion": "gitreg/v1",
        "kind": "Model",
        "name": "credit-risk",
        "owners": ["a", "b"],
        "task": "classification",
        "tags": {"tier": "2"},
    }


def test_edit_keeps_comments(registry_repo: Registry, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", str(registry_repo.folder), "work")
    file = tmp_path / "work" / MODEL
    file.write_text("# Who leaves?\n" + file.read_text())
    git(tmp_path / "work", "commit", "-qam", "a comment")
    git(tmp_path / "work", "push", "-q", "origin", "main")
    registry_repo("model", "edit", "churn", "--title", "Churn")
    proposed = registry_repo.proposed(MODEL)
    assert proposed is not None
    assert proposed.startswith("# Who leaves?\n")
    assert proposed.endswith("\ntitle: Churn")


def test_an_edit_that_changes_nothing_is_done(shared_repo: Registry) -> None:
    before = shared_repo.refs()
    result = shared_repo("model", "edit", "credit-risk", "--title", "Credit risk", "--remove-tag", "x")
    assert (result.out, result.err) == ("", "gitreg: models/credit-risk/model.yaml says so already\n")
    assert shared_repo.refs() == before


def test_numbering_changes_only_while_there_are_no_versions(registry_repo: Registry) -> None:
    assert "has versions" in registry_repo.refuses("model", "edit", "credit-risk", "--semver", code=1)
    registry_repo("model", "edit", "売上予測モデル", "--versions", "semver")
    proposed = manifest(registry_repo.proposed("models/売上予測モデル/model.yaml"))
    assert isinstance(proposed, dict)
    assert proposed["versions"] == "semver"


def test_rename_moves_the_files_and_leaves_a_redirect(registry_repo: Registry) -> None:
    registry_repo("model", "rename", "Churn", "leavers")
    redirect = manifest(registry_repo.proposed("models/churn/redirect.yaml"))
    assert isinstance(redirect, dict)
    assert redirect["to"] == "leavers"
    assert registry_repo.proposed(MODEL) is None
    record = "versions/1.2.0/version.yaml"
    moved = registry_repo.proposed(f"models/leavers/{record}")
    assert moved == git(registry_repo.folder, "show", f"main:models/churn/{record}")


def test_delete_leaves_a_tombstone(registry_repo: Registry) -> None:
    registry_repo("model", "delete", "churn", "--reason", "never went live")
    tombstone = manifest(registry_repo.proposed("models/churn/tombstone.yaml"))
    assert isinstance(tombstone, dict)
    assert tombstone["reason"] == "never went live"
    assert [pin["version"] for pin in tombstone["versions"]] == ["1.2.0"]
    assert registry_repo.proposed(MODEL) is None


def test_list_and_show_are_those_of_the_top(shared_repo: Registry) -> None:
    assert shared_repo("model", "list").out == shared_repo("list").out
    for options in ([], ["--format", "json"]):
        shown = shared_repo("model", "show", "credit-risk", *options)
        assert shown.out == shared_repo("show", "credit-risk", *options).out


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["new", "CREDIT-RISK"], 1, "the name 'CREDIT-RISK' is taken by 'credit-risk'"),
        (["new", "a/b"], 2, "'a/b' cannot name a model"),
        (["new", "con"], 2, "Windows reserves it"),
        (["new", "fraud", "--tag", "tier"], 2, "--tag: 'tier' is not KEY=VALUE"),
        (["new", "fraud", "--title", "x" * 1001], 2, "title: 1001 characters"),
        (["new", "fraud", "--owner", ""], 2, "owners.0: 0 characters"),
        (["new", "fraud", "--title", "\udcff"], 2, "--title: '\\udcff' is not UTF-8 text"),
        (["new", "\udcff"], 2, "NAME: '\\udcff' is not UTF-8 text"),
        (["new", "fraud", "--description", "@missing.md"], 2, "--description: 'missing.md' cannot be read"),
        (["new", "fraud", "--semver", "--versions", "integer"], 2, "contradict each other"),
        (["edit", "credit-risk"], 2, "there is nothing to edit"),
        (["edit", "nosuch", "--title", "x"], 1, "no model is called 'nosuch'"),
        (["edit", "churn", "--task", "x" * 300], 2, "task: 300 characters"),
        (["edit", "churn", "--description", "x" * 16_385], 2, "description: 16385 characters"),
        (["rename", "churn", "credit-risk"], 1, "the name 'credit-risk' is taken"),
        (["rename", "nosuch", "other"], 1, "no model is called 'nosuch'"),
        (["delete", "credit-risk"], 1, "credit-risk/1 is in production and cannot be deleted"),
        (["delete", "churn", "--reason", "x" * 5001], 2, "reason: 5001 characters"),
        (["show", "nosuch"], 1, "no model is called 'nosuch'"),
    ],
)
def test_bad_input_is_refused(shared_repo: Registry, args: list[str], code: int, said: str) -> None:
    assert said in shared_repo.refuses("model", *args, code=code)


def test_landing_directly_is_refused_where_nothing_enforces_the_rules(shared_repo: Registry) -> None:
    said = shared_repo.refuses("model", "edit", "churn", "--title", "Churn", "--direct", code=1)
    assert "nothing enforces the rules" in said


def test_one_person_s_registry_lands_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    story = Story()
    rules = RULES | {
        "gitreg.yaml": RULES["gitreg.yaml"] + "enforcement: solo\n",
        "policy.yaml": RULES["policy.yaml"] + "direct: [all]\n",
    }
    story.edit({path: text.encode() for path, text in rules.items()}, "Begin the registry")
    solo = Registry(write(story, tmp_path / "solo.git"), capsys)
    assert solo("model", "new", "fraud").out.startswith("New model fraud: landed as ")
    assert solo.json("list")[0]["name"] == "fraud"
    assert "gitreg/requests" not in solo.refs()
    out = solo("model", "edit", "fraud", "--title", "Fraud", "--request").out
    assert out.startswith("Change #1 opened: Edit fraud\n")
