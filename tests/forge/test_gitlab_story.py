"""The whole story on GitLab, by the command line alone: begin, register, promote, review, merge, resolve."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from flow_kit import git, pin

from forge.fake_gitlab import FakeGitLab
from forge.gitlab_records import MergeRequest, Protection
from forge.records import Hosted
from forge.story_kit import SOURCE, Payloads, Person, Said

HUB = "acme/risk/models"


@dataclass
class Story:
    """Alice, who owns the rules, and Bo, on a registry that Alice began on GitLab."""

    gitlab: FakeGitLab
    hub: Hosted
    alice: Person
    bo: Person
    payloads: Payloads
    folder: Path

    def request(self, number: int) -> MergeRequest:
        return self.gitlab.settings(self.hub).requests[number]

    def ci(self, number: int, *, code: int | None = 0) -> Said:
        """What the pipeline of a merge request does: a fresh clone, GitLab's variables, the gate."""
        head = self.request(number).sha
        place = self._checkout(head)
        # https://docs.gitlab.com/ci/variables/predefined_variables/
        environment = {
            "GITLAB_CI": "true",
            "CI_PIPELINE_SOURCE": "merge_request_event",
            "CI_COMMIT_SHA": head,
            "CI_SERVER_URL": self.gitlab.url,
            "CI_API_V4_URL": f"{self.gitlab.url}/api/v4",
            "CI_DEFAULT_BRANCH": "main",
            "CI_PROJECT_PATH": HUB,
            "CI_PROJECT_ID": str(self.hub.id),
            "CI_MERGE_REQUEST_IID": str(number),
            "CI_MERGE_REQUEST_PROJECT_ID": str(self.hub.id),
            "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": self.request(number).target,
            "CI_MERGE_REQUEST_EVENT_TYPE": "detached",
            "CI_JOB_TOKEN": self.gitlab.job_token("alice"),
            "GITLAB_TOKEN": self.gitlab.project_token(self.hub, "developer", "api", "read_repository"),
        }
        alice = self.alice
        runner = Person("ci", place, environment, alice.capsys, alice.patch, alice.keys)
        said = runner("verify", code=None)
        verdict = "success" if said.code == 0 else "failed"
        self.gitlab.settings(self.hub).pipelines[head] = verdict
        assert code is None or said.code == code, (said.code, said.out, said.err)
        return said

    def _checkout(self, head: str) -> Path:
        place = self.folder / f"ci-{len(list(self.folder.glob('ci-*')))}"
        url = self.gitlab.remote(HUB, self.bo.environment["GITLAB_TOKEN"])
        git(self.folder, "clone", "-q", url, os.fspath(place))
        git(place, "remote", "set-url", "origin", f"{self.gitlab.url}/{HUB}.git")
        git(place, "checkout", "-q", "--detach", head)
        return place

    def land(self, number: int) -> Said:
        """Bo has a look, the pipeline judges it, and Alice merges."""
        self.bo("change", "approve", str(number))
        self.ci(number)
        return self.alice("change", "merge", str(number))


@pytest.fixture
def story(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], keys: Path
) -> Iterator[Story]:
    pin(monkeypatch, tmp_path / "home")
    with FakeGitLab(tmp_path / "gitlab") as gitlab:
        yield begin(gitlab, tmp_path, monkeypatch, capsys, keys)
    gitlab.demand_conforming()


def begin(
    gitlab: FakeGitLab,
    folder: Path,
    patch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    keys: Path,
) -> Story:
    """``gitreg init --forge gitlab`` → push → the branch protected, and pipelines that must succeed."""
    for name in ("alice", "bo"):
        gitlab.add_user(name)
    hub = gitlab.add_project(HUB, alice="maintainer", bo="maintainer")

    def person(name: str) -> Person:
        environment = {"GITLAB_HOST": gitlab.url, "GITLAB_TOKEN": gitlab.personal_token(name)}
        return Person(name, folder / name, environment, capsys, patch, keys)

    alice, bo = person("alice"), person("bo")
    alice.folder.mkdir()
    options = ["--forge", "gitlab", "--account", "alice", "--action", SOURCE]
    alice("init", ".", "--remote", os.fspath(folder / "artifacts"), *options)
    policy = alice.folder / "policy.yaml"
    text = policy.read_text()
    bo_line = "  - {id: bo, email: bo@example.com, gitlab: bo}\n"
    text = text.replace("\ngroups:\n", f"{bo_line}\ngroups:\n", 1).replace("[alice]", "[alice, bo]", 1)
    policy.write_text(text)
    alice("forge", "scaffold", "--action", SOURCE)
    alice.git("add", "-A")
    who = ("-c", "user.name=Alice", "-c", "user.email=alice@example.com")
    alice.git(*who, "commit", "-qa", "--amend", "--no-edit")
    alice.git("remote", "add", "origin", f"{gitlab.url}/{HUB}.git")
    with_token = gitlab.remote(HUB, alice.environment["GITLAB_TOKEN"])
    alice.git("push", "-q", with_token, "main")
    alice.git("fetch", "-q", with_token, "+refs/heads/*:refs/remotes/origin/*")
    git(folder, "clone", "-q", gitlab.remote(HUB, bo.environment["GITLAB_TOKEN"]), os.fspath(bo.folder))
    bo.git("remote", "set-url", "origin", f"{gitlab.url}/{HUB}.git")
    settings = gitlab.settings(hub)
    settings.protections["main"] = Protection(push=0, merge=40)
    settings.pipeline_must_succeed = True
    gitlab.guard(hub)
    return Story(gitlab, hub, alice, bo, Payloads(folder / "payloads"), folder)


