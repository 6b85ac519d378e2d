"""``gitreg policy show``, ``explain`` and ``test``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cli_kit import RULES, Registry, git

CASE = """\
apiVersion: gitreg/v1
kind: PolicyCase
title: What is slow does not enter staging
change:
  - {register: credit-risk, metrics: {roc_auc: 0.9, latency: 300}}
  - {promote: credit-risk/latest, to: staging}
expect:
  - {rule: GR302, says: latency}
"""


@pytest.fixture
def checkout(registry_repo: Registry, tmp_path: Path) -> Registry:
    """A clone of the registry, with a case."""
    git(tmp_path, "clone", "-q", os.fspath(registry_repo.folder), "checkout")
    (tmp_path / "checkout/policy-tests").mkdir()
    (tmp_path / "checkout/policy-tests/slow.yaml").write_text(CASE)
    return Registry(tmp_path / "checkout", registry_repo.capture)


class TestShow:
    def test_text(self, shared_repo: Registry) -> None:
        lines = shared_repo("policy", "show").out.splitlines()
        assert lines[0] == "the policy for all models, but for what overrides say of some"
        assert "staging     from      [none, archived]" in lines
        assert any(line.strip() == "{metric: latency, max: 100, direction: lower}" for line in lines)
        assert any(line.startswith("people") and line.endswith("alice") for line in lines)

    def test_json_of_one_model(self, checkout: Registry) -> None:
        text = (
            RULES["policy.yaml"]
            + "overrides: [{models: [churn], stages: {production: {holds: null, from: [none]}}}]\n"
        )
        (checkout.folder / "policy.yaml").write_text(text)
        data = checkout.json("policy", "show", "--model", "Churn", "--worktree")
        production = next(stage for stage in data["stages"] if stage["name"] == "production")
        assert production == {"name": "production", "from": ["none"], "replaced": "archived"}
        assert data["aliases"] == [{"name": "champion", "stage": "production", "protected": True}]
        assert (data["model"], data["people"], data["commit"]) == ("Churn", ["alice"], None)
        plain = checkout.json("policy", "show", "--worktree")
        assert next(s for s in plain["stages"] if s["name"] == "production")["holds"] == 1
        shown = checkout("policy", "show", "--model", "churn", "--worktree").out
        assert "the override for churn" in shown
        assert "overrides for: churn" in checkout("policy", "show", "--worktree").out

    def test_a_model_that_is_not_there_is_told(self, shared_repo: Registry) -> None:
        assert "no model is called 'nobody'" in shared_repo("policy", "show", "--model", "nobody").err


class TestExplain:
    def test_text(self, shared_repo: Registry) -> None:
        result = shared_repo("policy", "explain", "credit-risk/3", "--to", "production", code=1)
        lines = result.out.splitlines()
        assert lines[0].startswith(
            "Promote credit-risk/3 to production (not proposed yet, by nobody known, on "
        )
        barred = lines.index("  [ ] moves from none to production, which takes versions from staging (GR301)")
        assert lines[barred + 1] == "        fix: promote it to staging first"
        assert (
            "  [x] production then has 1 of at most 1 version; version 1 gives way to archived (GR108)"
            in lines
        )
        assert lines[-1] == "2 points: 1 met, 1 not met"
        assert any(line.startswith("models/") and "GR501 undecided" in line for line in lines)

    def test_json(self, shared_repo: Registry) -> None:
        result = shared_repo(
            "policy", "explain", "credit-risk/2", "--to", "production", "--format", "json", code=3
        )
        data = result.json
        assert (data["verdict"], data["exitCode"], data["request"], data["author"]) == (
            "undecided",
            3,
            None,
            None,
        )
        assert [(point["rule"], point["outcome"]) for point in data["points"]] == [
            ("GR301", "pass"),
            ("GR108", "pass"),
        ]
        assert {finding["rule"] for finding in data["findings"]} == {"GR307", "GR312", "GR501"}
        assert data["title"] == "Promote credit-risk/2 to production"

    def test_nothing_is_written(self, registry_repo: Registry) -> None:
        before = registry_repo.refs()
        registry_repo("policy", "explain", "credit-risk/3", "--to", "production", code=1)
        assert registry_repo.refs() == before

    def test_what_is_there_already_lacks_nothing(self, shared_repo: Registry) -> None:
        args = ("policy", "explain", "credit-risk/1", "--to", "production")
        assert "already in production" in shared_repo(*args).err
        assert shared_repo.json(*args)["verdict"] == "pass"

    def test_of_another_revision(self, shared_repo: Registry, checkout: Registry) -> None:
        early = ("policy", "explain", "credit-risk/1", "--to", "staging", "--at", "2026-11-20T13:30:00Z")
        assert "credit-risk/1 → staging" in shared_repo(*early, code=3).out
        policy = RULES["policy.yaml"].replace("min: 0.5", "min: 0.99")
        (checkout.folder / "policy.yaml").write_text(policy)
        now = checkout("policy", "explain", "credit-risk/3", "--to", "staging", "--worktree", code=1)
        assert "[ ] roc_auc is 0.93, and must be at least 0.99 (GR302)" in now.out
        assert "on the working tree)" in now.out

    def test_refusals(self, shared_repo: Registry) -> None:
        assert "no stage 'nowhere'" in shared_repo.refuses(
            "policy", "explain", "credit-risk/1", "--to", "nowhere", code=1
        )
        shared_repo.refuses("policy", "explain", "credit-risk", "--to", "staging", code=2)


class TestTest:
    def test_the_cases_of_the_checkout(self, checkout: Registry) -> None:
        result = checkout("policy", "test")
        assert result.out.splitlines() == [
            "pass  policy-tests/slow.yaml: What is slow does not enter staging",
            "",
            "policy.yaml: 1 case, 1 passed",
        ]

    def test_the_policy_as_it_lies_there(self, checkout: Registry) -> None:
        policy = RULES["policy.yaml"].replace("max: 100", "max: 1000")
        (checkout.folder / "policy.yaml").write_text(policy)
        failed = checkout("policy", "test", code=1)
        assert "expected, but not found: GR302 that says 'latency'" in failed.out
        assert checkout("policy", "test", "--policy", "committed.yaml", code=2).err
        (checkout.folder / "committed.yaml").write_text(RULES["policy.yaml"])
        assert (
            "committed.yaml: 1 case, 1 passed" in checkout("policy", "test", "--policy", "committed.yaml").out
        )

    def test_of_the_branch_in_a_bare_repository(self, registry_repo: Registry, checkout: Registry) -> None:
        assert "there are no cases in policy-tests/" in registry_repo.refuses("policy", "test", code=2)
        git(checkout.folder, "add", "-A")
        git(checkout.folder, "commit", "-q", "-m", "Cases")
        git(checkout.folder, "push", "-q", "origin", "HEAD:main")
        data = registry_repo.json("policy", "test")
        assert [(case["path"], case["outcome"]) for case in data["cases"]] == [
            ("policy-tests/slow.yaml", "pass")
        ]

    def test_named_files_and_folders(self, checkout: Registry, tmp_path: Path) -> None:
        folder = tmp_path / "cases"
        folder.mkdir()
        (folder / "b.yaml").write_text(CASE.replace("latency}", "nothing}"))
        (folder / "a.yml").write_text(CASE)
        (folder / "README.md").write_text("no case")
        result = checkout("policy", "test", os.fspath(folder), "policy-tests/slow.yaml", code=1)
        assert [line[:5] for line in result.out.splitlines() if line.startswith(("p", "F"))] == [
            "pass ",
            "FAIL ",
            "pass ",
            "polic",
        ]
        checkout("policy", "test", os.fspath(tmp_path / "nowhere"), code=2)

    def test_a_broken_case_says_where(self, checkout: Registry) -> None:
        (checkout.folder / "policy-tests/broken.yaml").write_text(CASE.replace("promote", "pomote"))
        result = checkout("policy", "test", code=2)
        assert result.out.startswith("ERROR policy-tests/broken.yaml:6:5: ")
        data = checkout("policy", "test", "--format", "json", code=2).json
        assert data["counts"] == {"pass": 1, "fail": 0, "error": 1}

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            ("owners: [owners]", "owners: [nobody]", "policy.yaml:5:18: GR111"),
            ("kind: Policy", "kind: Polizei", "policy.yaml:2:1:"),
        ],
    )
    def test_a_policy_that_is_none_is_not_tested(
        self, checkout: Registry, old: str, new: str, said: str
    ) -> None:
        (checkout.folder / "policy.yaml").write_text(RULES["policy.yaml"].replace(old, new, 1))
        assert said in checkout.refuses("policy", "test", code=1)

    def test_cases_are_unmanaged(self, checkout: Registry) -> None:
        """Whatever lies there, the registry is valid, and verify has nothing to say of a change of it."""
        (checkout.folder / "policy-tests/odd.yaml").write_text("a: [")
        checkout("validate")
        git(checkout.folder, "add", "-A")
        git(checkout.folder, "commit", "-q", "-m", "Cases")
        assert checkout("verify", "--head", "HEAD", "--format", "json").json["checked"]["kinds"] == []
