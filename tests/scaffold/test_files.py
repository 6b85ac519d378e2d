"""The files for a forge: what they hold, what they keep of others, and what they refuse to be made of."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from scaffold_kit import ACTION, COMMIT, POLICY, made, policy, workflow

from gitreg.adapters.forge.github.extras import AUDIT, WORKFLOW
from gitreg.core.layout import DEFAULT_PROTECTED, Layout
from gitreg.core.scaffold.files import TEMPLATES, pinned_source, remote_kind
from gitreg.core.scaffold.source import parse_source
from gitreg.core.scaffold.template import fill, keep_parts
from gitreg.core.tree import MemoryTree
from gitreg.core.verify.reviews import PROMOTE_WORKFLOW
from gitreg.errors import ConfigError, Refused, UsageError

WORKFLOWS = ("verify", "promote", "audit")


def steps(found: dict[Any, Any]) -> list[dict[str, Any]]:
    return [step for job in found["jobs"].values() for step in job["steps"]]


def test_the_gate_always_runs_and_is_never_cancelled() -> None:
    verify = workflow(made(), "verify")
    assert set(verify["on"]) == {"pull_request", "pull_request_review", "merge_group"}
    assert all(
        "paths" not in (event or {}) and "branches" not in (event or {}) for event in verify["on"].values()
    )
    gate = verify["jobs"]["gitreg"]
    assert gate["name"] == "gitreg"
    assert "if" not in gate
    assert "needs" not in gate
    assert all("if" not in step and "continue-on-error" not in step for step in gate["steps"])
    assert verify["concurrency"]["cancel-in-progress"] is False
    assert "github.run_id" in verify["concurrency"]["group"]


def test_no_job_may_do_more_than_it_must() -> None:
    files = made()
    granted = {name: workflow(files, name) for name in WORKFLOWS}
    assert all(found["permissions"] == {} for found in granted.values())
    writes = {
        (name, job, permission)
        for name, found in granted.items()
        for job, body in found["jobs"].items()
        for permission, access in body["permissions"].items()
        if access == "write"
    }
    assert writes == {
        ("verify", "gitreg", "pull-requests"),  # the comment
        ("verify", "rerun", "actions"),
        ("promote", "promote", "contents"),
        ("promote", "promote", "pull-requests"),
    }


@pytest.mark.parametrize("name", WORKFLOWS)
def test_everything_is_pinned_and_nothing_runs_from_the_checkout(name: str) -> None:
    found = workflow(made(), name)
    uses = [step["uses"] for step in steps(found) if "uses" in step]
    assert f"acme/gitreg/.github/actions/gitreg@{COMMIT}" in uses
    for each in uses:
        path, at, commit = each.partition("@")
        assert at, each
        assert not path.startswith("."), each
        assert len(commit) == 40, each
        assert set(commit) <= set("0123456789abcdef"), each
    checkouts = [step for step in steps(found) if step.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_no_expression_is_in_a_script() -> None:
    action = yaml.safe_load((ACTION / "action.yml").read_text())
    files = made()
    scripts = [step for name in WORKFLOWS for step in steps(workflow(files, name)) if "run" in step]
    scripts += [step for step in action["runs"]["steps"] if "run" in step]
    assert len(scripts) >= 4
    for step in scripts:
        assert "${{" not in step["run"], step["run"]
        assert step["shell"] == "bash"
    assert all("${{" not in path.read_text() for path in ACTION.glob("*.sh"))


def test_the_form_offers_the_stages_of_the_policy_as_text() -> None:
    promote = workflow(made(), "promote")
    stage = promote["on"]["workflow_dispatch"]["inputs"]["stage"]
    assert stage["options"] == ["staging", "on", "production"]  # not: true
    assert promote["run-name"] == "Promote ${{ inputs.model }}/${{ inputs.version }} to ${{ inputs.stage }}"
    assert promote["jobs"]["promote"]["environment"] == "gitreg-promote"


def test_the_workflows_that_are_looked_for_are_those_that_are_written() -> None:
    """Who dispatched a promotion, which check is run again, and what was audited is asked of them by name."""
    written = set(TEMPLATES["github"].values())
    assert {PROMOTE_WORKFLOW, *(f".github/workflows/{name}" for name in (WORKFLOW, AUDIT))} == written


def test_audit_watches_the_registrys_branch() -> None:
    audit = workflow(made(branch="release/1.x"), "audit")
    assert audit["on"] == {"push": {"branches": ["release/1.x"]}}


def test_workflows_stand_at_the_root_and_name_the_registrys_folder() -> None:
    files = made(root="ml/team one", remote="s3://bucket/models")
    assert {path.split("/")[0] for path in files} == {".github"}
    with_ = next(step["with"] for step in steps(workflow(files, "verify")) if step["name"] == "Verify")
    assert (with_["directory"], with_["remote"]) == ("ml/team one", "s3")


@pytest.mark.parametrize(
    "root", ["a: b", "#x", "- x", "'x", '"x', "a # b", "yes", "0x10", "売上", "a\\b", "[a", "__BRANCH__"]
)
def test_a_folders_name_stays_one_string(root: str) -> None:
    for name in WORKFLOWS:
        found = workflow(made(root=root), name)
        said = [step["with"]["directory"] for step in steps(found) if "directory" in step.get("with", {})]
        assert said
        assert set(said) == {root}


@pytest.mark.parametrize("root", ["${{ github.token }}", "a\nb", "$CI_JOB_TOKEN", "a\u202eb"])
@pytest.mark.parametrize("provider", ["github", "gitlab"])
def test_a_folder_whose_name_ci_would_read_is_refused(root: str, provider: str) -> None:
    with pytest.raises(UsageError):
        made(provider, root=root)


def test_the_ruleset_leaves_no_way_round() -> None:
    rules = json.loads(made(branch="trunk")[".github/gitreg-ruleset.json"])
    assert (rules["target"], rules["enforcement"], rules["bypass_actors"]) == ("branch", "active", [])
    assert rules["conditions"]["ref_name"] == {"include": ["refs/heads/trunk"], "exclude": []}
    by_type = {rule["type"]: rule.get("parameters", {}) for rule in rules["rules"]}
    assert set(by_type) == {"deletion", "non_fast_forward", "pull_request", "required_status_checks"}
    review = by_type["pull_request"]
    assert review["require_code_owner_review"] is review["dismiss_stale_reviews_on_push"] is True
    assert review["require_last_push_approval"] is True
    assert review["required_approving_review_count"] == 1
    assert review["allowed_merge_methods"] == ["merge"]
    checks = by_type["required_status_checks"]
    assert checks["required_status_checks"] == [{"context": "gitreg", "integration_id": 15368}]
    assert checks["strict_required_status_checks_policy"] is True


def owned(text: str) -> dict[str, list[str]]:
    lines = [line.split() for line in text.splitlines() if line and line[0] not in "#["]
    return {line[0]: line[1:] for line in lines}


def test_codeowners_lists_every_rules_path_with_the_humans_who_own_the_rules() -> None:
    found = owned(made(root="reg")[".github/CODEOWNERS"])
    assert {tuple(owners) for owners in found.values()} == {("@Alice-GH",)}
    assert {"gitreg.yaml", "/reg/policy.yaml", "/reg/automations.yaml", "/reg/.dvc/"} <= set(found)
    assert {f"/{glob}" for glob in DEFAULT_PROTECTED} <= set(found)


def test_every_file_that_is_written_is_a_rules_file() -> None:
    for provider in ("github", "gitlab"):
        for path in made(provider, root="reg"):
            assert Layout("reg").is_rules(path), path


def test_a_path_with_special_characters_is_owned_rather_too_widely() -> None:
    found = owned(made(root="my reg#1 [x]")[".github/CODEOWNERS"])
    assert "/my?reg?1??x?/policy.yaml" in found


def test_other_lines_of_codeowners_are_kept_and_ours_come_last() -> None:
    theirs = "# ours\n* @org/everybody\n/policy.yaml @mallory"
    once = made(present={".github/CODEOWNERS": theirs})[".github/CODEOWNERS"]
    assert once.startswith(theirs + "\n")
    assert once.index("@mallory") < once.index("@Alice-GH")
    again = made(present={".github/CODEOWNERS": once})[".github/CODEOWNERS"]
    assert again == once
    appended = once + "/policy.yaml @mallory\n"
    mended = made(present={".github/CODEOWNERS": appended})[".github/CODEOWNERS"]
    assert mended.rindex("@mallory") < mended.index("@Alice-GH")


def test_the_codeowners_that_the_forge_reads_is_the_one_that_is_written() -> None:
    assert "CODEOWNERS" in made(present={"CODEOWNERS": "* @a\n"})
    assert "docs/CODEOWNERS" in made(present={"docs/CODEOWNERS": "* @a\n"})
    both = made(present={".github/CODEOWNERS": "* @a\n", "CODEOWNERS": "* @b\n"})
    assert "@a" in both[".github/CODEOWNERS"]
    assert "CODEOWNERS" not in both
    assert ".gitlab/CODEOWNERS" in made("gitlab")
    assert "CODEOWNERS" in made("gitlab", {"CODEOWNERS": "* @a\n", ".gitlab/CODEOWNERS": "* @b\n"})


def test_gitlabs_codeowners_is_a_section_of_its_own() -> None:
    text = made("gitlab")[".gitlab/CODEOWNERS"]
    lines = text.splitlines()
    assert lines[1] == "[gitreg]"
    assert owned(text)["/policy.yaml"] == ["@alice"]


def test_rules_that_nobody_on_the_forge_owns_are_refused() -> None:
    text = POLICY.replace("github: Alice-GH, ", "")
    with pytest.raises(ConfigError, match="rules owners") as caught:
        made(policy=policy(text))
    assert "github: LOGIN" in str(caught.value.hint)


def test_files_that_would_not_be_protected_are_refused() -> None:
    with pytest.raises(ConfigError, match="protected"):
        made(protected=["docs/**"])
    with pytest.raises(ConfigError, match="gitlab-ci"):
        made("gitlab", protected=[".gitlab/**"])
    assert made(protected=[".github/**"])


def test_the_teams_own_steps_survive_an_update() -> None:
    path = ".github/workflows/gitreg-verify.yml"
    first = made()[path]
    mine = "      - uses: ./mine\n"
    edited = first.replace(
        "      # end\n\n      - name: Verify", mine + "      # end\n\n      - name: Verify"
    )
    assert edited != first
    newer = parse_source("acme/gitreg@" + "e" * 40)
    updated = made(present={path: edited}, source=newer)[path]
    assert mine in updated
    assert "e" * 40 in updated
    assert COMMIT not in updated
    assert made(present={path: updated}, source=newer)[path] == updated


def test_the_teams_own_runner_and_image_survive_an_update() -> None:
    path = ".github/workflows/gitreg-verify.yml"
    edited = made()[path].replace("runs-on: ubuntu-latest", "runs-on: [self-hosted, ml]")
    edited = edited.replace('version: ""', "version: installed")
    kept = made(present={path: edited}, source=parse_source("acme/gitreg@" + "e" * 40))
    jobs = workflow(kept, "verify")["jobs"].values()
    assert [job["runs-on"] for job in jobs] == [["self-hosted", "ml"]] * 2
    assert [job["steps"][-1]["with"]["version"] for job in jobs] == ["installed"] * 2


def test_what_is_changed_outside_of_the_teams_parts_is_put_right() -> None:
    path = ".github/workflows/gitreg-verify.yml"
    weaker = made()[path].replace("    name: gitreg\n", "    name: gitreg\n    if: false\n")
    assert "if: false" not in made(present={path: weaker})[path]


def test_the_files_of_others_are_not_written_over() -> None:
    path = ".github/workflows/gitreg-verify.yml"
    with pytest.raises(Refused, match="did not write"):
        made(present={path: "name: mine\n"})
    with pytest.raises(Refused, match="another registry"):
        made(present={path: made(root="one")[path]}, root="two")


def test_gitlabs_gate_and_audit() -> None:
    files = made("gitlab", root="reg", branch="trunk", remote="gs://bucket")
    assert yaml.safe_load(files[".gitlab-ci.yml"]) == {"include": [{"local": ".gitlab/gitreg.yml"}]}
    jobs = yaml.safe_load(files[".gitlab/gitreg.yml"])
    assert jobs["gitreg"]["rules"] == [{"if": '$CI_PIPELINE_SOURCE == "merge_request_event"'}]
    assert '$CI_COMMIT_BRANCH == "trunk"' in jobs["gitreg-audit"]["rules"][0]["if"]
    shared = jobs[".gitreg"]
    assert shared["variables"]["GIT_DEPTH"] == "0"
    assert shared["variables"]["GITREG_DIRECTORY"] == "reg"
    install = shared["before_script"][-1]
    assert f'"gitreg[gitlab] @ git+https://github.com/acme/gitreg@{COMMIT}" "dvc-gs"' in install
    assert set(shared["artifacts"]["reports"]) == {"codequality", "junit"}
    assert "allow_failure" not in jobs["gitreg"]


def test_a_gitlab_ci_yml_of_the_team_is_left_alone() -> None:
    files = made("gitlab", {".gitlab-ci.yml": "build: {script: [make]}\n"})
    assert ".gitlab-ci.yml" not in files
    assert ".gitlab/gitreg.yml" in files


def test_the_pinned_commit_is_read_back() -> None:
    for provider in ("github", "gitlab"):
        files = made(provider, source=parse_source(f"https://git.example.com/a/b@{COMMIT}"))
        found = pinned_source(MemoryTree({path: text.encode() for path, text in files.items()}))
        assert found is not None
        assert (found.repository, found.commit) == ("a/b", COMMIT)
    assert pinned_source(MemoryTree({})) is None


@pytest.mark.parametrize(
    "text",
    [
        "acme/gitreg",
        "acme/gitreg@v1",
        f"acme/gitreg@{COMMIT[:39]}",
        f"acme/gitreg@{COMMIT}x",
        f"acme/gitreg@{COMMIT}\n",
        f"./gitreg@{COMMIT}",
        f"http://example.com/a/b@{COMMIT}",
        f"https://user:word@example.com/a/b@{COMMIT}",
        f"https://example.com/a/../b@{COMMIT}",
        f"https://example.com/a/b?x@{COMMIT}",
    ],
)
def test_what_names_no_commit_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="names no commit"):
        parse_source(text)


@pytest.mark.parametrize(
    ("remote", "kind"),
    [
        ("s3://b/x", "s3"),
        ("webdavs://h/x", "webdav"),
        ("../artifacts", ""),
        ("/srv/x", ""),
        ("https://h/x", ""),
    ],
)
def test_the_plug_in_of_a_remote(remote: str, kind: str) -> None:
    assert remote_kind(remote) == kind


def test_filling_looks_at_nothing_twice() -> None:
    assert fill("a: __ONE__\nb: __TWO__", {"ONE": "__TWO__", "TWO": "x"}) == 'a: "__TWO__"\nb: x'


def test_parts_are_kept_by_name() -> None:
    new = "x: 1\n# yours (a): hint\n# one\n# end\n# yours (b): hint\n# end\n"
    old = "# yours (b): older hint\nmine: 2\n# end\n# yours (gone): hint\nlost\n# end\n"
    assert (
        keep_parts(new, old) == "x: 1\n# yours (a): hint\n# one\n# end\n# yours (b): hint\nmine: 2\n# end\n"
    )
    assert keep_parts(new, None) == new