def in_staging(story: Story) -> None:
    metric = ("--metric", "accuracy=0.91")
    story.alice("register", "credit-risk", story.payloads(b"model 1\n"), "--create", *metric)
    story.land(1)
    story.alice("promote", "credit-risk/1", "--to", "staging")
    story.land(2)


def test_a_model_goes_to_production_by_a_merge_request(story: Story) -> None:
    alice, bo = story.alice, story.bo
    in_staging(story)
    promote = ("promote", "credit-risk/1", "--to", "production", "--format", "json")
    proposed = alice(*promote).data
    assert proposed["url"] == f"{story.gitlab.url}/{HUB}/-/merge_requests/3"
    assert [f["rule"] for f in proposed["findings"]] == ["GR401"]
    request = story.request(3)
    assert request.title == "Promote credit-risk/1 to production"
    assert "| `credit-risk` | `1` | `staging` | `production` |" in request.description
    assert "nobody has approved; alice, bo may" in request.description
    assert list(request.reviewers) == ["bo"]
    assert alice(*promote).data["how"] == "adopted"

    red = story.ci(3, code=1)
    assert "entering production needs 1 approval of maintainers" in red.out
    assert "GR401" in alice("change", "merge", "3", code=1).out

    bo("change", "approve", "3")
    assert story.ci(3).code == 0
    bo("change", "merge", "3")
    assert bo("resolve", "credit-risk/production").out.startswith("credit-risk/1")
    assert git(story.hub.bare.path, "rev-parse", "main^{tree}") == bo.git("rev-parse", "origin/main^{tree}")
    assert story.gitlab.quick_actions == []


def test_an_approval_from_before_a_push_does_not_count(story: Story) -> None:
    """GitLab voids it. Where it keeps approvals, no review counts at all, and the error says what does."""
    alice, bo = story.alice, story.bo
    in_staging(story)
    alice("promote", "credit-risk/1", "--to", "production")
    bo("change", "approve", "3")
    story.ci(3)

    branch, with_token = story.request(3).source, story.gitlab.remote(HUB, alice.environment["GITLAB_TOKEN"])
    alice.git("fetch", "-q", with_token, branch)
    alice.git("checkout", "-q", "-B", "more", "FETCH_HEAD")
    notes = alice.folder / "models/credit-risk/versions/1/notes.yaml"
    notes.write_text(
        "apiVersion: gitreg/v1\nkind: VersionNotes\nmodel: credit-risk\nversion: 1\ndescription: new\n"
    )
    alice.git("add", "-A")
    who = ("-c", "user.name=Alice", "-c", "user.email=alice@example.com")
    alice.git(*who, "commit", "-qm", "One thing more")
    alice.git("push", "-q", with_token, f"HEAD:{branch}")

    red = story.ci(3, code=1)
    assert "entering production needs 1 approval of maintainers, and has 0" in red.out
    assert "GR401" in bo("change", "merge", "3", code=1).out
    assert bo("resolve", "credit-risk/production", code=1).err

    story.gitlab.settings(story.hub).tier = "free"
    bo("change", "approve", "3")
    red = story.ci(3, code=1)
    assert "this GitLab does not say that a push voids approvals (it takes Premium)" in red.out
    assert "gitreg change approve --signed counts" in red.out


def test_a_job_token_alone_is_told_that_it_does_not_do(story: Story) -> None:
    story.alice("register", "credit-risk", story.payloads(b"model 1\n"), "--create")
    token = story.gitlab.job_token("alice")
    environment = {"CI_SERVER_URL": story.gitlab.url, "CI_JOB_TOKEN": token}
    bo = story.bo
    job = Person("job", bo.folder, environment, bo.capsys, bo.patch, bo.keys)
    said = job("change", "show", "1", code=2)
    assert "a job token (CI_JOB_TOKEN) may not do that" in said.err
    assert "GITLAB_TOKEN" in said.err
    assert token not in said.out + said.err
