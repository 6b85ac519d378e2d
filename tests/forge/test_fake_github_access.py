"""The fake GitHub's tokens, rules, checks and failures; and that its exchanges are held to GitHub's description."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import requests

from forge.fake_github_calls import ROUTES
from forge.fake_github_kit import NAME, Team, ruleset, team
from forge.git_host import Answer

# Tokens


def test_git_takes_tokens(template: Path, tmp_path: Path) -> None:
    with team(template, tmp_path, private=True) as acme:
        github = acme.github
        assert "Repository not found." in acme.git(
            "ls-remote", github.remote(NAME, acme.tokens["mallory"]), check=False
        )
        assert "Authentication failed" in acme.git("ls-remote", github.remote(NAME, "wrong"), check=False)
        assert "denied to rita" in acme.push("rita", "main:x", check=False)
        read_only = github.actions_token(NAME, ["contents:read"])
        assert acme.git("ls-remote", github.remote(NAME, read_only), "main")
        assert "denied to github-actions[bot]" in acme.push(read_only, "main:x", check=False)
        acme.push(github.actions_token(NAME), "main:x")
        assert [push.login for push in github.pushes if push.ref == "refs/heads/x"] == ["github-actions[bot]"]


def test_the_api_takes_tokens(template: Path, tmp_path: Path) -> None:
    with team(template, tmp_path, private=True) as acme:
        github = acme.github
        old = github.personal_token("dan", expires=github.now + timedelta(hours=1))
        assert acme.api(old, "GET", "~").headers["GitHub-Authentication-Token-Expiration"].endswith("UTC")
        github.advance(hours=2)
        for token in (old, "nonsense"):
            reply = acme.api(token, "GET", "~")
            assert (reply.status, reply.body["message"]) == (401, "Bad credentials")
        assert [acme.api(login, "GET", "~").status for login in (None, "mallory", "rita")] == [404, 404, 200]
        assert acme.api("dan", "GET", "/user").headers["X-OAuth-Scopes"] == "repo, workflow"
        narrow = github.personal_token("dan", ["read:org"])
        assert acme.api(narrow, "GET", "~").status == 404


def test_fine_grained_and_installation_tokens(acme: Team) -> None:
    number = acme.propose()
    fine = acme.github.fine_grained_token("alice", ["pull_requests:read"])
    reply = acme.api(fine, "POST", f"~/pulls/{number}/reviews", {"event": "APPROVE"})
    assert (reply.status, reply.message) == (403, "Resource not accessible by personal access token")
    job = acme.github.actions_token(NAME, ["contents:write", "pull_requests:write"])
    assert acme.api(job, "GET", "/user").message == "Resource not accessible by integration"
    assert acme.api(job, "POST", f"~/issues/{number}/comments", {"body": "x"}).status == 201
    reader = acme.github.actions_token(NAME, ["contents:write", "pull_requests:read"])
    assert acme.api(reader, "POST", f"~/issues/{number}/comments", {"body": "x"}).status == 403


def test_a_job_opens_requests_only_where_it_may(acme: Team) -> None:
    acme.push("dan", "main:gitreg/x")
    acme.commit("gitreg/x", {"x": ""})
    job = acme.github.actions_token(NAME)
    acme.push(job, "gitreg/x")
    wanted = {"title": "x", "head": "gitreg/x", "base": "main"}
    reply = acme.api(job, "POST", "~/pulls", wanted)
    assert reply.message == "GitHub Actions is not permitted to create or approve pull requests."
    acme.repo.actions_may_approve = True
    assert acme.api(job, "POST", "~/pulls", wanted).body["user"]["type"] == "Bot"
    assert [(one.event, one.by_token) for one in acme.github.announcements] == [("pull_request", True)]


def test_workflow_files_take_a_permission_of_their_own(acme: Team) -> None:
    acme.commit("ci", {".github/workflows/verify.yml": "on: push\n"})
    said = acme.push(acme.github.actions_token(NAME), "ci", check=False)
    assert "a GitHub App to create or update workflow `.github/workflows/verify.yml`" in said
    said = acme.push(acme.github.personal_token("dan", ["repo"]), "ci", check=False)
    assert "a Personal Access Token to create or update workflow" in said
    acme.push("dan", "ci")
    acme.commit("ci", {"other": ""})
    acme.push(acme.github.actions_token(NAME), "ci")


def test_permissions_are_told_to_those_who_push(acme: Team) -> None:
    acme.repo.access["bo"] = "maintain"
    told = acme.api("dan", "GET", "~/collaborators/bo/permission").body
    assert (told["permission"], told["role_name"]) == ("write", "maintain")
    assert acme.api("rita", "GET", "~/collaborators/bo/permission").status == 403
    assert acme.api("dan", "GET", "~/collaborators/nobody/permission").status == 404


# Rules


def test_a_ruleset_guards_the_branch(acme: Team) -> None:
    acme.github.add_ruleset("bo", ruleset())
    acme.commit("gitreg/change", {"a": ""})
    said = acme.push("bo", "gitreg/change:main", check=False)
    assert "GH013: Repository rule violations found for refs/heads/main." in said
    assert "- Changes must be made through a pull request." in said
    assert '- Required status check "gitreg" is expected.' in said
    assert "- Cannot delete this branch" in acme.push("bo", ":main", check=False)
    assert acme.api("bo", "DELETE", "~/git/refs/heads/main").status == 422
    acme.push("dan", "gitreg/change")
    kinds = [one["type"] for one in acme.api("rita", "GET", "~/rules/branches/main").body]
    assert kinds == ["deletion", "non_fast_forward", "pull_request", "required_status_checks"]


def test_who_sees_a_ruleset(acme: Team) -> None:
    posted = ruleset() | {
        "bypass_actors": [{"actor_id": 5, "actor_type": "RepositoryRole", "bypass_mode": "always"}]
    }
    assert acme.api("dan", "POST", "~/rulesets", posted).status == 404
    number = acme.github.add_ruleset("bo", posted)
    assert "rules" not in acme.api("bo", "GET", "~/rulesets").body[0]
    assert acme.api("bo", "GET", f"~/rulesets/{number}").body["bypass_actors"]
    assert "bypass_actors" not in acme.api("dan", "GET", f"~/rulesets/{number}").body
    acme.commit("gitreg/change", {"a": ""})
    acme.push("bo", "gitreg/change:main")


def test_a_merge_waits_for_review_check_and_base(acme: Team) -> None:
    acme.github.add_ruleset("bo", ruleset(strict_required_status_checks_policy=True))
    number = acme.propose()
    head = acme.repo.pulls[number].head

    def refusal() -> str:
        return acme.api("alice", "PUT", f"~/pulls/{number}/merge", {}).message

    assert "At least 1 approving review is required by reviewers with write access." in refusal()
    acme.github.review("rita", number)
    assert "approving review" in refusal()
    acme.github.review("alice", number)
    assert 'Required status check "gitreg" is expected.' in refusal()
    acme.github.set_check(head, "gitreg", "success", app=1)
    assert "is expected." in refusal()
    acme.github.set_check(head, "gitreg", "success")
    acme.repo.rulesets.clear()
    acme.commit("main", {"other": ""}, "bo")
    acme.push("bo", "main")
    acme.github.add_ruleset("bo", ruleset(strict_required_status_checks_policy=True))
    assert "out-of-date" in refusal()
    assert acme.api("dan", "GET", f"~/pulls/{number}").body["mergeable_state"] == "behind"


def test_several_checks_are_counted(acme: Team) -> None:
    wanted = [{"context": name} for name in ("gitreg", "unit", "lint")]
    acme.github.add_ruleset("bo", ruleset(required_approving_review_count=0, required_status_checks=wanted))
    number = acme.propose()
    merge = f"~/pulls/{number}/merge"
    assert "3 of 3 required status checks are expected." in acme.api("alice", "PUT", merge, {}).message
    acme.github.set_check(acme.repo.pulls[number].head, "unit", "failure")
    acme.github.set_status(acme.repo.pulls[number].head, "lint", "success", "bo")
    said = acme.api("alice", "PUT", merge, {}).message
    assert "2 of 3 required status checks have not succeeded: 1 expected and 1 failing." in said


def test_stale_approvals_are_dismissed_where_the_rule_says_so(acme: Team) -> None:
    acme.github.add_ruleset("bo", ruleset(dismiss_stale_reviews_on_push=True))
    number = acme.propose()
    acme.github.review("alice", number)
    acme.commit("gitreg/change", {"stage.yaml": "version: 3\n"})
    acme.push("dan", "gitreg/change")
    assert [one["state"] for one in acme.api("dan", "GET", f"~/pulls/{number}/reviews").body] == ["DISMISSED"]


def test_code_owners(acme: Team) -> None:
    acme.commit("main", {".github/CODEOWNERS": "* @alice\n/rules/ @bo @mallory\n"}, "bo")
    acme.push("bo", "main")
    acme.github.add_ruleset("bo", ruleset(require_code_owner_review=True))
    number = acme.propose(files={"rules/policy.yaml": ""})
    acme.github.review("alice", number)
    reply = acme.api("alice", "PUT", f"~/pulls/{number}/merge", {})
    assert "Waiting on code owner review from bo and/or mallory." in reply.message
    acme.github.review("bo", number)
    assert "code owner" not in acme.api("alice", "PUT", f"~/pulls/{number}/merge", {}).message
    (wrong,) = acme.api("dan", "GET", "~/codeowners/errors").body["errors"]
    assert (wrong["kind"], wrong["line"], wrong["column"]) == ("Unknown owner", 2, 13)


def test_classic_protection(acme: Team) -> None:
    assert acme.api("bo", "GET", "~/branches/main/protection").message == "Branch not protected"
    reviews = {
        "dismiss_stale_reviews": False,
        "require_code_owner_reviews": False,
        "required_approving_review_count": 1,
    }
    acme.github.protect("main", {"required_pull_request_reviews": reviews})
    acme.commit("gitreg/change", {"a": ""})
    said = acme.push("bo", "gitreg/change:main", check=False)
    assert "GH006: Protected branch update failed for refs/heads/main." in said
    assert acme.api("bo", "GET", "~/branches/main/protection").status == 200
    assert acme.api("dan", "GET", "~/branches/main/protection").status == 404


# Checks and runs


def test_an_older_red_check_of_another_run_blocks_until_it_ran_again(acme: Team) -> None:
    acme.github.add_ruleset("bo", ruleset(required_approving_review_count=0))
    number = acme.propose()
    head = acme.repo.pulls[number].head
    red = acme.github.add_run(head, "pull_request", "failure", login="dan", pulls=(number,))
    acme.github.add_run(head, "pull_request_review", "success", login="alice", pulls=(number,))
    refused = acme.api("alice", "PUT", f"~/pulls/{number}/merge", {})
    assert (refused.status, '"gitreg" is failing' in refused.message) == (405, True)
    found = acme.api("dan", "GET", f"~/actions/runs?head_sha={head}&event=pull_request").body["workflow_runs"]
    assert [(run["id"], run["conclusion"]) for run in found] == [(red.id, "failure")]
    job = acme.github.actions_token(NAME, ["actions:write"])
    assert acme.api(job, "POST", f"~/actions/runs/{red.id}/rerun-failed-jobs").status == 201
    assert acme.api(job, "POST", f"~/actions/runs/{red.id}/rerun-failed-jobs").status == 403
    acme.github.finish_run(red, "success")
    assert acme.api("dan", "GET", f"~/commits/{'0' * 40}/check-runs").status == 422
    checks = acme.api("dan", "GET", f"~/commits/{head}/check-runs").body["check_runs"]
    assert [one["conclusion"] for one in checks] == ["success", "success"]
    acme.github.merge_pull("alice", number)


def test_a_merge_queue(acme: Team) -> None:
    number = acme.propose()
    queue = ruleset() | {"rules": [{"type": "merge_queue", "parameters": _QUEUE}]}
    acme.github.add_ruleset("bo", queue)
    assert "merge queue" in acme.api("alice", "PUT", f"~/pulls/{number}/merge", {}).message
    branch, made = acme.github.queue(number)
    assert acme.repo.bare.branch(branch) == made
    acme.github.land(number, branch, "alice")
    assert acme.repo.bare.branch("main") == made
    assert acme.api("dan", "GET", f"~/pulls/{number}").body["merged"]


_QUEUE = {
    "check_response_timeout_minutes": 60,
    "grouping_strategy": "ALLGREEN",
    "max_entries_to_build": 5,
    "max_entries_to_merge": 5,
    "merge_method": "MERGE",
    "min_entries_to_merge": 1,
    "min_entries_to_merge_wait_minutes": 5,
}


# Failures


def test_what_is_told_to_fail_fails_as_often_as_told(acme: Team) -> None:
    acme.github.fail(Answer(502, {"message": "Server Error"}), "GET", f"/repos/{NAME}/pulls", times=2)
    assert [acme.api("dan", "GET", "~/pulls").status for _ in range(3)] == [502, 502, 200]
    acme.github.limit(retry_after=7)
    limited = acme.api("dan", "GET", "~")
    assert (limited.status, limited.headers["Retry-After"]) == (403, "7")
    acme.github.exhaust()
    assert acme.api("dan", "GET", "~").headers["X-RateLimit-Remaining"] == "0"


def test_a_connection_is_lost_before_or_after_the_effect(acme: Team) -> None:
    number = acme.propose()
    for after, comments in ((False, 0), (True, 1)):
        acme.github.fail(None, "POST", after=after)
        with pytest.raises(requests.ConnectionError):
            acme.api("dan", "POST", f"~/issues/{number}/comments", {"body": "once"})
        assert len(acme.repo.pulls[number].comments) == comments
    acme.github.fail(None, path=f"/{NAME}.git/git-receive-pack", after=True)
    assert "fatal" in acme.push("dan", "main:landed", check=False)
    assert acme.repo.bare.branch("landed")
    assert acme.github.exchanges[-1].status == 0


# The vendor's description


def test_what_github_does_not_describe_fails(template: Path, tmp_path: Path) -> None:
    with pytest.raises(AssertionError) as caught, team(template, tmp_path) as acme:  # noqa: PT012
        number = acme.propose()
        assert acme.api("dan", "GET", "~/nonsense").status == 500
        assert acme.api("dan", "GET", "~/pulls?colour=red").status == 500
        assert acme.api("dan", "PATCH", f"~/pulls/{number}", {"titel": "x"}).status == 500
        assert acme.api("dan", "GET", f"~/pulls?state={'odd'}").status == 500
    for reason in (
        "no such operation",
        "the query has 'colour'",
        "the body has 'titel'",
        "'odd' is not one of",
    ):
        assert reason in str(caught.value)


def test_an_answer_unlike_githubs_fails(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forge.fake_github_repos.repository", lambda *args: {"id": "7"})
    with (
        pytest.raises(AssertionError, match="'archive_url' is a required property"),
        team(template, tmp_path) as acme,
    ):
        assert acme.api("bo", "GET", "~").status == 500


def test_every_operation_is_one_of_githubs() -> None:
    from forge.openapi_check import Description

    described = Description.github()
    assert [route for route in ROUTES.routes if not described.knows(route.method, route.template)] == []
