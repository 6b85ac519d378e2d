"""The fake behaves as GitLab's documentation says, also where gitreg does not go."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from forge.bare import Person
from forge.fake_gitlab import FakeGitLab
from forge.gitlab_fields import deviations
from forge.gitlab_records import Protection
from forge.records import Answer, Hosted

NAME = "risk/models/registry"
REQUESTS = f"/projects/{NAME.replace('/', '%2F')}/merge_requests"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[FakeGitLab]:
    with FakeGitLab(tmp_path / "host") as made:
        for login in ("alice", "bob", "rita", "stranger"):
            made.add_user(login)
        yield made
    made.demand_conforming()


@pytest.fixture
def project(host: FakeGitLab) -> Hosted:
    made = host.add_project(NAME, alice="maintainer", bob="developer", rita="reporter")
    change(host, made, "main", None, "README", "a registry\n")
    host.guard(made)
    return made


@pytest.fixture
def alice(host: FakeGitLab) -> str:
    return host.personal_token("alice")


@pytest.fixture
def bob(host: FakeGitLab) -> str:
    return host.personal_token("bob")


def change(
    host: FakeGitLab, project: Hosted, branch: str, base: str | None, path: str, text: str, by: str = "alice"
) -> str:
    """A commit that sets one file, on a branch, as ``by`` pushes it."""
    bare = project.bare
    blob = bare.text("hash-object", "-w", "--stdin", stdin=text.encode())
    rest = bare.text("ls-tree", base).splitlines() if base else []
    lines = [line for line in rest if not line.endswith(f"\t{path}")] + [f"100644 blob {blob}\t{path}"]
    tree = bare.text("mktree", stdin="\n".join(lines).encode())
    who = Person(by, f"{by}@example.com", host.now)
    made = bare.write_commit(tree, [base] if base else [], f"Set {path}", who, who)
    with host.moving(project, by):
        assert bare.move(f"refs/heads/{branch}", made)
    return made


def opened(host: FakeGitLab, project: Hosted, token: str, branch: str = "a") -> dict[str, Any]:
    main = project.bare.branch("main")
    change(host, project, branch, main, branch, "a change\n")
    body = {"title": f"Add {branch}", "source_branch": branch, "target_branch": "main"}
    status, made = host.ask(token, "POST", REQUESTS, body)
    assert status == 201, made
    return dict(made)


def git(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    own = ["-c", "user.name=A", "-c", "user.email=a@example.com"]
    return subprocess.run(["git", *own, *args], cwd=folder, capture_output=True, text=True, check=False)


def test_what_is_not_documented_is_found() -> None:
    path = "/projects/{id}/merge_requests/{merge_request_iid}/merge_ref"
    assert list(deviations("GET", path, {}, None, 200, {"commit_id": "a" * 40})) == []
    assert list(deviations("GET", path, {"x": "1"}, None, 200, {"commit_id": "main", "tree": "b"})) == [
        f"GET {path} takes no x",
        f"{path}: tree is not documented",
        f"{path}: commit_id: 'main' is no sha",
    ]
    assert list(deviations("GET", "/users", {}, None, 200, {})) == ["GET /users answers with a list"]


# --- tokens


def test_a_project_is_found_by_number_and_by_encoded_path(
    host: FakeGitLab, project: Hosted, alice: str
) -> None:
    for name in (str(project.id), NAME.replace("/", "%2F")):
        answer = requests.get(
            f"{host.url}/api/v4/projects/{name}", headers={"PRIVATE-TOKEN": alice}, timeout=5
        )
        assert (answer.status_code, answer.json()["path_with_namespace"]) == (200, NAME)


def test_a_private_project_does_not_exist_for_strangers(host: FakeGitLab, project: Hosted) -> None:
    for token in (None, host.personal_token("stranger")):
        assert host.ask(token, "GET", f"/projects/{project.id}") == (
            404,
            {"message": "404 Project Not Found"},
        )


def test_unknown_and_expired_tokens_are_refused(host: FakeGitLab, project: Hosted) -> None:
    expired = host.personal_token("alice", expires=host.now - timedelta(days=1))
    assert host.ask("glpat-none", "GET", "/user") == (401, {"message": "401 Unauthorized"})
    status, said = host.ask(expired, "GET", "/user")
    assert (status, said["error"]) == (401, "invalid_token")


def test_a_token_does_what_its_scopes_say(host: FakeGitLab, project: Hosted) -> None:
    reader = host.personal_token("alice", "read_api")
    assert host.ask(reader, "GET", "/user")[0] == 200
    status, said = host.ask(reader, "POST", REQUESTS, {"title": "x"})
    assert (status, said["error"]) == (403, "insufficient_scope")


def test_a_job_token_counts_for_nothing_where_it_is_not_let_in(host: FakeGitLab, project: Hosted) -> None:
    headers = {"JOB-TOKEN": host.job_token("alice")}
    project_url = f"{host.url}/api/v4/projects/{project.id}"
    asked = [
        requests.get(f"{project_url}{path}", headers=headers, timeout=5).status_code
        for path in ("", "/merge_requests", "/events")
    ]
    assert asked == [200, 404, 404]
    assert requests.post(f"{project_url}/merge_requests", headers=headers, timeout=5).status_code == 401


def test_a_project_token_is_a_bot_s(host: FakeGitLab, project: Hosted) -> None:
    status, me = host.ask(host.project_token(project), "GET", "/user")
    assert (status, me["bot"]) == (200, True)
    assert me["username"].startswith(f"project_{project.id}_bot_")


# --- git


def test_pushes_need_a_role_a_scope_and_an_unprotected_branch(
    host: FakeGitLab, project: Hosted, tmp_path: Path
) -> None:
    def push(token: str | None, *refs: str) -> tuple[int, str]:
        done = git(
            work, "-c", "core.askPass=", "-c", "credential.helper=", "push", host.remote(NAME, token), *refs
        )
        return done.returncode, done.stderr

    work = tmp_path / "work"
    assert git(tmp_path, "clone", host.remote(NAME, host.personal_token("bob")), "work").returncode == 0
    git(work, "commit", "--allow-empty", "-m", "more")
    bob = host.personal_token("bob", "write_repository")
    assert push(bob, "HEAD:refs/heads/free")[0] == 0
    code, said = push(bob, "HEAD:refs/heads/main")
    assert code
    assert "You are not allowed to push code to protected branches on this project." in said
    for token in (host.personal_token("rita"), host.personal_token("bob", "read_repository")):
        code, said = push(token, "HEAD:refs/heads/other")
        assert code
        assert "You are not allowed to push code to this project." in said
    code, said = push(bob, "HEAD:refs/merge-requests/1/head")
    assert code
    assert "hidden ref" in said
    assert project.bare.branch("free")


def test_maintainers_may_not_force_a_protected_branch(
    host: FakeGitLab, project: Hosted, tmp_path: Path
) -> None:
    token = host.personal_token("alice")
    git(tmp_path, "clone", host.remote(NAME, token), "work")
    git(tmp_path / "work", "commit", "--amend", "--allow-empty", "-m", "another")
    done = git(tmp_path / "work", "push", "-f", "origin", "HEAD:main")
    assert "not allowed to force push code to a protected branch" in done.stderr
    assert (
        "only delete protected branches using the web"
        in git(tmp_path / "work", "push", "origin", ":main").stderr
    )


# --- merge requests


def test_a_request_is_made_of_a_branch_once(host: FakeGitLab, project: Hosted, alice: str) -> None:
    made = opened(host, project, alice)
    assert (made["iid"], made["state"], made["sha"]) == (1, "opened", project.bare.branch("a"))
    assert project.bare.refs("refs/merge-requests/1/head") == {"refs/merge-requests/1/head": made["sha"]}
    body = {"title": "again", "source_branch": "a", "target_branch": "main"}
    assert host.ask(alice, "POST", REQUESTS, body) == (
        409,
        {"message": ["Another open merge request already exists for this source branch: !1"]},
    )


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"title": "x" * 256, "source_branch": "a", "target_branch": "main"}, 400),
        ({"title": "x", "source_branch": "main", "target_branch": "main"}, 422),
        ({"title": "x", "source_branch": "none", "target_branch": "main"}, 422),
        ({"title": "x", "source_branch": "a", "target_branch": "none"}, 422),
    ],
)
def test_a_request_that_cannot_be_is_refused(
    host: FakeGitLab, project: Hosted, alice: str, body: dict[str, str], status: int
) -> None:
    change(host, project, "a", project.bare.branch("main"), "a", "a\n")
    assert host.ask(alice, "POST", REQUESTS, body)[0] == status


def test_a_reporter_makes_no_request(host: FakeGitLab, project: Hosted) -> None:
    body = {"title": "x", "source_branch": "a", "target_branch": "main"}
    assert host.ask(host.personal_token("rita"), "POST", REQUESTS, body)[0] == 403


def test_a_push_makes_a_version_and_voids_approvals(
    host: FakeGitLab, project: Hosted, alice: str, bob: str
) -> None:
    first = opened(host, project, alice)["sha"]
    assert host.ask(bob, "POST", f"{REQUESTS}/1/approve", {"sha": "0" * 40})[0] == 409
    status, given = host.ask(bob, "POST", f"{REQUESTS}/1/approve", {"sha": first})
    assert (status, [one["user"]["username"] for one in given["approved_by"]]) == (201, ["bob"])
    second = change(host, project, "a", first, "a", "another\n")
    _, versions = host.ask(alice, "GET", f"{REQUESTS}/1/versions")
    assert [one["head_commit_sha"] for one in versions] == [second, first]
    assert versions[0]["created_at"] > versions[1]["created_at"]
    assert host.ask(alice, "GET", f"{REQUESTS}/1/approvals")[1]["approved_by"] == []
    said = [one["body"].split("\n")[0] for one in host.ask(alice, "GET", f"{REQUESTS}/1/notes")[1]]
    assert said == [
        "reset approvals from @bob by pushing to the branch",
        "added 1 commit",
        "approved this merge request",
    ]


def test_free_keeps_approvals_and_knows_no_such_setting(
    host: FakeGitLab, project: Hosted, alice: str, bob: str
) -> None:
    host.settings(project).tier = "free"
    head = opened(host, project, alice)["sha"]
    host.ask(bob, "POST", f"{REQUESTS}/1/approve")
    change(host, project, "a", head, "a", "another\n")
    assert len(host.ask(alice, "GET", f"{REQUESTS}/1/approvals")[1]["approved_by"]) == 1
    assert host.ask(alice, "GET", f"/projects/{project.id}/approvals")[0] == 404


def test_nobody_approves_their_own_request_or_twice(
    host: FakeGitLab, project: Hosted, alice: str, bob: str
) -> None:
    opened(host, project, alice)
    assert host.ask(alice, "POST", f"{REQUESTS}/1/approve") == (401, {"message": "401 Unauthorized"})
    assert host.ask(bob, "POST", f"{REQUESTS}/1/unapprove")[0] == 404
    assert [host.ask(bob, "POST", f"{REQUESTS}/1/approve")[0] for _ in range(2)] == [201, 401]
    assert host.ask(bob, "POST", f"{REQUESTS}/1/unapprove")[1]["approved_by"] == []


def test_a_merge_is_git_s(host: FakeGitLab, project: Hosted, alice: str) -> None:
    head = opened(host, project, alice)["sha"]
    base = project.bare.branch("main")
    _, ref = host.ask(alice, "GET", f"{REQUESTS}/1/merge_ref")
    assert host.ask(alice, "PUT", f"{REQUESTS}/1/merge", {"sha": "0" * 40})[0] == 409
    body = {"sha": head, "merge_commit_message": "Land it", "should_remove_source_branch": True}
    status, merged = host.ask(alice, "PUT", f"{REQUESTS}/1/merge", body)
    assert (status, merged["state"]) == (200, "merged")
    landed = project.bare.commit(merged["merge_commit_sha"])
    assert (landed.parents, landed.message) == ((base, head), "Land it")
    assert landed.tree == project.bare.commit(ref["commit_id"]).tree
    assert (project.bare.branch("main"), project.bare.branch("a")) == (landed.oid, None)
    assert host.ask(alice, "PUT", f"{REQUESTS}/1/merge")[0] == 405
    _, found = host.ask(
        alice, "GET", f"/projects/{project.id}/repository/commits/{landed.oid}/merge_requests"
    )
    assert [one["iid"] for one in found] == [1]


def test_what_cannot_be_merged_is_not(host: FakeGitLab, project: Hosted, alice: str, bob: str) -> None:
    settings = host.settings(project)
    opened(host, project, alice)
    settings.pipeline_must_succeed = True
    assert host.ask(alice, "PUT", f"{REQUESTS}/1/merge")[0] == 405
    assert host.ask(alice, "GET", f"{REQUESTS}/1")[1]["detailed_merge_status"] == "ci_must_pass"
    settings.pipeline_must_succeed = False
    settings.protections["main"] = Protection(merge=40)
    assert host.ask(bob, "PUT", f"{REQUESTS}/1/merge")[0] == 401
    change(host, project, "main", project.bare.branch("main"), "a", "something else\n")
    assert host.ask(alice, "PUT", f"{REQUESTS}/1/merge") == (422, {"message": "Branch cannot be merged"})
    assert host.ask(alice, "GET", f"{REQUESTS}/1/merge_ref")[0] == 400


@pytest.mark.parametrize(("method", "squash"), [("ff", "default_off"), ("ff", "always"), ("merge", "always")])
def test_merge_methods(host: FakeGitLab, project: Hosted, alice: str, method: str, squash: str) -> None:
    settings = host.settings(project)
    settings.merge_method, settings.squash = method, squash
    made = opened(host, project, alice)
    _, merged = host.ask(alice, "PUT", f"{REQUESTS}/1/merge")
    tip = project.bare.branch("main")
    landed = merged["merge_commit_sha"] or merged["squash_commit_sha"] or merged["sha"]
    assert tip == landed
    assert (tip == made["sha"]) == (method == "ff" and squash != "always")


def test_a_request_that_lands_by_a_push_is_merged(host: FakeGitLab, project: Hosted, alice: str) -> None:
    head = opened(host, project, alice)["sha"]
    with host.moving(project, "alice"):
        project.bare.move("refs/heads/main", head)
    assert host.ask(alice, "GET", f"{REQUESTS}/1")[1]["state"] == "merged"


def test_a_request_whose_branch_is_deleted_is_closed_and_reopens_with_it(
    host: FakeGitLab, project: Hosted, alice: str
) -> None:
    head = opened(host, project, alice)["sha"]
    with host.moving(project, "alice"):
        project.bare.move("refs/heads/a", None)
    assert host.ask(alice, "GET", f"{REQUESTS}/1")[1]["state"] == "closed"
    assert host.ask(alice, "PUT", f"{REQUESTS}/1", {"state_event": "reopen"})[0] == 422
    with host.moving(project, "alice"):
        project.bare.move("refs/heads/a", head)
    assert host.ask(alice, "PUT", f"{REQUESTS}/1", {"state_event": "reopen"})[1]["state"] == "opened"


def test_another_target_is_noted_and_makes_a_version(host: FakeGitLab, project: Hosted, alice: str) -> None:
    opened(host, project, alice)
    change(host, project, "other", project.bare.branch("main"), "b", "b\n")
    host.ask(alice, "PUT", f"{REQUESTS}/1", {"target_branch": "other"})
    assert len(host.ask(alice, "GET", f"{REQUESTS}/1/versions")[1]) == 2
    newest = host.ask(alice, "GET", f"{REQUESTS}/1/notes")[1][0]
    assert (newest["system"], newest["body"]) == (True, "changed target branch from `main` to `other`")


def test_pushes_are_events_but_not_those_of_many_refs(host: FakeGitLab, project: Hosted, alice: str) -> None:
    head = change(host, project, "a", project.bare.branch("main"), "a", "a\n", by="bob")
    with host.moving(project, "alice"):
        for name in "wxyz":
            project.bare.move(f"refs/heads/{name}", head)
    _, found = host.ask(alice, "GET", f"/projects/{project.id}/events", action="pushed")
    bulk, single = (one["push_data"] for one in found[:2])
    assert (bulk["ref"], bulk["ref_count"]) == (None, 4)
    assert (single["ref"], single["action"], single["commit_from"], single["commit_to"]) == (
        "a",
        "created",
        None,
        head,
    )
    assert found[1]["author"]["username"] == "bob"


def test_notes_belong_to_their_authors_and_quick_actions_are_done(
    host: FakeGitLab, project: Hosted, alice: str, bob: str
) -> None:
    opened(host, project, alice)
    _, made = host.ask(bob, "POST", f"{REQUESTS}/1/notes", {"body": "hello\n/approve"})
    assert made["body"] == "hello"
    assert host.quick_actions == [("bob", "/approve")]
    assert len(host.ask(bob, "GET", f"{REQUESTS}/1/approvals")[1]["approved_by"]) == 1
    note = f"{REQUESTS}/1/notes/{made['id']}"
    assert host.ask(alice, "PUT", note, {"body": "mine"})[0] == 403
    assert host.ask(bob, "PUT", note, {"body": "mine"})[1]["body"] == "mine"
    assert host.ask(bob, "DELETE", note)[0] == 204
    assert host.ask(bob, "DELETE", note)[0] == 404


def test_free_has_one_reviewer(host: FakeGitLab, project: Hosted, alice: str) -> None:
    opened(host, project, alice)
    ids = [host.ask(alice, "GET", "/users", username=name)[1][0]["id"] for name in ("bob", "Rita")]
    _, shown = host.ask(alice, "PUT", f"{REQUESTS}/1", {"reviewer_ids": ids, "labels": "x, y"})
    assert ([one["username"] for one in shown["reviewers"]], shown["labels"]) == (["bob", "rita"], ["x", "y"])
    host.settings(project).tier = "free"
    _, shown = host.ask(alice, "PUT", f"{REQUESTS}/1", {"reviewer_ids": ids})
    assert len(shown["reviewers"]) == 1


def test_lists_come_in_pages(host: FakeGitLab, project: Hosted, alice: str) -> None:
    main = project.bare.branch("main")
    for number in range(5):
        change(host, project, f"b{number}", main, f"b{number}", "x\n")
        body = {"title": "x", "source_branch": f"b{number}", "target_branch": "main"}
        host.ask(alice, "POST", REQUESTS, body)
    found = requests.get(
        f"{host.url}/api/v4{REQUESTS}?per_page=2&page=2&sort=asc",
        headers={"Authorization": f"Bearer {alice}"},
        timeout=5,
    )
    assert [one["iid"] for one in found.json()] == [3, 4]
    assert (found.headers["X-Next-Page"], found.headers["X-Total"]) == ("3", "5")


def test_a_call_can_be_made_to_fail(host: FakeGitLab, project: Hosted, alice: str) -> None:
    host.fail(Answer(429, {"message": "Retry later"}, {"Retry-After": "1"}), "GET")
    url, headers = f"{host.url}/api/v4/user", {"PRIVATE-TOKEN": alice}
    assert [requests.get(url, headers=headers, timeout=5).status_code for _ in range(2)] == [429, 200]


def test_members_have_levels(host: FakeGitLab, project: Hosted, alice: str) -> None:
    def level(login: str) -> Any:
        account = host.account(login)
        assert account
        return host.ask(alice, "GET", f"/projects/{project.id}/members/all/{account.id}")[1].get(
            "access_level"
        )

    assert [level(name) for name in ("alice", "bob", "rita", "stranger")] == [40, 30, 20, None]
